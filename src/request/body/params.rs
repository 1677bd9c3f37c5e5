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

/// The elements of a header value that is a list: what stands between commas outside of quotes (RFC 9110, 5.6.1). Empty
/// ones are left out.
pub(super) fn pieces(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < text.len() {
            let start = at;
            let mut end = find(text, at, b",\"");
            while text.get(end) == Some(&b'"') {
                end = find(text, closing_quote(text, end + 1) + 1, b",\"");
            }
            at = end + 1;
            let piece = text.get(start..end).unwrap_or_default().trim_ascii();
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    })
    .take(MAX_PARAMS)
}

/// The text of an extended value, `UTF-8''text` (RFC 8187, 3.2).
pub(super) fn extended(value: &[u8]) -> &[u8] {
    let mut quotes = memchr::memchr_iter(b'\'', value);
    quotes
        .nth(1)
        .and_then(|at| value.get(at + 1..))
        .unwrap_or(value)
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
    fn a_list_is_cut_at_commas_outside_of_quotes() {
        for (text, expected) in [
            ("", &[][..]),
            (" , ,", &[]),
            ("a/b", &["a/b"]),
            ("a;b=c, d ,e", &["a;b=c", "d", "e"]),
            (
                "a;b=\"c,d\";e=\"\\\",\",f",
                &["a;b=\"c,d\";e=\"\\\",\"", "f"],
            ),
            ("a;b=\"c,d", &["a;b=\"c,d"]),
        ] {
            let found: Vec<_> = pieces(text.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|piece| piece.as_bytes()).collect();
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(pieces(",a".repeat(100).as_bytes()).count(), MAX_PARAMS);
    }

    #[test]
    fn an_extended_value_is_behind_its_second_quote() {
        for (value, text) in [("UTF-8'en'a'b", "a'b"), ("a'b", "a'b"), ("", "")] {
            assert_eq!(extended(value.as_bytes()), text.as_bytes());
        }
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
