//! Who sent a request: resolved once by `proxy/identity.rs`, used by everything.

use std::net::IpAddr;

use serde::Serialize;

use super::Encryption;

/// The one identity of a client. Matching (lists, trust) uses the full address; counting uses [`Self::counting_address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The client's address, canonical: an IPv4-mapped IPv6 address is its IPv4 address, and no zone remains.
    pub address: IpAddr,
    /// The address at the other end of the connection, canonical.
    pub peer: IpAddr,
    /// Where `address` comes from.
    pub source: IdentitySource,
    /// What the configuration says of this client.
    pub standing: Standing,
    /// How many leading bits of an IPv6 address count as one client, 1 to 128 (`clients.ipv6_prefix`).
    pub ipv6_prefix: u8,
    /// How the connection to `peer` is encrypted; `None` where it is not.
    pub encryption: Option<Encryption>,
}

/// Where a client's address was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentitySource {
    /// The connection's other end.
    Peer,
    /// The right-most untrusted entry of `X-Forwarded-For`, sent by a trusted proxy.
    XForwardedFor,
    /// The right-most untrusted `for=` of `Forwarded` (RFC 7239), sent by a trusted proxy.
    Forwarded,
    /// The header that `clients.identity` names, sent by a trusted proxy.
    Header,
}

/// What the configuration says of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Judged by the whole chain.
    Ordinary,
    /// In `clients.trusted`: never judged, counted, banned or listed.
    Trusted,
    /// In `clients.trusted_proxies`, and the request names no client behind it: judged, but never counted or banned. One
    /// that names somebody who cannot be read is `Ordinary`.
    Proxy,
}

impl ClientIdentity {
    /// A client that is its peer, of ordinary standing, IPv6 counted by /64.
    #[must_use]
    pub fn from_peer(peer: IpAddr) -> Self {
        let peer = peer.to_canonical();
        Self {
            address: peer,
            peer,
            source: IdentitySource::Peer,
            standing: Standing::Ordinary,
            ipv6_prefix: 64,
            encryption: None,
        }
    }

    /// The address that counters are kept under: IPv6 cut to the configured prefix, because one customer owns a whole
    /// network of them (RFC 6177).
    #[must_use]
    pub fn counting_address(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => self.address,
            IpAddr::V6(v6) => {
                let drop = 128u32.saturating_sub(u32::from(self.ipv6_prefix));
                let mask = u128::MAX.checked_shl(drop).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
        }
    }

    /// Whether this client may be counted and banned at all.
    #[must_use]
    pub fn is_countable(&self) -> bool {
        self.standing == Standing::Ordinary
    }
}
