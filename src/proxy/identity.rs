//! Who sent a request: the trusted-proxy model, applied once per request.
//!
//! The client is the connection's other end, unless that is a trusted proxy. Then the forwarding header is read from
//! the right, where the proxies that we trust have written, and the first address that is no trusted proxy is the client.
//! Everything left of it may be invented by that client and is neither read nor passed on. An entry that is no address
//! ends the reading: the last proxy before it is then all that is known, and the request counts as that proxy's, though
//! proxies by themselves are not counted: else a client that makes the header unreadable would escape every limit.

mod names;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{FORWARDED, HOST, HeaderName};
use http::{HeaderMap, Uri};
use ipnet::IpNet;

use super::clients_config::{ClientsConfig, FieldName, ForwardIdentity, IdentityHeader};
use super::fields::folded;
use crate::config::Cidr;
use crate::request::{ClientIdentity, IdentitySource, Standing};
use names::Names;

/// `X-Forwarded-For`, the header that most proxies write.
pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whom the configuration trusts, compiled from `clients:`.
#[derive(Debug)]
pub struct Trust {
    trusted: Vec<Cidr>,
    general: Model,
    hosts: Vec<(String, Model)>,
    /// The folded names of headers of which no copy goes on.
    strip: Names,
    forward_as: ForwardIdentity,
    ipv6_prefix: u8,
}

/// Who is believed, and where he names his client.
#[derive(Debug)]
struct Model {
    proxies: Vec<Cidr>,
    header: IdentityHeader,
}

/// The way of a request as far as it is known: who sent it, and over whom it came.
#[derive(Debug)]
pub(super) struct Way<'t> {
    /// The connection's other end.
    pub(super) peer: IpAddr,
    /// The right-most address that is no trusted proxy, or the last that is known.
    pub(super) client: IpAddr,
    /// The proxies between the two, that of the client first.
    pub(super) via: Vec<IpAddr>,
    /// Where the client is named; `None` where the peer is not believed.
    pub(super) believed: Option<&'t IdentityHeader>,
    /// How many entries of the header were read; the client is the left-most of them.
    pub(super) entries: usize,
    source: IdentitySource,
    standing: Standing,
}

impl Trust {
    /// Compiles the `clients:` section.
    #[must_use]
    pub fn new(config: &ClientsConfig) -> Self {
        let general = Model {
            proxies: config.trusted_proxies.clone(),
            header: config.identity.clone(),
        };
        let hosts = config.hosts.iter().map(|host| {
            let proxies = host.trusted_proxies.as_ref();
            let model = Model {
                proxies: proxies.unwrap_or(&config.trusted_proxies).clone(),
                header: host.identity.clone(),
            };
            (host.host.clone(), model)
        });
        let hosts: Vec<_> = hosts.collect();
        let models = hosts.iter().map(|(_, model)| model).chain([&general]);
        let read = models.filter_map(|model| match &model.header {
            IdentityHeader::Header(name) => Some(name),
            _ => None,
        });
        let written = match &config.forward_identity_as {
            ForwardIdentity::Header(name) => Some(name),
            _ => None,
        };
        let strip = config.strip.iter().chain(read).chain(written);
        Self {
            trusted: config.trusted.clone(),
            strip: Names::new(strip.map(|FieldName(name)| folded(name).into_owned())),
            forward_as: config.forward_identity_as.clone(),
            ipv6_prefix: config.ipv6_prefix,
            general,
            hosts,
        }
    }

    /// How the upstream is told of the client.
    pub(super) const fn forward_as(&self) -> &ForwardIdentity {
        &self.forward_as
    }

    /// Whether no copy of a header goes on, by its folded name.
    pub(super) fn strips(&self, folded: &str) -> bool {
        self.strip.contains(folded)
    }

    /// Whether `peer` is believed in requests for some host.
    pub(super) fn is_proxy_of_some_host(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.hosts.iter().any(|(_, model)| model.is_proxy(peer))
    }

    /// Why nobody in a block may be banned; `None` where that may be. Of a block that holds more than those who are trusted
    /// the others may be.
    #[must_use]
    pub fn protects(&self, client: IpNet) -> Option<&'static str> {
        let holds = |blocks: &[Cidr]| blocks.iter().any(|block| block.get().contains(&client));
        let mut models = self.hosts.iter().map(|(_, model)| model);
        if holds(&self.trusted) {
            Some("This is in `clients.trusted`: trusted clients are never banned.")
        } else if holds(&self.general.proxies) || models.any(|model| holds(&model.proxies)) {
            Some(
                "This is in `clients.trusted_proxies`: to ban a proxy is to ban everybody behind it.",
            )
        } else {
            None
        }
    }

    /// The client behind a request that came over a connection from `peer`.
    #[must_use]
    pub fn identify(&self, peer: IpAddr, uri: &Uri, headers: &HeaderMap) -> ClientIdentity {
        let way = self.way(peer, uri, headers);
        ClientIdentity {
            address: way.client,
            peer: way.peer,
            source: way.source,
            standing: way.standing,
            ipv6_prefix: self.ipv6_prefix,
            encryption: None,
        }
    }

    /// The way of a request that came over a connection from `peer`.
    pub(super) fn way(&self, peer: IpAddr, uri: &Uri, headers: &HeaderMap) -> Way<'_> {
        let peer = peer.to_canonical();
        let model = self.model(uri, headers);
        let mut way = Way {
            peer,
            client: peer,
            via: Vec::new(),
            believed: model.is_proxy(peer).then_some(&model.header),
            entries: 0,
            source: IdentitySource::Peer,
            standing: Standing::Ordinary,
        };
        let is_clear = match way.believed {
            None | Some(IdentityHeader::Peer) => true,
            Some(IdentityHeader::XForwardedFor) => {
                let entries = entries_from_the_right(headers, &X_FORWARDED_FOR, split_plain);
                way.follow(
                    model,
                    entries.map(parse_address),
                    IdentitySource::XForwardedFor,
                )
            }
            Some(IdentityHeader::Forwarded) => {
                let entries = entries_from_the_right(headers, &FORWARDED, split_unquoted);
                way.follow(model, entries.map(forwarded_for), IdentitySource::Forwarded)
            }
            Some(IdentityHeader::Header(FieldName(name))) => {
                way.follow(model, only_address(headers, name), IdentitySource::Header)
            }
        };
        if is_clear {
            way.standing = self.standing(model, way.client);
        }
        way
    }

    /// The model of the host that is asked. One that is asked for in the target counts before one in `Host`
    /// (RFC 9112, 3.2.2).
    fn model(&self, uri: &Uri, headers: &HeaderMap) -> &Model {
        if self.hosts.is_empty() {
            return &self.general;
        }
        let host = match uri.authority() {
            Some(authority) => authority.as_str().as_bytes(),
            None => headers.get(HOST).map_or(&b""[..], |host| host.as_bytes()),
        };
        let name = without_port(host);
        let name = name.strip_suffix(b".").unwrap_or(name);
        let same = |known: &str| known.as_bytes().eq_ignore_ascii_case(name);
        let model = self.hosts.iter().find(|(known, _)| same(known));
        model.map_or(&self.general, |(_, model)| model)
    }

    fn standing(&self, model: &Model, address: IpAddr) -> Standing {
        if self.trusted.iter().any(|block| block.contains(address)) {
            Standing::Trusted
        } else if model.is_proxy(address) {
            Standing::Proxy
        } else {
            Standing::Ordinary
        }
    }
}

impl Model {
    fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|block| block.contains(address))
    }
}

impl Way<'_> {
    /// Goes from proxy to proxy as the entries of a header say, the nearest first; whether all that had to be read could
    /// be.
    fn follow(
        &mut self,
        model: &Model,
        entries: impl Iterator<Item = Option<IpAddr>>,
        source: IdentitySource,
    ) -> bool {
        let mut is_clear = true;
        for entry in entries {
            let Some(address) = entry else {
                is_clear = false;
                break;
            };
            if self.entries > 0 {
                self.via.push(self.client);
            }
            (self.client, self.source) = (address, source);
            self.entries += 1;
            if !model.is_proxy(address) {
                break;
            }
        }
        self.via.reverse();
        is_clear
    }
}

/// `host` of `host:port` and of `[v6]:port`.
fn without_port(host: &[u8]) -> &[u8] {
    let after_v6 = memchr::memrchr(b']', host).unwrap_or(0);
    let colon = host.iter().skip(after_v6).position(|&byte| byte == b':');
    colon
        .and_then(|colon| host.get(..after_v6 + colon))
        .unwrap_or(host)
}

/// The address in a header that holds one and comes once; several lines say nothing.
fn only_address(headers: &HeaderMap, name: &HeaderName) -> impl Iterator<Item = Option<IpAddr>> {
    let mut lines = headers.get_all(name).iter();
    let first = lines.next();
    let is_only = lines.next().is_none();
    first.into_iter().map(move |line| {
        let address = parse_address(line.as_bytes().trim_ascii());
        address.filter(|_| is_only)
    })
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
///
/// What readers take for different addresses, or only some for any, is none: octets with leading zeros, numbers instead
/// of octets, an IPv4 address in brackets or with a zone.
fn parse_address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_bare = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return parse_v6(address).filter(|_| is_bare);
    }
    match text.split_once(':') {
        None => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        // One colon is a port after an IPv4 address; several are an IPv6 address.
        Some((address, port)) if !port.contains(':') => {
            let address = address.parse::<Ipv4Addr>().ok()?;
            is_port(port).then_some(IpAddr::V4(address))
        }
        Some(_) => parse_v6(text),
    }
}

/// An IPv6 address; its zone means something only on the machine that wrote it (RFC 4007, 11.2).
fn parse_v6(text: &str) -> Option<IpAddr> {
    let in_zone = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
    let address = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() && zone.bytes().all(in_zone) => address,
        Some(_) => return None,
        None => text,
    };
    let address = address.parse::<Ipv6Addr>().ok()?;
    Some(IpAddr::V6(address).to_canonical())
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The last `count` elements of `Forwarded`, as they were written, left to right.
pub(super) fn last_forwarded(headers: &HeaderMap, count: usize) -> Vec<&[u8]> {
    let elements = entries_from_the_right(headers, &FORWARDED, split_unquoted);
    let mut last: Vec<_> = elements.take(count).collect();
    last.reverse();
    last
}

#[cfg(test)]
mod tests;
