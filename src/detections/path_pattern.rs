//! Paths in a configuration: one path, or all that begin alike.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::request::target::Readings;
use crate::request::{RequestView, target};

/// A path, `/login`, or the beginning of one with a `*` at its end, `/api/*`, which covers `/api`, too. It is compared
/// with the normalized path of a request in all its readings, so one pattern covers every spelling of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    written: String,
    /// What is compared; in small letters where the case does not count.
    normalized: String,
    is_prefix: bool,
    case: PathCase,
}

/// Whether `/Login` is another path than `/login`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PathCase {
    /// It is, as to most applications.
    #[default]
    Sensitive,
    /// It is the same.
    Insensitive,
}

impl PathCase {
    /// What the path of a request is told apart by from others: all its readings together, so that two spellings of one
    /// path are not counted as two, nor two paths as one because some other server would take them for the same.
    #[must_use]
    pub fn identity<'r>(self, request: &'r RequestView<'_>) -> Cow<'r, str> {
        match request.path_readings() {
            Readings::One => self.of(request.normalized_path()),
            // A NUL is in no normalized path.
            Readings::Several(others) => {
                let all = format!("{}\0{}", request.normalized_path(), others.join("\0"));
                Cow::Owned(self.of(&all).into_owned())
            }
            Readings::Any => self.of(request.path()),
        }
    }

    fn of(self, path: &str) -> Cow<'_, str> {
        match self {
            Self::Sensitive => Cow::Borrowed(path),
            Self::Insensitive => Cow::Owned(path.to_lowercase()),
        }
    }
}

impl PathPattern {
    /// The same pattern, where the case of letters counts or does not.
    #[must_use]
    pub fn in_case(mut self, case: PathCase) -> Self {
        self.normalized = case.of(&self.normalized).into_owned();
        self.case = case;
        self
    }

    /// Whether it covers the path of a request by any of its readings.
    #[must_use]
    pub fn matches(&self, request: &RequestView<'_>) -> bool {
        self.covers(request.normalized_path())
            || match request.path_readings() {
                Readings::One => false,
                Readings::Several(others) => others.iter().any(|path| self.covers(path)),
                Readings::Any => true,
            }
    }

    fn covers(&self, path: &str) -> bool {
        let path = &*self.case.of(path);
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
            case: PathCase::Sensitive,
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
    fn schema_name() -> Cow<'static, str> {
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
        let in_case = |pattern: &str, target: &str, case| {
            let pattern: PathPattern = pattern.parse().expect("a pattern");
            let request = RequestView::new(&Method::GET, target, &headers, &client);
            pattern.in_case(case).matches(&request)
        };
        let matches = |pattern: &str, target: &str| in_case(pattern, target, PathCase::Sensitive);
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
        assert!(matches("/login", "/x//../login") && matches("/x/login", "/x//../login"));
        for (pattern, target) in [
            ("/login", "/LOGIN"),
            ("/LogIn", "/lOgIN;x"),
            ("/API/*", "/api/x"),
            ("/api/*", "/%41PI"),
            ("/\u{e4}", "/%C3%84"),
            ("/login", "/X/../LOGIN"),
        ] {
            assert!(in_case(pattern, target, PathCase::Insensitive), "{target}");
            assert!(!matches(pattern, target), "{target}");
        }
        assert!(!in_case("/login", "/LOGON", PathCase::Insensitive));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in ["", "*", "login", "/a*b", "/a**", "/a?b", "/a#b"] {
            let error = wrong.parse::<PathPattern>().expect_err(wrong);
            assert!(error.contains("write one path"), "{error}");
        }
    }
}
