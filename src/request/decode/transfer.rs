//! The encodings of mail: those of a part (RFC 2045, 6), as one of a multipart body may declare them, and the words of its
//! headers (RFC 2047), which some parsers read in names.

use std::borrow::Cow;
use std::ops::Range;

use encoding_rs::Encoding;

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::{Decoded, base64, hex_digit};

/// The bytes behind base64, in both alphabets. As in mail, line ends and whatever else is no digit are passed over.
pub(super) fn base64(form: &Form<'_>) -> Option<Decoded> {
    let mut rewrite = Rewrite::new(form.text, form.offsets);
    // Up to four digits, and where the first of them is.
    let (mut bits, mut digits, mut start) = (0_u32, 0_u32, 0);
    let mut write = |bits: u32, digits: u32, start: usize, end: usize| {
        // Of `n` digits come `n - 1` bytes, the highest ones of 24 bits.
        let [_, a, b, c] = (bits << (6 * (4 - digits))).to_be_bytes();
        let bytes = [a, b, c];
        let length = (digits as usize).saturating_sub(1);
        rewrite.replace_piece(start, end - start, bytes.get(..length).unwrap_or_default());
    };
    for (at, byte) in form.text.iter().enumerate() {
        // What follows padding begins anew, as where encoded pieces are joined.
        if *byte == b'=' {
            write(bits, digits, start, at + 1);
            (bits, digits, start) = (0, 0, at + 1);
        }
        let Some(digit) = base64::digit(*byte) else {
            continue;
        };
        bits = bits << 6 | u32::from(digit);
        digits += 1;
        if digits == 4 {
            write(bits, digits, start, at + 1);
            (bits, digits, start) = (0, 0, at + 1);
        }
    }
    write(bits, digits, start, form.text.len());
    Some(form.next(&[DecodeStep::Base64], rewrite.finish()?))
}

/// The bytes behind quoted-printable: `=3C` → `<`; a line that ends in `=` goes on in the next.
pub(super) fn quoted_printable(form: &Form<'_>) -> Option<Decoded> {
    let mut rewrite = Rewrite::new(form.text, form.offsets);
    for at in memchr::memchr_iter(b'=', form.text) {
        match form.text.get(at..).unwrap_or_default() {
            [_, b'\r', b'\n', ..] => rewrite.replace(at, 3, b""),
            [_, b'\n', ..] => rewrite.replace(at, 2, b""),
            [_, high, low, ..] => {
                if let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low)) {
                    rewrite.replace(at, 3, &[high << 4 | low]);
                }
            }
            _ => {}
        }
    }
    Some(form.next(&[DecodeStep::QuotedPrintable], rewrite.finish()?))
}

/// The text behind encoded words: `=?utf-8?B?PA==?=` → `<`. Blanks between two of them are no part of the text (RFC 2047, 6.2).
pub(super) fn encoded_words(form: &Form<'_>) -> Option<Decoded> {
    let mut rewrite = Rewrite::new(form.text, form.offsets);
    let mut last_end = None;
    for at in memchr::memmem::find_iter(form.text, b"=?") {
        if last_end.is_some_and(|end| at < end) {
            continue;
        }
        let Some((text, end)) = encoded_word(form.text, at) else {
            continue;
        };
        let gap = last_end.and_then(|end| form.text.get(end..at));
        let start = match (gap, last_end) {
            (Some(gap), Some(end)) if gap.trim_ascii().is_empty() => end,
            _ => at,
        };
        rewrite.replace(start, end - start, &text);
        last_end = Some(end);
    }
    Some(form.next(&[DecodeStep::EncodedWord], rewrite.finish()?))
}

/// The text of the encoded word that begins here, in UTF-8, and where it ends.
fn encoded_word(text: &[u8], at: usize) -> Option<(Vec<u8>, usize)> {
    let mut from = at + 2;
    let mut piece = || -> Option<Range<usize>> {
        let rest = text.get(from..)?;
        let piece = from..from + memchr::memchr(b'?', rest)?;
        from = piece.end + 1;
        Some(piece)
    };
    let (charset, coding, written) = (piece()?, piece()?, piece()?);
    let end = written.end + 2;
    let (coding, written) = (text.get(coding)?, text.get(written)?);
    text.get(..end)?.last().filter(|byte| **byte == b'=')?;
    let bytes = match coding {
        b"b" | b"B" => base64::bytes(written),
        b"q" | b"Q" => quoted_bytes(written),
        _ => return None,
    };
    // Behind a star there may be a language (RFC 2231, 5).
    let label = text.get(charset)?.split(|byte| *byte == b'*').next()?;
    let bytes = match Encoding::for_label(label) {
        Some(charset) => match charset.decode(&bytes).0 {
            Cow::Borrowed(text) => text.as_bytes().to_vec(),
            Cow::Owned(text) => text.into_bytes(),
        },
        None => bytes,
    };
    Some((bytes, end))
}

/// The bytes behind the `Q` encoding (RFC 2047, 4.2): quoted-printable with `_` for a space.
fn quoted_bytes(written: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(written.len());
    let mut rest = written;
    while let [first, more @ ..] = rest {
        rest = more;
        match (first, more) {
            (b'_', _) => bytes.push(b' '),
            (b'=', [high, low, behind @ ..]) => match (hex_digit(*high), hex_digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = behind;
                }
                _ => bytes.push(b'='),
            },
            _ => bytes.push(*first),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::marks::Marks;
    use super::*;

    type Decoder = fn(&Form<'_>) -> Option<Decoded>;

    fn decode(decoder: Decoder, text: &[u8]) -> Vec<u8> {
        let form = Form::raw(text, Marks::of(text));
        decoder(&form).map_or_else(|| text.to_vec(), |decoded| decoded.text)
    }

    #[test]
    fn base64_is_read_as_mail_reads_it() {
        for (text, decoded) in [
            ("PHNjcmlwdD4=", "<script>"),
            ("PHNj\r\ncmlw\r\n dD4=", "<script>"),
            ("PHNjcmlwdD4", "<script>"),
            ("PA==PA==", "<<"),
            ("fn5-_w==", "~~~\u{ff}"),
            ("fn5+/w==", "~~~\u{ff}"),
            ("P", ""),
            ("*", ""),
        ] {
            let decoded: Vec<u8> = decoded.chars().map(|c| c as u8).collect();
            assert_eq!(decode(base64, text.as_bytes()), decoded, "{text}");
        }
        assert_eq!(decode(base64, b""), b"");
    }

    #[test]
    fn quoted_printable_is_read_as_mail_reads_it() {
        for (text, decoded) in [
            ("=3Cscript=3e", "<script>"),
            ("a=\r\nb=\nc", "abc"),
            ("a=3", "a=3"),
            ("a=zz=", "a=zz="),
            ("plain", "plain"),
        ] {
            assert_eq!(
                decode(quoted_printable, text.as_bytes()),
                decoded.as_bytes(),
                "{text}"
            );
        }
    }

    #[test]
    fn encoded_words_are_read_in_their_charsets_and_joined() {
        for (written, read) in [
            ("=?utf-8?B?PHNjcmlwdD4=?=", "<script>"),
            ("a =?UTF-8?q?=3Cscript=3E_x?= b", "a <script> x b"),
            ("=?iso-8859-1?Q?caf=E9?=", "caf\u{e9}"),
            ("=?utf-16be?B?ADwAYgA+?=", "<b>"),
            ("=?utf-8*en?Q?..=2F?= \t=?utf-8?Q?etc?=", "../etc"),
            ("=?utf-8?Q?a=?=", "a="),
            ("=?x?B?PA?=", "<"),
        ] {
            let read_as = decode(encoded_words, written.as_bytes());
            assert_eq!(String::from_utf8(read_as).unwrap(), read, "{written}");
        }
        for plain in [
            "=?",
            "=?a?b?",
            "=?utf-8?B?PA==?",
            "=?utf-8?x?PA==?=",
            "a=?b",
        ] {
            let marks = Marks::of(plain.as_bytes());
            let form = Form::raw(plain.as_bytes(), marks);
            assert!(encoded_words(&form).is_none(), "{plain}");
        }
    }

    #[test]
    fn what_was_decoded_leads_back_to_its_spelling() {
        let text = b"QUJD\r\nREVG";
        let decoded = base64(&Form::raw(text, Marks::of(text))).unwrap();
        assert_eq!(decoded.text, b"ABCDEF");
        let spelling = decoded.offsets.raw(3)..decoded.offsets.raw(6);
        assert_eq!(&text[spelling], b"\r\nREVG");
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(text in proptest::collection::vec(any::<u8>(), 0..60)) {
            for decoder in [base64 as Decoder, quoted_printable] {
                let form = Form::raw(&text, Marks::of(&text));
                if let Some(decoded) = decoder(&form) {
                    prop_assert!(decoded.text.len() <= text.len());
                    prop_assert!(decoded.offsets.raw(decoded.text.len()) <= text.len());
                }
            }
        }
    }
}
