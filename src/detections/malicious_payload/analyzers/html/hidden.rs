//! Script that hides what it does: names put together from numbers, brackets or escapes.

use std::ops::Range;

use super::super::Text;
use super::super::bytes::{self, blanks, is_one_of, is_word, rest, word};

/// Where a script hides what it does.
pub(super) fn find(text: &Text<'_>) -> Option<Range<usize>> {
    let bytes = text.bytes;
    numbers(bytes)
        .or_else(|| brackets(bytes))
        .or_else(|| members(bytes))
        .or_else(|| constructors(bytes))
        .or_else(|| escaped_call(bytes).filter(|_| !text.is_document()))
}

/// `String.fromCharCode(88,83)`: several characters, or one within a call.
fn numbers(text: &[u8]) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(at) = find_word(text, b"fromcharcode", &mut from) {
        let open = from + blanks(rest(text, from)).min(8);
        let Some(inner) = rest(text, open).strip_prefix(b"(") else {
            continue;
        };
        let digits = inner
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || byte.is_ascii_whitespace())
            .count();
        let several =
            inner.get(digits) == Some(&b',') && inner.first().is_some_and(u8::is_ascii_digit);
        let before = text.get(..at).unwrap_or_default();
        let before = before.strip_suffix(b".").unwrap_or(before);
        let len = before
            .iter()
            .rev()
            .take(16)
            .take_while(|byte| is_word(**byte))
            .count();
        let before = before
            .get(..before.len() - len)
            .unwrap_or_default()
            .trim_ascii_end();
        let is_argument = matches!(before.last(), Some(b'(' | b'+' | b'=' | b'`'));
        if several || is_argument {
            return Some(at..open + 1);
        }
    }
    None
}

fn find_word(text: &[u8], needle: &[u8], from: &mut usize) -> Option<usize> {
    let at = bytes::find(text, needle, *from)?;
    *from = at + needle.len();
    Some(at)
}

/// `[][(![]+[])[+[]]]`: programs of six signs alone.
fn brackets(text: &[u8]) -> Option<Range<usize>> {
    const LEAST: usize = 10;
    let mut from = 0;
    while let Some(found) = memchr::memmem::find(rest(text, from), b"[]") {
        let at = from + found;
        let run = rest(text, at)
            .iter()
            .take_while(|byte| {
                matches!(
                    **byte,
                    b'[' | b']' | b'(' | b')' | b'!' | b'+' | b'{' | b'}'
                )
            })
            .count();
        let before = text.get(..at).unwrap_or_default();
        let ahead = before
            .iter()
            .rev()
            .take(16)
            .take_while(|byte| matches!(**byte, b'[' | b']' | b'(' | b')' | b'!' | b'+'))
            .count();
        let signs = text.get(at - ahead..at + run).unwrap_or_default();
        let joins = signs
            .iter()
            .filter(|byte| matches!(**byte, b'!' | b'+'))
            .count();
        if signs.len() >= LEAST && joins >= 2 {
            return Some(at - ahead..at + run);
        }
        from = at + run.max(2);
    }
    None
}

/// `window['alert']`, `a['constructor']`.
fn members(text: &[u8]) -> Option<Range<usize>> {
    const NAMES: [&str; 8] = [
        "constructor",
        "alert",
        "eval",
        "cookie",
        "fromcharcode",
        "prompt",
        "confirm",
        "innerhtml",
    ];
    let brackets = memchr::memchr_iter(b'[', text);
    brackets.filter(|at| *at > 0).find_map(|at| {
        let inner = rest(text, at + 1);
        let inner = rest(inner, blanks(inner).min(4));
        let (quote, inner) = inner.split_first()?;
        if !matches!(quote, b'"' | b'\'' | b'`') {
            return None;
        }
        let name = word(inner);
        let behind = rest(inner, name.len());
        let is_closed = matches!(behind, [close, b']', ..] if close == quote);
        let before = text.get(at - 1)?;
        let is_member = is_word(*before) || matches!(*before, b')' | b']' | b'"' | b'\'' | b'`');
        (is_closed && is_member && is_one_of(name, &NAMES))
            .then(|| at..text.len() - behind.len() + 2)
    })
}

/// `.constructor('…')`: code from a text.
fn constructors(text: &[u8]) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(at) = find_word(text, b"constructor", &mut from) {
        let open = from + blanks(rest(text, from)).min(8);
        let is_member = at.checked_sub(1).and_then(|dot| text.get(dot)) == Some(&b'.');
        let is_text = matches!(rest(text, open), [b'(', inner @ ..] if matches!(inner.trim_ascii_start().first(), Some(b'"' | b'\'' | b'`')));
        if is_member && (is_text || rest(text, open).first() == Some(&b'`')) {
            return Some(at..open + 1);
        }
    }
    None
}

/// `\u0061lert(1)`: an escape in a name that is called.
fn escaped_call(text: &[u8]) -> Option<Range<usize>> {
    memchr::memmem::find_iter(text, b"\\u").find_map(|at| {
        let inner = rest(text, at + 2);
        let inner = inner.strip_prefix(b"{").unwrap_or(inner);
        let digits = inner
            .iter()
            .take(6)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        let number = std::str::from_utf8(inner.get(..digits)?).ok()?;
        let character = char::from_u32(u32::from_str_radix(number, 16).ok()?)?;
        let behind = rest(inner, digits);
        let name = behind
            .iter()
            .take(24)
            .take_while(|byte| is_word(**byte) || matches!(**byte, b'\\' | b'{' | b'}'))
            .count();
        let is_called = matches!(behind.get(name), Some(b'(' | b'`'));
        (character.is_ascii_alphabetic() && is_called).then(|| at..text.len() - behind.len() + name)
    })
}
