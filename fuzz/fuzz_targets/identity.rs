//! Forwarding headers of any bytes: somebody is identified, a stranger's headers change nothing, and whatever stands before
//! what the trusted proxy wrote changes nothing either.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::LazyLock;

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use libfuzzer_sys::fuzz_target;
use portcullis::proxy::config::{ClientsConfig, IdentityHeader};
use portcullis::proxy::identity::Trust;
use portcullis::request::{ClientIdentity, Standing};

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

const NAMED: HeaderName = HeaderName::from_static("cf-connecting-ip");
const LIST: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A way to name a client, its header, and how the proxy writes [`CLIENT`] in it.
struct Way {
    trust: Trust,
    name: HeaderName,
    written: &'static str,
}

static WAYS: LazyLock<[Way; 4]> = LazyLock::new(|| {
    let way = |identity: &IdentityHeader, name: HeaderName, written| {
        let trusted_proxies = vec!["10.0.0.0/8".parse().expect("a block")];
        let config = ClientsConfig { trusted_proxies, identity: identity.clone(), ..ClientsConfig::default() };
        Way { trust: Trust::new(&config), name, written }
    };
    let header = IdentityHeader::Header(NAMED.as_str().parse().expect("a name"));
    [
        way(&IdentityHeader::XForwardedFor, LIST, "203.0.113.7"),
        way(&IdentityHeader::Forwarded, FORWARDED, "for=203.0.113.7"),
        way(&IdentityHeader::Forwarded, FORWARDED, "for=\"203.0.113.7:80\";proto=https"),
        way(&header, NAMED, "203.0.113.7"),
    ]
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, value)) = input.split_first() else { return };
    let way = &WAYS[usize::from(choice & 3)];
    let mut headers = HeaderMap::new();
    for line in value.split(|&byte| byte == b'\n') {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            headers.append(way.name.clone(), line);
        }
    }
    let identify = |peer, headers: &HeaderMap| way.trust.identify(peer, &Uri::from_static("/"), headers);
    assert_eq!(identify(STRANGER, &headers).address, STRANGER);
    let client: ClientIdentity = identify(PROXY, &headers);
    assert_eq!(client.address, client.address.to_canonical());
    if way.name == NAMED {
        // Several lines name nobody, and do not let their sender pass as the proxy, which is not counted.
        let is_clear = headers.len() < 2;
        assert!(is_clear || (client.address, client.standing) == (PROXY, Standing::Ordinary));
        return;
    }
    // The proxy continues the last line, or writes one of its own.
    let mut continued = HeaderMap::new();
    let mut lines: Vec<Vec<u8>> = headers.get_all(&way.name).iter().map(|line| line.as_bytes().to_vec()).collect();
    match lines.last_mut() {
        Some(last) if choice & 4 == 0 => last.extend([b", ", way.written.as_bytes()].concat()),
        _ => lines.push(way.written.into()),
    }
    for line in lines {
        continued.append(way.name.clone(), HeaderValue::from_bytes(&line).expect("a value"));
    }
    assert_eq!(identify(PROXY, &continued).address, CLIENT, "{continued:?}");
});
