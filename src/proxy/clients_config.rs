//! The `clients:` section: whom to believe about who is asking, and what the upstream is told of it.

use std::fmt;
use std::str::FromStr;

use http::HeaderName;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fields::{folded, is_end_to_end, is_forwarding, is_hop_by_hop};
use crate::config::{Cidr, ConfigError};

/// Who clients are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientsConfig {
    /// Clients that are exempt from everything: never judged, counted or banned. Addresses and CIDRs.
    pub trusted: Vec<Cidr>,
    /// Peers whose forwarding headers are believed: load balancers and proxies in front of portcullis. They are never
    /// counted or banned, but for requests whose header names nobody that can be read.
    pub trusted_proxies: Vec<Cidr>,
    /// Where a trusted proxy names its client: `x_forwarded_for`, `forwarded`, `{ header: NAME }` for a header with one
    /// address, or `peer` for nowhere. Of a list of addresses the right-most one that is no trusted proxy is taken, since
    /// everything left of it may be invented.
    pub identity: IdentityHeader,
    /// Hosts whose clients are named in another way than `identity` says.
    pub hosts: Vec<HostIdentity>,
    /// How the upstream is told who the client is: `both` for `X-Forwarded-For` and `Forwarded`, `x_forwarded_for`,
    /// `forwarded`, `{ header: NAME }` for the bare address in a header of that name, or `none`.
    pub forward_identity_as: ForwardIdentity,
    /// Headers by which something behind us may be told a wrong client or a wrong path. Nobody's copies of them go on, in
    /// whatever spelling, but for the one that `identity` believes. `Forwarded` and
    /// `X-Forwarded-*` are always ours to write or to remove and need not be listed; but of a trusted proxy that names its
    /// client in `X-Forwarded-For`, `X-Forwarded-Proto`, `-Host` and `-Port` go on as it sent them, of one that names it in
    /// a header of its own `X-Forwarded-Proto`, and of every trusted proxy `X-Request-Id`. List those three here that your
    /// proxy does not write itself: they are then written from the request as it came to us.
    pub strip: Vec<FieldName>,
    /// How many leading bits of an IPv6 address count as one client.
    #[schemars(range(min = 1, max = 128))]
    pub ipv6_prefix: u8,
    /// How many clients are remembered at most. When there are more, those idle for longest are forgotten first.
    #[schemars(range(min = 1024, max = 100_000_000))]
    pub max_keys: usize,
}

/// Where the clients of one host are named.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostIdentity {
    /// The host as in the `Host` header, in either case, without a port.
    pub host: String,
    /// Where a trusted proxy names its client in requests for this host; as in `clients.identity`.
    pub identity: IdentityHeader,
    /// The proxies that are believed in requests for this host. Where nothing is said, those of `clients`; say it where
    /// not all of them guard the header, since a client chooses the host that it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_proxies: Option<Vec<Cidr>>,
}

/// Where a trusted proxy names its client.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum IdentityHeader {
    /// `X-Forwarded-For`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// A header that holds one address, as `CF-Connecting-IP`.
    Header(FieldName),
    /// Nowhere: the client is always the connection's other end.
    Peer,
}

/// How the upstream is told who the client is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum ForwardIdentity {
    /// By `X-Forwarded-For` and `Forwarded`, and by the header that was believed where `identity` names one.
    #[default]
    Both,
    /// By `X-Forwarded-For` alone.
    XForwardedFor,
    /// By `Forwarded` alone.
    Forwarded,
    /// By the bare address in a header of this name, and nothing else.
    Header(FieldName),
    /// Not at all.
    None,
}

/// The name of a header, in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldName(pub HeaderName);

/// What is stripped where nothing is said: headers by which the proxies and networks of this world name a client's
/// address, and two by which some servers take another path than the one of the request line.
pub(super) const STRIPPED: [&str; 45] = [
    "x-real-ip",
    "x-client-ip",
    "client-ip",
    "x-cluster-client-ip",
    "cluster-client-ip",
    "x-forwarded",
    "x-forward-for",
    "x-forwarder-for",
    "forwarded-for",
    "forwarded-for-ip",
    "x-original-forwarded-for",
    "x-originating-ip",
    "x-remote-ip",
    "x-remote-addr",
    "remote-addr",
    "x-proxyuser-ip",
    "wl-proxy-client-ip",
    "true-client-ip",
    "x-true-client-ip",
    "x-true-ip",
    "x-custom-ip-authorization",
    "akamai-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "fastly-client-ip",
    "fly-client-ip",
    "do-connecting-ip",
    "x-nf-client-connection-ip",
    "x-vercel-forwarded-for",
    "x-vercel-proxied-for",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-appengine-user-ip",
    "x-appengine-remote-addr",
    "x-envoy-external-address",
    "x-sucuri-clientip",
    "incap-client-ip",
    "cloudfront-viewer-address",
    "ali-cdn-real-ip",
    "cdn-src-ip",
    "cdn-real-ip",
    "eo-connecting-ip",
    "x-original-url",
    "x-rewrite-url",
];

/// What balancers write beside `X-Forwarded-For`, and what therefore goes on from one that is believed.
pub(super) const BESIDE_THE_LIST: [&str; 3] =
    ["x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

impl Default for ClientsConfig {
    fn default() -> Self {
        Self {
            trusted: Vec::new(),
            trusted_proxies: Vec::new(),
            identity: IdentityHeader::XForwardedFor,
            hosts: Vec::new(),
            forward_identity_as: ForwardIdentity::Both,
            strip: STRIPPED
                .map(|name| FieldName(HeaderName::from_static(name)))
                .to_vec(),
            ipv6_prefix: 64,
            max_keys: 1_000_000,
        }
    }
}

impl ClientsConfig {
    /// Every mistake of meaning in it.
    #[must_use]
    pub fn mistakes(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let named = |header: &IdentityHeader| match header {
            IdentityHeader::Header(name) => name.mistake().map(|error| error.under("header")),
            _ => None,
        };
        errors.extend(named(&self.identity).map(|error| error.under("identity")));
        if let ForwardIdentity::Header(name) = &self.forward_identity_as
            && let Some(error) = name.mistake()
        {
            errors.push(error.under("header").under("forward_identity_as"));
        }
        for (index, name) in self.strip.iter().enumerate() {
            let mistake = name.mistake().filter(|_| !name.is_beside_the_list());
            errors.extend(mistake.map(|error| error.item(index).under("strip")));
        }
        for (index, entry) in self.hosts.iter().enumerate() {
            let same = |other: &&HostIdentity| other.host.eq_ignore_ascii_case(&entry.host);
            let host = if self.hosts.iter().take(index).any(|other| same(&other)) {
                let error = ConfigError::new(format!("the host `{}` is here twice", entry.host));
                Some(error.help("give each host once"))
            } else {
                entry.mistake()
            };
            let host = host.map(|error| error.under("host"));
            let header = named(&entry.identity).map(|error| error.under("identity"));
            let found = host.into_iter().chain(header);
            errors.extend(found.map(|error| error.item(index).under("hosts")));
        }
        errors
    }
}

impl HostIdentity {
    /// What is wrong with its host.
    fn mistake(&self) -> Option<ConfigError> {
        let authority = self.host.parse::<http::uri::Authority>().ok();
        let is_bare = |authority: http::uri::Authority| {
            authority.port().is_none() && authority.host() == self.host && !self.host.ends_with('.')
        };
        if authority.is_some_and(is_bare) {
            return None;
        }
        let error = ConfigError::new(format!("`{}` is no host", self.host));
        Some(error.help("write one without a port, as in `api.example.com`"))
    }
}

impl FieldName {
    /// Whether copies of it go on from a trusted proxy, unless they are stripped.
    fn is_beside_the_list(&self) -> bool {
        BESIDE_THE_LIST.contains(&&*folded(&self.0))
    }

    /// Why a header of this name can neither name a client nor be stripped.
    fn mistake(&self) -> Option<ConfigError> {
        let folded = folded(&self.0);
        let help = if is_forwarding(&folded) {
            "it is ours to write or to remove, and it need not be said; to read it, write `x_forwarded_for` or `forwarded`"
        } else if is_end_to_end(&folded) || is_hop_by_hop(&folded) {
            "it means something else in every request; write one as in `CF-Connecting-IP`"
        } else {
            return None;
        };
        let error = ConfigError::new(format!("`{self}` is no header for a client's address"));
        Some(error.help(help))
    }
}

// === Reading and writing ===

impl FromStr for FieldName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = HeaderName::from_bytes(text.as_bytes());
        name.map(Self).map_err(|_| {
            format!("`{text}` is no name of a header; write one as in `CF-Connecting-IP`")
        })
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Serialize for FieldName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for FieldName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FieldName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["CF-Connecting-IP"] })
    }
}

/// The map form of what may also be a word.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Named {
    /// The header that holds the client's address.
    header: FieldName,
}

/// A value that is one of a few words, or names a header.
trait WordOrHeader: Sized + 'static {
    const WORDS: &'static [&'static str];

    fn of_word(word: &str) -> Option<Self>;
    fn of_header(name: FieldName) -> Self;
    fn written(&self) -> Result<&'static str, &FieldName>;
}

struct Visitor<T>(std::marker::PhantomData<T>);

impl<'de, T: WordOrHeader> de::Visitor<'de> for Visitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}`, or a map `{{ header: NAME }}`",
            T::WORDS.join("`, `")
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::of_word(text).ok_or_else(|| E::unknown_variant(text, T::WORDS))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let named = Named::deserialize(de::value::MapAccessDeserializer::new(map))?;
        Ok(T::of_header(named.header))
    }
}

/// Gives such a type its serde and schema faces.
macro_rules! word_or_header {
    ($type:ident, $named:ident, { $($word:literal => $variant:ident),+ }) => {
        impl WordOrHeader for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn of_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn of_header(name: FieldName) -> Self {
                Self::$named(name)
            }

            fn written(&self) -> Result<&'static str, &FieldName> {
                match self {
                    $(Self::$variant => Ok($word),)+
                    Self::$named(name) => Err(name),
                }
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self.written() {
                    Ok(word) => serializer.serialize_str(word),
                    Err(name) => Named { header: name.clone() }.serialize(serializer),
                }
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Visitor(std::marker::PhantomData))
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let named = generator.subschema_for::<Named>();
                json_schema!({ "anyOf": [{ "enum": Self::WORDS }, named] })
            }
        }
    };
}

word_or_header!(IdentityHeader, Header, {
    "x_forwarded_for" => XForwardedFor, "forwarded" => Forwarded, "peer" => Peer
});

word_or_header!(ForwardIdentity, Header, {
    "both" => Both, "x_forwarded_for" => XForwardedFor, "forwarded" => Forwarded, "none" => None
});
