//! What was found in a request, fit to be shown.

use std::ops::Range;

use serde::Serialize;

use super::secrets;
use crate::request::{DecodeStep, Origin, Place};

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
            hidden(part.len())
        } else {
            secrets::presentable_part(text, part, Self::MAX_BYTES)
        };
        Self {
            text,
            origin: Some(origin),
            steps,
        }
    }

    /// Shows nothing of bytes of the request any more.
    pub fn hide(&mut self) {
        if let Some(origin) = &self.origin {
            self.text = hidden(origin.range.len());
        }
    }
}

fn hidden(length: usize) -> String {
    format!("[masked, {length} bytes]")
}
