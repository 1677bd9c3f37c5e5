//! What is told of settings that were accepted without a word.

use crate::{Place, QUIET, ran};

#[test]
fn check_says_when_the_event_log_cannot_be_written() {
    let check = |log: &str| {
        let rules = format!("{QUIET}events: {{ log: '{log}' }}\n");
        let place = Place::new().with("rules.yaml", &rules).with("file", "");
        let ran = place.run(&["check"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(
            !place.path().join("events.jsonl").exists(),
            "check leaves nothing behind"
        );
        ran.out
    };
    for log in ["no/such/folder/events.jsonl", "file/events.jsonl", "."] {
        let out = check(log);
        assert!(
            out.contains("the event log cannot be written: "),
            "{log}: {out}"
        );
    }
    for log in ["events.jsonl", "file", "stdout", "none"] {
        assert!(!check(log).contains("cannot be written"), "{log}");
    }
}

#[test]
fn check_warns_of_times_so_short_that_they_raise_the_least_rate() {
    let check = |limits: &str| {
        let rules = format!("{QUIET}limits: {{ {limits} }}\n");
        let ran = Place::new().with("rules.yaml", &rules).run(&["check"]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.out
    };
    for limits in ["write_time: 1s", "body_time: 4s"] {
        assert!(
            check(limits).contains("is short: whoever pauses for as long"),
            "{limits}"
        );
    }
    assert!(!check("write_time: 5s, body_time: 10s").contains("is short"));
}

#[test]
fn a_word_that_is_no_level_is_told() {
    let place = Place::new().with(
        "rules.yaml",
        "upstream: http://127.0.0.1:5000\nlisten: 192.0.2.1:1\ndetections: []\n",
    );
    // An address that is not ours, so that it ends by itself.
    let run = |log: &str| ran(place.command(&["run"]).env("PORTCULLIS_LOG", log)).err;
    let told = "`lots` is no level; the levels are off, error, warn, info, debug, trace";
    assert!(run("lots").contains(told), "{}", run("lots"));
    assert!(!run("warn").contains("is no level"));
}

#[test]
fn a_group_of_rules_is_shown_as_its_rules() {
    let place = Place::new();
    let group = place.run(&["rules", "show", "sql_injection"]);
    assert_eq!(group.code, Some(0), "{}", group.err);
    assert!(
        group
            .out
            .contains(" rules of malicious_payload\n  sql_injection."),
        "{}",
        group.out
    );
    assert!(
        !group.out.contains("  cross_site_scripting."),
        "{}",
        group.out
    );
    let json = place
        .run(&["rules", "show", "sql_injection", "--format", "json"])
        .json();
    assert!(
        json.as_array().is_some_and(|rules| rules.len() > 10),
        "{json}"
    );
    assert_eq!(place.run(&["rules", "show", "sql"]).code, Some(2));
}

#[test]
fn check_says_what_makes_bans_of_no_use() {
    let check = |rules: &str| {
        let place = Place::new().with("rules.yaml", rules);
        place.run(&["check"])
    };
    let late = check("detections: [{ rate_limit: {} }, { ban: {} }]\n");
    assert!(
        late.code == Some(0) && late.out.contains("ban: it is not the first in the chain"),
        "{}",
        late.out
    );
    let first = check("detections: [{ ban: {} }, { rate_limit: {} }]\n");
    assert!(!first.out.contains("not the first"), "{}", first.out);
    let nobody = check("policy: { ban: { after: 3 } }\ndetections: [{ rate_limit: {} }]\n");
    assert_eq!(nobody.code, Some(78));
    assert!(
        nobody.err.contains("the chain has no detection `ban`"),
        "{}",
        nobody.err
    );
    for (wrong, told) in [
        ("after: 0", "0 is out of range"),
        ("shared: 151", "151 is out of range"),
        ("for: 0s", "no time"),
        ("escalate: [15m, 0s]", "no time"),
        (
            "ignore: [rate_limits]",
            "there is no detection `rate_limits`",
        ),
        ("until: 15m", "the key `until` is unknown"),
    ] {
        let refused = check(&format!("policy: {{ ban: {{ {wrong} }} }}\n"));
        assert_eq!(refused.code, Some(78), "{wrong}");
        assert!(refused.err.contains(told), "{wrong}: {}", refused.err);
    }
    let token = check("control: { token: short }\n");
    assert!(
        token.code == Some(78) && token.err.contains("16 characters or more"),
        "{}",
        token.err
    );
}
