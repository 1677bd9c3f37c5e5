//! Hexadecimal digits, two for each byte.

use std::ops::Range;

use super::percent::hex_digit;
use super::token::{self, Piece};

/// The shortest row of digits that are read without a letter among them or `0x` before: of numbers that are shorter, too
/// many would be read as text.
const SHORTEST_NUMBER: usize = 40;

/// Where a run of letters has digits that write a text: all of it, or all behind `0x`.
pub(super) fn digits(run: &[u8]) -> Option<Range<usize>> {
    let is_marked = matches!(run, [b'0', b'x' | b'X', ..]);
    let start = if is_marked { 2 } else { 0 };
    let digits = run.get(start..)?;
    let mut head = [0; token::HEAD];
    let mut len = 0;
    for (place, pair) in head.iter_mut().zip(digits.chunks_exact(2)) {
        *place = byte(pair)?;
        len += 1;
    }
    let is_text = head.get(..len).is_some_and(token::begins_as_text)
        && digits.len().is_multiple_of(2)
        && digits.iter().all(u8::is_ascii_hexdigit)
        && (is_marked
            || digits.len() >= SHORTEST_NUMBER
            || digits.iter().any(u8::is_ascii_alphabetic));
    is_text.then_some(start..run.len())
}

/// The bytes that the digits in `range` write, one by one.
pub(super) fn pieces(text: &[u8], range: Range<usize>) -> impl Iterator<Item = Piece> + Clone {
    let start = range.start;
    let digits = text.get(range).unwrap_or_default();
    let pairs = digits.chunks_exact(2).enumerate();
    pairs.map_while(move |(index, pair)| {
        let at = start + 2 * index;
        Some(Piece {
            range: at..at + 2,
            bytes: [byte(pair)?, 0, 0],
            len: 1,
        })
    })
}

fn byte(pair: &[u8]) -> Option<u8> {
    match pair {
        [high, low] => Some(hex_digit(*high)? << 4 | hex_digit(*low)?),
        _ => None,
    }
}
