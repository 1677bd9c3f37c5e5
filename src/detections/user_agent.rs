//! # What it detects
//!
//! Requests whose `User-Agent` names a tool for attacking or probing web applications, or any agent that `block` names.
//! Of several `User-Agent` headers each is judged. What a missing or empty one means is configured: by default nothing.
//!
//! # Why it matters
//!
//! Most mass scanning is done with public tools in their default settings, and those say who they are. Refusing them
//! spares the application the thousands of requests that follow the first
//! ([CAPEC-310](https://capec.mitre.org/data/definitions/310.html), OWASP Automated Threats OAT-014 Vulnerability
//! Scanning).
//!
//! # Example
//!
//! `User-Agent: sqlmap/1.7#stable (https://sqlmap.org)` is refused. `User-Agent: curl/8.5.0` and
//! `python-requests/2.31.0` are not: programs are what an API is for.
//!
//! # Limits
//!
//! The header says what its sender likes it to say; whoever changes it is not found here. An `allow` pattern is as easily
//! imitated, and therefore lifts nothing but the judgement of this detection.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{ConfigError, Load};
use crate::engine::patterns::PatternSet;
use crate::engine::registry::module_documentation;
use crate::engine::{
    Canary, Context, DetectionError, Evidence, Finding, FromConfig, Phase, RuleId, RuleInfo,
    ThreatDetection, Verdict, Weight,
};
use crate::request::{Origin, Place, PlaceKind, RequestView, Source};

/// Refuses agents by what they call themselves.
#[derive(Debug)]
pub struct UserAgent {
    block: PatternSet,
    allow: PatternSet,
    missing: Missing,
    canary: Option<Canary>,
    blocked_rule: RuleId,
    missing_rule: RuleId,
}

/// The section `user_agent`. A pattern is a text that the header contains, letters in either case, as in `sqlmap`; or a
/// regular expression between slashes, as in `/^python-requests\/1\./`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UserAgentConfig {
    /// Agents that are refused. A list of your own replaces the shipped one.
    pub block: Vec<String>,
    /// Agents that this detection never refuses, even if `block` matches them. They are exempt from nothing else.
    pub allow: Vec<String>,
    /// What happens to a request without a `User-Agent`, or with an empty one: `allow` or `block`.
    pub missing: Missing,
}

/// What happens to a request that does not say who it is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// It goes on to the next detection.
    #[default]
    Allow,
    /// It is refused.
    Block,
}

const BLOCKED: &str = "The User-Agent names an agent that is blocked.";
const MISSING: &str = "The request has no User-Agent.";

/// Attack tools by what they call themselves when nobody told them otherwise. Only names that no ordinary agent
/// contains; programs that have an honest use (curl, client libraries, uptime checks) are not here.
const ATTACK_TOOLS: [&str; 52] = [
    // Scanners for weaknesses of web applications
    "acunetix",
    "appscan",
    "arachni",
    "golismero",
    "grendel-scan",
    "jaeles",
    "netsparker",
    "nikto",
    "n-stealth",
    "paros/",
    "skipfish",
    "mozilla/5.0 sf/",
    "uniscan",
    "vega/1",
    "w3af",
    "wapiti",
    "webinspect",
    "webshag",
    "open-source project (github.com/projectdiscovery/",
    // Scanners of hosts and of the whole address space
    "masscan",
    "nessus",
    "nmap scripting engine",
    "nmap nse",
    "openvas",
    "zgrab",
    "l9explore",
    "l9tcpid",
    "xspider",
    // Exploitation of one weakness
    "bsqlbf",
    "commix/",
    "dalfox",
    "dotdotpwn",
    "fimap",
    "havij",
    "pangolin/",
    "sqlmap",
    "sqlninja",
    "xsstrike",
    // Search for hidden paths, and guessing of values
    "dirbuster",
    "feroxbuster",
    "fuzz faster u fool",
    "gobuster",
    "jbrofuzz",
    "wfuzz/",
    "(hydra)",
    // Content management systems
    "cmsmap",
    "joomscan",
    "wpscan",
    // Mass scanning of the past that is still on its way
    "jorgee",
    "morfeus",
    "muieblackcat",
    "zmeu",
];

impl Default for UserAgentConfig {
    fn default() -> Self {
        Self {
            block: ATTACK_TOOLS.map(str::to_owned).to_vec(),
            allow: Vec::new(),
            missing: Missing::Allow,
        }
    }
}

// === impl UserAgent ===

impl UserAgent {
    /// Judges one value of the header.
    fn judge(&self, value: &[u8]) -> Option<Judged> {
        if value.trim_ascii().is_empty() {
            return (self.missing == Missing::Block).then_some(Judged::Missing);
        }
        let (_, range) = self.block.first_again(value)?;
        self.allow
            .first(value)
            .is_none()
            .then_some(Judged::Blocked(range))
    }

    fn missing_finding(&self) -> Finding {
        Finding {
            rule: self.missing_rule.clone(),
            weight: Weight::Decisive,
            place: Place::value(PlaceKind::Headers, USER_AGENT.as_str()),
            evidence: Evidence::fact("no User-Agent"),
            message: Cow::Borrowed(MISSING),
        }
    }

    fn blocked_finding(&self, header: usize, value: &[u8], range: Range<usize>) -> Finding {
        let place = Place::value(PlaceKind::Headers, USER_AGENT.as_str());
        let origin = Origin {
            source: Source::Header(u16::try_from(header).unwrap_or(u16::MAX)),
            range: range.clone(),
        };
        Finding {
            rule: self.blocked_rule.clone(),
            weight: Weight::Decisive,
            evidence: Evidence::part(&place, value, range, origin, Vec::new()),
            place,
            message: Cow::Borrowed(BLOCKED),
        }
    }
}

/// Why one value of the header is refused.
enum Judged {
    Missing,
    Blocked(Range<usize>),
}

impl ThreatDetection for UserAgent {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        let headers = request.headers();
        if !headers.contains_key(USER_AGENT) {
            return Ok(match self.missing {
                Missing::Allow => Verdict::Pass,
                Missing::Block => Verdict::threat(self.missing_finding()),
            });
        }
        // All headers are walked because the evidence names the header by its position among all.
        for (index, (name, value)) in headers.iter().enumerate() {
            if name != USER_AGENT {
                continue;
            }
            let value = value.as_bytes();
            match self.judge(value) {
                None => {}
                Some(Judged::Missing) => return Ok(Verdict::threat(self.missing_finding())),
                Some(Judged::Blocked(range)) => {
                    return Ok(Verdict::threat(self.blocked_finding(index, value, range)));
                }
            }
        }
        Ok(Verdict::Pass)
    }

    fn rules(&self) -> Vec<RuleInfo> {
        let rule = |id: &RuleId, message| RuleInfo {
            id: id.clone(),
            message: Cow::Borrowed(message),
            score: None,
            places: vec![PlaceKind::Headers],
        };
        vec![
            rule(&self.blocked_rule, BLOCKED),
            rule(&self.missing_rule, MISSING),
        ]
    }

    fn canary(&self) -> Option<Canary> {
        self.canary.clone()
    }
}

impl FromConfig for UserAgent {
    const NAME: &'static str = "user_agent";
    type Config = UserAgentConfig;

    fn from_config(config: Self::Config, load: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let block = compile(&config.block, "block", &mut errors);
        let allow = compile(&config.allow, "allow", &mut errors);
        let (Some(block), Some(allow)) = (block, allow) else {
            return Err(errors);
        };
        if config.block.is_empty() && config.missing == Missing::Allow {
            load.warn(
                "user_agent: `block` is empty and `missing` is `allow`, so nobody is refused",
            );
        }
        let mut detection = Self {
            block,
            allow,
            missing: config.missing,
            canary: None,
            blocked_rule: RuleId::new("blocked"),
            missing_rule: RuleId::new("missing"),
        };
        // A canary needs a value that is refused. Words are such values; from an expression none is made up.
        let words = config
            .block
            .iter()
            .filter(|word| expression(word).is_none());
        let refused = words
            .filter_map(|word| HeaderValue::from_str(word).ok())
            .find(|value| detection.judge(value.as_bytes()).is_some());
        detection.canary = match (refused, config.missing) {
            (Some(agent), _) => Some(canary(vec![(USER_AGENT, agent)])),
            (None, Missing::Block) => Some(canary(Vec::new())),
            (None, Missing::Allow) => None,
        };
        Ok(detection)
    }

    fn documentation() -> String {
        module_documentation(include_str!("user_agent.rs"))
    }
}

fn canary(headers: Vec<(HeaderName, HeaderValue)>) -> Canary {
    Canary {
        target: "/".to_owned(),
        headers,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    }
}

/// Compiles a list of patterns; `None` and at least one error more where one of them is wrong.
fn compile(patterns: &[String], key: &str, errors: &mut Vec<ConfigError>) -> Option<PatternSet> {
    let mut builder = PatternSet::builder();
    let before = errors.len();
    for (index, pattern) in patterns.iter().enumerate() {
        let added = match expression(pattern) {
            Some(regex) if !regex.is_empty() => builder
                .add([], [regex])
                .map_err(|errors| errors.into_iter().map(|error| error.message).collect()),
            None if !pattern.trim().is_empty() => builder
                .add([pattern.as_str()], [])
                .map_err(|errors| errors.into_iter().map(|error| error.message).collect()),
            _ => Err("an empty pattern would match every agent".to_owned()),
        };
        if let Err(message) = added {
            errors.push(
                ConfigError::new(message)
                    .help("write a text as in `sqlmap`, or a regular expression as in `/^zgrab/`")
                    .item(index)
                    .under(key),
            );
        }
    }
    if errors.len() > before {
        return None;
    }
    builder
        .build()
        .map_err(|message| errors.push(ConfigError::new(message).under(key)))
        .ok()
}

/// The regular expression of a pattern between slashes.
fn expression(pattern: &str) -> Option<&str> {
    pattern.strip_prefix('/')?.strip_suffix('/')
}

#[cfg(test)]
mod tests;
