//! The grammar of a head's lines (RFC 9112, 3 to 6), as functions over bytes: strict where parsers are known to differ.
//!
//! They serve both directions and the trailers of both. Nothing here keeps state, allocates, or takes more than one look
//! at a byte.

use memchr::memchr;

use super::fault::Fault;
use super::target;

/// The longest method that is taken for one.
const MAX_METHOD: usize = 32;

/// The longest name of a header.
const MAX_NAME: usize = 256;

/// The longest body that may be announced: what every language's numbers can hold, 8 PiB.
const MAX_LENGTH: u64 = (1 << 53) - 1;

/// A line without its end, and how many bytes it is long with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Line<'a> {
    pub(in crate::proxy) text: &'a [u8],
    pub(in crate::proxy) length: usize,
}

/// The first line of `bytes`, of which the first `searched` bytes are known to hold no LF; `None` where it has not ended.
///
/// Only CRLF ends a line. A CR within it is left to the grammar of the line, all of which refuse it.
pub(in crate::proxy) fn line(bytes: &[u8], searched: usize) -> Result<Option<Line<'_>>, Fault> {
    let Some(found) = memchr(b'\n', bytes.get(searched..).unwrap_or_default()) else {
        return Ok(None);
    };
    let end = searched + found;
    let text = bytes.get(..end).and_then(|line| line.strip_suffix(b"\r"));
    text.map(|text| {
        Some(Line {
            text,
            length: end + 1,
        })
    })
    .ok_or(Fault::BareLf)
}

/// How many of these bytes, which hold no LF, need not be looked at again when more follow; the first `searched` were
/// looked at before. A byte that no line has is a fault at once: nobody waits for the rest of what can become nothing.
pub(in crate::proxy) fn unfinished(bytes: &[u8], searched: usize) -> Result<usize, Fault> {
    let checked = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    if is_value(checked.get(searched..).unwrap_or_default()) {
        Ok(checked.len())
    } else {
        Err(Fault::Control)
    }
}

/// A request line, its three parts checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct RequestLine<'a> {
    pub(in crate::proxy) method: &'a [u8],
    pub(in crate::proxy) target: &'a [u8],
    pub(in crate::proxy) is_1_0: bool,
}

/// Reads a request line (RFC 9112, 3): exactly one space between the parts.
pub(in crate::proxy) fn request_line(line: &[u8]) -> Result<RequestLine<'_>, Fault> {
    if !is_value(line) {
        return Err(Fault::Control);
    }
    if !may_begin(line) {
        return Err(Fault::StartLine);
    }
    if line == b"PRI * HTTP/2.0" {
        return Err(Fault::Http2);
    }
    let mut parts = line.split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Fault::StartLine);
    };
    let is_1_0 = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return Err(Fault::Version),
    };
    if !is_method(method) {
        return Err(Fault::Method);
    }
    if method == b"CONNECT" || method == b"TRACE" {
        return Err(Fault::MethodNotAllowed);
    }
    target::check(target, method == b"OPTIONS")?;
    Ok(RequestLine {
        method,
        target,
        is_1_0,
    })
}

/// What there is of the target in a request line that has not ended.
pub(in crate::proxy) fn target_so_far(line: &[u8]) -> &[u8] {
    let mut parts = line.split(|&byte| byte == b' ');
    parts.nth(1).unwrap_or_default()
}

/// Whether a request line may begin like this, as far as the first byte tells.
pub(in crate::proxy) fn may_begin(line: &[u8]) -> bool {
    line.first().is_some_and(|&first| is_token_byte(first))
}

/// A method: upper case, as all that are registered are. A method in lower case is legal and means another one, which some
/// servers take for the one in upper case; so is one with punctuation.
pub(in crate::proxy) fn is_method(method: &[u8]) -> bool {
    method.first().is_some_and(u8::is_ascii_uppercase)
        && method.len() <= MAX_METHOD
        && method
            .iter()
            .all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_'))
}

/// A header line or trailer, checked; the value without white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Field<'a> {
    pub(in crate::proxy) name: &'a [u8],
    pub(in crate::proxy) value: &'a [u8],
}

impl Field<'_> {
    /// Whether this is its name, in whatever case.
    pub(in crate::proxy) const fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Reads a field line (RFC 9112, 5): no white space before the colon, no continuation of the line before, and no control
/// byte in the value but TAB.
pub(in crate::proxy) fn field(line: &[u8]) -> Result<Field<'_>, Fault> {
    let first = line.first().copied().unwrap_or_default();
    if matches!(first, b' ' | b'\t') {
        return Err(Fault::ObsFold);
    }
    let colon = memchr(b':', line).ok_or_else(|| {
        if is_value(line) {
            Fault::NoColon
        } else {
            Fault::Control
        }
    })?;
    let (name, rest) = line.split_at_checked(colon).unwrap_or_default();
    let value = rest.get(1..).unwrap_or_default();
    if !is_token(name) || name.len() > MAX_NAME {
        return Err(
            if name
                .last()
                .is_some_and(|&last| last == b' ' || last == b'\t')
            {
                Fault::SpaceBeforeColon
            } else if is_value(name) {
                Fault::FieldName
            } else {
                Fault::Control
            },
        );
    }
    if !is_value(value) {
        return Err(Fault::Control);
    }
    if is_look_alike(name) {
        return Err(Fault::LookAlike);
    }
    Ok(Field {
        name,
        value: trimmed(value),
    })
}

/// The value of a `Content-Length` (RFC 9110, 8.6): digits, no sign, no list, no leading zero, and not beyond all measure.
pub(in crate::proxy) fn content_length(value: &[u8]) -> Result<u64, Fault> {
    let is_plain = matches!(value, [b'0'] | [b'1'..=b'9', ..]) && value.len() <= 16;
    if !is_plain || !value.iter().all(u8::is_ascii_digit) {
        return Err(Fault::ContentLength);
    }
    let length = value
        .iter()
        .fold(0, |length, &digit| length * 10 + u64::from(digit - b'0'));
    if length > MAX_LENGTH {
        return Err(Fault::ContentLength);
    }
    Ok(length)
}

/// Checks the value of a `Transfer-Encoding`: `chunked`, in whatever case, and nothing else. Other codings are legal, but
/// nobody sends them in earnest, and what a parser makes of them is a matter of luck.
pub(in crate::proxy) fn transfer_encoding(value: &[u8]) -> Result<(), Fault> {
    if value.eq_ignore_ascii_case(b"chunked") {
        Ok(())
    } else {
        Err(Fault::TransferEncoding)
    }
}

/// Whether a name would be that of a header that frames or routes, if punctuation did not count. Servers that hand headers
/// on as environment variables (CGI, WSGI) do not tell `-` from `_`.
fn is_look_alike(name: &[u8]) -> bool {
    const FRAMING: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
    // Most names are told apart by their first letter.
    if !matches!(name.first(), Some(b'c' | b'C' | b't' | b'T' | b'h' | b'H'))
        && name.first().is_some_and(u8::is_ascii_alphanumeric)
    {
        return false;
    }
    let letters = || name.iter().filter(|byte| byte.is_ascii_alphanumeric());
    FRAMING.iter().any(|framing| {
        let same = letters()
            .map(u8::to_ascii_lowercase)
            .eq(framing.iter().copied().filter(u8::is_ascii_lowercase));
        same && !name.eq_ignore_ascii_case(framing)
    })
}

/// Whether these are bytes of a token, and there are any (RFC 9110, 5.6.2).
pub(in crate::proxy) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether these are bytes of a field's value (RFC 9110, 5.5), white space included. Eight are looked at at a time; only where
/// one is a control byte are all looked at once more, one by one, since a TAB may be.
pub(in crate::proxy) fn is_value(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        return bytes.iter().all(|&byte| is_value_byte(byte));
    };
    let (words, _) = bytes.as_chunks();
    let has_any = words
        .iter()
        .fold(has_control(last), |any, word| any | has_control(word));
    !has_any || bytes.iter().all(|&byte| is_value_byte(byte))
}

/// Whether one of eight bytes is below the space or DEL.
const fn has_control(word: &[u8; 8]) -> bool {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let word = u64::from_le_bytes(*word);
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    let other = word ^ (EACH * 0x7f);
    let delete = other.wrapping_sub(EACH) & !other;
    (control | delete) & (EACH * 0x80) != 0
}

const fn is_value_byte(byte: u8) -> bool {
    (byte >= b' ' && byte != 0x7f) || byte == b'\t'
}

fn is_token_byte(byte: u8) -> bool {
    // One look into a table for each byte of a name, of which a head has hundreds.
    const TOKEN: [bool; 256] = {
        let mut table = [false; 256];
        let mut punctuation: &[u8] = b"!#$%&'*+-.^_`|~";
        while let [byte, rest @ ..] = punctuation {
            set(&mut table, *byte);
            punctuation = rest;
        }
        let mut byte = 0_u8;
        while byte < 128 {
            if byte.is_ascii_alphanumeric() {
                set(&mut table, byte);
            }
            byte += 1;
        }
        table
    };
    TOKEN
        .get(usize::from(byte))
        .is_some_and(|&is_token| is_token)
}

#[expect(clippy::indexing_slicing, reason = "a byte is less than 256")]
const fn set(table: &mut [bool; 256], byte: u8) {
    table[byte as usize] = true;
}

/// A value without the white space around it: spaces and tabs, not what else is called white space elsewhere.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        let found = |bytes| line(bytes, 0).map(|line| line.map(|line| (line.text, line.length)));
        assert_eq!(found(b"a\r\nb"), Ok(Some((&b"a"[..], 3))));
        assert_eq!(found(b"\r\n"), Ok(Some((&b""[..], 2))));
        assert_eq!(found(b"a\nb"), Err(Fault::BareLf));
        assert_eq!(found(b"\n"), Err(Fault::BareLf));
        assert_eq!(found(b"a\r"), Ok(None));
        assert_eq!(found(b"a\r\r\n"), Ok(Some((&b"a\r"[..], 4))));
        assert_eq!(
            line(b"abc\r\n", 3).map(|line| line.map(|line| line.length)),
            Ok(Some(5))
        );
    }

    #[test]
    fn a_byte_that_no_value_has_is_seen_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            for length in 1..20 {
                for at in 0..length {
                    for other in [b'a', b' ', b'~', 0x80, 0xff, b'\t'] {
                        let mut bytes = vec![other; length];
                        bytes[at] = byte;
                        let expected = bytes.iter().all(|&byte| is_value_byte(byte));
                        assert_eq!(is_value(&bytes), expected, "{bytes:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn request_lines() {
        for good in [
            "GET / HTTP/1.1",
            "M-SEARCH /x HTTP/1.0",
            "VERSION_CONTROL /a HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET http://a.example:80/x?y HTTP/1.1",
        ] {
            assert!(request_line(good.as_bytes()).is_ok(), "{good}");
        }
        for (bad, fault) in [
            ("GET / HTTP/1.1 ", Fault::StartLine),
            ("GET  / HTTP/1.1", Fault::StartLine),
            (" GET / HTTP/1.1", Fault::StartLine),
            ("GET /", Fault::StartLine),
            ("", Fault::StartLine),
            ("GET\t/\tHTTP/1.1", Fault::StartLine),
            ("get / HTTP/1.1", Fault::Method),
            ("G\"T / HTTP/1.1", Fault::Method),
            ("-GET / HTTP/1.1", Fault::Method),
            ("GET / http/1.1", Fault::Version),
            ("GET / HTTP/1.2", Fault::Version),
            ("GET / HTTP/01.1", Fault::Version),
            ("GET / HTTP/2.0", Fault::Version),
            ("PRI * HTTP/2.0", Fault::Http2),
            ("CONNECT a:1 HTTP/1.1", Fault::MethodNotAllowed),
            ("TRACE / HTTP/1.1", Fault::MethodNotAllowed),
            ("GET /\0 HTTP/1.1", Fault::Control),
            ("GET / HTTP/1.1\r", Fault::Control),
        ] {
            assert_eq!(request_line(bad.as_bytes()).err(), Some(fault), "{bad:?}");
        }
    }

    #[test]
    fn field_lines() {
        let read =
            |line: &'static str| field(line.as_bytes()).map(|field| (field.name, field.value));
        assert_eq!(read("A:b"), Ok((&b"A"[..], &b"b"[..])));
        assert_eq!(read("a: \t b c\t "), Ok((&b"a"[..], &b"b c"[..])));
        assert_eq!(read("a:"), Ok((&b"a"[..], &b""[..])));
        assert_eq!(read("a: :"), Ok((&b"a"[..], &b":"[..])));
        assert_eq!(
            field(b"x!#$%&'*+-.^_`|~0: \x80\xff").map(|field| field.value),
            Ok(&b"\x80\xff"[..])
        );
        for (bad, fault) in [
            (" a: b", Fault::ObsFold),
            ("\ta: b", Fault::ObsFold),
            ("a : b", Fault::SpaceBeforeColon),
            ("a\t: b", Fault::SpaceBeforeColon),
            ("a b: c", Fault::FieldName),
            (": b", Fault::FieldName),
            ("a", Fault::NoColon),
            ("a\x0b: b", Fault::Control),
            ("a: \0", Fault::Control),
            ("a: b\rc: d", Fault::Control),
            ("a: \x7f", Fault::Control),
            ("a\r", Fault::Control),
            ("é: b", Fault::FieldName),
            ("Content_Length: 1", Fault::LookAlike),
            ("_Transfer-Encoding: chunked", Fault::LookAlike),
            ("TransferEncoding: chunked", Fault::LookAlike),
            ("Host_: a", Fault::LookAlike),
        ] {
            assert_eq!(read(bad), Err(fault), "{bad:?}");
        }
        assert_eq!(field(&[b'a'; 300]), Err(Fault::NoColon));
        assert_eq!(
            field(&[&[b'a'; 300][..], b": 1"].concat()),
            Err(Fault::FieldName)
        );
    }

    #[test]
    fn lengths_are_plain_numbers() {
        for (value, length) in [
            ("0", 0),
            ("7", 7),
            ("10", 10),
            ("9007199254740991", MAX_LENGTH),
        ] {
            assert_eq!(content_length(value.as_bytes()), Ok(length), "{value}");
        }
        for value in [
            "",
            "00",
            "01",
            "+1",
            "-1",
            "1,1",
            "1 1",
            "0x1",
            "1e1",
            "1.0",
            "9007199254740992",
            "18446744073709551616",
            "٣",
        ] {
            assert_eq!(
                content_length(value.as_bytes()),
                Err(Fault::ContentLength),
                "{value}"
            );
        }
    }
}
