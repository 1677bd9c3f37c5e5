//! One decoded value of a request, its name, its place, and the way back to the raw bytes.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Deref, Range};

use http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::marks::Marks;
use super::offsets::OffsetMap;
use super::{cookies, decode};

/// One value that a request carries, in every form that an application behind us might come to see.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// What part of the request the value sits in, and its name there.
    pub place: Place<'a>,
    /// The raw bytes of the value.
    pub origin: Origin,
    /// What is odd about the way the value is written.
    pub oddities: Oddities,
    /// The value as an application reads it. It lies beside the further forms, and not in one list with them, because
    /// nearly all values have no other form, and then nothing is allocated.
    first: Form<'a>,
    pub(super) more: Vec<Form<'a>>,
}

/// A value after some decodings.
#[derive(Clone, Debug)]
pub struct Form<'a> {
    /// The decoded bytes.
    pub text: Cow<'a, [u8]>,
    /// Which kinds of bytes `text` is made of.
    pub marks: Marks,
    /// The decodings that led here, first applied first.
    pub steps: Steps,
    /// Leads offsets of `text` to offsets of the raw source.
    pub offsets: OffsetMap,
}

/// The decodings of one form, first applied first. Kept in place, since they are few.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    len: u8,
    steps: [DecodeStep; Self::MOST],
}

/// What is odd about the way a value is written, though it was decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// A `%` that begins no escape, where the place demands percent decoding.
    pub invalid_percent: bool,
    /// More decodings would have changed the value yet than are made ([`decode::MAX_FURTHER`]).
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
}

/// Something that two parsers would read differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// What is ambiguous, as a stable name: `duplicate_key`, `invalid_percent`.
    pub kind: &'static str,
    /// Where it is.
    pub origin: Origin,
}

/// The values of a head or a body, and what is odd about it.
#[derive(Debug, Default)]
pub struct Parsed<'a> {
    /// Keys, values, file names, text; in order.
    pub inputs: Vec<Input<'a>>,
    /// What two parsers would read differently.
    pub ambiguities: Vec<Ambiguity>,
}

// === impl Input ===

impl<'a> Input<'a> {
    /// A value of one form.
    pub(super) const fn new(place: Place<'a>, origin: Origin, first: Form<'a>) -> Self {
        Self {
            place,
            origin,
            oddities: Oddities {
                invalid_percent: false,
                exhausted: false,
            },
            first,
            more: Vec::new(),
        }
    }

    /// The value as the application reads it after the one decoding that its place demands.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.first.text
    }

    /// The value's forms: first as an application reads it after the one decoding that its place demands, then one more
    /// for each further decoding that changed something. At least one, at most [`decode::MAX_FURTHER`] more.
    pub fn forms(&self) -> impl Iterator<Item = &Form<'a>> {
        std::iter::once(&self.first).chain(&self.more)
    }

    pub(super) const fn first(&self) -> &Form<'a> {
        &self.first
    }

    pub(super) fn last(&self) -> &Form<'a> {
        self.more.last().unwrap_or(&self.first)
    }

    /// The raw origin of `range` in a form of this input.
    #[must_use]
    pub fn origin_of(&self, form: &Form<'a>, range: Range<usize>) -> Origin {
        Origin {
            source: self.origin.source,
            range: form.offsets.raw(range.start)..form.offsets.raw(range.end),
        }
    }
}

// === impl Steps ===

impl Steps {
    /// Two for the first form and for each further one.
    const MOST: usize = 2 * (1 + decode::MAX_FURTHER);

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

impl Deref for Steps {
    type Target = [DecodeStep];

    fn deref(&self) -> &[DecodeStep] {
        self.steps.get(..usize::from(self.len)).unwrap_or_default()
    }
}

// === impl Ambiguity ===

impl Ambiguity {
    /// The oddities of values as ambiguities: `invalid_percent`, and `decode_depth` where decoding was given up.
    pub(super) fn of_inputs(inputs: &[Input<'_>], ambiguities: &mut Vec<Self>) {
        for input in inputs {
            let mut note = |kind| {
                ambiguities.push(Self {
                    kind,
                    origin: input.origin.clone(),
                });
            };
            if input.oddities.invalid_percent {
                note("invalid_percent");
            }
            if input.oddities.exhausted {
                note("decode_depth");
            }
        }
    }
}

/// Adds one input for each header value, and one for the name and value of each cookie.
pub(super) fn header_inputs<'a>(headers: &'a HeaderMap, inputs: &mut Vec<Input<'a>>) {
    for (index, (name, value)) in headers.iter().enumerate() {
        let Ok(index) = u16::try_from(index) else {
            return;
        };
        let source = Source::Header(index);
        if name == http::header::COOKIE {
            cookies::inputs(source, value.as_bytes(), inputs);
        } else {
            let place = Place {
                kind: PlaceKind::Headers,
                name: Cow::Borrowed(name.as_str()),
                is_key: false,
            };
            inputs.push(decode::input(
                place,
                source,
                value.as_bytes(),
                0..value.len(),
                decode::Syntax::Header,
            ));
        }
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
