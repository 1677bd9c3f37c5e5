//! Forwarding headers of any bytes: somebody is identified, and a stranger's headers change nothing.

#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use portcullis::proxy::config::{ClientsConfig, IdentityHeader};
use portcullis::proxy::identity::Trust;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fuzz_target!(|input: &[u8]| {
    let Some((choice, value)) = input.split_first() else { return };
    let (identity, name) = match choice % 2 {
        0 => (IdentityHeader::XForwardedFor, HeaderName::from_static("x-forwarded-for")),
        _ => (IdentityHeader::Forwarded, FORWARDED),
    };
    let mut headers = HeaderMap::new();
    for line in value.split(|&byte| byte == b'\n') {
        if let Ok(line) = HeaderValue::from_bytes(line) {
            headers.append(name.clone(), line);
        }
    }
    let trusted_proxies = vec!["10.0.0.0/8".parse().expect("a block")];
    let trust = Trust::new(&ClientsConfig { trusted_proxies, identity, ..ClientsConfig::default() });
    assert_eq!(trust.identify(STRANGER, &headers).address, STRANGER);
    let client = trust.identify(PROXY, &headers);
    assert_eq!(client.address, client.address.to_canonical());
});
