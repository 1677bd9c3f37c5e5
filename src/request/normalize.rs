//! The path that every spelling of it shares, so that a limit, a list or a counter cannot be dodged by spelling.
//!
//! It is for *comparing*, never for forwarding, and it takes the side of whoever reads most into a path: whatever some
//! server takes for a separator, an escape or nothing at all is taken for it here.
//!
//! That is not enough where a path goes back up: what `..` takes away depends on what the server took for a segment, so
//! such a path has several [`readings`], and a limit on any of them holds.

mod readings;

use std::borrow::Cow;
use std::fmt::Write as _;

pub use self::readings::{Readings, readings};
use super::decode::{hex_digit, hex_unit, overlong_at};

/// The path that every spelling of it shares.
///
/// Escapes are decoded until none is left (`%2561`, `%u0061` and overlong UTF-8 too), `\` is `/`, repeated slashes are one,
/// `.` and `..` are resolved without leaving the root, `;parameters` and the dots, spaces and control bytes that end a segment are
/// dropped, a NUL ends the path, and no slash ends it but that of the root. Case is kept. Bytes that are not UTF-8 are
/// written as escapes. A path that is normal already is borrowed, and the normal path of a normal path is itself.
#[must_use]
pub fn normalize(path: &str) -> Cow<'_, str> {
    if path == "/" || is_normal(path) {
        return Cow::Borrowed(path);
    }
    if let Some(shorter) = path.strip_suffix('/')
        && is_normal(shorter)
    {
        return Cow::Borrowed(shorter);
    }
    let mut bytes = unescape(path.as_bytes());
    if let Some(end) = memchr::memchr(0, &bytes) {
        bytes.truncate(end);
    }
    for byte in &mut bytes {
        if *byte == b'\\' {
            *byte = b'/';
        }
    }
    Cow::Owned(to_text(&resolve(&bytes)))
}

/// Whether a path other than the root is its own normal path, by one look at each byte.
fn is_normal(path: &str) -> bool {
    let mut previous = b'a';
    for &byte in path.as_bytes() {
        match byte {
            b'/' if matches!(previous, b'/' | b'.' | b' ') => return false,
            b'%' | b'\\' | b';' | 0..b' ' | 0x7f => return false,
            _ => previous = byte,
        }
    }
    path.starts_with('/') && !matches!(previous, b'/' | b'.' | b' ')
}

/// Whether a byte at the end of a segment is nothing to some server: Windows drops spaces, and many a pattern that should
/// match a whole path lets a line feed follow.
const fn is_blank(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// Decodes until nothing is left to decode, in one pass: whenever the bytes written so far end in an escape, its meaning
/// takes its place, and may complete another one. Every such step shortens what is written, so the work is linear
/// however deep the escapes are nested.
fn unescape(path: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(path.len());
    for &byte in path {
        written.push(byte);
        while let Some((len, meaning)) = escape_at_end(&written) {
            written.truncate(written.len() - len);
            meaning.write(&mut written);
        }
    }
    written
}

/// What an escape stands for.
#[derive(PartialEq, Eq)]
enum Meaning {
    Byte(u8),
    Character(char),
}

impl Meaning {
    fn write(&self, written: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => written.push(*byte),
            Self::Character(character) => {
                written.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
}

/// The escape that `written` ends in: its length and its meaning.
fn escape_at_end(written: &[u8]) -> Option<(usize, Meaning)> {
    match written.last()? {
        0x80..=0xbf => (2..=4).find_map(|len| {
            let tail = written.get(written.len().checked_sub(len)?..)?;
            let (character, taken) = overlong_at(tail)?;
            (taken == len).then_some((len, Meaning::Character(character)))
        }),
        digit if digit.is_ascii_hexdigit() => percent_at_end(written),
        _ => None,
    }
}

fn percent_at_end(written: &[u8]) -> Option<(usize, Meaning)> {
    if let Some(&[b'%', high, low]) = written.last_chunk() {
        let byte = hex_digit(high)? << 4 | hex_digit(low)?;
        return Some((3, Meaning::Byte(byte)));
    }
    let low = unit_at_end(written)?;
    if let Some(character) = char::from_u32(u32::from(low)) {
        return Some((6, Meaning::Character(character)));
    }
    let high = unit_at_end(written.get(..written.len() - 6)?)?;
    let character = char::decode_utf16([high, low]).next()?.ok()?;
    Some((12, Meaning::Character(character)))
}

fn unit_at_end(written: &[u8]) -> Option<u16> {
    match *written.last_chunk()? {
        [b'%', b'u' | b'U', a, b, c, d] => hex_unit([a, b, c, d]),
        _ => None,
    }
}

/// Drops what servers drop from segments, and resolves `.` and `..`.
fn resolve(path: &[u8]) -> Vec<u8> {
    let mut resolved: Vec<u8> = Vec::with_capacity(path.len() + 1);
    for segment in path.split(|&byte| byte == b'/') {
        let parameters = memchr::memchr(b';', segment).unwrap_or(segment.len());
        let segment = segment.get(..parameters).unwrap_or_default();
        // Blanks go first: `..` followed by a blank is still the parent directory to Windows.
        match trim_end(segment, is_blank) {
            b".." => {
                let parent = memchr::memrchr(b'/', &resolved).unwrap_or(0);
                resolved.truncate(parent);
            }
            segment => {
                let segment = trim_end(segment, |byte| byte == b'.' || is_blank(byte));
                if !segment.is_empty() {
                    resolved.push(b'/');
                    resolved.extend_from_slice(segment);
                }
            }
        }
    }
    if resolved.is_empty() {
        resolved.push(b'/');
    }
    resolved
}

fn trim_end(segment: &[u8], is_dropped: fn(u8) -> bool) -> &[u8] {
    let len = segment
        .iter()
        .rposition(|&byte| !is_dropped(byte))
        .map_or(0, |last| last + 1);
    segment.get(..len).unwrap_or_default()
}

fn to_text(path: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_a_path_share_one() {
        const SPELLINGS: [(&str, &[&str]); 9] = [
            (
                "/a/b",
                &[
                    "/a/b",
                    "//a///b",
                    "/a/b/",
                    "/a/b//",
                    "/a/./b/.",
                    "/a/c/../b",
                    "/../../a/b",
                    "/%61/b",
                    "/%2561/b",
                    "/%25252561/b",
                    "/%u0061/b",
                    "\\a\\b",
                    "/a%2fb",
                    "/a%5cb",
                    "/a;v=1/b;x",
                    "/a/b.",
                    "/a%20/b%20.%20",
                    "/a/b%00.png",
                    "/a%c0%afb",
                    "/a/%c0%ae%c0%ae/a/b",
                    "/a/..;/a/b",
                    "/a/%2e%2e/a/b",
                    "/a/..%20/a/b",
                    "/x/..%5ca/b",
                    "a/b",
                    "/%%361/b",
                    "/%2%35%36%31/b",
                    "/a/b%0a",
                    "/a%09/b%0d%0a",
                    "/a/b%7f",
                ],
            ),
            (
                "/",
                &[
                    "/", "", "//", "/.", "/..", "/../..", "/a/..", "/%2e", "/%00", "/;a",
                ],
            ),
            ("/A", &["/A", "/%41"]),
            ("/a%FF", &["/a%ff", "/a%FF", "/a%25ff"]),
            ("/%zz", &["/%zz", "/%25zz"]),
            (
                "/größe",
                &["/größe", "/gr%C3%B6%c3%9fe", "/gr%u00f6%u00dfe"],
            ),
            ("/😀", &["/😀", "/%ud83d%ude00", "/%f0%9f%98%80"]),
            ("/.hidden", &["/.hidden", "/%2ehidden"]),
            ("/a..b", &["/a..b"]),
        ];
        for (normal, spellings) in SPELLINGS {
            for spelling in spellings {
                assert_eq!(normalize(spelling), normal, "{spelling}");
            }
        }
    }

    #[test]
    fn a_usual_path_is_borrowed() {
        for path in [
            "/",
            "/api/v1.2/users/42",
            "/api/",
            "/.well-known/x",
            "/a+b(c)",
        ] {
            assert!(matches!(normalize(path), Cow::Borrowed(_)), "{path}");
        }
    }

    proptest! {
        #[test]
        fn the_normal_path_of_a_normal_path_is_itself(
            path in r"([/.\\;% a0-9cCeEfFuU]|%2[5ef]|%c0%a[ef]|%u00(2[5ef]|61)|%[8-f][0-9a-f]|\PC){0,24}"
        ) {
            let once = normalize(&path).into_owned();
            prop_assert_eq!(&*normalize(&once), &*once);
            prop_assert!(once.starts_with('/'));
            prop_assert!(once == "/" || !once.ends_with('/'));
            prop_assert!(!once.contains("//") && !once.contains("/../") && !once.contains('\0'));
        }
    }
}
