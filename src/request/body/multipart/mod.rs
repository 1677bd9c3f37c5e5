//! `multipart/form-data` (RFC 7578): names, file names, values and headers of parts.
//!
//! Parsers of this format differ more than those of any other, so ours resolves nothing: what it finds it adds, what two
//! parsers would read differently it notes, and what belongs to no part is judged as text.
//!
//! There is one reader. [`Scanner`] finds the parts, of a body that is there as a whole and of one that streams;
//! [`Head`] reads what stands before a part's content, and [`content`] what is in it. [`Units`] cuts a body that streams
//! into units, each of which is judged before its own bytes go on, and is read as a short body of its own.

mod boundary;
mod content;
mod head;
mod media;
mod part;
mod scanner;
mod unit;
mod units;
mod written;

use std::ops::Range;

pub(super) use self::boundary::Boundary;
use self::boundary::MAX_BOUNDARY;
use self::head::Head;
use self::scanner::{Scanner, TokenKind};
use self::unit::Shape;
pub use self::unit::{Next, Unit};
pub use self::units::Units;
use super::super::collector::Collector;

/// In what parts are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    /// A body.
    Body,
    /// A piece of a body, with the end of it or not.
    Piece { is_end: bool },
    /// The content of a part.
    Part,
}

/// Adds the parts of the body. `false` if there are none, by no reading of the declared boundary nor by the one that the
/// body begins with.
pub(super) fn inputs(declared: &Boundary, out: &mut Collector<'_>) -> bool {
    let used = first_line_boundary(out.bytes);
    let mut found = false;
    if let Some(note) = declared.note() {
        out.note(note, 0..0);
    }
    let whole = 0..out.bytes.len();
    for boundary in declared.readings() {
        found |= parts(boundary, whole.clone(), Within::Body, out);
    }
    if let Some(used) = used
        && declared.readings().iter().all(|known| known != used)
    {
        out.note("multipart_boundary", 0..used.len() + 2);
        found |= parts(used, whole, Within::Body, out);
    }
    found
}

/// Adds the parts of a piece of a body that was cut by [`Units`].
pub(super) fn unit_inputs(unit: &Unit, out: &mut Collector<'_>) {
    for note in &unit.notes {
        out.note(note, 0..out.bytes.len());
    }
    match &unit.shape {
        Shape::Parts { boundary, is_end } => {
            let within = Within::Piece { is_end: *is_end };
            parts(boundary, 0..out.bytes.len(), within, out);
        }
        Shape::Content { field, utf16 } => content::add_more(field, *utf16, out),
    }
}

/// Adds the parts that the content of a part consists of. `false` if there are none.
fn nested(declared: &Boundary, range: Range<usize>, out: &mut Collector<'_>) -> bool {
    let mut found = false;
    if let Some(note) = declared.note() {
        out.note(note, range.clone());
    }
    for boundary in declared.readings() {
        found |= parts(boundary, range.clone(), Within::Part, out);
    }
    found
}

/// The boundary that the body's first line is.
fn first_line_boundary(body: &[u8]) -> Option<&[u8]> {
    let body = body.strip_prefix(b"\r\n").unwrap_or(body);
    let rest = body.strip_prefix(b"--")?;
    let rest = rest.get(..MAX_BOUNDARY).unwrap_or(rest);
    let boundary = rest.get(..memchr::memchr(b'\n', rest)?)?.trim_ascii_end();
    (!boundary.is_empty()).then_some(boundary)
}

/// Adds the parts in `range` of the body that `boundary` makes. `false` if there are none.
fn parts(boundary: &[u8], range: Range<usize>, within: Within, out: &mut Collector<'_>) -> bool {
    let full = out.full();
    let mut scanner = Scanner::new(boundary);
    let mut reader = Reader {
        within,
        part: None,
        outside: range.start..range.start,
        found: false,
        is_open: false,
        has_ended: false,
    };
    let mut at = range.start;
    while let Some(token) = scanner.next(out.text(&(at..range.end)), true) {
        let span = at..at + token.length;
        at = span.end;
        if let Some(note) = token.note {
            out.note(note, span.clone());
        }
        match token.kind {
            TokenKind::Outside => reader.outside.end = at,
            TokenKind::Delimiter { is_last } => {
                reader.end_part(span.start, out);
                reader.delimiter(span, is_last, out);
            }
            TokenKind::Head => {
                let head = Head::read(span, full, out);
                reader.part = Some((head, at..at));
            }
            TokenKind::Content => reader.content(at, token.note.is_some()),
        }
        if out.len() >= full {
            reader.part = None;
            out.rest("too_many_values", at..range.end);
            return true;
        }
    }
    reader.end(range, out);
    reader.found
}

/// What is read of a body at the moment.
struct Reader {
    within: Within,
    /// The part that has begun: its head, and its content so far.
    part: Option<(Head, Range<usize>)>,
    /// What belongs to no part, since the last delimiter or from the beginning.
    outside: Range<usize>,
    found: bool,
    /// Whether the last delimiter says that another one follows.
    is_open: bool,
    has_ended: bool,
}

impl Reader {
    fn content(&mut self, end: usize, is_doubtful: bool) {
        if let Some((head, content)) = &mut self.part {
            content.end = end;
            if is_doubtful {
                head.doubt();
            }
        }
    }

    fn end_part(&mut self, end: usize, out: &mut Collector<'_>) {
        let Some((head, content)) = self.part.take() else {
            return;
        };
        if head.name.is_none() {
            out.note("multipart_nameless", content.start..end);
        }
        content::add(&head, content, self.within, out);
    }

    fn delimiter(&mut self, span: Range<usize>, is_last: bool, out: &mut Collector<'_>) {
        self.around(span.start, out);
        if self.has_ended {
            // Behind the last delimiter nothing counts, but some parsers go on.
            out.note("multipart_after_end", span.clone());
        }
        self.found = true;
        self.is_open = !is_last;
        self.has_ended |= is_last;
        self.outside = span.end..span.end;
    }

    /// Adds what is outside of all parts and ends here, if it is more than blanks.
    fn around(&mut self, end: usize, out: &mut Collector<'_>) {
        let kind = if self.has_ended {
            "multipart_epilogue"
        } else {
            "multipart_preamble"
        };
        let outside = self.outside.start..self.outside.end.min(end);
        if !out.text(&outside).trim_ascii().is_empty() {
            out.rest(kind, outside);
        }
    }

    fn end(&mut self, range: Range<usize>, out: &mut Collector<'_>) {
        let goes_on = self.within == Within::Piece { is_end: false };
        if self.is_open && !goes_on {
            let from = self
                .part
                .as_ref()
                .map_or(range.end, |(_, content)| content.start);
            out.note("multipart_unterminated", from..range.end);
        }
        self.end_part(range.end, out);
        // A body in which there is no delimiter is no multipart at all, and judged as text.
        if self.found || self.within != Within::Body {
            self.around(range.end, out);
        }
    }
}

#[cfg(test)]
mod tests;
