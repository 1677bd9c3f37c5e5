//! `headers`.

use super::{NOTHING, WORD};
use crate::support::{Proxy, Response, Upstream};

/// An answer, and what the upstream got, with a section `headers` and without.
fn with(headers: &str) -> [(Response, Vec<(String, String)>); 2] {
    let upstream = Upstream::plain();
    [
        format!("headers: {{ {headers} }}\n{NOTHING}"),
        NOTHING.to_owned(),
    ]
    .map(|yaml| {
        let proxy = Proxy::start(&upstream, &yaml);
        let answer = proxy.get_with("/", &[("X-Sent", "yes")]);
        (answer, upstream.last().headers)
    })
}

fn has(headers: &[(String, String)], name: &str, value: &str) -> bool {
    headers
        .iter()
        .any(|(known, found)| known == name && found == value)
}

pub fn request_set() {
    let [(_, with), (_, without)] = with("request: { set: { X-Added: one, X-Sent: other } }");
    assert!(has(&with, "x-added", "one") && has(&with, "x-sent", "other"));
    assert!(!has(&without, "x-added", "one") && has(&without, "x-sent", "yes"));
    assert_eq!(with.iter().filter(|(name, _)| name == "x-sent").count(), 1);
}

pub fn request_remove() {
    let [(_, with), (_, without)] = with("request: { remove: [X-Sent] }");
    assert!(!has(&with, "x-sent", "yes") && has(&without, "x-sent", "yes"));
}

pub fn response_set() {
    let [(with, _), (without, _)] = with("response: { set: { X-Added: one } }");
    assert_eq!(with.header("x-added"), Some("one"));
    assert_eq!(without.header("x-added"), None);
    // Our own refusals have them as well.
    let upstream = Upstream::plain();
    let yaml = format!("headers: {{ response: {{ set: {{ X-Added: one }} }} }}\n{WORD}");
    let refused = Proxy::start(&upstream, &yaml).get("/?q=malicious");
    assert_eq!(
        (refused.status, refused.header("x-added")),
        (403, Some("one"))
    );
}

pub fn response_remove() {
    let [(with, _), (without, _)] = with("response: { remove: [Content-Type] }");
    assert_eq!(with.header("content-type"), None);
    assert_eq!(without.header("content-type"), Some("application/json"));
}

pub fn security() {
    let [(with, _), (without, _)] = with("security: true");
    assert_eq!(with.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(with.header("strict-transport-security"), None);
    assert_eq!(without.header("x-content-type-options"), None);
}
