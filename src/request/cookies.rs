//! Cookies: the pairs of a `Cookie` header (RFC 6265, 5.4).

use std::ops::Range;

use http::HeaderMap;

use super::collector::Collector;
use super::decode::Syntax;
use super::names::NameRef;

/// The first value of the cookie called exactly `name`, over all `Cookie` lines, without the quotes that may enclose it.
#[must_use]
pub fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers
        .get_all(http::header::COOKIE)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .find_map(|line| {
            let pair = pairs(line)
                .find(|pair| slice(line, pair.name.as_ref()) == Some(name.as_bytes()))?;
            line.get(pair.value)
        })
}

/// Adds the name and the value of each cookie of one header line, repeats in order. Text without `=` is a value without a
/// name, as browsers keep it. A quoted string with a semicolon in it is a value as well, as older parsers read it.
pub(super) fn inputs(out: &mut Collector<'_>) {
    let mut quoted_until = 0;
    for pair in pairs(out.bytes) {
        let mut name = NameRef::NOTHING;
        if let Some(range) = pair.name.filter(|range| !range.is_empty()) {
            name = out.field(NameRef::NOTHING, range, Syntax::Cookie);
        }
        if pair.value.start >= quoted_until
            && let Some(quoted) = quoted(out.bytes, &pair.value)
        {
            quoted_until = quoted.end;
            out.value(name, quoted, Syntax::Cookie);
        }
        if !pair.value.is_empty() {
            out.value(name, pair.value, Syntax::Cookie);
        }
    }
}

/// The inside of the quoted string (RFC 2109, 4.1) that begins with a value and goes on beyond it.
fn quoted(line: &[u8], value: &Range<usize>) -> Option<Range<usize>> {
    let inside = line.get(value.start..)?.strip_prefix(b"\"")?;
    let mut is_escaped = false;
    let len = inside.iter().position(|byte| {
        let ends = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        ends
    })?;
    let start = value.start + 1;
    (start + len > value.end).then(|| start..start + len)
}

/// Where a cookie's name and value are in its line.
struct Pair {
    name: Option<Range<usize>>,
    value: Range<usize>,
}

fn pairs(line: &[u8]) -> impl Iterator<Item = Pair> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = line.get(start..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(b';', rest).unwrap_or(rest.len());
        let piece = start..start + len;
        start = piece.end + 1;
        let equals = line
            .get(piece.clone())
            .and_then(|text| memchr::memchr(b'=', text))
            .map(|at| piece.start + at);
        Some(match equals {
            Some(at) => Pair {
                name: Some(trim(line, piece.start..at)),
                value: unquote(line, trim(line, at + 1..piece.end)),
            },
            None => Pair {
                name: None,
                value: unquote(line, trim(line, piece)),
            },
        })
    })
}

fn slice<'a>(line: &'a [u8], range: Option<&Range<usize>>) -> Option<&'a [u8]> {
    line.get(range?.clone())
}

/// The range without the blanks at its ends.
fn trim(line: &[u8], range: Range<usize>) -> Range<usize> {
    let text = line.get(range.clone()).unwrap_or_default();
    let is_ink = |byte: &u8| !matches!(byte, b' ' | b'\t');
    match text.iter().position(is_ink) {
        Some(first) => {
            let last = text.iter().rposition(is_ink).unwrap_or(first);
            range.start + first..range.start + last + 1
        }
        None => range.start..range.start,
    }
}

/// The range without the double quotes around it.
fn unquote(line: &[u8], range: Range<usize>) -> Range<usize> {
    match line.get(range.clone()) {
        Some([b'"', .., b'"']) => range.start + 1..range.end - 1,
        _ => range,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::header::COOKIE;
    use http::{HeaderValue, Method};

    use super::*;
    use crate::request::{ClientIdentity, RequestView, Source};

    fn values(line: &str) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
        let view = RequestView::new(&Method::GET, "/", &headers, &client);
        view.inputs()
            .iter()
            .skip(1)
            .map(|input| {
                assert_eq!(input.origin().source, Source::Header(1));
                let value = String::from_utf8_lossy(input.value()).into_owned();
                (input.place().to_string(), value)
            })
            .collect()
    }

    #[test]
    fn a_line_is_its_names_and_values() {
        for (line, expected) in [
            (
                "a=1; b=\"2 3\";a=%34",
                &[
                    ("cookies.a (name)", "a"),
                    ("cookies.a", "1"),
                    ("cookies.b (name)", "b"),
                    ("cookies.b", "2 3"),
                    ("cookies.a (name)", "a"),
                    ("cookies.a", "4"),
                ][..],
            ),
            (
                " lone ;; =x; y = z= ; \"",
                &[
                    ("cookies", "lone"),
                    ("cookies", "x"),
                    ("cookies.y (name)", "y"),
                    ("cookies.y", "z="),
                    ("cookies", "\""),
                ],
            ),
            (
                "a=\"b; c=\\\"; d\"; e=\"f\"",
                &[
                    ("cookies.a (name)", "a"),
                    ("cookies.a", "b; c=\\\"; d"),
                    ("cookies.a", "\"b"),
                    ("cookies.c (name)", "c"),
                    ("cookies.c", "\\\""),
                    ("cookies", "d\""),
                    ("cookies.e (name)", "e"),
                    ("cookies.e", "f"),
                ],
            ),
            ("", &[]),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(place, value)| (place.to_string(), value.to_string()))
                .collect();
            assert_eq!(values(line), expected, "{line}");
        }
    }

    #[test]
    fn the_first_cookie_of_a_name_is_found_over_all_lines() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("Sid=1; other=2"));
        headers.append(COOKIE, HeaderValue::from_static("sid=\"3\"; sid=4"));
        assert_eq!(find(&headers, "sid"), Some(&b"3"[..]));
        assert_eq!(find(&headers, "other"), Some(&b"2"[..]));
        assert_eq!(find(&headers, "si"), None);
        assert_eq!(find(&HeaderMap::new(), "sid"), None);
    }
}
