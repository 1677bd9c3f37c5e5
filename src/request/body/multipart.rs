//! `multipart/form-data` (RFC 7578): names, file names, values and headers of parts.
//!
//! Parsers of this format differ more than those of any other, so ours resolves nothing: what it finds it adds, what two
//! parsers would read differently it notes, and what belongs to no part is judged as text.

use std::ops::Range;

use memchr::memmem::Finder;

use super::super::decode::Syntax;
use super::super::name;
use super::super::names::NameRef;
use super::classify::looks_binary;
use super::collector::Collector;
use super::params::{Param, params};

/// The longest boundary that is searched for. The format allows 70 bytes.
const MAX_BOUNDARY: usize = 256;

/// Adds the parts of the body. `false` if there are none, by the declared boundary nor by the one that the body begins
/// with.
pub(super) fn inputs(declared: &[u8], out: &mut Collector<'_>) -> bool {
    let used = first_line_boundary(out.bytes);
    let mut found = false;
    if !declared.is_empty() && declared.len() <= MAX_BOUNDARY {
        found = parts(declared, out);
    }
    if let Some(used) = used
        && used != declared
    {
        out.note("multipart_boundary", 0..used.len() + 2);
        found |= parts(used, out);
    }
    found
}

/// The boundary that the body's first line is.
fn first_line_boundary(body: &[u8]) -> Option<&[u8]> {
    let rest = body.strip_prefix(b"--")?;
    let rest = rest.get(..MAX_BOUNDARY).unwrap_or(rest);
    let boundary = rest.get(..memchr::memchr(b'\n', rest)?)?.trim_ascii_end();
    (!boundary.is_empty()).then_some(boundary)
}

/// A line that separates parts: where the text before it ends, where the text behind it begins, and whether it is the
/// last one.
struct Delimiter {
    before: usize,
    behind: usize,
    is_last: bool,
}

/// Adds the parts between the delimiters that `boundary` makes. `false` if there are none.
fn parts(boundary: &[u8], out: &mut Collector<'_>) -> bool {
    let body = out.bytes;
    let line = [b"--", boundary].concat();
    let full = out.full();
    // Where the part that is being read begins; `None` before the first delimiter and behind the last.
    let mut part: Option<usize> = None;
    let mut outside = 0;
    let mut found = false;
    for at in Finder::new(&line).find_iter(body) {
        let Some(delimiter) = delimiter(at, line.len(), out) else {
            continue;
        };
        match part {
            Some(start) => self::part(start..delimiter.before.max(start), full, out),
            None if !found => around("multipart_preamble", outside..delimiter.before, out),
            // Behind the last delimiter nothing counts, but some parsers go on.
            None => around(
                "multipart_epilogue",
                outside..delimiter.before.max(outside),
                out,
            ),
        }
        found = true;
        outside = delimiter.behind;
        part = (!delimiter.is_last).then_some(delimiter.behind);
        if out.len() >= full {
            out.rest("too_many_values", outside..body.len());
            return true;
        }
    }
    match part {
        Some(start) => {
            out.note("multipart_unterminated", start..body.len());
            self::part(start..body.len(), full, out);
        }
        None if found => around("multipart_epilogue", outside..body.len(), out),
        None => {}
    }
    found
}

/// The delimiter whose dashes are at `at`; `None` if it is none after all.
fn delimiter(at: usize, len: usize, out: &mut Collector<'_>) -> Option<Delimiter> {
    let (head, tail) = out.bytes.split_at_checked(at)?;
    let before = match head {
        [] => 0,
        [.., b'\r', b'\n'] => at - 2,
        [.., b'\n'] => {
            out.note("multipart_bare_lf", at..at);
            at - 1
        }
        _ => return None,
    };
    let tail = tail.get(len..)?;
    let is_last = tail.starts_with(b"--");
    let dashes = if is_last { 2 } else { 0 };
    let rest = tail.get(dashes..)?;
    let blanks = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let line_end = match rest.get(blanks..)? {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        [] => 0,
        _ if is_last => 0,
        _ => {
            // A longer line: part of the content, but a delimiter to parsers that compare no further.
            out.note("multipart_boundary_prefix", at..at + len);
            return None;
        }
    };
    Some(Delimiter {
        before,
        behind: at + len + dashes + blanks + line_end,
        is_last,
    })
}

/// Adds what is outside of all parts, if it is more than blanks.
fn around(kind: &'static str, range: Range<usize>, out: &mut Collector<'_>) {
    if !out.text(&range).trim_ascii().is_empty() {
        out.rest(kind, range);
    }
}

/// What the headers of a part say.
#[derive(Default)]
struct Head {
    name: Option<NameRef>,
    is_file: bool,
    has_disposition: bool,
}

/// Adds one part: its headers and its content. Once there are `full` values, the rest of the part is one.
fn part(range: Range<usize>, full: usize, out: &mut Collector<'_>) {
    let mut head = Head::default();
    let mut at = range.start;
    loop {
        let Some((header, next)) = header_line(at..range.end, out) else {
            out.note("multipart_no_content", range.clone());
            break;
        };
        if !header.is_empty() && out.len() >= full {
            out.note("too_many_values", header);
            break;
        }
        at = next;
        if header.is_empty() {
            break;
        }
        self::header(header, &mut head, out);
    }
    let content = at..range.end;
    let field = head.name.unwrap_or_else(|| {
        out.note("multipart_nameless", range.clone());
        NameRef::NOTHING
    });
    if content.is_empty() || (head.is_file && looks_binary(out.text(&content))) {
        return;
    }
    out.value(field, content, Syntax::Text);
}

/// The header that begins `range`, folded lines included and without its line end, and where the next one begins; empty
/// at the end of the headers, `None` at the end of the part.
fn header_line(range: Range<usize>, out: &mut Collector<'_>) -> Option<(Range<usize>, usize)> {
    let mut end = range.start;
    loop {
        let rest = out.text(&(end..range.end));
        let line = memchr::memchr(b'\n', rest)?;
        let ended_by_two = line > 0 && rest.get(line - 1) == Some(&b'\r');
        if !ended_by_two {
            out.note("multipart_bare_lf", end + line..end + line + 1);
        }
        let text_end = end + line - usize::from(ended_by_two);
        end += line + 1;
        let is_empty = text_end == range.start;
        if !is_empty && matches!(out.bytes.get(end), Some(b' ' | b'\t')) && end < range.end {
            out.note("multipart_folded_header", end..end + 1);
            continue;
        }
        return Some((range.start..text_end, end));
    }
}

fn header(line: Range<usize>, head: &mut Head, out: &mut Collector<'_>) {
    let text = out.text(&line);
    let Some(colon) = memchr::memchr(b':', text) else {
        out.rest("multipart_bad_header", line);
        return;
    };
    let (key, _) = text.split_at(colon);
    let key = key.trim_ascii();
    let behind = line.start + colon + 1;
    let blanks = out
        .text(&(behind..line.end))
        .iter()
        .take_while(|byte| byte.is_ascii_whitespace())
        .count();
    let value = behind + blanks..line.end;
    if key.eq_ignore_ascii_case(b"content-disposition") {
        if head.has_disposition {
            out.note("multipart_repeated_header", line);
        }
        head.has_disposition = true;
        disposition(value, head, out);
        return;
    }
    if key.eq_ignore_ascii_case(b"content-transfer-encoding")
        && !matches!(out.text(&value), b"7bit" | b"8bit" | b"binary")
    {
        out.note("multipart_transfer_encoding", value.clone());
    }
    let name = name::of_bytes(key).into_owned();
    out.value(name, value, Syntax::Text);
}

/// Adds the names that a `Content-Disposition` gives. Every parameter is added, repeats too, because parsers differ in
/// which one they take.
fn disposition(value: Range<usize>, head: &mut Head, out: &mut Collector<'_>) {
    let mut has_file_name = false;
    for Param { name: key, value } in params(out.bytes, value) {
        let key = out.text(&key);
        if memchr::memmem::find(out.text(&value), b"\\\"").is_some() {
            out.note("multipart_escaped_quote", value.clone());
        }
        if key.eq_ignore_ascii_case(b"name") {
            if head.name.is_some() {
                out.note("multipart_repeated_parameter", value.clone());
            }
            let field = out.field(NameRef::NOTHING, value, Syntax::Text);
            head.name.get_or_insert(field);
        } else {
            let is_extended = key.eq_ignore_ascii_case(b"filename*");
            if is_extended || key.eq_ignore_ascii_case(b"filename") {
                if has_file_name {
                    out.note("multipart_repeated_parameter", value.clone());
                }
                has_file_name = true;
                head.is_file = true;
            }
            let (value, syntax) = if is_extended {
                (extended(value, out.bytes), Syntax::Path)
            } else {
                (value, Syntax::Text)
            };
            out.key(head.name.unwrap_or_default(), value, syntax);
        }
    }
}

/// The text of `UTF-8''text` (RFC 8187).
fn extended(value: Range<usize>, body: &[u8]) -> Range<usize> {
    let text = body.get(value.clone()).unwrap_or_default();
    let start = memchr::memchr_iter(b'\'', text)
        .nth(1)
        .map_or(0, |at| at + 1);
    value.start + start..value.end
}

#[cfg(test)]
mod tests;
