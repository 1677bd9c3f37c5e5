//! What is said of a value: its place, its name, its forms, and the way back to the raw bytes.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decode;
use super::marks::Marks;
use super::offsets::OffsetMap;

/// A value after some decodings, as the view lends it.
#[derive(Clone, Copy, Debug)]
pub struct Form<'v> {
    /// The decoded bytes.
    pub text: &'v [u8],
    /// Which kinds of bytes `text` is made of.
    pub marks: Marks,
    /// The decodings that led here, first applied first.
    pub steps: &'v Steps,
    /// Leads offsets of `text` to offsets of the value as it was written.
    pub offsets: &'v OffsetMap,
}

/// The decodings of one form, first applied first. Kept in place, since they are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    len: u8,
    steps: [DecodeStep; Self::MOST],
}

/// What is odd about the way a value is written, though it was decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// A `%` that begins no escape, where the place demands percent decoding.
    pub invalid_percent: bool,
    /// More decodings would have changed the value yet than are made ([`decode::MAX_DEPTH`]).
    pub exhausted: bool,
}

/// Where raw bytes lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Origin {
    /// The raw text that `range` counts in.
    pub source: Source,
    /// Byte offsets into that text.
    pub range: Range<usize>,
}

/// A raw text of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The request-target: raw path and query.
    Target,
    /// The value of the n-th header, counted from 0 over all header lines in the order of the header map.
    Header(u16),
    /// The body as it was sent.
    Body,
}

/// A part of a request that patterns and exclusions can be limited to; the words of `places:` in `rules.yaml`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKind {
    /// The path and its segments.
    Path,
    /// Query keys and values.
    Query,
    /// Header values.
    Headers,
    /// Cookie names and values.
    Cookies,
    /// Everything in the body: form and JSON keys and values, multipart fields and file names, plain text.
    Body,
    /// The client itself: its address or its counters. No pattern looks here.
    Client,
    /// The upstream's answer. No pattern looks here.
    Response,
}

/// The place of one value: its part of the request, and its name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The part of the request.
    pub kind: PlaceKind,
    /// The name of the value: a query or form key, a header or cookie name, a JSON path (`$.a.b[0]`), a multipart field.
    /// Empty where the place has one value only.
    pub name: Cow<'a, str>,
    /// Whether the value is itself a name: a query key, a JSON key, a file name.
    pub is_key: bool,
}

/// One decoding that changed a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeStep {
    /// `%41` → `A` (RFC 3986, 2.1).
    #[default]
    Percent,
    /// `+` → space, in queries and forms (WHATWG URL, 5.1).
    Plus,
    /// `%u0041` → `A`, as old ASP and JavaScript's `escape` write it.
    PercentU,
    /// `&lt;`, `&#60;`, `&#x3c` → `<` (HTML, 13.5).
    HtmlEntity,
    /// `\u0041`, `\n`, in further forms also `\x41` → what they stand for (RFC 8259, 7; ECMA-262, 12.9.4).
    JsonEscape,
    /// `C0 AE` → `.`: UTF-8 longer than it may be (RFC 3629, 3).
    OverlongUtf8,
    /// UTF-16 → UTF-8.
    Utf16,
    /// `PA==` → `<`: base64, where it is declared, or a text hidden in it (RFC 4648).
    Base64,
    /// `=3C` → `<` (RFC 2045, 6.7).
    QuotedPrintable,
    /// `=?utf-8?Q?=3C?=` → `<` (RFC 2047).
    EncodedWord,
    /// `\3c `, `\j` → `<`, `j` (CSS Syntax 3, 4.3.7).
    CssEscape,
    /// `+ADw-` → `<` (RFC 2152).
    Utf7,
    /// `3C`, `0x3c` → `<`: a text hidden as hexadecimal digits.
    Hex,
    /// `{"a":"b c"}` → `b c`: a text of a JSON document that is a value itself (RFC 8259).
    JsonMember,
    /// A comment → a space.
    Comment,
    /// Blanks other than spaces, tabs and line ends → a space.
    Whitespace,
    /// Characters that are not seen → nothing.
    Invisible,
    /// `＜`, `ｓ`, `ſ` → `<`, `s`: characters that stand for ASCII ones (Unicode Annex 15).
    Compatibility,
    /// `&lt;`, CDATA sections and comments of XML → the text that they make (XML 1.0, 2.4).
    Xml,
    /// Content coding `gzip` (RFC 1952).
    Gzip,
    /// Content coding `deflate` (RFC 1950, RFC 1951).
    Deflate,
    /// Content coding `br` (RFC 7932).
    Brotli,
    /// Content coding `zstd` (RFC 8878).
    Zstd,
    /// A byte for each character (ISO 8859, windows-125x) → UTF-8.
    Charset,
}

/// Something that two parsers would read differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// What is ambiguous, as a stable name: `duplicate_key`, `invalid_percent`.
    pub kind: &'static str,
    /// Where it is.
    pub origin: Origin,
}

// === impl Form ===

impl<'v> Form<'v> {
    /// A text that nothing has been decoded of.
    pub(super) const fn raw(text: &'v [u8], marks: Marks) -> Self {
        static UNCHANGED: OffsetMap = OffsetMap::identity();
        Self {
            text,
            marks,
            steps: Steps::NONE,
            offsets: &UNCHANGED,
        }
    }
}

// === impl Steps ===

impl Steps {
    /// Two or three for each decoding.
    const MOST: usize = 3 * (1 + decode::MAX_DEPTH as usize);

    pub(super) const NONE: &'static Self = &Self {
        len: 0,
        steps: [DecodeStep::Percent; Self::MOST],
    };

    /// One step.
    pub(super) fn one(step: DecodeStep) -> Self {
        Self::NONE.and(&[step])
    }

    /// These steps, and then more.
    pub(super) fn and(mut self, more: &[DecodeStep]) -> Self {
        for &step in more {
            if let Some(place) = self.steps.get_mut(usize::from(self.len)) {
                *place = step;
                self.len += 1;
            }
        }
        self
    }
}

impl Default for Steps {
    fn default() -> Self {
        *Self::NONE
    }
}

impl Deref for Steps {
    type Target = [DecodeStep];

    fn deref(&self) -> &[DecodeStep] {
        self.steps.get(..usize::from(self.len)).unwrap_or_default()
    }
}

// === impl Place ===

impl<'a> Place<'a> {
    /// The place of a value called `name`.
    #[must_use]
    pub fn value(kind: PlaceKind, name: impl Into<Cow<'a, str>>) -> Self {
        Self {
            kind,
            name: name.into(),
            is_key: false,
        }
    }

    /// The place of a name.
    #[must_use]
    pub fn key(kind: PlaceKind, name: impl Into<Cow<'a, str>>) -> Self {
        Self {
            kind,
            name: name.into(),
            is_key: true,
        }
    }

    /// The same place, holding its own name.
    #[must_use]
    pub fn into_owned(self) -> Place<'static> {
        Place {
            kind: self.kind,
            name: Cow::Owned(self.name.into_owned()),
            is_key: self.is_key,
        }
    }
}

impl PlaceKind {
    /// The word for it in `rules.yaml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Headers => "headers",
            Self::Cookies => "cookies",
            Self::Body => "body",
            Self::Client => "client",
            Self::Response => "response",
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if !self.name.is_empty() {
            write!(f, ".{}", self.name)?;
        }
        if self.is_key {
            f.write_str(" (name)")
        } else {
            Ok(())
        }
    }
}

impl Serialize for Place<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
