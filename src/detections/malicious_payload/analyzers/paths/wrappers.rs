//! Addresses that open local files, and names that a null byte cuts.

use std::ops::Range;

use super::super::bytes::{self, begins, is_boundary, is_one_of, is_word, rest, word};

/// Schemes of PHP and Java that open a file, a stream or a program.
const SCHEMES: [(&str, &[&str]); 11] = [
    (
        "php://",
        &["filter", "input", "fd", "stdin", "memory", "temp", "output"],
    ),
    ("phar://", &[]),
    ("expect://", &[]),
    ("compress.zlib://", &[]),
    ("compress.bzip2://", &[]),
    ("glob://", &[]),
    ("ogg://", &[]),
    ("ssh2.exec://", &[]),
    ("ssh2.shell://", &[]),
    ("netdoc:/", &[]),
    ("zip://", &[]),
];

/// How much of the path to an archive is looked at.
const LONGEST_PATH: usize = 128;

/// Where a text names an address that opens a local file.
pub(super) fn find(text: &[u8]) -> Option<Range<usize>> {
    for colon in memchr::memchr_iter(b':', text) {
        // Behind every scheme stands a slash, but for `jar:http:`.
        if !matches!(text.get(colon + 1), Some(b'/' | b'f' | b'F' | b'h' | b'H')) {
            continue;
        }
        let len = text
            .get(..colon)?
            .iter()
            .rev()
            .take(16)
            .take_while(|byte| is_word(**byte) || matches!(**byte, b'.'))
            .count();
        let start = colon - len;
        let here = rest(text, start);
        for (scheme, follows) in SCHEMES {
            if begins(here, scheme.as_bytes()) {
                let behind = rest(here, scheme.len());
                let is_it = match scheme {
                    "zip://" => {
                        let near = behind.get(..LONGEST_PATH).unwrap_or(behind);
                        let path = near.split(u8::is_ascii_whitespace).next();
                        let path = path.unwrap_or_default();
                        path.contains(&b'#') || memchr::memmem::find(path, b"%23").is_some()
                    }
                    _ => follows.is_empty() || is_one_of(word(behind), follows),
                };
                if is_it {
                    return Some(start..start + scheme.len());
                }
            }
        }
        if begins(here, b"file:/") && is_local(rest(here, 5)) && is_open(text, start) {
            return Some(start..colon + 2);
        }
        if begins(here, b"jar:")
            && (begins(rest(here, 4), b"file") || begins(rest(here, 4), b"http"))
        {
            return Some(start..colon + 1);
        }
    }
    None
}

/// Whether an address can begin there.
fn is_open(text: &[u8], start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| text.get(at));
    before.is_none_or(|byte| {
        matches!(*byte, b'=' | b'"' | b'\'' | b'(' | b':' | b'|') || byte.is_ascii_whitespace()
    }) && is_boundary(text, start)
}

/// Whether the path of a `file:` address is one of a server's own: not of a photo on somebody's disk.
fn is_local(path: &[u8]) -> bool {
    let slashes = path
        .iter()
        .take(4)
        .take_while(|byte| **byte == b'/')
        .count();
    let path = rest(path, slashes);
    let path = match path {
        [_, b':', b'/' | b'\\', more @ ..]
            if begins(more, b"windows")
                || begins(more, b"winnt")
                || begins(more, b"boot")
                || begins(more, b"inetpub") =>
        {
            return true;
        }
        _ => path,
    };
    [
        "etc",
        "proc",
        "var",
        "root",
        "home",
        "localhost",
        "tmp",
        "usr",
        "sys",
        "dev",
        "opt",
    ]
    .iter()
    .any(|folder| {
        begins(path, folder.as_bytes())
            && !path.get(folder.len()).is_some_and(|byte| is_word(*byte))
    })
}

/// Where a null byte cuts a name: at the end of a value, or before an ending that it is to have.
pub(super) fn cut(text: &[u8]) -> Option<Range<usize>> {
    const SCRIPTS: [&str; 10] = [
        "php", "asp", "aspx", "jsp", "pl", "cgi", "ini", "conf", "passwd", "phtml",
    ];
    const SHOWN: [&str; 10] = [
        "jpg", "jpeg", "png", "gif", "htm", "html", "txt", "pdf", "php", "csv",
    ];
    // What is blank at the end is so for each of them.
    let text = text.trim_ascii_end();
    for (spelling, len) in [(&b"\0"[..], 1), (b"%00", 3)] {
        let mut from = 0;
        while let Some(at) = bytes::find(text, spelling, from) {
            from = at + len;
            let before = text.get(..at)?;
            let name = before
                .iter()
                .rev()
                .take(12)
                .take_while(|byte| is_word(**byte))
                .count();
            let ending = rest(before, at - name);
            let has_ending = before
                .get(..at - name)
                .is_some_and(|before| before.ends_with(b"."));
            if has_ending && is_one_of(ending, &SCRIPTS) {
                return Some(at - name..from);
            }
            let ends_name = before
                .last()
                .is_some_and(|byte| is_word(*byte) || matches!(*byte, b'/' | b')'));
            let behind = rest(text, from);
            let shown = behind.strip_prefix(b".").map(word);
            if ends_name && shown.is_some_and(|shown| is_one_of(shown, &SHOWN)) {
                return Some(at..from + 1);
            }
            // Alone at the end, or with an ending of any kind.
            let is_end = match shown {
                Some(shown) => {
                    (2..=5).contains(&shown.len()) && rest(behind, 1 + shown.len()).is_empty()
                }
                None => behind.is_empty(),
            };
            if len == 1 && ends_name && is_end {
                return Some(at..from);
            }
        }
    }
    None
}
