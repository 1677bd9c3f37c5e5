//! The address of a server behind us.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The address of a server: `http://HOST:PORT` or `https://HOST:PORT`, without path, query and credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    /// Whether it is asked by `https`.
    pub is_encrypted: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port; 80 or, for `https`, 443 where none is written.
    pub port: u16,
}

impl ServerUrl {
    /// `http://HOST:PORT`.
    #[must_use]
    pub fn plain(host: &str, port: u16) -> Self {
        Self {
            is_encrypted: false,
            host: host.into(),
            port,
        }
    }

    /// `HOST:PORT`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for ServerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why| {
            format!("`{text}` {why}; write `http://HOST:PORT`, as in `http://127.0.0.1:5000`")
        };
        let uri: http::Uri = text.parse().map_err(|_| wrong("is no URL"))?;
        let is_encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong("is no http or https URL")),
        };
        if uri.query().is_some() || !matches!(uri.path(), "" | "/") {
            return Err(wrong(
                "has a path or a query, which an upstream cannot have",
            ));
        }
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("carries credentials, which an upstream cannot have"));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("names no host"));
        }
        // What `http` cannot read as a port it leaves out; what stands after the host must not be lost so.
        let after_host = authority.as_str().rsplit(']').next();
        let has_port = after_host.is_some_and(|after| after.contains(':'));
        let port = match (has_port, authority.port_u16()) {
            (false, _) if is_encrypted => 443,
            (false, _) => 80,
            (true, Some(port)) if port != 0 => port,
            (true, _) => return Err(wrong("has a port that is no number from 1 to 65535")),
        };
        Ok(Self {
            is_encrypted,
            host: host.into(),
            port,
        })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl Serialize for ServerUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ServerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl JsonSchema for ServerUrl {
    fn schema_name() -> Cow<'static, str> {
        "ServerUrl".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "examples": ["http://127.0.0.1:5000"] })
    }
}
