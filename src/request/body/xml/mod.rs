//! XML: the text of every element, every attribute, comment and processing instruction, with its path and its bytes.
//!
//! `quick-xml` cuts the document into pieces; it resolves nothing, fetches nothing and does not look into a DOCTYPE. What we
//! add is the path, the offsets, and the bounds. A run of text is one value, whatever it is written in: references, CDATA
//! sections and the comments between them are what [`Syntax::Xml`] decodes.
//!
//! A DOCTYPE is noted, and so is what it declares: with entities a document means something else than it says, and may make
//! its parser read files and ask other hosts. Text that stands on both sides of an element (`a<b/>c`) is two values.

mod attributes;
mod doctype;
mod path;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use quick_xml::events::Event;

use super::super::collector::Collector;
use super::super::decode::Syntax;
use path::Path;

/// How deep elements are taken apart; what lies deeper is judged as text. Most parsers stop at 256 or earlier.
const MAX_DEPTH: usize = 128;

/// How many attributes of one element are taken apart; further ones are one value.
const MAX_ATTRIBUTES: usize = 256;

/// Adds what is in `range` of the body, which is judged as text as well. `false` if it is no well-formed document; what
/// precedes the mistake has been added then.
pub(super) fn inputs(range: Range<usize>, out: &mut Collector<'_>) -> bool {
    let mut start = range.start;
    if out.text(&range).starts_with(b"\xef\xbb\xbf") {
        start += 3;
    }
    let text = out.text(&(start..range.end));
    let readable = readable(text);
    let mut events = quick_xml::Reader::from_reader(&*readable);
    let config = events.config_mut();
    // Ends are compared here, since the mistake must not be the end of our reading.
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut reader = Reader {
        full: out.full_of_names(),
        out,
        start,
        path: Path::default(),
        stack: Vec::new(),
        run: None,
        elements: 0,
        siblings: HashMap::new(),
        names: HashSet::new(),
        hasher: RandomState::new(),
        is_well_formed: true,
    };
    let mut at = 0;
    loop {
        let event = events.read_event();
        let end = usize::try_from(events.buffer_position()).unwrap_or(usize::MAX);
        let piece = start + at..start.saturating_add(end).min(range.end);
        let go_on = match event {
            Ok(Event::Eof) => return reader.end(piece.end),
            Ok(event) => reader.read(&event, piece.clone()),
            Err(_) => {
                reader.broken(piece.start..range.end);
                return false;
            }
        };
        if let Err(reason) = go_on {
            reader.out.note(reason, piece.start..range.end);
            return true;
        }
        at = end;
    }
}

/// The same text, byte for byte, in which what is no UTF-8 is a question mark: `quick-xml` stops there, others do not.
fn readable(text: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(text).is_ok() {
        return Cow::Borrowed(text);
    }
    let mut readable = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        readable.extend_from_slice(chunk.valid().as_bytes());
        readable.resize(readable.len() + chunk.invalid().len(), b'?');
    }
    Cow::Owned(readable)
}

/// Why the rest is not taken apart.
type Exhausted = &'static str;

/// Follows the pieces of a document.
struct Reader<'c, 'a> {
    out: &'c mut Collector<'a>,
    /// Where the document begins.
    start: usize,
    path: Path,
    stack: Vec<Frame>,
    /// The text since the last tag.
    run: Option<Range<usize>>,
    elements: u64,
    /// How many children of one name an element has had, by keyed hashes of its number and the name: two that share one by
    /// chance are numbered together, and that is all.
    siblings: HashMap<u64, u32>,
    /// Keyed hashes of the names that have been added; each is judged once.
    names: HashSet<u64>,
    hasher: RandomState,
    full: usize,
    is_well_formed: bool,
}

/// An element that has begun and not ended.
struct Frame {
    /// The number of the element.
    number: u64,
    name: Range<usize>,
    /// The length of its parent's path.
    path: usize,
}

impl Reader<'_, '_> {
    fn read(&mut self, event: &Event<'_>, piece: Range<usize>) -> Result<(), Exhausted> {
        let inner = |before: usize, behind: usize| {
            piece.start + before..piece.end.saturating_sub(behind).max(piece.start + before)
        };
        match event {
            Event::Text(_) | Event::GeneralRef(_) | Event::CData(_) => {
                self.text(piece);
                Ok(())
            }
            Event::Comment(_) => self.aside("comment()", inner(4, 3)),
            Event::PI(_) => self.aside("processing-instruction()", inner(2, 2)),
            Event::Decl(_) => {
                self.is_well_formed &= piece.start == self.start;
                Ok(())
            }
            Event::DocType(_) => {
                self.flush()?;
                self.doctype(piece)
            }
            Event::Start(tag) => self.element(tag.name().as_ref().len(), inner(1, 1), false),
            Event::Empty(tag) => self.element(tag.name().as_ref().len(), inner(1, 2), true),
            Event::End(_) => self.close(inner(2, 1)),
            Event::Eof => Ok(()),
        }
    }

    /// Goes on with the run of text. What is blank at its ends does not belong to it.
    fn text(&mut self, piece: Range<usize>) {
        let text = self.out.text(&piece);
        // An ampersand that begins no reference comes as text.
        self.is_well_formed &= !text.starts_with(b"&") || text.ends_with(b";");
        if !text.trim_ascii().is_empty() {
            let start = self.run.as_ref().map_or(piece.start, |run| run.start);
            self.run = Some(start..piece.end);
        }
    }

    /// Adds the run of text that ends here.
    fn flush(&mut self) -> Result<(), Exhausted> {
        let Some(run) = self.run.take() else {
            return Ok(());
        };
        let run = self.trimmed(run);
        if run.is_empty() {
            return Ok(());
        }
        // Text outside of the root element.
        self.is_well_formed &= !self.stack.is_empty();
        let name = self.path.name();
        self.value(name, run, Syntax::Xml)
    }

    /// Adds what is no text of its element.
    fn aside(&mut self, what: &str, range: Range<usize>) -> Result<(), Exhausted> {
        let range = self.trimmed(range);
        if range.is_empty() {
            return Ok(());
        }
        let name = self.path.child(what);
        self.value(name, range, Syntax::Text)
    }

    fn doctype(&mut self, piece: Range<usize>) -> Result<(), Exhausted> {
        let text = self.out.text(&piece);
        for kind in doctype::kinds(text) {
            self.out.note(kind, piece.clone());
        }
        self.aside("!DOCTYPE", piece)
    }

    /// Begins an element; `tag` is what stands between its angle brackets, the name first.
    fn element(
        &mut self,
        name_len: usize,
        tag: Range<usize>,
        is_empty: bool,
    ) -> Result<(), Exhausted> {
        self.flush()?;
        if self.stack.len() == MAX_DEPTH {
            return Err("too_deep");
        }
        // A second root.
        self.is_well_formed &= !self.stack.is_empty() || self.elements == 0;
        self.elements += 1;
        let name = tag.start..(tag.start + name_len).min(tag.end);
        let text = self.out.text(&name);
        self.is_well_formed &= attributes::is_name(text);
        let parent = self.stack.last().map_or(0, |frame| frame.number);
        let key = self.hasher.hash_one((parent, text));
        let nth = self.siblings.entry(key).or_insert(0);
        *nth = nth.saturating_add(1);
        let path = self.path.len();
        self.path.element(text, *nth);
        if self.is_new(&name) {
            self.key(self.path.name(), name.clone())?;
        }
        self.attributes(name.end..tag.end)?;
        if is_empty {
            self.path.back_to(path);
        } else {
            let number = self.elements;
            self.stack.push(Frame { number, name, path });
        }
        Ok(())
    }

    fn attributes(&mut self, tag: Range<usize>) -> Result<(), Exhausted> {
        let text = self.out.text(&(0..tag.end));
        let mut seen = HashSet::new();
        for (nth, attribute) in attributes::of(text, tag.start).enumerate() {
            if nth == MAX_ATTRIBUTES {
                self.out.note("xml_attributes", tag.clone());
                let name = self.path.child("@");
                return self.value(name, attribute.name.start..tag.end, Syntax::Xml);
            }
            self.is_well_formed &= attribute.is_well_formed;
            let name = self.out.text(&attribute.name);
            let path = self.path.attribute(name);
            if !seen.insert(self.hasher.hash_one(name)) {
                self.out
                    .note("xml_duplicate_attribute", attribute.name.clone());
            }
            if self.is_new(&attribute.name) {
                self.key(path.clone(), attribute.name)?;
            }
            if !attribute.value.is_empty() {
                self.value(path, attribute.value, Syntax::Xml)?;
            }
        }
        Ok(())
    }

    /// Ends an element; `tag` is what stands behind the slash.
    fn close(&mut self, tag: Range<usize>) -> Result<(), Exhausted> {
        self.flush()?;
        let name = self.out.text(&tag).trim_ascii_end();
        match self.stack.pop() {
            Some(frame) => {
                self.is_well_formed &= self.out.text(&frame.name) == name;
                self.path.back_to(frame.path);
            }
            None => self.is_well_formed = false,
        }
        Ok(())
    }

    /// The document has ended; whether it was well-formed.
    fn end(&mut self, at: usize) -> bool {
        if let Err(reason) = self.flush() {
            self.out.note(reason, at..at);
        }
        self.is_well_formed && self.stack.is_empty() && self.elements > 0
    }

    /// No reader goes on here. What begins like a DOCTYPE is one to somebody.
    fn broken(&mut self, rest: Range<usize>) {
        let text = self.out.text(&rest);
        let begins = |sign: &[u8]| {
            text.get(..sign.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(sign))
        };
        if begins(b"<!DOCTYPE") || begins(b"<!ENTITY") {
            for kind in doctype::kinds(text) {
                self.out.note(kind, rest.clone());
            }
        }
        let _ = self.flush();
    }

    /// Whether a name of an element or attribute has not been seen yet.
    fn is_new(&mut self, name: &Range<usize>) -> bool {
        !name.is_empty() && self.names.insert(self.hasher.hash_one(self.out.text(name)))
    }

    fn key(&mut self, path: String, name: Range<usize>) -> Result<(), Exhausted> {
        self.check_room()?;
        self.out.key(path, name, Syntax::Text);
        Ok(())
    }

    fn value(
        &mut self,
        name: String,
        range: Range<usize>,
        syntax: Syntax,
    ) -> Result<(), Exhausted> {
        self.check_room()?;
        self.out.value(name, range, syntax);
        Ok(())
    }

    fn check_room(&self) -> Result<(), Exhausted> {
        if self.out.len() < self.full {
            Ok(())
        } else {
            Err("too_many_values")
        }
    }

    /// The range without the white space at its ends.
    fn trimmed(&self, range: Range<usize>) -> Range<usize> {
        let text = self.out.text(&range);
        let begin = range.start + (text.len() - text.trim_ascii_start().len());
        begin..begin + text.trim_ascii().len()
    }
}

#[cfg(test)]
mod tests;
