//! Bodies as clients encode them, and as nobody should.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// More than any test decodes.
const PLENTY: Budget = Budget {
    output: 8 << 20,
    ratio: 100_000,
    is_prefix: false,
};

fn headers(lines: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(CONTENT_ENCODING, HeaderValue::from_static(line));
    }
    headers
}

fn codings(line: &'static str) -> Codings {
    Codings::of(&headers(&[line])).expect("codings")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("room");
    encoder.finish().expect("room")
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("room");
    encoder.finish().expect("room")
}

fn bare(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("room");
    encoder.finish().expect("room")
}

fn br_of(text: &[u8], window: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = ::brotli::CompressorWriter::new(&mut out, 4096, 5, window);
    encoder.write_all(text).expect("room");
    drop(encoder);
    out
}

fn br(text: &[u8]) -> Vec<u8> {
    br_of(text, 22)
}

fn zstd(text: &[u8]) -> Vec<u8> {
    let mut encoder = ::zstd::Encoder::new(Vec::new(), 3).expect("an encoder");
    encoder.include_checksum(true).expect("a checksum");
    encoder.write_all(text).expect("room");
    encoder.finish().expect("room")
}

type Encode = fn(&[u8]) -> Vec<u8>;

/// Every encoding, under the name that it goes by.
const ENCODERS: [(&str, Encode); 5] = [
    ("gzip", gzip),
    ("deflate", zlib),
    ("deflate", bare),
    ("br", br),
    ("zstd", zstd),
];

fn decoded(line: &'static str, bytes: &[u8]) -> Result<Vec<u8>, CodingError> {
    decode(codings(line), bytes, PLENTY).map(|body| {
        assert!(body.is_whole);
        body.bytes
    })
}

#[test]
fn codings_are_named_in_every_spelling() {
    use Coding::{Brotli, Deflate, Gzip, Zstd};
    let cases: [(&[&'static str], Option<&[Coding]>); 18] = [
        (&[], Some(&[])),
        (&[""], Some(&[])),
        (&["identity"], Some(&[])),
        (&["gzip"], Some(&[Gzip])),
        (&["x-gzip"], Some(&[Gzip])),
        (&["GZip"], Some(&[Gzip])),
        (&["deflate"], Some(&[Deflate])),
        (&["br"], Some(&[Brotli])),
        (&["zstd"], Some(&[Zstd])),
        (&["gzip, br"], Some(&[Gzip, Brotli])),
        (&["gzip", "br"], Some(&[Gzip, Brotli])),
        (&[" ,gzip ,, identity"], Some(&[Gzip])),
        (&["gzip, gzip, gzip"], None),
        (&["gzip", "br", "br"], None),
        (&["compress"], None),
        (&["aws-chunked"], None),
        (&["gzip;q=1"], None),
        (&["gzip br"], None),
    ];
    for (lines, expected) in cases {
        let found = Codings::of(&headers(lines)).ok();
        let found = found.map(|codings| codings.iter().collect::<Vec<_>>());
        assert_eq!(found.as_deref(), expected, "{lines:?}");
    }
    for (name, expected) in [
        ("content_encoding", 1),
        ("content.encoding", 1),
        ("content-encodings", 0),
        ("x-content-encoding", 0),
        ("content-type", 0),
    ] {
        let line = HeaderValue::from_static("gzip");
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), line)]);
        let codings = Codings::of(&headers).expect("codings");
        assert_eq!(codings.iter().count(), expected, "{name}");
    }
}

#[test]
fn what_clients_encode_is_decoded() {
    let long = "{\"message\": \"hello\"}\n".repeat(20_000);
    let mut count = 0;
    for (name, encode) in ENCODERS {
        for text in ["", "a", "{\"q\":1}", &long] {
            let encoded = encode(text.as_bytes());
            let found = decoded(name, &encoded).expect(name);
            assert!(found == text.as_bytes(), "{name}");
            count += 1;
        }
    }
    assert_eq!(count, 20);
}

#[test]
fn stacked_codings_are_undone_last_first() {
    let encoded = br(&gzip(b"hello"));
    assert_eq!(decoded("gzip, br", &encoded).as_deref(), Ok(&b"hello"[..]));
    assert!(decoded("br, gzip", &encoded).is_err());
    let steps: Vec<_> = codings("gzip, br").steps().collect();
    assert_eq!(steps, [DecodeStep::Brotli, DecodeStep::Gzip]);
}

#[test]
fn several_members_and_frames_are_one_body() {
    let text = b"hello world";
    let (first, second) = text.split_at(5);
    for (name, encode) in [("gzip", gzip as Encode), ("zstd", zstd)] {
        let both = [encode(first), encode(second)].concat();
        let body = decode(codings(name), &both, PLENTY).expect(name);
        assert_eq!((&body.bytes[..], body.members), (&text[..], 2), "{name}");
        // Some encoders end with a member in which there is nothing.
        let three = [both, encode(b"")].concat();
        assert_eq!(decoded(name, &three).as_deref(), Ok(&text[..]), "{name}");
    }
    let skipped = [b"\x5a\x2a\x4d\x18\x03\0\0\0abc", &zstd(text)[..]].concat();
    assert_eq!(decoded("zstd", &skipped).as_deref(), Ok(&text[..]));
}

#[test]
fn what_breaks_off_or_goes_on_is_an_error() {
    for (name, encode) in ENCODERS {
        let encoded = encode(b"hello, hello, hello");
        for length in 0..encoded.len() {
            let error = decoded(name, &encoded[..length]).expect_err(name);
            // What is left of two bytes of zlib header is bare deflate, and bad.
            let is_short = length < 2 && error == CodingError::Malformed;
            assert!(
                error == CodingError::Truncated || is_short,
                "{name} {length}: {error:?}"
            );
        }
        for more in [
            &b"x"[..],
            b"\0",
            b"\0\0\0\0\0\0\0\0",
            b"hello",
            b"\x1f\x8c",
            b"\x28\xb5\x2f\xff",
        ] {
            let error = decoded(name, &[&encoded, more].concat()).expect_err(name);
            assert_eq!(error, CodingError::Trailing, "{name} {more:?}");
        }
    }
}

#[test]
fn what_two_decoders_would_read_differently_is_an_error() {
    use CodingError::{Ambiguous, Malformed};
    let mut flipped = gzip(b"hello");
    let at = flipped.len() - 8;
    flipped[at] ^= 1;
    assert_eq!(decoded("gzip", &flipped), Err(Malformed), "the checksum");
    let mut flipped = gzip(b"hello");
    *flipped.last_mut().expect("a byte") ^= 1;
    assert_eq!(decoded("gzip", &flipped), Err(Malformed), "the length");
    let mut flipped = zlib(b"hello");
    *flipped.last_mut().expect("a byte") ^= 1;
    assert_eq!(decoded("deflate", &flipped), Err(Malformed), "Adler-32");
    let mut flipped = zstd(b"hello");
    *flipped.last_mut().expect("a byte") ^= 1;
    assert_eq!(decoded("zstd", &flipped), Err(Malformed), "xxHash");
    // A stored block of 0x0001 bytes in bare deflate, which is as well a zlib header and its first block's head.
    let both = [0x78, 0x01, 0x00, 0xfe, 0xff, b'a', 0x01, 0, 0, 0xff, 0xff];
    assert_eq!(decoded("deflate", &both), Err(Ambiguous));
    // Neither is taken for the other.
    assert_eq!(decoded("deflate", &gzip(b"hello")), Err(Malformed));
    assert!(decoded("gzip", &zlib(b"hello")).is_err());
    // A header that asks for a dictionary which nobody has.
    assert_eq!(
        decoded("deflate", b"\x78\xbb\0\0\0\0\x03\0"),
        Err(Malformed)
    );
    // Reserved flags.
    let mut reserved = gzip(b"hello");
    reserved[3] |= 0x20;
    assert_eq!(decoded("gzip", &reserved), Err(Malformed));
}

#[test]
fn windows_and_dictionaries_beyond_what_http_knows_are_refused() {
    // Window descriptors of 8 MiB and of 16 MiB, then an empty last block.
    let frame = |exponent: u8| [0x28, 0xb5, 0x2f, 0xfd, 0x00, exponent << 3, 0x01, 0, 0];
    assert_eq!(decoded("zstd", &frame(13)).as_deref(), Ok(&b""[..]));
    for exponent in [14, 20, 31] {
        assert_eq!(
            decoded("zstd", &frame(exponent)),
            Err(CodingError::Malformed),
            "{exponent}"
        );
    }
    // The id of a dictionary.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x50, 0x07, 0x01, 0, 0];
    assert_eq!(decoded("zstd", &frame), Err(CodingError::Malformed));
    // A large window of brotli.
    assert_eq!(
        decoded("br", &br_of(b"hello", 24)).as_deref(),
        Ok(&b"hello"[..])
    );
    let mut params = ::brotli::enc::BrotliEncoderParams {
        large_window: true,
        lgwin: 28,
        ..Default::default()
    };
    params.quality = 5;
    let mut large = Vec::new();
    ::brotli::BrotliCompress(&mut &b"hello"[..], &mut large, &params).expect("room");
    assert_eq!(decoded("br", &large), Err(CodingError::Malformed));
}

#[test]
fn what_comes_out_is_bounded_by_size_and_by_ratio() {
    let zeros = vec![0; 1 << 20];
    for (name, encode) in ENCODERS {
        let encoded = encode(&zeros);
        let budget = |output, ratio| Budget {
            output,
            ratio,
            is_prefix: false,
        };
        let body = decode(codings(name), &encoded, budget(100_000, 100_000)).expect(name);
        assert_eq!(
            (body.bytes.len(), body.is_whole),
            (100_000, false),
            "{name}"
        );
        let body = decode(codings(name), &encoded, budget(1 << 20, 100_000)).expect(name);
        assert_eq!((body.bytes.len(), body.is_whole), (1 << 20, true), "{name}");
        let body = decode(codings(name), &encoded, budget((1 << 20) - 1, 100_000)).expect(name);
        assert_eq!(
            (body.bytes.len(), body.is_whole),
            ((1 << 20) - 1, false),
            "{name}"
        );
        let bomb = decode(codings(name), &encoded, budget(1 << 20, 10));
        assert_eq!(bomb, Err(CodingError::Ratio), "{name}");
        // One byte more than allowed tells them apart.
        let cut = &zeros[..(1 << 20) - 1];
        for (ratio, expected) in [(100_000, Ok(true)), (1, Err(CodingError::Ratio))] {
            let body = decode(codings(name), &encode(cut), budget(cut.len(), ratio));
            assert_eq!(body.map(|body| body.is_whole), expected, "{name}");
        }
        // Short ones may be as dense as they like.
        let encoded = encode(&zeros[..Budget::FREE]);
        let body = decode(codings(name), &encoded, budget(1 << 20, 10)).expect(name);
        assert_eq!(body.bytes.len(), Budget::FREE, "{name}");
    }
    // What a bomb within a bomb is between its two layers counts as well.
    let nested = gzip(&gzip(&vec![0; 64 << 20]));
    let budget = Budget {
        output: 1 << 20,
        ratio: 100,
        is_prefix: false,
    };
    assert!(nested.len() < 1000, "{}", nested.len());
    assert_eq!(
        decode(codings("gzip, gzip"), &nested, budget),
        Err(CodingError::Ratio)
    );
}

#[test]
fn many_members_are_as_long_as_they_are_many() {
    for (name, encode) in [("gzip", gzip as Encode), ("zstd", zstd)] {
        for text in [&b""[..], b"a"] {
            let many = encode(text).repeat(10_000);
            assert_eq!(decoded(name, &many), Err(CodingError::Pieces), "{name}");
            let few = encode(text).repeat(50);
            assert_eq!(decoded(name, &few), Ok(text.repeat(50)), "{name}");
        }
        let long = encode(&[b'a'; 2000]).repeat(1000);
        assert_eq!(decoded(name, &long), Ok(vec![b'a'; 2_000_000]), "{name}");
    }
    let skipped = b"\x50\x2a\x4d\x18\0\0\0\0".repeat(100_000);
    assert_eq!(decoded("zstd", &skipped), Err(CodingError::Pieces));
}

/// Bits, least significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    /// Adds `count` bits of a number.
    fn put(&mut self, number: u32, count: usize) {
        for at in 0..count {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let bit = (number >> at & 1) as u8;
            *self.bytes.last_mut().expect("a byte") |= bit << (self.count % 8);
            self.count += 1;
        }
    }
}

/// A block of deflate that brings tables and no text (RFC 1951, 3.2.7).
fn empty_deflate_block(bits: &mut Bits, is_last: bool) {
    bits.put(is_last.into(), 1);
    bits.put(2, 2);
    bits.put(0, 5 + 5);
    bits.put(14, 4);
    // Of the code lengths only 18 (very many zeros) and 1 occur, with one bit each: 1 is 0, 18 is 1.
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1] {
        bits.put(u32::from(symbol == 18 || symbol == 1), 3);
    }
    // The letter a and the end have one bit each, and so has the only distance.
    bits.put(1, 1);
    bits.put(97 - 11, 7);
    bits.put(0, 1);
    for zeros in [138, 20] {
        bits.put(1, 1);
        bits.put(zeros - 11, 7);
    }
    bits.put(0, 1 + 1);
    bits.put(1, 1);
}

/// A metablock of brotli with 256 tables for one letter (RFC 7932, 9.2).
fn brotli_of_tables(bits: &mut Bits) {
    // Not the last; one byte in four nibbles; compressed; one type of blocks each; no direct distances; context mode 0.
    bits.put(0, 1 + 2 + 16 + 1 + 3 + 6 + 2);
    // 256 literal tables, of which all contexts use the first; one for distances.
    bits.put(0b111_1111_1111, 11);
    bits.put(0, 1);
    bits.put(0b0001, 4);
    bits.put(0, 8 + 1 + 1);
    for _ in 0..256 {
        // 256 symbols of eight bits: code lengths 8 and 16 (repeat) have one bit each.
        bits.put(3, 2);
        bits.put(0, 10);
        bits.put(0b0111, 4);
        bits.put(0, 2);
        bits.put(0b0111, 4);
        bits.put(0, 1);
        for more in [2, 2, 2, 0] {
            bits.put(1 | more << 1, 3);
        }
    }
    // One literal and no distance; the letter 0.
    bits.put(0b0001 | 8 << 4, 14);
    bits.put(0b0001, 10);
    bits.put(0, 8);
}

#[test]
fn tables_without_text_are_refused_before_they_cost_much() {
    let budget = Budget {
        output: 1 << 20,
        ratio: 100,
        is_prefix: false,
    };
    let stops = |name: &'static str, bytes: &[u8]| {
        decode(codings(name), bytes, budget).map(|body| body.bytes.len())
    };
    let tables = |count: usize| {
        let mut bits = Bits::default();
        (1..count).for_each(|_| empty_deflate_block(&mut bits, false));
        empty_deflate_block(&mut bits, true);
        bits.bytes
    };
    assert_eq!(stops("deflate", &tables(200)), Ok(0));
    assert_eq!(stops("deflate", &tables(80_000)), Err(CodingError::Pieces));
    let tables = |count: usize| {
        let mut bits = Bits::default();
        bits.put(0, 1);
        (0..count).for_each(|_| brotli_of_tables(&mut bits));
        bits.put(0b11, 2);
        bits.bytes
    };
    assert_eq!(stops("br", &tables(10)), Ok(10));
    assert_eq!(stops("br", &tables(900)), Err(CodingError::Pieces));
    // Blocks of nothing, which are not even last.
    let blocks = |count: usize| {
        let frame = b"\x28\xb5\x2f\xfd\x00\x68";
        [&frame[..], &[0; 3].repeat(count), &[1, 0, 0]].concat()
    };
    assert_eq!(stops("zstd", &blocks(200)), Ok(0));
    assert_eq!(stops("zstd", &blocks(300_000)), Err(CodingError::Pieces));
    // Whoever flushes every line writes many blocks, too, but with something in them.
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    let line: String = (0..40).map(|n| format!("{n}, ")).collect();
    for _ in 0..5000 {
        encoder.write_all(line.as_bytes()).expect("room");
        encoder.flush().expect("room");
    }
    let flushed = encoder.finish().expect("room");
    assert_eq!(
        decode(codings("deflate"), &flushed, PLENTY).map(|body| body.bytes.len()),
        Ok(5000 * line.len())
    );
}

#[test]
fn a_beginning_may_break_off_but_must_not_be_wrong() {
    let prefix = Budget {
        is_prefix: true,
        ..PLENTY
    };
    let text: String = (0..400_000).map(|n| format!("{n} ")).collect();
    for (name, encode) in ENCODERS {
        let mut encoded = encode(text.as_bytes());
        encoded.truncate(encoded.len() / 2);
        let body = decode(codings(name), &encoded, prefix).expect(name);
        assert!(!body.is_whole, "{name}");
        assert!(text.as_bytes().starts_with(&body.bytes), "{name}");
        assert!(body.bytes.len() > 100_000, "{name}: {}", body.bytes.len());
    }
    let no_gzip = decode(codings("gzip"), b"hello, hello", prefix);
    assert_eq!(no_gzip, Err(CodingError::Malformed));
}

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

#[test]
fn who_does_not_decode_finds_nothing_where_nothing_is_hidden() {
    use crate::request::BodyView;
    let text: String = (0..3000).map(|n| format!("{{\"number\":{n}}}\n")).collect();
    for (name, encode) in ENCODERS {
        let encoded = encode(text.as_bytes());
        for kind in [
            "application/json",
            "application/xml",
            "text/plain",
            "application/graphql",
            "application/x-ndjson",
            "multipart/form-data; boundary=x",
            "application/octet-stream",
        ] {
            let mut headers = headers(&[name]);
            headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(kind));
            let view = BodyView::still_encoded(&headers, &encoded);
            let values = view.as_ref().map_or(0, |view| view.inputs().iter().count());
            assert_eq!(values, 0, "{name} {kind}");
            assert!(view.is_none_or(|view| view.ambiguities().is_empty()));
        }
    }
    // Nor is most of what is noise between the signs of a form.
    let mut form = headers(&["br"]);
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    form.insert(http::header::CONTENT_TYPE, kind);
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(50_000)
    .collect();
    let view = BodyView::still_encoded(&form, &noise).expect("a form");
    let judged: usize = view.inputs().iter().map(|input| input.value().len()).sum();
    assert!(judged < noise.len() / 4, "{judged} of {}", noise.len());
    // A comment in the header of gzip may hold a form.
    let hidden = flate2::GzBuilder::new()
        .comment("&name=value&")
        .write(Vec::new(), Compression::default());
    let hidden = hidden.finish().expect("room");
    let view = BodyView::still_encoded(&form, &hidden).expect("a form");
    assert!(view.inputs().iter().any(|input| input.value() == b"value"));
    assert!(view.ambiguities().is_empty());
}
