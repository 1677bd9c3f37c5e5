//! `rate_limit` through a chain. The names of acceptance checks and of the predecessor's bugs stand where one is held.

use std::time::Duration;

use http::Method;

use super::super::harness::{Harness, Received, Sent, build, mistake};
use crate::engine::{Mode, Outcome, Weight};
use crate::request::{PlaceKind, Standing};

const MINUTE: Duration = Duration::from_secs(60);

fn limits(yaml: &str) -> Harness {
    Harness::new("rate_limit", yaml)
}

fn five_a_minute() -> Harness {
    limits("limits: [{ name: five, limit: 5, per: 1m }]")
}

fn client(address: &str) -> Sent {
    Sent::get("/api/endpoint").from(address)
}

fn first_refusal(harness: &Harness, sent: &Sent) -> Received {
    (0..2000)
        .map(|_| harness.send(sent))
        .find(|received| received.outcome == Outcome::Block)
        .expect("a refusal")
}

/// A9; bugs 1 (the limit works in the first minute only) and 2 (off by one).
#[test]
fn each_round_passes_exactly_the_limit() {
    let mut harness = five_a_minute();
    for _ in 0..5 {
        assert_eq!(harness.passed(&client("192.0.2.1"), 12), 5);
        harness.wait(MINUTE);
    }
    harness.wait(100 * MINUTE);
    assert_eq!(harness.passed(&client("192.0.2.1"), 12), 5);
}

/// A10; bug 12 (counters that are not safe across threads).
#[test]
fn fifty_in_parallel_pass_exactly_the_limit() {
    let harness = five_a_minute();
    let passed = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| harness.passed(&client("192.0.2.1"), 4)))
            .collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        joined.sum::<usize>()
    });
    assert_eq!(passed, 5);
}

/// A11; bug 11 (everybody behind a proxy is one client).
#[test]
fn clients_are_counted_apart_and_ipv6_by_network() {
    let harness = five_a_minute();
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 5);
    assert_eq!(harness.passed(&client("192.0.2.2").answered(500), 9), 5);
    assert_eq!(harness.passed(&client("2001:db8::1"), 3), 3);
    assert_eq!(harness.passed(&client("2001:db8::ffff"), 9), 2);
    assert_eq!(harness.passed(&client("2001:db8:0:1::1"), 9), 5);
    assert_eq!(
        harness.passed(&client("::ffff:192.0.2.1"), 9),
        0,
        "it is 192.0.2.1"
    );
}

#[test]
fn a_refusal_names_limit_and_wait() {
    let mut harness = five_a_minute();
    let refused = first_refusal(&harness, &client("192.0.2.1"));
    assert!(!refused.reached_upstream);
    let [finding] = refused.findings.as_slice() else {
        panic!("{refused:?}");
    };
    assert_eq!(finding.rule.as_str(), "five");
    assert_eq!(finding.weight, Weight::Decisive);
    assert_eq!(finding.place.kind, PlaceKind::Client);
    assert_eq!(
        finding.evidence.text,
        "more than 5 requests in 1m (key: client)"
    );
    assert_eq!(refused.header("retry-after"), ["12"]);
    assert_eq!(refused.header("ratelimit-policy"), ["\"five\";q=5;w=60"]);
    assert_eq!(refused.header("ratelimit"), ["\"five\";r=0;t=60"]);

    harness.wait(Duration::from_millis(11_999));
    let refused = first_refusal(&harness, &client("192.0.2.1"));
    assert_eq!(refused.header("retry-after"), ["1"], "rounded up");
    harness.wait(Duration::from_millis(1));
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 1, "as told");
}

#[test]
fn the_default_is_600_a_minute_for_each_client() {
    let harness = limits("{}");
    assert_eq!(harness.passed(&client("192.0.2.1"), 700), 600);
    let refused = first_refusal(&harness, &client("192.0.2.1"));
    assert_eq!(
        refused.findings.first().expect("one").rule.as_str(),
        "client"
    );
}

#[test]
fn the_burst_is_what_may_come_at_once() {
    let mut harness = limits("limits: [{ name: paced, limit: 60, per: 1m, burst: 3 }]");
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 3);
    harness.wait(Duration::from_secs(1));
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 1);
    let refused = first_refusal(&harness, &client("192.0.2.1"));
    let evidence = &refused.findings.first().expect("one").evidence.text;
    assert_eq!(
        evidence,
        "more than 60 requests in 1m, or more than 3 at once (key: client)"
    );
}

#[test]
fn header_values_are_counted_apart_and_without_one_the_client_is() {
    let harness = limits("limits: [{ name: key, key: header X-Api-Key, limit: 5, per: 1m }]");
    let with = |value: &str| client("192.0.2.1").header("x-api-key", value);
    assert_eq!(harness.passed(&with("one"), 9), 5);
    assert_eq!(
        harness.passed(&with("one").from("192.0.2.2"), 9),
        0,
        "the key is the same"
    );
    assert_eq!(harness.passed(&with("two"), 9), 5);
    assert_eq!(harness.passed(&client("192.0.2.1"), 3), 3);
    assert_eq!(
        harness.passed(&with(""), 9),
        2,
        "empty is as good as missing"
    );
    // The octets of 49.46.50.46 are the text `1.2.`: nobody can use up somebody else's cells by naming them.
    assert_eq!(harness.passed(&with("1.2."), 9), 5);
    assert_eq!(harness.passed(&client("49.46.50.46"), 9), 5);
}

#[test]
fn cookie_values_are_counted_apart_and_without_one_the_client_is() {
    let harness = limits("limits: [{ name: session, key: cookie sid, limit: 5, per: 1m }]");
    let with = |value: &str| client("192.0.2.1").header("cookie", &format!("a=b; sid={value}"));
    assert_eq!(harness.passed(&with("one"), 9), 5);
    assert_eq!(harness.passed(&with("two"), 9), 5);
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 5);
}

#[test]
fn who_rotates_header_values_does_not_escape_the_client_limit() {
    let harness = limits(
        "limits: [{ name: client, limit: 7, per: 1m }, { name: key, key: header x-api-key, limit: 5, per: 1m }]",
    );
    let passed = (0..50).map(|n| {
        let sent = client("192.0.2.1").header("x-api-key", &format!("key-{n}"));
        harness.passed(&sent, 1)
    });
    assert_eq!(passed.sum::<usize>(), 7);
}

#[test]
fn a_global_limit_counts_everybody_trusted_proxies_included() {
    let harness = limits("limits: [{ name: all, key: global, limit: 5, per: 1m }]");
    let proxy = client("192.0.2.9").standing(Standing::Proxy);
    assert_eq!(harness.passed(&proxy, 2), 2);
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 3);
    assert_eq!(harness.passed(&client("192.0.2.2"), 9), 0);
    assert_eq!(harness.passed(&proxy, 9), 0);
}

#[test]
fn trusted_proxies_and_trusted_clients_are_not_counted_as_clients() {
    for yaml in [
        "limits: [{ name: five, limit: 5, per: 1m }]",
        "limits: [{ name: five, key: header x-api-key, limit: 5, per: 1m }]",
    ] {
        let harness = limits(yaml);
        for standing in [Standing::Proxy, Standing::Trusted] {
            assert_eq!(
                harness.passed(&client("192.0.2.9").standing(standing), 50),
                50
            );
        }
        assert_eq!(harness.facts.statistics().rates.entries, 0);
    }
}

#[test]
fn a_limit_is_about_its_paths_and_methods() {
    let harness = limits(
        "limits: [{ name: login, limit: 5, per: 1m, path: /login, methods: [POST, PUT] },
                  { name: search, limit: 3, per: 1m, path: /api/search* }]",
    );
    let login = client("192.0.2.1").method(Method::POST);
    let post = |target: &str| Sent::get(target).method(Method::POST);
    assert_eq!(harness.passed(&login, 50), 50, "another path");
    assert_eq!(
        harness.passed(&Sent::get("/login"), 50),
        50,
        "another method"
    );
    assert_eq!(harness.passed(&post("/login?a=1"), 9), 5);
    assert_eq!(harness.passed(&post("/login").method(Method::PUT), 9), 0);
    assert_eq!(harness.passed(&post("/login/help"), 9), 9);
    assert_eq!(harness.passed(&Sent::get("/api/search/users"), 9), 3);
    assert_eq!(harness.passed(&Sent::get("/api/searches"), 9), 0);
}

#[test]
fn all_limits_hold_and_the_first_used_up_refuses() {
    let mut harness =
        limits("limits: [{ name: minute, limit: 5, per: 1m }, { name: hour, limit: 8, per: 1h }]");
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 5);
    harness.wait(MINUTE);
    assert_eq!(harness.passed(&client("192.0.2.1"), 4), 3);
    let refused = first_refusal(&harness, &client("192.0.2.1"));
    assert_eq!(refused.findings.first().expect("one").rule.as_str(), "hour");
}

#[test]
fn the_headers_say_how_the_client_stands_when_they_are_to() {
    let with = |headers: &str| {
        limits(&format!(
            "{{ headers: {headers}, limits: [{{ name: a, limit: 2, per: 1m }}, {{ name: b, key: global, limit: 9, per: 250ms }}] }}"
        ))
    };
    let always = with("always");
    let received = always.send(&client("192.0.2.1"));
    assert_eq!(
        received.header("ratelimit-policy"),
        ["\"a\";q=2;w=60", "\"b\";q=9"]
    );
    assert_eq!(
        received.header("ratelimit"),
        ["\"a\";r=1;t=30", "\"b\";r=8;t=1"]
    );
    assert!(received.header("retry-after").is_empty());
    let refused = first_refusal(&always, &client("192.0.2.1"));
    assert_eq!(refused.header("ratelimit"), ["\"a\";r=0;t=60"]);
    assert_eq!(refused.header("retry-after"), ["30"]);

    let refused = with("refused");
    assert!(refused.send(&client("192.0.2.1")).headers.is_empty());
    assert_eq!(
        first_refusal(&refused, &client("192.0.2.1")).headers.len(),
        3
    );

    let off = with("off");
    assert!(off.send(&client("192.0.2.1")).headers.is_empty());
    let names = |received: Received| received.headers.into_iter().map(|(name, _)| name);
    let refused = names(first_refusal(&off, &client("192.0.2.1")));
    assert_eq!(refused.collect::<Vec<_>>(), ["retry-after"]);
}

#[test]
fn a_reload_keeps_what_was_used_up_also_when_the_quota_changes() {
    let mut harness = five_a_minute();
    assert_eq!(harness.passed(&client("192.0.2.1"), 4), 4);
    let same = "limits: [{ name: five, limit: 5, per: 1m }]";
    harness.reload("rate_limit", same, Mode::Enforce);
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 1);
    let raised = "limits: [{ name: five, limit: 20, per: 1m }]";
    harness.reload("rate_limit", raised, Mode::Enforce);
    assert_eq!(harness.passed(&client("192.0.2.1"), 50), 15);
}

#[test]
fn monitor_mode_tells_but_lets_pass() {
    let mut harness = five_a_minute();
    let yaml = "limits: [{ name: five, limit: 5, per: 1m }]";
    harness.reload("rate_limit", yaml, Mode::Monitor);
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 9);
    let received = harness.send(&client("192.0.2.1"));
    assert_eq!(received.outcome, Outcome::WouldBlock);
    assert!(received.headers.is_empty());
    harness.wait(MINUTE);
    harness.reload("rate_limit", yaml, Mode::Enforce);
    assert_eq!(harness.passed(&client("192.0.2.1"), 9), 5);
}

#[test]
fn mistakes_are_told_with_their_place() {
    let limit = |rest: &str| {
        mistake(
            "rate_limit",
            &format!("limits: [{{ name: a, limit: 5, per: 1m, {rest} }}]"),
        )
    };
    for (rest, expected) in [
        (
            "key: clients",
            ".limits[0].key: `clients` is no key; write `client`, `global`, `header NAME` or `cookie NAME`",
        ),
        (
            "key: header",
            "is no header name; write one as in `header X-Api-Key`",
        ),
        ("key: header a b", "`a b` is no header name"),
        ("key: cookie a=b", "`a=b` is no cookie name"),
        ("path: login", "`login` is no path"),
        ("burst: 0", ".limits[0].burst: a burst of 0"),
        (
            "burst: 4000000000",
            ".limits[0].per: a limit that is used up would take over a year",
        ),
        (
            "methods: [GET, post]",
            ".limits[0].methods[1]: `post` is no method (write `POST`)",
        ),
        (
            "methods: ['G T']",
            ".limits[0].methods[0]: `G T` is no method",
        ),
        ("bursts: 1", "unknown field `bursts`"),
    ] {
        let told = limit(rest);
        assert!(told.contains(expected), "{rest}: {told}");
    }
    for (section, expected) in [
        (
            "limits: [{ name: a, limit: 0, per: 1m }]",
            ".limits[0].limit: a limit of 0",
        ),
        (
            "limits: [{ name: a, limit: 5, per: 0s }]",
            ".limits[0].per: a limit needs a span",
        ),
        (
            "limits: [{ name: a, limit: 4000000000, per: 1ms }]",
            "more than one request in a nanosecond",
        ),
        (
            "limits: [{ name: A b, limit: 5, per: 1m }]",
            ".limits[0].name: `A b` is no name",
        ),
        (
            "limits: [{ name: a, limit: 5, per: 1m }, { name: a, limit: 6, per: 1h }]",
            ".limits[1].name: another limit is called `a`",
        ),
        (
            "headers: sometimes",
            ".headers: unknown variant `sometimes`",
        ),
    ] {
        let told = mistake("rate_limit", section);
        assert!(told.contains(expected), "{section}: {told}");
    }
    let several = build(
        "rate_limit",
        "limits: [{ name: '', limit: 0, per: 1m, burst: 0 }]",
    );
    assert_eq!(several.expect_err("three mistakes").len(), 3);
}

#[test]
fn a_limit_that_is_easily_evaded_is_warned_of() {
    let warnings = |yaml: &str| build("rate_limit", yaml).expect(yaml).warnings;
    let alone = "limits: [{ name: a, key: header x-api-key, limit: 5, per: 1m }]";
    assert!(
        warnings(alone)
            .first()
            .expect("a warning")
            .contains("x-api-key")
    );
    let accompanied =
        "limits: [{ name: c, limit: 9, per: 1m }, { name: a, key: cookie sid, limit: 5, per: 1m }]";
    assert!(warnings(accompanied).is_empty());
}

#[test]
fn the_default_section_reads_back_and_lists_its_rule() {
    let registry = crate::engine::Registry::default();
    let entry = registry.find("rate_limit").expect("registered");
    let section = serde_yaml::to_string(&(entry.default_config)()).expect("serialises");
    let built = build("rate_limit", &section).expect(&section);
    assert!(built.warnings.is_empty());
    let rules = built.detection.rules();
    assert_eq!(rules.first().expect("a rule").id.as_str(), "client");
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
