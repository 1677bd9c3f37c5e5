//! When a client is banned for what the chain found: the `policy.ban` section, and what is made of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chain::Link;
use crate::clients::BanPolicy;
use crate::config::{ConfigError, Duration};

/// The `policy.ban` section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BanConfig {
    /// How many refused requests of a client are too many, 1 to 1000. One that was refused for content weighs its score
    /// divided by the threshold, at least 1. What monitor mode would have refused never counts, nor do the hard limits.
    #[schemars(range(min = 1, max = 1000))]
    pub after: u32,
    /// How far back they count.
    pub within: Duration,
    /// For how long the client is then refused everything.
    #[serde(rename = "for")]
    pub span: Duration,
    /// Instead of `for`: how long a first ban lasts, a second, and so on; the last one holds for all that follow.
    pub escalate: Vec<Duration>,
    /// For how long after a ban another one counts as the next in a row.
    pub forget: Duration,
    /// An address that was seen with more user agents than this in the last day, each answered well, is taken for one that
    /// many share: its bans are as short as a first one, and do not escalate. 1 to 150.
    #[schemars(range(min = 1, max = 150))]
    pub shared: u32,
    /// Detections whose refusals never lead to a ban. `null`: those that only control who comes in, `ip_allowlist` and
    /// `rate_limit`, since who is over a quota or not on a list attacks nothing.
    pub ignore: Option<Vec<String>>,
}

/// When a client is banned for what the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanRule {
    /// How refused requests add up.
    pub policy: BanPolicy,
    /// The detections whose refusals do not; `None` where each says so itself.
    ignore: Option<Vec<String>>,
}

impl Default for BanConfig {
    fn default() -> Self {
        Self {
            after: 3,
            within: Duration::seconds(600),
            span: Duration::seconds(900),
            escalate: Vec::new(),
            forget: Duration::seconds(7 * 86_400),
            shared: 20,
            ignore: None,
        }
    }
}

impl BanConfig {
    /// What is made of it.
    #[must_use]
    pub fn compile(&self) -> BanRule {
        let spans = if self.escalate.is_empty() {
            std::slice::from_ref(&self.span)
        } else {
            &self.escalate
        };
        BanRule {
            policy: BanPolicy {
                after: self.after.max(1),
                within: self.within.get(),
                spans: spans.iter().map(|span| span.get()).collect(),
                forget: self.forget.get(),
                shared: self.shared,
                told: self.within.to_string(),
            },
            ignore: self.ignore.clone(),
        }
    }

    /// What makes no sense in it.
    #[must_use]
    pub fn mistakes(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        for (key, number, most) in [("after", self.after, 1000), ("shared", self.shared, 150)] {
            if !(1..=most).contains(&number) {
                let wrong = ConfigError::new(format!("{number} is out of range"));
                errors.push(
                    wrong
                        .help(format!("write a number from 1 to {most}"))
                        .under(key),
                );
            }
        }
        let no_time = |span: Duration| {
            let wrong =
                ConfigError::new("a span of no time has no effect").help("write as in `15m`");
            span.get().is_zero().then_some(wrong)
        };
        for (key, span) in [("within", self.within), ("for", self.span)] {
            errors.extend(no_time(span).map(|wrong| wrong.under(key)));
        }
        for (index, span) in self.escalate.iter().enumerate() {
            errors.extend(no_time(*span).map(|wrong| wrong.item(index).under("escalate")));
        }
        errors
    }
}

impl BanRule {
    /// Whether refusals of this detection count.
    #[must_use]
    pub fn counts(&self, link: &Link) -> bool {
        let is_ignored = self.ignore.as_ref().map_or_else(
            || link.detection.controls_access(),
            |ignore| ignore.iter().any(|name| **name == *link.name),
        );
        !link.detection.repeats_a_refusal() && !is_ignored
    }
}
