//! One decoded value of a request, its name, its place, and the way back to the raw bytes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{cookies, decode};

/// One value that a request carries, in every form that an application behind us might come to see.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// What part of the request the value sits in, and its name there.
    pub place: Place<'a>,
    /// The raw bytes of the value.
    pub origin: Origin,
    /// The value's forms: first as an application reads it after the one decoding that its place demands, then one more
    /// for each further decoding that changed something. Never empty.
    pub forms: Vec<Form<'a>>,
}

/// A value after some decodings.
#[derive(Clone, Debug)]
pub struct Form<'a> {
    /// The decoded bytes.
    pub text: Cow<'a, [u8]>,
    /// The decodings that led here, first applied first.
    pub steps: Vec<DecodeStep>,
    /// Leads offsets of `text` to offsets of the raw source.
    pub offsets: OffsetMap,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecodeStep {
    /// `%41` → `A` (RFC 3986, 2.1).
    Percent,
    /// `+` → space, in queries and forms (WHATWG URL, 5.1).
    Plus,
    /// `%u0041` → `A`, as old ASP and JavaScript's `escape` write it.
    PercentU,
    /// `&lt;`, `&#60;`, `&#x3c` → `<` (HTML, 13.5).
    HtmlEntity,
    /// `\u0041`, `\n` → what they stand for (RFC 8259, 7).
    JsonEscape,
}

/// Something that two parsers would read differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ambiguity {
    /// What is ambiguous, as a stable name: `duplicate_key`, `invalid_percent`.
    pub kind: &'static str,
    /// Where it is.
    pub origin: Origin,
}

/// Leads offsets of a decoded text to offsets of its raw source; identity plus a start where nothing was decoded.
///
/// Between two marks the texts run in step. A mark is written wherever they get out of step, so the map costs nothing
/// for a value without escapes, and at most one mark for each escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetMap {
    start: usize,
    marks: Vec<(u32, u32)>,
}

// === impl Input ===

impl<'a> Input<'a> {
    /// The value as the application reads it after the one decoding that its place demands.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        self.forms.first().map_or(&[], |form| &form.text)
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

// === impl OffsetMap ===

impl OffsetMap {
    /// The map of a text that is its raw source from `start` on.
    #[must_use]
    pub const fn identity(start: usize) -> Self {
        Self {
            start,
            marks: Vec::new(),
        }
    }

    /// Records that from `decoded` on, the texts run in step with the raw text at `raw` (relative to the map's start).
    /// Marks are added in ascending order of `decoded`.
    pub fn mark(&mut self, decoded: usize, raw: usize) {
        let (Ok(decoded), Ok(raw)) = (u32::try_from(decoded), u32::try_from(raw)) else {
            return;
        };
        match self.marks.last_mut() {
            Some(last) if last.0 == decoded => last.1 = raw,
            Some(last) if decoded - last.0 == raw.wrapping_sub(last.1) => {}
            None if decoded == raw => {}
            _ => self.marks.push((decoded, raw)),
        }
    }

    /// The raw offset that a decoded offset came from.
    #[must_use]
    pub fn raw(&self, decoded: usize) -> usize {
        self.start + self.relative(decoded)
    }

    /// This map followed by `inner`: `inner` leads to offsets of the text that `self` leads on from.
    #[must_use]
    pub fn then(&self, inner: &Self) -> Self {
        let mut composed = Self::identity(self.start);
        // A mark is needed wherever either map gets out of step.
        let mut boundaries: Vec<usize> = inner.marks.iter().map(|mark| mark.0 as usize).collect();
        for &(decoded, _) in &self.marks {
            boundaries.extend(inner.positions_of(decoded as usize));
        }
        boundaries.sort_unstable();
        boundaries.dedup();
        for decoded in boundaries {
            composed.mark(decoded, self.relative(inner.relative(decoded)));
        }
        composed
    }

    fn relative(&self, decoded: usize) -> usize {
        let after = self
            .marks
            .partition_point(|mark| mark.0 as usize <= decoded);
        match after.checked_sub(1).and_then(|index| self.marks.get(index)) {
            Some(&(from, raw)) => raw as usize + (decoded - from as usize),
            None => decoded,
        }
    }

    /// The first decoded position whose raw offset is `raw` or more.
    fn positions_of(&self, raw: usize) -> Option<usize> {
        let after = self.marks.partition_point(|mark| mark.1 as usize <= raw);
        match after.checked_sub(1).and_then(|index| self.marks.get(index)) {
            Some(&(decoded, from)) => {
                let position = decoded as usize + (raw - from as usize);
                let next = self
                    .marks
                    .get(after)
                    .map_or(usize::MAX, |mark| mark.0 as usize);
                Some(position.min(next))
            }
            None => Some(raw),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_map_leads_back_through_escapes() {
        // raw `a%41b%42` → decoded `aAbB`, the raw text starting at 10
        let mut map = OffsetMap::identity(10);
        map.mark(2, 4);
        map.mark(4, 8);
        assert_eq!([0, 1, 2, 3, 4].map(|at| map.raw(at)), [10, 11, 14, 15, 18]);
    }

    #[test]
    fn composed_maps_lead_all_the_way_back() {
        // raw `x%2541y` → `x%41y` → `xAy`
        let mut outer = OffsetMap::identity(0);
        outer.mark(2, 4);
        let mut inner = OffsetMap::identity(0);
        inner.mark(2, 4);
        let both = outer.then(&inner);
        assert_eq!([0, 1, 2, 3].map(|at| both.raw(at)), [0, 1, 6, 7]);
    }
}
