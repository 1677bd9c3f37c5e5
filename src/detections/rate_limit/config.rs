//! The `rate_limit:` section.

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use http::{HeaderName, Method};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::path_pattern::{PathCase, PathPattern};
use crate::clients::Quota;
use crate::config::{ConfigError, Duration, Load};

/// The `rate_limit:` section.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimitConfig {
    /// The limits, asked in this order. The first that is used up refuses the request.
    pub limits: Vec<LimitConfig>,
    /// When answers say how the client stands (`RateLimit`, `RateLimit-Policy`). `Retry-After` is on every refusal.
    pub headers: AnswerHeaders,
}

/// One limit.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitConfig {
    /// Its name in events and answers: small letters, digits, `_` and `-`. What clients used up is kept under
    /// this name, so a limit that keeps its name keeps its counts over a reload, also when its quota changes.
    pub name: String,
    /// Whose requests are counted together: `client`, `global`, `header NAME` or `cookie NAME`.
    #[serde(default)]
    pub key: LimitKey,
    /// How many requests may come in the long run in each `per`.
    #[schemars(range(min = 1))]
    pub limit: u32,
    /// The span that `limit` is about.
    pub per: Duration,
    /// How many may come at once after a pause; as many as `limit` where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub burst: Option<u32>,
    /// Only requests to this path count, or with a `*` at its end to all that begin so; all where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathPattern>,
    /// Whether `path` in capitals is another path: `sensitive`, or `insensitive` for an application that answers both alike.
    #[serde(default, skip_serializing_if = "is_default")]
    pub path_case: PathCase,
    /// Only requests of these methods count; all where nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
}

/// Whose requests a limit counts together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LimitKey {
    /// Those of one client address (IPv6: of one network).
    #[default]
    Client,
    /// All.
    Global,
    /// Those with the same value of a header; those of one client where it is missing or empty.
    Header(HeaderName),
    /// Those with the same value of a cookie; those of one client where it is missing or empty.
    Cookie(String),
}

/// When answers carry `RateLimit` and `RateLimit-Policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerHeaders {
    /// On refusals.
    #[default]
    Refused,
    /// On every answer to a request that a limit counted.
    Always,
    /// Never.
    Off,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        let client = LimitConfig {
            name: "client".into(),
            key: LimitKey::Client,
            limit: 600,
            per: Duration::seconds(60),
            burst: None,
            path: None,
            path_case: PathCase::default(),
            methods: Vec::new(),
        };
        Self {
            limits: vec![client],
            headers: AnswerHeaders::Refused,
        }
    }
}

/// What a limit without a path leaves out.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
fn is_default(case: &PathCase) -> bool {
    *case == PathCase::default()
}

/// The longest time in which a used-up limit may come back in full.
const LONGEST_REFILL: std::time::Duration = std::time::Duration::from_secs(366 * 24 * 60 * 60);

/// The longest name of a limit.
const LONGEST_NAME: usize = 64;

/// Finds every mistake of meaning, and warns of limits that are easily evaded.
pub(super) fn check(config: &RateLimitConfig, load: &mut Load<'_>) -> Result<(), Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut names = HashSet::new();
    for (index, limit) in config.limits.iter().enumerate() {
        let mut found = limit.mistakes();
        if !names.insert(limit.name.as_str()) {
            let error = ConfigError::new(format!("another limit is called `{}`", limit.name));
            found.push(
                error
                    .help("give every limit a name of its own")
                    .under("name"),
            );
        }
        errors.extend(
            found
                .into_iter()
                .map(|error| error.item(index).under("limits")),
        );
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if config.limits.is_empty() {
        load.warn("rate_limit: it has no limits, and refuses nobody");
    }
    let by_value =
        |limit: &&LimitConfig| matches!(limit.key, LimitKey::Header(_) | LimitKey::Cookie(_));
    let by_client = |limit: &LimitConfig| limit.key == LimitKey::Client;
    if let Some(limit) = config.limits.iter().find(by_value)
        && !config.limits.iter().any(by_client)
    {
        load.warn(format!(
            "rate_limit: who changes its {} with each request escapes the limit `{}`; add a limit with `key: client`",
            limit.key, limit.name
        ));
    }
    Ok(())
}

impl LimitConfig {
    /// The quota; `None` where a number is 0.
    pub(super) fn quota(&self) -> Option<Quota> {
        Some(Quota {
            limit: NonZeroU32::new(self.limit)?,
            per: self.per.get(),
            burst: NonZeroU32::new(self.burst.unwrap_or(self.limit))?,
        })
    }

    /// The methods, each or why it is none.
    pub(super) fn methods(&self) -> impl Iterator<Item = Result<Method, ConfigError>> {
        self.methods.iter().enumerate().map(|(index, text)| {
            let wrong = |help: String| {
                let error = ConfigError::new(format!("`{text}` is no method")).help(help);
                error.item(index).under("methods")
            };
            if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
                // Methods are case-sensitive (RFC 9110, 9.1): `get` would match nothing.
                return Err(wrong(format!("write `{}`", text.to_ascii_uppercase())));
            }
            Method::from_bytes(text.as_bytes()).map_err(|_| wrong("write one as in `POST`".into()))
        })
    }

    fn mistakes(&self) -> Vec<ConfigError> {
        let mut errors: Vec<_> = self.methods().filter_map(Result::err).collect();
        let in_name = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
        };
        if !(1..=LONGEST_NAME).contains(&self.name.len()) || !self.name.bytes().all(in_name) {
            let error = ConfigError::new(format!("`{}` is no name of a limit", self.name));
            let help = "write 1 to 64 small letters, digits, `_` or `-`";
            errors.push(error.help(help).under("name"));
        }
        if self.limit == 0 {
            let error = ConfigError::new("a limit of 0 would refuse every request");
            let help = "write at least 1; to refuse a path, use another detection";
            errors.push(error.help(help).under("limit"));
        }
        if self.burst == Some(0) {
            let error = ConfigError::new("a burst of 0 would refuse every request");
            let help = "write at least 1, or leave it out for as many as `limit`";
            errors.push(error.help(help).under("burst"));
        }
        if self.per.get().is_zero() {
            let error = ConfigError::new("a limit needs a span of time");
            errors.push(error.help("write as in `1m`").under("per"));
        } else if let Some(quota) = self.quota() {
            let interval = quota.per.as_nanos() / u128::from(quota.limit.get());
            if interval == 0 {
                let error = ConfigError::new("a limit of more than one request in a nanosecond");
                errors.push(error.under("limit"));
            }
            if interval.saturating_mul(quota.burst.get().into()) > LONGEST_REFILL.as_nanos() {
                let error =
                    ConfigError::new("a limit that is used up would take over a year to come back");
                errors.push(
                    error
                        .help("write a smaller `burst` or a shorter `per`")
                        .under("per"),
                );
            }
        }
        errors
    }
}

impl FromStr for LimitKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text
            .split_once(' ')
            .map_or((text, ""), |(kind, name)| (kind, name.trim()))
        {
            ("client", "") => Ok(Self::Client),
            ("global", "") => Ok(Self::Global),
            ("header", name) => name.parse().map(Self::Header).map_err(|_| {
                format!("`{name}` is no header name; write one as in `header X-Api-Key`")
            }),
            ("cookie", name) if is_token(name) => Ok(Self::Cookie(name.into())),
            ("cookie", name) => Err(format!(
                "`{name}` is no cookie name; write one as in `cookie session`"
            )),
            _ => Err(format!(
                "`{text}` is no key; write `client`, `global`, `header NAME` or `cookie NAME`"
            )),
        }
    }
}

/// Whether `name` is a token (RFC 9110, 5.6.2), as the name of a cookie must be (RFC 6265, 4.1.1).
fn is_token(name: &str) -> bool {
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(in_token)
}

impl fmt::Display for LimitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("client"),
            Self::Global => f.write_str("global"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
        }
    }
}

impl Serialize for LimitKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LimitKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for LimitKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LimitKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(client|global|(header|cookie) .+)$",
            "examples": ["client", "global", "header X-Api-Key", "cookie session"],
        })
    }
}
