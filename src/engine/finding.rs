//! What a detection found: the rule, the place, the bytes, and how they were decoded.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use crate::event::Evidence;
use crate::request::{Place, PlaceKind};

/// One thing that a detection found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule that recognised it.
    pub rule: RuleId,
    /// What it counts for.
    pub weight: Weight,
    /// Where it is.
    pub place: Place<'static>,
    /// The bytes, fit to be shown.
    pub evidence: Evidence,
    /// What it is, in a sentence that a developer understands.
    pub message: Cow<'static, str>,
}

/// The stable name of a rule, unique within its detection: `sql_injection.union_behind_value`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(Arc<str>);

/// How much a finding counts for. The policy refuses a request whose scores add up to its threshold.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Score(pub u32);

/// What a finding counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Decides at once: access control (addresses, bans, rates).
    Decisive,
    /// Adds up with the other findings: content.
    Score(Score),
    /// The request cannot be read as the application may read it, so nothing that was found or not found counts: refused at
    /// once, with 400 whatever the status of the detection, since the sender chose to write it so.
    Unreadable,
}

/// A rule as `portcullis rules list` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct RuleInfo {
    /// The stable name.
    pub id: RuleId,
    /// What it recognises, in a sentence.
    pub message: Cow<'static, str>,
    /// What a finding of it counts for; `None` where it decides at once.
    pub score: Option<Score>,
    /// Where it looks.
    pub places: Vec<PlaceKind>,
}

// === impl Weight ===

impl Weight {
    /// The score of what adds up; `None` for what decides at once.
    #[must_use]
    pub const fn score(self) -> Option<Score> {
        match self {
            Self::Score(score) => Some(score),
            Self::Decisive | Self::Unreadable => None,
        }
    }
}

// === impl RuleId ===

impl RuleId {
    /// A rule's name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RuleId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
