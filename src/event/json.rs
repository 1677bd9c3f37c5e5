//! One value, one line: JSON in which nothing but the final newline can end a line or move a cursor.
//!
//! JSON itself demands escapes for the characters below U+0020 only. Readers of logs also break lines at U+0085 and
//! U+2028, and terminals obey U+009B as they do `ESC [`; so those are escaped, too, wherever they come from.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

use crate::request::name::is_unprintable;

/// Appends `value` and a newline to `buffer`. On an error `buffer` is as it was.
///
/// # Errors
/// When the value's own `Serialize` fails.
pub(super) fn append_line(buffer: &mut Vec<u8>, value: &impl Serialize) -> serde_json::Result<()> {
    let start = buffer.len();
    let result = value.serialize(&mut Serializer::with_formatter(&mut *buffer, Escaping));
    match result {
        Ok(()) => buffer.push(b'\n'),
        Err(_) => buffer.truncate(start),
    }
    result
}

/// Compact JSON with the further escapes.
struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        // Nearly every fragment, told by its bytes: to decode each character was a fifth of what a refusal costs.
        if fragment.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return CompactFormatter.write_string_fragment(writer, fragment);
        }
        let mut rest = fragment;
        while let Some((at, character)) = rest
            .char_indices()
            .find(|&(_, character)| is_unprintable(character))
        {
            let (plain, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
            CompactFormatter.write_string_fragment(writer, plain)?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = tail.get(character.len_utf8()..).unwrap_or("");
        }
        CompactFormatter.write_string_fragment(writer, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_string_holds_it_stays_one_line_and_comes_back_unchanged() {
        let hostile = [
            "a\nb\r\nc",
            "\u{1b}[2J\u{1b}]0;title\u{7}",
            "\u{9b}31m",
            "\u{85}\u{2028}\u{2029}",
            "\u{202e}txt.exe\u{200b}",
            "\u{7f}\0\"\\",
            "plain, ümläut, 日本, \u{1f600}",
        ];
        for text in hostile {
            let mut line = Vec::new();
            append_line(&mut line, &text).expect("a string serialises");
            let line = String::from_utf8(line).expect("UTF-8");
            let body = line.strip_suffix('\n').expect("ends its line");
            assert!(!body.chars().any(is_unprintable), "{body:?}");
            let back: String = serde_json::from_str(body).expect("JSON");
            assert_eq!(back, text);
        }
    }

    #[test]
    fn a_value_that_fails_leaves_nothing_behind() {
        let mut line = b"before\n".to_vec();
        let map = std::collections::BTreeMap::from([((1, 2), "no key for JSON")]);
        append_line(&mut line, &map).expect_err("such a key");
        assert_eq!(line, b"before\n");
    }
}
