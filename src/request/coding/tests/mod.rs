//! Bodies as clients encode them, and as nobody should.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::HeaderValue;

use super::*;

mod costs;
mod properties;

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
