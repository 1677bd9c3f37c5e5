//! `clients`.

use super::chain;
use crate::support::{Proxy, Upstream};

const DENIED: &str = "detections:\n  - ip_allowlist: { deny: [127.0.0.1] }\n";

/// Everybody is refused, so that an event tells who it was.
const NOBODY: &str = "detections:\n  - ip_allowlist: { allow: [203.0.113.9] }\n";

const ONE: &str = "rate_limit: { limits: [{ name: client, key: client, limit: 1, per: 1h }] }";

/// Who a request comes from, as events tell.
fn client(yaml: &str) -> String {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("{yaml}{NOBODY}"));
    let headers = [
        ("X-Forwarded-For", "192.0.2.1"),
        ("Forwarded", "for=192.0.2.2"),
        ("X-Client", "192.0.2.3"),
        ("X-Other", "192.0.2.4"),
    ];
    let refused = proxy.get_with("/", &headers);
    let event = proxy.event(&refused.id());
    event.client.as_ref().unwrap().ip.to_string()
}

pub fn trusted() {
    let upstream = Upstream::plain();
    let status = |trusted: &str| {
        let yaml = format!("clients: {{ trusted: [{trusted}] }}\n{DENIED}");
        Proxy::start(&upstream, &yaml).get("/").status
    };
    assert_eq!([status(""), status("127.0.0.0/8")], [403, 200]);
}

pub fn trusted_proxies() {
    assert_eq!(client(""), "127.0.0.1");
    let proxies = "clients: { trusted_proxies: [127.0.0.1] }\n";
    assert_eq!(client(proxies), "192.0.2.1");
}

pub fn identity() {
    for (value, expected) in [
        ("x_forwarded_for", "192.0.2.1"),
        ("forwarded", "192.0.2.2"),
        ("peer", "127.0.0.1"),
    ] {
        let yaml = format!("clients: {{ trusted_proxies: [127.0.0.1], identity: {value} }}\n");
        assert_eq!(client(&yaml), expected);
    }
}

pub fn identity_header() {
    for (name, expected) in [("X-Client", "192.0.2.3"), ("x-other", "192.0.2.4")] {
        let identity = format!("identity: {{ header: {name} }}");
        let yaml = format!("clients: {{ trusted_proxies: [127.0.0.1], {identity} }}\n");
        assert_eq!(client(&yaml), expected);
    }
}

/// Who a request for `example.org` comes from where hosts are listed.
fn client_of_host(host: &str) -> String {
    client(&format!(
        "clients: {{ trusted_proxies: [127.0.0.1], hosts: [{{ {host} }}] }}\n"
    ))
}

pub fn hosts_host() {
    for (host, expected) in [("Example.ORG", "192.0.2.2"), ("example.com", "192.0.2.1")] {
        let entry = format!("host: {host}, identity: forwarded");
        assert_eq!(client_of_host(&entry), expected);
    }
}

pub fn hosts_identity() {
    for (identity, expected) in [("forwarded", "192.0.2.2"), ("peer", "127.0.0.1")] {
        let entry = format!("host: example.org, identity: {identity}");
        assert_eq!(client_of_host(&entry), expected);
    }
}

pub fn hosts_identity_header() {
    for (name, expected) in [("X-Client", "192.0.2.3"), ("X-Other", "192.0.2.4")] {
        let entry = format!("host: example.org, identity: {{ header: {name} }}");
        assert_eq!(client_of_host(&entry), expected);
    }
}

pub fn hosts_trusted_proxies() {
    for (proxies, expected) in [("127.0.0.1", "192.0.2.2"), ("10.0.0.1", "127.0.0.1")] {
        let entry = format!("host: example.org, identity: forwarded, trusted_proxies: [{proxies}]");
        assert_eq!(client_of_host(&entry), expected);
    }
}

/// Which of some headers reach the upstream.
fn told(yaml: &str) -> Vec<String> {
    const NAMES: [&str; 4] = ["x-forwarded-for", "forwarded", "x-real-ip", "x-mine"];
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("{yaml}detections: []\n"));
    let forged = NAMES.map(|name| (name, "192.0.2.9"));
    assert_eq!(proxy.get_with("/", &forged).status, 200);
    let seen = upstream.last();
    let told = NAMES
        .iter()
        .filter_map(|name| Some(format!("{name}: {}", seen.one(name)?)));
    told.collect()
}

pub fn forward_identity_as() {
    let list = "x-forwarded-for: 127.0.0.1";
    let forwarded = "forwarded: for=127.0.0.1;host=\"example.org\";proto=http";
    let mine = "x-mine: 192.0.2.9";
    for (form, expected) in [
        ("both", &[list, forwarded, mine][..]),
        ("x_forwarded_for", &[list, mine]),
        ("forwarded", &[forwarded, mine]),
        ("none", &[mine]),
    ] {
        let yaml = format!("clients: {{ forward_identity_as: {form} }}\n");
        assert_eq!(told(&yaml), expected, "{form}");
    }
}

pub fn forward_identity_as_header() {
    for (name, expected) in [
        (
            "X-Real-IP",
            &["x-real-ip: 127.0.0.1", "x-mine: 192.0.2.9"][..],
        ),
        ("X-Mine", &["x-mine: 127.0.0.1"]),
    ] {
        let yaml = format!("clients: {{ forward_identity_as: {{ header: {name} }} }}\n");
        assert_eq!(told(&yaml), expected, "{name}");
    }
}

pub fn strip() {
    let none = "forward_identity_as: none";
    for (list, expected) in [
        ("", &["x-mine: 192.0.2.9"][..]),
        (", strip: [X-Mine]", &["x-real-ip: 192.0.2.9"]),
        (
            ", strip: []",
            &["x-real-ip: 192.0.2.9", "x-mine: 192.0.2.9"],
        ),
    ] {
        let yaml = format!("clients: {{ {none}{list} }}\n");
        assert_eq!(told(&yaml), expected, "{list}");
    }
}

pub fn ipv6_prefix() {
    let upstream = Upstream::plain();
    for (bits, last) in [(64, 403), (128, 200)] {
        let yaml = format!(
            "clients: {{ trusted_proxies: [127.0.0.1], ipv6_prefix: {bits} }}\n{}",
            chain(ONE)
        );
        let proxy = Proxy::start(&upstream, &yaml);
        let get = |from| proxy.get_with("/", &[("X-Forwarded-For", from)]).status;
        assert_eq!(
            [get("2001:db8::1"), get("2001:db8::2")],
            [200, last],
            "{bits}"
        );
    }
}

pub fn max_keys() {
    let upstream = Upstream::plain();
    // All but the first client are refused by what follows the limit, so that the upstream has no work with them.
    let yaml = |max_keys: u32| {
        format!(
            "clients: {{ trusted_proxies: [127.0.0.1], max_keys: {max_keys} }}\n{}  - ip_allowlist: {{ allow: [192.0.2.1] }}\n",
            chain(ONE)
        )
    };
    let proxy = Proxy::start(&upstream, &yaml(1_000_000));
    let first = || {
        proxy
            .get_with("/", &[("X-Forwarded-For", "192.0.2.1")])
            .status
    };
    let flood = |network: u8| {
        let mut client = proxy.connect();
        for n in 0..4000_u32 {
            let [.., high, low] = n.to_be_bytes();
            let from = format!("10.{network}.{high}.{low}");
            client.request("GET", "/", &[("X-Forwarded-For", &from)], b"");
            assert_eq!(client.response().status, 403);
        }
    };
    assert_eq!([first(), first()], [200, 403]);
    flood(1);
    assert_eq!(first(), 403, "a million clients are remembered");
    // A reload lowers the number; what is too much goes as new clients come.
    proxy.reload(&yaml(1024)).unwrap();
    assert_eq!(first(), 403, "a reload by itself forgets nothing");
    // Which client goes is chance, since keys are hashed with a secret: of four thousand new ones nearly surely this one.
    let is_forgotten = (2..=9).any(|network| {
        flood(network);
        first() == 200
    });
    assert!(is_forgotten, "a thousand are not four thousand");
}
