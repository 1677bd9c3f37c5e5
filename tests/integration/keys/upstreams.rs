//! `upstream`, where there are several servers.

use std::time::Duration;

use super::NOTHING;
use crate::balancing::encrypted;
use crate::support::{Answer, Proxy, Upstream, json, wait_until};
use crate::tls::authority::Authority;

fn two(one: &Upstream, other: &Upstream, more: &str) -> String {
    format!(
        "upstream: {{ servers: [{{ url: 'http://{}' }}, {{ url: 'http://{}' }}]{more} }}\n{NOTHING}",
        one.address, other.address
    )
}

fn counts(one: &Upstream, other: &Upstream, yaml: &str, requests: usize) -> [usize; 2] {
    let before = [one.count(), other.count()];
    let proxy = Proxy::start(one, yaml);
    for _ in 0..requests {
        proxy.get("/");
    }
    [one.count() - before[0], other.count() - before[1]]
}

pub fn weight() {
    let (one, other) = (Upstream::plain(), Upstream::plain());
    let yaml = two(&one, &other, "");
    assert_eq!(counts(&one, &other, &yaml, 12), [6, 6]);
    let heavier = yaml.replacen(" }]", ", weight: 3 }]", 1);
    assert_eq!(counts(&one, &other, &heavier, 12), [3, 9]);
}

pub fn balance() {
    let (one, other) = (Upstream::plain(), Upstream::plain());
    for (balance, both) in [
        ("round_robin", true),
        ("least_loaded", true),
        ("client_hash", false),
    ] {
        let yaml = two(&one, &other, &format!(", balance: {balance}"));
        let counts = counts(&one, &other, &yaml, 10);
        assert_eq!(
            counts.iter().all(|count| *count > 0),
            both,
            "{balance}: {counts:?}"
        );
        assert_eq!(counts.iter().sum::<usize>(), 10);
    }
}

/// A server that nobody can reach.
fn dead() -> Upstream {
    let dead = Upstream::plain();
    dead.stop();
    dead
}

/// How many of twelve requests fail with one of two servers dead.
fn failures(more: &str) -> usize {
    let (good, dead) = (Upstream::plain(), dead());
    let proxy = Proxy::start(&good, &two(&good, &dead, more));
    (0..12).filter(|_| proxy.get("/").status == 502).count()
}

pub fn retries() {
    assert_eq!(failures(", breaker: { after: 0 }, retries: 0"), 6);
    assert_eq!(failures(", breaker: { after: 0 }, retries: 1"), 0);
}

pub fn breaker_after() {
    for (after, expected) in [(0, 6), (1, 1), (3, 3)] {
        let more = format!(", retries: 0, breaker: {{ after: {after}, pause: 1h }}");
        assert_eq!(failures(&more), expected, "{after}");
    }
}

pub fn breaker_pause() {
    let (good, bad) = (Upstream::plain(), dead());
    for (pause, comes_back) in [("100ms", true), ("1h", false)] {
        let more = format!(", retries: 0, breaker: {{ after: 1, pause: {pause} }}");
        let proxy = Proxy::start(&good, &two(&good, &bad, &more));
        let failed = |n: usize| (0..n).filter(|_| proxy.get("/").status == 502).count();
        assert_eq!(failed(4), 1);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(failed(4), usize::from(comes_back), "{pause}");
    }
}

/// An application that is well as long as `/health` is not asked for by name, and says so there.
fn ill() -> Upstream {
    Upstream::start(|request| match request.target.as_str() {
        "/health" => json("503 Service Unavailable", "{}"),
        "/slow" => Answer::Late(
            Duration::from_millis(400),
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        _ => json("200 OK", "{}"),
    })
}

fn of_health(other: &Upstream, rest: &str) -> (Upstream, Proxy) {
    let good = Upstream::plain();
    let yaml = two(
        &good,
        other,
        &format!(", health: {{ interval: 50ms, {rest} }}"),
    );
    let proxy = Proxy::start(&good, &yaml);
    (good, proxy)
}

fn is_out(proxy: &Proxy) -> bool {
    let events = proxy.events();
    events
        .iter()
        .any(|event| event.rule.as_deref() == Some("server_out"))
}

/// Whether a server is found ill within a time that is enough for many checks.
fn is_found_ill(other: &Upstream, rest: &str) -> bool {
    let (_good, proxy) = of_health(other, rest);
    let asked = other.count();
    wait_until("ten checks", || {
        is_out(&proxy) || other.count() > asked + 10
    });
    is_out(&proxy)
}

pub fn health_path() {
    let other = ill();
    assert!(is_found_ill(&other, "path: /health"));
    assert!(!is_found_ill(&other, "path: /"));
    // Whoever is ill gets no requests.
    let (good, proxy) = of_health(&other, "path: /health");
    wait_until("it to be found", || is_out(&proxy));
    let before = other
        .seen()
        .iter()
        .filter(|seen| seen.target == "/")
        .count();
    for _ in 0..6 {
        assert_eq!(proxy.get("/").status, 200);
    }
    assert_eq!(
        other
            .seen()
            .iter()
            .filter(|seen| seen.target == "/")
            .count(),
        before
    );
    assert!(good.seen().iter().filter(|seen| seen.target == "/").count() >= 6);
}

pub fn health_timeout() {
    let other = ill();
    assert!(is_found_ill(&other, "path: /slow, timeout: 50ms"));
    assert!(!is_found_ill(&other, "path: /slow, timeout: 10s"));
}

pub fn health_interval() {
    let other = ill();
    let good = Upstream::plain();
    let asked = |interval: &str| {
        let yaml = two(
            &good,
            &other,
            &format!(", health: {{ path: /health, interval: {interval} }}"),
        );
        let before = other.count();
        let _proxy = Proxy::start(&good, &yaml);
        wait_until("the first check", || other.count() > before);
        std::thread::sleep(Duration::from_millis(700));
        other.count() - before
    };
    assert_eq!(asked("1h"), 1);
    assert!(asked("100ms") > 2);
}

pub fn health_unhealthy() {
    let other = ill();
    let (_good, proxy) = of_health(&other, "path: /health, unhealthy: 2");
    wait_until("the first check", || is_out(&proxy));
    let few = other.count();
    let (_good, proxy) = of_health(&other, "path: /health, unhealthy: 8");
    wait_until("eight checks", || is_out(&proxy));
    assert!(other.count() - few >= 8);
}

pub fn health_healthy() {
    for (healthy, least) in [(1, 1), (6, 6)] {
        let (asked, well) = (
            std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0)),
            std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)),
        );
        let (count, is_well) = (asked.clone(), well.clone());
        let other = Upstream::start(move |_| {
            if is_well.load(std::sync::atomic::Ordering::SeqCst) {
                count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                json("200 OK", "{}")
            } else {
                json("500 Internal Server Error", "{}")
            }
        });
        let (_good, proxy) = of_health(
            &other,
            &format!("path: /, unhealthy: 2, healthy: {healthy}"),
        );
        wait_until("it to be out", || is_out(&proxy));
        well.store(true, std::sync::atomic::Ordering::SeqCst);
        wait_until("it to be back", || {
            let events = proxy.events();
            events
                .iter()
                .any(|event| event.rule.as_deref() == Some("server_back"))
        });
        assert!(asked.load(std::sync::atomic::Ordering::SeqCst) >= least);
    }
}

pub fn connection_age() {
    let upstream = Upstream::plain();
    for (age, is_new) in [("100ms", true), ("1h", false)] {
        let yaml = format!(
            "upstream: {{ servers: [{{ url: 'http://{}' }}], connection_age: {age} }}\n{NOTHING}",
            upstream.address
        );
        let proxy = Proxy::start(&upstream, &yaml);
        let mut client = proxy.connect();
        let mut connections = Vec::new();
        for _ in 0..2 {
            client.request("GET", "/", &[], b"");
            assert_eq!(client.response().status, 200);
            connections.push(upstream.last().connection);
            std::thread::sleep(Duration::from_millis(200));
        }
        assert_eq!(connections[0] != connections[1], is_new, "{age}");
    }
}

/// The status through an upstream that is asked by https, and asks for a certificate where `asks`.
fn secure(asks: bool, tls: &str) -> Result<u16, String> {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
    authority.issue_into(folder.path(), "own", &["proxy.example"]);
    let path = folder.path().display().to_string();
    let more = if asks {
        format!(", client_ca: {path}/ca.pem")
    } else {
        String::new()
    };
    let app = encrypted(folder.path(), &authority, &upstream, &more);
    let proxy = Proxy::start(&upstream, NOTHING);
    let yaml = format!(
        "upstream: {{ servers: [{{ url: 'https://{}' }}], tls: {{ {} }} }}\n{NOTHING}",
        app.address,
        tls.replace("DIR", &path)
    );
    std::fs::write(
        proxy.path(),
        format!(
            "version: 1\nlisten: {}\ncontrol: {{ listen: '{}' }}\nevents: {{ log: none }}\n{yaml}",
            proxy.address, proxy.control
        ),
    )
    .unwrap();
    proxy.running().reload()?;
    Ok(proxy.get("/").status)
}

const BELIEVED: &str = "ca_file: DIR/ca.pem, server_name: app.example";

pub fn tls_ca_file() {
    assert_eq!(secure(false, BELIEVED), Ok(200));
    assert_eq!(secure(false, "server_name: app.example"), Ok(502));
}

pub fn tls_server_name() {
    assert_eq!(secure(false, BELIEVED), Ok(200));
    assert_eq!(
        secure(false, "ca_file: DIR/ca.pem, server_name: else.example"),
        Ok(502)
    );
}

pub fn tls_certificate() {
    let own = format!("{BELIEVED}, certificate: DIR/own.pem, key: DIR/own.key");
    assert_eq!(secure(true, &own), Ok(200));
    assert_eq!(secure(true, BELIEVED), Ok(502));
}

pub fn tls_key() {
    let missing = secure(true, &format!("{BELIEVED}, certificate: DIR/own.pem")).unwrap_err();
    assert!(missing.contains("needs its key"), "{missing}");
    let other = secure(
        true,
        &format!("{BELIEVED}, certificate: DIR/own.pem, key: DIR/site.key"),
    );
    assert!(other.unwrap_err().contains("not that of the certificate"));
}

pub fn http2_upstream() {
    let (new, old) = (crate::grpc::Echo::start(), Upstream::plain());
    for (http2, expected) in [(true, [200, 502]), (false, [502, 200])] {
        let statuses = [new.address, old.address].map(|address| {
            let yaml = format!(
                "upstream: {{ servers: [{{ url: 'http://{address}' }}], http2: {http2} }}\n{NOTHING}"
            );
            Proxy::start(&old, &yaml).get("/").status
        });
        assert_eq!(statuses, expected, "{http2}");
    }
}
