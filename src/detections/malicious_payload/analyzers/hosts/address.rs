//! IP addresses in every spelling that clients read (WHATWG URL, 3.5; `inet_aton`).

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::bytes::rest;

/// A host with the full stops of other scripts as dots, for which clients take them (UTS 46): `。`, `．`, `｡`.
pub(super) fn with_dots(host: &[u8]) -> Cow<'_, [u8]> {
    if host.is_ascii() {
        return host.into();
    }
    let mut dotted = Vec::with_capacity(host.len());
    let mut at = 0;
    while let Some(&byte) = host.get(at) {
        let stops: [&[u8]; 3] = [b"\xe3\x80\x82", b"\xef\xbc\x8e", b"\xef\xbd\xa1"];
        if stops.iter().any(|stop| rest(host, at).starts_with(stop)) {
            dotted.push(b'.');
            at += 3;
        } else {
            dotted.push(byte);
            at += 1;
        }
    }
    dotted.into()
}

/// An IPv4 address, and whether it is written as people do: four decimal numbers without leading zeros.
pub(super) fn read(host: &[u8]) -> Option<(Ipv4Addr, bool)> {
    if host.is_empty() || host.len() > 64 || !host.first()?.is_ascii_digit() {
        return None;
    }
    let mut numbers = [0_u64; 4];
    let mut count = 0;
    let mut is_plain = true;
    for part in host.split(|byte| *byte == b'.') {
        let (number, is_decimal) = number(part)?;
        *numbers.get_mut(count)? = number;
        count += 1;
        is_plain &= is_decimal;
    }
    let last = count.checked_sub(1)?;
    let mut address = 0_u64;
    for (at, number) in numbers.iter().take(count).enumerate() {
        if at == last {
            // The last one fills what is left.
            let bits = 8 * (4 - last);
            if number >> bits != 0 {
                return None;
            }
            address |= number;
        } else {
            if *number > 255 {
                return None;
            }
            address |= number << (8 * (3 - at));
        }
    }
    let address = u32::try_from(address).ok()?;
    Some((Ipv4Addr::from(address), is_plain && count == 4))
}

/// A part of an address: decimal, octal behind `0`, hexadecimal behind `0x`; and whether it is plain decimal.
fn number(part: &[u8]) -> Option<(u64, bool)> {
    let text = std::str::from_utf8(part)
        .ok()
        .filter(|text| text.len() <= 24)?;
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let number = if digits.is_empty() {
            0
        } else {
            u64::from_str_radix(digits, 16).ok()?
        };
        return Some((number, false));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Some((u64::from_str_radix(text, 8).ok()?, false));
    }
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits {
        return None;
    }
    Some((text.parse().ok()?, true))
}

/// Whether a host is an IPv4 address of the server itself or its network.
pub(super) fn is_inner_v4(host: &[u8]) -> bool {
    read(host).is_some_and(|(ip, _)| ip.is_loopback() || ip.is_private() || ip.is_link_local())
}

/// Whether an IPv6 address is the server itself or in its network, or has such an IPv4 address in it (RFC 4291, RFC 6052,
/// RFC 3056, RFC 4193).
pub(super) fn is_inner_v6(host: &[u8]) -> bool {
    let text = std::str::from_utf8(host).unwrap_or_default();
    let text = text.split('%').next().unwrap_or_default();
    let Ok(address) = text.parse::<Ipv6Addr>() else {
        return false;
    };
    let [a, b, ..] = address.segments();
    let [.., w, x, y, z] = address.octets();
    let inside = |[w, x, y, z]: [u8; 4]| {
        let ip = Ipv4Addr::new(w, x, y, z);
        ip.is_loopback() || ip.is_private() || ip.is_link_local() || w == 0
    };
    let carries = matches!(
        address.segments(),
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0x64, 0xff9b, ..]
    );
    let six_to_four = a == 0x2002 && {
        let [c, d] = b.to_be_bytes();
        let [_, _, third, ..] = address.segments();
        let [e, f] = third.to_be_bytes();
        inside([c, d, e, f])
    };
    address.is_loopback()
        || address.is_unspecified()
        || a & 0xfe00 == 0xfc00
        || a & 0xffc0 == 0xfe80
        || (carries && inside([w, x, y, z]))
        || six_to_four
}
