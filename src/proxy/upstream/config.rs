//! The section `upstream`.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::config::{ConfigError, Duration};
use crate::proxy::server_url::ServerUrl;

/// The application behind us: `http://127.0.0.1:5000`, or a map with its servers and their timeouts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UpstreamConfig {
    /// The servers, at least one.
    pub servers: Vec<Server>,
    /// Which of several servers gets a request.
    pub balance: Balance,
    /// On how many other servers a request is tried that one could not be asked, or broke off before it had answered.
    pub retries: usize,
    /// When a server is left alone because requests fail there.
    pub breaker: BreakerConfig,
    /// How servers are asked whether they are well; not at all where nothing is said.
    pub health: Option<HealthConfig>,
    /// Whom to believe where a server's URL begins with `https`.
    pub tls: UpstreamTlsConfig,
    /// Whether servers are asked by HTTP/2, as gRPC needs it. They have to speak it.
    pub http2: bool,
    /// How long a connection may take to be made; then the client gets a 502.
    pub connect_timeout: Duration,
    /// How long the upstream may take to begin its answer once it has the whole request, or has stopped taking it; then the
    /// client gets a 504.
    pub first_byte_timeout: Duration,
    /// How long the upstream may pause within its answer; then the answer is cut off.
    pub idle_timeout: Duration,
    /// How long an unused connection is kept for the next request; 0s gives every request one of its own.
    pub keep_alive: Duration,
    /// How old a connection may become that is used again.
    pub connection_age: Duration,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// `http://HOST:PORT` or `https://HOST:PORT`, without a path.
    pub url: ServerUrl,
    /// How many requests it gets for each that a server of weight 1 gets, 1 to 100.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 100))]
    pub weight: u32,
}

/// Which server gets a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// One after the other, by their weights.
    #[default]
    RoundRobin,
    /// The one with the fewest requests for its weight.
    LeastLoaded,
    /// The same for each client, as long as it is well.
    ClientHash,
}

/// When a server is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// After how many failures in a row: no connection, no answer, or one that breaks off before it begins. 0 for never.
    pub after: u32,
    /// For how long; then one request is tried there, and each further failure doubles the time, up to eight times.
    pub pause: Duration,
}

/// How servers are asked whether they are well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HealthConfig {
    /// What is asked for, by GET.
    pub path: String,
    /// How often.
    pub interval: Duration,
    /// How long an answer may take. A status from 200 to 399 is a good one.
    pub timeout: Duration,
    /// After how many bad answers in a row a server gets no more requests.
    #[schemars(range(min = 1))]
    pub unhealthy: u32,
    /// After how many good ones it gets them again.
    #[schemars(range(min = 1))]
    pub healthy: u32,
}

/// Whom to believe of servers that are asked by `https`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTlsConfig {
    /// A PEM file with the authorities that are believed instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The name that a server's certificate must be made out for, instead of the host of its URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// A PEM file with the certificate that we show, where a server asks for one; `key` belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// A PEM file with the private key of `certificate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

const fn one() -> u32 {
    1
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            after: 5,
            pause: Duration::seconds(10),
        }
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            path: "/".into(),
            interval: Duration::seconds(5),
            timeout: Duration::seconds(2),
            unhealthy: 3,
            healthy: 2,
        }
    }
}

impl Default for UpstreamConfig {
    fn default() -> Self {
        Self::to(ServerUrl::plain("127.0.0.1", 5000))
    }
}

impl UpstreamConfig {
    /// One server with everything else at its default.
    #[must_use]
    pub fn to(url: ServerUrl) -> Self {
        Self {
            servers: vec![Server { url, weight: 1 }],
            balance: Balance::RoundRobin,
            retries: 1,
            breaker: BreakerConfig::default(),
            health: None,
            tls: UpstreamTlsConfig::default(),
            http2: false,
            connect_timeout: Duration::seconds(5),
            first_byte_timeout: Duration::seconds(60),
            idle_timeout: Duration::seconds(60),
            keep_alive: Duration::seconds(60),
            connection_age: Duration::seconds(3600),
        }
    }
}

impl UpstreamConfig {
    /// Every number out of its range, each under its key.
    #[must_use]
    pub fn mistakes(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (index, server) in self.servers.iter().enumerate() {
            if !(1..=100).contains(&server.weight) {
                let wrong = ConfigError::new(format!("{} is out of range", server.weight));
                let wrong = wrong.help("write a number from 1 to 100").under("weight");
                errors.push(wrong.item(index).under("servers"));
            }
        }
        let mut none = |key: &'static str, span: Duration| {
            if span == Duration::milliseconds(0) {
                let wrong = ConfigError::new("a time of zero would let nothing pass");
                errors.push(wrong.help("write a span like `10s`").under(key));
            }
        };
        none("connect_timeout", self.connect_timeout);
        none("first_byte_timeout", self.first_byte_timeout);
        none("idle_timeout", self.idle_timeout);
        none("connection_age", self.connection_age);
        let health = self.health.iter().flat_map(HealthConfig::mistakes);
        errors.extend(health.map(|error| error.under("health")));
        errors
    }
}

impl HealthConfig {
    fn mistakes(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if !self.path.starts_with('/') || self.path.parse::<http::Uri>().is_err() {
            let wrong = ConfigError::new(format!("`{}` is no path", self.path));
            errors.push(wrong.help("write one like `/health`").under("path"));
        }
        for (key, number) in [("unhealthy", self.unhealthy), ("healthy", self.healthy)] {
            if number == 0 {
                let wrong = ConfigError::new("0 is out of range").help("write at least 1");
                errors.push(wrong.under(key));
            }
        }
        for (key, span) in [("interval", self.interval), ("timeout", self.timeout)] {
            if span < Duration::milliseconds(10) {
                let wrong = ConfigError::new(format!("{span} is too little"));
                errors.push(wrong.help("write at least 10ms").under(key));
            }
        }
        errors
    }
}

/// The map form of [`UpstreamConfig`].
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Upstream")]
struct UpstreamMap {
    /// The servers, at least one.
    servers: Vec<Server>,
    /// Which of several servers gets a request: `round_robin`, one after the other by their weights; `least_loaded`, the one
    /// with the fewest requests for its weight; `client_hash`, the same for each client as long as it is well. Default
    /// `round_robin`.
    balance: Option<Balance>,
    /// On how many other servers a request is tried that one could not be asked, or that was broken off there before it was
    /// answered: the latter only with a safe method and without a body. Default 1.
    retries: Option<usize>,
    /// When a server is left alone because requests fail there. Where all are, all are asked.
    #[serde(default)]
    breaker: BreakerConfig,
    /// How servers are asked whether they are well; not at all where nothing is said.
    health: Option<HealthConfig>,
    /// Whom to believe where a server's URL begins with `https`.
    #[serde(default)]
    tls: UpstreamTlsConfig,
    /// Whether servers are asked by HTTP/2, as gRPC needs it: by `https` as it is agreed upon, by `http` from the first byte.
    /// They have to speak it. Default false.
    #[serde(default)]
    http2: bool,
    /// How long a connection may take to be made; then the client gets a 502. Default 5s.
    connect_timeout: Option<Duration>,
    /// How long the upstream may take to begin its answer once it has the whole request, or has stopped taking it; then the
    /// client gets a 504. Default 60s.
    first_byte_timeout: Option<Duration>,
    /// How long the upstream may pause within its answer; then the answer is cut off. Default 60s.
    idle_timeout: Option<Duration>,
    /// How long an unused connection is kept for the next request; 0s gives every request one of its own. Default 60s.
    keep_alive: Option<Duration>,
    /// How old a connection may become that is used again: a name is looked up for each new one. Default 1h.
    connection_age: Option<Duration>,
}

impl<'de> Deserialize<'de> for UpstreamConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = UpstreamConfig;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a URL like `http://127.0.0.1:5000`, or a map like `{ servers: [{ url: http://127.0.0.1:5000 }] }`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<UpstreamConfig, E> {
                text.parse().map(UpstreamConfig::to).map_err(E::custom)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<UpstreamConfig, A::Error> {
                let map = UpstreamMap::deserialize(de::value::MapAccessDeserializer::new(map))?;
                if map.servers.is_empty() {
                    return Err(de::Error::custom(
                        "`servers` is empty; write at least one, as in `[{ url: http://127.0.0.1:5000 }]`",
                    ));
                }
                let default = UpstreamConfig::default();
                Ok(UpstreamConfig {
                    servers: map.servers,
                    balance: map.balance.unwrap_or_default(),
                    retries: map.retries.unwrap_or(default.retries),
                    breaker: map.breaker,
                    health: map.health,
                    tls: map.tls,
                    http2: map.http2,
                    connect_timeout: map.connect_timeout.unwrap_or(default.connect_timeout),
                    first_byte_timeout: map
                        .first_byte_timeout
                        .unwrap_or(default.first_byte_timeout),
                    idle_timeout: map.idle_timeout.unwrap_or(default.idle_timeout),
                    keep_alive: map.keep_alive.unwrap_or(default.keep_alive),
                    connection_age: map.connection_age.unwrap_or(default.connection_age),
                })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for UpstreamConfig {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "UpstreamConfig".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<UpstreamMap>();
        json_schema!({
            "description": "The application behind us: `http://127.0.0.1:5000`, or a map with its servers and their timeouts.",
            "anyOf": [{ "type": "string", "examples": ["http://127.0.0.1:5000"] }, map],
        })
    }
}
