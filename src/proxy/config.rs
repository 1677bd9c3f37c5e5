//! The sections of `rules.yaml` that describe traffic: `listen` and `limits`; `clients` and `upstream` have files of
//! their own.

use std::net::SocketAddr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

pub use super::address::Address;
pub use super::clients_config::{
    ClientsConfig, FieldName, ForwardIdentity, HostIdentity, IdentityHeader,
};
pub use super::server_url::ServerUrl;
pub use super::tls::config::{CertificateConfig, ClientCertificates, TlsConfig, TlsVersion};
pub use super::upstream::config::{
    Balance, BreakerConfig, HealthConfig, Server, UpstreamConfig, UpstreamTlsConfig,
};
use crate::config::{ByteSize, Cidr, Duration};

/// The addresses to listen on: `127.0.0.1:8080`, or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listen(pub Vec<ListenAddress>);

/// One address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenAddress {
    /// Address and port, where port 0 takes a free one; or `unix:` and the path of a Unix socket.
    pub address: Address,
    /// Which peers say by a PROXY protocol header for whom they connect; nobody where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyProtocolConfig>,
    /// How connections are encrypted; not at all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Whether HTTP/2 is spoken with clients that want to: over TLS with those that offer it, without TLS with those that
    /// begin with it.
    #[serde(default = "yes")]
    pub http2: bool,
}

const fn yes() -> bool {
    true
}

impl ListenAddress {
    /// An address with everything else at its default.
    #[must_use]
    pub const fn at(address: Address) -> Self {
        Self {
            address,
            proxy_protocol: None,
            tls: None,
            http2: true,
        }
    }
}

/// Load balancers that pass connections on and say whose they are, by the PROXY protocol, version 1 or 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProxyProtocolConfig {
    /// Peers whose connections must begin with such a header; nobody else's may. The address that it names is the peer
    /// from then on, also where `clients.trusted_proxies` is asked. A balancer that only passes connections on writes no
    /// HTTP headers, and does not belong into `trusted_proxies`.
    pub from: Vec<Cidr>,
}

/// Hard limits; what is beyond them is refused in monitor mode too.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// The longest request head: request line and headers together. At least 8KiB.
    pub head: ByteSize,
    /// The most header lines of a request.
    #[schemars(range(min = 1, max = 1000))]
    pub headers: usize,
    /// The longest target of a request, path and query together: 256B to 63KiB. Beyond it 414.
    pub uri: ByteSize,
    /// How long a client may take to send a head, counted from its first byte; then it gets a 408. A new connection is kept
    /// for as long without a byte.
    pub header_time: Duration,
    /// The longest body that is judged whole: forms, JSON, text, and everything whose bytes look like text.
    pub body: ByteSize,
    /// How many bytes of bodies may be held to be judged at a time, of all requests together; a request beyond it gets a 503.
    pub buffered: ByteSize,
    /// What happens to such a body beyond `body`: `reject` (413), `inspect_prefix` (at least the first `body` bytes are judged,
    /// the rest streams up to `upload`), or `pass` (not judged at all). A multipart form beyond `body` is judged field by
    /// field, each before it goes on; this says what happens to a field beyond `body` that is no file, and of which
    /// `pass` judges the beginning, too.
    pub over_body: OverBody,
    /// What happens to a body with a `Content-Encoding`: `decode` (gzip, deflate, br and zstd, at most two of them, are taken
    /// off, and what is beneath is judged; it goes on as it came; others get a 415, and what is no such encoding a 400),
    /// `reject` (415), or `pass` (not judged at all). `body` and `over_body` hold for the encoded body and for what is
    /// beneath it.
    pub encoded_body: EncodedBody,
    /// How many times longer than it was sent an encoded body may become, beyond its first 64KiB; at least 1. Beyond it 413.
    #[schemars(range(min = 1))]
    pub decoded_ratio: usize,
    /// The longest body that streams past a detection which wanted to see it: binary uploads. A body that no detection
    /// wants streams without limit.
    pub upload: ByteSize,
    /// When such an upload, and a multipart form beyond `body`, goes on: `stream` (each part as soon as it was judged; a
    /// finding in a later one breaks the request off at the upstream, which never gets its end) or `hold` (only when all of it
    /// was judged; until then it is on disk, in a file without a name in the folder that `TMPDIR` names, or /tmp).
    pub uploads: Uploads,
    /// How many bytes of bodies `uploads: hold` may keep on disk at a time, of all requests together; a request beyond it
    /// gets a 503.
    pub held: ByteSize,
    /// How long a client may take to send a body that is judged whole, and how long it may pause within one that streams.
    pub body_time: Duration,
    /// The least bytes a second that a client must send of a body that streams, and take of its answer: on average over
    /// `body_time` and `write_time`, of which only the time counts that the client is waited for. 0B asks for none.
    pub body_rate: ByteSize,
    /// How long a client may leave its answer unread before the connection is closed.
    pub write_time: Duration,
    /// How long a connection may be kept without a request on it.
    pub idle_time: Duration,
    /// The most connections at a time. More are accepted, but wait; those that idle for longest make room for them, and where
    /// none idles those whose heads began first and have not ended.
    #[schemars(range(min = 1))]
    pub connections: usize,
    /// The most connections of one client at a time, IPv6 counted as `clients.ipv6_prefix` says; more are closed at once.
    /// `clients.trusted`, `clients.trusted_proxies` and the proxies of every entry of `clients.hosts` may have any number.
    #[schemars(range(min = 1))]
    pub client_connections: usize,
    /// The most requests of one connection; with the last one's answer it is closed.
    #[schemars(range(min = 1))]
    pub connection_requests: usize,
    /// The most requests of one HTTP/2 connection at a time; the client is told, and more are refused by resetting them.
    #[schemars(range(min = 1))]
    pub streams: u32,
    /// The most requests that may be with the upstream at a time, from when they were judged until their answers begin;
    /// more are refused with 503, before everybody waits.
    #[schemars(range(min = 1))]
    pub in_flight: usize,
    /// The most WebSockets at a time; whoever asks for more gets a 503. 0 lets nobody have one: their requests go on as
    /// ordinary ones.
    pub websockets: usize,
    /// How long a stream is kept through which nothing comes: a WebSocket either way, a gRPC call from its client, and
    /// within the answers to either kind and of server-sent events.
    pub stream_idle_time: Duration,
    /// How long requests in flight may go on after SIGTERM.
    pub drain_time: Duration,
}

/// What happens to a body beyond `limits.body`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverBody {
    /// Refused with 413.
    #[default]
    Reject,
    /// The first bytes are judged, the rest streams.
    InspectPrefix,
    /// Streams unjudged.
    Pass,
}

/// When an upload goes on to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Uploads {
    /// As it comes, each part when it was judged.
    #[default]
    Stream,
    /// When all of it was judged.
    Hold,
}

/// What happens to a body with a `Content-Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncodedBody {
    /// Decoded and judged. What cannot be decoded is refused.
    #[default]
    Decode,
    /// Refused with 415, and told to send the body as it is (RFC 9110, 12.5.3).
    Reject,
    /// Streams unjudged.
    Pass,
}

// === Defaults ===

impl Default for Listen {
    fn default() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        Self(vec![ListenAddress::at(Address::Ip(address))])
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            head: ByteSize::kib(32),
            headers: 100,
            uri: ByteSize::kib(8),
            header_time: Duration::seconds(10),
            body: ByteSize::mib(1),
            buffered: ByteSize::mib(512),
            over_body: OverBody::Reject,
            encoded_body: EncodedBody::Decode,
            decoded_ratio: 100,
            upload: ByteSize::mib(100),
            uploads: Uploads::Stream,
            held: ByteSize::mib(10 * 1024),
            body_time: Duration::seconds(60),
            body_rate: ByteSize::bytes(500),
            write_time: Duration::seconds(60),
            idle_time: Duration::seconds(60),
            connections: 10_000,
            client_connections: 2_000,
            connection_requests: 10_000,
            streams: 100,
            in_flight: 1_000,
            websockets: 1_000,
            stream_idle_time: Duration::seconds(600),
            drain_time: Duration::seconds(30),
        }
    }
}

impl ProxyProtocolConfig {
    /// Whether connections from `peer` begin with a header.
    #[must_use]
    pub fn is_from(&self, peer: std::net::IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.from.iter().any(|block| block.contains(peer))
    }
}

// === Reading ===

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Listen;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(
                    "an address like `127.0.0.1:8080`, or a list of `{ address: 127.0.0.1:8080 }`",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Listen, E> {
                let address = text.parse().map_err(E::custom)?;
                Ok(Listen(vec![ListenAddress::at(address)]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Listen, A::Error> {
                let mut addresses = Vec::new();
                while let Some(address) = list.next_element()? {
                    addresses.push(address);
                }
                if addresses.is_empty() {
                    return Err(de::Error::custom(
                        "an empty list listens nowhere; write at least one `{ address: 127.0.0.1:8080 }`",
                    ));
                }
                Ok(Listen(addresses))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Listen {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let address = generator.subschema_for::<ListenAddress>();
        json_schema!({
            "description": "The addresses to listen on: `127.0.0.1:8080`, or a list of them.",
            "anyOf": [
                { "type": "string", "examples": ["127.0.0.1:8080"] },
                { "type": "array", "items": address, "minItems": 1 },
            ],
        })
    }
}
