//! Backslash escapes of JSON and of JavaScript.

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::Decoded;
use super::percent::{hex_digit, hex_unit};
use super::utf8::{Units, encode};

/// The escapes of a JSON string (RFC 8259, 7). What begins with a backslash and is none stays what it is.
pub(super) fn json(form: &Form<'_>) -> Option<Decoded> {
    unescape(form, |text, at| {
        simple(text, at).or_else(|| Units::read(text, at, unit_at))
    })
}

/// The escapes of a JavaScript string beyond those of JSON: `\x3c`, `\u{3c}`, `\'`, `\v`, `\0`.
pub(super) fn javascript(form: &Form<'_>) -> Option<Decoded> {
    unescape(form, |text, at| {
        simple(text, at)
            .or_else(|| Units::read(text, at, unit_at))
            .or_else(|| script_only(text, at))
    })
}

fn unescape(
    form: &Form<'_>,
    read: impl Fn(&[u8], usize) -> Option<(char, usize)>,
) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    for at in memchr::memchr_iter(b'\\', text) {
        // The second backslash of `\\` begins nothing.
        if at < rewrite.done() {
            continue;
        }
        if let Some((character, len)) = read(text, at) {
            rewrite.replace(at, len, encode(character, &mut [0; 4]));
        }
    }
    Some(form.next(&[DecodeStep::JsonEscape], rewrite.finish()?))
}

fn simple(text: &[u8], at: usize) -> Option<(char, usize)> {
    let character = match text.get(at + 1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    };
    Some((character, 2))
}

fn unit_at(text: &[u8], at: usize) -> Option<(u16, usize)> {
    match *text.get(at..)?.first_chunk()? {
        [b'\\', b'u', a, b, c, d] => Some((hex_unit([a, b, c, d])?, 6)),
        _ => None,
    }
}

fn script_only(text: &[u8], at: usize) -> Option<(char, usize)> {
    match text.get(at..)? {
        [_, b'\'', ..] => Some(('\'', 2)),
        [_, b'v', ..] => Some(('\u{b}', 2)),
        [_, b'x', high, low, ..] => {
            let byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
            Some((char::from(byte), 4))
        }
        [_, b'u', b'{', rest @ ..] => code_point(rest),
        [_, b'0', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_digit) => Some(('\0', 2)),
        _ => None,
    }
}

/// `\u{3c}` from behind its brace. Leading zeros are not limited by the language; eight digits are enough for us.
fn code_point(rest: &[u8]) -> Option<(char, usize)> {
    const MAX_DIGITS: usize = 8;
    let digits = rest
        .iter()
        .take(MAX_DIGITS)
        .take_while(|byte| byte.is_ascii_hexdigit())
        .count();
    if digits == 0 || rest.get(digits) != Some(&b'}') {
        return None;
    }
    let code = rest.iter().take(digits).try_fold(0, |code: u32, &digit| {
        Some(code << 4 | u32::from(hex_digit(digit)?))
    })?;
    Some((char::from_u32(code)?, digits + 4))
}
