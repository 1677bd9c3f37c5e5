use super::*;
use crate::proxy::clients_config::HostIdentity;

fn trust(identity: IdentityHeader) -> Trust {
    Trust::new(&ClientsConfig {
        trusted: vec!["203.0.113.7".parse().expect("a block")],
        trusted_proxies: vec![
            "10.0.0.0/8".parse().expect("a block"),
            "fd00::/8".parse().expect("a block"),
        ],
        identity,
        ..ClientsConfig::default()
    })
}

fn named(name: &str) -> IdentityHeader {
    IdentityHeader::Header(name.parse().expect("a name"))
}

fn identify(identity: IdentityHeader, peer: &str, lines: &[(HeaderName, &str)]) -> ClientIdentity {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, value.parse().expect("a header value"));
    }
    trust(identity).identify(
        peer.parse().expect("an address"),
        &Uri::from_static("/"),
        &headers,
    )
}

#[test]
fn the_client_is_the_right_most_untrusted_entry_of_a_trusted_peer() {
    // peer, lines of X-Forwarded-For, expected client
    let cases: [(&str, &[&str], &str); 18] = [
        ("10.0.0.1", &["\", 8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", &["\"\\", "8.8.8.8"], "8.8.8.8"),
        ("198.51.100.1", &["9.9.9.9"], "198.51.100.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", &["9.9.9.9, 8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", &["9.9.9.9, 8.8.8.8, 10.2.3.4"], "8.8.8.8"),
        ("10.0.0.1", &["9.9.9.9", "8.8.8.8"], "8.8.8.8"),
        ("10.0.0.1", &["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", &["9.9.9.9, unknown"], "10.0.0.1"),
        ("10.0.0.1", &["9.9.9.9, bogus, 10.9.9.9"], "10.9.9.9"),
        ("10.0.0.1", &["9.9.9.9,, "], "9.9.9.9"),
        ("10.0.0.1", &["9.9.9.9:4711"], "9.9.9.9"),
        ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", &["2001:DB8:0:0::1"], "2001:db8::1"),
        ("10.0.0.1", &["::ffff:9.9.9.9"], "9.9.9.9"),
        ("10.0.0.1", &["fe80::1%eth0"], "fe80::1"),
        ("::ffff:10.0.0.1", &["9.9.9.9"], "9.9.9.9"),
    ];
    for (peer, lines, expected) in cases {
        let lines: Vec<_> = lines.iter().map(|line| (X_FORWARDED_FOR, *line)).collect();
        let client = identify(IdentityHeader::XForwardedFor, peer, &lines);
        assert_eq!(client.address.to_string(), expected, "{peer} {lines:?}");
    }
}

#[test]
fn forwarded_is_read_as_rfc_7239_writes_it() {
    let cases: [(&str, &str); 13] = [
        ("for=\", for=8.8.8.8", "8.8.8.8"),
        ("for=\"\\, for=8.8.8.8", "8.8.8.8"),
        ("for=\", for=\"8.8.8.8:80\"", "8.8.8.8"),
        ("for=\"\\\", for=\"8.8.8.8\"", "8.8.8.8"),
        ("for=9.9.9.9", "9.9.9.9"),
        ("For=\"[2001:db8::1]:80\";proto=http", "2001:db8::1"),
        ("for=9.9.9.9, for=8.8.8.8;by=10.0.0.2", "8.8.8.8"),
        ("for=9.9.9.9;host=\"a,for=7.7.7.7\"", "9.9.9.9"),
        ("for=9.9.9.9, for=unknown", "10.0.0.1"),
        ("for=9.9.9.9, for=_hidden", "10.0.0.1"),
        ("for=9.9.9.9;for=8.8.8.8", "10.0.0.1"),
        ("proto=http", "10.0.0.1"),
        ("for=9.9.9.9, for=10.3.3.3", "9.9.9.9"),
    ];
    for (line, expected) in cases {
        let client = identify(IdentityHeader::Forwarded, "10.0.0.1", &[(FORWARDED, line)]);
        assert_eq!(client.address.to_string(), expected, "{line}");
    }
}

#[test]
fn only_the_configured_header_names_the_client() {
    let lines = [(X_FORWARDED_FOR, "9.9.9.9"), (FORWARDED, "for=8.8.8.8")];
    for (identity, expected) in [
        (IdentityHeader::XForwardedFor, "9.9.9.9"),
        (IdentityHeader::Forwarded, "8.8.8.8"),
        (IdentityHeader::Peer, "10.0.0.1"),
    ] {
        assert_eq!(
            identify(identity, "10.0.0.1", &lines).address.to_string(),
            expected
        );
    }
}

#[test]
fn standing_follows_the_client_and_not_the_peer() {
    let standing =
        |peer, lines: &[_]| identify(IdentityHeader::XForwardedFor, peer, lines).standing;
    assert_eq!(standing("198.51.100.1", &[]), Standing::Ordinary);
    assert_eq!(standing("10.0.0.1", &[]), Standing::Proxy);
    assert_eq!(
        standing("10.0.0.1", &[(X_FORWARDED_FOR, "203.0.113.7")]),
        Standing::Trusted
    );
    assert_eq!(
        standing("198.51.100.1", &[(X_FORWARDED_FOR, "203.0.113.7")]),
        Standing::Ordinary
    );
}

#[test]
fn ipv6_is_counted_by_its_network() {
    let mut client = ClientIdentity::from_peer("2001:db8:1:2:3:4:5:6".parse().expect("an address"));
    assert_eq!(client.counting_address().to_string(), "2001:db8:1:2::");
    client.ipv6_prefix = 128;
    assert_eq!(client.counting_address(), client.address);
    let mapped = ClientIdentity::from_peer("::ffff:192.0.2.1".parse().expect("an address"));
    assert_eq!(mapped.counting_address().to_string(), "192.0.2.1");
}

/// Everything that one client may be called by those who do not lie.
const SPELLINGS: [(&str, &[&str]); 3] = [
    (
        "192.0.2.1",
        &[
            "192.0.2.1",
            " 192.0.2.1\t",
            "192.0.2.1:80",
            "192.0.2.1:0",
            "192.0.2.1:65535",
            "::ffff:192.0.2.1",
            "::FFFF:192.0.2.1",
            "::ffff:c000:201",
            "::ffff:C000:0201",
            "0:0:0:0:0:ffff:192.0.2.1",
            "0000:0000:0000:0000:0000:ffff:c000:0201",
            "[::ffff:192.0.2.1]",
            "[::ffff:192.0.2.1]:80",
            "[::ffff:c000:201%eth0]:80",
        ],
    ),
    (
        "2001:db8::a1",
        &[
            "2001:db8::a1",
            "2001:DB8::A1",
            "2001:0db8::00a1",
            "2001:db8:0:0:0:0:0:a1",
            "2001:0db8:0000:0000:0000:0000:0000:00a1",
            "2001:db8:0::0:a1",
            "2001:db8::0.0.0.161",
            "[2001:db8::a1]",
            "[2001:DB8::A1]:443",
            "2001:db8::a1%eth0",
            "[2001:db8::a1%25eth0]:443",
        ],
    ),
    (
        "::1",
        &[
            "::1",
            "0:0:0:0:0:0:0:1",
            "::0001",
            "[::1]",
            "::0.0.0.1",
            "::1%lo",
        ],
    ),
];

/// What is no address, or not the same one to every reader.
const AMBIGUOUS: [&str; 60] = [
    "unknown",
    "_hidden",
    "localhost",
    "example.org",
    "192.0.2.01",
    "192.0.02.1",
    "0192.0.2.1",
    "0300.0.2.1",
    "0xc0.0.2.1",
    "192.0.513",
    "192.513",
    "3221225985",
    "0xc0000201",
    "030000001001",
    "192.0.2",
    "192.0.2.",
    "192.0.2.1.",
    ".192.0.2.1",
    "192.0.2.1.1",
    "192.0.2.256",
    "192.0.2.-1",
    "192.0.2.+1",
    "192 .0.2.1",
    "192.0.2.1 203.0.113.1",
    "192.0.2.1;203.0.113.1",
    "192.0.2.1/32",
    "192.0.2.1:",
    "192.0.2.1:80:80",
    "192.0.2.1:65536",
    "192.0.2.1:000080",
    "192.0.2.1:+80",
    "192.0.2.1:_port",
    "192.0.2.1:http",
    "[192.0.2.1]",
    "[192.0.2.1]:80",
    "192.0.2.1%eth0",
    "\"192.0.2.1\"",
    "'192.0.2.1'",
    "for=192.0.2.1",
    "<192.0.2.1>",
    "http://192.0.2.1",
    "\u{ff11}92.0.2.1",
    "[2001:db8::1",
    "2001:db8::1]",
    "[[2001:db8::1]]",
    "[2001:db8::1]80",
    "[2001:db8::1]:",
    "[2001:db8::1]:65536",
    "[2001:db8::1]x:80",
    "[]",
    "[]:80",
    "2001:db8:::1",
    "2001:db8::1::2",
    "2001:db8::00001",
    "2001:db8::g",
    "1:2:3:4:5:6:7:8:9",
    "2001:db8::1%",
    "2001:db8::1% eth0",
    "::ffff:192.0.02.1",
    "::ffff:192.0.2",
];

#[test]
fn every_spelling_of_an_address_is_one_client_by_every_header() {
    for (client, spellings) in SPELLINGS {
        for spelling in spellings {
            let quoted = format!("for=\"{}\"", spelling.trim());
            let (x_client, list) = (HeaderName::from_static("x-client"), X_FORWARDED_FOR);
            for (identity, name, value) in [
                (IdentityHeader::XForwardedFor, list, *spelling),
                (named("x-client"), x_client, *spelling),
                (IdentityHeader::Forwarded, FORWARDED, &*quoted),
            ] {
                for peer in ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1"] {
                    let found = identify(identity.clone(), peer, &[(name.clone(), value)]);
                    assert_eq!(found.address.to_string(), client, "{name}: {value}");
                    assert_eq!(found.standing, Standing::Ordinary);
                    let same = ClientIdentity::from_peer(found.address);
                    assert_eq!(found.counting_address(), same.counting_address());
                }
            }
        }
    }
}

#[test]
fn what_is_ambiguous_ends_the_reading_and_is_counted_as_whom_it_came_from() {
    for entry in AMBIGUOUS {
        let list = format!("203.0.113.9, {entry}");
        let forwarded = format!("for=203.0.113.9, for={entry}");
        let beyond = format!("203.0.113.9, {entry}, 10.0.0.2");
        let x_client = HeaderName::from_static("x-client");
        for (identity, name, value, client) in [
            (
                IdentityHeader::XForwardedFor,
                X_FORWARDED_FOR,
                &*list,
                "10.0.0.1",
            ),
            (
                IdentityHeader::XForwardedFor,
                X_FORWARDED_FOR,
                &beyond,
                "10.0.0.2",
            ),
            (IdentityHeader::Forwarded, FORWARDED, &forwarded, "10.0.0.1"),
            (named("x-client"), x_client, entry, "10.0.0.1"),
        ] {
            // `Forwarded` may quote what the others may not, and ends an element where they do not.
            if name == FORWARDED && entry.contains(['"', ';']) {
                continue;
            }
            let mut headers = HeaderMap::new();
            let bytes = http::HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            headers.append(name, bytes);
            let peer = "10.0.0.1".parse().expect("an address");
            let found = trust(identity).identify(peer, &Uri::from_static("/"), &headers);
            assert_eq!(found.address.to_string(), client, "{value}");
            assert_eq!(found.standing, Standing::Ordinary, "{value}");
        }
    }
}

#[test]
fn a_named_header_holds_one_address_and_comes_once() {
    let name = || HeaderName::from_static("cf-connecting-ip");
    let cases: [(&str, &[&str], &str); 7] = [
        ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
        ("10.0.0.1", &[], "10.0.0.1"),
        ("10.0.0.1", &["192.0.2.1", "192.0.2.1"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9", "192.0.2.1"], "10.0.0.1"),
        ("10.0.0.1", &["203.0.113.9, 192.0.2.1"], "10.0.0.1"),
        ("10.0.0.1", &[""], "10.0.0.1"),
        ("198.51.100.1", &["192.0.2.1"], "198.51.100.1"),
    ];
    for (peer, lines, client) in cases {
        let mut lines: Vec<_> = lines.iter().map(|line| (name(), *line)).collect();
        // Another header that would name another.
        lines.push((X_FORWARDED_FOR, "203.0.113.5"));
        let found = identify(named("CF-Connecting-IP"), peer, &lines);
        assert_eq!(found.address.to_string(), client, "{lines:?}");
        // A proxy that names nobody asks for itself; who makes its header unreadable does not pass as the proxy.
        let expected = match (peer, lines.len()) {
            ("10.0.0.1", 1) => Standing::Proxy,
            _ => Standing::Ordinary,
        };
        assert_eq!(found.standing, expected, "{lines:?}");
        let is_named = client == "192.0.2.1";
        assert_eq!(found.source == IdentitySource::Header, is_named);
    }
}

#[test]
fn a_host_may_name_its_clients_in_another_way() {
    let block = |text: &str| text.parse::<Cidr>().expect("a block");
    let trust = Trust::new(&ClientsConfig {
        trusted_proxies: vec![block("10.0.0.0/8")],
        hosts: vec![
            HostIdentity {
                host: "CDN.example.com".into(),
                identity: named("cf-connecting-ip"),
                trusted_proxies: Some(vec![block("172.16.0.0/12")]),
            },
            HostIdentity {
                host: "[::1]".into(),
                identity: IdentityHeader::Peer,
                trusted_proxies: None,
            },
        ],
        ..ClientsConfig::default()
    });
    let client = |peer: &str, target: &str, host: &str| {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", host),
            ("x-forwarded-for", "192.0.2.1"),
            ("cf-connecting-ip", "192.0.2.2"),
        ] {
            let name = HeaderName::from_static(name);
            headers.append(name, value.parse().expect("a value"));
        }
        let uri = target.parse().expect("a URI");
        let peer = peer.parse().expect("an address");
        trust.identify(peer, &uri, &headers).address.to_string()
    };
    for host in [
        "cdn.example.com",
        "CDN.EXAMPLE.COM:443",
        "cdn.example.com.",
        "cdn.example.com.:80",
    ] {
        assert_eq!(client("172.16.0.1", "/", host), "192.0.2.2", "{host}");
        assert_eq!(client("10.0.0.1", "/", host), "10.0.0.1", "{host}");
    }
    for host in [
        "example.com",
        "a.cdn.example.com",
        "cdn.example.com.evil",
        "cdn.example.com@evil",
        "",
    ] {
        assert_eq!(client("172.16.0.1", "/", host), "172.16.0.1", "{host}");
        assert_eq!(client("10.0.0.1", "/", host), "192.0.2.1", "{host}");
    }
    assert_eq!(client("10.0.0.1", "/", "[::1]:80"), "10.0.0.1");
    // Whom a request is for is what its target says, whatever stands in `Host`.
    let (cdn, other) = ("http://cdn.example.com/", "http://example.com:80/");
    assert_eq!(client("10.0.0.1", cdn, "example.com"), "10.0.0.1");
    assert_eq!(client("10.0.0.1", other, "cdn.example.com"), "192.0.2.1");
}

#[test]
fn the_way_holds_everybody_between_client_and_peer() {
    let mut headers = HeaderMap::new();
    let list = "1.1.1.1, 192.0.2.1, 10.0.0.3, [fd00::2]:80";
    headers.append(X_FORWARDED_FOR, list.parse().expect("a value"));
    let trust = trust(IdentityHeader::XForwardedFor);
    let peer = "10.0.0.1".parse().expect("an address");
    let way = trust.way(peer, &Uri::from_static("/"), &headers);
    assert_eq!(way.client.to_string(), "192.0.2.1");
    let via: Vec<_> = way.via.iter().map(IpAddr::to_string).collect();
    assert_eq!(
        (via.as_slice(), way.entries),
        (&["10.0.0.3".into(), "fd00::2".into()][..], 3)
    );
}

proptest::proptest! {
    /// Whatever comes before it, the address that the trusted proxy wrote last is the client.
    #[test]
    fn nothing_before_the_last_entry_counts(
        lines in proptest::collection::vec("([ -~]{0,30}|[\"\\\\,;= ]{0,9})", 0..4),
        same_line: bool,
    ) {
        use proptest::prelude::*;
        for (identity, name, written) in [
            (IdentityHeader::XForwardedFor, X_FORWARDED_FOR, "192.0.2.7"),
            (IdentityHeader::Forwarded, FORWARDED, "for=192.0.2.7"),
            (IdentityHeader::Forwarded, FORWARDED, "for=\"192.0.2.7:80\";proto=https"),
        ] {
            let mut lines = lines.clone();
            match lines.last_mut() {
                Some(last) if same_line => *last = format!("{last}, {written}"),
                _ => lines.push(written.into()),
            }
            let lines: Vec<_> = lines.iter().map(|line| (name.clone(), &**line)).collect();
            let found = identify(identity, "10.0.0.1", &lines);
            prop_assert_eq!(found.address.to_string(), "192.0.2.7", "{:?}", lines);
        }
    }
}
