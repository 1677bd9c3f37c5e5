//! Who sent a request: the trusted-proxy model, applied once per request.
//!
//! The client is the connection's other end, unless that is a trusted proxy. Then the forwarding header is read from
//! the right, where the proxies that we trust have written, and the first address that is no trusted proxy is the client.
//! Everything left of it may be invented by that client and is not read. An entry that is no address ends the reading:
//! the last proxy before it is then all that is known.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use super::config::{ClientsConfig, IdentityHeader};
use crate::config::Cidr;
use crate::request::{ClientIdentity, IdentitySource, Standing};

/// `X-Forwarded-For`, the header that most proxies write.
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom the configuration trusts, compiled from `clients:`.
#[derive(Debug)]
pub struct Trust {
    trusted: Vec<Cidr>,
    proxies: Vec<Cidr>,
    header: IdentityHeader,
    ipv6_prefix: u8,
}

impl Trust {
    /// Compiles the `clients:` section.
    #[must_use]
    pub fn new(config: &ClientsConfig) -> Self {
        Self {
            trusted: config.trusted.clone(),
            proxies: config.trusted_proxies.clone(),
            header: config.identity,
            ipv6_prefix: config.ipv6_prefix,
        }
    }

    /// Where a trusted proxy names its client.
    #[must_use]
    pub const fn header(&self) -> IdentityHeader {
        self.header
    }

    /// Whether a peer's forwarding headers are believed.
    #[must_use]
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|block| block.contains(address))
    }

    /// The client behind a request that came over a connection from `peer`.
    #[must_use]
    pub fn identify(&self, peer: IpAddr, headers: &HeaderMap) -> ClientIdentity {
        let peer = peer.to_canonical();
        let (address, source) = match self.header {
            IdentityHeader::Peer => (peer, IdentitySource::Peer),
            _ if !self.is_proxy(peer) => (peer, IdentitySource::Peer),
            IdentityHeader::XForwardedFor => {
                let entries = entries_from_the_right(headers, &X_FORWARDED_FOR, split_plain)
                    .map(parse_address);
                self.first_untrusted(peer, entries, IdentitySource::XForwardedFor)
            }
            IdentityHeader::Forwarded => {
                let entries =
                    entries_from_the_right(headers, &FORWARDED, split_unquoted).map(forwarded_for);
                self.first_untrusted(peer, entries, IdentitySource::Forwarded)
            }
        };
        ClientIdentity {
            address,
            peer,
            source,
            standing: self.standing(address),
            ipv6_prefix: self.ipv6_prefix,
        }
    }

    fn first_untrusted(
        &self,
        peer: IpAddr,
        entries: impl Iterator<Item = Option<IpAddr>>,
        source: IdentitySource,
    ) -> (IpAddr, IdentitySource) {
        let mut known = (peer, IdentitySource::Peer);
        for entry in entries {
            let Some(address) = entry else { break };
            known = (address, source);
            if !self.is_proxy(address) {
                break;
            }
        }
        known
    }

    fn standing(&self, address: IpAddr) -> Standing {
        if self.trusted.iter().any(|block| block.contains(address)) {
            Standing::Trusted
        } else if self.is_proxy(address) {
            Standing::Proxy
        } else {
            Standing::Ordinary
        }
    }
}

/// The elements of a list header, last line and last element first; empty ones are skipped (RFC 9110, 5.6.1.2).
fn entries_from_the_right<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    split: fn(&'a [u8], u8) -> Vec<&'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let lines: Vec<&[u8]> = headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect();
    lines
        .into_iter()
        .rev()
        .flat_map(move |line| split(line, b',').into_iter().rev())
        .map(<[u8]>::trim_ascii)
        .filter(|entry| !entry.is_empty())
}

/// Splits at every separator. `X-Forwarded-For` knows no quotes: one that a client sends must not hide what the proxies
/// behind it write.
fn split_plain(text: &[u8], separator: u8) -> Vec<&[u8]> {
    text.split(|&byte| byte == separator).collect()
}

/// Splits at every separator outside double quotes (RFC 9110, 5.6.4). A quote that nothing closes quotes nothing: else a
/// client that sends half a pair would hide what the proxies behind it write.
fn split_unquoted(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text
        .split(|&byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ => return byte == separator && !quoted,
            }
            false
        })
        .collect();
    if quoted {
        split_plain(text, separator)
    } else {
        parts
    }
}

/// The address of one `Forwarded` element's `for=` (RFC 7239, 5.2); `None` where it has none, or names no address.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let mut found = split_unquoted(element, b';')
        .into_iter()
        .filter_map(|pair| {
            let pair = pair.trim_ascii();
            let (name, value) =
                pair.split_at_checked(pair.iter().position(|&byte| byte == b'=')?)?;
            name.trim_ascii()
                .eq_ignore_ascii_case(b"for")
                .then(|| value.get(1..).unwrap_or(&[]).trim_ascii())
        });
    let value = found.next()?;
    // Two `for=` in one element are malformed; which one a reader takes is anybody's guess.
    if found.next().is_some() {
        return None;
    }
    let value = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value);
    parse_address(value)
}

/// One address as proxies write it: bare, with a port, in brackets, with a zone; canonical.
fn parse_address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let bare = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address)?
        }
        // One colon is a port after an IPv4 address; several are an IPv6 address.
        None => match text.split_once(':') {
            Some((address, port)) if is_port(port) => address,
            _ => text,
        },
    };
    let without_zone = bare.split_once('%').map_or(bare, |(address, _)| address);
    without_zone
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn identify(
        identity: IdentityHeader,
        peer: &str,
        lines: &[(HeaderName, &str)],
    ) -> ClientIdentity {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().expect("a header value"));
        }
        trust(identity).identify(peer.parse().expect("an address"), &headers)
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
        let mut client =
            ClientIdentity::from_peer("2001:db8:1:2:3:4:5:6".parse().expect("an address"));
        assert_eq!(client.counting_address().to_string(), "2001:db8:1:2::");
        client.ipv6_prefix = 128;
        assert_eq!(client.counting_address(), client.address);
        let mapped = ClientIdentity::from_peer("::ffff:192.0.2.1".parse().expect("an address"));
        assert_eq!(mapped.counting_address().to_string(), "192.0.2.1");
    }
}
