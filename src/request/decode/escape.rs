//! Backslash escapes of JSON and of JavaScript.

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::Decoded;
use super::percent::{hex_digit, hex_unit};
use super::utf8::{Units, encode};

/// The escapes of a JSON string (RFC 8259, 7). What begins with a backslash and is none stays what it is.
pub(super) fn json(form: &Form<'_>) -> Option<Decoded> {
    unescape(form, json_escape)
}

/// The escapes of a JavaScript string beyond those of JSON: `\x3c`, `\u{3c}`, `\'`, `\v`, `\74`, and a line that goes on
/// behind its end. PHP, Python and C read most of them alike.
pub(super) fn javascript(form: &Form<'_>) -> Option<Decoded> {
    unescape(form, |text, at| {
        json_escape(text, at).or_else(|| script_escape(text, at))
    })
}

/// Whether a text in which escapes are left hides anything but backslashes behind them: a row of backslashes alone is no
/// spelling of anything, however long (a line drawn with them, the path of a Windows share quoted again and again).
pub(super) fn hides(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\\', text)
        .any(|at| text.get(at + 1) != Some(&b'\\') && is_escape(text, at))
}

/// Whether the backslash at `at` begins an escape of JSON or JavaScript.
pub(super) fn is_escape(text: &[u8], at: usize) -> bool {
    json_escape(text, at).is_some() || script_escape(text, at).is_some()
}

/// What an escape stands for, and how long it is.
struct Escape {
    /// `None` for an escape that stands for nothing.
    character: Option<char>,
    len: usize,
}

fn unescape(form: &Form<'_>, read: impl Fn(&[u8], usize) -> Option<Escape>) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    let mut next = 0;
    while let Some(at) = backslash(text, next) {
        match read(text, at) {
            Some(Escape {
                character: Some(character),
                len,
            }) => rewrite.replace(at, len, encode(character, &mut [0; 4])),
            Some(Escape { len, .. }) => rewrite.replace(at, len, &[]),
            None => {}
        }
        // The second backslash of `\\` begins nothing.
        next = rewrite.done().max(at + 1);
    }
    Some(form.next(&[DecodeStep::JsonEscape], rewrite.finish()?))
}

/// The next backslash from `at` on. Of a text full of them it is right there.
pub(super) fn backslash(text: &[u8], at: usize) -> Option<usize> {
    let rest = text.get(at..)?;
    if rest.first() == Some(&b'\\') {
        return Some(at);
    }
    Some(at + memchr::memchr(b'\\', rest)?)
}

fn json_escape(text: &[u8], at: usize) -> Option<Escape> {
    let character = match text.get(at + 1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => {
            let (character, len) = Units::read(text, at, unit_at)?;
            return Escape::of(character, len);
        }
    };
    Escape::of(character, 2)
}

fn unit_at(text: &[u8], at: usize) -> Option<(u16, usize)> {
    match *text.get(at..)?.first_chunk()? {
        [b'\\', b'u', a, b, c, d] => Some((hex_unit([a, b, c, d])?, 6)),
        _ => None,
    }
}

fn script_escape(text: &[u8], at: usize) -> Option<Escape> {
    match text.get(at..)? {
        [_, b'\'', ..] => Escape::of('\'', 2),
        [_, b'v', ..] => Escape::of('\u{b}', 2),
        [_, b'x', high, low, ..] => {
            let byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
            Escape::of(char::from(byte), 4)
        }
        [_, b'u', b'{', rest @ ..] => code_point(rest),
        [_, b'\r', b'\n', ..] => Escape::of_nothing(3),
        [_, b'\n' | b'\r', ..] => Escape::of_nothing(2),
        // One byte at most, so what begins with a digit above 3 has two.
        [_, digits @ ..] => match digits.first()? {
            b'0'..=b'3' => octal(digits, 3),
            b'4'..=b'7' => octal(digits, 2),
            _ => None,
        },
        [] => None,
    }
}

/// `\74` from its first digit on.
fn octal(digits: &[u8], most: usize) -> Option<Escape> {
    let digits = digits.iter().take(most);
    let digits = digits.take_while(|digit| matches!(digit, b'0'..=b'7'));
    let (byte, len) = digits.fold((0, 1), |(byte, len), digit| {
        (byte << 3 | (digit - b'0'), len + 1)
    });
    Escape::of(char::from(byte), len)
}

/// `\u{3c}` from behind its brace. Leading zeros are not limited by the language; eight digits are enough for us.
fn code_point(rest: &[u8]) -> Option<Escape> {
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
    Escape::of(char::from_u32(code)?, digits + 4)
}

impl Escape {
    #[expect(
        clippy::unnecessary_wraps,
        reason = "every reader of escapes ends with it"
    )]
    const fn of(character: char, len: usize) -> Option<Self> {
        Some(Self {
            character: Some(character),
            len,
        })
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "every reader of escapes ends with it"
    )]
    const fn of_nothing(len: usize) -> Option<Self> {
        Some(Self {
            character: None,
            len,
        })
    }
}
