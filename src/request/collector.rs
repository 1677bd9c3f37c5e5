//! Where parsers put what they find in one text.

use std::ops::Range;

use super::decode::{self, Syntax};
use super::input::{Ambiguity, Origin, PlaceKind, Source};
use super::marks::Marks;
use super::names::{Name, NameRef};
use super::values::{Layer, Record, Role, Values};
use super::work::Work;

/// How many values of one text are kept apart by one syntax. What follows is judged as one value, and said to be: a long list
/// in a body of a mebibyte has hardly more, but a sender could make each of two bytes cost us forty.
pub(super) const MAX_VALUES: usize = 100_000;

/// The same where each name is a text of its own, which costs more than its value.
const MAX_NAMED: usize = MAX_VALUES / 4;

/// A value that has decoded forms costs as much as that many others.
const DECODED: usize = 10;

/// How many ambiguities of a kind are kept of one head or body; one full of them is as ambiguous with a hundred. Of a kind,
/// so that many harmless ones do not hide the one that is not.
const MAX_NOTES: u32 = 100;

/// The values and ambiguities of a text in the making.
pub(super) struct Collector<'c> {
    /// The text; ranges count in it.
    pub(super) bytes: &'c [u8],
    /// Where they are kept, with those of other texts.
    values: &'c mut Values,
    kind: PlaceKind,
    source: Source,
    /// The number of the text.
    text: u16,
    /// What the text has been decoded from, if it is not the source itself.
    layer: Option<&'c Layer>,
}

impl<'c> Collector<'c> {
    /// Collects from `bytes`, which are `source`.
    pub(super) const fn new(
        bytes: &'c [u8],
        kind: PlaceKind,
        source: Source,
        values: &'c mut Values,
    ) -> Self {
        Self {
            bytes,
            values,
            kind,
            source,
            text: match source {
                Source::Target | Source::Body => 0,
                Source::Header(index) => index.saturating_add(1),
            },
            layer: None,
        }
    }

    /// Collects from the body once more, in the n-th of its other charsets.
    pub(super) fn layer<'l>(&'l mut self, number: usize, layer: &'l Layer) -> Collector<'l> {
        Collector {
            bytes: layer.text.as_slice(),
            values: self.values,
            kind: self.kind,
            source: self.source,
            text: u16::try_from(number + 1).unwrap_or(u16::MAX),
            layer: Some(layer),
        }
    }

    /// What a parser finds in a body.
    #[cfg(test)]
    pub(super) fn parse<T>(
        body: &'c [u8],
        parser: impl FnOnce(&mut Collector<'_>) -> T,
    ) -> (T, super::values::Parsed<'c>) {
        let mut values = Values::new(Work::for_body(body.len()));
        let mut out = Collector::new(body, PlaceKind::Body, Source::Body, &mut values);
        let told = parser(&mut out);
        let layers = Vec::new();
        let texts = super::values::Texts::Body { raw: body, layers };
        (told, super::values::Parsed { texts, values })
    }

    /// Makes a name that many values are called by.
    pub(super) fn name(&mut self, name: impl Into<Name>) -> NameRef {
        self.values.name(name)
    }

    /// Adds a value.
    #[inline]
    pub(super) fn value(&mut self, name: impl Into<Name>, range: Range<usize>, syntax: Syntax) {
        let name = self.values.name(name);
        self.push(name, Role::Value, range, syntax);
    }

    /// Adds a value of a name that is there already, and tells what bytes it is written in.
    #[inline]
    pub(super) fn own_value(
        &mut self,
        name: NameRef,
        range: Range<usize>,
        syntax: Syntax,
    ) -> Marks {
        self.push(name, Role::Value, range, syntax)
    }

    /// Adds a name that is called by another name, such as the name of a file by that of its field.
    pub(super) fn key(&mut self, name: impl Into<Name>, range: Range<usize>, syntax: Syntax) {
        let name = self.values.name(name);
        self.push(name, Role::Key, range, syntax);
    }

    /// Adds a name, and tells what its values are called. `within` is what it lies in; [`NameRef::NOTHING`] where names are
    /// not nested.
    pub(super) fn field(
        &mut self,
        within: NameRef,
        range: Range<usize>,
        syntax: Syntax,
    ) -> NameRef {
        self.own_key(within, range, syntax).0
    }

    /// Like [`Self::field`]; tells the number of the name as well, and what bytes it is written in.
    #[inline]
    pub(super) fn own_key(
        &mut self,
        within: NameRef,
        range: Range<usize>,
        syntax: Syntax,
    ) -> (NameRef, u32, Marks) {
        let index = small(self.values.records.len());
        let marks = self.push(within, Role::OwnKey, range, syntax);
        (NameRef::of_key(index), index, marks)
    }

    /// What the values within a value called `name` are called by.
    #[inline]
    pub(super) fn within(&mut self, name: NameRef) -> NameRef {
        self.values.within(name)
    }

    /// How far it has come.
    #[inline]
    pub(super) fn progress(&self) -> Progress {
        Progress {
            values: small(self.values.records.len()),
            nodes: small(self.values.nodes.len()),
        }
    }

    /// Forgets what [`Self::within`] has made since then, if no value was found: millions of empty lists cost nothing.
    #[inline]
    pub(super) fn forget_names(&mut self, since: Progress) {
        if self.values.records.len() == since.values as usize {
            self.values.nodes.truncate(since.nodes as usize);
        }
    }

    /// Adds an ambiguity.
    pub(super) fn note(&mut self, kind: &'static str, range: Range<usize>) {
        if self.values.count(kind) {
            let range = match self.layer {
                Some(Layer { offsets, .. }) => offsets.raw(range.start)..offsets.raw(range.end),
                None => range,
            };
            let source = self.source;
            let origin = Origin { source, range };
            self.values.ambiguities.push(Ambiguity { kind, origin });
        }
    }

    /// How many ambiguities there are.
    pub(super) const fn notes(&self) -> usize {
        self.values.ambiguities.len()
    }

    /// Forgets the ambiguities behind the first `notes`.
    pub(super) fn forget(&mut self, notes: usize) {
        let from = notes.min(self.notes());
        for note in self.values.ambiguities.drain(from..) {
            let kinds = &mut self.values.kinds;
            if let Some((_, count)) = kinds.iter_mut().find(|(kind, _)| *kind == note.kind) {
                *count -= 1;
            }
        }
    }

    /// How many values there are, each counted by what it costs.
    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.values.records.len() + (DECODED - 1) * self.values.forms.len()
    }

    /// How much [`Self::len`] may be at the end of a syntax that begins now.
    pub(super) const fn full(&self) -> usize {
        self.len().saturating_add(MAX_VALUES)
    }

    /// The same for a syntax whose names are texts of their own.
    pub(super) const fn full_of_names(&self) -> usize {
        self.len().saturating_add(MAX_NAMED)
    }

    /// Makes room for that many values more.
    pub(super) fn reserve(&mut self, values: usize) {
        // One more for the rest.
        self.values.records.reserve(values.min(MAX_VALUES + 1));
    }

    /// Adds what a parser does not take apart, for the reason that `kind` names.
    pub(super) fn rest(&mut self, kind: &'static str, range: Range<usize>) {
        self.note(kind, range.clone());
        self.value("", range, Syntax::Text);
    }

    /// What is left of the work that the values may make.
    pub(super) const fn work(&self) -> &Work {
        &self.values.work
    }

    /// The bytes of a range.
    pub(super) fn text(&self, range: &Range<usize>) -> &'c [u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// The n-th value as its place demands it.
    #[inline]
    pub(super) fn first(&self, index: u32) -> &[u8] {
        let Some(record) = self.values.records.get(index as usize) else {
            return &[];
        };
        let forms = self.values.forms_of(record);
        match forms.and_then(|forms| forms.first.as_ref()) {
            Some(first) => &first.text,
            None => self.text(&(record.start as usize..record.end as usize)),
        }
    }

    /// Adds a value and tells what bytes it is written in.
    #[inline(always)]
    fn push(&mut self, name: NameRef, role: Role, range: Range<usize>, syntax: Syntax) -> Marks {
        let text = self.text(&range);
        let marks = Marks::of(text);
        let mut record = Record {
            start: small(range.start),
            end: small(range.end),
            marks,
            name,
            forms: Record::NO_FORMS,
            text: self.text,
            kind: self.kind,
            role,
        };
        if let Some(forms) = decode::forms(text, marks, syntax, &self.values.work) {
            self.keep(&mut record, forms);
        }
        self.values.records.push(record);
        marks
    }

    /// Keeps the forms of a value that needs any.
    #[cold]
    fn keep(&mut self, record: &mut Record, mut forms: decode::Forms) {
        if let Some(layer) = self.layer {
            for form in forms.first.iter_mut().chain(&mut forms.more) {
                form.steps = layer.steps.and(&form.steps);
            }
        }
        let range = record.start as usize..record.end as usize;
        if forms.oddities.invalid_percent {
            self.note("invalid_percent", range.clone());
        }
        if forms.oddities.exhausted {
            self.note("decode_depth", range);
        }
        if let Some(first) = &forms.first {
            record.marks = first.marks;
        }
        record.forms = small(self.values.forms.len());
        self.values.forms.push(forms);
    }
}

impl Values {
    /// Counts an ambiguity, and tells whether it is to be kept. There are some dozens of kinds at most.
    fn count(&mut self, kind: &'static str) -> bool {
        let counted = self.kinds.iter_mut().find(|(known, _)| *known == kind);
        let Some((_, count)) = counted else {
            self.kinds.push((kind, 1));
            return true;
        };
        let is_kept = *count < MAX_NOTES;
        *count += u32::from(is_kept);
        is_kept
    }
}

/// How many values and names there were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    values: u32,
    nodes: u32,
}

/// Offsets and numbers are kept in 32 bits: everything that is taken apart has been buffered, and is far shorter than 4 GiB.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_notes_of_one_kind_do_not_hide_another() {
        let (begun, parsed) = Collector::parse(b"abc", |out| {
            (0..1000).for_each(|_| out.note("json_comment", 0..1));
            out.note("duplicate_key", 1..2);
            let begun = out.notes();
            out.note("duplicate_key", 2..3);
            out.note("json_bom", 2..3);
            out.forget(begun);
            (0..1000).for_each(|_| out.note("duplicate_key", 2..3));
            begun
        });
        let count = |kind| {
            let notes = parsed.values.ambiguities.iter();
            notes.filter(|note| note.kind == kind).count()
        };
        assert_eq!(begun, 101);
        assert_eq!(
            ["json_comment", "duplicate_key", "json_bom"].map(count),
            [100, 100, 0]
        );
    }
}
