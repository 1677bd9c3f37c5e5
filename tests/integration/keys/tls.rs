//! `listen[].tls`.

use std::path::Path;

use rustls::ALL_VERSIONS;
use rustls::version::{TLS12, TLS13};

use super::NOTHING;
use crate::support::{Proxy, Upstream};
use crate::tls::authority::{Authority, shake, status};
use crate::tls::listening;

fn site(authority: &Authority) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    authority.issue_into(folder.path(), "site", &["site.example"]);
    folder
}

fn proxy(upstream: &Upstream, folder: &Path, more: &str) -> Proxy {
    Proxy::start(upstream, &format!("{}{NOTHING}", listening(folder, more)))
}

/// Which of two certificates is shown follows from which file is named.
fn shown(upstream: &Upstream, certificate: &str, key: &str) -> bool {
    let authority = Authority::new();
    let folder = site(&authority);
    authority.issue_into(folder.path(), "other", &["other.example"]);
    let path = folder.path().display();
    let listen = format!(
        "listen: [{{ address: 127.0.0.1:0, tls: {{ certificates: [{{ certificate: {path}/{certificate}, key: {path}/{key} }}] }} }}]\n{NOTHING}"
    );
    let proxy = Proxy::start(upstream, &listen);
    let config = authority.client(None, ALL_VERSIONS, &[]);
    shake(proxy.address, "other.example", &config).is_ok()
}

pub fn certificate() {
    let upstream = Upstream::plain();
    assert!(!shown(&upstream, "site.pem", "site.key"));
    assert!(shown(&upstream, "other.pem", "other.key"));
}

pub fn certificate_key() {
    // A key that is not the certificate's is a mistake.
    let authority = Authority::new();
    let folder = site(&authority);
    authority.issue_into(folder.path(), "other", &["other.example"]);
    let upstream = Upstream::plain();
    let proxy = proxy(&upstream, folder.path(), "");
    let yaml = format!("{}{NOTHING}", listening(folder.path(), ""));
    proxy.reload(&yaml).unwrap();
    let refused = proxy.reload(&yaml.replace("site.key", "other.key"));
    assert!(refused.unwrap_err().contains("not that of the certificate"));
}

pub fn min_version() {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = site(&authority);
    for (least, expected) in [("1.2", [Some(200); 2]), ("1.3", [None, Some(200)])] {
        let proxy = proxy(
            &upstream,
            folder.path(),
            &format!(", min_version: '{least}'"),
        );
        let served = [&TLS12, &TLS13].map(|version| {
            let config = authority.client(None, &[version], &[]);
            status(proxy.address, "site.example", &config)
        });
        assert_eq!(served, expected, "{least}");
    }
}

/// What becomes of clients with a certificate of the right authority, with one of another, and with none.
fn served(more: &str) -> [Option<u16>; 3] {
    let (upstream, authority, stranger) = (Upstream::plain(), Authority::new(), Authority::new());
    let folder = site(&authority);
    std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
    let more = more.replace("CA", &folder.path().join("ca.pem").display().to_string());
    let proxy = proxy(&upstream, folder.path(), &more);
    let (ours, theirs) = (authority.issue(&["me"]), stranger.issue(&["me"]));
    [Some(&ours), Some(&theirs), None].map(|own| {
        let config = authority.client(own, ALL_VERSIONS, &[]);
        status(proxy.address, "site.example", &config)
    })
}

pub fn client_ca() {
    assert_eq!(served(""), [Some(200); 3]);
    assert_eq!(served(", client_ca: CA"), [Some(200), None, None]);
}

pub fn client_certificates() {
    let required = ", client_ca: CA, client_certificates: required";
    assert_eq!(served(required), [Some(200), None, None]);
    let optional = ", client_ca: CA, client_certificates: optional";
    assert_eq!(served(optional), [Some(200), None, Some(200)]);
}

/// The statuses over TLS 1.2 and TLS 1.3 with a section `weak_encryption`.
fn judged(section: &str) -> [Option<u16>; 2] {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = site(&authority);
    let chain = format!("detections: [{{ weak_encryption: {{ {section} }} }}]\n");
    let proxy = Proxy::start(
        &upstream,
        &format!("{}{chain}", listening(folder.path(), "")),
    );
    [&TLS12, &TLS13].map(|version| {
        let config = authority.client(None, &[version], &[]);
        status(proxy.address, "site.example", &config)
    })
}

pub fn weak_version() {
    assert_eq!(judged("min_version: '1.2'"), [Some(200); 2]);
    assert_eq!(judged("min_version: '1.3'"), [Some(403), Some(200)]);
}

pub fn weak_ciphers() {
    let new = "TLS_AES_256_GCM_SHA384, TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256";
    assert_eq!(judged("ciphers: []"), [Some(200); 2]);
    assert_eq!(judged(&format!("ciphers: [{new}]")), [Some(200), Some(403)]);
}

pub fn unencrypted() {
    let upstream = Upstream::plain();
    for (word, expected) in [("allow", 200), ("block", 403)] {
        let chain = format!("detections: [{{ weak_encryption: {{ unencrypted: {word} }} }}]\n");
        let proxy = Proxy::start(&upstream, &chain);
        // Nobody's word counts but a trusted proxy's.
        let answer = proxy.get_with("/", &[("X-Forwarded-Proto", "https")]);
        assert_eq!(answer.status, expected, "{word}");
        let trusting = format!("clients: {{ trusted_proxies: [127.0.0.1] }}\n{chain}");
        let proxy = Proxy::start(&upstream, &trusting);
        let said = |proto| {
            [
                ("X-Forwarded-For", "192.0.2.1"),
                ("X-Forwarded-Proto", proto),
            ]
        };
        assert_eq!(proxy.get_with("/", &said("https")).status, 200);
        assert_eq!(proxy.get_with("/", &said("http")).status, expected);
    }
    assert_eq!(judged("unencrypted: block"), [Some(200); 2]);
}
