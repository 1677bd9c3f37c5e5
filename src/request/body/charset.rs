//! Bodies that are written in another charset than UTF-8: read once, and then taken apart like any other text.
//!
//! In which charset a body is to be read is said by its sender and seen by its bytes; where the two differ, it is read in
//! both. The bytes as they are always remain a text of their own: an application may know nothing of charsets.

use encoding_rs::Encoding;

use super::super::decode;
use super::super::input::{DecodeStep, Steps};
use super::super::offsets::OffsetMap;
use super::super::values::Layer;

/// A charset from which a body is brought into UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transcoding {
    /// UTF-16; whether the most significant byte comes first.
    Utf16 { big_endian: bool },
    /// One with a byte for each character: ISO 8859, windows-125x and their like.
    SingleByte(&'static Encoding),
}

impl Transcoding {
    /// The charset with a byte for each character that a label names (WHATWG Encoding, 4.2).
    pub(super) fn single_byte(label: &[u8]) -> Option<&'static Encoding> {
        Encoding::for_label(label).filter(|encoding| encoding.is_single_byte())
    }

    /// The charsets that a body is to be read in, besides UTF-8: in UTF-16 as it `looks`, and as is `said`. What is said
    /// without a byte order mark leaves the order open to readers, and so to us.
    pub(super) fn candidates(
        looks: Option<bool>,
        said: Option<bool>,
        single_byte: Option<&'static Encoding>,
    ) -> Vec<Self> {
        let orders = [false, true].into_iter().filter(|&big_endian| {
            looks == Some(big_endian)
                || said == Some(big_endian)
                || (looks.is_none() && said.is_some())
        });
        orders
            .map(|big_endian| Self::Utf16 { big_endian })
            .chain(single_byte.map(Self::SingleByte))
            .collect()
    }

    /// The body as UTF-8; `None` where it says the same as its bytes do.
    pub(super) fn decode(self, bytes: &[u8]) -> Option<Layer> {
        match self {
            Self::Utf16 { big_endian } => Some(utf16(bytes, big_endian)),
            // What is UTF-8 is read as such by whoever looks at it, and for the rest it is other letters, not other signs.
            Self::SingleByte(_) if std::str::from_utf8(bytes).is_ok() => None,
            Self::SingleByte(encoding) => Some(of_bytes(bytes, encoding)),
        }
    }
}

/// UTF-16 as UTF-8, without the byte order mark.
fn utf16(bytes: &[u8], big_endian: bool) -> Layer {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let (mut text, mut offsets) = decode::from_utf16(bytes, big_endian);
    if text.starts_with(MARK) {
        text.drain(..MARK.len());
        offsets = offsets.without(MARK.len());
    }
    Layer {
        text,
        offsets,
        steps: Steps::one(DecodeStep::Utf16),
        charset: if big_endian { "utf-16be" } else { "utf-16le" },
    }
}

/// A text of one byte for each character as UTF-8.
fn of_bytes(bytes: &[u8], encoding: &'static Encoding) -> Layer {
    let upper: Vec<u8> = (0x80..=u8::MAX).collect();
    let (characters, _) = encoding.decode_without_bom_handling(&upper);
    let table: Vec<char> = characters.chars().collect();
    let mut text = Vec::with_capacity(bytes.len() + bytes.len() / 4);
    let mut offsets = OffsetMap::identity();
    for (at, &byte) in bytes.iter().enumerate() {
        if byte.is_ascii() {
            text.push(byte);
            continue;
        }
        let character = table.get(usize::from(byte) - 0x80).copied();
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        offsets.mark(text.len(), at + 1);
    }
    Layer {
        text,
        offsets,
        steps: Steps::one(DecodeStep::Charset),
        charset: encoding.name(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_said_and_what_is_seen_both_count() {
        let utf16 = |big_endian| Transcoding::Utf16 { big_endian };
        let (little, big) = (utf16(false), utf16(true));
        for (looks, said, expected) in [
            (None, None, &[][..]),
            (Some(false), None, &[little]),
            (Some(true), Some(true), &[big]),
            (Some(true), Some(false), &[little, big]),
            (None, Some(true), &[little, big]),
        ] {
            assert_eq!(Transcoding::candidates(looks, said, None), expected);
        }
        let latin = Transcoding::single_byte(b" Latin1 ");
        assert_eq!(latin.map(Encoding::name), Some("windows-1252"));
        assert_eq!(Transcoding::candidates(None, None, latin).len(), 1);
        for label in ["utf-8", "utf-16", "shift_jis", "nonsense", ""] {
            assert_eq!(Transcoding::single_byte(label.as_bytes()), None, "{label}");
        }
    }

    #[test]
    fn a_byte_of_its_own_is_read_as_its_charset_has_it() {
        let read = |label: &[u8], bytes: &[u8]| {
            let encoding = Transcoding::single_byte(label).unwrap();
            let layer = Transcoding::SingleByte(encoding).decode(bytes)?;
            Some(String::from_utf8(layer.text).unwrap())
        };
        assert_eq!(read(b"iso-8859-1", b"caf\xe9 \x80").unwrap(), "café €");
        assert_eq!(read(b"windows-1251", b"\xcf\xf0").unwrap(), "Пр");
        assert_eq!(read(b"iso-8859-7", b"\xe1\xff").unwrap(), "α\u{fffd}");
        assert_eq!(read(b"iso-8859-1", "café".as_bytes()), None);
        assert_eq!(read(b"iso-8859-1", b"cafe"), None);
        let latin = Transcoding::SingleByte(Transcoding::single_byte(b"l1").unwrap());
        let layer = latin.decode(b"a\xe9b\x80c").unwrap();
        let raw = [0, 1, 3, 4, 7, 8].map(|at| layer.offsets.raw(at));
        assert_eq!(raw, [0, 1, 2, 3, 4, 5]);
    }

    proptest! {
        #[test]
        fn utf16_leads_back(text in "\\PC{0,20}", big_endian: bool, has_mark: bool) {
            let text = text.trim_start_matches('\u{feff}');
            let mark = if has_mark { "\u{feff}" } else { "" };
            let raw: Vec<u8> = [mark, text]
                .concat()
                .encode_utf16()
                .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            let layer = Transcoding::Utf16 { big_endian }.decode(&raw).unwrap();
            prop_assert_eq!(&*layer.text, text.as_bytes());
            let mut raw_at = 2 * usize::from(has_mark);
            for (at, character) in text.char_indices() {
                prop_assert_eq!(layer.offsets.raw(at), raw_at);
                raw_at += 2 * character.len_utf16();
                prop_assert_eq!(layer.offsets.raw_end(at + character.len_utf8()), raw_at);
            }
        }
    }
}
