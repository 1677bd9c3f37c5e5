//! HTTP/2 as honest clients speak it.

use std::io::{Read, Write};
use std::process::Command;

use rustls::ALL_VERSIONS;

use super::wire::{DATA, END_HEADERS, END_STREAM, HEADERS, Http2, Outcome, block, frame, request};
use crate::support::{Proxy, Upstream, has, json};
use crate::tls::authority::{Authority, shake};
use crate::tls::{curl, listening};

const WORD: &str = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";

#[test]
fn a_request_is_judged_and_becomes_http_1_1_for_the_upstream() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    let mut client = Http2::connect(proxy.address);
    let mut fields = request("POST", "/a?b=c");
    for (name, value) in [
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("x-own", "yes"),
        ("content-type", "text/plain"),
    ] {
        fields.push((name.to_owned(), value.as_bytes().to_vec()));
    }
    client.send(frame(HEADERS, END_HEADERS, 1, &block(&fields)));
    client.send(frame(DATA, END_STREAM, 1, b"hello"));
    assert_eq!(client.outcome(1), Outcome::Status(200));
    let seen = upstream.last();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/a?b=c")
    );
    assert_eq!(seen.one("host"), Some("h2.example"));
    assert_eq!(seen.one("cookie"), Some("a=1; b=2"));
    assert_eq!(seen.one("x-own"), Some("yes"));
    assert_eq!(seen.body, b"hello");
    // Cookies are joined before anybody looks.
    let mut client = Http2::connect(proxy.address);
    let mut fields = request("GET", "/");
    for crumb in ["a=mali", "b=malicious"] {
        fields.push(("cookie".to_owned(), crumb.as_bytes().to_vec()));
    }
    client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields)));
    assert_eq!(client.outcome(1), Outcome::Status(403));
    let place = proxy.events().last().unwrap().place.clone().unwrap();
    assert!(place.contains("cookie"), "{place}");
}

#[test]
fn both_sides_agree_over_tls_on_what_is_spoken() {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    authority.issue_into(folder.path(), "site", &["localhost"]);
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let proxy = Proxy::start(
        &upstream,
        &format!("{}{WORD}", listening(folder.path(), "")),
    );
    for (offered, expected) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let config = authority.client(None, ALL_VERSIONS, offered);
        let stream = shake(proxy.address, "localhost", &config).unwrap();
        assert_eq!(stream.conn.alpn_protocol(), expected);
    }
    let ca = ca.display().to_string();
    let url = format!("https://localhost:{}/", proxy.address.port());
    let told = [
        "--cacert",
        &ca,
        "--write-out",
        " %{http_version} %{http_code}",
    ];
    let ask = |more: &[&str]| curl(&[&told[..], more].concat());
    let Some(plain) = ask(&["--http2", &url]) else {
        return;
    };
    assert!(plain.ends_with(" 2 200"), "{plain}");
    let refused = ask(&["--http2", "--data", "x=malicious", &url]).unwrap();
    assert!(refused.ends_with(" 2 403"), "{refused}");
    let old = ask(&["--http1.1", &url]).unwrap();
    assert!(old.ends_with(" 1.1 200"), "{old}");
}

#[test]
fn a_long_body_that_is_refused_early_gets_its_answer() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all("a line of text\n".repeat(200_000).as_bytes())
        .unwrap();
    let data = format!("@{}", file.path().display());
    let url = format!("http://{}/", proxy.address);
    let Some(told) = curl(&[
        "--http2-prior-knowledge",
        "--data-binary",
        &data,
        "--header",
        "Content-Type: text/plain",
        "--write-out",
        " %{http_version} %{http_code}",
        &url,
    ]) else {
        return;
    };
    assert!(told.ends_with(" 2 413"), "{told}");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn long_bodies_go_through_both_ways() {
    let long = "x".repeat(8 << 20);
    let answer = long.clone();
    let upstream = Upstream::start(move |_| json("200 OK", &answer));
    let proxy = Proxy::start(&upstream, "detections: []\n");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(long.as_bytes()).unwrap();
    let data = format!("@{}", file.path().display());
    let output = tempfile::NamedTempFile::new().unwrap();
    let Some(told) = curl(&[
        "--http2-prior-knowledge",
        "--data-binary",
        &data,
        "--output",
        &output.path().display().to_string(),
        "--write-out",
        "%{http_code}",
        &format!("http://{}/", proxy.address),
    ]) else {
        return;
    };
    assert_eq!(told, "200");
    let mut got = String::new();
    output.reopen().unwrap().read_to_string(&mut got).unwrap();
    assert!(got == long);
    assert!(upstream.last().body == long.as_bytes());
}

#[test]
fn h2load_is_served_with_many_requests_at_a_time() {
    if !has("h2load") {
        return;
    }
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: []\n");
    let output = Command::new("h2load")
        .args([
            "-n",
            "500",
            "-c",
            "5",
            "-m",
            "10",
            "--connection-inactivity-timeout=20",
        ])
        .arg(format!("http://{}/", proxy.address))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("500 succeeded, 0 failed, 0 errored"),
        "{text}"
    );
    assert_eq!(upstream.count(), 500);
}
