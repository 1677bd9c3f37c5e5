//! What is told of a request that was refused at the gate: its fault, and as much of it as may be shown.

use http::request::Parts;
use http::{Method, Uri};

use super::fault::Fault;
use super::gate::Stop;
use super::{lines, target};
use crate::event::Evidence;
use crate::event::secrets::{MASK, presentable, query_is_secret};

/// How much of a body is shown.
const SHOWN_OF_BODY: usize = 32;

/// How long what is taken for a version may be.
const MAX_VERSION: usize = 12;

/// The methods that everybody knows (RFC 9110, 9.3; RFC 5789).
const KNOWN: [&[u8]; 9] = [
    b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH",
];

/// How much of a header's name is shown.
const SHOWN_OF_NAME: usize = 64;

/// What stands for a refused head, for one with the method HEAD the second. The service answers it without looking at it.
const STAND_IN: &[u8] = b"GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";
const STAND_IN_FOR_HEAD: &[u8] = b"HEAD / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n";

/// Why a request was refused at the gate, for its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct Refused {
    pub(in crate::proxy) fault: Fault,
    /// The line that is to blame, harmless and without what is known to be secret.
    pub(in crate::proxy) evidence: String,
    /// Whether the head had been accepted.
    pub(in crate::proxy) is_in_body: bool,
    method: Option<Method>,
    uri: Option<Uri>,
}

impl Refused {
    /// The refusal of a head; `bytes` are what there is of it.
    pub(in crate::proxy) fn head(stop: &Stop, bytes: &[u8]) -> Self {
        let end = memchr::memchr(b'\n', bytes).unwrap_or(bytes.len());
        let first = bytes.get(..end).unwrap_or_default().trim_ascii_end();
        let mut parts = first.split(|&byte| byte == b' ');
        let (method, target) = (parts.next(), parts.next());
        // What is no request may be the rest of a body, and its words are nobody's business.
        let is_request = |method: &&[u8]| KNOWN.contains(method) || is_request_line(first);
        let method = method.filter(is_request);
        let target = target.filter(|target| {
            method.is_some() && target::check(target, true).is_ok() && *target != b"*"
        });
        Self {
            fault: stop.fault,
            evidence: of_head(stop, bytes),
            is_in_body: false,
            method: method.and_then(|method| Method::from_bytes(method).ok()),
            uri: target.and_then(|target| Uri::try_from(target).ok()),
        }
    }

    /// The refusal of a body; `bytes` begin with what was looked at last.
    pub(super) fn body(stop: &Stop, bytes: &[u8]) -> Self {
        Self {
            fault: stop.fault,
            evidence: of_body(stop.fault, part(stop, bytes)),
            is_in_body: true,
            method: None,
            uri: None,
        }
    }

    /// What hyper is given in place of the head: a request that may be answered in the same way.
    pub(super) fn stand_in(&self) -> &'static [u8] {
        if self.method == Some(Method::HEAD) {
            STAND_IN_FOR_HEAD
        } else {
            STAND_IN
        }
    }

    /// Gives a stand-in the method and the target of what it stands for, as far as there were any.
    pub(in crate::proxy) fn describe(&self, stand_in: &mut Parts) {
        if let Some(method) = &self.method {
            stand_in.method.clone_from(method);
        }
        if let Some(uri) = &self.uri {
            stand_in.uri.clone_from(uri);
        }
    }
}

/// What is shown of a head: the line to blame, or how long the head is where it is its length or its time that is.
fn of_head(stop: &Stop, bytes: &[u8]) -> String {
    let part = part(stop, bytes);
    match stop.fault {
        Fault::HeadTooLarge
        | Fault::TooManyFields
        | Fault::TargetTooLong
        | Fault::HeadTime
        | Fault::HeadCut => {
            format!("{} bytes of a head", bytes.len())
        }
        // It may go on where a credential begins.
        Fault::ObsFold => format!("a line of {} bytes", part.len()),
        _ if stop.part.start == 0 => of_start_line(part),
        fault => of_field(fault, part),
    }
}

/// What is shown of the first line of a head: all but a query that holds secrets, if it can be taken for a request line.
/// Where a body is longer than announced its rest stands here, and may be anything: of that its length and its first byte.
fn of_start_line(line: &[u8]) -> String {
    if !is_request_line(line) {
        return match line.first() {
            Some(byte) => format!("[{} bytes, the first {byte:#04x}]", line.len()),
            None => "[0 bytes]".to_owned(),
        };
    }
    let is_mark = |byte: &u8| matches!(byte, b'?' | b'#');
    let query = line
        .iter()
        .position(is_mark)
        .map_or(line.len(), |at| at + 1);
    let (before, query) = line.split_at_checked(query).unwrap_or_default();
    if !query_is_secret(query) {
        return presentable(line, Evidence::MAX_BYTES);
    }
    // Of a secret with a space in it all that follows may be a part, but for the version.
    let version = words(query).skip(1).last().filter(|last| is_version(last));
    let version = version.map(|version| format!(" {}", presentable(version, MAX_VERSION)));
    let before = presentable(before, Evidence::MAX_BYTES);
    format!("{before}{MASK}{}", version.unwrap_or_default())
}

/// Whether this was meant as a request line: a method, what a target begins with, and a version at the end, which only a
/// method that everybody knows may lack.
fn is_request_line(line: &[u8]) -> bool {
    let mut words = words(line);
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return false;
    };
    let begins = |begin: &str| {
        let beginning = target.get(..begin.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(begin.as_bytes()))
    };
    let is_target = ["/", "http://", "https://"].into_iter().any(begins)
        || target == b"*"
        || method == b"CONNECT";
    let is_ended = words
        .last()
        .map_or_else(|| KNOWN.contains(&method), is_version);
    lines::is_method(method) && is_target && is_ended
}

/// Whether this is a version of HTTP, or was meant as one.
fn is_version(word: &[u8]) -> bool {
    let (name, number) = word.split_at_checked(4).unwrap_or_default();
    name.eq_ignore_ascii_case(b"HTTP")
        && word.len() <= MAX_VERSION
        && !number.iter().any(u8::is_ascii_alphabetic)
}

/// What stands between white space.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = line.split(|byte| matches!(byte, b' ' | b'\t'));
    parts.filter(|part| !part.is_empty())
}

/// What is shown of a body: the line where a chunk's size is expected, if it can be taken for one; it may be anything.
fn of_body(fault: Fault, part: &[u8]) -> String {
    let is_of_size = |byte: &u8| byte.is_ascii_hexdigit() || b" ;=,+-.xX".contains(byte);
    match fault {
        Fault::ChunkSize
        | Fault::ChunkExtension
        | Fault::ChunkLine
        | Fault::ChunkEnd
        | Fault::TooManyChunks => match part.iter().find(|byte| !is_of_size(byte)) {
            None => presentable(part, SHOWN_OF_BODY),
            Some(byte) => format!("[{} bytes, one of them {byte:#04x}]", part.len()),
        },
        fault => of_field(fault, part),
    }
}

/// What is to blame, without the CR of its end.
fn part<'b>(stop: &Stop, bytes: &'b [u8]) -> &'b [u8] {
    let part = bytes.get(stop.part.clone()).unwrap_or_default();
    part.strip_suffix(b"\r").unwrap_or(part)
}

/// What is shown of a header line: its name; of its value only what can be no secret, or else its length and the first byte
/// that may not be there. Any header may hold a credential, the more so a misspelt one.
fn of_field(fault: Fault, line: &[u8]) -> String {
    let ends = |byte: &u8| matches!(byte, b':' | b' ' | b'\t' | b'=');
    let end = line.iter().position(ends).unwrap_or(line.len());
    let (name, value) = line.split_at_checked(end).unwrap_or_default();
    let is_shown = match fault {
        Fault::ContentLength | Fault::ContentLengths => !value.iter().any(u8::is_ascii_alphabetic),
        Fault::TransferEncoding | Fault::TransferEncodings | Fault::BothFramings => value
            .split(|byte| !byte.is_ascii_alphanumeric())
            .all(is_coding),
        Fault::Host | Fault::Hosts => !value.contains(&b'@'),
        _ => false,
    };
    if is_shown {
        return presentable(line, Evidence::MAX_BYTES);
    }
    let name = presentable(name, SHOWN_OF_NAME);
    let is_control = |byte: &&u8| byte.is_ascii_control() && **byte != b'\t';
    match value.iter().find(is_control) {
        Some(byte) => format!("{name}: [{} bytes, one of them {byte:#04x}]", value.len()),
        None => format!("{name}: [{} bytes]", value.len()),
    }
}

/// Whether this is a word that a `Transfer-Encoding` may consist of, if misspelt; or a part of a number.
fn is_coding(word: &[u8]) -> bool {
    const CODINGS: [&str; 9] = [
        "chunked", "xchunked", "chunkedx", "chunk", "identity", "gzip", "deflate", "compress", "x",
    ];
    word.iter().all(u8::is_ascii_digit)
        || CODINGS
            .iter()
            .any(|coding| word.eq_ignore_ascii_case(coding.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::framing::{Gate, GateLimits};

    fn refused(bytes: &[u8]) -> Refused {
        let mut gate = Gate::new(GateLimits {
            head: 8192,
            headers: 100,
            uri: 8192,
        });
        let stop = gate.scan(bytes).expect_err("a refusal");
        Refused::head(&stop, bytes)
    }

    #[test]
    fn a_refusal_shows_its_line_and_no_secret() {
        for (bytes, fault, shown) in [
            ("GET  / HTTP/1.1\r\n", Fault::StartLine, "GET  / HTTP/1.1"),
            (
                "GET / HTTP/1.1\r\nX : \x1b[2J\r\n",
                Fault::SpaceBeforeColon,
                "X: [7 bytes, one of them 0x1b]",
            ),
            (
                "GET / HTTP/1.1\r\nAuthorization : Basic aHVudGVyMg==\r\n",
                Fault::SpaceBeforeColon,
                "Authorization: [21 bytes]",
            ),
            (
                "GET / HTTP/1.1\r\nAuthorization Basic aHVudGVyMg==\r\n",
                Fault::NoColon,
                "Authorization: [19 bytes]",
            ),
            (
                "GET / HTTP/1.1\r\nCookie: a=hunter2\n",
                Fault::BareLf,
                "Cookie: [11 bytes]",
            ),
            (
                "GET / HTTP/1.1\r\nCookie: a=b;\r\n c=hunter2\r\n",
                Fault::ObsFold,
                "a line of 10 bytes",
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n",
                Fault::TransferEncoding,
                "Transfer-Encoding: gzip, chunked",
            ),
            (
                "GET / HTTP/1.1\r\nTransfer-Encoding: hunter2\r\n",
                Fault::TransferEncoding,
                "Transfer-Encoding: [9 bytes]",
            ),
            (
                "GET / HTTP/1.1\r\nContent-Length: 5, 6\r\n",
                Fault::ContentLength,
                "Content-Length: 5, 6",
            ),
            (
                "GET / HTTP/1.1\r\nHost: me:hunter2@a\r\n",
                Fault::Host,
                "Host: [14 bytes]",
            ),
            (
                "GET /?password=hunter2 HTTP/1.1\r\nA:b\nc\r\n",
                Fault::BareLf,
                "A: [2 bytes]",
            ),
        ] {
            let refused = refused(bytes.as_bytes());
            assert_eq!(refused.fault, fault, "{bytes:?}");
            assert!(
                !refused.evidence.contains("hunter2") && !refused.evidence.contains("aHVu"),
                "{refused:?}"
            );
            assert!(!refused.evidence.contains('\x1b'), "{refused:?}");
            assert_eq!(refused.evidence, shown, "{bytes:?}");
        }
    }

    #[test]
    fn of_a_body_that_is_taken_for_a_head_nothing_is_shown() {
        for (bytes, shown) in [
            ("word=hunter2 and more x\r\n", "[23 bytes, the first 0x77]"),
            ("{\"pw\": \"hunter2\"}\r\n", "[17 bytes, the first 0x7b]"),
            ("{\"pw\": \"hunter2\"}", "[17 bytes, the first 0x7b]"),
            ("hunter2\r\n", "[7 bytes, the first 0x68]"),
            ("hunter2 /hunter2\r\n", "[16 bytes, the first 0x68]"),
            ("my /hunter2 is\r\n", "[14 bytes, the first 0x6d]"),
            ("MY hunter2\r\n", "[10 bytes, the first 0x4d]"),
            ("GET hunter2 now\r\n", "[15 bytes, the first 0x47]"),
            ("POST /login hunter2 it\r\n", "[22 bytes, the first 0x50]"),
            ("HUNTER2 x\r\n", "[9 bytes, the first 0x48]"),
            (
                "word=hunter2GET / HTTP/1.1\r\n",
                "[26 bytes, the first 0x77]",
            ),
            ("hunter2GET / HTTP/1.1\r\n", "[21 bytes, the first 0x68]"),
            ("hunter2\nGET / HTTP/1.1\r\n", "[7 bytes, the first 0x68]"),
            ("a\x01hunter2", "[9 bytes, the first 0x61]"),
            ("\n", "[0 bytes]"),
        ] {
            let refused = refused(bytes.as_bytes());
            assert_eq!(refused.evidence, shown, "{bytes:?}");
            let told = format!("{refused:?}").to_lowercase();
            assert!(!told.contains("hunter2"), "{bytes:?}: {told}");
        }
    }

    #[test]
    fn a_request_line_is_shown_without_the_secrets_of_its_query() {
        for (line, shown) in [
            ("GET /a b HTTP/1.1", "GET /a b HTTP/1.1"),
            ("GET\t/\tHTTP/1.1", "GET\\u{9}/\\u{9}HTTP/1.1"),
            ("PUT /a?b=c&d=\"e HTTP/1.1", "PUT /a?b=c&d=\"e HTTP/1.1"),
            ("GET /a?b=c", "GET /a?b=c"),
            ("OPTIONS *  HTTP/1.1", "OPTIONS *  HTTP/1.1"),
            ("CONNECT a:443 HTTP/1.1", "CONNECT a:443 HTTP/1.1"),
            ("GET http://a/ HTTP/3.0", "GET http://a/ HTTP/3.0"),
            (
                "GET  /?a=b&password=hunter2 HTTP/1.1",
                "GET  /?[masked] HTTP/1.1",
            ),
            (
                "GET /?password=not hunter2 HTTP/1.1",
                "GET /?[masked] HTTP/1.1",
            ),
            (
                "GET /?password=a,hunter2 HTTP/1.1 ",
                "GET /?[masked] HTTP/1.1",
            ),
            ("GET /?pass=a;hunter2  HTTP/1.1", "GET /?[masked] HTTP/1.1"),
            (
                "GET /?user%5Bp%61ss%5D=hunter2 HTTP/9",
                "GET /?[masked] HTTP/9",
            ),
            (
                "GET /?next=%2F%3Ftoken%22%3Ahunter2 HTTP/9",
                "GET /?[masked] HTTP/9",
            ),
            (
                "GET /#access_token=hunter2 HTTP/1.1",
                "GET /#[masked] HTTP/1.1",
            ),
            ("GET /?token=hunter2", "GET /?[masked]"),
            (
                "GET http://me:hunter2@a/ HTTP/1.1",
                "GET http://me:[masked]@a/ HTTP/1.1",
            ),
        ] {
            let refused = refused(format!("{line}\r\n").as_bytes());
            assert_eq!(refused.evidence, shown, "{line:?}");
        }
    }
}
