//! The text in bytes that are none on the whole.
//!
//! In noise every rule finds something sooner or later, so of bytes that look binary only those stretches are judged in
//! which there is text: an attack is one, whatever stands around it.

use std::ops::Range;

use super::super::collector::Collector;
use super::super::decode::Syntax;
use super::super::names::Name;
use super::classify::{BEGINNING, looks_binary};

/// So many letters in a row, on one line, are rare in the noise of a picture, and occur in attacks that do anything.
const TEXT: usize = 9;

/// A stretch of text with control characters in it that noise has never: some databases take them for blanks.
const LONG: usize = 16;

/// Adds text, or what is text in it if it looks binary. What is short is judged whole: it makes little noise.
pub(super) fn value(name: impl Into<Name>, range: Range<usize>, out: &mut Collector<'_>) {
    let text = out.text(&range);
    let name = out.name(name);
    if text.len() <= BEGINNING || !looks_binary(text) {
        out.value(name, range, Syntax::Text);
        return;
    }
    let full = out.full();
    for run in of(text) {
        let run = range.start + run.start..range.start + run.end;
        if out.len() >= full {
            out.rest("too_many_values", run.start..range.end);
            return;
        }
        out.value(name, run, Syntax::Text);
    }
}

/// The stretches of text in bytes that are none on the whole.
pub(super) fn of(bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    bytes.utf8_chunks().flat_map(move |chunk| {
        let start = at;
        at += chunk.valid().len() + chunk.invalid().len();
        stretches(chunk.valid().as_bytes()).map(move |run| start + run.start..start + run.end)
    })
}

/// Whether there are that many letters in a row in noise.
pub(super) fn has_text(bytes: &[u8], length: usize) -> bool {
    bytes
        .split(|byte| !matches!(byte, b' '..=b'~' | b'\t'))
        .any(|run| run.len() >= length)
}

/// The stretches between control characters that are no blanks. One alone is part of a stretch, but for NUL, of which data
/// is full.
fn stretches(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(at..)?;
            let start = at + rest.iter().position(|byte| !is_control(*byte))?;
            let rest = text.get(start..)?;
            let length = rest
                .iter()
                .zip(rest.iter().skip(1).chain(&[0]))
                .position(|(byte, next)| *byte == 0 || (is_control(*byte) && is_control(*next)))
                .unwrap_or(rest.len());
            at = start + length;
            let stretch = rest.get(..length)?;
            if length >= LONG || has_text(stretch, TEXT) {
                return Some(start..at);
            }
        }
    })
}

const fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_in_noise_and_noise_is_none() {
        for (bytes, expected) in [
            (&b""[..], &[][..]),
            (b"\0\0\0", &[]),
            (b"12345678", &[]),
            (b"12345\n67890", &[]),
            (b"123456789", &["123456789"]),
            (
                b"\xff' or 1=1--\xff<b>\0\0\xc0one, two, three\x01",
                &["' or 1=1--", "one, two, three"],
            ),
            // A control character alone does not cut.
            (
                b"\x01\x02<scr\x01ipt src=a>\x01\x02",
                &["<scr\x01ipt src=a>"],
            ),
            (
                b"\xff'\x01or\x01'a'\x01=\x01'a'\x01union\x01--\xff",
                &["'\x01or\x01'a'\x01=\x01'a'\x01union\x01--"],
            ),
            (
                "\u{ff1c}script\u{ff1e}alert\u{ff08}\0\0".as_bytes(),
                &["\u{ff1c}script\u{ff1e}alert\u{ff08}"],
            ),
        ] {
            let found: Vec<_> = of(bytes).map(|run| &bytes[run]).collect();
            let expected: Vec<_> = expected.iter().map(|run| run.as_bytes()).collect();
            assert_eq!(found, expected, "{}", bytes.escape_ascii());
        }
    }
}
