//! What is done about findings: immutable, compiled off the hot path, swapped whole.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ban_rule::{BanConfig, BanRule};
use super::chain::{Chain, Link};
use super::finding::Score;

/// Everything that decides about a request. One request is judged by one policy from its first byte to its last.
#[derive(Debug)]
pub struct Policy {
    /// Which configuration this was made of.
    pub revision: Revision,
    /// What holds for detections without a mode of their own.
    pub mode: Mode,
    /// The score at which a request is refused, moved by the sensitivity.
    pub threshold: Score,
    /// How much findings count that are not sure.
    pub sensitivity: Sensitivity,
    /// What holds for detections without an `on_error` of their own.
    pub on_error: OnError,
    /// When a client is banned for what the chain found; `None` where none is.
    pub ban: Option<Arc<BanRule>>,
    /// The detections.
    pub chain: Arc<Chain>,
    /// Whether nothing is enforced, not even where a detection asks for it.
    is_monitored: bool,
    /// How much of a request its event keeps, in bytes (`events.excerpt`).
    pub excerpt: usize,
}

/// The `policy:` section.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// `enforce` refuses what the detections find; `monitor` lets it pass, and the event says what would have been.
    /// Malformed requests and hard limits are refused in both.
    pub mode: Mode,
    /// The score at which a request is refused. Findings of content (words, patterns) add up to it; access control
    /// (addresses, rates, agents) decides at once.
    #[schemars(range(min = 1))]
    pub threshold: Score,
    /// How much findings count that are not sure, which are those with a score below 5. `low` takes 2 off each, so that it
    /// takes more of them to refuse a request; `medium` leaves them as `portcullis rules list` shows them; `high` adds 1 to
    /// each and takes 1 off the threshold, so that at the default threshold of 5 one likely finding (3 or 4) refuses.
    pub sensitivity: Sensitivity,
    /// What happens to a request that a detection fails to judge: `block` refuses it, `allow` forwards it unchanged.
    /// Either way there is an event.
    pub on_error: OnError,
    /// When a client is banned for what the detections found: `{ after: 3, within: 10m, for: 15m }`; `null`, never. It takes
    /// the detection `ban` in the chain to refuse it.
    pub ban: Option<BanConfig>,
}

/// Whether findings are acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Refuse.
    #[default]
    Enforce,
    /// Only tell.
    Monitor,
}

/// How much findings count that are not sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sensitivity {
    /// Less: fewer false alarms.
    Low,
    /// As they are.
    #[default]
    Medium,
    /// More: fewer misses.
    High,
}

impl Sensitivity {
    /// The score of what refuses by itself at every sensitivity.
    const SURE: u32 = 5;

    /// What a score counts for.
    #[must_use]
    pub const fn score(self, Score(score): Score) -> Score {
        Score(match self {
            Self::Low if score < Self::SURE => score.saturating_sub(2),
            Self::High if score < Self::SURE => score + 1,
            _ => score,
        })
    }

    /// The threshold that a configured one comes to; at least 1.
    #[must_use]
    pub const fn threshold(self, Score(threshold): Score) -> Score {
        Score(match self {
            Self::High if threshold > 1 => threshold - 1,
            _ => threshold,
        })
    }
}

/// What happens when a detection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// Refuse the request.
    #[default]
    Block,
    /// Forward the request as it is.
    Allow,
}

/// Which configuration a policy was made of: a count of loadings and a hash of what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Revision {
    /// 1 for the policy at start, one more for each reload.
    pub number: u64,
    /// The first 64 bits of a hash of the file's text.
    pub hash: u64,
}

/// Leave to forward one request. Only a policy's judgement makes one, and forwarding demands one.
#[derive(Debug)]
pub struct Permit(());

/// A refusal by the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The detection that decided.
    pub detection: Arc<str>,
    /// The status to answer with.
    pub status: StatusCode,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self {
            mode: Mode::Enforce,
            threshold: Score(5),
            sensitivity: Sensitivity::Medium,
            on_error: OnError::Block,
            ban: None,
        }
    }
}

impl Policy {
    /// A policy of these settings over this chain.
    #[must_use]
    pub fn new(revision: Revision, config: &PolicyConfig, chain: Arc<Chain>) -> Self {
        Self {
            revision,
            mode: config.mode,
            threshold: config.sensitivity.threshold(config.threshold),
            sensitivity: config.sensitivity,
            on_error: config.on_error,
            ban: config.ban.as_ref().map(|ban| Arc::new(ban.compile())),
            chain,
            is_monitored: false,
            excerpt: 0,
        }
    }
}

impl Policy {
    /// The same policy with nothing enforced, not even where a detection asks for it: `portcullis run --monitor`.
    #[must_use]
    pub fn monitored(mut self) -> Self {
        self.mode = Mode::Monitor;
        self.is_monitored = true;
        self
    }

    /// Whether what a detection finds is acted upon.
    #[must_use]
    pub fn enforces(&self, link: &Link) -> bool {
        !self.is_monitored && link.mode.unwrap_or(self.mode) == Mode::Enforce
    }
}

impl Permit {
    /// For `decide.rs` alone.
    pub(super) const fn grant() -> Self {
        Self(())
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:016x}", self.number, self.hash)
    }
}
