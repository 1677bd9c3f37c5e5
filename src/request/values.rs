//! The values of a head or a body: one small record each, and the handles by which detections look at them.
//!
//! A body can have a value for every two of its bytes, and nobody looks twice at nearly any of them. So a record holds
//! numbers only: where the value is written, what bytes it is made of, the way to its name. What few values need (decoded
//! forms, texts of names) lies in tables beside, and what is asked for is put together then.

use std::borrow::Cow;
use std::ops::Range;

use super::decode::Forms;
use super::forms::FormsIter;
use super::input::{Ambiguity, Form, Oddities, Origin, Place, PlaceKind, Source, Steps};
use super::marks::Marks;
use super::names::{NameRef, Node};
use super::offsets::OffsetMap;
use super::work::Work;

/// One value in 32 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) start: u32,
    pub(super) end: u32,
    /// The marks of the first form.
    pub(super) marks: Marks,
    /// The name; of a key that names itself, what comes before it.
    pub(super) name: NameRef,
    /// The place of its forms in [`Values::forms`]; [`Self::NO_FORMS`] for a value that reads as it is written.
    pub(super) forms: u32,
    /// The text that it is written in.
    pub(super) text: u16,
    pub(super) kind: PlaceKind,
    pub(super) role: Role,
}

/// What a value is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It has a name.
    Value,
    /// It is a name: a file's, or one of several that a field is given.
    Key,
    /// It is a name, and its own.
    OwnKey,
}

/// Records, and the tables beside them.
#[derive(Debug)]
pub(super) struct Values {
    pub(super) records: Vec<Record>,
    pub(super) nodes: Vec<Node>,
    pub(super) forms: Vec<Forms>,
    pub(super) ambiguities: Vec<Ambiguity>,
    /// How many of each kind.
    pub(super) kinds: Vec<(&'static str, u32)>,
    /// What is left of the work that they may make.
    pub(super) work: Work,
}

/// The values of a head or a body, with the texts that they are written in.
#[derive(Debug)]
pub(super) struct Parsed<'a> {
    pub(super) texts: Texts<'a>,
    pub(super) values: Values,
}

/// Raw texts, in the order in which records count them.
#[derive(Debug)]
pub(super) enum Texts<'a> {
    /// The body as it came, and the same in UTF-8 where it is written in another charset.
    Body { raw: &'a [u8], layers: Vec<Layer> },
    /// The target, and then each header.
    Head {
        target: &'a [u8],
        headers: Vec<Header<'a>>,
    },
}

/// A body whose charset has been decoded.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) text: Vec<u8>,
    /// Leads offsets of `text` to offsets of the body.
    pub(super) offsets: OffsetMap,
    pub(super) steps: Steps,
    /// The name of the charset.
    pub(super) charset: &'static str,
}

/// A header line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a> {
    pub(super) name: &'a str,
    pub(super) value: &'a [u8],
}

/// One value that a request carries, in every form that an application behind us might come to see.
#[derive(Clone, Copy, Debug)]
pub struct Input<'v> {
    pub(super) parsed: &'v Parsed<'v>,
    pub(super) record: &'v Record,
    pub(super) index: u32,
}

// === impl Record ===

impl Record {
    pub(super) const NO_FORMS: u32 = u32::MAX;

    pub(super) const fn is_plain(&self) -> bool {
        self.forms == Self::NO_FORMS && self.text == 0
    }

    pub(super) fn range(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

// === impl Values ===

impl Values {
    /// None yet, and the work that they may make.
    pub(super) const fn new(work: Work) -> Self {
        Self {
            records: Vec::new(),
            nodes: Vec::new(),
            forms: Vec::new(),
            ambiguities: Vec::new(),
            kinds: Vec::new(),
            work,
        }
    }

    pub(super) fn forms_of(&self, record: &Record) -> Option<&Forms> {
        // Nearly no value has any, so the table is not even asked.
        if record.forms == Record::NO_FORMS {
            return None;
        }
        self.forms.get(record.forms as usize)
    }
}

// === impl Parsed ===

impl<'a> Parsed<'a> {
    fn text(&self, text: u16) -> &[u8] {
        match (&self.texts, usize::from(text).checked_sub(1)) {
            (Texts::Body { raw: first, .. } | Texts::Head { target: first, .. }, None) => first,
            (Texts::Body { layers, .. }, Some(at)) => {
                layers.get(at).map_or(&[], |layer| &layer.text)
            }
            (Texts::Head { headers, .. }, Some(at)) => {
                headers.get(at).map_or(&[], |header| header.value)
            }
        }
    }

    pub(super) fn header_name(&self, text: u16) -> &str {
        match (&self.texts, usize::from(text).checked_sub(1)) {
            (Texts::Head { headers, .. }, Some(at)) => {
                headers.get(at).map_or("", |header| header.name)
            }
            _ => "",
        }
    }

    pub(super) fn layers(&self) -> &[Layer] {
        match &self.texts {
            Texts::Body { layers, .. } => layers,
            Texts::Head { .. } => &[],
        }
    }

    fn layer(&self, record: &Record) -> Option<&Layer> {
        self.layers().get(usize::from(record.text).checked_sub(1)?)
    }

    fn origin(&self, record: &Record, range: Range<usize>) -> Origin {
        let source = match (&self.texts, record.text.checked_sub(1)) {
            (Texts::Body { .. }, _) => Source::Body,
            (Texts::Head { .. }, None) => Source::Target,
            (Texts::Head { .. }, Some(header)) => Source::Header(header),
        };
        let range = match self.layer(record) {
            Some(layer) => layer.offsets.raw(range.start)..layer.offsets.raw_end(range.end),
            None => range,
        };
        Origin { source, range }
    }

    fn raw(&self, record: &Record) -> &[u8] {
        let text = self.text(record.text).get(record.range());
        text.unwrap_or_default()
    }

    /// A value as its place demands it.
    pub(super) fn first_text(&self, record: &Record) -> &[u8] {
        match self
            .values
            .forms_of(record)
            .and_then(|forms| forms.first.as_ref())
        {
            Some(first) => &first.text,
            None => self.raw(record),
        }
    }

    fn forms(&self, record: &Record) -> FormsIter<'_> {
        let forms = self.values.forms_of(record);
        let first = match forms.and_then(|forms| forms.first.as_ref()) {
            Some(first) => first.form(),
            None => Form {
                steps: self.layer(record).map_or(Steps::NONE, |layer| &layer.steps),
                ..Form::raw(self.raw(record), record.marks)
            },
        };
        let more = forms.map_or(&[][..], |forms| forms.more.as_slice());
        FormsIter::new(first, more)
    }
}

// === impl Input ===

impl<'v> Input<'v> {
    /// The part of the request that the value sits in.
    #[must_use]
    pub const fn kind(self) -> PlaceKind {
        self.record.kind
    }

    /// Whether the value is itself a name: a query key, a JSON key, a file name.
    #[must_use]
    pub const fn is_key(self) -> bool {
        !matches!(self.record.role, Role::Value)
    }

    /// Whether the value is one of a list, so that its name ends in its number there.
    #[must_use]
    pub const fn is_element(self) -> bool {
        self.record.name.is_element()
    }

    /// Whether the value is a name that is called by another: that of a file by its field's, of an element of XML by where
    /// it is.
    #[must_use]
    pub const fn is_file_name(self) -> bool {
        matches!(self.record.role, Role::Key)
    }

    /// The name of the value in its place; see [`Place::name`]. Put together when it is asked for, so ask last.
    #[must_use]
    pub fn name(self) -> Cow<'v, str> {
        let name = if self.record.role == Role::OwnKey {
            NameRef::of_key(self.index)
        } else {
            self.record.name
        };
        self.parsed.name_text(name, self.record.text)
    }

    /// What part of the request the value sits in, and its name there.
    #[must_use]
    pub fn place(self) -> Place<'v> {
        Place {
            kind: self.kind(),
            name: self.name(),
            is_key: self.is_key(),
        }
    }

    /// The value as the application reads it after the one decoding that its place demands.
    #[must_use]
    pub fn value(self) -> &'v [u8] {
        self.parsed.first_text(self.record)
    }

    /// Which kinds of bytes [`Self::value`] is made of.
    #[must_use]
    pub const fn marks(self) -> Marks {
        self.record.marks
    }

    /// The value's forms: first as an application reads it after the one decoding that its place demands, then one for each
    /// further decoding that changed something.
    pub fn forms(self) -> FormsIter<'v> {
        self.parsed.forms(self.record)
    }

    /// Whether the value reads as it is written in the body, and in no other way.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        self.record.is_plain() && matches!(self.parsed.texts, Texts::Body { .. })
    }

    /// What is odd about the way the value is written.
    #[must_use]
    pub fn oddities(self) -> Oddities {
        let forms = self.parsed.values.forms_of(self.record);
        forms.map_or_else(Oddities::default, |forms| forms.oddities)
    }

    /// The raw bytes of the value.
    #[must_use]
    pub fn origin(self) -> Origin {
        self.parsed.origin(self.record, self.record.range())
    }

    /// The raw origin of `range` in a form of this input.
    #[must_use]
    pub fn origin_of(self, form: &Form<'_>, range: Range<usize>) -> Origin {
        let start = self.record.start as usize;
        let raw = form.offsets.raw(range.start)..form.offsets.raw_end(range.end);
        self.parsed
            .origin(self.record, start + raw.start..start + raw.end)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::{HeaderMap, Method};

    use super::*;
    use crate::request::{ClientIdentity, RequestView};

    #[test]
    fn a_value_costs_32_bytes() {
        assert_eq!(size_of::<Record>(), 32);
    }

    #[test]
    fn origins_count_from_the_beginning_of_the_source() {
        let headers = HeaderMap::new();
        let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
        let view = RequestView::new(&Method::GET, "/?q=a%2541b", &headers, &client);
        let inputs = view.inputs();
        assert_eq!((inputs.len(), inputs.iter().len()), (2, 2));
        let input = inputs.last().unwrap();
        let last = input.forms().last().unwrap();
        assert_eq!((input.value(), last.text), (&b"a%41b"[..], &b"aAb"[..]));
        assert_eq!(input.marks(), Marks::of(input.value()));
        assert_eq!(input.origin().range, 4..11);
        assert_eq!(input.origin_of(&last, 1..2).range, 5..10);
        assert_eq!(input.origin_of(&last, 0..3).range, 4..11);
    }
}
