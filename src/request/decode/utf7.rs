//! UTF-7, as old browsers and mail programs read it where nobody says what a text is written in.

use memchr::memmem;

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::{Decoded, base64};

/// Whether a text may have any. A plus is common in types and dates.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    memchr::memchr_iter(b'+', text).any(|at| text.get(at + 1) == Some(&b'A'))
}

/// `+ADw-` → `<` (RFC 2152). Only what writes printable ASCII counts, which nobody writes so who does not hide it; all else
/// that follows a plus is left alone.
pub(super) fn decode(form: &Form<'_>) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    let mut written = Vec::new();
    let mut next = 0;
    // The upper half of an ASCII character is zero, so its first six bits write an A.
    for at in memmem::find_iter(text, b"+A") {
        // A plus within a run is a letter of it.
        if at < next {
            continue;
        }
        let behind = text.get(at + 1..).unwrap_or_default();
        let is_letter = |byte: &&u8| !matches!(byte, b'-' | b'_') && base64::is_letter(**byte);
        let len = behind.iter().take_while(is_letter).count();
        next = at + 1 + len;
        written.clear();
        if read(behind.get(..len).unwrap_or_default(), &mut written) {
            let hyphen = usize::from(behind.get(len) == Some(&b'-'));
            rewrite.replace_piece(at, 1 + len + hyphen, &written);
        }
    }
    Some(form.next(&[DecodeStep::Utf7], rewrite.finish()?))
}

/// Reads a run of letters; whether all that they write is printable ASCII.
fn read(run: &[u8], written: &mut Vec<u8>) -> bool {
    let (mut bits, mut held) = (0_u32, 0);
    for digit in run.iter().filter_map(|byte| base64::digit(*byte)) {
        bits = ((bits << 6) & 0x003f_ffff) | u32::from(digit);
        held += 6;
        if held >= 16 {
            held -= 16;
            match u8::try_from(bits >> held & 0xffff) {
                Ok(byte @ b' '..=b'~') => written.push(byte),
                _ => return false,
            }
        }
    }
    // What is left over only fills the last letter.
    held < 6 && bits & ((1 << held) - 1) == 0 && !written.is_empty()
}
