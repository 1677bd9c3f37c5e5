//! `enumeration` through a chain. The names of acceptance checks and of the predecessor's bugs stand where one is held.

use std::time::Duration;

use super::super::harness::{Harness, Sent, build, mistake};
use crate::engine::{Mode, Outcome};
use crate::request::{PlaceKind, Standing};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn with(section: &str) -> Harness {
    Harness::new("enumeration", section)
}

fn missing(path: &str) -> Sent {
    Sent::get(path).answered(404)
}

/// How many of so many different paths, each answered by `status`, were let through.
fn probe(harness: &Harness, status: u16, paths: std::ops::Range<u32>) -> usize {
    let sent = paths.map(|n| Sent::get(&format!("/api/endpoints{n}")).answered(status));
    sent.map(|sent| harness.passed(&sent, 1)).sum()
}

/// A14; bug 9 (paths are judged by their looks, a counter never ends, a caught client still gets what exists).
#[test]
fn beyond_the_limit_everything_is_refused_until_the_hold_ends() {
    let mut harness = with("{ limit: 5, block_for: 10m }");
    let valid = Sent::get("/api/endpoint");
    assert_eq!(harness.passed(&valid, 50), 50);
    assert_eq!(probe(&harness, 404, 0..5), 5);
    let refused = harness.send(&missing("/api/endpoints9"));
    assert!(
        refused.reached_upstream,
        "its answer was what gave the client away"
    );
    assert_eq!(refused.outcome, Outcome::Block);
    assert_eq!(refused.header("retry-after"), ["600"]);
    let finding = refused.findings.first().expect("a finding");
    assert_eq!(
        (finding.rule.as_str(), finding.place.kind),
        ("probing", PlaceKind::Response)
    );
    assert!(
        finding
            .evidence
            .text
            .contains("more than 5 different paths")
    );

    harness.wait(9 * MINUTE + SECOND / 2);
    let refused = harness.send(&valid);
    assert!(!refused.reached_upstream);
    assert_eq!(refused.header("retry-after"), ["60"], "rounded up");
    assert_eq!(
        refused.findings.first().expect("a finding").rule.as_str(),
        "held"
    );
    assert_eq!(
        harness.passed(&valid.clone().from("192.0.2.2"), 1),
        1,
        "somebody else"
    );
    harness.wait(MINUTE);
    assert_eq!(harness.passed(&valid, 50), 50);
    assert_eq!(probe(&harness, 404, 0..5), 5, "a new window");
}

#[test]
fn by_default_the_twenty_first_path_is_one_too_many() {
    let harness = with("{}");
    assert_eq!(probe(&harness, 404, 0..100), 20);
}

#[test]
fn variants_of_a_real_path_are_caught() {
    let harness = with("limit: 5");
    assert_eq!(harness.passed(&Sent::get("/api/endpoint"), 1), 1);
    assert_eq!(probe(&harness, 404, 1..21), 5);
    assert_eq!(harness.passed(&Sent::get("/api/endpoint"), 1), 0);
}

#[test]
fn a_typo_and_a_page_that_polls_one_missing_file_are_let_be() {
    let mut harness = with("limit: 1");
    assert_eq!(harness.passed(&missing("/api/empoint"), 1), 1);
    for n in 0..500 {
        assert_eq!(
            harness.passed(&missing(&format!("/api/empoint?_={n}")), 1),
            1
        );
        harness.wait(SECOND);
    }
}

#[test]
fn an_expired_token_is_let_be_but_denied_paths_add_up() {
    for status in [401, 403] {
        let mut harness = with("{}");
        for _ in 0..10 {
            assert_eq!(
                probe(&harness, status, 0..30),
                30,
                "thirty endpoints, again and again"
            );
            harness.wait(5 * SECOND);
        }
        harness.wait(MINUTE);
        assert_eq!(probe(&harness, status, 0..200), 80, "a quarter of 80 is 20");
    }
    let harness = with("{}");
    assert_eq!(probe(&harness, 401, 0..40), 40);
    assert_eq!(
        probe(&harness, 404, 100..200),
        10,
        "40 quarters and 10 are 20"
    );
    let harness = with("limit: 2");
    assert_eq!(probe(&harness, 401, 0..8), 8);
    assert_eq!(
        probe(&harness, 404, 0..1),
        0,
        "the same path, now missing, weighs more"
    );
}

#[test]
fn only_the_listed_answers_count() {
    let harness = with("{ limit: 5, statuses: [404, 410] }");
    for harmless in [200, 301, 400, 401, 403, 405, 500] {
        assert_eq!(probe(&harness, harmless, 0..50), 50, "{harmless}");
    }
    assert_eq!(probe(&harness, 410, 0..50), 5);
    for counted in [400, 404, 405] {
        assert_eq!(probe(&with("limit: 5"), counted, 0..50), 5, "{counted}");
    }
}

#[test]
fn the_window_slides() {
    let mut harness = with("{ limit: 5, within: 10s }");
    for n in 0..100 {
        assert_eq!(
            probe(&harness, 404, n..n + 1),
            1,
            "one in two seconds is five in ten"
        );
        harness.wait(2 * SECOND);
    }
    assert_eq!(probe(&harness, 404, 200..300), 1);
}

#[test]
fn a_decoy_holds_at_once_and_never_reaches_the_upstream() {
    let mut harness = with("{ block_for: 5m, decoys: [/.git/*, /backup.zip] }");
    let valid = Sent::get("/");
    for (at, decoy) in ["/.git/config?x=1", "/backup.zip"].into_iter().enumerate() {
        let scanner = |sent: &Sent| sent.clone().from(&format!("198.51.100.{at}"));
        assert_eq!(harness.passed(&scanner(&valid), 1), 1);
        let refused = harness.send(&scanner(&Sent::get(decoy)));
        assert!(!refused.reached_upstream);
        assert_eq!(refused.header("retry-after"), ["300"]);
        let finding = refused.findings.first().expect("a finding");
        assert_eq!(
            (finding.rule.as_str(), finding.place.kind),
            ("decoy", PlaceKind::Path)
        );
        assert!(decoy.starts_with(&finding.evidence.text));
        let origin = finding.evidence.origin.as_ref().expect("raw bytes");
        assert_eq!(
            decoy.get(origin.range.clone()),
            Some(finding.evidence.text.as_str())
        );
        assert_eq!(harness.passed(&scanner(&valid), 1), 0);
    }
    assert_eq!(harness.passed(&Sent::get("/.gitignore"), 1), 1, "no decoy");
    harness.wait(5 * MINUTE);
    assert_eq!(harness.passed(&valid.from("198.51.100.0"), 1), 1);
}

#[test]
fn proxies_and_trusted_clients_are_never_held() {
    let harness = with("{ limit: 1, decoys: [/trap] }");
    let proxy = |path: &str| missing(path).standing(Standing::Proxy);
    let trusted = |path: &str| missing(path).standing(Standing::Trusted);
    for n in 0..50 {
        assert_eq!(harness.passed(&proxy(&format!("/{n}")), 1), 1);
        assert_eq!(harness.passed(&trusted(&format!("/{n}")), 1), 1);
    }
    assert_eq!(harness.passed(&proxy("/trap"), 1), 0, "refused, but");
    assert_eq!(harness.passed(&proxy("/"), 1), 1, "not held");
    assert_eq!(harness.passed(&trusted("/trap"), 1), 1);
    let statistics = harness.facts.statistics();
    assert_eq!(
        (statistics.holds.entries, statistics.windows.entries),
        (0, 0)
    );
}

#[test]
fn what_is_found_in_monitor_mode_never_refuses_in_enforce_mode() {
    let section = "{ limit: 5, decoys: [/trap] }";
    let mut harness = with(section);
    harness.reload("enumeration", section, Mode::Monitor);
    assert_eq!(probe(&harness, 404, 0..50), 50);
    assert_eq!(harness.passed(&Sent::get("/trap"), 1), 1);
    let held = harness.send(&Sent::get("/api/endpoint"));
    assert_eq!(
        held.outcome,
        Outcome::WouldBlock,
        "monitor mode tells the whole story"
    );
    assert!(held.reached_upstream && held.headers.is_empty());

    harness.reload("enumeration", section, Mode::Enforce);
    assert_eq!(harness.passed(&Sent::get("/api/endpoint"), 1), 1);
    assert_eq!(probe(&harness, 404, 0..50), 5, "and counts from nothing");

    harness.reload("enumeration", section, Mode::Monitor);
    assert_eq!(harness.passed(&Sent::get("/api/endpoint"), 1), 1);
    harness.reload("enumeration", section, Mode::Enforce);
    assert_eq!(
        harness.passed(&Sent::get("/api/endpoint"), 1),
        0,
        "a real hold stays real"
    );
}

#[test]
fn mistakes_are_told_with_their_place() {
    for (section, expected) in [
        ("limit: 0", ".limit: 0 is no limit for paths"),
        ("limit: 1001", ".limit: 1001 is no limit"),
        ("within: 0s", ".within: a span of no time"),
        ("block_for: 0s", ".block_for: a span of no time"),
        (
            "statuses: [404, 200]",
            ".statuses[1]: 200 is no status of an error",
        ),
        ("decoys: [/a, b]", ".decoys[1]: `b` is no path"),
        ("decoy: [/a]", "unknown field `decoy`"),
    ] {
        let told = mistake("enumeration", section);
        assert!(told.contains(expected), "{section}: {told}");
    }
}

#[test]
fn the_default_section_reads_back_and_the_rules_are_documented() {
    let registry = crate::engine::Registry::default();
    let names: Vec<_> = registry.entries().iter().map(|entry| entry.name).collect();
    let place = |name: &str| names.iter().position(|other| *other == name);
    assert!(place("rate_limit") < place("enumeration"));
    let entry = registry.find("enumeration").expect("registered");
    let section = serde_yaml::to_string(&(entry.default_config)()).expect("serialises");
    let built = build("enumeration", &section).expect(&section);
    assert_eq!(built.detection.rules().len(), 3);
    let documentation = (entry.documentation)();
    for heading in [
        "# What it detects",
        "# Why it matters",
        "# Example",
        "# Limits",
    ] {
        assert!(documentation.contains(heading), "{heading}");
    }
}
