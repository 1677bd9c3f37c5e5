//! Encrypted listeners, seen by clients: rustls as one, curl as another.

pub mod authority;

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use rustls::ALL_VERSIONS;
use rustls::version::{TLS12, TLS13};

use self::authority::{Authority, client, shake, status, status_over};
use crate::support::{Client, Proxy, Upstream, has, json, wait_until};

/// A folder with `site.pem` and `site.key`, and a `listen` section that names them by their whole paths.
pub fn listening(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!(
        "listen: [{{ address: 127.0.0.1:0, tls: {{ certificates: [{{ certificate: {folder}/site.pem, key: {folder}/site.key }}]{more} }} }}]\n"
    )
}

const WORD: &str = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";

/// A site with a certificate of its own, its authority, the folder of its files, and what it says besides.
fn site(more: &str) -> (Upstream, Authority, tempfile::TempDir, Proxy) {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    authority.issue_into(folder.path(), "site", &["site.example"]);
    let yaml = format!("{}{more}{WORD}", listening(folder.path(), ""));
    let proxy = Proxy::start(&upstream, &yaml);
    (upstream, authority, folder, proxy)
}

#[test]
fn requests_are_judged_and_forwarded_and_the_upstream_learns_of_the_encryption() {
    let (upstream, authority, _folder, proxy) = site("");
    let config = authority.client(None, ALL_VERSIONS, &[]);
    let mut client = client(proxy.address, "site.example", &config);
    for _ in 0..3 {
        client.request("GET", "/x?q=good", &[("X-Forwarded-Proto", "http")], b"");
        assert_eq!(client.response().status, 200);
    }
    let last = upstream.last();
    assert_eq!(last.one("x-forwarded-proto"), Some("https"));
    assert!(last.one("forwarded").unwrap().ends_with("proto=https"));
    assert_eq!(last.one("x-forwarded-for"), Some("127.0.0.1"));
    client.request(
        "POST",
        "/x",
        &[("Content-Type", "text/plain")],
        b"malicious",
    );
    let refused = client.response();
    assert_eq!(refused.status, 403);
    assert_eq!(proxy.event(&refused.id()).rule.as_deref(), Some("word"));
    assert_eq!(upstream.count(), 3);
    // Without encryption it is `http`, whatever the client says.
    let plain = Proxy::start(&upstream, WORD);
    plain.get_with("/", &[("X-Forwarded-Proto", "https")]);
    assert_eq!(upstream.last().one("x-forwarded-proto"), Some("http"));
}

#[test]
fn each_name_gets_its_certificate() {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let mut issued = Vec::new();
    let mut list = Vec::new();
    for (file, names) in [
        ("first", &["one.example"][..]),
        ("second", &["two.example", "*.two.example"]),
    ] {
        issued.push(authority.issue_into(folder.path(), file, names));
        let folder = folder.path().display();
        list.push(format!(
            "{{ certificate: {folder}/{file}.pem, key: {folder}/{file}.key }}"
        ));
    }
    let listen = format!(
        "listen: [{{ address: 127.0.0.1:0, tls: {{ certificates: [{}] }} }}]\n{WORD}",
        list.join(", ")
    );
    let proxy = Proxy::start(&upstream, &listen);
    let config = authority.client(None, ALL_VERSIONS, &[]);
    for (name, expected) in [("one.example", 0), ("two.example", 1), ("x.two.example", 1)] {
        let stream = shake(proxy.address, name, &config).unwrap();
        let shown = stream.conn.peer_certificates().unwrap()[0].clone();
        assert_eq!(shown, issued[expected].der(), "{name}");
        assert_eq!(status_over(stream, name), Some(200));
    }
    // Nobody's name gets the first, which is not made out for it.
    assert!(shake(proxy.address, "other.example", &config).is_err());
}

#[test]
fn new_certificates_are_taken_up_without_dropping_a_connection() {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let old = authority.issue_into(folder.path(), "site", &["site.example"]);
    let proxy = Proxy::start(
        &upstream,
        &format!("{}{WORD}", listening(folder.path(), "")),
    );
    let config = authority.client(None, ALL_VERSIONS, &[]);
    let shown = || {
        let stream = shake(proxy.address, "site.example", &config).unwrap();
        stream.conn.peer_certificates().unwrap()[0].clone()
    };
    assert_eq!(shown(), old.der());
    let mut open = client(proxy.address, "site.example", &config);
    open.request("GET", "/", &[], b"");
    assert_eq!(open.response().status, 200);
    let new = authority.issue_into(folder.path(), "site", &["site.example"]);
    wait_until("the new certificate", || shown() == new.der());
    open.request("GET", "/", &[], b"");
    assert_eq!(open.response().status, 200);
    // What is no certificate is told of, and the one before stays.
    let yaml = std::fs::read_to_string(proxy.path()).unwrap();
    std::fs::write(folder.path().join("site.pem"), "nothing").unwrap();
    let refused = proxy.running().reload().unwrap_err();
    assert!(refused.contains("no certificate"), "{refused}");
    assert!(yaml.contains("site.pem"));
    assert_eq!(shown(), new.der());
}

#[test]
fn the_key_exchange_withstands_quantum_computers_where_the_client_does() {
    let (_upstream, authority, _folder, proxy) = site("");
    let config = authority.client(None, ALL_VERSIONS, &[]);
    let stream = shake(proxy.address, "site.example", &config).unwrap();
    let group = stream.conn.negotiated_key_exchange_group().unwrap();
    assert_eq!(group.name(), rustls::NamedGroup::X25519MLKEM768);
}

#[test]
fn sessions_are_resumed_also_over_a_reload() {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    authority.issue_into(folder.path(), "site", &["site.example"]);
    let yaml = format!("{}{WORD}", listening(folder.path(), ""));
    let proxy = Proxy::start(&upstream, &yaml);
    for versions in [&[&TLS13][..], &[&TLS12]] {
        let config = authority.client(None, versions, &[]);
        let kind = || {
            let mut client = shake(proxy.address, "site.example", &config).unwrap();
            let kind = client.conn.handshake_kind().unwrap();
            // The tickets of TLS 1.3 come with the first answer.
            client
                .write_all(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                .unwrap();
            let _ = std::io::Read::read_to_end(&mut client, &mut Vec::new());
            kind
        };
        assert_eq!(kind(), rustls::HandshakeKind::Full);
        assert_eq!(kind(), rustls::HandshakeKind::Resumed);
        proxy.reload(&format!("{yaml}# the same\n")).unwrap();
        assert_eq!(kind(), rustls::HandshakeKind::Resumed);
    }
}

#[test]
fn who_does_not_come_to_terms_is_told_of_and_who_only_looks_is_not() {
    let (upstream, _authority, _folder, proxy) = site("limits: { header_time: 300ms }\n");
    let told = || {
        let of_handshakes = |event: &&std::sync::Arc<portcullis::event::Event>| {
            event.rule.as_deref() == Some("handshake")
        };
        proxy.events().iter().filter(of_handshakes).count()
    };
    drop(TcpStream::connect(proxy.address).unwrap());
    let mut plain = Client::connect(proxy.address);
    plain.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_until("the plain request to be told of", || told() == 1);
    // A hello that does not end.
    let mut slow = Client::connect(proxy.address);
    slow.send(b"\x16\x03\x01\x02\x00\x01");
    wait_until("the slow one to be told of", || told() == 2);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn long_bodies_go_through_both_ways_and_who_does_not_read_is_cut_off() {
    let body = "x".repeat(16 << 20);
    let sent = body.clone();
    let upstream = Upstream::start(move |_| json("200 OK", &body));
    let authority = Authority::new();
    let folder = tempfile::tempdir().unwrap();
    authority.issue_into(folder.path(), "site", &["site.example"]);
    let limits = "limits: { write_time: 300ms }\ndetections: []\n";
    let proxy = Proxy::start(
        &upstream,
        &format!("{}{limits}", listening(folder.path(), "")),
    );
    let config = authority.client(None, ALL_VERSIONS, &[]);
    let mut good = client(proxy.address, "site.example", &config);
    good.request("POST", "/", &[], sent.as_bytes());
    let answer = good.response();
    assert_eq!((answer.body.len(), answer.complete), (16 << 20, true));
    assert_eq!(upstream.last().body.len(), 16 << 20);
    let mut slow = client(proxy.address, "site.example", &config);
    slow.request("GET", "/", &[], b"");
    wait_until("the slow reader to be told of", || {
        let events = proxy.events();
        events
            .iter()
            .any(|event| event.rule.as_deref() == Some("write_time"))
    });
}

#[test]
fn a_connection_rests_and_goes_on() {
    let (_upstream, authority, _folder, proxy) = site("");
    let config = authority.client(None, ALL_VERSIONS, &[]);
    let mut client = client(proxy.address, "site.example", &config);
    for pause in [300, 10, 300] {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
        std::thread::sleep(std::time::Duration::from_millis(pause));
    }
    // Two at once: the second one waits decrypted while the first is answered.
    client.send(b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(
        [client.response().status, client.response().status],
        [200; 2]
    );
    assert_eq!(status(proxy.address, "site.example", &config), Some(200));
}

#[test]
fn curl_is_served() {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    authority.issue_into(folder.path(), "site", &["localhost"]);
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
    let proxy = Proxy::start(
        &upstream,
        &format!("{}{WORD}", listening(folder.path(), "")),
    );
    let Some(output) = curl(&[
        "--cacert",
        &folder.path().join("ca.pem").display().to_string(),
        &format!("https://localhost:{}/a", proxy.address.port()),
    ]) else {
        return;
    };
    assert!(output.contains("API endpoint reached"), "{output}");
    assert_eq!(upstream.last().target, "/a");
}

/// What curl prints; `None` where there is none, which is told, and a failure on a machine that is set up for it.
pub fn curl(arguments: &[&str]) -> Option<String> {
    if !has("curl") {
        return None;
    }
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20"])
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    Some(format!(
        "{}{errors}",
        String::from_utf8_lossy(&output.stdout)
    ))
}
