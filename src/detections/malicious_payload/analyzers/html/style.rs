//! Styles that run script or load foreign content (CSS, and what older browsers added to it).

use std::ops::Range;

use super::super::bytes::{begins, blanks, find, rest, without_comments};

/// Where a style is active in a text, whatever it stands in.
pub(super) fn active(text: &[u8]) -> Option<Range<usize>> {
    if let Some(range) = memchr::memchr_iter(b'(', text).find_map(|open| expression(text, open)) {
        return Some(range);
    }
    for word in [&b"-moz-binding"[..], b"-o-link"] {
        let mut from = 0;
        while let Some(at) = find(text, word, from) {
            from = at + word.len();
            let gap = blanks(rest(text, from)).min(16);
            if text.get(from + gap) == Some(&b':') {
                return Some(at..from + gap + 1);
            }
        }
    }
    let mut from = 0;
    while let Some(at) = find(text, b"behavior", from) {
        from = at + 8;
        let behind = rest(text, from + blanks(rest(text, from)).min(16));
        if let [b':', value @ ..] = behind
            && begins(value.trim_ascii_start(), b"url")
        {
            return Some(at..from);
        }
    }
    imports(text)
}

/// The `expression` whose bracket is there, with comments anywhere in it, as the browsers read that had it. It is a word of
/// many languages: in a style a colon stands before it.
fn expression(text: &[u8], open: usize) -> Option<Range<usize>> {
    const NEAR: usize = 96;
    let from = open.saturating_sub(NEAR);
    let mut before = text.get(from..open)?;
    for letter in b"noisserpxe" {
        before = without_comments(before);
        let (last, others) = before.split_last()?;
        if !last.eq_ignore_ascii_case(letter) {
            return None;
        }
        before = others;
    }
    let start = from + before.len();
    let before = without_comments(before);
    matches!(before.last(), Some(b':' | b'/' | b'\\' | b'=')).then_some(start..open + 1)
}

/// A style that imports another from anywhere.
fn imports(text: &[u8]) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(at) = find(text, b"@import", from) {
        from = at + 7;
        let mut value = rest(text, from).trim_ascii_start();
        if begins(value, b"url") {
            value = rest(value, 3).trim_ascii_start();
            value = value.strip_prefix(b"(").unwrap_or(value).trim_ascii_start();
        }
        let value = match value {
            [b'"' | b'\'', inner @ ..] => inner,
            _ => value,
        };
        if ["javascript:", "data:", "//", "http:", "https:", "vbscript:"]
            .iter()
            .any(|begin| begins(value, begin.as_bytes()))
        {
            return Some(at..from);
        }
    }
    None
}

/// Whether a style attribute hides words behind escapes or loads what is a script.
pub(super) fn is_active_attribute(value: &[u8]) -> bool {
    let escapes = value.windows(3).filter(|window| matches!(*window, [b'\\', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())).count();
    let loads = |scheme: &[u8]| {
        let mut from = 0;
        while let Some(at) = find(value, b"url", from) {
            from = at + 3;
            let inner = rest(value, from).trim_ascii_start();
            let inner = inner
                .strip_prefix(b"(")
                .unwrap_or_default()
                .trim_ascii_start();
            let inner = match inner {
                [b'"' | b'\'', more @ ..] => more,
                _ => inner,
            };
            if begins(inner, scheme) {
                return true;
            }
        }
        false
    };
    escapes >= 2
        || [&b"data:text"[..], b"javascript", b"vbscript"]
            .into_iter()
            .any(loads)
}
