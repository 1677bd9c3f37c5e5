//! Where the parsers of a body put what they find.

use std::borrow::Cow;
use std::ops::Range;

use super::super::decode::{self, Syntax};
use super::super::input::{Ambiguity, Input, Origin, Parsed, Place, PlaceKind, Source};
use super::super::pairs::MAX_VALUES;

/// How many ambiguities of one body are kept; a body full of them is as ambiguous with a hundred.
const MAX_NOTES: usize = 100;

/// The values and ambiguities of a body in the making.
pub(super) struct Collector<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) parsed: Parsed<'a>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            parsed: Parsed::default(),
        }
    }

    /// Adds a value.
    pub(super) fn value(
        &mut self,
        name: impl Into<Cow<'a, str>>,
        range: Range<usize>,
        syntax: Syntax,
    ) {
        let place = Place::value(PlaceKind::Body, name);
        let input = self.input(place, range, syntax);
        self.parsed.inputs.push(input);
    }

    /// Adds a name.
    pub(super) fn key(
        &mut self,
        name: impl Into<Cow<'a, str>>,
        range: Range<usize>,
        syntax: Syntax,
    ) {
        let place = Place::key(PlaceKind::Body, name);
        let input = self.input(place, range, syntax);
        self.parsed.inputs.push(input);
    }

    /// Takes a value apart without adding it yet.
    pub(super) fn input(&self, place: Place<'a>, range: Range<usize>, syntax: Syntax) -> Input<'a> {
        decode::input(place, Source::Body, self.bytes, range, syntax)
    }

    /// Adds an ambiguity.
    pub(super) fn note(&mut self, kind: &'static str, range: Range<usize>) {
        if self.parsed.ambiguities.len() < MAX_NOTES {
            let origin = origin(range);
            self.parsed.ambiguities.push(Ambiguity { kind, origin });
        }
    }

    /// How many values there may be at the end of a syntax that begins now.
    pub(super) fn full(&self) -> usize {
        self.parsed.inputs.len().saturating_add(MAX_VALUES)
    }

    /// Adds what a parser does not take apart, for the reason that `kind` names.
    pub(super) fn rest(&mut self, kind: &'static str, range: Range<usize>) {
        self.note(kind, range.clone());
        self.value("", range, Syntax::Text);
    }

    pub(super) fn text(&self, range: &Range<usize>) -> &'a [u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    pub(super) fn finish(mut self) -> Parsed<'a> {
        Ambiguity::of_inputs(&self.parsed.inputs, &mut self.parsed.ambiguities);
        self.parsed
    }
}

/// Bytes of the body.
pub(super) const fn origin(range: Range<usize>) -> Origin {
    Origin {
        source: Source::Body,
        range,
    }
}
