//! What a body is: what its sender says, what its bytes look like, and as what it is to be taken apart.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::BodyKind;
use super::params::params;

/// How many bytes decide what a body looks like.
pub const BEGINNING: usize = 1024;

/// What a body is read as, from the headers that describe it and the bytes that begin it.
///
/// `beginning` may be the whole body or its first [`BEGINNING`] bytes.
#[must_use]
pub fn classify(headers: &HeaderMap, beginning: &[u8]) -> BodyKind {
    Declared::of(headers).reading(beginning).kind
}

/// Whether a body is declared as multipart, and begins with the boundary that was declared (RFC 2046, 5.1.1).
#[must_use]
pub fn begins_as_multipart(headers: &HeaderMap, beginning: &[u8]) -> bool {
    let boundary = Declared::of(headers).boundary;
    let beginning = beginning.strip_prefix(b"\r\n").unwrap_or(beginning);
    let after = beginning
        .strip_prefix(b"--")
        .and_then(|rest| rest.strip_prefix(&boundary[..]));
    !boundary.is_empty() && after.is_some()
}

/// What the sender says of a body. All `Content-Type` lines count, for servers differ in which one they take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) json: bool,
    form: bool,
    pub(super) multipart: bool,
    /// Some text, or a type that we do not know.
    text: bool,
    /// Something binary. A type that is missing says nothing.
    opaque: bool,
    /// The kind that was declared first.
    first: Option<BodyKind>,
    /// The boundary of the first `multipart` type; empty where there is none.
    pub(super) boundary: Vec<u8>,
    /// A charset in which letters are not the bytes that they are everywhere else, so that we would read other text than
    /// an application that honours it.
    pub(super) rare_charset: bool,
    /// UTF-16 by name, most significant byte first or not.
    utf16: Option<bool>,
}

/// As what a body is taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) kind: BodyKind,
    pub(super) json: bool,
    pub(super) form: bool,
    pub(super) multipart: bool,
    pub(super) text: bool,
    /// Also as UTF-16, most significant byte first or not.
    pub(super) utf16: Option<bool>,
}

impl Declared {
    /// Reads the headers of a body.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut declared = Self::default();
        for value in headers.get_all(CONTENT_TYPE) {
            declared.add(value.as_bytes());
        }
        declared
    }

    fn add(&mut self, value: &[u8]) {
        let kind = kind_of(value);
        match kind {
            BodyKind::Json => self.json = true,
            BodyKind::Form => self.form = true,
            BodyKind::Multipart => self.multipart = true,
            BodyKind::Text => self.text = true,
            BodyKind::Opaque => self.opaque |= !value.trim_ascii().is_empty(),
            BodyKind::Empty => {}
        }
        self.first.get_or_insert(kind);
        for param in params(value, 0..value.len()) {
            let slice = |range| {
                value
                    .get::<std::ops::Range<usize>>(range)
                    .unwrap_or_default()
            };
            let (name, text) = (slice(param.name), slice(param.value));
            if name.eq_ignore_ascii_case(b"boundary") && self.boundary.is_empty() {
                self.boundary = text.to_vec();
            }
            if name.eq_ignore_ascii_case(b"charset") {
                self.add_charset(&text.to_ascii_lowercase());
            }
        }
    }

    fn add_charset(&mut self, charset: &[u8]) {
        const USUAL: [&[u8]; 4] = [b"utf", b"us-ascii", b"iso-8859-", b"windows-125"];
        if charset.starts_with(b"utf-16") {
            self.utf16 = Some(!charset.ends_with(b"le"));
        }
        self.rare_charset |= !USUAL.iter().any(|usual| charset.starts_with(usual))
            || charset.starts_with(b"utf-7")
            || charset.starts_with(b"utf-32");
    }

    /// As what a body that begins so is taken apart.
    pub(super) fn reading(&self, beginning: &[u8]) -> Reading {
        let beginning = beginning.get(..BEGINNING).unwrap_or(beginning);
        let look = look(beginning);
        let is_specific = self.json || self.form || self.multipart;
        let mut reading = Reading {
            kind: BodyKind::Text,
            json: self.json || look == BodyKind::Json,
            form: self.form || look == BodyKind::Form,
            multipart: self.multipart || look == BodyKind::Multipart,
            text: !is_specific || self.text || look == BodyKind::Text,
            utf16: utf16(beginning).or(self.utf16),
        };
        let is_opaque = look == BodyKind::Opaque && self.opaque && !is_specific && !self.text;
        if beginning.is_empty() || is_opaque {
            return Reading {
                kind: if is_opaque {
                    BodyKind::Opaque
                } else {
                    BodyKind::Empty
                },
                json: false,
                form: false,
                multipart: false,
                text: false,
                utf16: None,
            };
        }
        // Bytes that look binary under a type that is not are judged as text, whatever else they are.
        reading.text |= look == BodyKind::Opaque;
        reading.kind = match self.first {
            Some(kind @ (BodyKind::Json | BodyKind::Form | BodyKind::Multipart)) => kind,
            _ if look == BodyKind::Opaque => BodyKind::Text,
            _ => look,
        };
        reading
    }
}

/// The kind that a media type names; [`BodyKind::Opaque`] for types of binary data.
fn kind_of(value: &[u8]) -> BodyKind {
    /// Beginnings of types whose bodies are no text. A type that is not here is text until its bytes look otherwise
    /// *and* it is; so the list errs by being short.
    const BINARY: [&str; 24] = [
        "image/",
        "video/",
        "audio/",
        "font/",
        "model/",
        "application/octet-stream",
        "application/pdf",
        "application/zip",
        "application/gzip",
        "application/x-gzip",
        "application/x-tar",
        "application/x-7z",
        "application/x-bzip",
        "application/x-protobuf",
        "application/protobuf",
        "application/vnd.google.protobuf",
        "application/grpc",
        "application/wasm",
        "application/msgpack",
        "application/x-msgpack",
        "application/cbor",
        "application/vnd.ms-",
        "application/vnd.openxmlformats-",
        "binary/",
    ];
    let end = memchr::memchr2(b';', b',', value).unwrap_or(value.len());
    let media = value.get(..end).unwrap_or(value).trim_ascii();
    let media = media.to_ascii_lowercase();
    if media.is_empty() {
        // As good as missing: the look decides.
        BodyKind::Opaque
    } else if media == b"application/x-www-form-urlencoded" {
        BodyKind::Form
    } else if media.starts_with(b"multipart/") {
        BodyKind::Multipart
    } else if memchr::memmem::find(&media, b"json").is_some() || media.ends_with(b"/csp-report") {
        BodyKind::Json
    } else if media != b"image/svg+xml" && BINARY.iter().any(|of| media.starts_with(of.as_bytes()))
    {
        BodyKind::Opaque
    } else {
        BodyKind::Text
    }
}

/// What a body looks like.
fn look(beginning: &[u8]) -> BodyKind {
    let text = beginning
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(beginning)
        .trim_ascii_start();
    match text.first() {
        None => BodyKind::Text,
        Some(b'{' | b'[' | b'"') => BodyKind::Json,
        Some(b'-') if looks_multipart(text) => BodyKind::Multipart,
        _ if looks_like_form(text) => BodyKind::Form,
        _ if looks_binary(beginning) => BodyKind::Opaque,
        _ => BodyKind::Text,
    }
}

fn looks_multipart(text: &[u8]) -> bool {
    const FIELD: &[u8] = b"content-disposition";
    text.starts_with(b"--")
        && text
            .windows(FIELD.len())
            .any(|window| window.eq_ignore_ascii_case(FIELD))
}

/// Whether the text begins with a key and an equals sign. Keys of real forms are made of letters, digits and a few signs.
fn looks_like_form(text: &[u8]) -> bool {
    let is_key = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(
                byte,
                b'_' | b'-' | b'.' | b'[' | b']' | b'%' | b'+' | b'$' | b'&' | b'*'
            )
    };
    let key = text.iter().take_while(|byte| is_key(byte)).count();
    key > 0 && text.get(key) == Some(&b'=')
}

/// Whether bytes are more likely data than text: a NUL, or more than a tenth of them control characters or no UTF-8.
pub(super) fn looks_binary(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..BEGINNING).unwrap_or(bytes);
    if utf16(bytes).is_some() {
        return false;
    }
    // A document of pages begins as text and goes on as compressed data.
    if bytes.contains(&0) || bytes.starts_with(b"%PDF-") {
        return true;
    }
    let odd: usize = bytes
        .utf8_chunks()
        .map(|chunk| {
            let is_odd = |byte: &u8| {
                byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c)
            };
            chunk.invalid().len() + chunk.valid().bytes().filter(is_odd).count()
        })
        .sum();
    odd > bytes.len() / 10
}

/// Whether bytes are UTF-16, by their mark or because every second of the first eight is NUL; and whether the most
/// significant byte comes first.
pub(super) fn utf16(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0xff, 0xfe, ..] => return Some(false),
        [0xfe, 0xff, ..] => return Some(true),
        _ => {}
    }
    let (pairs, _) = bytes.get(..bytes.len().min(8))?.as_chunks::<2>();
    if pairs.len() < 2 {
        return None;
    }
    let is_text = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    if pairs.iter().all(|&[high, low]| high == 0 && is_text(low)) {
        Some(true)
    } else if pairs.iter().all(|&[low, high]| high == 0 && is_text(low)) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(content_type: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers
    }

    #[test]
    fn a_body_is_what_is_said_unless_nothing_is_said() {
        use BodyKind::{Empty, Form, Json, Multipart, Opaque, Text};
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        const PART: &[u8] = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--";
        let cases: &[(&str, &[u8], BodyKind)] = &[
            ("application/json", b"", Empty),
            ("application/json", b"{}", Json),
            ("Application/Problem+JSON; charset=utf-8", b"{}", Json),
            ("application/json", b"a=b", Json),
            ("application/json", PNG, Json),
            ("application/x-www-form-urlencoded", b"a=b", Form),
            (
                "application/x-www-form-urlencoded;charset=UTF-8",
                b"{}",
                Form,
            ),
            ("multipart/form-data; boundary=x", PART, Multipart),
            ("text/plain", b"hello", Text),
            ("text/plain", b" \n[1]", Json),
            ("text/plain", b"a=b&c=d", Form),
            ("text/plain", PART, Multipart),
            ("text/plain", PNG, Text),
            ("application/xml", b"<a b=\"c\"/>", Text),
            ("image/svg+xml", b"<svg onload=x>", Text),
            ("image/png", PNG, Opaque),
            ("image/png", b"<script>alert(1)</script>", Text),
            ("image/png", b"{\"a\":1}", Json),
            ("application/octet-stream", b"id=1' or 1=1", Form),
            ("application/pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", Opaque),
            // A type that is missing says nothing, so nothing says that the body is opaque.
            ("", PNG, Text),
            ("", b"hello", Text),
            ("", b"\xef\xbb\xbf{\"a\":1}", Json),
            ("", b"a\0=\0b\0", Text),
            ("", b"\x08\x96\x01\x12\x07\xff\xfe\x80", Text),
        ];
        for (content_type, bytes, kind) in cases {
            let shown = bytes.escape_ascii();
            let found = classify(&headers(content_type), bytes);
            assert_eq!(found, *kind, "{content_type} {shown}");
        }
    }

    #[test]
    fn a_body_is_read_as_everything_it_could_be() {
        let reading = |content_type, bytes: &[u8]| {
            let reading = Declared::of(&headers(content_type)).reading(bytes);
            [reading.json, reading.form, reading.multipart, reading.text]
        };
        assert_eq!(
            reading("application/json", b"{}"),
            [true, false, false, false]
        );
        assert_eq!(
            reading("application/json", b"a=b"),
            [true, true, false, false]
        );
        assert_eq!(
            reading("application/json", b"hello"),
            [true, false, false, true]
        );
        assert_eq!(reading("text/plain", b"{}"), [true, false, false, true]);
        assert_eq!(reading("", b"a=b"), [false, true, false, true]);
        let form = "application/x-www-form-urlencoded";
        assert_eq!(reading(form, b"a=b"), [false, true, false, false]);
        assert_eq!(reading(form, b"{}"), [true, true, false, false]);
        assert_eq!(reading(form, b"<a>"), [false, true, false, true]);
    }

    #[test]
    fn every_declared_type_counts() {
        let mut headers = headers("image/png");
        headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let declared = Declared::of(&headers);
        assert!(declared.json);
        assert_eq!(declared.reading(b"\0\0\0\0").kind, BodyKind::Text);
    }
}
