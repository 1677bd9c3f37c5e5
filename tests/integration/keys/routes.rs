//! `routes`: what a route says holds there, and elsewhere what holds everywhere.

use super::{NOTHING, WORD};
use crate::support::{Proxy, Response, Upstream};

/// The answers at a route and elsewhere.
fn answers(route: &str, rest: &str, ask: impl Fn(&Proxy, &str) -> Response) -> [Response; 2] {
    let upstream = Upstream::plain();
    let yaml = format!("routes: [{{ path: /route, {route} }}]\n{rest}");
    let proxy = Proxy::start(&upstream, &yaml);
    ["/route", "/else"].map(|path| ask(&proxy, path))
}

/// How many requests of each kind come to the upstream of a route.
fn routed(place: &str, requests: [(&str, &str); 2]) -> [usize; 2] {
    let (own, rest) = (Upstream::plain(), Upstream::plain());
    let yaml = format!(
        "routes: [{{ {place}, upstream: 'http://{}' }}]\n{NOTHING}",
        own.address
    );
    let proxy = Proxy::start(&rest, &yaml);
    requests.map(|(host, target)| {
        let before = own.count();
        assert_eq!(proxy.get_with(target, &[("Host", host)]).status, 200);
        own.count() - before
    })
}

pub fn route_host() {
    assert_eq!(
        routed("host: a.example", [("a.example", "/"), ("b.example", "/")]),
        [1, 0]
    );
}

pub fn route_path() {
    assert_eq!(routed("path: /a", [("h", "/a/b"), ("h", "/b")]), [1, 0]);
}

pub fn upstream_of_route() {
    assert_eq!(routed("path: /a", [("h", "/a"), ("h", "/")]), [1, 0]);
}

pub fn route_limits() {
    let body = "x".repeat(3000);
    let post = |proxy: &Proxy, path: &str| proxy.post(path, "text/plain", &body);
    let answers = answers("limits: { body: 1KiB }", WORD, post);
    assert_eq!(answers.map(|answer| answer.status), [413, 200]);
}

pub fn policy_of_route() {
    let ask = |proxy: &Proxy, path: &str| proxy.get(&format!("{path}?q=malicious"));
    let answers = answers("policy: { mode: monitor }", WORD, ask);
    assert_eq!(answers.map(|answer| answer.status), [200, 403]);
}

pub fn route_detections() {
    let ask = |proxy: &Proxy, path: &str| proxy.get(&format!("{path}?q=malicious"));
    let answers = answers("detections: []", WORD, ask);
    assert_eq!(answers.map(|answer| answer.status), [200, 403]);
}

pub fn headers_of_route() {
    let ask = |proxy: &Proxy, path: &str| proxy.get(path);
    let answers = answers("headers: { response: { set: { X-A: b } } }", NOTHING, ask);
    let found = answers.map(|answer| answer.header("x-a").map(str::to_owned));
    assert_eq!(found, [Some("b".to_owned()), None]);
}
