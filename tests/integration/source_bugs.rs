//! The fifteen known bugs of the system that the chain descends from, one test each, by its number.

use std::time::{Duration, Instant};

use portcullis::clients::{Clients, Facts, Quota};
use portcullis::config::environment::Process;
use portcullis::engine::Registry;

use crate::support::{Answer, Proxy, Upstream, json};

fn word(after: &str) -> String {
    format!(
        "detections:\n  - malicious_payload: {{ patterns: [{{ id: word, words: [malicious] }}] }}\n{after}"
    )
}

fn limit(limit: u32, per: &str) -> String {
    format!(
        "detections:\n  - rate_limit: {{ limits: [{{ name: client, key: client, limit: {limit}, per: {per} }}] }}\n"
    )
}

/// The window begins anew for ever, not only once in a client's life.
#[test]
fn bug_01_the_limit_holds_in_every_window() {
    let clients = Clients::scratch();
    let key = clients.key("limit", b"client");
    let quota = Quota {
        limit: 5.try_into().unwrap(),
        per: Duration::from_secs(60),
        burst: 5.try_into().unwrap(),
    };
    let start = Instant::now();
    for round in 0..100 {
        let now = start + Duration::from_secs(61 * round);
        let passed = (0..1000)
            .filter(|_| clients.take(key, quota, now).allowed)
            .count();
        assert_eq!(passed, 5, "round {round}");
    }
}

#[test]
fn bug_02_five_means_five() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &limit(5, "1h"));
    assert_eq!(
        (0..7).map(|_| proxy.get("/").status).collect::<Vec<_>>(),
        [200, 200, 200, 200, 200, 403, 403]
    );
}

#[test]
fn bug_03_an_odd_body_does_not_end_the_chain() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &word("  - ip_allowlist: { allow: [192.0.2.1] }\n"),
    );
    for body in ["[\"x\"]", "1", "null", "\"x\"", "[[[["] {
        assert_eq!(
            proxy.post("/", "application/json", body).status,
            403,
            "{body}"
        );
    }
    let proxy = Proxy::start(
        &upstream,
        &word("  - ip_allowlist: { allow: [127.0.0.1] }\n"),
    );
    assert_eq!(
        proxy
            .post("/", "application/json", "[\"malicious\"]")
            .status,
        403
    );
    assert_eq!(proxy.post("/", "application/json", "[\"x\"]").status, 200);
}

#[test]
fn bug_04_bodies_that_are_no_json_are_judged_and_forwarded() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &word(""));
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\nWORD\r\n--b--\r\n";
    for (kind, body) in [
        ("text/plain", "a WORD here"),
        ("application/json", "{broken WORD"),
        ("application/x-www-form-urlencoded", "a=WORD"),
        ("multipart/form-data; boundary=b", multipart),
    ] {
        assert_eq!(
            proxy
                .post("/", kind, body.replace("WORD", "malicious"))
                .status,
            403,
            "{kind}"
        );
        let innocent = body.replace("WORD", "innocent");
        assert_eq!(proxy.post("/", kind, &innocent).status, 200, "{kind}");
        assert_eq!(upstream.last().body, innocent.as_bytes());
    }
}

#[test]
fn bug_05_a_word_is_found_nested_within_and_in_any_case() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &word(""));
    for target in [
        "/?q=xxmaliciousxx",
        "/?q=MaLiCiOuS",
        "/?q=1&q=malicious",
        "/malicious",
        "/?q=%6dalicious",
    ] {
        assert_eq!(proxy.get(target).status, 403, "{target}");
    }
    assert_eq!(
        proxy
            .post("/", "application/json", "{\"a\":[{\"b\":\"malicious\"}]}")
            .status,
        403
    );
    assert_eq!(proxy.get_with("/", &[("X-H", "malicious")]).status, 403);
    assert_eq!(
        proxy.get_with("/", &[("Cookie", "c=malicious")]).status,
        403
    );
    assert_eq!(proxy.get("/?q=malice").status, 200);
}

#[test]
fn bug_06_every_method_goes_on_with_query_body_and_headers() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "REPORT"] {
        assert_eq!(
            proxy
                .request(method, "/?a=1&a=2", &[("X-A", "1")], b"body")
                .status,
            200
        );
        let seen = upstream.last();
        assert_eq!(
            (
                seen.method.as_str(),
                seen.target.as_str(),
                seen.body.as_slice()
            ),
            (method, "/?a=1&a=2", &b"body"[..])
        );
        assert_eq!(seen.one("x-a"), Some("1"));
    }
    assert_eq!(proxy.get("/").status, 200);
}

#[test]
fn bug_07_status_headers_and_type_come_back() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(b"HTTP/1.1 201 Created\r\nContent-Type: text/csv\r\nETag: \"x\"\r\nContent-Length: 3\r\n\r\na,b".to_vec())
    });
    let proxy = Proxy::start(&upstream, "");
    let response = proxy.get("/invalid/endpoint");
    assert_eq!((response.status, response.text().as_str()), (201, "a,b"));
    assert_eq!(
        (response.header("content-type"), response.header("etag")),
        (Some("text/csv"), Some("\"x\""))
    );
}

#[test]
fn bug_08_a_dead_upstream_is_a_502_and_connections_are_used_again() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "");
    let mut client = proxy.connect();
    for _ in 0..20 {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    }
    let connections: std::collections::BTreeSet<_> =
        upstream.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections.len(), 1);
    upstream.stop();
    drop(client);
    let dead = Upstream::plain();
    let address = dead.address;
    dead.stop();
    let proxy = Proxy::start_with(address, "", Registry::default());
    assert_eq!(proxy.get("/").status, 502);
}

#[test]
fn bug_09_enumeration_is_judged_by_the_outcome() {
    let upstream = Upstream::start(|request| {
        json(
            if request.target == "/api/endpoint" {
                "200 OK"
            } else {
                "404 Not Found"
            },
            "{}",
        )
    });
    let proxy = Proxy::start(
        &upstream,
        "detections:\n  - enumeration: { limit: 5, within: 1m, block_for: 1h }\n",
    );
    assert_eq!(proxy.get("/api/endpoint").status, 200);
    let similar = [
        "/api/endpoints",
        "/api/endpoint1",
        "/api/endpoint/1",
        "/api/endpoint/admin",
        "/api/endpoint.bak",
        "/api/v2/endpoint",
    ];
    assert_eq!(
        similar.map(|target| proxy.get(target).status),
        [404, 404, 404, 404, 404, 403]
    );
    // A caught enumerator reaches no valid endpoint either.
    assert_eq!(proxy.get("/api/endpoint").status, 403);
}

#[test]
fn bug_10_a_missing_user_agent_switches_nothing_off() {
    let upstream = Upstream::plain();
    let chain = "detections:\n  - user_agent: {}\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n";
    let proxy = Proxy::start(&upstream, chain);
    let absent = [("User-Agent", "\0absent")];
    assert_eq!(proxy.get_with("/?q=malicious", &absent).status, 403);
    assert_eq!(proxy.get_with("/?q=fine", &absent).status, 200);
    // The default blocks attack tools, and not nothing.
    assert_eq!(
        proxy
            .get_with("/", &[("User-Agent", "Arachni/v1.2.1")])
            .status,
        403
    );
}

#[test]
fn bug_11_clients_behind_a_balancer_are_told_apart() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!(
            "clients: {{ trusted_proxies: [127.0.0.0/8] }}\n{}",
            limit(1, "1h")
        ),
    );
    let get = |client: &str| proxy.get_with("/", &[("X-Forwarded-For", client)]).status;
    assert_eq!(
        [
            "192.0.2.1",
            "192.0.2.1",
            "192.0.2.2",
            "2001:db8::1",
            "2001:db8::2"
        ]
        .map(get),
        [200, 403, 200, 200, 403]
    );
}

/// A flood of addresses makes the table forget the idle, never grow beyond its cap.
#[test]
fn bug_12_counters_are_bounded_and_shared_by_all_cores() {
    let clients = Clients::new(2_000, [7; 16]);
    let quota = Quota {
        limit: 5.try_into().unwrap(),
        per: Duration::from_secs(60),
        burst: 5.try_into().unwrap(),
    };
    let now = Instant::now();
    std::thread::scope(|scope| {
        for part in 0..4_u32 {
            let clients = &clients;
            scope.spawn(move || {
                for n in 0..5_000_u32 {
                    clients.take(
                        clients.key("limit", &(part * 5_000 + n).to_be_bytes()),
                        quota,
                        now,
                    );
                }
            });
        }
    });
    let rates = clients.statistics().rates;
    assert!(rates.entries > 0 && rates.entries <= 2_000, "{rates:?}");
    assert_eq!(rates.evictions + rates.entries as u64, 20_000, "{rates:?}");
    assert!(rates.evictions > 0, "{rates:?}");
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &limit(5, "1h"));
    let passed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| (0..5).filter(|_| proxy.get("/").status == 200).count()))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    assert_eq!(passed, 5);
}

/// Every detection keeps its own name, and two of one name are refused.
#[test]
fn bug_13_names_do_not_collide() {
    let registry = Registry::default();
    let names: std::collections::BTreeSet<_> =
        registry.entries().iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), registry.entries().len());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(
        &path,
        "version: 1\ndetections:\n  - user_agent: {}\n  - user_agent: {}\n",
    )
    .unwrap();
    let source = portcullis::app::Source::File(path);
    let report = portcullis::app::load(
        &source,
        &registry,
        &portcullis::config::load::Shared::default(),
        &Process,
        1,
    )
    .unwrap_err();
    assert!(
        report.draw(false).contains("user_agent"),
        "{}",
        report.draw(false)
    );
}

/// A test that asserts a constant asserts nothing: the same request must be refused under one configuration and pass
/// under another.
#[test]
fn bug_14_every_detection_is_seen_to_refuse_and_to_pass() {
    let upstream = Upstream::start(|_| json("404 Not Found", "{}"));
    for (refusing, passing) in [
        (
            "ip_allowlist: { allow: [192.0.2.1] }",
            "ip_allowlist: { allow: [127.0.0.1] }",
        ),
        (
            "user_agent: { block: [Firefox] }",
            "user_agent: { block: [Chrome] }",
        ),
        (
            "rate_limit: { limits: [{ name: c, key: client, limit: 1, per: 1h }] }",
            "rate_limit: { limits: [{ name: c, key: client, limit: 100, per: 1h }] }",
        ),
        (
            "malicious_payload: { patterns: [{ id: w, words: [target] }] }",
            "malicious_payload: { patterns: [{ id: w, words: [other] }] }",
        ),
        (
            "enumeration: { limit: 1, within: 1m, block_for: 1h }",
            "enumeration: { limit: 100, within: 1m, block_for: 1h }",
        ),
    ] {
        let statuses = |item: &str| {
            let proxy = Proxy::start(&upstream, &format!("detections:\n  - {item}\n"));
            (0..3)
                .map(|n| proxy.get(&format!("/target{n}")).status)
                .collect::<Vec<_>>()
        };
        assert_eq!(statuses(refusing).last(), Some(&403), "{refusing}");
        assert_eq!(statuses(passing), [404, 404, 404], "{passing}");
    }
}

#[test]
fn bug_15_a_block_leaves_an_event() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &word(""));
    let response = proxy.get("/secret/path?q=malicious&password=hunter2");
    let event = proxy.event(&response.id());
    assert_eq!(event.method.as_deref(), Some("GET"));
    assert_eq!(event.path.as_deref(), Some("/secret/path"));
    assert_eq!(event.detection.as_deref(), Some("malicious_payload"));
    assert_eq!(event.rule.as_deref(), Some("word"));
    assert_eq!(event.place.as_deref(), Some("query.q"));
    assert_eq!(
        event
            .client
            .as_ref()
            .map(|client| client.ip.to_string())
            .as_deref(),
        Some("127.0.0.1")
    );
    assert_eq!(event.status, Some(403));
    let evidence = event.evidence.as_ref().unwrap();
    assert_eq!(evidence.text, "malicious");
    let target = "/secret/path?q=malicious&password=hunter2";
    let range = evidence.origin.as_ref().unwrap().range.clone();
    assert_eq!(target.get(range), Some("malicious"));
    assert!(!serde_json::to_string(&*event).unwrap().contains("hunter2"));
}
