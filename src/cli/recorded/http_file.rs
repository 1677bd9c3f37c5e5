//! Requests as they are sent, one or several in a file. Editors that send requests put a line `###` between two, and allow
//! comments before each.

use std::sync::Arc;

use super::{At, Format, Piece};

/// The requests of a text; `None` when it begins with none.
pub(super) fn pieces(at: &At, text: &[u8]) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut line = at.line;
    let mut rest = text;
    while let Some((skipped, request)) = beginning(rest) {
        line += skipped;
        let (length, lines) = extent(request);
        let (request, after) = request.split_at_checked(length)?;
        pieces.push(Piece {
            at: At {
                file: Arc::clone(&at.file),
                line,
                column: 0,
            },
            format: Format::Http,
            text: request.to_vec(),
        });
        line += lines;
        rest = after;
    }
    (!pieces.is_empty()).then_some(pieces)
}

/// The text from its first request line on, and how many lines lie before. Only separators, comments and empty lines may.
fn beginning(text: &[u8]) -> Option<(usize, &[u8])> {
    let mut rest = text;
    let mut skipped = 0;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if is_request_line(line) {
            return Some((skipped, rest));
        }
        if !is_between(line) {
            return None;
        }
        skipped += 1;
        rest = after;
    }
    None
}

/// How long the request is that the text begins with, in bytes and in lines: to the next separator. One that says how long
/// its body is ends no earlier than that.
fn extent(text: &[u8]) -> (usize, usize) {
    let (mut length, mut lines) = (0, 0);
    let mut body_from = None;
    let mut announced = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let is_in_body = body_from.is_some_and(|from| length < from + announced);
        if !is_in_body && is_separator(line, after) {
            break;
        }
        length += rest.len() - after.len();
        lines += 1;
        if body_from.is_none() {
            if line.is_empty() {
                body_from = Some(length);
            }
            announced = announced_by(line).unwrap_or(announced);
        }
        rest = after;
    }
    (length, lines)
}

/// Whether a line ends a request: `###`, and behind it the next one, or nothing. A heading of a Markdown text looks the same
/// otherwise.
fn is_separator(line: &[u8], after: &[u8]) -> bool {
    if !line.starts_with(b"###") {
        return false;
    }
    let mut rest = after;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        if line.starts_with(b"###") || is_request_line(line) {
            return true;
        }
        if !is_between(line) {
            return false;
        }
        rest = after;
    }
    true
}

fn is_between(line: &[u8]) -> bool {
    line.trim_ascii().is_empty() || line.starts_with(b"#") || line.starts_with(b"//")
}

/// Whether a line reads like `GET /path HTTP/1.1`, the version being optional.
fn is_request_line(line: &[u8]) -> bool {
    let mut words = line.splitn(2, |&byte| byte == b' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return false;
    };
    let target = target.trim_ascii_start();
    let is_method = |byte: &u8| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_');
    !method.is_empty()
        && method.iter().all(is_method)
        && [&b"/"[..], b"*", b"http://", b"https://"]
            .iter()
            .any(|begin| target.starts_with(begin))
}

/// The length that a header line announces.
fn announced_by(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

/// The first line without its end, and what follows.
fn split_line(text: &[u8]) -> (&[u8], &[u8]) {
    let (line, rest) = match memchr::memchr(b'\n', text) {
        Some(end) => (
            text.get(..end).unwrap_or_default(),
            text.get(end + 1..).unwrap_or_default(),
        ),
        None => (text, &[][..]),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), rest)
}
