//! Characters in units and bytes: UTF-16 units as escapes write them, and UTF-8 longer than it may be.

use super::super::input::{DecodeStep, Form};
use super::super::offsets::{OffsetMap, Rewrite};
use super::Decoded;

/// Reads one character from escapes that each write one UTF-16 unit.
pub(super) struct Units;

impl Units {
    /// The character whose escape begins at `at`, and the length of its spelling: two escapes for a surrogate pair. Half
    /// a pair reads as the replacement character, as in every application that must make text of it.
    pub(super) fn read(
        text: &[u8],
        at: usize,
        unit_at: impl Fn(&[u8], usize) -> Option<(u16, usize)>,
    ) -> Option<(char, usize)> {
        let (unit, len) = unit_at(text, at)?;
        if let Some(character) = char::from_u32(u32::from(unit)) {
            return Some((character, len));
        }
        if let Some((second, second_len)) = unit_at(text, at + len)
            && let Some(Ok(character)) = char::decode_utf16([unit, second]).next()
        {
            return Some((character, len + second_len));
        }
        Some((char::REPLACEMENT_CHARACTER, len))
    }
}

/// A character as UTF-8.
pub(super) fn encode(character: char, buffer: &mut [u8; 4]) -> &[u8] {
    character.encode_utf8(buffer).as_bytes()
}

/// The character beyond ASCII that begins at `at`; `None` where none does.
pub(super) fn character_at(text: &[u8], at: usize) -> Option<char> {
    let bits = |byte: &u8| (byte & 0xc0 == 0x80).then_some(u32::from(byte & 0x3f));
    // What is longer than it may be is no character.
    let (code, least) = match text.get(at..)? {
        [a @ 0xc2..0xe0, b, ..] => (u32::from(a & 0x1f) << 6 | bits(b)?, 0x80),
        [a @ 0xe0..0xf0, b, c, ..] => (u32::from(a & 0x0f) << 12 | bits(b)? << 6 | bits(c)?, 0x800),
        [a @ 0xf0..0xf5, b, c, d, ..] => (
            u32::from(a & 0x07) << 18 | bits(b)? << 12 | bits(c)? << 6 | bits(d)?,
            0x1_0000,
        ),
        _ => return None,
    };
    char::from_u32(code).filter(|_| code >= least)
}

/// UTF-8 that takes more bytes than needed (`C0 AE` → `.`). No conforming decoder reads it, many old ones do.
pub(super) fn overlong(form: &Form<'_>) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    for (at, byte) in text.iter().enumerate() {
        if matches!(byte, 0xc0 | 0xc1 | 0xe0 | 0xf0)
            && let Some((character, len)) = overlong_at(text.get(at..).unwrap_or_default())
        {
            rewrite.replace(at, len, encode(character, &mut [0; 4]));
        }
    }
    Some(form.next(&[DecodeStep::OverlongUtf8], rewrite.finish()?))
}

/// The character that an overlong sequence at the beginning of `text` writes, and the sequence's length.
pub(in super::super) fn overlong_at(text: &[u8]) -> Option<(char, usize)> {
    let bits = |byte: u8| u32::from(byte & 0x3f);
    let (code, len) = match *text {
        [lead @ (0xc0 | 0xc1), a @ 0x80..=0xbf, ..] => (u32::from(lead & 1) << 6 | bits(a), 2),
        [0xe0, a @ 0x80..=0x9f, b @ 0x80..=0xbf, ..] => (bits(a) << 6 | bits(b), 3),
        [0xf0, a @ 0x80..=0x8f, b @ 0x80..=0xbf, c @ 0x80..=0xbf, ..] => {
            (bits(a) << 12 | bits(b) << 6 | bits(c), 4)
        }
        _ => return None,
    };
    Some((char::from_u32(code)?, len))
}

/// UTF-16 as UTF-8, with the way back. Half a character reads as the replacement character, as in every application that
/// must make text of it.
pub(in super::super) fn from_utf16(bytes: &[u8], big_endian: bool) -> (Vec<u8>, OffsetMap) {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units = pairs.iter().map(|&pair| {
        if big_endian {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        }
    });
    let mut text = Vec::with_capacity(bytes.len());
    let mut offsets = OffsetMap::identity();
    let mut read = 0;
    for character in char::decode_utf16(units) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(encode(character, &mut [0; 4]));
        read += 2 * character.len_utf16();
        offsets.mark(text.len(), read);
    }
    (text, offsets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_character_is_read_as_the_library_reads_it(
            text in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80..=0xbf_u8, 0xe0..=0xf4_u8], 1..5),
            character: char,
        ) {
            let mut bytes = [0; 4];
            let encoded = character.encode_utf8(&mut bytes).as_bytes();
            prop_assert_eq!(character_at(encoded, 0), Some(character).filter(|character| !character.is_ascii()));
            let library = (2..=4).find_map(|len| std::str::from_utf8(text.get(..len)?).ok()?.chars().next());
            let expected = library.filter(|_| !text[0].is_ascii());
            prop_assert_eq!(character_at(&text, 0), expected);
        }
    }
}
