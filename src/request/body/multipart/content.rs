//! The content of a part: judged as everything that some application would read in it.
//!
//! Of what looks binary the text in it is judged. Only one thing is not judged to its end: a file that is one by every
//! parser's reading and whose bytes are no text from the beginning. Of that one the text in its first bytes is, where
//! comments and scripts of images lie.

use std::ops::Range;

use super::super::super::collector::Collector;
use super::super::super::decode::Syntax;
use super::super::classify::{looks_binary, utf16};
use super::super::label::Charset;
use super::super::runs;
use super::head::Head;
use super::{Within, media};

/// How much of a binary file is looked at for text.
pub(super) const FILE_HEAD: usize = 4096;

/// Adds the content of a part, which is `range` of the body.
pub(super) fn add(head: &Head, range: Range<usize>, within: Within, out: &mut Collector<'_>) {
    let text = out.text(&range);
    if text.is_empty() {
        return;
    }
    if media::is_program(text) && head.is_media(out) {
        out.note("disguised_program", range.start..range.start + 2);
    }
    let field = head.field();
    if head.is_stored_by_all() && looks_binary(text) {
        let end = range.end.min(range.start.saturating_add(FILE_HEAD));
        for run in runs::of(out.text(&(range.start..end))) {
            let run = range.start + run.start..range.start + run.end;
            out.value(field, run, Syntax::Text);
        }
        return;
    }
    let name = head.name.as_ref().map(|(_, range)| out.text(range));
    if name == Some(b"_charset_") && Charset::of(text) == Some(Charset::Unreadable) {
        // By RFC 7578 it names the charset of all fields that name none.
        out.note("charset", range.clone());
    }
    if let Some(nested) = &head.nested {
        if within != Within::Part {
            if super::nested(nested, range.clone(), out) {
                return;
            }
        } else {
            out.note("multipart_nested_deep", range.clone());
        }
    }
    if let Some(encoding) = head.encoding {
        out.value(field, range.clone(), encoding);
    }
    if let Some(big_endian) = utf16(text).or(head.utf16) {
        out.value(field, range.clone(), Syntax::Utf16 { big_endian });
    }
    runs::value(field, range, out);
}

/// Adds a piece of the content of a file that was begun before.
pub(super) fn add_more(field: &str, is_utf16: Option<bool>, out: &mut Collector<'_>) {
    let range = 0..out.bytes.len();
    if let Some(big_endian) = is_utf16 {
        out.value(
            field.to_owned(),
            range.clone(),
            Syntax::Utf16 { big_endian },
        );
    }
    runs::value(field.to_owned(), range, out);
}
