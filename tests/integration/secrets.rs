//! Planted secrets are found in nothing that is told: not in events, the access log, refusals, `/readyz`, nor in what
//! the program prints about its configuration or about a request.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::LazyLock;

use portcullis::engine::Registry;

use crate::support::{Answer, Proxy, Response, Upstream, json, wait_until};

// A secret of each kind; none is a part of another, and none looks like what a rule looks for.
const BEARER: &str = "mQ7-bearer-kz41";
const PROXY: &str = "mQ7-proxy-wv08";
const COOKIE: &str = "mQ7-cookie-ah55";
const API_KEY: &str = "mQ7-apikey-tr62";
const QUERY: &str = "mQ7-query-ln93";
const FORM: &str = "mQ7-form-oe17";
const JSON: &str = "mQ7-json-ys24";
const PART: &str = "mQ7-part-cd36";
const BASIC: &str = "mQ7-basic-gu49";
const ENV: &str = "mQ7-env-bx70";
const TEXT: &str = "mQ7-text-pi81";
const REFERER: &str = "mQ7-referer-jf02";
const AUTH: &str = "mQ7-auth-nk57";
const PATH: &str = "mQ7-path-hd18";
const SSN: &str = "mQ7-ssn-qb39";
const PAIR: &str = "mQ7-pair-vz64";
const WORDS: &str = "mQ7-words-xe85";

const MARKERS: [&str; 17] = [
    BEARER, PROXY, COOKIE, API_KEY, QUERY, FORM, JSON, PART, BASIC, ENV, TEXT, REFERER, AUTH, PATH,
    SSN, PAIR, WORDS,
];

/// What attacks look like, as each detection that reads requests knows them.
const ATTACKS: [&str; 4] = [
    "' union select password from users--",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    ";cat /etc/passwd",
];

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk
            .iter()
            .fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte))
            << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * place)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
        text.push_str(&"=="[..3 - chunk.len()]);
    }
    text
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Every way in which a marker could be told, whole or from any byte on where base64 is shifted.
fn spellings(marker: &str) -> Vec<String> {
    let shifted = (1..3).map(|skip| {
        let whole = base64(&[&b"xx"[..skip], marker.as_bytes()].concat());
        // The first and the last characters depend on what is beside.
        whole[4..whole.len() - 4].to_owned()
    });
    let straight = base64(marker.as_bytes());
    let mut all = vec![
        marker.to_owned(),
        percent(marker),
        percent(marker).to_lowercase(),
        marker.replace('-', "%2D"),
    ];
    all.push(straight[..straight.len() - 4].to_owned());
    all.extend(shifted);
    all
}

/// Fails where `text` holds a secret; counts what was looked through.
#[derive(Default)]
struct Search {
    looked_through: usize,
    leaks: BTreeSet<String>,
}

impl Search {
    fn look(&mut self, what: &str, text: &str) {
        assert!(!text.is_empty(), "{what} is empty");
        self.looked_through += text.len();
        for marker in MARKERS {
            for spelling in spellings(marker) {
                if let Some(at) = text.find(&spelling) {
                    let from = text.floor_char_boundary(at.saturating_sub(300));
                    let to = text.ceil_char_boundary((at + 80).min(text.len()));
                    self.leaks.insert(format!(
                        "{what} tells {marker} as {spelling}: {:?}",
                        &text[from..to]
                    ));
                }
            }
        }
    }

    fn look_at(&mut self, what: &str, response: &Response) {
        let text = format!(
            "{} {:?} {}",
            response.reason,
            response.headers,
            response.text()
        );
        self.look(what, &text);
    }

    fn finish(self, at_least: usize) {
        let leaks: Vec<_> = self.leaks.into_iter().collect();
        assert!(leaks.is_empty(), "{}", leaks.join("\n\n"));
        assert!(
            self.looked_through > at_least,
            "{} bytes",
            self.looked_through
        );
    }
}

/// One request with every secret in it that its kind of body can carry; `attack` is added inside the secret fields
/// (`inside`), or beside them.
struct Sent {
    target: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn requests(attack: &str, inside: bool) -> Vec<Sent> {
    let (within, beside) = if inside { (attack, "") } else { ("", attack) };
    let escaped = |text: &str| {
        serde_json::to_string(text)
            .unwrap()
            .trim_matches('"')
            .to_owned()
    };
    let headers = |kind: &'static str| {
        vec![
            ("Authorization", format!("Bearer {BEARER}{within}")),
            (
                "Proxy-Authorization",
                format!(
                    "Basic {}",
                    base64(format!("joe:{BASIC}{within}").as_bytes())
                ),
            ),
            ("Proxy-Authorization", format!("Bearer {PROXY}{within}")),
            (
                "Cookie",
                format!("theme=dark; session={COOKIE}{}", within.replace(';', "%3B")),
            ),
            ("X-Api-Key", format!("{API_KEY}{within}")),
            ("X-Auth", format!("{AUTH}{within}")),
            (
                "Referer",
                format!(
                    "https://joe:{REFERER}@example.org/reset/token/{PATH}?token={REFERER}{}",
                    percent(within)
                ),
            ),
            ("Content-Type", kind.to_owned()),
        ]
    };
    let target = format!(
        "/login?access_token={QUERY}{}&note={}",
        percent(within),
        percent(beside)
    );
    let form = format!(
        "user=joe&password={FORM}{}&user_ssn={SSN}{}&note={}",
        percent(within),
        percent(within),
        percent(beside)
    );
    let object = format!(
        r#"{{"user":{{"name":"joe","password":"{JSON}{}"}},"more":[{{"name":"password","value":"{PAIR}{}"}}],"note":"{}"}}"#,
        escaped(within),
        escaped(within),
        escaped(beside)
    );
    let parts = format!(
        "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n{PART}{within}\r\n--x\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n{beside}\r\n--x--\r\n",
    );
    let text = format!(
        "note={beside} password={TEXT}{within}\npassword: it is {WORDS}{within} or so\n{{\"api_key\": \"{TEXT}{}\"}}",
        escaped(within)
    );
    [
        ("application/x-www-form-urlencoded", form),
        ("application/json", object),
        ("multipart/form-data; boundary=x", parts),
        ("text/plain", text.clone()),
        ("application/json", text),
    ]
    .into_iter()
    .map(|(kind, body)| Sent {
        target: target.clone(),
        headers: headers(kind),
        body,
    })
    .collect()
}

fn send(proxy: &Proxy, sent: &Sent, more: &[(&str, &str)]) -> Response {
    let mut headers: Vec<(&str, &str)> = sent
        .headers
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    headers.extend(more);
    proxy.request("POST", &sent.target, &headers, sent.body.as_bytes())
}

/// A chain in which nothing but `name` refuses, and that at once.
fn chain(name: &str) -> String {
    static BANNED: LazyLock<(tempfile::NamedTempFile, String)> = LazyLock::new(|| {
        let list = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(list.path(), "127.0.0.1\n").unwrap();
        let section = format!("files: ['{}']", list.path().display());
        (list, section)
    });
    let section = match name {
        "ban" => &BANNED.1,
        "ip_allowlist" => "deny: [127.0.0.1]",
        "rate_limit" => {
            "headers: always, limits: [{ name: of-keys, key: header x-api-key, limit: 1, per: 1h }, { name: of-sessions, key: cookie session, limit: 1, per: 1h }]"
        }
        "enumeration" => "decoys: [/login]",
        "weak_encryption" => "unencrypted: block",
        "user_agent" => "block: [firefox]",
        _ => "",
    };
    format!("detections: [{name}: {{ {section} }}]\n")
}

/// Starts a proxy that writes everything down.
fn proxy(upstream: &Upstream, yaml: &str) -> Proxy {
    Proxy::start(
        upstream,
        &format!("events: {{ log: events.jsonl, access_log: true }}\n{yaml}"),
    )
}

/// Looks through everything that a proxy told, once it told of `requests` requests.
fn look_through(search: &mut Search, what: &str, proxy: &Proxy, requests: usize) {
    let path = proxy.folder.path().join("events.jsonl");
    let written = || std::fs::read_to_string(&path).unwrap_or_default();
    wait_until("the access log", || {
        written().matches("\"kind\":\"access\"").count() >= requests
    });
    search.look(&format!("{what}: the log"), &written());
    let events = proxy.events();
    assert!(!events.is_empty(), "{what}: no events");
    for event in events {
        search.look(
            &format!("{what}: an event"),
            &serde_json::to_string(&*event).unwrap(),
        );
        search.look(&format!("{what}: an event in debug"), &format!("{event:?}"));
    }
    search.look_at(&format!("{what}: /readyz"), &proxy.control("/readyz"));
}

#[test]
fn no_secret_of_a_request_is_told_by_a_refusal_of_any_detection() {
    let upstream = Upstream::plain();
    let mut search = Search::default();
    let registry = Registry::default();
    assert!(registry.entries().len() >= 5);
    for entry in registry.entries() {
        for mode in ["enforce", "monitor"] {
            let proxy = proxy(
                &upstream,
                &format!("policy: {{ mode: {mode} }}\n{}", chain(entry.name)),
            );
            let (mut sent, mut refused) = (0, 0);
            for inside in [false, true] {
                for request in ATTACKS.iter().flat_map(|attack| requests(attack, inside)) {
                    let response = send(&proxy, &request, &[]);
                    sent += 1;
                    refused += usize::from(response.status == 403);
                    if response.status == 403 {
                        search.look_at(entry.name, &response);
                    }
                }
            }
            assert_eq!(
                refused > sent / 4,
                mode == "enforce",
                "{} {mode}: {refused} of {sent}",
                entry.name
            );
            look_through(&mut search, entry.name, &proxy, sent);
        }
    }
    search.finish(500_000);
}

#[test]
fn no_secret_is_told_by_limits_and_failures() {
    let upstream = Upstream::start(|request| match request.one("x-do") {
        Some("break") => Answer::Close(b"HTTP/1.1 garbage mQ7\r\n\r\n".to_vec()),
        Some("silence") => Answer::Silence,
        Some("ask") => Answer::Bytes(b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec()),
        _ => json("404 Not Found", "{}"),
    });
    let yaml = "limits: { body: 1KiB, body_time: 300ms }\npolicy: { mode: monitor }\ndetections: [malicious_payload, user_agent, enumeration]\nclients: { trusted_proxies: [127.0.0.1] }\n";
    let mut search = Search::default();
    let listening = proxy(
        &upstream,
        &format!(
            "{yaml}upstream: {{ servers: [{{ url: 'http://UPSTREAM' }}], first_byte_timeout: 200ms }}\n"
        ),
    );
    let long = "x".repeat(2000);
    let long_header = [("X-Long", long.as_str())];
    let variants: [(&[(&str, &str)], u16); 9] = [
        (&[("X-Do", "break")], 502),
        (&[("X-Do", "silence")], 504),
        (&[("Content-Encoding", "gzip, br")], 400),
        (&[("Content-Encoding", "gzip, compress")], 415),
        (&[("Content-Length", "100000000000")], 413),
        (&[("Content-Length", "1000")], 408),
        (&[("Host", "example.org"), ("Host", "example.com")], 400),
        (&[("X-Forwarded-For", "mQ7 nobody")], 404),
        (&long_header, 404),
    ];
    let mut sent = 0;
    for (more, status) in variants {
        for inside in [false, true] {
            let request = &requests(ATTACKS[0], inside)[0];
            let response = send(&listening, request, more);
            assert_eq!(response.status, status, "{more:?}: {}", response.text());
            search.look_at("limits", &response);
            sent += 1;
        }
    }
    // Heads that are no HTTP have no line in the access log, but an event.
    for head in [
        format!("GET /?token={QUERY} HTTP/1.1\r\nAuthorization Bearer {BEARER}\r\n\r\n"),
        format!("GET /?token={QUERY}\r\nAuthorization: Bearer {BEARER}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {BEARER}\0\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {BEARER}\r\n\r\n"),
    ] {
        let response = listening.raw(head);
        assert_eq!(response.status, 400, "{}", response.text());
        search.look("a malformed head", &format!("{response:?}"));
    }
    look_through(&mut search, "limits", &listening, sent);

    let gone = Upstream::plain();
    gone.stop();
    let alone = proxy(&gone, "detections: [user_agent]\n");
    let response = send(&alone, &requests(ATTACKS[0], true)[1], &[]);
    assert_eq!(response.status, 502);
    search.look_at("no upstream", &response);
    look_through(&mut search, "no upstream", &alone, 1);
    search.finish(20_000);
}

// === The program ===

const FORMATS: [&str; 2] = ["text", "json"];

/// What the program prints, on both streams.
fn printed(folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .current_dir(folder)
        .env("SECRET_OF_THE_TEST", ENV)
        .env("RUST_LOG", "debug")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat();
    assert!(!text.contains("panicked"), "{text}");
    text
}

#[test]
fn no_secret_of_the_configuration_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(folder.path().join("secret"), format!("{ENV}\n")).unwrap();
    let in_order = "detections: [user_agent: { block: ['REF'] }, malicious_payload: { builtin: false, patterns: [{ id: own, words: ['REF'], places: [query] }] }]\n";
    let wrong = [
        "listen: 'REF'\n",
        "upstream: 'http://joe:REF@127.0.0.1:1'\n",
        "upstream: 'REF'\n",
        "clients: { trusted: ['REF'] }\n",
        "limits: { body: 'REF' }\n",
        "REF: 1\n",
        "events: { log: none, 'REF': 1 }\n",
        "policy: { mode: REF }\n",
        "detections: [user_agent: { block: ['/(REF/'] }]\n",
        "detections: [REF: {}]\n",
        "detections: [ip_allowlist: { files: ['REF'] }]\n",
        "detections: [rate_limit: { limits: [{ name: 'REF', limit: 1, per: 1m }] }]\n",
        "detections: [malicious_payload: { builtin: false, exclusions: [{ rule: 'REF' }] }]\n",
        "control: { listen: 'REF' }\n",
    ];
    let mut search = Search::default();
    for (turn, reference) in ["${SECRET_OF_THE_TEST}", "${file:secret}"]
        .into_iter()
        .enumerate()
    {
        for (yaml, is_right) in wrong
            .iter()
            .map(|yaml| (*yaml, false))
            .chain([(in_order, true)])
        {
            // The rules that come with portcullis take their time to compile.
            let none = if yaml.contains("detections") {
                ""
            } else {
                "detections: []\n"
            };
            std::fs::write(
                &path,
                format!("version: 1\n{}{none}", yaml.replace("REF", reference)),
            )
            .unwrap();
            // One format for each reference.
            let verbs: &[&[&str]] = if is_right {
                &[
                    &["check", "--print-effective"],
                    &["rules", "list"],
                    &["explain", "--target", "/?q=a"],
                ]
            } else {
                &[&["check"]]
            };
            for verb in verbs {
                let arguments = [verb, &["--format", FORMATS[turn]][..]].concat();
                let text = printed(folder.path(), &arguments);
                search.look(&format!("{arguments:?} of {yaml:?}"), &text);
                if arguments.contains(&"--print-effective") {
                    assert!(text.contains(reference), "not looked at: {text}");
                }
            }
        }
    }
    search.finish(10_000);
}

#[test]
fn no_secret_of_a_request_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let mut search = Search::default();
    let mut refused = 0;
    std::fs::write(
        folder.path().join("rules.yaml"),
        "version: 1\ndetections: [user_agent, malicious_payload: { builtin: false, patterns: [{ id: own, regexes: ['(?s).{0,9}(?:union select|etc/passwd).{0,9}'] }] }]\n",
    )
    .unwrap();
    for (inside, attack) in [(false, ATTACKS[0]), (true, ATTACKS[2])] {
        for request in requests(attack, inside) {
            let mut text = format!("POST {} HTTP/1.1\r\nHost: example.org\r\n", request.target);
            for (name, value) in &request.headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str(&format!("\r\n{}", request.body));
            std::fs::write(folder.path().join("request"), text).unwrap();
            for format in FORMATS {
                let text = printed(folder.path(), &["explain", "request", "--format", format]);
                refused += usize::from(text.contains("own"));
                search.look("explain", &text);
            }
        }
    }
    assert!(refused >= 20, "{refused}");
    search.finish(50_000);
}

#[test]
fn a_refused_reload_tells_no_secret() {
    let upstream = Upstream::plain();
    let mut search = Search::default();
    let proxy = proxy(&upstream, "detections: []\n");
    std::fs::write(proxy.folder.path().join("secret"), ENV).unwrap();
    let error = proxy
        .reload("limits: { body: '${file:secret}' }\n")
        .unwrap_err();
    search.look("the error", &error);
    let ready = proxy.control("/readyz");
    assert!(ready.text().contains("limits"), "{}", ready.text());
    look_through(&mut search, "reload", &proxy, 0);
    search.finish(500);
}

#[test]
fn the_search_finds_what_it_should() {
    assert_eq!(base64(b"joe:secret"), "am9lOnNlY3JldA==");
    for marker in MARKERS {
        for text in [
            marker.to_owned(),
            percent(marker),
            base64(format!("joe:{marker}").as_bytes()),
            base64(format!("ab{marker}").as_bytes()),
            base64(format!("abc{marker}!").as_bytes()),
        ] {
            let mut search = Search::default();
            search.look("a text", &format!("before {text} after"));
            assert_eq!(search.leaks.len(), 1, "{text}");
        }
    }
}
