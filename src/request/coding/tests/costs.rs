//! What costs a decoder more than it brings.

use super::*;

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
