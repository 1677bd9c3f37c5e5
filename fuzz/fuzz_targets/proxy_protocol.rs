//! PROXY protocol headers of any bytes: what they say does not depend on how they arrive, never reaches beyond its bound,
//! and is what an independent reader says, too, wherever that one is as strict.

#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use portcullis::proxy::proxy_protocol::{LONGEST, Parsed, parse};
use ppp::{HeaderResult, v1, v2};

fuzz_target!(|input: &[u8]| {
    let whole = parse(input);
    // A few cuts are enough to find one that changes the meaning; all of them would be quadratic.
    for cut in (0..input.len()).step_by(input.len() / 16 + 1) {
        let part = parse(&input[..cut]);
        assert!(part == whole || part == Ok(Parsed::Incomplete), "{cut}: {part:?}, {whole:?}");
    }
    let Ok(Parsed::Complete { length, source }) = whole else { return };
    assert!(length <= input.len() && length <= LONGEST);
    assert_eq!(parse(&input[..length]), whole);
    assert!(length == 0 || parse(&input[..length - 1]) == Ok(Parsed::Incomplete));
    assert_eq!(source, source.map(|source| source.to_canonical()));
    assert_eq!(reference(&input[..length]), source, "{}", input.escape_ascii());
});

/// Whom another implementation takes a header to name.
fn reference(header: &[u8]) -> Option<IpAddr> {
    let source: IpAddr = match HeaderResult::parse(header) {
        HeaderResult::V1(header) => match header.ok()?.addresses {
            v1::Addresses::Unknown => return None,
            v1::Addresses::Tcp4(ip) => ip.source_address.into(),
            v1::Addresses::Tcp6(ip) => ip.source_address.into(),
        },
        HeaderResult::V2(header) => {
            let header = header.ok().filter(|header| header.command == v2::Command::Proxy)?;
            match header.addresses {
                v2::Addresses::IPv4(ip) => ip.source_address.into(),
                v2::Addresses::IPv6(ip) => ip.source_address.into(),
                v2::Addresses::Unspecified | v2::Addresses::Unix(_) => return None,
            }
        }
    };
    Some(source.to_canonical())
}
