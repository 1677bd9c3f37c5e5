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
    // Told before anything is written, since most texts full of backslashes have none.
    let is_style = |escape: (usize, Escape)| match escape {
        (_, Escape::Number(character, _)) => character.is_ascii_graphic(),
        (at, Escape::Itself(byte)) => byte.is_ascii_alphabetic() && !escape::is_escape(text, at),
        (_, Escape::Nothing(_)) => false,
    };
    if !escapes(text).any(is_style) {
        return None;
    }
    let mut rewrite = Rewrite::new(text, form.offsets);
    for (at, escape) in escapes(text) {
        match escape {
            Escape::Number(character, len) => {
                rewrite.replace(at, len, encode(character, &mut [0; 4]));
            }
            Escape::Nothing(len) => rewrite.replace(at, len, &[]),
            Escape::Itself(byte) => rewrite.replace(at, 2, &[byte]),
        }
    }
    Some(form.next(&[DecodeStep::CssEscape], rewrite.finish()?))
}

/// What a backslash and what is behind it stand for.
enum Escape {
    /// The character of a number, and how long that is with its backslash.
    Number(char, usize),
    /// Nothing: a line end, which is so long with its backslash.
    Nothing(usize),
    /// The byte that follows.
    Itself(u8),
}

/// Each escape of a text and where it is.
fn escapes(text: &[u8]) -> impl Iterator<Item = (usize, Escape)> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let at = escape::backslash(text, next)?;
        let behind = text.get(at + 1..).unwrap_or_default();
        let escape = match behind {
            [first, ..] if first.is_ascii_hexdigit() => {
                let (character, len) = code_point(behind);
                Escape::Number(character, 1 + len)
            }
            [b'\r', b'\n', ..] => Escape::Nothing(3),
            [b'\n' | b'\r' | b'\x0c', ..] => Escape::Nothing(2),
            [first, ..] => Escape::Itself(*first),
            [] => return None,
        };
        // The second backslash of `\\` begins nothing.
        next = at
            + match escape {
                Escape::Number(_, len) | Escape::Nothing(len) => len,
                Escape::Itself(_) => 2,
            };
        Some((at, escape))
    })
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
