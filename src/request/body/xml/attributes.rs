//! The attributes of an XML tag, read as leniently as any parser does.

use std::ops::Range;

/// An attribute: where its name is, and its value without the quotes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
    /// Whether it has a name and a value in quotes, and none of `<` in it.
    pub(super) is_well_formed: bool,
}

/// The attributes in `text` from `at` on, in order, repeats included. Every byte is looked at a constant number of times.
pub(super) fn of(text: &[u8], at: usize) -> impl Iterator<Item = Attribute> {
    let mut at = at;
    std::iter::from_fn(move || {
        at = skip_blanks(text, at);
        if at >= text.len() {
            return None;
        }
        let name = at..end_of(text, at, |byte| byte == b'=' || is_blank(byte));
        let equals = skip_blanks(text, name.end);
        if text.get(equals) != Some(&b'=') {
            at = name.end.max(at + 1);
            let value = name.end..name.end;
            return Some(Attribute {
                name,
                value,
                is_well_formed: false,
            });
        }
        let start = skip_blanks(text, equals + 1);
        let (value, is_quoted) = match text.get(start) {
            Some(&quote @ (b'"' | b'\'')) => {
                let value = start + 1..end_of(text, start + 1, |byte| byte == quote);
                at = (value.end + 1).min(text.len());
                (value, true)
            }
            _ => {
                let value = start..end_of(text, start, is_blank);
                at = value.end;
                (value, false)
            }
        };
        let has_tag = memchr::memchr(b'<', text.get(value.clone()).unwrap_or_default()).is_some();
        let is_named = is_name(text.get(name.clone()).unwrap_or_default());
        Some(Attribute {
            name,
            value,
            is_well_formed: is_quoted && is_named && !has_tag,
        })
    })
}

/// Whether a text can be a name (XML 1.0, 2.3), as far as ASCII goes.
pub(super) fn is_name(text: &[u8]) -> bool {
    let is_start =
        |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || !byte.is_ascii();
    let is_part =
        |byte: &u8| is_start(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    text.first().is_some_and(is_start) && text.iter().all(is_part)
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

fn skip_blanks(text: &[u8], from: usize) -> usize {
    end_of(text, from, |byte| !is_blank(byte))
}

/// Where the first byte that `ends` is, at or behind `from`; or the end.
fn end_of(text: &[u8], from: usize, ends: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let found = rest.iter().position(|&byte| ends(byte));
    found.map_or(text.len(), |at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_leniently_as_any_parser_does() {
        for (text, expected) in [
            ("", &[][..]),
            (" a=\"b\" c = 'd' ", &[("a", "b", true), ("c", "d", true)]),
            ("a=\"b\"c=\"d\"", &[("a", "b", true), ("c", "d", true)]),
            ("a=\"'>\" x:y=''", &[("a", "'>", true), ("x:y", "", true)]),
            ("a=b c", &[("a", "b", false), ("c", "", false)]),
            ("a='b", &[("a", "b", true)]),
            ("a='<'", &[("a", "<", false)]),
            ("=x =", &[("", "x", false), ("", "", false)]),
            ("/ a=1/", &[("/", "", false), ("a", "1/", false)]),
            ("1a='b'", &[("1a", "b", false)]),
        ] {
            let slice = |range| text.get::<Range<usize>>(range).unwrap();
            let found: Vec<_> = of(text.as_bytes(), 0)
                .map(|found| (slice(found.name), slice(found.value), found.is_well_formed))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
