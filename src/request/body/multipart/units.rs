//! A multipart body that streams, cut into units that are judged one after the other, each before its own bytes go on.
//!
//! A unit is as many whole parts as have come. A part that is a file by every parser's reading need not be whole: where its
//! bytes are no text from the beginning, what stands before them and their first few KiB are a unit, and the rest goes on
//! as it comes; where they are text, or the part has no type and so is a field to some, each window of it is a unit that
//! begins with the end of the one before. Any other
//! part is a unit only when it is whole, because it is the value of a field to some parser. So a body of any length
//! takes no more memory than its longest field.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::super::super::collector::Collector;
use super::super::super::input::{PlaceKind, Source};
use super::super::super::name;
use super::super::super::values::Values;
use super::super::super::work::Work;
use super::super::classify::{BEGINNING, looks_binary, utf16};
use super::boundary::Boundary;
use super::content::FILE_HEAD;
use super::head::Head;
use super::part::Part;
use super::scanner::{Scanner, Token, TokenKind};
use super::unit::{Next, Shape, Unit};

/// How much of a text file is judged at a time. Even, so that no character of UTF-16 is cut in two.
const WINDOW: usize = 48 * 1024;

/// How much of a window is judged again with the next one, so that nothing is missed because it is cut in two.
const OVERLAP: usize = 4 * 1024;

/// Whole parts of so many bytes are judged without looking for more that have come.
const ENOUGH: usize = 32 * 1024;

/// A multipart body in the making, cut into units.
#[derive(Debug)]
pub struct Units {
    boundary: Bytes,
    scanner: Scanner,
    /// The most bytes of a part that is judged whole.
    most: usize,
    /// What has come and has not been handed out.
    held: BytesMut,
    /// Where in the body `held` begins.
    offset: u64,
    /// How much of `held` the scanner has read.
    scanned: usize,
    /// How much of `held` is whole parts.
    whole: usize,
    part: Part,
    has_ended: bool,
    /// Whether a delimiter said that no part follows.
    is_over: bool,
    /// What is odd about what the next unit begins with, or ends before.
    notes: Vec<&'static str>,
}

impl Units {
    /// A body under these headers that begins so, if it can be cut into units: if every parser reads its boundary alike,
    /// and it begins with it (RFC 2046, 5.1.1). Parts of more than `most` bytes are [`Next::TooLong`] unless they are files.
    #[must_use]
    pub fn of(headers: &HeaderMap, beginning: &[u8], most: usize) -> Option<Self> {
        let boundary = Boundary::of(headers);
        let boundary = Bytes::copy_from_slice(boundary.certain()?);
        let mut scanner = Scanner::new(&boundary);
        let first = scanner.next(beginning, false)?;
        let is_first = first.kind == TokenKind::Delimiter { is_last: false };
        (is_first && first.note.is_none()).then(|| Self {
            scanner: Scanner::new(&boundary),
            boundary,
            most,
            held: BytesMut::new(),
            offset: 0,
            scanned: 0,
            whole: 0,
            part: Part::Whole,
            has_ended: false,
            is_over: false,
            notes: Vec::new(),
        })
    }

    /// More of the body has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// All of the body has come.
    pub const fn end(&mut self) {
        self.has_ended = true;
    }

    /// How many bytes have come and were not handed out.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What is to be done next.
    pub fn proceed(&mut self) -> Next {
        loop {
            if let Some(next) = self.ready() {
                return next;
            }
            let unread = self.held.get(self.scanned..).unwrap_or_default();
            let Some(token) = self.scanner.next(unread, self.has_ended) else {
                return self.rest();
            };
            if let Some(next) = self.read(token) {
                return next;
            }
        }
    }

    /// The part that is being read goes on unjudged from here, but for its beginning.
    pub fn let_pass(&mut self) -> Unit {
        let field = String::new();
        self.part = Part::Passes { field };
        self.parts(self.scanned)
    }

    /// What can be handed out without reading on.
    fn ready(&mut self) -> Option<Next> {
        let content = match &self.part {
            Part::Whole if self.whole >= ENOUGH => return Some(self.cut()),
            Part::Whole if self.scanned.saturating_sub(self.whole) > self.most => {
                return Some(self.too_long());
            }
            Part::Whole => return None,
            Part::File { content, .. } | Part::Likely { content, .. } => *content,
            Part::Text { .. } | Part::Passes { .. } => 0,
        };
        let come = self.scanned.saturating_sub(content);
        match self.part {
            // The very last bytes go on only when it is known how the body ends.
            Part::Passes { .. } if come > 0 && !(self.has_ended && come == self.held.len()) => {
                Some(Next::Pass(self.take(come)))
            }
            // As the last of what passes: whoever sends it on asks no further.
            Part::Text { .. } if self.has_ended && self.held.len() == WINDOW => None,
            Part::Text { .. } if come >= WINDOW => Some(self.window(WINDOW)),
            Part::File { is_text: true, .. } if come < WINDOW => None,
            Part::File { .. } if come >= FILE_HEAD => self.begin_file(content),
            Part::Likely { .. } if come > self.most => Some(self.begin_likely(content)),
            _ => None,
        }
    }

    /// A part is longer than may be judged whole; those before it are judged first.
    fn too_long(&mut self) -> Next {
        if self.whole > 0 {
            self.cut()
        } else {
            Next::TooLong
        }
    }

    /// Begins a part that is likely a file and too long. Binary data in it is not one value but the texts in it, so the rest
    /// is judged in windows; but all of it is.
    fn begin_likely(&mut self, content: usize) -> Next {
        let bytes = self.held.get(content..self.scanned).unwrap_or_default();
        let is_binary = looks_binary(bytes);
        let Part::Likely { field, .. } = &mut self.part else {
            return self.too_long();
        };
        if !is_binary {
            return self.too_long();
        }
        let field = std::mem::take(field);
        let unit = self.parts(self.scanned);
        let end = last(&unit.bytes);
        self.part = Part::Text {
            field,
            utf16: None,
            end,
        };
        Next::Unit(unit)
    }

    /// Says what a file is of which enough has come.
    fn begin_file(&mut self, content: usize) -> Option<Next> {
        let bytes = self.held.get(content..self.scanned).unwrap_or_default();
        let Part::File {
            field,
            is_text,
            is_stored_by_all,
            ..
        } = &mut self.part
        else {
            return None;
        };
        let is_judged_whole = *is_text
            || !*is_stored_by_all
            || !looks_binary(bytes.get(..BEGINNING).unwrap_or(bytes));
        if !is_judged_whole {
            let field = std::mem::take(field);
            let unit = self.parts(content + FILE_HEAD);
            self.part = Part::Passes { field };
            return Some(Next::Unit(unit));
        }
        *is_text = true;
        if bytes.len() < WINDOW {
            return None;
        }
        let field = std::mem::take(field);
        let utf16 = utf16(bytes);
        let unit = self.parts(content + WINDOW);
        let end = last(&unit.bytes);
        self.part = Part::Text { field, utf16, end };
        Some(Next::Unit(unit))
    }

    /// Takes note of what is read; what is left of a text file is handed out where it ends.
    fn read(&mut self, token: Token) -> Option<Next> {
        let start = self.scanned;
        self.scanned += token.length;
        match token.kind {
            TokenKind::Delimiter { is_last } => {
                let left = match self.part {
                    Part::Text { .. } if start > 0 => Some(self.window(start)),
                    Part::Text { .. } | Part::Passes { .. } => None,
                    Part::Whole | Part::File { .. } | Part::Likely { .. } => {
                        self.whole = start;
                        None
                    }
                };
                self.part = Part::Whole;
                if self.is_over {
                    self.note("multipart_after_end");
                }
                if let Some(note) = token.note {
                    self.note(note);
                }
                self.is_over |= is_last;
                return left;
            }
            TokenKind::Head if token.note.is_none() => self.part = self.begun(start..self.scanned),
            TokenKind::Content => {
                if let Some(note) = token.note {
                    self.doubt(note);
                }
            }
            TokenKind::Head | TokenKind::Outside => {}
        }
        None
    }

    /// What part begins with that head.
    fn begun(&self, head: Range<usize>) -> Part {
        // What is found is found again with the unit.
        let mut values = Values::new(Work::for_body(0));
        let mut out = Collector::new(&self.held, PlaceKind::Body, Source::Body, &mut values);
        let head = Head::read(head, usize::MAX, &mut out);
        let name = head.name.as_ref().map(|(_, range)| out.text(range));
        let field = name::of_bytes(name.unwrap_or_default()).into_owned();
        let content = self.scanned;
        if head.is_certainly_a_file() {
            Part::File {
                field,
                content,
                is_text: false,
                is_stored_by_all: head.is_stored_by_all(),
            }
        } else if head.is_likely_a_file() {
            Part::Likely { field, content }
        } else {
            Part::Whole
        }
    }

    /// Some parsers end the part here: what follows is a value to them.
    fn doubt(&mut self, note: &'static str) {
        let part = std::mem::replace(&mut self.part, Part::Whole);
        self.part = match part {
            Part::Passes { field } => Part::Text {
                field,
                utf16: None,
                end: Vec::new(),
            },
            Part::Text { .. } => part,
            // Read again with its unit.
            Part::File { .. } | Part::Likely { .. } | Part::Whole => return,
        };
        self.note(note);
    }

    fn note(&mut self, note: &'static str) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// What is handed out because nothing more can be read of what has come.
    fn rest(&mut self) -> Next {
        if self.whole > 0 {
            return self.cut();
        }
        if !self.has_ended {
            return Next::More;
        }
        let part = std::mem::replace(&mut self.part, Part::Whole);
        let (field, utf16, end) = match part {
            Part::Passes { field } => (field, None, Vec::new()),
            Part::Text { field, utf16, end } => (field, utf16, end),
            Part::Whole | Part::File { .. } | Part::Likely { .. } if self.held.is_empty() => {
                return Next::End;
            }
            Part::Whole | Part::File { .. } | Part::Likely { .. } => {
                return Next::Unit(self.parts(self.held.len()));
            }
        };
        // A file that nothing ends.
        self.note("multipart_unterminated");
        self.part = Part::Text { field, utf16, end };
        let next = self.window(self.held.len());
        self.part = Part::Whole;
        next
    }

    /// The whole parts that are held.
    fn cut(&mut self) -> Next {
        Next::Unit(self.parts(self.whole))
    }

    /// A unit of parts that ends at `end` of what is held.
    fn parts(&mut self, end: usize) -> Unit {
        let offset = self.offset;
        let bytes = self.take(end);
        Unit {
            bytes,
            offset,
            repeated: 0,
            shape: Shape::Parts {
                boundary: self.boundary.clone(),
                is_end: self.has_ended && self.held.is_empty(),
            },
            notes: std::mem::take(&mut self.notes),
        }
    }

    /// The next `length` bytes of a text file, behind the end of what was judged of it.
    fn window(&mut self, length: usize) -> Next {
        let offset = self.offset;
        let bytes = self.take(length);
        let notes = std::mem::take(&mut self.notes);
        let Part::Text { field, utf16, end } = &mut self.part else {
            return Next::Pass(bytes);
        };
        let judged = Bytes::from([end.as_slice(), &bytes].concat());
        let unit = Unit {
            offset: offset.saturating_sub(end.len() as u64),
            repeated: end.len(),
            shape: Shape::Content {
                field: field.clone(),
                utf16: *utf16,
            },
            notes,
            bytes: judged,
        };
        *end = last(&unit.bytes);
        Next::Unit(unit)
    }

    /// Hands out the first of what is held.
    fn take(&mut self, length: usize) -> Bytes {
        let length = length.min(self.held.len());
        self.offset += length as u64;
        self.scanned = self.scanned.saturating_sub(length);
        self.whole = self.whole.saturating_sub(length);
        if let Part::File { content, .. } | Part::Likely { content, .. } = &mut self.part {
            *content = content.saturating_sub(length);
        }
        self.held.split_to(length).freeze()
    }
}

/// The end of what was judged, to be judged again with what follows; an even number of bytes from it.
fn last(bytes: &Bytes) -> Vec<u8> {
    let from = bytes.len().saturating_sub(OVERLAP);
    bytes.get(from..).unwrap_or_default().to_vec()
}
