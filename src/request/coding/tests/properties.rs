//! What holds for any text, and for any bytes.

use proptest::prelude::*;

use super::*;

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let words = proptest::collection::vec("[a-z{}\":, ]{0,12}|\\PC{0,4}", 0..200);
    let noise = proptest::collection::vec(any::<u8>(), 0..3000);
    let lengths = (any::<u8>(), 0..200_000_usize).prop_map(|(byte, length)| vec![byte; length]);
    prop_oneof![
        words.prop_map(|words| words.concat().into_bytes()),
        noise,
        lengths
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is encoded comes back, however it was encoded.
    #[test]
    fn decoding_undoes_encoding(text in any_text(), level in 0_u32..10, window in 10_u32..25, cut in any::<prop::sample::Index>()) {
        let deflated = |zlib: bool| {
            let mut out = Vec::new();
            if zlib {
                let mut encoder = ZlibEncoder::new(&mut out, Compression::new(level));
                encoder.write_all(&text).expect("room");
                encoder.finish().expect("room");
            } else {
                let mut encoder = DeflateEncoder::new(&mut out, Compression::new(level));
                encoder.write_all(&text).expect("room");
                encoder.finish().expect("room");
            }
            out
        };
        prop_assert_eq!(decoded("deflate", &deflated(true)), Ok(text.clone()));
        // What begins as both is refused, and nothing else is.
        let bare = deflated(false);
        match decoded("deflate", &bare) {
            Ok(found) => prop_assert_eq!(&found, &text),
            Err(_) => prop_assert!(bare[0] & 0x0f == 8),
        }
        let (first, second) = text.split_at(cut.index(text.len() + 1));
        let mut members = Vec::new();
        for part in [first, second] {
            let mut encoder = GzEncoder::new(&mut members, Compression::new(level));
            encoder.write_all(part).expect("room");
            encoder.finish().expect("room");
        }
        prop_assert_eq!(decoded("gzip", &members), Ok(text.clone()));
        prop_assert_eq!(decoded("br", &br_of(&text, window)), Ok(text.clone()));
        let mut frames = Vec::new();
        for part in [first, second] {
            frames.extend(::zstd::encode_all(part, level.cast_signed() * 2 - 4).expect("room"));
        }
        prop_assert_eq!(decoded("zstd", &frames), Ok(text));
    }

    /// Where a checksum guards the bytes, no other bytes come out of a damaged body.
    #[test]
    fn damage_is_never_silent(text in any_text(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        for (name, encode) in [("gzip", gzip as Encode), ("deflate", zlib), ("zstd", zstd)] {
            let mut encoded = encode(&text);
            let at = at.index(encoded.len());
            encoded[at] ^= 1_u8 << bit;
            if let Ok(found) = decoded(name, &encoded) {
                prop_assert!(found == text, "{}", name);
            }
        }
    }

    /// No bytes break anything, and nothing longer than allowed comes out.
    #[test]
    fn no_bytes_break_a_decoder(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        begin in prop::sample::select(vec![&b""[..], b"\x1f\x8b\x08\0\0\0\0\0\0\x03", b"\x78\x9c", b"\x28\xb5\x2f\xfd", b"\x0b"]),
        is_prefix: bool,
    ) {
        let bytes = [begin, &bytes].concat();
        let budget = Budget { output: 100_000, ratio: 100, is_prefix };
        for line in ["gzip", "deflate", "br", "zstd", "gzip, br"] {
            match decode(codings(line), &bytes, budget) {
                Ok(body) => prop_assert!(body.bytes.len() <= 100_000),
                Err(error) => prop_assert!(error != CodingError::Fault),
            }
        }
    }
}
