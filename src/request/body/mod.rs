//! A body, taken apart as the application behind us would.
//!
//! How it is read is decided by what the sender says *and* by what the bytes look like ([`classify`]); a body is opaque only
//! if both agree. Otherwise it is taken apart as every syntax that it could be: an application that ignores the declared
//! type reads what the bytes look like, one that does not reads what is declared, and both must find nothing that was
//! not judged. Each syntax is one linear pass over the body.

mod charset;
mod classify;
mod encoded;
pub(super) mod graphql;
mod grounds;
mod json;
mod label;
mod look;
mod multipart;
mod ndjson;
mod params;
mod runs;
mod xml;

use std::cell::OnceCell;
use std::ops::Range;

use http::HeaderMap;
use serde::Serialize;

use super::coding::{self, Codings, Decoded};
use super::collector::{self, Collector};
use super::input::{Ambiguity, Origin, PlaceKind, Source};
use super::inputs::Inputs;
use super::pairs;
use super::values::{Parsed, Texts, Values};
use super::work::Work;
use charset::Transcoding;
use classify::{Declared, Reading};
use multipart::Boundary;

pub use classify::{BEGINNING, classify};
pub use graphql::Shape as GraphqlShape;
pub use grounds::{Ground, Word};
pub use multipart::{Next, Unit, Units};

/// A complete body, taken apart on demand and once.
#[derive(Debug)]
pub struct BodyView<'a> {
    bytes: &'a [u8],
    declared: Declared,
    reading: Reading,
    is_encoded: bool,
    boundary: Boundary,
    unit: Option<&'a Unit>,
    codings: Codings,
    is_still_encoded: bool,
    /// What it may make before it was taken apart.
    work: Work,
    parsed: OnceCell<Parsed<'a>>,
}

/// What a body is read as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// No bytes.
    #[default]
    Empty,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json` and its relatives.
    Json,
    /// `multipart/*`.
    Multipart,
    /// `application/xml` and its relatives, SOAP, SVG, and other markup.
    Xml,
    /// A GraphQL document by itself; one within JSON is [`Self::Json`].
    Graphql,
    /// JSON texts on lines of their own.
    Ndjson,
    /// Any other text.
    Text,
    /// Said to be binary, and looks it. Nothing is taken apart.
    Opaque,
}

/// Units of work for each byte that a parser reads.
const FOR_EACH_BYTE: usize = 3;

/// Units of work for each byte that is brought into UTF-8, with the way back.
const FOR_EACH_TRANSCODED: usize = 12;

impl<'a> BodyView<'a> {
    /// A view of a body under the headers it came with.
    #[must_use]
    pub fn new(headers: &HeaderMap, bytes: &'a [u8]) -> Self {
        let declared = Declared::of(headers);
        let boundary = if declared.multipart {
            Boundary::of(headers)
        } else {
            Boundary::default()
        };
        Self {
            bytes,
            reading: declared.reading(bytes),
            declared,
            is_encoded: is_encoded(headers),
            boundary,
            unit: None,
            codings: Codings::default(),
            is_still_encoded: false,
            work: Work::for_body(bytes.len()),
            parsed: OnceCell::new(),
        }
    }

    /// The same, of a body of which something was judged: it may make this much work, and no more.
    #[must_use]
    pub fn with_work(self, work: Work) -> Self {
        Self { work, ..self }
    }

    /// A view of a piece of a multipart body that streams; see [`Units`].
    #[must_use]
    pub fn of_unit(headers: &HeaderMap, unit: &'a Unit) -> Self {
        Self {
            unit: Some(unit),
            ..Self::new(headers, unit.bytes())
        }
    }

    /// Where in the body as it was sent these bytes begin; what [`Origin`]s of the body count from.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.unit.map_or(0, Unit::offset)
    }

    /// A view of a body without its content codings, under the headers it came with. Offsets count in the decoded bytes.
    #[must_use]
    pub fn decoded(headers: &HeaderMap, body: &'a Decoded) -> Self {
        Self {
            is_encoded: false,
            codings: body.codings,
            ..Self::new(headers, &body.bytes)
        }
    }

    /// A view of an encoded body as an application sees it that does not know of codings and takes the bytes for what their
    /// type says; `None` where it could make nothing of them.
    #[must_use]
    pub fn still_encoded(headers: &HeaderMap, bytes: &'a [u8]) -> Option<Self> {
        let view = Self::new(headers, bytes);
        let reading = view.declared.reading_of_encoded(bytes)?;
        Some(Self {
            reading,
            is_still_encoded: true,
            ..view
        })
    }

    /// The bytes as sent, or as they were before their codings.
    #[must_use]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The content codings that were taken off.
    #[must_use]
    pub const fn codings(&self) -> Codings {
        self.codings
    }

    /// What the body is read as first of all; [`Self::inputs`] holds its values by every other syntax it could be, too.
    #[must_use]
    pub const fn kind(&self) -> BodyKind {
        self.reading.kind
    }

    /// Every value of the body, each decoded once.
    #[must_use]
    pub fn inputs(&self) -> Inputs<'_> {
        self.parsed().inputs()
    }

    /// What two parsers would read differently.
    #[must_use]
    pub fn ambiguities(&self) -> &[Ambiguity] {
        &self.parsed().values.ambiguities
    }

    /// What the GraphQL documents of the body ask for, if there are any. Counted anew at every call.
    #[must_use]
    pub fn graphql(&self) -> Option<GraphqlShape> {
        let mut shape = GraphqlShape::default();
        if self.reading.graphql {
            graphql::shape(self.bytes, &mut shape);
        }
        if self.reading.json {
            graphql::shape_in_json(self.bytes, &mut shape);
        }
        (shape.documents > 0).then_some(shape)
    }

    /// The raw bytes of an [`Origin`] in the body.
    #[must_use]
    pub fn slice(&self, origin: &Origin) -> Option<&'a [u8]> {
        (origin.source == Source::Body)
            .then(|| self.bytes.get(origin.range.clone()))
            .flatten()
    }

    /// What is left of the work that the body may make.
    #[must_use]
    pub fn work(&self) -> &Work {
        // Who asks before it was taken apart is not to make it so.
        let parsed = self.parsed.get();
        parsed.map_or(&self.work, |parsed| &parsed.values.work)
    }

    fn parsed(&self) -> &Parsed<'_> {
        self.parsed.get_or_init(|| self.parse())
    }

    fn parse(&self) -> Parsed<'a> {
        let whole = 0..self.bytes.len();
        let mut values = Values::new(self.work.clone());
        let mut layers = Vec::new();
        let mut out = Collector::new(self.bytes, PlaceKind::Body, Source::Body, &mut values);
        if let Some(unit) = self.unit {
            multipart::unit_inputs(unit, &mut out);
            return Parsed {
                texts: Texts::Body {
                    raw: self.bytes,
                    layers,
                },
                values,
            };
        }
        if self.is_still_encoded {
            self.take_apart_encoded(&mut out);
            return Parsed {
                texts: Texts::Body {
                    raw: self.bytes,
                    layers,
                },
                values,
            };
        }
        if self.is_encoded && self.reading.kind != BodyKind::Empty {
            out.note("content_encoding", whole.clone());
        }
        if self.reading.rare_charset {
            out.note("charset", whole.clone());
        }
        if self.reading.kind != BodyKind::Empty {
            let contradictions = self.declared.contradictions();
            contradictions.for_each(|kind| out.note(kind, whole.clone()));
        }
        let mut invalid = self.take_apart(&self.reading, &mut out);
        for transcoding in &self.reading.transcodings {
            if let Transcoding::Utf16 { .. } = transcoding {
                out.note("utf16", whole.clone());
            }
            // What has no work left is refused, whatever would be found in it.
            if !out.work().take(self.bytes.len() * FOR_EACH_TRANSCODED) {
                break;
            }
            let Some(layer) = transcoding.decode(self.bytes) else {
                continue;
            };
            let reading = self.declared.reading(&layer.text);
            let mut out = out.layer(layers.len(), &layer);
            invalid.only_if(self.take_apart(&reading, &mut out));
            layers.push(layer);
        }
        invalid.note(whole, &mut out);
        Parsed {
            texts: Texts::Body {
                raw: self.bytes,
                layers,
            },
            values,
        }
    }

    /// Adds what somebody finds in encoded bytes who does not decode them. What is odd about it tells nothing, since it is
    /// not what it was written as.
    fn take_apart_encoded(&self, out: &mut Collector<'_>) {
        if self.reading.kind == BodyKind::Opaque {
            if self.reading.multipart {
                multipart::inputs(&self.boundary, out);
            }
            if self.reading.form {
                encoded::form(out);
            }
        } else {
            self.take_apart(&self.reading, out);
        }
        out.forget(0);
    }

    /// Adds what is found by every syntax of a reading, and tells which of them the text is not written in.
    fn take_apart(&self, reading: &Reading, out: &mut Collector<'_>) -> Invalid {
        let whole = 0..out.bytes.len();
        // Whoever has no time for it is refused; what there is of it is judged all the same.
        out.work()
            .take(reading.syntaxes() * whole.len() * FOR_EACH_BYTE);
        let mut invalid = Invalid::default();
        let mut as_text = reading.text;
        let mut is_json = false;
        if reading.json {
            let before = out.notes();
            is_json = json::inputs(whole.clone(), out);
            invalid.json = !is_json && self.declared.json;
            // A body that only looked like JSON is odd in no way if it is none, nor is one in the wrong charset.
            let is_odd = self.declared.json && self.reading.transcodings.is_empty();
            if !is_json && !is_odd {
                out.forget(before);
            }
            as_text |= !is_json;
            graphql::in_json(whole.clone(), out);
        }
        if reading.lines {
            ndjson::inputs(whole.clone(), out);
        }
        // A key without quotes begins JSON as a field begins a document.
        if reading.graphql && !is_json {
            as_text |= !graphql::inputs(whole.clone(), out);
        }
        if reading.xml {
            invalid.xml = !xml::inputs(whole.clone(), out) && self.declared.xml;
        }
        if reading.multipart && !multipart::inputs(&self.boundary, out) {
            as_text = true;
            invalid.multipart = true;
        }
        if reading.form {
            pairs::inputs(whole.clone(), out);
            graphql::in_pairs(whole.clone(), out);
        }
        if as_text {
            runs::value("", whole, out);
        }
        invalid
    }
}

/// What a body is said to be and is not.
#[derive(Clone, Copy, Debug, Default)]
struct Invalid {
    json: bool,
    multipart: bool,
    xml: bool,
}

impl Invalid {
    /// What is not written in one charset may be in another.
    const fn only_if(&mut self, other: Self) {
        self.json &= other.json;
        self.multipart &= other.multipart;
        self.xml &= other.xml;
    }

    fn note(self, whole: Range<usize>, out: &mut Collector<'_>) {
        if self.json {
            out.note("invalid_json", whole.clone());
        }
        if self.multipart {
            out.note("invalid_multipart", whole.clone());
        }
        if self.xml {
            out.note("invalid_xml", whole);
        }
    }
}

/// Whether the body is compressed or otherwise encoded, so that its bytes are not what the application will read: any
/// coding but `identity` (RFC 9110, 8.4).
#[must_use]
pub fn is_encoded(headers: &HeaderMap) -> bool {
    coding::names(headers).next().is_some()
}

#[cfg(test)]
mod tests;
