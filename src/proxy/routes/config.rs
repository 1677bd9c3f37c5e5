//! The section `routes`: what holds for some hosts and paths and not for others.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::{ByteSize, ConfigError, Duration};
use crate::engine::{Mode, OnError, PolicyConfig, Score, Sensitivity};
use crate::proxy::config::{EncodedBody, LimitsConfig, OverBody, Uploads, UpstreamConfig};
use crate::proxy::headers::HeadersConfig;

/// One site, or a part of one. What it does not say holds as everywhere else.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RouteConfig {
    /// The host that is asked for: `example.com`, or `*.example.com` for all below it. Without it every host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What the path begins with, in whole segments: `/api` is also `/api/x`, and not `/apis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Where its requests go; as the section `upstream`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamConfig>,
    /// Limits of its own; those that are about bodies and WebSockets.
    pub limits: RouteLimits,
    /// What is done about findings; as the section `policy`, key by key.
    pub policy: RoutePolicy,
    /// A chain of its own; as the section `detections`, and in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_list")]
    pub detections: Option<serde_yaml::Value>,
    /// Headers that are set and removed; as the section `headers`, and in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<HeadersConfig>,
}

fn any_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "description": "A chain of its own; as the section `detections`, and in its place." })
}

/// Declares the keys of a section that a route may change, and how they are put into its place.
macro_rules! overrides {
    ($(#[$doc:meta])* $name:ident of $whole:ident {
        $($(#[$key_doc:meta])* $key:ident: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $(
                $(#[$key_doc])*
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $key: Option<$type>,
            )*
        }

        impl $name {
            /// Whether nothing is changed.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                *self == Self::default()
            }

            /// The section with what is changed.
            #[must_use]
            pub fn over(&self, whole: &$whole) -> $whole {
                let mut whole = whole.clone();
                $(
                    if let Some(value) = &self.$key {
                        whole.$key.clone_from(value);
                    }
                )*
                whole
            }
        }
    };
}

overrides! {
    /// Limits that a route may change: those that belong to a request. Those of connections hold before it is known where
    /// a request goes.
    RouteLimits of LimitsConfig {
        /// `limits.body` on this route.
        body: ByteSize,
        /// `limits.over_body` on this route.
        over_body: OverBody,
        /// `limits.encoded_body` on this route.
        encoded_body: EncodedBody,
        /// `limits.decoded_ratio` on this route.
        decoded_ratio: usize,
        /// `limits.upload` on this route.
        upload: ByteSize,
        /// `limits.uploads` on this route.
        uploads: Uploads,
        /// `limits.body_time` on this route.
        body_time: Duration,
        /// `limits.body_rate` on this route.
        body_rate: ByteSize,
        /// `limits.stream_idle_time` on this route.
        stream_idle_time: Duration,
    }
}

overrides! {
    /// What a route may change of what is done about findings.
    RoutePolicy of PolicyConfig {
        /// `policy.mode` on this route.
        mode: Mode,
        /// `policy.threshold` on this route.
        threshold: Score,
        /// `policy.sensitivity` on this route.
        sensitivity: Sensitivity,
        /// `policy.on_error` on this route.
        on_error: OnError,
    }
}

impl RouteConfig {
    /// What is wrong with its host, its path and its headers, and that its place is taken where it `is_second`.
    #[must_use]
    pub fn mistakes(&self, is_second: bool) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if let Some(host) = &self.host
            && !is_host(host.strip_prefix("*.").unwrap_or(host))
        {
            let wrong = ConfigError::new(format!("`{host}` is no host"));
            let help = "write a name without a port, as in `example.com`, or `*.example.com` for all below it";
            errors.push(wrong.help(help).under("host"));
        }
        if let Some(path) = &self.path
            && !is_prefix(path)
        {
            let wrong =
                ConfigError::new(format!("`{path}` is nothing that a path could begin with"));
            let help = "write whole segments without percent-encoding, as in `/api` or `/app/v1`";
            errors.push(wrong.help(help).under("path"));
        }
        if self.limits.decoded_ratio == Some(0) {
            let wrong = ConfigError::new("0 is out of range").help("write at least 1");
            errors.push(wrong.under("decoded_ratio").under("limits"));
        }
        if self.policy.threshold == Some(Score(0)) {
            let wrong = ConfigError::new("0 is out of range").help("write at least 1");
            errors.push(wrong.under("threshold").under("policy"));
        }
        if let Some(headers) = &self.headers {
            let wrong = headers.mistakes().into_iter();
            errors.extend(wrong.map(|error| error.under("headers")));
        }
        if is_second {
            let wrong = ConfigError::new("this host and path have a route already");
            errors.push(
                wrong
                    .help("put everything into one")
                    .under(if self.host.is_some() { "host" } else { "path" }),
            );
        }
        errors
    }

    /// Host and path as they are compared.
    #[must_use]
    pub fn place(&self) -> (Option<String>, &str) {
        let host = self.host.as_ref().map(|host| host.to_ascii_lowercase());
        (host, self.prefix())
    }

    /// What its path begins with; nothing where that is every path.
    pub(super) fn prefix(&self) -> &str {
        self.path
            .as_deref()
            .unwrap_or_default()
            .trim_end_matches('/')
    }
}

fn is_host(host: &str) -> bool {
    let authority = host.parse::<http::uri::Authority>().ok();
    let is_plain = |authority: http::uri::Authority| {
        authority.port().is_none()
            && authority.host() == host
            && !host.split('.').any(str::is_empty)
    };
    !host.contains(['*', '@']) && authority.is_some_and(is_plain)
}

/// Whether every spelling of a path could begin so after normalisation.
fn is_prefix(path: &str) -> bool {
    path.starts_with('/')
        && !path.contains("//")
        && path
            .bytes()
            .all(|byte| matches!(byte, b'!'..=b'~') && !b"?#%\\;\"<>".contains(&byte))
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
}
