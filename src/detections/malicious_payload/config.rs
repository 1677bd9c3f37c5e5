//! The section `malicious_payload` and what can be wrong in it.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exclusion::ExclusionConfig;
use super::fields::{self, FieldsConfig, RouteConfig};
use super::{ambiguous, analyzers};
use crate::config::ConfigError;
use crate::engine::Score;
use crate::request::PlaceKind;

/// The section `malicious_payload`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaliciousPayloadConfig {
    /// Words and regular expressions of your own.
    pub patterns: Vec<PayloadPattern>,
    /// Whether the shipped rules against SQL injection, cross-site scripting, path traversal and command injection look
    /// too, and those against requests that mean different things to different readers. `portcullis rules list` shows
    /// them.
    pub builtin: bool,
    /// What is made of XML.
    pub xml: XmlConfig,
    /// What fields hold, by name, so that what belongs there is not taken for an attack: `{ comment: markdown, filter: sql }`.
    /// One of `markdown`, `html`, `code`, `sql`, `shell`, `template`, `url`, `path`.
    pub fields: FieldsConfig,
    /// The same for the fields of some paths only.
    pub routes: Vec<RouteConfig>,
    /// Where rules are switched off, because the application expects there what they find.
    pub exclusions: Vec<ExclusionConfig>,
}

/// The section `malicious_payload.xml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct XmlConfig {
    /// Whether an XML body may have a DOCTYPE: `refuse` or `allow`. One that declares entities, or that names a file or an
    /// address, is refused either way, by the rules `ambiguity.xml_entity` and `ambiguity.xml_external`.
    pub doctype: Doctype,
}

/// Whether an XML body may have a DOCTYPE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doctype {
    /// No. That of HTML, `<!DOCTYPE html>`, is none.
    #[default]
    Refuse,
    /// Yes, as long as it is no danger.
    Allow,
}

/// Words and regular expressions that are found together, under one name.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PayloadPattern {
    /// The name of the rule in events: letters, digits, `_`, `-` and `.`; unique.
    pub id: String,
    /// Texts that a value contains; ASCII letters in either case.
    #[serde(default)]
    pub words: Vec<String>,
    /// Regular expressions that match somewhere in a value, as written: `(?i)` ignores case, `^` and `$` are the ends
    /// of the value.
    #[serde(default)]
    pub regexes: Vec<String>,
    /// Where to look: `path`, `query`, `headers`, `cookies`, `body`.
    #[serde(default = "everywhere")]
    pub places: Vec<PlaceKind>,
    /// What a finding counts for; `policy.threshold` refuses a request.
    #[serde(default = "refused_alone")]
    pub score: Score,
    /// What events say of a finding, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Every place that a pattern can look at.
pub(super) const EVERYWHERE: [PlaceKind; 5] = [
    PlaceKind::Path,
    PlaceKind::Query,
    PlaceKind::Headers,
    PlaceKind::Cookies,
    PlaceKind::Body,
];

fn everywhere() -> Vec<PlaceKind> {
    EVERYWHERE.to_vec()
}

const fn refused_alone() -> Score {
    Score(5)
}

impl Default for MaliciousPayloadConfig {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            builtin: true,
            xml: XmlConfig::default(),
            fields: FieldsConfig::new(),
            routes: Vec::new(),
            exclusions: Vec::new(),
        }
    }
}

impl MaliciousPayloadConfig {
    /// Every mistake of meaning that can be seen without compiling anything.
    pub(super) fn mistakes(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let mut ids: HashSet<String> = ambiguous::ids().collect();
        if self.builtin {
            ids.extend(analyzers::ids());
        }
        for (index, pattern) in self.patterns.iter().enumerate() {
            let found = pattern
                .mistakes()
                .into_iter()
                .chain((!ids.insert(pattern.id.clone())).then(|| {
                    ConfigError::new(format!("there is already a rule `{}`", pattern.id))
                        .under("id")
                }))
                .map(|error| error.item(index).under("patterns"));
            errors.extend(found);
        }
        errors.extend(fields::mistakes(&self.routes));
        errors
    }
}

impl PayloadPattern {
    fn mistakes(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if self.id.is_empty() || !self.id.chars().all(plain) {
            errors.push(
                ConfigError::new(format!("`{}` is no name for a rule", self.id))
                    .help("use letters, digits, `_`, `-` and `.`")
                    .under("id"),
            );
        }
        if self.words.is_empty() && self.regexes.is_empty() {
            errors.push(
                ConfigError::new("the pattern has neither `words` nor `regexes`")
                    .help("give at least one of them"),
            );
        }
        let empty = "an empty text would match every value";
        for (key, list) in [("words", &self.words), ("regexes", &self.regexes)] {
            for (index, _) in list.iter().enumerate().filter(|(_, text)| text.is_empty()) {
                errors.push(ConfigError::new(empty).item(index).under(key));
            }
        }
        if self.places.is_empty() {
            errors.push(
                ConfigError::new("the pattern looks nowhere")
                    .help("leave `places` out to look everywhere")
                    .under("places"),
            );
        }
        for (index, place) in self.places.iter().enumerate() {
            if !EVERYWHERE.contains(place) {
                errors.push(
                    ConfigError::new(format!("no pattern looks at `{}`", place.as_str()))
                        .help("one of path, query, headers, cookies, body")
                        .item(index)
                        .under("places"),
                );
            }
        }
        errors
    }
}
