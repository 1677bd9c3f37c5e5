//! The headers of a part: the names in them, and what they say of its content.
//!
//! Whatever two parsers could read differently is noted, and a part with such a head is *odd*: it is a file only to some
//! parsers, and to the others a field whose bytes an application reads as text.

use std::ops::Range;

use super::super::super::collector::Collector;
use super::super::super::decode::Syntax;
use super::super::super::name;
use super::super::super::names::NameRef;
use super::super::label::Charset;
use super::super::params::{Param, params};
use super::boundary::Boundary;
use super::media;
use super::written::{Written, is_token};

/// The most headers of a part; honest ones have four.
const MAX_HEADERS: usize = 32;

/// The longest line of a part's head that all parsers take for one: PHP cuts one of more than 5 KiB into several.
const LONGEST_LINE: usize = 4096;

/// The most parameters of a `Content-Disposition`, as many as [`params`] reads.
const MAX_PARAMS: usize = 32;

/// What the headers of a part say.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The first name that is given, and where.
    pub(super) name: Option<(NameRef, Range<usize>)>,
    /// How the content is encoded.
    pub(super) encoding: Option<Syntax>,
    /// Whether the content is UTF-16, most significant byte first or not.
    pub(super) utf16: Option<bool>,
    /// The boundary of the parts that the content consists of.
    pub(super) nested: Option<Boundary>,
    dispositions: usize,
    has_type: bool,
    is_typed: bool,
    /// Whether the type is one of a picture, a sound, a film or a font.
    is_media: bool,
    names: usize,
    file_names: usize,
    /// The one file name, if it is written so that nobody can read it as none.
    file_name: Option<Range<usize>>,
    /// Whether a file name is given as RFC 8187 writes it, and no other.
    is_extended: bool,
    is_odd: bool,
}

impl Head {
    /// Reads the head that is `range` of the body, its empty line included, and adds what it holds. Once there are `full`
    /// values, the rest of it is one.
    pub(super) fn read(range: Range<usize>, full: usize, out: &mut Collector<'_>) -> Self {
        let mut head = Self::default();
        let mut at = range.start;
        let mut headers = 0;
        while at < range.end {
            let (header, next) = head.line(at..range.end, out);
            if header.is_empty() {
                break;
            }
            headers += 1;
            if headers > MAX_HEADERS || out.len() >= full {
                head.is_odd = true;
                out.rest("multipart_many_headers", at..range.end);
                break;
            }
            at = next;
            head.header(header, out);
        }
        head
    }

    /// Whether every parser that goes by names takes the part for a file.
    pub(super) const fn is_certainly_a_file(&self) -> bool {
        !self.is_odd && self.dispositions == 1 && self.names == 1 && self.file_name.is_some()
    }

    /// Whether every parser takes the part for a file: what it holds is stored, and not read as the value of a field. To some
    /// (formidable) what has no type is a field, whatever names it has.
    pub(super) const fn is_stored_by_all(&self) -> bool {
        self.is_certainly_a_file() && self.is_typed
    }

    /// Whether the type or the name of the file says that it is a picture, a sound, a film or a font.
    pub(super) fn is_media(&self, out: &Collector<'_>) -> bool {
        let name = self.file_name.clone().map(|range| out.text(&range));
        self.is_media || name.is_some_and(media::is_name)
    }

    /// Whether the part is a file to most parsers: its file name is one that not all of them read, or it has no names at all,
    /// as in `multipart/related`.
    pub(super) const fn is_likely_a_file(&self) -> bool {
        let is_nameless = self.dispositions == 0;
        let is_named = self.dispositions == 1 && self.names == 1 && self.is_extended;
        !self.is_odd
            && (is_nameless || is_named)
            && self.nested.is_none()
            && self.encoding.is_none()
            && self.utf16.is_none()
    }

    /// What stands in the content is such that some parsers end the part there.
    pub(super) const fn doubt(&mut self) {
        self.is_odd = true;
    }

    /// What the part's values are called.
    pub(super) fn field(&self) -> NameRef {
        self.name
            .as_ref()
            .map_or(NameRef::NOTHING, |(field, _)| *field)
    }

    fn note(&mut self, kind: &'static str, range: Range<usize>, out: &mut Collector<'_>) {
        self.is_odd = true;
        out.note(kind, range);
    }

    /// The header that begins `range`, folded lines included and without its line end, and where the next one begins; empty
    /// at the empty line.
    fn line(&mut self, range: Range<usize>, out: &mut Collector<'_>) -> (Range<usize>, usize) {
        let mut end = range.start;
        loop {
            let rest = out.text(&(end..range.end));
            let Some(feed) = memchr::memchr(b'\n', rest) else {
                return (range.clone(), range.end);
            };
            let line = rest.get(..feed).unwrap_or_default();
            let is_crlf = line.ends_with(b"\r");
            if !is_crlf {
                self.note("multipart_bare_lf", end + feed..end + feed + 1, out);
            }
            let text_end = end + feed - usize::from(is_crlf);
            end += feed + 1;
            if line.len() > LONGEST_LINE {
                self.note("multipart_long_line", end - line.len()..end, out);
            }
            let is_empty = text_end == range.start;
            if !is_empty && matches!(out.text(&(end..range.end)), [b' ' | b'\t', ..]) {
                self.note("multipart_folded_header", end..end + 1, out);
                continue;
            }
            return (range.start..text_end, end);
        }
    }

    fn header(&mut self, line: Range<usize>, out: &mut Collector<'_>) {
        let text = out.text(&line);
        let Some(colon) = memchr::memchr(b':', text) else {
            self.is_odd = true;
            out.rest("multipart_bad_header", line);
            return;
        };
        let is_control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n');
        let has_return =
            memchr::memchr_iter(b'\r', text).any(|at| text.get(at + 1) != Some(&b'\n'));
        if has_return || text.iter().any(is_control) {
            self.note("multipart_control", line.clone(), out);
        }
        let (written, _) = text.split_at(colon);
        let key = written.trim_ascii();
        if key.is_empty() || key.len() < written.len() || !key.iter().all(|byte| is_token(*byte)) {
            self.note("multipart_odd_header", line.clone(), out);
        }
        let behind = line.start + colon + 1;
        let value = trimmed(behind..line.end, out);
        if key.eq_ignore_ascii_case(b"content-disposition") {
            self.dispositions += 1;
            if self.dispositions > 1 {
                self.note("multipart_repeated_header", line, out);
            }
            self.disposition(value, out);
            return;
        }
        if key.eq_ignore_ascii_case(b"content-type") {
            if self.has_type {
                self.note("multipart_repeated_header", line, out);
            }
            self.has_type = true;
            self.is_typed |= !value.is_empty();
            self.is_media |= media::is_type(out.text(&value));
            self.content_type(value.clone(), out);
        } else if key.eq_ignore_ascii_case(b"content-transfer-encoding") {
            self.transfer_encoding(value.clone(), out);
        }
        out.value(name::of_bytes(key).into_owned(), value, Syntax::Text);
    }

    fn content_type(&mut self, value: Range<usize>, out: &mut Collector<'_>) {
        let text = out.text(&value);
        let is_multipart = text
            .get(..10)
            .is_some_and(|begins| begins.eq_ignore_ascii_case(b"multipart/"));
        if is_multipart {
            self.note("multipart_nested", value.clone(), out);
            self.nested = Some(Boundary::of_part(text));
        }
        for param in params(text, 0..text.len()) {
            let slice = |range| text.get::<Range<usize>>(range).unwrap_or_default();
            if slice(param.name).eq_ignore_ascii_case(b"charset") {
                match Charset::of(slice(param.value)) {
                    Some(Charset::Utf16 { big_endian }) => {
                        self.utf16.get_or_insert(big_endian);
                    }
                    Some(Charset::Unreadable) => self.note("charset", value.clone(), out),
                    Some(Charset::Plain) | None => {}
                }
            }
        }
    }

    /// No browser writes one since RFC 7578 advised against it, and few applications read it: whoever does reads another
    /// text than the others.
    fn transfer_encoding(&mut self, value: Range<usize>, out: &mut Collector<'_>) {
        // Some read what stands before the parameters, which there should be none of.
        let text = out.text(&value).split(|byte| *byte == b';').next();
        let text = text.unwrap_or_default().trim_ascii();
        let is_plain = [&b"7bit"[..], b"8bit", b"binary"]
            .iter()
            .any(|plain| text.eq_ignore_ascii_case(plain));
        if !is_plain {
            if text.eq_ignore_ascii_case(b"base64") {
                self.encoding = Some(Syntax::Base64);
            } else if text.eq_ignore_ascii_case(b"quoted-printable") {
                self.encoding = Some(Syntax::QuotedPrintable);
            }
            self.note("multipart_transfer_encoding", value, out);
        }
    }

    /// Adds the names that a `Content-Disposition` gives. Every parameter is added, repeats too, because parsers differ in
    /// which one they take.
    fn disposition(&mut self, value: Range<usize>, out: &mut Collector<'_>) {
        let text = out.text(&value);
        let end = memchr::memchr(b';', text).unwrap_or(text.len());
        let kind = text.get(..end).unwrap_or_default().trim_ascii();
        if !kind.eq_ignore_ascii_case(b"form-data") {
            self.note("multipart_odd_disposition", value.clone(), out);
        }
        let mut count = 0;
        for param in params(out.bytes, value.clone()) {
            count += 1;
            self.param(param, value.end, out);
        }
        if count >= MAX_PARAMS {
            self.note("multipart_odd_parameter", value, out);
        }
    }

    fn param(&mut self, param: Param, end: usize, out: &mut Collector<'_>) {
        let Param { name: key, value } = param;
        let written = Written::of(&key, &value, end, out.bytes);
        if written == Written::Escaped {
            if out.text(&key) == b"filename" && self.is_name_to_all(&value, end, out.bytes) {
                // A file to everybody, whatever it is called.
                out.note("multipart_escaped_quote", value.clone());
            } else {
                self.note("multipart_escaped_quote", value.clone(), out);
            }
        } else if written == Written::Oddly {
            self.note("multipart_odd_parameter", key.start..value.end, out);
        }
        match out.text(&key) {
            b"name" => {
                self.names += 1;
                if self.names > 1 {
                    self.note("multipart_repeated_parameter", value.clone(), out);
                }
                let field = out.field(NameRef::NOTHING, value.clone(), Syntax::Text);
                self.name.get_or_insert((field, value));
            }
            b"filename" => {
                self.file_names += 1;
                if self.file_names > 1 {
                    self.note("multipart_repeated_parameter", value.clone(), out);
                }
                if value.is_empty() {
                    self.note("multipart_empty_filename", key, out);
                }
                self.file_name = (self.file_names == 1 && !value.is_empty()).then(|| value.clone());
                let field = self.field();
                if memchr::memmem::find(out.text(&value), b"=?").is_some() {
                    out.key(field, value.clone(), Syntax::EncodedWords);
                }
                out.key(field, value, Syntax::Text);
            }
            b"filename*" => self.extended(value, out),
            other => {
                let matters = [&b"name"[..], b"filename", b"name*", b"filename*"];
                let folded = other.to_ascii_lowercase();
                let is_like = |known: &[u8]| folded.starts_with(known);
                if matters.iter().any(|known| is_like(known)) {
                    // `Filename`, `filename*0`, `name*`: to some parsers what they are like, to others nothing.
                    self.note("multipart_odd_parameter", key, out);
                }
                let field = self.field();
                out.key(field, value, Syntax::Text);
            }
        }
    }

    /// Whether a file name with a backslash in it is some name to every parser: to those that take `\"` for the end of it, to
    /// those that take only that for a quote, and to those that drop what stands before the last backslash. What such a
    /// quote may open or end must be nothing but the name, so the field's name precedes it and no parameter follows.
    fn is_name_to_all(&self, value: &Range<usize>, end: usize, text: &[u8]) -> bool {
        let name = text.get(value.clone()).unwrap_or_default();
        if name.ends_with(b"\\") {
            return false;
        }
        let is_last = || text.get(value.end..end).map(<[u8]>::trim_ascii_end) == Some(b"\"");
        memchr::memmem::find(name, b"\\\"").is_none()
            || (!name.starts_with(b"\\") && !name.contains(&b';') && self.names == 1 && is_last())
    }

    /// A file name as RFC 8187 writes it, which RFC 7578 forbids: to some parsers it is the name, to others it is not there.
    fn extended(&mut self, value: Range<usize>, out: &mut Collector<'_>) {
        let text = out.text(&value);
        let start = memchr::memchr_iter(b'\'', text)
            .nth(1)
            .map_or(0, |at| at + 1);
        let inner = value.start + start..value.end;
        let plain = self.file_name.clone().map(|range| out.text(&range));
        if plain.is_none() && !inner.is_empty() {
            self.is_extended = true;
            out.note("multipart_extended_filename", value);
        } else if inner.is_empty() {
            self.note("multipart_extended_filename", value, out);
        } else if plain != Some(out.text(&inner)) {
            // A file to everybody, but under two names.
            out.note("multipart_extended_filename", value);
        }
        let field = self.field();
        out.key(field, inner, Syntax::Path);
    }
}

/// Bytes of the body without the blanks around them.
fn trimmed(range: Range<usize>, out: &Collector<'_>) -> Range<usize> {
    let text = out.text(&range);
    let start = range.start + (text.len() - text.trim_ascii_start().len());
    start..start + text.trim_ascii().len()
}
