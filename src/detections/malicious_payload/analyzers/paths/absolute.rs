//! Paths that begin with a drive or a server (Windows).

use std::ops::Range;

use super::super::bytes::{begins, is_one_of, rest};

/// Endings of files that a server keeps, and of programs.
const ENDINGS: [&str; 12] = [
    ".ini", ".log", ".conf", ".exe", ".dll", ".sam", ".bat", ".cfg", ".xml", ".php", ".mdb", ".dat",
];

/// Files and folders of Windows and of servers on it.
const NAMES: [&str; 6] = ["boot", "windows", "winnt", "inetpub", "xampp", "wamp"];

/// How much of a path is looked at.
const LONGEST: usize = 512;

/// Where a value is a path on a server: `\\\\host\\share`.
pub(super) fn share(bytes: &[u8]) -> Option<Range<usize>> {
    let inner = bytes.trim_ascii_start();
    let inner = match inner {
        [b'"' | b'\'', inner @ ..] => inner,
        _ => inner,
    };
    let start = bytes.len() - inner.len();
    let slashes = inner
        .iter()
        .take(4)
        .take_while(|byte| **byte == b'\\')
        .count();
    let is_host = |byte: &&u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    let server = rest(inner, slashes);
    let host = server.iter().take_while(is_host).count();
    let is_shared = matches!(rest(server, host), [b'\\', next, ..] if next.is_ascii_alphanumeric() || b"\\$_".contains(next));
    (slashes >= 2 && host > 0 && is_shared).then(|| start..start + slashes + host)
}

/// Where a text has a path on a drive that leads to what a server keeps.
pub(super) fn drive(bytes: &[u8]) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(found) = memchr::memchr(b':', rest(bytes, at)) {
        let colon = at + found;
        at = colon + 1;
        if !is_drive(bytes, colon) {
            continue;
        }
        let path = rest(bytes, at);
        let path = path.get(..LONGEST).unwrap_or(path);
        let is_end = |byte: &u8| matches!(*byte, 0..b' ' | b'"' | b'\'' | b'<' | b'>' | b'|');
        let path = path.split(is_end).next().unwrap_or_default();
        at += path.len();
        let mut parts = path
            .trim_ascii_end()
            .split(|byte| matches!(*byte, b'/' | b'\\'));
        if parts.any(is_kept) {
            return Some(colon - 1..at);
        }
    }
    None
}

/// Whether the colon is that of a drive's letter, with which a path begins.
fn is_drive(bytes: &[u8], colon: usize) -> bool {
    let before = |distance: usize| colon.checked_sub(distance).and_then(|at| bytes.get(at));
    before(1).is_some_and(u8::is_ascii_alphabetic)
        && before(2).is_none_or(|byte| b"= '\"/\\".contains(byte))
        && matches!(bytes.get(colon + 1), Some(b'/' | b'\\'))
}

fn is_kept(part: &[u8]) -> bool {
    let ends = |ending: &&str| {
        let from = part.len().saturating_sub(ending.len());
        from > 0 && begins(rest(part, from), ending.as_bytes())
    };
    let name = part.split(|byte| *byte == b'.').next().unwrap_or_default();
    ENDINGS.iter().any(ends) || is_one_of(name, &NAMES)
}
