//! # What it detects
//!
//! Clients that guess at paths: many different ones that the upstream answers with 404, 400, 405, 401 or 403 within a
//! sliding window. Beyond `limit` the client is refused everything for `block_for`. What counts is the upstream's own
//! answer, never how a path looks: a request for a real path is no guess, however odd its spelling.
//!
//! A path counts once, however often it is asked for, in whatever spelling and with whatever query; asking again only
//! keeps it in the window. `/a;1` and `/a;2` are one path, as they are to whoever reads parameters there.
//! Answers weigh differently. A path that does not exist (404, or any other listed status) counts in full. 401 and 403
//! say that the path may well exist and the credentials are wrong, and a client whose token has expired gets them from
//! everything it calls: such a path counts a quarter. So with a limit of 20, 21 missing paths are too many, or 81
//! denied ones, or any mixture of that weight.
//!
//! A decoy is a path that nobody has reason to ask for. A request for one never reaches the upstream, and holds the
//! client at once.
//!
//! # Why it matters
//!
//! Forced browsing (CWE-425, CAPEC-87) and scanning for exposed files (CWE-538) come before most attacks; automated
//! vulnerability scanning is OAT-014 of OWASP's automated threats.
//!
//! # Example
//!
//! Attack: `/api/endpoints1`, `/api/endpoints2`, … each answered 404, or `/backup.zip`, `/.env`, `/wp-login.php`; a decoy
//! `/.git/*` catches `/.git/config` at the first try. Look-alikes: one `/api/empoint` typed wrongly, a page that asks for
//! the same missing icon every second, an application with an expired token that gets 401 from thirty endpoints.
//!
//! # Limits
//!
//! * Who guesses slower than `limit` in `within`, or from many addresses, is not noticed.
//! * Clients behind one address share its window and its hold.
//! * A foreign page can make a visitor's browser ask for missing paths or for a decoy (`<img src=…>`), and so have the
//!   visitor held. Choose decoys that answer nothing of worth, and a `block_for` that a visitor survives.
//! * An upstream that answers 200 to everything (soft 404) gives nothing to judge by; decoys still work.
//! * A crawler that follows a lot of dead links looks the same. List it in `clients.trusted`, or raise `limit`.
//! * Trusted proxies are never counted or held; a decoy is refused to them as well.
//! * In monitor mode everything is counted apart, so switching to enforce begins with nobody held.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::header::RETRY_AFTER;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path_pattern::{PathCase, PathPattern};
use crate::clients::{BanOrder, BanSource, Cause, Key, Window, whole_seconds};
use crate::config::{self, ConfigError, Load};
use crate::engine::registry::module_documentation;
use crate::engine::{
    Context, DetectionError, Evidence, Finding, FromConfig, Phase, RuleId, RuleInfo,
    ThreatDetection, Verdict, Weight,
};
use crate::request::{Origin, Place, PlaceKind, RequestView, ResponseView, Source};

/// Recognises clients that guess at paths; see the [module](self).
#[derive(Debug)]
pub struct Enumeration {
    config: EnumerationConfig,
    decoys: Vec<PathPattern>,
    window: Window,
    /// What a finding of [`PROBING`] says.
    evidence: String,
}

/// The `enumeration:` section.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnumerationConfig {
    /// How many different paths a client may ask for in vain within the window.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
    /// How far back such a path counts.
    pub within: config::Duration,
    /// For how long a client beyond the limit, or one that touched a decoy, is refused everything.
    pub block_for: config::Duration,
    /// The upstream's answers that count; 401 and 403 count a quarter.
    pub statuses: Vec<u16>,
    /// Paths that nobody has reason to ask for: one path, or with a `*` at its end all that begin so.
    pub decoys: Vec<PathPattern>,
    /// Whether a path in capitals is another one, for counting as for `decoys`: `sensitive`, or `insensitive` for an
    /// application that answers both alike.
    pub path_case: PathCase,
}

impl Default for EnumerationConfig {
    fn default() -> Self {
        Self {
            limit: 20,
            within: config::Duration::seconds(60),
            block_for: config::Duration::seconds(600),
            statuses: vec![400, 401, 403, 404, 405],
            decoys: Vec::new(),
            path_case: PathCase::default(),
        }
    }
}

// The rules: what was recognised, as a stable name and a sentence.
const PROBING: (&str, &str) = ("probing", "Many different paths were asked for in vain.");
const HELD: (&str, &str) = (
    "held",
    "The client was caught guessing at paths a short while ago.",
);
const DECOY: (&str, &str) = (
    "decoy",
    "A path was asked for that nobody has reason to ask for.",
);

/// What a path that does not exist weighs, in quarters of `limit`.
const MISSING: u32 = 4;

/// What a path weighs that the client may not see.
const DENIED: u32 = 1;

/// The most that `limit` may be: a client's window remembers four items for each.
const MOST: u32 = 1000;

impl ThreatDetection for Enumeration {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders, Phase::ResponseHeaders]
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        context: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        if self.decoys.iter().any(|decoy| decoy.matches(request)) {
            self.hold(request, DECOY.1, context);
            return Ok(Verdict::threat(touched_decoy(request)));
        }
        match self.held(request, context) {
            Some(left) => {
                let seconds = whole_seconds(left);
                context.add_answer_header(RETRY_AFTER, seconds.into());
                let evidence = Evidence::fact(format!("held for another {seconds}s"));
                Ok(Verdict::threat(finding(HELD, PlaceKind::Client, evidence)))
            }
            None => Ok(Verdict::Pass),
        }
    }

    fn on_response(
        &self,
        request: &RequestView<'_>,
        response: &ResponseView<'_>,
        context: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        let status = response.status.as_u16();
        if !self.config.statuses.contains(&status) {
            return Ok(Verdict::Pass);
        }
        let Some(client) = client(request, context) else {
            return Ok(Verdict::Pass);
        };
        let weight = if matches!(status, 401 | 403) {
            DENIED
        } else {
            MISSING
        };
        let path = self.config.path_case.identity(request);
        let item = context.facts.key("enumeration/path", path.as_bytes());
        let item = item.short();
        let (facts, now) = (context.facts, context.now);
        if facts.note_distinct(client, item, weight, self.window, now) <= self.window.limit {
            return Ok(Verdict::Pass);
        }
        self.hold(request, &self.evidence, context);
        let evidence = Evidence::fact(self.evidence.clone());
        Ok(Verdict::threat(finding(
            PROBING,
            PlaceKind::Response,
            evidence,
        )))
    }

    fn rules(&self) -> Vec<RuleInfo> {
        let rule = |(id, message): (&str, &'static str), place| RuleInfo {
            id: RuleId::new(id),
            message: Cow::Borrowed(message),
            score: None,
            places: vec![place],
        };
        vec![
            rule(PROBING, PlaceKind::Response),
            rule(HELD, PlaceKind::Client),
            rule(DECOY, PlaceKind::Path),
        ]
    }
}

impl FromConfig for Enumeration {
    const NAME: &'static str = "enumeration";
    type Config = EnumerationConfig;

    fn from_config(
        config: EnumerationConfig,
        load: &mut Load<'_>,
    ) -> Result<Self, Vec<ConfigError>> {
        let errors = config.mistakes();
        if !errors.is_empty() {
            return Err(errors);
        }
        if config.statuses.is_empty() && config.decoys.is_empty() {
            load.warn("enumeration: it has neither `statuses` nor `decoys`, and notices nobody");
        }
        let statuses: Vec<_> = config.statuses.iter().map(u16::to_string).collect();
        let in_case = |decoy: &PathPattern| decoy.clone().in_case(config.path_case);
        Ok(Self {
            decoys: config.decoys.iter().map(in_case).collect(),
            window: Window {
                within: config.within.get(),
                limit: config.limit * MISSING,
            },
            evidence: format!(
                "more than {} different paths answered by {} in {} (401 and 403 count a quarter)",
                config.limit,
                statuses.join(", "),
                config.within
            ),
            config,
        })
    }

    fn documentation() -> String {
        module_documentation(include_str!("mod.rs"))
    }
}

impl Enumeration {
    /// Keeps a client out for `block_for`: by a ban, or in monitor mode by a hold that refuses nothing.
    fn hold(&self, request: &RequestView<'_>, reason: &str, context: &Context<'_>) {
        let span = self.config.block_for.get();
        let Some(client) = client(request, context) else {
            return;
        };
        context.add_answer_header(RETRY_AFTER, whole_seconds(span).into());
        if !context.enforced {
            return context.facts.hold(client, span, context.now);
        }
        let cause = Cause {
            source: BanSource::Detection,
            detection: Some(Self::NAME.into()),
            reason: reason.into(),
        };
        let order = BanOrder {
            cause: Arc::new(cause),
            span: Some(span),
        };
        context.facts.ban(request.client(), &order, context.now);
    }

    /// For how long a client is still kept out.
    fn held(&self, request: &RequestView<'_>, context: &Context<'_>) -> Option<Duration> {
        if !context.enforced {
            return context.facts.held(client(request, context)?, context.now);
        }
        let ban = context.facts.banned(request.client(), context.now)?;
        // Bans of others are for the detection `ban` to refuse, if the chain has it.
        let is_own = ban.cause.detection.as_deref() == Some(Self::NAME);
        ban.left.filter(|_| is_own)
    }
}

impl EnumerationConfig {
    fn mistakes(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if !(1..=MOST).contains(&self.limit) {
            let error = ConfigError::new(format!("{} is no limit for paths", self.limit));
            let help = format!("write 1 to {MOST}; with 1, the second wrong path is refused");
            errors.push(error.help(help).under("limit"));
        }
        for (name, span) in [("within", self.within), ("block_for", self.block_for)] {
            if span.get().is_zero() {
                let error = ConfigError::new("a span of no time has no effect");
                errors.push(error.help("write as in `1m`").under(name));
            }
        }
        for (index, status) in self.statuses.iter().enumerate() {
            if !(400..=599).contains(status) {
                let error = ConfigError::new(format!("{status} is no status of an error"));
                let error = error.help("write statuses from 400 to 599");
                errors.push(error.item(index).under("statuses"));
            }
        }
        for (index, decoy) in self.decoys.iter().enumerate() {
            if decoy.covers_root() {
                let error =
                    ConfigError::new(format!("everybody asks for `/`, which `{decoy}` covers"));
                let error =
                    error.help("write a path that nobody has business with, as in `/.git/*`");
                errors.push(error.item(index).under("decoys"));
            }
        }
        errors
    }
}

/// The key of a client's window and hold; `None` for one that must not be counted. What is found in monitor mode is kept
/// apart: it must never refuse anything once the mode is enforce.
fn client(request: &RequestView<'_>, context: &Context<'_>) -> Option<Key> {
    // What is kept under the detection's own name is forgotten when a ban of it is lifted.
    let space = if context.enforced {
        Enumeration::NAME
    } else {
        "enumeration/monitor"
    };
    context.facts.client_key(space, request.client())
}

fn touched_decoy(request: &RequestView<'_>) -> Finding {
    let path = request.path();
    let place = Place::value(PlaceKind::Path, "");
    let origin = Origin {
        source: Source::Target,
        range: 0..path.len(),
    };
    let evidence = Evidence::bytes(&place, path.as_bytes(), origin, Vec::new());
    finding(DECOY, PlaceKind::Path, evidence)
}

fn finding(rule: (&str, &'static str), place: PlaceKind, evidence: Evidence) -> Finding {
    Finding {
        rule: RuleId::new(rule.0),
        weight: Weight::Decisive,
        place: Place::value(place, ""),
        evidence,
        message: Cow::Borrowed(rule.1),
    }
}
