//! What a body looks like, whatever its sender says.

use super::BodyKind;
use super::classify::BEGINNING;
use super::{graphql, ndjson};

/// What a body looks like that begins so.
pub(super) fn look(beginning: &[u8]) -> BodyKind {
    let text = after_blanks(beginning);
    match text.first() {
        None => BodyKind::Text,
        Some(b'{' | b'[' | b'\x1e') if ndjson::looks_like_lines(text) => BodyKind::Ndjson,
        Some(b'{' | b'[' | b'"') => BodyKind::Json,
        Some(b'<') => BodyKind::Xml,
        Some(b'-') if looks_multipart(text) => BodyKind::Multipart,
        _ if looks_like_form(text) => BodyKind::Form,
        _ if graphql::looks_like_document(text) => BodyKind::Graphql,
        _ if looks_binary(beginning) => BodyKind::Opaque,
        _ => BodyKind::Text,
    }
}

/// The text behind a byte order mark and white space.
pub(super) fn after_blanks(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(text)
        .trim_ascii_start()
}

fn looks_multipart(text: &[u8]) -> bool {
    const FIELD: &[u8] = b"content-disposition";
    text.starts_with(b"--")
        && text
            .windows(FIELD.len())
            .any(|window| window.eq_ignore_ascii_case(FIELD))
}

/// Whether the text begins with a key and an equals sign. Keys of real forms are made of letters, digits and a few signs.
fn looks_like_form(text: &[u8]) -> bool {
    let is_key = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'_' | b'-' | b'.' | b'[' | b']' | b'%' | b'+' | b'$' | b'&' | b'*'
            )
    };
    let key = text.iter().take_while(|byte| is_key(byte)).count();
    key > 0 && text.get(key) == Some(&b'=')
}

/// Whether bytes are more likely data than text: a NUL, or more than a tenth of them control characters or no UTF-8.
pub(super) fn looks_binary(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..BEGINNING).unwrap_or(bytes);
    if utf16(bytes).is_some() {
        return false;
    }
    // A document of pages begins as text and goes on as compressed data.
    if bytes.contains(&0) || bytes.starts_with(b"%PDF-") {
        return true;
    }
    let odd: usize = bytes
        .utf8_chunks()
        .map(|chunk| {
            let is_odd = |byte: &u8| {
                byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1e)
            };
            chunk.invalid().len() + chunk.valid().bytes().filter(is_odd).count()
        })
        .sum();
    odd > bytes.len() / 10
}

/// Whether bytes are UTF-16, by their mark, or because every second of the first eight is NUL, or the second of what begins
/// a document (behind which there may be any letters); and whether the most significant byte comes first.
pub(super) fn utf16(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0xff, 0xfe, ..] => return Some(false),
        [0xfe, 0xff, ..] => return Some(true),
        _ => {}
    }
    let (pairs, _) = bytes.get(..bytes.len().min(8))?.as_chunks::<2>();
    if pairs.len() < 2 {
        return None;
    }
    let begins_document = |byte| matches!(byte, b'<' | b'{' | b'[' | b'"');
    match *pairs_behind_blanks(bytes) {
        [[0, begin], [high, low], ..] if begins_document(begin) && [high, low] != [0, 0] => {
            Some(true)
        }
        [[begin, 0], [low, high], ..] if begins_document(begin) && [high, low] != [0, 0] => {
            Some(false)
        }
        _ if pairs.iter().all(|&[high, low]| high == 0 && is_text(low)) => Some(true),
        _ if pairs.iter().all(|&[low, high]| high == 0 && is_text(low)) => Some(false),
        _ => None,
    }
}

/// The units of UTF-16, in either order, behind blanks, with which any document may begin.
fn pairs_behind_blanks(bytes: &[u8]) -> &[[u8; 2]] {
    let (mut pairs, _) = bytes.as_chunks::<2>();
    while let [[0, blank], rest @ ..] | [[blank, 0], rest @ ..] = pairs
        && blank.is_ascii_whitespace()
    {
        pairs = rest;
    }
    pairs
}

/// Whether bytes are text in an encoding that we do not read: UTF-32 by its mark or by its NULs (RFC 4627, 3), UTF-7 by its mark, or an
/// XML declaration in EBCDIC.
pub(super) fn is_unreadable(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return true,
        [b'+', b'/', b'v', b'8' | b'9' | b'+' | b'/', ..] => return true,
        // `<?xm` and `<?XM` as code page 037 and its relatives write them (XML 1.0, appendix F).
        [0x4c, 0x6f, 0xa7, 0x94, ..] | [0x4c, 0x6f, 0xe7, 0xd4, ..] => return true,
        _ => {}
    }
    let (units, _) = bytes
        .get(..bytes.len().min(BEGINNING))
        .unwrap_or_default()
        .as_chunks::<4>();
    is_utf32(units, u32::from_be_bytes) || is_utf32(units, u32::from_le_bytes)
}

/// Whether units are characters, of which the first is ASCII. Numbers of four bytes, as data may begin with, are not all.
fn is_utf32(units: &[[u8; 4]], number: impl Fn([u8; 4]) -> u32) -> bool {
    let is_character = |unit: &[u8; 4]| {
        let character = char::from_u32(number(*unit));
        character.is_some_and(|character| !character.is_control() || character.is_whitespace())
    };
    let is_ascii = |unit: &[u8; 4]| u8::try_from(number(*unit)).is_ok_and(is_text);
    units.len() >= 2 && units.first().is_some_and(is_ascii) && units.iter().all(is_character)
}

const fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')
}

/// The encoding that an XML declaration names (XML 1.0, 4.3.3).
pub(super) fn xml_encoding(beginning: &[u8]) -> Option<&[u8]> {
    let text = after_blanks(beginning);
    let declaration = text.strip_prefix(b"<?xml")?;
    let end = memchr::memchr(b'>', declaration).unwrap_or(declaration.len());
    let declaration = declaration.get(..end)?;
    let at = memchr::memmem::find(declaration, b"encoding")? + b"encoding".len();
    let value = declaration
        .get(at..)?
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    let (&quote @ (b'"' | b'\''), value) = value.split_first()? else {
        return None;
    };
    value.get(..memchr::memchr(quote, value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_xml_declaration_names_its_encoding() {
        for (text, encoding) in [
            ("<?xml version=\"1.0\" encoding=\"utf-7\"?>", Some("utf-7")),
            ("\u{feff}\n<?xml encoding = 'a'?>", Some("a")),
            ("<?xml version='1.0'?><a encoding='b'/>", None),
            ("<?xml encoding=utf-7?>", None),
            ("<?xml encoding='a", None),
            ("<a/>", None),
        ] {
            let found = xml_encoding(text.as_bytes());
            assert_eq!(found, encoding.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn utf16_may_begin_with_blanks() {
        for (text, is_it) in [
            ("  \r\n\t{\"é日\":1}", true),
            (" é", false),
            ("\"é日本\"", true),
            ("日本", false),
        ] {
            let units = || text.encode_utf16();
            let little: Vec<u8> = units().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = units().flat_map(u16::to_be_bytes).collect();
            assert_eq!(utf16(&little), is_it.then_some(false), "{text:?}");
            assert_eq!(utf16(&big), is_it.then_some(true), "{text:?}");
        }
        // A file of pictures begins so, and a box of a film.
        assert_eq!(utf16(b"\0\0\x01\0\x01\0\x20\x20"), None);
        assert_eq!(utf16(b"\0\x20ftypisom"), None);
    }

    #[test]
    fn text_in_an_unreadable_encoding_is_seen_by_its_bytes() {
        let utf32 = |text: &str, big_endian: bool| -> Vec<u8> {
            text.chars()
                .flat_map(|character| match big_endian {
                    true => u32::from(character).to_be_bytes(),
                    false => u32::from(character).to_le_bytes(),
                })
                .collect()
        };
        for big_endian in [true, false] {
            assert!(is_unreadable(&utf32("{\"a\":1}", big_endian)));
            assert!(is_unreadable(&utf32("\u{feff}a", big_endian)));
            assert!(is_unreadable(&utf32(" \n\"é日本😀\"", big_endian)));
        }
        let header_of_a_bitmap = [40_u32, 640, 480, 0x0018_0001, 0, 0, 2835];
        let header_of_a_bitmap: Vec<u8> = header_of_a_bitmap
            .into_iter()
            .flat_map(u32::to_le_bytes)
            .collect();
        assert!(!is_unreadable(&header_of_a_bitmap));
        assert!(is_unreadable(b"+/v8-x") && is_unreadable(b"\x4c\x6f\xa7\x94\x93"));
        for readable in [
            &b""[..],
            b"a=b",
            b"{\"a\":1}",
            b"\xff\xfea\0b\0",
            b"a\0b\0c\0d\0e\0f\0",
            b"+/vx",
            b"\0\0\0\x20ftypisom\0\0\x02\0",
            b"\0\0\0\0\0\0\0\0",
        ] {
            assert!(!is_unreadable(readable), "{}", readable.escape_ascii());
        }
    }
}
