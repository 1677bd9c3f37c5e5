//! Paths in a configuration: one path, or all that begin alike.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::request::{RequestView, target};

/// A path, `/login`, or the beginning of one with a `*` at its end, `/api/*`, which covers `/api`, too. It is compared with the normalized path of
/// a request, so one pattern covers every spelling of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    written: String,
    normalized: String,
    is_prefix: bool,
}

impl PathPattern {
    /// Whether it covers the path of this request.
    #[must_use]
    pub fn matches(&self, request: &RequestView<'_>) -> bool {
        let path = request.normalized_path();
        if self.is_prefix {
            // A path has no slash at its end once it is normalized, so `/api/*` has to cover `/api` by itself.
            path.starts_with(&self.normalized) || self.normalized.strip_suffix('/') == Some(path)
        } else {
            path == self.normalized
        }
    }

    /// Whether it covers `/`, which everybody asks for.
    pub(super) fn covers_root(&self) -> bool {
        self.normalized == "/"
    }
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, is_prefix) = match text.strip_suffix('*') {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        if !path.starts_with('/') || path.contains(['*', '?', '#']) {
            return Err(format!(
                "`{text}` is no path; write one path or the beginning of one and `*`, as in `/login` or `/api/*`"
            ));
        }
        let normalized = if is_prefix {
            // The beginning `/.` is no dot segment as long as nobody knows what follows; a letter stands for it.
            let path = format!("{path}x");
            let normalized = target::normalize(&path);
            normalized.strip_suffix('x').unwrap_or(&normalized).into()
        } else {
            target::normalize(path).into_owned()
        };
        Ok(Self {
            written: text.into(),
            normalized,
            is_prefix,
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl Serialize for PathPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.written)
    }
}

impl<'de> Deserialize<'de> for PathPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for PathPattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PathPattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^/[^*?#]*\*?$", "examples": ["/login", "/api/*"] })
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method};

    use super::*;
    use crate::request::ClientIdentity;

    #[test]
    fn a_pattern_covers_one_path_or_all_that_begin_alike() {
        let headers = HeaderMap::new();
        let client = ClientIdentity::from_peer([192, 0, 2, 1].into());
        let matches = |pattern: &str, target: &str| {
            let pattern: PathPattern = pattern.parse().expect("a pattern");
            pattern.matches(&RequestView::new(&Method::GET, target, &headers, &client))
        };
        assert!(matches("/login", "/login?next=/"));
        assert!(!matches("/login", "/login/x"));
        assert!(!matches("/login", "/"));
        assert!(matches("/api/*", "/api/users"));
        assert!(matches("/api/*", "/api/"));
        assert!(matches("/api/*", "/api"));
        assert!(!matches("/api/*", "/apis"));
        assert!(matches("/.*", "/.git"));
        assert!(!matches("/.*", "/login"));
        assert!(matches("/*", "/login"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in ["", "*", "login", "/a*b", "/a**", "/a?b", "/a#b"] {
            let error = wrong.parse::<PathPattern>().expect_err(wrong);
            assert!(error.contains("write one path"), "{error}");
        }
    }
}
