//! The grammar of request-targets and of hosts (RFC 9112, 3.2; RFC 3986): what every parser on the way reads alike.

use std::net::Ipv6Addr;

use super::fault::Fault;

/// The longest target that hyper takes, in bytes.
const MAX_TARGET: usize = 65_534;

/// The longest name of a host (RFC 1035, 2.3.4), with a dot at its end.
const MAX_HOST: usize = 254;

/// Checks a request-target: a path with or without a query, an http URL, or `*` for OPTIONS.
pub(super) fn check(target: &[u8], is_options: bool) -> Result<(), Fault> {
    if target.len() > MAX_TARGET {
        return Err(Fault::TargetTooLong);
    }
    match target {
        [b'/', ..] => path_and_query(target),
        [b'*'] if is_options => Ok(()),
        _ => absolute(target),
    }
}

/// An absolute URL, its scheme http or https: what follows `://` is a host, then nothing or a path. A query without a path
/// is legal, and nobody writes it.
fn absolute(target: &[u8]) -> Result<(), Fault> {
    let is_scheme = |scheme: &&str| {
        target
            .get(..scheme.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(scheme.as_bytes()))
    };
    let scheme = ["http://", "https://"].into_iter().find(is_scheme);
    let rest = scheme.and_then(|scheme| target.get(scheme.len()..));
    let rest = rest.ok_or(Fault::TargetForm)?;
    let end = rest
        .iter()
        .position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, path) = rest
        .split_at_checked(end.unwrap_or(rest.len()))
        .unwrap_or_default();
    if !is_host(authority) {
        return Err(Fault::TargetHost);
    }
    match path {
        [] => Ok(()),
        [b'/', ..] => path_and_query(path),
        _ => Err(Fault::TargetForm),
    }
}

/// A path and perhaps a query. Beside what RFC 3986 allows there may be what clients are known to send as it is and no
/// parser stumbles over: brackets, braces, `|`, `^`, `\`, quotes in a path, a backtick in a query, and UTF-8.
fn path_and_query(bytes: &[u8]) -> Result<(), Fault> {
    let query = memchr::memchr(b'?', bytes).unwrap_or(bytes.len());
    let (path, query) = bytes.split_at_checked(query).unwrap_or_default();
    // All bytes are looked at, so that many are at a time.
    let is_path = path
        .iter()
        .fold(true, |all, &byte| all & (is_common(byte) | (byte == b'"')));
    let is_query = query.iter().fold(true, |all, &byte| {
        all & (is_common(byte) | (byte == b'?') | (byte == b'`'))
    });
    if is_path && is_query && (bytes.is_ascii() || std::str::from_utf8(bytes).is_ok()) {
        Ok(())
    } else {
        Err(Fault::TargetByte)
    }
}

/// Whether a byte may stand in a path as in a query; where it is no ASCII, as a part of UTF-8.
const fn is_common(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x24..=0x3b | 0x3d | 0x40..=0x5f | 0x61..=0x7e | 0x80..)
}

/// Whether this is `host` or `host:port`: a name, an IPv4 address, or an IPv6 address in brackets. What a URL allows in a
/// host beside letters, digits, `-`, `.`, `_` and `~` (percent-encoding, commas, zones) is read differently by different
/// parsers, and names no host that is routed by.
pub(in crate::proxy) fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else {
                return false;
            };
            let (address, after) = rest.split_at_checked(end).unwrap_or_default();
            let address = std::str::from_utf8(address).unwrap_or_default();
            if address.parse::<Ipv6Addr>().is_err() {
                return false;
            }
            match after.get(1..).unwrap_or_default() {
                [] => return true,
                [b':', port @ ..] => return is_port(port),
                _ => return false,
            }
        }
        _ => match memchr::memchr(b':', text) {
            Some(colon) => {
                let (host, port) = text.split_at_checked(colon).unwrap_or_default();
                (host, port.get(1..))
            }
            None => (text, None),
        },
    };
    let is_host_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let labels = host.strip_suffix(b".").unwrap_or(host);
    host.len() <= MAX_HOST
        && host.iter().all(is_host_byte)
        && labels
            .split(|&byte| byte == b'.')
            .all(|label| !label.is_empty())
        && port.is_none_or(is_port)
}

/// Whether this is a port that one can connect to.
fn is_port(text: &[u8]) -> bool {
    let port = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<u16>().ok());
    text.first()
        .is_some_and(|first| matches!(first, b'1'..=b'9'))
        && port.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        for good in [
            "/",
            "//a",
            "/a%20b?c=d&e",
            "/a|b^c{d}\"e\"[f]\\g",
            "/?q=`a`|b",
            "/é?ü",
            "/%zz",
            "/a;b=c/../d",
            "/?",
            "/??",
            "http://a",
            "HTTP://a/",
            "https://a.b:8443/c?d",
            "http://[::1]:80/",
        ] {
            assert_eq!(check(good.as_bytes(), false), Ok(()), "{good}");
            assert!(good.parse::<http::Uri>().is_ok(), "{good}");
        }
        for (bad, fault) in [
            ("", Fault::TargetForm),
            ("a", Fault::TargetForm),
            ("*", Fault::TargetForm),
            ("*/", Fault::TargetForm),
            ("a:80", Fault::TargetForm),
            ("?a", Fault::TargetForm),
            ("ftp://a/", Fault::TargetForm),
            ("http:/a", Fault::TargetForm),
            ("http:///a", Fault::TargetHost),
            ("http://a@b/", Fault::TargetHost),
            ("http://a\\b/", Fault::TargetHost),
            ("http://a?b", Fault::TargetForm),
            ("http://a#b", Fault::TargetForm),
            ("/a#b", Fault::TargetByte),
            ("/a<b", Fault::TargetByte),
            ("/a`b", Fault::TargetByte),
            ("/?a\"b", Fault::TargetByte),
            ("/?a>b", Fault::TargetByte),
        ] {
            assert_eq!(check(bad.as_bytes(), false), Err(fault), "{bad}");
        }
        assert_eq!(check(b"/\xff", false), Err(Fault::TargetByte));
        assert_eq!(check(b"*", true), Ok(()));
        assert_eq!(check(&[b'/'; 65_535], false), Err(Fault::TargetTooLong));
    }

    #[test]
    fn what_the_gate_takes_hyper_takes_as_well() {
        for byte in 0..=u8::MAX {
            for target in [
                vec![b'/', byte, b'x'],
                vec![b'/', b'?', byte, b'x'],
                [b"http://a/", &[byte][..]].concat(),
                [b"http://a", &[byte][..], b"b/"].concat(),
            ] {
                if check(&target, false).is_ok() {
                    assert!(
                        http::Uri::try_from(&target[..]).is_ok(),
                        "{}",
                        target.escape_ascii()
                    );
                }
            }
        }
    }

    #[test]
    fn hosts() {
        for good in [
            "a",
            "A.b-c.d_e",
            "a.",
            "127.0.0.1",
            "a:1",
            "a:65535",
            "[::1]",
            "[::ffff:1.2.3.4]:8080",
            "1",
        ] {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            ".",
            ":80",
            "a:",
            "a:0",
            "a:080",
            "a:65536",
            "a:+1",
            "a:1:2",
            "a b",
            "a,b",
            "a@b",
            "a/b",
            "a?b",
            "a#b",
            "a\\b",
            "a..b",
            ".a",
            "%61",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[v1.a]",
            "::1",
            "ä",
            "[]",
            "a\tb",
            "a;b",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
