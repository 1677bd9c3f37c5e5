//! Bodies that are written in another charset than UTF-8: read once, and then taken apart like any other text.

use super::super::decode;
use super::super::input::DecodeStep;
use super::super::values::Layer;

/// UTF-16 as UTF-8, with the way back.
pub(super) fn from_utf16(bytes: &[u8], big_endian: bool) -> Layer {
    let (text, offsets) = decode::from_utf16(bytes, big_endian);
    Layer {
        text,
        offsets,
        step: DecodeStep::Utf16,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn utf16_leads_back(text in "\\PC{0,20}", big_endian: bool) {
            let raw: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            let layer = from_utf16(&raw, big_endian);
            prop_assert_eq!(&*layer.text, text.as_bytes());
            let mut raw_at = 0;
            for (at, character) in text.char_indices() {
                prop_assert_eq!(layer.offsets.raw(at), raw_at);
                raw_at += 2 * character.len_utf16();
            }
        }
    }
}
