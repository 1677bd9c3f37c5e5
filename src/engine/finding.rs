//! What a detection found: the rule, the place, the bytes, and how they were decoded.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::secrets;
use crate::request::{DecodeStep, Origin, Place, PlaceKind};

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

/// The stable name of a rule, unique within its detection: `sql_injection.union_select`.
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
}

/// What was found, fit to be shown: at most [`Evidence::MAX_BYTES`] long, control characters escaped, secrets masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The decoded bytes that the rule matched, escaped; or `[masked, N bytes]`.
    pub text: String,
    /// Where the raw bytes are; `None` for evidence that is not in the request, such as a counter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The decodings between the raw bytes and the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<DecodeStep>,
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

// === impl Evidence ===

impl Evidence {
    /// The longest text that is shown, in bytes of the decoded value; the rest is cut and the cut is marked by `…`.
    pub const MAX_BYTES: usize = 120;

    /// Evidence that is not in the request: a counter, an address. `text` must not come from an outsider unescaped.
    #[must_use]
    pub fn fact(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            origin: None,
            steps: Vec::new(),
        }
    }

    /// Bytes of the request found at `place`. They are masked where the place is known to carry secrets, and so is what
    /// follows the name of a secret within them. Where there is text around them, use [`Self::part`].
    #[must_use]
    pub fn bytes(place: &Place<'_>, bytes: &[u8], origin: Origin, steps: Vec<DecodeStep>) -> Self {
        Self::part(place, bytes, 0..bytes.len(), origin, steps)
    }

    /// A part of a text found at `place`, masked as in [`Self::bytes`], and also by the name of a secret that stands before
    /// the part.
    #[must_use]
    pub fn part(
        place: &Place<'_>,
        text: &[u8],
        part: Range<usize>,
        origin: Origin,
        steps: Vec<DecodeStep>,
    ) -> Self {
        let text = if secrets::place_is_secret(place) {
            format!("[masked, {} bytes]", part.len())
        } else {
            secrets::presentable_part(text, part, Self::MAX_BYTES)
        };
        Self {
            text,
            origin: Some(origin),
            steps,
        }
    }
}
