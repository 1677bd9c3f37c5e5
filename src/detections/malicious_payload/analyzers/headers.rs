//! Line ends that begin another header (CWE-113), and another line of a mail (CWE-93).
//!
//! A value that is written into a header of an answer or of a mail ends it with CR or LF, and what follows is a header of
//! its own, or a second answer. Texts of several lines are honest in bodies; there the next line has to be a header
//! that matters, and the text as short as a field is.

use super::bytes::{begins, blanks, is_one_of, rest};
use super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;

static HEADER: Rule = Rule {
    name: "header_line",
    score: 5,
    message: "A line end in a value is followed by a header of an answer.",
};

static MAIL: Rule = Rule {
    name: "mail_line",
    score: 5,
    message: "A line end in a value is followed by a header or command of a mail.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "header_injection",
    cwe: 113,
    gates: &[
        r"[\r\n]\s*[a-z-]+\s*:",
        r"[\r\n]\s*http/",
        r"[\r\n]\s*(?:rcpt|mail|data|quit|helo|ehlo)",
        r"%0[ad][a-z-]+:",
        r"\xe5\x98[\x8a\x8d]",
    ],
    rules: &[&HEADER, &MAIL],
    longest: usize::MAX,
    analyze,
};

/// Headers by which an answer does something.
const HEADERS: [&str; 18] = [
    "set-cookie",
    "location",
    "content-length",
    "content-type",
    "transfer-encoding",
    "refresh",
    "access-control-allow-origin",
    "content-security-policy",
    "x-xss-protection",
    "www-authenticate",
    "host",
    "x-forwarded-for",
    "x-forwarded-host",
    "content-disposition",
    "content-encoding",
    "connection",
    "status",
    "cookie",
];

/// Those of them that nobody writes in a field of a few lines.
const SURE: [&str; 10] = [
    "content-security-policy",
    "x-frame-options",
    "strict-transport-security",
    "set-cookie",
    "location",
    "content-length",
    "transfer-encoding",
    "content-type",
    "x-xss-protection",
    "access-control-allow-origin",
];

const OF_MAIL: [&str; 8] = [
    "bcc",
    "cc",
    "to",
    "from",
    "reply-to",
    "mime-version",
    "content-transfer-encoding",
    "subject",
];

/// Lines that a field of a body has at most; a text with more is a text.
const FEW_LINES: usize = 4;

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let is_body = text.place == PlaceKind::Body;
    if is_body
        && bytes
            .iter()
            .filter(|byte| **byte == b'\n')
            .take(FEW_LINES + 1)
            .count()
            > FEW_LINES
    {
        return;
    }
    truncated(bytes, matches);
    let ends = memchr::memchr2_iter(b'\r', b'\n', bytes);
    for end in ends.take(256) {
        let line = rest(bytes, end + 1);
        // No more of a long run of line ends is looked at for each of them.
        let line = rest(line, blanks(line.get(..8).unwrap_or(line)));
        let range = end..(end + 1 + line.len().min(32)).min(bytes.len());
        if begins(line, b"http/1.") || begins(line, b"http/2") {
            matches.add(&HEADER, range);
            continue;
        }
        let commands: [&[u8]; 3] = [b"rcpt to:", b"mail from:", b"data\r\n"];
        if commands.iter().any(|command| begins(line, command)) {
            matches.add(&MAIL, range);
            continue;
        }
        let len = line
            .iter()
            .take(40)
            .take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-')
            .count();
        let name = line.get(..len).unwrap_or_default();
        if rest(line, len + blanks(rest(line, len)).min(2)).first() != Some(&b':') {
            continue;
        }
        // Headers of an application's own have one prefix (RFC 6648), and a line of text does not begin so.
        let is_own = matches!(name, [b'x' | b'X', b'-', b'a'..=b'z' | b'A'..=b'Z', ..])
            && !bytes
                .get(..end)
                .is_some_and(|before| before.contains(&b':'));
        let is_header = is_one_of(name, if is_body { &SURE } else { &HEADERS }) || is_own;
        if is_listed(bytes, end, name) {
            continue;
        }
        if is_header {
            matches.add(&HEADER, range);
        } else if is_one_of(name, &OF_MAIL) && (!is_body || is_mail(text, name)) {
            matches.add(&MAIL, range);
        }
    }
}

/// Whether a line follows one of the same kind, as in a list of properties: `Status: open`, `Location: Berlin`.
fn is_listed(bytes: &[u8], end: usize, name: &[u8]) -> bool {
    const WORDS: [&str; 9] = [
        "location",
        "status",
        "host",
        "from",
        "to",
        "cc",
        "subject",
        "connection",
        "refresh",
    ];
    const NEAR: usize = 128;
    let before = bytes.get(end.saturating_sub(NEAR)..end).unwrap_or_default();
    let line = memchr::memrchr2(b'\r', b'\n', before.trim_ascii_end()).map_or(0, |at| at + 1);
    let line = rest(before, line);
    let property = line
        .iter()
        .take(24)
        .take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'-' | b' '))
        .count();
    property > 0 && rest(line, property).starts_with(b": ") && is_one_of(name, &WORDS)
}

/// Adds characters of which some servers keep the last byte only, so that they become a line end: U+560A and U+560D.
fn truncated(bytes: &[u8], matches: &mut Matches) {
    for character in memchr::memmem::find_iter(bytes, b"\xe5\x98").take(64) {
        let line = rest(bytes, character + 3);
        let len = line
            .iter()
            .take(40)
            .take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-')
            .count();
        if matches!(bytes.get(character + 2), Some(0x8a | 0x8d))
            && is_one_of(line.get(..len).unwrap_or_default(), &HEADERS)
            && rest(line, len).first() == Some(&b':')
        {
            return matches.add(&HEADER, character..character + 3 + len);
        }
    }
}

/// Whether a line of a body's field is a header of a mail that the field is to be sent by: who gets it, behind an address or
/// a subject.
fn is_mail(text: &Text<'_>, name: &[u8]) -> bool {
    let before = memchr::memchr2(b'\r', b'\n', text.bytes).unwrap_or(0);
    let first = text.bytes.get(..before).unwrap_or_default();
    // Behind an address and nothing else, any header of a mail is one.
    let is_address = first.contains(&b'@') && !first.iter().any(u8::is_ascii_whitespace);
    if is_address && is_one_of(name, &OF_MAIL) {
        return true;
    }
    is_one_of(name, &["bcc", "cc", "to", "reply-to", "mime-version"])
        && !first.contains(&b':')
        && (first.contains(&b'@') || first.len() < 64)
        && rest(text.bytes, before).contains(&b'@')
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, found_at};
    use super::*;

    #[test]
    fn headers_behind_line_ends_are_found() {
        for text in [
            "x\r\nSet-Cookie: a=b",
            "/#\nSet-Cookie:crlf=injection",
            "en\rLocation: https://a.example",
            "x\r\n\r\nHTTP/1.1 200 OK",
            "x\r\nContent-Length: 0\r\n\r\n",
            "a\n X-Forwarded-Host: b",
            "x\r\nX-Own: 1",
            "\u{560d}\u{560a}Set-Cookie: a=1",
        ] {
            assert_eq!(found(&ANALYZER, text), ["header_line"], "{text}");
        }
        for text in [
            "a@b.example\nBcc: c@d.example",
            "Hi\r\nCC:x@y.example",
            "x\r\nRCPT TO:<a@b.example>",
            "s\nMIME-Version: 1.0",
        ] {
            assert_eq!(found(&ANALYZER, text), ["mail_line"], "{text}");
        }
        let body = |text: &str| found_at(&ANALYZER, text.as_bytes(), PlaceKind::Body);
        assert_eq!(body("/\r\nSet-Cookie: a=b"), ["header_line"]);
        assert_eq!(body("a@b.example\r\nbcc: c@d.example"), ["mail_line"]);
        assert_eq!(body("a@b.example\nSubject: spam"), ["mail_line"]);
    }

    #[test]
    fn texts_of_several_lines_are_not() {
        for text in [
            "Dear Sir,\nthank you: it works",
            "a: 1\nb: 2\nhost: c",
            "Line one\nLine two\nto: be or not",
            "On Monday\nFrom here on",
            "Notes:\n- one\n- two",
            "POST /a HTTP/1.1\nHost: a.example\nAccept: */*\nX: y\nLocation: b\nSet-Cookie: c=d\n",
            "Subject: x\nTo: a",
            "curl:\nX-Api-Key: 1",
            "Status: 5\nLocation: Berlin",
            "write to a@b.example\nSubject: as you like",
        ] {
            assert_eq!(
                found_at(&ANALYZER, text.as_bytes(), PlaceKind::Body),
                [""; 0],
                "{text}"
            );
        }
        assert_eq!(
            found(&ANALYZER, "location: Berlin, set-cookie: no"),
            [""; 0]
        );
    }

    /// Known miss: a header that only the application knows.
    #[test]
    fn unknown_headers_are_missed() {
        assert_eq!(found(&ANALYZER, "x\r\nOwn-Header: 1"), [""; 0]);
    }
}
