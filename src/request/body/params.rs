//! The parameters behind a header value: `; name=token; name="quoted \" string"` (RFC 9110, 5.6.6).

use std::ops::Range;

/// A parameter: where its name is, and its value without the quotes.
pub(super) struct Param {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// How many parameters of one value are read; no header of use has more than five.
const MAX_PARAMS: usize = 32;

/// The parameters of a header value that is `range` of `text`, in order, repeats included. Read as leniently as servers
/// do: blanks around `=`, an unclosed quote, an empty parameter.
pub(super) fn params(text: &[u8], range: Range<usize>) -> impl Iterator<Item = Param> {
    let text = text.get(..range.end).unwrap_or(text);
    let mut at = find(text, range.start, b";");
    std::iter::from_fn(move || {
        at = skip(text, at, b"; \t\r\n");
        if at >= text.len() {
            return None;
        }
        let name_end = find(text, at, b"=;");
        let name = trim_end(text, at..name_end);
        if text.get(name_end) != Some(&b'=') {
            at = name_end;
            let nothing = name_end..name_end;
            return Some(Param {
                name,
                value: nothing,
            });
        }
        let start = skip(text, name_end + 1, b" \t\r\n");
        let value = if text.get(start) == Some(&b'"') {
            let end = closing_quote(text, start + 1);
            at = find(text, end, b";");
            start + 1..end
        } else {
            at = find(text, start, b";");
            trim_end(text, start..at)
        };
        Some(Param { name, value })
    })
    .take(MAX_PARAMS)
}

/// Where the first of `wanted` is at or behind `from`, or the end.
fn find(text: &[u8], from: usize, wanted: &[u8]) -> usize {
    text.iter()
        .skip(from)
        .position(|byte| wanted.contains(byte))
        .map_or(text.len(), |at| from + at)
}

/// Where the first byte that is none of `unwanted` is at or behind `from`, or the end.
fn skip(text: &[u8], from: usize, unwanted: &[u8]) -> usize {
    text.iter()
        .skip(from)
        .position(|byte| !unwanted.contains(byte))
        .map_or(text.len(), |at| from + at)
}

fn closing_quote(text: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = find(text, at, b"\"\\");
        if text.get(at) != Some(&b'\\') {
            return at;
        }
        at = (at + 2).min(text.len());
    }
}

fn trim_end(text: &[u8], range: Range<usize>) -> Range<usize> {
    let len = text
        .get(range.clone())
        .unwrap_or_default()
        .trim_ascii_end()
        .len();
    range.start..range.start + len
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(&str, &str)> {
        params(text.as_bytes(), 0..text.len())
            .map(|param| {
                let slice = |range| text.get::<Range<usize>>(range).unwrap();
                (slice(param.name), slice(param.value))
            })
            .collect()
    }

    #[test]
    fn parameters_are_read_as_leniently_as_servers_do() {
        for (text, expected) in [
            ("a/b", &[][..]),
            ("a/b;", &[]),
            (
                "a;b=c; d=\"e;f\" ;g",
                &[("b", "c"), ("d", "e;f"), ("g", "")],
            ),
            ("a; b = c d ;b=x", &[("b", "c d"), ("b", "x")]),
            ("a;b=\"c\\\"d\\", &[("b", "c\\\"d\\")]),
            ("a;b=\"c", &[("b", "c")]),
            ("a;=;==", &[("", ""), ("", "=")]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(read(&";a=b".repeat(100)).len(), MAX_PARAMS);
    }
}
