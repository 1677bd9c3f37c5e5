//! Texts that are hidden in a run of letters and digits: base64 and hexadecimal digits.
//!
//! Every session, digest and identifier is such a run, and next to none of them hides anything. So a run is looked at
//! twelve bytes deep: only what begins as text is decoded at all. A form of these is the hidden text alone, because that
//! is what an application gets that decodes it, wherever the run stands (`Basic …`, `data:…;base64,…`, a piece of a JWT).

use std::ops::Range;

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::{Decoded, base64, hex};

/// The shortest run that is looked at. What is shorter hides next to nothing and may be any word.
const SHORTEST: usize = 16;

/// The shortest run that is looked at where its padding says that it is base64.
const SHORTEST_PADDED: usize = 8;

/// How many bytes must look like text for the rest to be decoded.
pub(super) const HEAD: usize = 12;

/// How many hidden texts of a value are forms of their own. Further ones share one form.
const ALONE: usize = 3;

/// A run that hides a text.
pub(super) struct Token {
    /// Where it is, padding included.
    pub(super) range: Range<usize>,
    pub(super) coding: Coding,
}

/// How a text is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Base64,
    Hex,
}

/// A few bytes that are written together: where, and which.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) range: Range<usize>,
    pub(super) bytes: [u8; 3],
    pub(super) len: usize,
}

/// The tokens of a text, from the first to the last.
pub(super) struct Tokens<'t> {
    text: &'t [u8],
    at: usize,
    /// The end of a run that is no token as a whole, while the pieces between its slashes are tried.
    run_end: usize,
}

/// Whether a text may hide another. Most are too short.
#[inline]
pub(super) fn may_hide(text: &[u8]) -> bool {
    (text.len() >= SHORTEST || text.last() == Some(&b'='))
        && (Tokens::of(text).next().is_some()
            || (may_be_scattered(text) && scattered(text).is_some()))
}

/// Whether the first letters of a text allow for [`scattered`] ones; those of nearly every word do not.
#[inline]
fn may_be_scattered(text: &[u8]) -> bool {
    text.first_chunk::<4>().is_some_and(|first| {
        base64::may_begin(first) || !first.iter().all(|byte| base64::is_letter(*byte))
    })
}

/// What a text hides.
pub(super) fn decode(form: &Form<'_>) -> impl Iterator<Item = Decoded> {
    let mut tokens = Tokens::of(form.text);
    let mut number = 0;
    let scattered = scattered(form.text).map(|all| hidden(form, all, std::iter::empty()));
    std::iter::from_fn(move || {
        let first = tokens.next()?;
        number += 1;
        let others = tokens
            .by_ref()
            .take(if number > ALONE { usize::MAX } else { 0 });
        Some(hidden(form, first, others))
    })
    .chain(scattered)
}

/// All letters of a text as one token, if they are none by themselves: most decoders of base64 pass over whatever is no
/// letter (RFC 4648, 3.3, warns of it; PHP's and Python's do so unless told otherwise).
fn scattered(text: &[u8]) -> Option<Token> {
    /// How far apart the letters may be that tell.
    const BEGINNING: usize = 128;
    let mut head = [0; SHORTEST];
    let beginning = text.get(..BEGINNING).unwrap_or(text);
    let mut letters = beginning.iter().filter(|byte| base64::is_letter(**byte));
    let (first, others) = head.split_at_mut(4);
    for place in first.iter_mut() {
        *place = *letters.next()?;
    }
    // Most texts hide nothing, as their first letters tell.
    if !base64::may_begin(first) {
        return None;
    }
    for place in others {
        *place = *letters.next()?;
    }
    if !base64::begins_as_text(&head) {
        return None;
    }
    let padding = text.iter().rev().take_while(|byte| **byte == b'=').count();
    let unpadded = text.get(..text.len() - padding)?;
    // Pieces that are long enough are tokens of their own: the lines of mail, the parts of a signed token.
    let mut runs = unpadded.rsplit(|byte| !base64::is_letter(*byte)).skip(1);
    runs.any(|run| (1..SHORTEST).contains(&run.len()))
        .then_some(Token {
            range: 0..text.len(),
            coding: Coding::Base64,
        })
}

/// What the tokens of a text hide that are at least so long, each by itself.
pub(super) fn decode_long(form: &Form<'_>, at_least: usize) -> impl Iterator<Item = Decoded> {
    Tokens::of(form.text)
        .filter(move |token| token.range.len() >= at_least)
        .map(|token| hidden(form, token, std::iter::empty()))
}

/// The form of what some tokens hide, each on its own line.
fn hidden(form: &Form<'_>, first: Token, others: impl Iterator<Item = Token>) -> Decoded {
    let text = form.text;
    let mut steps = first.coding.step();
    let len = first.range.len();
    let mut rewrite = Rewrite::excerpt(text, form.offsets, first.range.start, len);
    first.write(text, &mut rewrite);
    for token in others {
        if steps != token.coding.step() {
            steps = &[DecodeStep::Base64, DecodeStep::Hex];
        }
        let done = rewrite.done();
        rewrite.replace(done, token.range.start - done, b"\n");
        token.write(text, &mut rewrite);
    }
    form.next(steps, rewrite.cut())
}

// === impl Tokens ===

impl<'t> Tokens<'t> {
    fn of(text: &'t [u8]) -> Self {
        Self {
            text,
            at: 0,
            run_end: 0,
        }
    }

    /// The next run of letters that is long enough.
    fn run(&self) -> Option<Range<usize>> {
        let mut start = self.at;
        // Looked at from its end, a window tells how far the next run is at least: most bytes are never looked at.
        while let Some(window) = self.text.get(start..start + SHORTEST) {
            match window.iter().rposition(|byte| !base64::is_letter(*byte)) {
                Some(at) => start += at + 1,
                None => {
                    let behind = self.text.get(start + SHORTEST..).unwrap_or_default();
                    let more = behind.iter().take_while(|byte| base64::is_letter(**byte));
                    return Some(start..start + SHORTEST + more.count());
                }
            }
        }
        self.padded_run()
    }

    /// The short run at the end of the text whose padding gives it away.
    fn padded_run(&self) -> Option<Range<usize>> {
        let rest = self.text.get(self.at..)?;
        let unpadded = match rest {
            [unpadded @ .., b'=', b'='] | [unpadded @ .., b'='] => unpadded,
            _ => return None,
        };
        let run = unpadded
            .iter()
            .rev()
            .take_while(|byte| base64::is_letter(**byte))
            .count();
        let end = self.at + unpadded.len();
        (run >= SHORTEST_PADDED).then(|| end - run..end)
    }

    /// The next piece between slashes of a run that is no token as a whole: a path may have a token for a segment.
    fn segment(&mut self) -> Option<Range<usize>> {
        let start = self.at;
        let rest = self
            .text
            .get(start..self.run_end)
            .filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(b'/', rest).unwrap_or(rest.len());
        self.at = start + len + 1;
        Some(start..start + len)
    }

    /// The token that a run begins with, if it is one.
    fn token(&mut self, run: Range<usize>) -> Option<Token> {
        let text = self.text.get(run.clone())?;
        let (coding, range) = if let Some(digits) = hex::digits(text) {
            (
                Coding::Hex,
                run.start + digits.start..run.start + digits.end,
            )
        } else if base64::begins_as_text(text) {
            (Coding::Base64, run.start..base64::end(self.text, run))
        } else {
            return None;
        };
        self.at = range.end;
        Some(Token { range, coding })
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            while let Some(segment) = self.segment() {
                if segment.len() >= SHORTEST
                    && let Some(token) = self.token(segment)
                {
                    return Some(token);
                }
            }
            self.at = self.at.max(self.run_end);
            let run = self.run()?;
            self.at = run.end;
            self.run_end = 0;
            if let Some(token) = self.token(run.clone()) {
                return Some(token);
            }
            self.at = run.start;
            self.run_end = run.end;
        }
    }
}

// === impl Token ===

impl Token {
    /// Writes the text that the token hides in its place.
    fn write(&self, text: &[u8], rewrite: &mut Rewrite<'_>) {
        match self.coding {
            Coding::Base64 => write(base64::pieces(text, self.range.clone()), rewrite),
            Coding::Hex => write(hex::pieces(text, self.range.clone()), rewrite),
        }
    }
}

impl Coding {
    const fn step(self) -> &'static [DecodeStep] {
        match self {
            Self::Base64 => &[DecodeStep::Base64],
            Self::Hex => &[DecodeStep::Hex],
        }
    }
}

// === Text or not ===

/// What bytes are written in.
#[derive(Clone, Copy)]
enum Written {
    Utf8,
    /// ASCII in units of two bytes, as Windows scripts are written before they are encoded.
    Utf16 {
        big_endian: bool,
    },
}

/// Whether bytes of which more may follow begin as a text that people or programs write: printable, in one of the ways
/// of writing that are known here.
pub(super) fn begins_as_text(bytes: &[u8]) -> bool {
    written_in(bytes).is_some()
}

fn written_in(bytes: &[u8]) -> Option<Written> {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    let (mut has_nul, mut is_ascii) = (false, true);
    for byte in head {
        match byte {
            0 => has_nul = true,
            0x80.. => is_ascii = false,
            byte if is_printable(*byte) => {}
            _ => return None,
        }
    }
    match (has_nul, is_ascii) {
        (false, true) => Some(Written::Utf8),
        (false, false) => is_utf8(head).then_some(Written::Utf8),
        (true, true) => in_utf16(head),
        (true, false) => None,
    }
}

/// Whether bytes begin as UTF-8 without control characters. The last character may be cut off.
fn is_utf8(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && head.len() == HEAD => {
            let valid = head.get(..error.valid_up_to()).map(std::str::from_utf8);
            valid.and_then(Result::ok).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid
        .chars()
        .any(|character| matches!(character, '\u{80}'..='\u{9f}'))
}

fn in_utf16(head: &[u8]) -> Option<Written> {
    let (units, _) = head.as_chunks::<2>();
    let orders = [false, true].into_iter();
    let mut fits = orders.filter(|big_endian| {
        let mut characters = units.iter().map(|unit| ascii(*unit, *big_endian));
        characters.all(|character| character.is_some_and(is_printable))
    });
    fits.next().map(|big_endian| Written::Utf16 { big_endian })
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

/// The ASCII character that a unit of UTF-16 is.
const fn ascii(unit: [u8; 2], big_endian: bool) -> Option<u8> {
    match (unit, big_endian) {
        ([byte @ 0..=0x7f, 0], false) | ([0, byte @ 0..=0x7f], true) => Some(byte),
        _ => None,
    }
}

/// Writes the text that pieces are, up to where they are none.
fn write(pieces: impl Iterator<Item = Piece> + Clone, rewrite: &mut Rewrite<'_>) {
    let bytes: Vec<u8> = pieces
        .clone()
        .flat_map(|piece| piece.bytes.into_iter().take(piece.len))
        .collect();
    match written_in(&bytes) {
        Some(Written::Utf16 { big_endian }) => write_utf16(pieces, big_endian, rewrite),
        _ => {
            let mut left = bytes
                .utf8_chunks()
                .next()
                .map_or(0, |text| text.valid().len());
            for piece in pieces.take_while(|piece| piece.len > 0) {
                let bytes = piece.bytes.get(..piece.len.min(left)).unwrap_or_default();
                if bytes.is_empty() {
                    break;
                }
                rewrite.replace_piece(piece.range.start, piece.range.len(), bytes);
                left -= bytes.len();
            }
        }
    }
}

/// The same where two bytes are one character. Pieces are taken together until they are whole characters.
fn write_utf16(pieces: impl Iterator<Item = Piece>, big_endian: bool, rewrite: &mut Rewrite<'_>) {
    let mut held: Vec<u8> = Vec::new();
    let mut start = None;
    for piece in pieces {
        let start_here = *start.get_or_insert(piece.range.start);
        held.extend(piece.bytes.iter().take(piece.len));
        let (units, []) = held.as_chunks::<2>() else {
            continue;
        };
        let characters: Option<Vec<u8>> =
            units.iter().map(|unit| ascii(*unit, big_endian)).collect();
        let Some(characters) = characters else {
            return;
        };
        rewrite.replace_piece(start_here, piece.range.end - start_here, &characters);
        held.clear();
        start = None;
    }
}
