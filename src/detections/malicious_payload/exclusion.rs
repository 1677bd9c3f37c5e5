//! Where rules are switched off.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::config::EVERYWHERE;
use crate::config::ConfigError;
use crate::engine::glob;
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
    /// The method of the request, as in `POST`.
    pub method: Option<String>,
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
            && self.path.as_ref().is_none_or(|path| is_under(path, request))
            && is(&self.method, request.method().as_str())
            // Last, since a name has to be put together.
            && (self.name.is_none() || is(&self.name, &spot.name()))
    }

    /// What is wrong with it, given the names of all rules.
    pub(super) fn mistake(&self, rules: &[&str]) -> Option<ConfigError> {
        if *self == Self::default() {
            return Some(
                ConfigError::new("the exclusion would switch off every rule everywhere")
                    .help("give at least one of rule, place, name, path and method"),
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
        if let Some(method) = &self.method
            && (method.parse::<http::Method>().is_err() || *method != method.to_ascii_uppercase())
        {
            let error = ConfigError::new(format!("no request has the method `{method}`"));
            return Some(
                error
                    .help("write it as it is sent, as in `POST`")
                    .under("method"),
            );
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

/// Whether the path of a request is `wanted` or lies below it, and is written as it is meant.
pub(super) fn is_under(wanted: &str, request: &RequestView<'_>) -> bool {
    is_plain(request) && path_matches(wanted, request.normalized_path())
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

#[cfg(test)]
mod tests {
    use super::*;

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
