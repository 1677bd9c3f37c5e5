//! Names of values: an outsider's bytes as a short, harmless text.
//!
//! A name serves three readers: exclusions compare it, secrets are recognised by it, and people read it in events. So it is
//! the decoded key where that is plain text, escaped where it is not, and never longer than [`MAX_BYTES`] and a few.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::marks::Marks;

/// The longest key that is shown in full; of a longer one the beginning is kept and the cut marked by `…`.
pub const MAX_BYTES: usize = 128;

/// The name that a decoded key gives to its value.
pub(super) fn of_bytes(key: &[u8]) -> Cow<'_, str> {
    if key.len() <= MAX_BYTES
        && !Marks::of(key).meets(Marks::UNPRINTABLE)
        && let Ok(text) = std::str::from_utf8(key)
    {
        return Cow::Borrowed(text);
    }
    let mut name = String::new();
    push(&mut name, key);
    Cow::Owned(name)
}

/// Appends a decoded key to a name.
pub(super) fn push(name: &mut String, key: &[u8]) {
    push_printable(name, head(key, MAX_BYTES));
    if key.len() > MAX_BYTES {
        name.push('…');
    }
}

/// The first `max` bytes, or up to three fewer so that no character is cut in two.
#[must_use]
pub fn head(bytes: &[u8], max: usize) -> &[u8] {
    if bytes.len() <= max {
        return bytes;
    }
    let is_continuation = |at: usize| {
        bytes
            .get(at)
            .is_some_and(|byte| matches!(byte, 0x80..=0xbf))
    };
    let back = (0..4)
        .find(|back| {
            max.checked_sub(*back)
                .is_some_and(|at| !is_continuation(at))
        })
        .unwrap_or(0);
    bytes.get(..max - back).unwrap_or_default()
}

/// A path of keys, or its end behind `…` where it is longer than `max`: the last key tells most of what a value is.
pub(super) fn end_of_path(path: &str, max: usize) -> String {
    let Some(cut) = path.len().checked_sub(max).filter(|cut| *cut > 0) else {
        return path.to_owned();
    };
    let end = path.get(path.ceil_char_boundary(cut)..);
    ["…", end.unwrap_or_default()].concat()
}

/// Appends bytes of an outsider as harmless text on one line: control characters, characters that are not seen or that
/// change how their neighbours are shown, and bytes that are no UTF-8 are written as escapes.
pub fn push_printable(text: &mut String, bytes: &[u8]) {
    if let Some(plain) = plain(bytes) {
        text.push_str(plain);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_unprintable(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
}

/// Bytes that are harmless as they are, which most are: printable ASCII.
fn plain(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        std::str::from_utf8(bytes).ok()
    } else {
        None
    }
}

/// Characters that end lines, drive terminals, change how their neighbours are shown, or are not shown at all.
#[must_use]
pub fn is_unprintable(character: char) -> bool {
    character.is_control() || is_invisible(character)
}

const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_key_is_its_own_name() {
        assert!(matches!(of_bytes(b"user[id]"), Cow::Borrowed("user[id]")));
        assert_eq!(of_bytes("größe".as_bytes()), "größe");
    }

    #[test]
    fn an_odd_key_is_escaped_and_cut() {
        assert_eq!(of_bytes(b"a\n\xffb"), "a\\u{a}\\xffb");
        let long = of_bytes(&[b'x'; 1000]);
        assert_eq!(long, "x".repeat(MAX_BYTES) + "…");
    }

    #[test]
    fn of_a_long_path_the_end_is_kept() {
        assert_eq!(end_of_path("/a/b", 4), "/a/b");
        assert_eq!(end_of_path("/a/b", 3), "…a/b");
        assert_eq!(end_of_path("/é/b", 3), "…/b");
    }

    #[test]
    fn a_cut_spares_characters() {
        assert_eq!(head("aé".as_bytes(), 2), b"a");
        assert_eq!(head("aé".as_bytes(), 3), "aé".as_bytes());
        assert_eq!(head("😀😀".as_bytes(), 7), "😀".as_bytes());
        assert_eq!(head(&[0x80; 9], 5), [0x80; 5]);
        assert_eq!(head(b"abc", 0), b"");
    }
}
