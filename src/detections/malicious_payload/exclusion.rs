//! Where rules are switched off.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::EVERYWHERE;
use crate::config::ConfigError;
use crate::request::{Input, Place, PlaceKind, RequestView};

/// A place where rules are switched off. What is left out holds for all; at least one must be given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExclusionConfig {
    /// The rule; `*` stands for anything, as in `sql_injection.*`.
    pub rule: Option<String>,
    /// The part of the request: `path`, `query`, `headers`, `cookies` or `body`.
    pub place: Option<PlaceKind>,
    /// The name of the value there (a query key, a header, a JSON path such as `$.comment`); `*` stands for anything.
    pub name: Option<String>,
    /// The path of the request: with a `*` it is matched as a whole, without one it holds for this path and all below.
    pub path: Option<String>,
}

/// Where something was found.
#[derive(Clone, Copy, Debug)]
pub(super) enum Spot<'v> {
    /// In a value.
    Value(Input<'v>),
    /// In a part of the request, and in no value alone.
    Part(PlaceKind),
}

impl<'v> Spot<'v> {
    const fn kind(self) -> PlaceKind {
        match self {
            Self::Value(input) => input.kind(),
            Self::Part(kind) => kind,
        }
    }

    fn name(self) -> Cow<'v, str> {
        match self {
            Self::Value(input) => input.name(),
            Self::Part(_) => Cow::Borrowed(""),
        }
    }

    /// The place of it.
    pub(super) fn place(self) -> Place<'v> {
        match self {
            Self::Value(input) => input.place(),
            Self::Part(kind) => Place::value(kind, ""),
        }
    }
}

impl ExclusionConfig {
    /// Whether findings of `rule` at a spot of `request` are to be dropped.
    ///
    /// An exemption must not be had by spelling: one for a path holds only where the path is written as it is meant, since
    /// an application may read another spelling as another path.
    pub(super) fn covers(&self, rule: &str, spot: Spot<'_>, request: &RequestView<'_>) -> bool {
        let is = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| glob(wanted, text))
        };
        self.place.is_none_or(|kind| kind == spot.kind())
            && is(&self.rule, rule)
            && self.path.as_ref().is_none_or(|path| {
                is_plain(request) && path_matches(path, request.normalized_path())
            })
            // Last, since a name has to be put together.
            && (self.name.is_none() || is(&self.name, &spot.name()))
    }

    /// What is wrong with it, given the names of all rules.
    pub(super) fn mistake(&self, rules: &[&str]) -> Option<ConfigError> {
        if *self == Self::default() {
            return Some(
                ConfigError::new("the exclusion would switch off every rule everywhere")
                    .help("give at least one of rule, place, name and path"),
            );
        }
        if let Some(place) = self.place.filter(|place| !EVERYWHERE.contains(place)) {
            let error = ConfigError::new(format!("no rule looks at `{}`", place.as_str()));
            return Some(
                error
                    .help("one of path, query, headers, cookies, body")
                    .under("place"),
            );
        }
        if let Some(path) = &self.path
            && !path.starts_with(['/', '*'])
        {
            let error = ConfigError::new(format!("no request has a path like `{path}`"));
            return Some(error.help("begin it with `/`, as in `/wiki`").under("path"));
        }
        let rule = self.rule.as_ref()?;
        if rules.iter().any(|known| glob(rule, known)) {
            return None;
        }
        let nearest = rules
            .iter()
            .max_by(|a, b| strsim::jaro(a, rule).total_cmp(&strsim::jaro(b, rule)));
        let mut error = ConfigError::new(format!("there is no rule `{rule}`")).under("rule");
        if let Some(nearest) = nearest {
            error = error.help(format!("did you mean `{nearest}`?"));
        }
        Some(error)
    }
}

/// Whether `path` is `wanted` or lies below it; with a `*` in it, whether it matches.
fn path_matches(wanted: &str, path: &str) -> bool {
    if wanted.contains('*') {
        return glob(wanted, path);
    }
    let wanted = wanted.trim_end_matches('/');
    path.strip_prefix(wanted)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the path of a request is its own normalized form, but for a slash at its end.
fn is_plain(request: &RequestView<'_>) -> bool {
    let (raw, normalized) = (request.path(), request.normalized_path());
    raw == normalized || raw.strip_suffix('/') == Some(normalized)
}

/// Whether `text` is `pattern`, where `*` stands for any characters. Each part between stars is looked for once, from
/// the left, so the time is that of a few searches.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some((_, after)) = text.split_once(part) else {
            return false;
        };
        text = after;
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text) in [
            ("a", "a"),
            ("*", ""),
            ("*", "abc"),
            ("a*", "abc"),
            ("*c", "abc"),
            ("a*c", "abc"),
            ("a*b*c", "a-b-b-c"),
            ("**", "x"),
            ("sql_injection.*", "sql_injection.union_select"),
            ("$.items*.note", "$.items[3].note"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("a", "ab"),
            ("", "a"),
            ("a*", "ba"),
            ("*c", "cb"),
            ("ab*ba", "aba"),
            ("a*b*c", "acb"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn a_path_holds_for_all_below() {
        for path in ["/wiki", "/wiki/", "/wiki/a/b"] {
            assert!(
                path_matches("/wiki", path) && path_matches("/wiki/", path),
                "{path}"
            );
        }
        assert!(!path_matches("/wiki", "/wikipedia"));
        assert!(path_matches("/", "/anything"));
        assert!(path_matches("/*/edit", "/wiki/a/edit") && !path_matches("/*/edit", "/edit"));
    }
}
