//! # What it detects
//!
//! Clients that are banned: by `policy.ban`, for requests that were refused before; by a detection with a rule of its own
//! for it, as `enumeration` has; by an operator, through `portcullis bans add` or the control listener; or by a list in one
//! of `files`. A banned client is refused everything, at once, and fills no counter.
//!
//! It finds nobody by itself: it is the door that the others close. Put it first in the chain, so that a banned client costs
//! one lookup.
//!
//! # Why it matters
//!
//! Who was caught attacking once goes on with something that may not be recognised
//! ([CAPEC-224](https://capec.mitre.org/data/definitions/224.html), fingerprinting before the attack; OWASP OAT-014,
//! vulnerability scanning). Refusing one request leaves him all others.
//!
//! # Example
//!
//! With `policy: { ban: { after: 3, within: 10m, for: 15m } }` the third refused request within ten minutes bans its client,
//! whose next request is refused whatever it asks for, by the rule `banned`. A client with two refused requests, one that is
//! listed in `clients.trusted`, and a trusted proxy are not banned.
//!
//! # Limits
//!
//! * Who has many addresses is banned many times. IPv6 clients are banned by network (`clients.ipv6_prefix`).
//! * Everybody behind one address is banned with it. Where many user agents were seen on it, the ban is short; an attacker
//!   who knows that may pretend to be many, and is banned for as long as for the first time, each time.
//! * There is room for one ban for every 18 of `clients.max_keys`. Who has many IPv6 networks may fill it, and those that find no place
//!   go on being judged one by one; `/readyz` counts them (`clients.bans.refusals`).
//! * Trusted clients and trusted proxies are never banned; a ban of a block that holds one does not touch it.
//! * A page on another site may make a visitor's browser send what looks like attacks, and so have the visitor banned.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::RETRY_AFTER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ip_allowlist::{List, compile};
use crate::clients::{InForce, whole_seconds};
use crate::config::{ConfigError, Load};
use crate::engine::registry::module_documentation;
use crate::engine::{
    Canary, Context, DetectionError, Evidence, Finding, FromConfig, Phase, RuleId, RuleInfo,
    ThreatDetection, Verdict, Weight,
};
use crate::request::{Place, PlaceKind, RequestView};

/// Refuses banned clients; see the [module](self).
#[derive(Debug)]
pub struct Ban {
    lists: Arc<List>,
    banned: RuleId,
    listed: RuleId,
}

/// The section `ban`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BanListConfig {
    /// Files with one banned address or block per line; `#` and `;` begin a comment. A line that is neither is reported with
    /// its number and skipped. A file that changes is read again.
    pub files: Vec<String>,
}

const BANNED: &str = "The client is banned.";
const LISTED: &str = "The client's address is in a list of banned ones.";

impl Ban {
    fn finding(&self, rule: &RuleId, evidence: String, message: &'static str) -> Finding {
        Finding {
            rule: rule.clone(),
            weight: Weight::Decisive,
            place: Place::value(PlaceKind::Client, ""),
            evidence: Evidence::fact(evidence),
            message: Cow::Borrowed(message),
        }
    }
}

impl ThreatDetection for Ban {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        context: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        let client = request.client();
        if let Some(ban) = context.facts.banned(client, context.now) {
            if let Some(left) = ban.left {
                context.add_answer_header(RETRY_AFTER, whole_seconds(left).into());
            }
            let finding = self.finding(&self.banned, told(&ban), BANNED);
            return Ok(Verdict::threat(finding));
        }
        let listed = self.lists.find(client.address);
        let Some(block) = listed.filter(|_| client.is_countable()) else {
            return Ok(Verdict::Pass);
        };
        let evidence = format!("{} is in {block}", client.address);
        Ok(Verdict::threat(self.finding(
            &self.listed,
            evidence,
            LISTED,
        )))
    }

    fn rules(&self) -> Vec<RuleInfo> {
        let rule = |id: &RuleId, message| RuleInfo {
            id: id.clone(),
            message: Cow::Borrowed(message),
            score: None,
            places: vec![PlaceKind::Client],
        };
        vec![rule(&self.banned, BANNED), rule(&self.listed, LISTED)]
    }

    fn repeats_a_refusal(&self) -> bool {
        true
    }

    fn canary(&self) -> Option<Canary> {
        Some(Canary {
            target: "/".to_owned(),
            headers: Vec::new(),
            client: self.lists.first()?,
        })
    }
}

impl FromConfig for Ban {
    const NAME: &'static str = "ban";
    type Config = BanListConfig;

    fn from_config(config: Self::Config, load: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let mut texts = Vec::new();
        for (index, path) in config.files.iter().enumerate() {
            match load.read(path) {
                Ok(text) => texts.push((path.as_str(), text)),
                Err(error) => errors.push(error.item(index).under("files")),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let texts = texts.iter().map(|(path, text)| (*path, &**text));
        Ok(Self {
            lists: compile(&[], texts, load).map_err(|error| vec![error])?,
            banned: RuleId::new("banned"),
            listed: RuleId::new("listed"),
        })
    }

    fn documentation() -> String {
        module_documentation(include_str!("mod.rs"))
    }
}

/// What shows that a client is banned: by whom, for what, and for how long.
fn told(ban: &InForce) -> String {
    let left = ban.left.map_or_else(
        || "until it is lifted".to_owned(),
        |left| format!("for another {}s", whole_seconds(left)),
    );
    format!("{} is banned {left}: {}", ban.client, ban.cause.reason)
}
