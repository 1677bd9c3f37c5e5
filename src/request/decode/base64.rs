//! Base64 (RFC 4648), in either alphabet, with or without padding.

use std::ops::Range;

use super::token::{self, Piece};

/// No digit.
const NONE: u8 = u8::MAX;

/// The digit that each byte writes. Of the standard and the URL-safe alphabet each is read, for nobody mixes them.
static DIGITS: [u8; 256] = {
    let mut digits = [NONE; 256];
    let mut rest = digits.as_mut_slice();
    let mut byte: u8 = 0;
    while let [first, others @ ..] = rest {
        *first = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => NONE,
        };
        byte = byte.wrapping_add(1);
        rest = others;
    }
    digits
};

/// Whether a byte is of the alphabets.
#[inline]
pub(super) fn is_letter(byte: u8) -> bool {
    raw_digit(byte) != NONE
}

/// The six bits that a letter writes.
#[inline]
pub(super) fn digit(byte: u8) -> Option<u8> {
    let digit = raw_digit(byte);
    (digit != NONE).then_some(digit)
}

#[inline]
fn raw_digit(byte: u8) -> u8 {
    DIGITS.get(usize::from(byte)).copied().unwrap_or(NONE)
}

/// Whether what a run of letters writes may begin as text, by the first four of them.
#[inline]
pub(super) fn may_begin(run: &[u8]) -> bool {
    run.get(..4)
        .is_none_or(|first| may_begin_text(read(first).0))
}

/// Whether what a run of letters writes begins as text.
pub(super) fn begins_as_text(run: &[u8]) -> bool {
    // Nearly every run that hides nothing is told by its first letters.
    if !may_begin(run) {
        return false;
    }
    let mut head = [0; token::HEAD];
    let mut len = 0;
    let quads = run.chunks(4);
    for (place, quad) in head.chunks_mut(3).zip(quads) {
        let (bytes, written) = read(quad);
        if bytes.iter().take(written).any(|byte| is_never_text(*byte)) {
            return false;
        }
        for (place, byte) in place.iter_mut().zip(bytes.iter().take(written)) {
            *place = *byte;
        }
        len += written;
    }
    head.get(..len).is_some_and(token::begins_as_text)
}

/// Whether a text can begin with these bytes, in whatever it is written: anything but control characters and what is no
/// UTF-8 (the other ways of writing are of ASCII alone).
const fn may_begin_text(bytes: [u8; 3]) -> bool {
    match bytes {
        [0..0x80, 0..0x80, 0..0x80 | 0xc2..=0xf4]
        | [0..0x80, 0xc2..=0xf4, 0x80..0xc0]
        | [0xc2..0xe0, 0x80..0xc0, 0..0x80 | 0xc2..=0xf4]
        | [0xe0..=0xf4, 0x80..0xc0, 0x80..0xc0] => {
            let [a, b, c] = bytes;
            !is_never_text(a) && !is_never_text(b) && !is_never_text(c)
        }
        _ => false,
    }
}

/// Whether a byte is of no text, in whatever it is written.
const fn is_never_text(byte: u8) -> bool {
    matches!(byte, 0x01..=0x08 | 0x0b | 0x0c | 0x0e..=0x1f | 0x7f)
}

/// Where the token ends that begins with a run of letters: behind its padding; behind further lines, where it is broken
/// into lines as mail is.
pub(super) fn end(text: &[u8], run: Range<usize>) -> usize {
    let mut end = run.end;
    let mut is_whole = run.len().is_multiple_of(4);
    while is_whole {
        let rest = text.get(end..).unwrap_or_default();
        let line_end = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => break,
        };
        let line = rest.get(line_end..).unwrap_or_default();
        let letters = line.iter().take_while(|byte| is_letter(**byte)).count();
        // What is followed by a blank or ends a sentence is a word.
        if letters < 2 || matches!(line.get(letters), Some(b' ' | b'\t' | b'.' | b',' | b':')) {
            break;
        }
        end += line_end + letters;
        is_whole = letters.is_multiple_of(4);
    }
    let rest = text.get(end..).unwrap_or_default();
    end + rest
        .iter()
        .take(2)
        .take_while(|byte| **byte == b'=')
        .count()
}

/// The bytes that all letters of a text write; whatever else is in it is passed over.
pub(super) fn bytes(text: &[u8]) -> Vec<u8> {
    pieces(text, 0..text.len())
        .flat_map(|piece| piece.bytes.into_iter().take(piece.len))
        .collect()
}

/// The bytes that the letters in `range` write, in pieces of four letters.
pub(super) fn pieces(text: &[u8], range: Range<usize>) -> impl Iterator<Item = Piece> + Clone {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let mut quad = [b'='; 4];
        let mut end = at;
        let rest = text.get(at..range.end)?;
        let letters = rest
            .iter()
            .enumerate()
            .filter(|(_, byte)| is_letter(**byte));
        let mut len = 0;
        for (place, (offset, byte)) in quad.iter_mut().zip(letters) {
            *place = *byte;
            end = at + offset + 1;
            len += 1;
        }
        if len < 4 {
            // The padding, too, is a part of the spelling.
            end = range.end;
        }
        let piece = at..end;
        at = end;
        let (bytes, written) = read(quad.get(..len)?);
        (written > 0).then_some(Piece {
            range: piece,
            bytes,
            len: written,
        })
    })
}

/// The bytes that up to four letters write, and how many they are. One letter alone writes none.
#[inline]
fn read(letters: &[u8]) -> ([u8; 3], usize) {
    let bits = |byte: u8| u32::from(digit(byte).unwrap_or(0));
    let bits = match *letters {
        [a, b, c, d] => bits(a) << 18 | bits(b) << 12 | bits(c) << 6 | bits(d),
        [a, b, c] => bits(a) << 18 | bits(b) << 12 | bits(c) << 6,
        [a, b] => bits(a) << 18 | bits(b) << 12,
        _ => 0,
    };
    let [_, a, b, c] = bits.to_be_bytes();
    ([a, b, c], letters.len().saturating_sub(1).min(3))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_is_given_up_by_its_first_bytes(
            text in prop_oneof![
                "\\PC{12}".prop_map(String::into_bytes),
                proptest::collection::vec(any::<u8>(), 12),
                "[ -~]{6}".prop_map(|text| text.bytes().flat_map(|byte| [byte, 0]).collect()),
            ],
        ) {
            let first = [text[0], text[1], text[2]];
            prop_assert!(!token::begins_as_text(&text) || may_begin_text(first));
        }
    }
}
