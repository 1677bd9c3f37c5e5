//! Every registered detection: documented, in the manual, buildable, with rules that can be told apart, and with cases
//! that fire and look-alikes that do not. A detection without cases fails the walk.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Instant;

use portcullis::clients::Clients;
use portcullis::config::Load;
use portcullis::config::load::Shared;
use portcullis::engine::registry::Entry;
use portcullis::engine::{Outcome, Registry};
use portcullis::request::Standing;
use schemars::SchemaGenerator;
use serde_json::Value;

use crate::judge::{Request, findings, policy};

const HEADINGS: [&str; 4] = [
    "# What it detects",
    "# Why it matters",
    "# Example",
    "# Limits",
];

const MANUAL: &str = include_str!("../../rules.yaml");

fn entries() -> Vec<Entry> {
    let entries = Registry::default().entries().to_vec();
    assert!(entries.len() >= 5, "{}", entries.len());
    entries
}

#[test]
fn every_detection_is_documented_under_the_four_headings() {
    for entry in entries() {
        let text = (entry.documentation)();
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings, HEADINGS, "{}", entry.name);
        for section in text.split("\n# ") {
            let (heading, said) = section.split_once('\n').unwrap();
            assert!(
                said.trim().len() > 80,
                "{}: {heading} says nothing",
                entry.name
            );
        }
        let why = text.split("# Why it matters").nth(1).unwrap();
        assert!(
            ["CWE-", "CAPEC-", "OWASP"]
                .iter()
                .any(|list| why.contains(list)),
            "{}: no link to a public list of weaknesses",
            entry.name
        );
    }
}

#[test]
fn every_detection_has_a_name_of_its_own_that_can_be_written_anywhere() {
    let mut seen = BTreeSet::new();
    for entry in entries() {
        let words = entry.name.split('_');
        let is_word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        assert!(words.clone().all(is_word), "{}", entry.name);
        assert!(seen.insert(entry.name), "{} is there twice", entry.name);
    }
}

// === The manual ===

/// What the manual says of a detection: its item in the list, comments included, written as a comment or not.
fn manual(name: &str) -> Option<String> {
    let bare = |line: &'static str| line.trim_start().trim_start_matches("# ").trim_start();
    let begins = |line: &&str| bare_name(line) == Some(name);
    let lines: Vec<&str> = MANUAL.lines().map(bare).collect();
    let begin = lines.iter().position(begins)?;
    let item = lines[begin + 1..].iter().take_while(|line| {
        let next_item =
            bare_name(line).is_some_and(|name| Registry::default().find(name).is_some());
        !next_item && !line.starts_with("===")
    });
    Some(item.copied().collect::<Vec<_>>().join("\n"))
}

/// The name of a line `- name:` or `- name: {}`.
fn bare_name(line: &str) -> Option<&str> {
    line.strip_prefix("- ")?.split(':').next()
}

/// Every name of a key in a schema, at any depth.
fn keys(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::Object(properties)) = map.get("properties") {
                found.extend(properties.keys().cloned());
            }
            map.values().for_each(|value| keys(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        _ => {}
    }
}

fn mentions(text: &str, key: &str) -> bool {
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    text.match_indices(key).any(|(at, _)| {
        !is_word(text[..at].chars().next_back()) && !is_word(text[at + key.len()..].chars().next())
    })
}

#[test]
fn the_manual_has_a_section_for_every_detection_and_names_all_its_keys() {
    let mut missing = Vec::new();
    let mut total = 0;
    for entry in entries() {
        let Some(section) = manual(entry.name) else {
            missing.push(format!("rules.yaml has no section for `{}`", entry.name));
            continue;
        };
        let mut generator = SchemaGenerator::default();
        let schema = (entry.schema)(&mut generator).to_value();
        let mut found = BTreeSet::new();
        keys(&schema, &mut found);
        keys(&Value::Object(generator.take_definitions(true)), &mut found);
        assert!(!found.is_empty(), "{} has no keys", entry.name);
        total += found.len();
        missing.extend(
            found
                .iter()
                .filter(|key| !mentions(&section, key))
                .map(|key| format!("rules.yaml: `{}` does not name its key `{key}`", entry.name)),
        );
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(total > 20, "{total} keys");
}

#[test]
fn the_default_of_every_detection_builds_and_its_rules_can_be_told_apart() {
    for entry in entries() {
        let shared = Shared::default();
        let mut load = Load::new(Path::new("."), &shared);
        let built = (entry.build)((entry.default_config)(), &mut load);
        let detection = built.unwrap_or_else(|errors| panic!("{}: {errors:?}", entry.name));
        let (_, warnings) = load.finish();
        assert!(warnings.is_empty(), "{}: {warnings:?}", entry.name);
        let mut seen = BTreeSet::new();
        for rule in detection.rules() {
            assert!(
                seen.insert(rule.id.clone()),
                "{}: {} is there twice",
                entry.name,
                rule.id
            );
            let first = rule.message.chars().next().unwrap();
            assert!(
                rule.message.ends_with('.') && first.is_uppercase(),
                "{}: the message of {} is no sentence: {:?}",
                entry.name,
                rule.id,
                rule.message
            );
            assert!(
                !rule.places.is_empty(),
                "{}: {} looks nowhere",
                entry.name,
                rule.id
            );
        }
        assert!(!seen.is_empty(), "{} has no rules", entry.name);
    }
}

// === Cases ===

/// One request to one detection; `before` as many of the same have been judged already.
struct Case {
    detection: &'static str,
    section: &'static str,
    before: usize,
    request: Request,
    /// The rule that must fire; `None` for a look-alike.
    rule: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let agent = |value: &str| Request::get("/").header("user-agent", value);
    let form = |body: &str| Request::get("/").body("application/x-www-form-urlencoded", body);
    let json = |body: &str| Request::get("/").body("application/json", body);
    static LIST: LazyLock<(tempfile::NamedTempFile, String)> = LazyLock::new(|| {
        let list = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(list.path(), "198.51.100.0/24\n").unwrap();
        let section = format!("files: ['{}']", list.path().display());
        (list, section)
    });
    let bans = LIST.1.as_str();
    let cases: [(&str, &str, usize, Request, Option<&str>); 35] = [
        (
            "ban",
            bans,
            0,
            Request::get("/").from("198.51.100.7"),
            Some("listed"),
        ),
        ("ban", bans, 0, Request::get("/").from("198.51.101.7"), None),
        (
            "ip_allowlist",
            "deny: [198.51.100.0/24]",
            0,
            Request::get("/").from("198.51.100.7"),
            Some("denied"),
        ),
        (
            "ip_allowlist",
            "deny: [198.51.100.0/24]",
            0,
            Request::get("/").from("198.51.101.7"),
            None,
        ),
        (
            "ip_allowlist",
            "allow: ['2001:db8::/32']",
            0,
            Request::get("/").from("2001:db9::1"),
            Some("not_allowed"),
        ),
        (
            "ip_allowlist",
            "allow: ['2001:db8::/32']",
            0,
            Request::get("/").from("2001:db8::1"),
            None,
        ),
        (
            "ip_allowlist",
            "",
            0,
            Request::get("/").from("198.51.100.7"),
            None,
        ),
        (
            "weak_encryption",
            "min_version: '1.3'",
            0,
            Request::get("/").over(0x0303),
            Some("old_version"),
        ),
        (
            "weak_encryption",
            "min_version: '1.3'",
            0,
            Request::get("/").over(0x0304),
            None,
        ),
        (
            "weak_encryption",
            "ciphers: [TLS_AES_128_GCM_SHA256]",
            0,
            Request::get("/").over(0x0304),
            Some("weak_cipher"),
        ),
        (
            "weak_encryption",
            "ciphers: [TLS_AES_256_GCM_SHA384]",
            0,
            Request::get("/").over(0x0304),
            None,
        ),
        (
            "weak_encryption",
            "unencrypted: block",
            0,
            Request::get("/").header("x-forwarded-proto", "https"),
            Some("unencrypted"),
        ),
        (
            "weak_encryption",
            "unencrypted: block",
            0,
            Request::get("/").over(0x0303),
            None,
        ),
        (
            "weak_encryption",
            "unencrypted: block",
            0,
            Request::get("/")
                .header("x-forwarded-proto", "https")
                .standing(Standing::Proxy),
            None,
        ),
        (
            "user_agent",
            "",
            0,
            agent("sqlmap/1.8#stable"),
            Some("blocked"),
        ),
        (
            "user_agent",
            "",
            0,
            agent("Mozilla/5.0 (X11; Linux x86_64) Nikto/2.5"),
            Some("blocked"),
        ),
        ("user_agent", "", 0, agent("curl/8.5.0"), None),
        (
            "user_agent",
            "",
            0,
            Request::get("/sqlmap?agent=nikto"),
            None,
        ),
        (
            "user_agent",
            "missing: block",
            0,
            Request::get("/"),
            Some("missing"),
        ),
        ("user_agent", "missing: block", 0, agent("curl/8.5.0"), None),
        (
            "rate_limit",
            "limits: [{ name: few, limit: 3, per: 1m }]",
            3,
            Request::get("/"),
            Some("few"),
        ),
        (
            "rate_limit",
            "limits: [{ name: few, limit: 3, per: 1m }]",
            2,
            Request::get("/"),
            None,
        ),
        (
            "rate_limit",
            "limits: [{ name: few, limit: 3, per: 1m, path: /login }]",
            9,
            Request::get("/logout"),
            None,
        ),
        (
            "malicious_payload",
            "",
            0,
            Request::get("/?q=1%27%20UNION%20SELECT%20password%20FROM%20users"),
            Some("sql_injection.union_behind_value"),
        ),
        (
            "malicious_payload",
            "",
            0,
            Request::get("/?q=which+union+do+students+select"),
            None,
        ),
        (
            "malicious_payload",
            "",
            0,
            form("comment=%3Cscript%3Ealert(1)%3C%2Fscript%3E"),
            Some(""),
        ),
        (
            "malicious_payload",
            "",
            0,
            form("comment=a+%3C+b+and+the+script+was+good"),
            None,
        ),
        (
            "malicious_payload",
            "",
            0,
            json(r#"{"a":[{"file":"..\/..\/..\/etc\/passwd"}]}"#),
            Some(""),
        ),
        (
            "malicious_payload",
            "",
            0,
            json(r#"{"a":[{"file":"docs/../readme"}],"note":"it's O'Brien's"}"#),
            None,
        ),
        (
            "malicious_payload",
            "builtin: false, patterns: [{ id: mine, words: [forbidden], places: [query], score: 5 }]",
            0,
            Request::get("/?q=%46orbidden"),
            Some("mine"),
        ),
        (
            "malicious_payload",
            "builtin: false, patterns: [{ id: mine, words: [forbidden], places: [query], score: 5 }]",
            0,
            Request::get("/forbidden"),
            None,
        ),
        (
            "enumeration",
            "decoys: [/.env, /.git/*]",
            0,
            Request::get("/.git/config"),
            Some("decoy"),
        ),
        (
            "enumeration",
            "decoys: [/.env, /.git/*]",
            1,
            Request::get("/.env"),
            Some("decoy"),
        ),
        (
            "enumeration",
            "decoys: [/.env, /.git/*]",
            0,
            Request::get("/.environment"),
            None,
        ),
        ("enumeration", "", 50, Request::get("/api/empoint"), None),
    ];
    cases
        .into_iter()
        .map(|(detection, section, before, request, rule)| Case {
            detection,
            section,
            before,
            request,
            rule,
        })
        .collect()
}

#[test]
fn every_detection_fires_at_its_attack_and_not_at_its_look_alike() {
    let mut wrong = Vec::new();
    for case in cases() {
        let Case {
            detection,
            section,
            request,
            ..
        } = &case;
        let yaml = format!("detections: [{detection}: {{ {section} }}]");
        let policy = policy(&yaml, &Registry::default());
        let (facts, now) = (Clients::scratch(), Instant::now());
        for _ in 0..case.before {
            let _ = request.judged(&policy, &facts, now);
        }
        let evaluation = request.judged(&policy, &facts, now);
        let found: Vec<String> = findings(&evaluation)
            .iter()
            .map(|(_, finding)| finding.rule.to_string())
            .collect();
        let right = match case.rule {
            // Any rule will do where several may be meant.
            Some(rule) => {
                evaluation.outcome() == Outcome::Block
                    && (rule.is_empty() || found.iter().any(|found| found == rule))
            }
            None => evaluation.outcome() == Outcome::Pass && found.is_empty(),
        };
        if !right {
            wrong.push(format!(
                "{yaml}\n  {request:?}\n  wanted {:?}, found {found:?}",
                case.rule
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_detection_has_a_case_of_both_kinds() {
    let cases = cases();
    for entry in entries() {
        let of = |fires: bool| {
            let of_it = cases.iter().filter(|case| case.detection == entry.name);
            of_it.filter(|case| case.rule.is_some() == fires).count()
        };
        assert!(of(true) > 0, "`{}` has no case that fires", entry.name);
        assert!(of(false) > 0, "`{}` has no look-alike", entry.name);
    }
}
