//! # What it detects
//!
//! Payloads: values that carry a listed word, match a listed expression, or that the grammar of some language tells to be
//! an attack: SQL, markup and scripts, commands, paths, addresses, templates and lookups, PHP, formats of objects, queries
//! of documents, directories and XML, prototypes, header lines, includes, entities; kept files and tools by their names. Every
//! value of a request is looked at, in every form that the application might decode it to: path, query keys and values,
//! headers, cookies, form fields, JSON keys and values at any depth, XML elements and attributes, the values of GraphQL
//! documents, multipart fields and file names, plain text.
//!
//! What the application expects in a field is said by `fields`, or by `routes` for some paths: `markdown` switches off what
//! finds code, `sql` only `sql_injection`, and so on.
//!
//! And requests that mean different things to different readers, the rules `ambiguity.*`: how they are written can hide a
//! payload from one who looks for it. What honest programs write counts little or nothing. What nobody can read as the
//! application may is refused with 400 by itself, even where `builtin` is off: a charset in which letters are other bytes,
//! a part of a form with two names, a value that is encoded more than six times over.
//!
//! Each rule has a score; the scores of different rules add up, and the policy refuses at its threshold. A rule that
//! matches in several places of the head, or of the body, is reported and counted once for each of these two, at the
//! first place.
//!
//! # Why it matters
//!
//! Injection is the oldest way in and still works: [CWE-89](https://cwe.mitre.org/data/definitions/89.html) SQL injection,
//! [CWE-79](https://cwe.mitre.org/data/definitions/79.html) cross-site scripting,
//! [CWE-22](https://cwe.mitre.org/data/definitions/22.html) path traversal,
//! [CWE-78](https://cwe.mitre.org/data/definitions/78.html) command injection; OWASP A03:2021 Injection.
//!
//! # Example
//!
//! `?q=1%27%20UNION%20SELECT%20password%20FROM%20users` is refused by `sql_injection.union_behind_value`. The question
//! `?q=which union do students select` is not.
//!
//! # Limits
//!
//! These know syntax, not what the application does with a value. A payload that looks like ordinary text passes
//! (`1 AND name > m`), and so does one in an encoding that is not decoded. Text *about* code, in a wiki or
//! an issue tracker, can look like an attack: say so with `fields`, or switch rules off there with `exclusions`. At
//! most 16 rules are reported of a head, and 16 of a body. A value that is encoded more than six times over is refused with 400, and so is one that can
//! be decoded in more ways than are tried. So is what would keep a core busy for more than about a tenth of a second:
//! text of a MiB passes where it has escapes of one or two kinds, half a MiB where most of its lines have several, and less
//! where the signs of most attacks are all over. A form beyond `limits.body` is judged in pieces, which share what a body
//! may make, and may make more only as it gets longer. A text of more than 64 KiB is decoded as a whole in one order; in
//! others, windows of it are, so that an attack of more than 4 KiB may be cut in two there. The headers
//! that only steer the connection and random nonces (`Connection`,
//! `Content-Length`, `Keep-Alive`, `Sec-WebSocket-Key`, `TE`, `Transfer-Encoding`, `Upgrade`) are not looked at: no
//! application reads them as values.

mod ambiguous;
mod analyzers;
mod config;
mod exclusion;
mod fields;
mod rules;
mod scan;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use self::ambiguous::{Ambiguities, Seen};
pub use self::config::{Doctype, MaliciousPayloadConfig, PayloadPattern, XmlConfig};
pub use self::exclusion::ExclusionConfig;
use self::exclusion::Spot;
use self::fields::Fields;
pub use self::fields::{Content, FieldsConfig, RouteConfig};
use self::rules::Rules;
use self::scan::Scan;
use crate::config::{ConfigError, Load};
use crate::engine::registry::module_documentation;
use crate::engine::{
    BodyNeed, Canary, Context, DetectionError, Finding, FromConfig, Phase, RuleInfo, Score,
    ThreatDetection, Verdict,
};
use crate::request::{BodyView, PlaceKind, RequestView, Source};

/// Finds words, expressions and known attacks in every value of a request.
#[derive(Debug)]
pub struct MaliciousPayload {
    rules: Arc<Rules>,
    ambiguities: Ambiguities,
    exclusions: Vec<ExclusionConfig>,
    fields: Fields,
    canary: Option<Canary>,
}

/// The most findings of one head or body. The threshold is long reached by then.
const MAX_FINDINGS: usize = 16;

// === impl MaliciousPayload ===

impl MaliciousPayload {
    /// Adds what is ambiguous about what was scanned.
    fn doubt<'b>(
        &self,
        request: &RequestView<'_>,
        seen: &Seen<'_>,
        source: impl Fn(Source) -> Option<&'b [u8]>,
        mut findings: Vec<Finding>,
    ) -> Verdict {
        // Where nobody looks, nothing has to be readable.
        if !seen.ambiguities.is_empty() && !self.rules.rules.is_empty() {
            let is_excluded = |rule: &str, spot: Spot<'_>| self.excludes(rule, spot, request);
            findings.extend(self.ambiguities.find(seen, source, is_excluded));
        }
        if findings.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Threat(findings)
        }
    }

    fn excludes(&self, rule: &str, spot: Spot<'_>, request: &RequestView<'_>) -> bool {
        let mut exclusions = self.exclusions.iter();
        exclusions.any(|exclusion| exclusion.covers(rule, spot, request))
    }
}

impl ThreatDetection for MaliciousPayload {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders, Phase::RequestBody]
    }

    fn body_need(&self, _: &RequestView<'_>, _: &Context<'_>) -> BodyNeed {
        if self.rules.look_at_body {
            BodyNeed::Whole
        } else {
            BodyNeed::None
        }
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        let findings = Scan::new(self, request, request.work()).run(request.inputs())?;
        let seen = Seen {
            ambiguities: request.ambiguities(),
            inputs: request.inputs(),
            path: request.path().len(),
        };
        Ok(self.doubt(request, &seen, |source| request.source(source), findings))
    }

    fn on_body(
        &self,
        request: &RequestView<'_>,
        body: &BodyView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        // Taken apart first: what that leaves of the work is what judging may make.
        let inputs = body.inputs();
        let findings = Scan::new(self, request, body.work()).run(inputs)?;
        let seen = Seen {
            ambiguities: body.ambiguities(),
            inputs,
            path: 0,
        };
        Ok(self.doubt(request, &seen, |_| Some(body.bytes()), findings))
    }

    fn rules(&self) -> Vec<RuleInfo> {
        let rules = self.rules.rules.iter();
        rules
            .map(|rule| RuleInfo {
                id: rule.id.clone(),
                message: rule.message.clone(),
                score: Some(rule.score),
                places: rule.places.clone(),
            })
            .chain(self.ambiguities.rules())
            .collect()
    }

    fn canary(&self) -> Option<Canary> {
        self.canary.clone()
    }
}

impl FromConfig for MaliciousPayload {
    const NAME: &'static str = "malicious_payload";
    type Config = MaliciousPayloadConfig;

    fn from_config(config: Self::Config, load: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut errors = config.mistakes();
        if !errors.is_empty() {
            return Err(errors);
        }
        let content = serde_json::to_vec(&(config.builtin, &config.patterns))
            .map_err(|error| vec![ConfigError::new(error.to_string())])?;
        // `share` carries one error; all of them are kept here.
        let rules = load.share(Self::NAME, &content, |_| {
            Rules::compile(&config).map_err(|found| {
                errors = found;
                ConfigError::new("the patterns cannot be compiled")
            })
        });
        let Ok(rules) = rules else {
            return Err(errors);
        };
        let ambiguities = Ambiguities {
            builtin: config.builtin,
            doctype: config.xml.doctype,
        };
        let ambiguous: Vec<String> = ambiguous::ids().collect();
        let names = rules.rules.iter().map(|rule| rule.id.as_str());
        let names: Vec<&str> = names.chain(ambiguous.iter().map(String::as_str)).collect();
        for (index, exclusion) in config.exclusions.iter().enumerate() {
            errors.extend(
                exclusion
                    .mistake(&names)
                    .map(|error| error.item(index).under("exclusions")),
            );
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if rules.rules.is_empty() {
            load.warn("malicious_payload: `builtin` is off and there are no `patterns`, so nothing is found");
        }
        for index in rules.set.always_run() {
            if let Some(rule) = rules.rules.get(index) {
                load.warn(format!(
                    "malicious_payload: `{}` has a regular expression without any fixed text, which is run on every value of every request",
                    rule.id
                ));
            }
        }
        Ok(Self {
            canary: canary(&config),
            fields: Fields::new(&config.fields, &config.routes),
            exclusions: config.exclusions,
            ambiguities,
            rules,
        })
    }

    fn documentation() -> String {
        module_documentation(include_str!("mod.rs"))
    }
}

/// A query that is refused: the first word of a pattern that looks there, or what a shipped rule knows.
fn canary(config: &MaliciousPayloadConfig) -> Option<Canary> {
    let alone = |pattern: &&PayloadPattern| {
        pattern.places.contains(&PlaceKind::Query) && pattern.score >= Score(5)
    };
    let word = config.patterns.iter().filter(alone).find_map(|pattern| {
        let word = pattern.words.first()?;
        Some(
            word.bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect::<String>(),
        )
    });
    let value = match word {
        Some(word) => word,
        None if config.builtin => "..%2F..%2F..%2Fetc%2Fpasswd".to_owned(),
        None => return None,
    };
    // Sent only where no exclusion could be meant for it.
    config.exclusions.is_empty().then(|| Canary {
        target: format!("/?canary={value}"),
        headers: Vec::new(),
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    })
}

#[cfg(test)]
mod tests;
