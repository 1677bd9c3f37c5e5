//! Escapes of style sheets.

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::percent::hex_digit;
use super::utf8::encode;
use super::{Decoded, escape};

/// `\3c `, `\00003c` → `<`, and `\j` → `j` (CSS Syntax 3, 4.3.7). A digit takes part where it would not in JavaScript, so
/// the two readings of a text are different forms. This one is only made of a text that has an escape for it: a printable
/// character by its number, or a letter that is no escape of JavaScript.
pub(super) fn decode(form: &Form<'_>) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    let mut next = 0;
    let mut is_style = false;
    for at in memchr::memchr_iter(b'\\', text) {
        // The second backslash of `\\` begins nothing.
        if at < next {
            continue;
        }
        let behind = text.get(at + 1..).unwrap_or_default();
        next = at + 2;
        match behind {
            [first, ..] if first.is_ascii_hexdigit() => {
                let (character, len) = code_point(behind);
                rewrite.replace(at, 1 + len, encode(character, &mut [0; 4]));
                next = at + 1 + len;
                is_style |= character.is_ascii_graphic();
            }
            [b'\r', b'\n', ..] => rewrite.replace(at, 3, &[]),
            [b'\n' | b'\r' | b'\x0c', ..] => rewrite.replace(at, 2, &[]),
            [first, ..] => {
                rewrite.replace(at, 2, &[*first]);
                is_style |= first.is_ascii_alphabetic() && !escape::is_escape(text, at);
            }
            [] => {}
        }
    }
    let decoded = rewrite.finish().filter(|_| is_style)?;
    Some(form.next(&[DecodeStep::CssEscape], decoded))
}

/// The character that hexadecimal digits write, and how many bytes they take with the blank that may end them.
fn code_point(text: &[u8]) -> (char, usize) {
    const MAX_DIGITS: usize = 6;
    let digits = text.iter().take(MAX_DIGITS);
    let (code, len) = digits
        .map_while(|digit| hex_digit(*digit))
        .fold((0, 0), |(code, len), digit| {
            (code << 4 | u32::from(digit), len + 1)
        });
    let blank = match text.get(len..) {
        Some([b'\r', b'\n', ..]) => 2,
        Some([b' ' | b'\t' | b'\n' | b'\r' | b'\x0c', ..]) => 1,
        _ => 0,
    };
    let character = char::from_u32(code).filter(|character| *character != '\0');
    (
        character.unwrap_or(char::REPLACEMENT_CHARACTER),
        len + blank,
    )
}
