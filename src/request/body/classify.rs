//! What a body is: what its sender says, what its bytes look like, and as what it is to be taken apart.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::BodyKind;
use super::charset::Transcoding;
use super::graphql::looks_like_document;
use super::label::Charset;
use super::look::{after_blanks, is_unreadable, look, xml_encoding};
use super::params::{extended, params, pieces};

pub(super) use super::look::{looks_binary, utf16};

/// How many bytes decide what a body looks like.
pub const BEGINNING: usize = 1024;

/// What a body is read as, from the headers that describe it and the bytes that begin it.
///
/// `beginning` may be the whole body or its first [`BEGINNING`] bytes.
#[must_use]
pub fn classify(headers: &HeaderMap, beginning: &[u8]) -> BodyKind {
    Declared::of(headers).reading(beginning).kind
}

/// What the sender says of a body. All `Content-Type` lines count, and of a line all types between commas, for servers
/// differ in which one they take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) json: bool,
    pub(super) xml: bool,
    form: bool,
    pub(super) multipart: bool,
    graphql: bool,
    lines: bool,
    /// Some text, or a type that we do not know.
    text: bool,
    /// Something binary. A type that is missing says nothing.
    opaque: bool,
    /// The kind that was declared first.
    first: Option<BodyKind>,
    /// The charset that was declared first.
    charset: Option<Charset>,
    /// A charset in which letters are not the bytes that they are everywhere else, so that we would read other text than
    /// an application that honours it.
    rare_charset: bool,
    /// UTF-16 by name, most significant byte first or not.
    utf16: Option<bool>,
    /// A charset with a byte for each character.
    single_byte: Option<&'static encoding_rs::Encoding>,
    /// Which of what is declared contradicts itself, by the names of its ambiguities.
    contradictions: [Option<&'static str>; 2],
}

/// As what a body is taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) kind: BodyKind,
    pub(super) json: bool,
    pub(super) form: bool,
    pub(super) multipart: bool,
    pub(super) xml: bool,
    pub(super) graphql: bool,
    pub(super) lines: bool,
    pub(super) text: bool,
    /// Also in these charsets.
    pub(super) transcodings: Vec<Transcoding>,
    /// Whether headers or bytes say that the text is in an encoding that we do not read.
    pub(super) rare_charset: bool,
}

impl Reading {
    /// How many parsers read the body.
    pub(super) fn syntaxes(&self) -> usize {
        let read = [
            self.json,
            self.form,
            self.multipart,
            self.xml,
            self.graphql,
            self.lines,
            self.text,
        ];
        read.into_iter().filter(|is_read| *is_read).count()
    }
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
        for piece in pieces(value) {
            self.add_kind(kind_of(piece));
        }
        for param in params(value, 0..value.len()) {
            let name = value.get(param.name).unwrap_or_default();
            let text = value.get(param.value).unwrap_or_default();
            let is_extended = name.eq_ignore_ascii_case(b"charset*");
            if is_extended || name.eq_ignore_ascii_case(b"charset") {
                let label = if is_extended { extended(text) } else { text };
                // What follows a comma is another type.
                let label = label.split(|&byte| byte == b',').next();
                self.single_byte = self
                    .single_byte
                    .or(label.and_then(Transcoding::single_byte));
                self.add_charset(label.and_then(Charset::of));
            }
        }
    }

    fn add_kind(&mut self, kind: BodyKind) {
        match kind {
            BodyKind::Json => self.json = true,
            BodyKind::Form => self.form = true,
            BodyKind::Multipart => self.multipart = true,
            BodyKind::Xml => self.xml = true,
            BodyKind::Graphql => self.graphql = true,
            BodyKind::Ndjson => self.lines = true,
            BodyKind::Text => self.text = true,
            BodyKind::Opaque => self.opaque = true,
            // As good as missing.
            BodyKind::Empty => return,
        }
        if *self.first.get_or_insert(kind) != kind {
            self.contradict("content_type_conflict");
        }
    }

    fn add_charset(&mut self, named: Option<Charset>) {
        let Some(charset) = named else { return };
        if *self.charset.get_or_insert(charset) != charset {
            self.contradict("charset_conflict");
        }
        match charset {
            Charset::Utf16 { big_endian } => self.utf16 = Some(big_endian),
            Charset::Unreadable => self.rare_charset = true,
            Charset::Plain => {}
        }
    }

    fn contradict(&mut self, kind: &'static str) {
        for place in &mut self.contradictions {
            if *place.get_or_insert(kind) == kind {
                return;
            }
        }
    }

    /// What contradicts itself in what is declared, by the names of its ambiguities.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = &'static str> {
        self.contradictions.into_iter().flatten()
    }

    /// As what a body that begins so is taken apart.
    pub(super) fn reading(&self, beginning: &[u8]) -> Reading {
        let beginning = beginning.get(..BEGINNING).unwrap_or(beginning);
        let look = look(beginning);
        let is_specific = self.json || self.form || self.multipart || self.graphql || self.lines;
        let is_text = self.text || self.xml;
        let is_opaque = look == BodyKind::Opaque
            && self.opaque
            && !is_specific
            && !is_text
            // Whatever its type: JSON in UTF-32 is JSON to some.
            && !is_unreadable(beginning);
        if beginning.is_empty() || is_opaque {
            let kind = if is_opaque {
                BodyKind::Opaque
            } else {
                BodyKind::Empty
            };
            return Reading {
                kind,
                ..Reading::default()
            };
        }
        let kind = match self.first {
            Some(kind) if !matches!(kind, BodyKind::Text | BodyKind::Opaque) => kind,
            _ if look == BodyKind::Opaque => BodyKind::Text,
            _ => look,
        };
        let xml_label = xml_encoding(beginning);
        let xml_charset = xml_label.and_then(Charset::of);
        let single_byte = self
            .single_byte
            .or(xml_label.and_then(Transcoding::single_byte));
        Reading {
            kind,
            json: self.json || (look == BodyKind::Json && !self.lines),
            form: self.form || look == BodyKind::Form,
            multipart: self.multipart || look == BodyKind::Multipart,
            // Between the bytes of UTF-16 there are no tags.
            xml: (self.xml || look == BodyKind::Xml) && utf16(beginning).is_none(),
            // `{ user }` begins as JSON does.
            graphql: self.graphql
                || look == BodyKind::Graphql
                || (look == BodyKind::Json && looks_like_document(after_blanks(beginning))),
            lines: self.lines || (look == BodyKind::Ndjson && !self.json),
            // Markup is shown and stored as text by some; what looks binary under a type that is not is judged as text,
            // whatever else it is.
            text: !is_specific
                || is_text
                || matches!(
                    look,
                    BodyKind::Text | BodyKind::Xml | BodyKind::Graphql | BodyKind::Opaque
                ),
            transcodings: Transcoding::candidates(utf16(beginning), self.utf16, single_byte),
            rare_charset: self.rare_charset
                || is_unreadable(beginning)
                || xml_charset == Some(Charset::Unreadable),
        }
    }

    /// As what a body that is encoded is taken apart by an application that does not decode it; `None` if as nothing. Bytes
    /// that look binary are no text to anybody, but a form and a multipart body may begin with anything.
    pub(super) fn reading_of_encoded(&self, beginning: &[u8]) -> Option<Reading> {
        let beginning = beginning.get(..BEGINNING).unwrap_or(beginning);
        if look(beginning) != BodyKind::Opaque {
            return Some(self.reading(beginning));
        }
        (self.form || self.multipart).then(|| Reading {
            kind: BodyKind::Opaque,
            form: self.form,
            multipart: self.multipart,
            ..Reading::default()
        })
    }
}

/// The kind that a media type names; [`BodyKind::Opaque`] for types of binary data, [`BodyKind::Empty`] for no type.
fn kind_of(piece: &[u8]) -> BodyKind {
    /// Beginnings of types whose bodies are no text. A type that is not here is text until its bytes look otherwise
    /// *and* it is; so the list errs by being short.
    const BINARY: [&str; 15] = [
        "image/",
        "video/",
        "audio/",
        "font/",
        "model/",
        "binary/",
        "application/octet-stream",
        "application/pdf",
        "application/vnd.google.protobuf",
        "application/vnd.ms-",
        "application/vnd.openxmlformats-",
        "application/vnd.oasis.opendocument.",
        "application/vnd.apache.",
        "application/vnd.android.",
        "application/vnd.rar",
    ];
    /// What archives, databases, programs and serialized records are called, whoever named their type: with and without
    /// `x-` and `vnd.`, alone and behind a `+`.
    const FORMATS: [&[u8]; 28] = [
        b"zip",
        b"gzip",
        b"tar",
        b"7z",
        b"bzip",
        b"bzip2",
        b"xz",
        b"zstd",
        b"rar",
        b"archive",
        b"compressed",
        b"epub",
        b"sqlite",
        b"sqlite3",
        b"parquet",
        b"avro",
        b"orc",
        b"protobuf",
        b"grpc",
        b"wasm",
        b"msgpack",
        b"cbor",
        b"msdownload",
        b"executable",
        b"dosexec",
        b"sharedlib",
        b"msword",
        b"jar",
    ];
    let end = memchr::memchr(b';', piece).unwrap_or(piece.len());
    let media = piece.get(..end).unwrap_or(piece).trim_ascii();
    let media = media.to_ascii_lowercase();
    // A type is known by its words, not by their order: servers take `text/json`, `application/vnd.any+json` and worse.
    let has = |word: &[u8]| {
        media
            .split(|byte| !byte.is_ascii_alphanumeric())
            .any(|of| of == word)
    };
    if media.is_empty() {
        BodyKind::Empty
    } else if memchr::memmem::find(&media, b"form-urlencoded").is_some() {
        BodyKind::Form
    } else if has(b"multipart") {
        BodyKind::Multipart
    } else if [&b"ndjson"[..], b"jsonl", b"jsonlines", b"seq"]
        .into_iter()
        .any(has)
    {
        BodyKind::Ndjson
    } else if memchr::memmem::find(&media, b"json").is_some() || media.ends_with(b"/csp-report") {
        BodyKind::Json
    } else if has(b"graphql") {
        BodyKind::Graphql
    } else if has(b"xml") || has(b"soap") {
        BodyKind::Xml
    } else if BINARY.iter().any(|of| media.starts_with(of.as_bytes()))
        || FORMATS.into_iter().any(has)
    {
        BodyKind::Opaque
    } else {
        BodyKind::Text
    }
}

#[cfg(test)]
mod tests;
