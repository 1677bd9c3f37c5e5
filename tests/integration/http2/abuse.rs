//! Requests and frames that are not as they should be. Each is sent on a connection of its own; what becomes of it is
//! judged at the client, and what it became behind us at an upstream that records. After each an honest request is served.

use super::wire::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Http2, Outcome, PADDED,
    PING, PREFACE, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame,
    request,
};
use crate::support::{Proxy, Upstream};

/// What may come of a hostile request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Refused with this status, and an event.
    Refused(u16),
    /// The stream or the connection ends; nobody behind us hears of it.
    Ended,
    /// Served as one request that means what it said.
    Served,
}
use Expected::{Ended, Refused, Served};

type Fields = Vec<(String, Vec<u8>)>;

/// A request with a field in the place of one, or after all others.
fn with(name: &str, value: impl AsRef<[u8]>) -> Fields {
    let mut fields = request("GET", "/honest");
    match fields.iter_mut().find(|(known, _)| known == name) {
        Some(field) => field.1 = value.as_ref().to_vec(),
        None => fields.push((name.to_owned(), value.as_ref().to_vec())),
    }
    fields
}

fn without(name: &str) -> Fields {
    let mut fields = request("GET", "/honest");
    fields.retain(|(known, _)| known != name);
    fields
}

fn twice(name: &str, value: &str) -> Fields {
    let mut fields = request("GET", "/honest");
    fields.push((name.to_owned(), value.as_bytes().to_vec()));
    fields
}

fn added(more: &[(&str, &str)]) -> Fields {
    let mut fields = request("GET", "/honest");
    let more = more
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
    fields.extend(more);
    fields
}

/// Heads without a body, and what is to come of them.
fn heads() -> Vec<(&'static str, Fields, Expected)> {
    let first = |name: &str, value: &str| {
        let mut fields = vec![(name.to_owned(), value.as_bytes().to_vec())];
        fields.extend(request("GET", "/honest"));
        fields
    };
    vec![
        ("honest", request("GET", "/honest"), Served),
        // Pseudo-headers (RFC 9113, 8.3)
        ("no method", without(":method"), Ended),
        ("no path", without(":path"), Ended),
        ("no scheme", without(":scheme"), Ended),
        (
            "no authority and no host",
            without(":authority"),
            Refused(400),
        ),
        ("empty method", with(":method", ""), Ended),
        ("empty path", with(":path", ""), Ended),
        ("empty authority", with(":authority", ""), Ended),
        ("empty scheme", with(":scheme", ""), Ended),
        ("two methods", twice(":method", "GET"), Ended),
        ("two paths", twice(":path", "/admin"), Ended),
        (
            "two authorities",
            twice(":authority", "other.example"),
            Ended,
        ),
        ("two schemes", twice(":scheme", "https"), Ended),
        ("a status", twice(":status", "200"), Ended),
        ("an unknown one", twice(":foo", "bar"), Ended),
        (
            "a protocol without CONNECT",
            twice(":protocol", "websocket"),
            Ended,
        ),
        (
            "after a field",
            {
                let mut fields = first("x-early", "1");
                fields.rotate_left(1);
                fields.insert(2, ("x-early".to_owned(), b"1".to_vec()));
                fields
            },
            Ended,
        ),
        // The method
        ("method in lower case", with(":method", "get"), Refused(400)),
        (
            "method with a space",
            with(":method", "GET /admin HTTP/1.1"),
            Ended,
        ),
        (
            "method with a line end",
            with(":method", "GET / HTTP/1.1\r\nX: y"),
            Ended,
        ),
        ("method with NUL", with(":method", "GE\0T"), Ended),
        ("method with a colon", with(":method", "GET:"), Ended),
        ("TRACE", with(":method", "TRACE"), Refused(405)),
        ("CONNECT with a path", with(":method", "CONNECT"), Ended),
        (
            "CONNECT without a path",
            vec![
                (":method".to_owned(), b"CONNECT".to_vec()),
                (":authority".to_owned(), b"h2.example".to_vec()),
            ],
            Refused(405),
        ),
        ("PRI", with(":method", "PRI"), Refused(400)),
        // The path
        ("path with a space", with(":path", "/a b"), Ended),
        ("path with a version", with(":path", "/a HTTP/1.1"), Ended),
        ("path with a line end", with(":path", "/a\r\nX: y"), Ended),
        ("path with LF", with(":path", "/a\nb"), Ended),
        ("path with CR", with(":path", "/a\rb"), Ended),
        ("path with NUL", with(":path", "/a\0b"), Ended),
        ("path with TAB", with(":path", "/a\tb"), Ended),
        ("path with DEL", with(":path", "/a\x7fb"), Ended),
        ("path with a quotation mark", with(":path", "/a\"b"), Served),
        ("path with brackets", with(":path", "/a<b>"), Ended),
        ("path with a backslash", with(":path", "/a\\b"), Served),
        (
            "path with bytes beyond ASCII",
            with(":path", b"/a\xff"),
            Ended,
        ),
        ("path of an asterisk", with(":path", "*"), Refused(400)),
        ("path without a slash", with(":path", "admin"), Ended),
        (
            "path that is a URL",
            with(":path", "http://other.example/"),
            Ended,
        ),
        (
            "path with two slashes",
            with(":path", "//other.example/"),
            Served,
        ),
        // The authority
        (
            "authority with a line end",
            with(":authority", "h\r\nX: y"),
            Ended,
        ),
        ("authority with a space", with(":authority", "h x"), Ended),
        (
            "authority with credentials",
            with(":authority", "user@h2.example"),
            Refused(400),
        ),
        (
            "authority with a path",
            with(":authority", "h2.example/admin"),
            Ended,
        ),
        (
            "authority with a port that is none",
            with(":authority", "h2.example:http"),
            Ended,
        ),
        (
            "authority with bytes beyond ASCII",
            with(":authority", b"h\xff"),
            Ended,
        ),
        (
            "scheme with a line end",
            with(":scheme", "http\r\nX: y"),
            Ended,
        ),
        ("scheme that is a URL", with(":scheme", "http://x/?"), Ended),
        // Host
        (
            "host like the authority",
            added(&[("host", "h2.example")]),
            Served,
        ),
        (
            "host like it but for case",
            added(&[("host", "H2.EXAMPLE")]),
            Served,
        ),
        (
            "another host",
            added(&[("host", "other.example")]),
            Refused(400),
        ),
        (
            "two hosts",
            added(&[("host", "h2.example"), ("host", "other.example")]),
            Refused(400),
        ),
        (
            "host in place of the authority",
            {
                let mut fields = without(":authority");
                fields.push(("host".to_owned(), b"h2.example".to_vec()));
                fields
            },
            Served,
        ),
        (
            "host with credentials",
            {
                let mut fields = without(":authority");
                fields.push(("host".to_owned(), b"a@h2.example".to_vec()));
                fields
            },
            Refused(400),
        ),
        // Names (RFC 9113, 8.2.1)
        ("name in upper case", with("X-Up", "1"), Ended),
        ("name with a space", with("x a", "1"), Ended),
        ("name with a colon", with("x:a", "1"), Ended),
        ("name with a line end", with("x\r\ny", "1"), Ended),
        ("name with NUL", with("x\0y", "1"), Ended),
        ("empty name", with("", "1"), Ended),
        (
            "name with a trailing space",
            with("content-length ", "5"),
            Ended,
        ),
        ("name beyond ASCII", with("x\u{e9}", "1"), Ended),
        (
            "a look-alike of Content-Length",
            with("content_length", "5"),
            Refused(400),
        ),
        (
            "a look-alike of Transfer-Encoding",
            with("transfer_encoding", "chunked"),
            Refused(400),
        ),
        ("a look-alike of Host", with("ho.st", "x"), Refused(400)),
        // Values
        ("value with a line end", with("x-a", "1\r\nX: y"), Ended),
        ("value with LF", with("x-a", "1\n2"), Ended),
        ("value with CR", with("x-a", "1\r2"), Ended),
        ("value with NUL", with("x-a", "1\x002"), Ended),
        ("value with ESC", with("x-a", "1\x1b2"), Ended),
        ("value beyond ASCII", with("x-a", b"1\xff2"), Served),
        ("empty value", with("x-a", ""), Served),
        // Headers of a connection (RFC 9113, 8.2.2)
        ("connection", with("connection", "close"), Ended),
        (
            "connection that names another",
            added(&[("connection", "x-a"), ("x-a", "1")]),
            Ended,
        ),
        ("keep-alive", with("keep-alive", "timeout=5"), Ended),
        ("proxy-connection", with("proxy-connection", "close"), Ended),
        (
            "transfer-encoding",
            with("transfer-encoding", "chunked"),
            Ended,
        ),
        (
            "transfer-encoding: identity",
            with("transfer-encoding", "identity"),
            Ended,
        ),
        ("upgrade", with("upgrade", "websocket"), Ended),
        ("te: gzip", with("te", "gzip"), Ended),
        ("te: trailers", with("te", "trailers"), Served),
        (
            "http2-settings",
            with("http2-settings", "AAMAAABkAAQAAP__"),
            Served,
        ),
        // Content-Length of no body
        (
            "length of a body that does not come",
            with("content-length", "5"),
            Ended,
        ),
        ("length of nothing", with("content-length", "0"), Served),
        ("negative length", with("content-length", "-1"), Ended),
        ("length with a sign", with("content-length", "+0"), Ended),
        (
            "two lengths",
            added(&[("content-length", "0"), ("content-length", "0")]),
            Refused(400),
        ),
        ("list of lengths", with("content-length", "0, 0"), Ended),
        (
            "length with zeros before it",
            with("content-length", "00"),
            Refused(400),
        ),
        (
            "length beyond all measure",
            with("content-length", "99999999999999999999"),
            Ended,
        ),
        (
            "expectation of something else",
            with("expect", "200-ok"),
            Refused(417),
        ),
    ]
}

/// Whether what the upstream got is one honest request: nothing that a translation could have made of what was sent.
fn assert_harmless(name: &str, upstream: &Upstream) {
    for seen in upstream.seen() {
        assert!(seen.complete, "{name}: {seen:?}");
        assert!(
            seen.all("x").is_empty() && seen.all("transfer-encoding").is_empty(),
            "{name}: {seen:?}"
        );
        assert_eq!(
            seen.one("host").map(str::to_ascii_lowercase).as_deref(),
            Some("h2.example"),
            "{name}"
        );
        for gone in [
            "connection",
            "te",
            "upgrade",
            "keep-alive",
            "http2-settings",
        ] {
            assert_eq!(seen.one(gone), None, "{name}");
        }
        assert!(
            seen.headers.iter().all(|(name, _)| !name.starts_with(':')),
            "{name}: {seen:?}"
        );
    }
}

#[test]
fn what_could_not_be_written_in_http_1_is_not_translated_into_it() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: []\n");
    let heads = heads();
    assert!(heads.len() >= 85, "{}", heads.len());
    let mut wrong = Vec::new();
    for (name, fields, expected) in heads {
        let before = (upstream.count(), proxy.events().len());
        let mut client = Http2::connect(proxy.address);
        client.send(frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&fields)));
        let outcome = client.outcome(1);
        let (served, told) = (upstream.count() - before.0, proxy.events().len() - before.1);
        let is_expected = match expected {
            Served => (outcome, served, told) == (Outcome::Status(200), 1, 0),
            Refused(status) => (outcome, served, told) == (Outcome::Status(status), 0, 1),
            Ended => served == 0 && !matches!(outcome, Outcome::Status(200) | Outcome::Silence),
        };
        if !is_expected {
            wrong.push(format!("{name}: {outcome:?}, {served} served, {told} told"));
        }
        assert_harmless(name, &upstream);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A body with what announces it; whether the upstream gets a whole request.
type Case = (&'static str, Option<&'static str>, Vec<Vec<u8>>, bool);

#[test]
fn a_body_is_as_long_as_it_says() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: []\n");
    let trailers = |name: &str, value: &str| block(&[(name, value)]);
    let end = END_STREAM | END_HEADERS;
    let cases: Vec<Case> = vec![
        (
            "no length",
            None,
            vec![frame(DATA, END_STREAM, 1, b"hello")],
            true,
        ),
        (
            "the right length",
            Some("5"),
            vec![frame(DATA, END_STREAM, 1, b"hello")],
            true,
        ),
        (
            "in two pieces",
            Some("5"),
            vec![frame(DATA, 0, 1, b"he"), frame(DATA, END_STREAM, 1, b"llo")],
            true,
        ),
        (
            "padded",
            Some("5"),
            vec![frame(DATA, END_STREAM | PADDED, 1, b"\x03hello\0\0\0")],
            true,
        ),
        (
            "too short",
            Some("6"),
            vec![frame(DATA, END_STREAM, 1, b"hello")],
            false,
        ),
        (
            "too long",
            Some("4"),
            vec![frame(DATA, END_STREAM, 1, b"hello")],
            false,
        ),
        (
            "longer than nothing",
            Some("0"),
            vec![frame(DATA, END_STREAM, 1, b"GET /admin HTTP/1.1\r\n\r\n")],
            false,
        ),
        (
            "too long in a second piece",
            Some("5"),
            vec![
                frame(DATA, 0, 1, b"hello"),
                frame(DATA, END_STREAM, 1, b"x"),
            ],
            false,
        ),
        (
            "broken off",
            None,
            vec![
                frame(DATA, 0, 1, b"hel"),
                frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
            ],
            false,
        ),
        (
            "trailers",
            None,
            vec![
                frame(DATA, 0, 1, b"hello"),
                frame(HEADERS, end, 1, &trailers("x-sum", "1")),
            ],
            true,
        ),
        (
            "trailers with a pseudo-header",
            None,
            vec![
                frame(DATA, 0, 1, b"hello"),
                frame(HEADERS, end, 1, &trailers(":path", "/admin")),
            ],
            true,
        ),
        (
            "trailers with a line end",
            None,
            vec![
                frame(DATA, 0, 1, b"hello"),
                frame(HEADERS, end, 1, &trailers("x-a", "1\r\nX: y")),
            ],
            false,
        ),
        (
            "trailers in upper case",
            None,
            vec![
                frame(DATA, 0, 1, b"hello"),
                frame(HEADERS, end, 1, &trailers("X-A", "1")),
            ],
            false,
        ),
        (
            "trailers that do not end",
            None,
            vec![
                frame(DATA, 0, 1, b"hello"),
                frame(HEADERS, END_HEADERS, 1, &trailers("x-a", "1")),
            ],
            false,
        ),
    ];
    for (name, length, frames, is_whole) in cases {
        let before = upstream.seen().iter().filter(|seen| seen.complete).count();
        let mut client = Http2::connect(proxy.address);
        let mut fields = request("POST", "/body");
        fields
            .extend(length.map(|length| ("content-length".to_owned(), length.as_bytes().to_vec())));
        client.send(frame(HEADERS, END_HEADERS, 1, &block(&fields)));
        for frame in frames {
            client.send(frame);
        }
        let outcome = client.outcome(1);
        let whole = upstream.seen().iter().filter(|seen| seen.complete).count() - before;
        if is_whole {
            assert_eq!((outcome, whole), (Outcome::Status(200), 1), "{name}");
            assert_eq!(upstream.last().body, b"hello", "{name}");
            let trailers = upstream.last().trailers;
            assert!(
                trailers.iter().all(|(name, _)| name == "x-sum"),
                "{trailers:?}"
            );
        } else if whole > 0 {
            // What goes beyond the length may come when all that was announced has gone on; it goes nowhere.
            let announced = length.map_or(usize::MAX, |length| length.parse().unwrap());
            assert_eq!(upstream.last().body.len(), announced, "{name}");
        } else {
            assert!(
                !matches!(outcome, Outcome::Status(200)),
                "{name}: {outcome:?}"
            );
        }
    }
    // What belongs into the head has no business in trailers.
    let mut client = Http2::connect(proxy.address);
    client.send(frame(
        HEADERS,
        END_HEADERS,
        1,
        &block(&request("POST", "/body")),
    ));
    client.send(frame(DATA, 0, 1, b"hello"));
    let fields = [
        ("authorization", "x"),
        ("content-length", "9"),
        ("x-forwarded-for", "1.2.3.4"),
        ("x-sum", "1"),
    ];
    client.send(frame(HEADERS, end, 1, &block(&fields)));
    client.outcome(1);
    let trailers = upstream.last().trailers;
    assert!(
        trailers.iter().all(|(name, _)| name == "x-sum"),
        "{trailers:?}"
    );
}

/// Frames on a connection that has begun as it should, and whether it lives on.
fn frames() -> Vec<(&'static str, Vec<Vec<u8>>, bool)> {
    let get = |stream| {
        frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            stream,
            &block(&request("GET", "/x")),
        )
    };
    let open = |stream| frame(HEADERS, END_HEADERS, stream, &block(&request("POST", "/x")));
    let fields = block(&request("GET", "/x"));
    let setting = |id: u16, value: u32| {
        let mut payload = id.to_be_bytes().to_vec();
        payload.extend(value.to_be_bytes());
        frame(SETTINGS, 0, 0, &payload)
    };
    let update = |stream, by: u32| frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes());
    vec![
        ("nothing", vec![], true),
        ("PING", vec![frame(PING, 0, 0, &[0; 8])], true),
        ("SETTINGS", vec![setting(4, 1000)], true),
        ("unknown setting", vec![setting(99, 1)], true),
        ("unknown frame", vec![frame(0x77, 0xff, 0, b"x")], true),
        (
            "PRIORITY",
            vec![frame(PRIORITY, 0, 9, &[0, 0, 0, 0, 16])],
            true,
        ),
        ("WINDOW_UPDATE", vec![update(0, 1000)], true),
        ("DATA on stream 0", vec![frame(DATA, 0, 0, b"x")], false),
        (
            "HEADERS on stream 0",
            vec![frame(HEADERS, END_HEADERS, 0, &fields)],
            false,
        ),
        ("HEADERS on an even stream", vec![get(2)], false),
        ("a stream below the last", vec![get(5), get(3)], false),
        (
            "DATA on a stream that was not opened",
            vec![frame(DATA, 0, 7, b"x")],
            false,
        ),
        ("WINDOW_UPDATE on one", vec![update(7, 1)], false),
        (
            "RST_STREAM on one",
            vec![frame(RST_STREAM, 0, 7, &[0; 4])],
            false,
        ),
        (
            "RST_STREAM on stream 0",
            vec![frame(RST_STREAM, 0, 0, &[0; 4])],
            false,
        ),
        (
            "RST_STREAM of three bytes",
            vec![open(1), frame(RST_STREAM, 0, 1, &[0; 3])],
            false,
        ),
        (
            "PING of seven bytes",
            vec![frame(PING, 0, 0, &[0; 7])],
            false,
        ),
        ("PING on a stream", vec![frame(PING, 0, 1, &[0; 8])], false),
        (
            "SETTINGS of five bytes",
            vec![frame(SETTINGS, 0, 0, &[0; 5])],
            false,
        ),
        (
            "SETTINGS on a stream",
            vec![frame(SETTINGS, 0, 1, &[])],
            false,
        ),
        (
            "SETTINGS with ACK and a payload",
            vec![frame(SETTINGS, ACK, 0, &[0; 6])],
            false,
        ),
        (
            "a window beyond all measure",
            vec![setting(4, 1 << 31)],
            false,
        ),
        ("a frame size below the least", vec![setting(5, 100)], false),
        (
            "a frame size beyond the most",
            vec![setting(5, 1 << 24)],
            false,
        ),
        (
            "push that is neither on nor off",
            vec![setting(2, 2)],
            false,
        ),
        ("WINDOW_UPDATE by nothing", vec![update(0, 0)], false),
        (
            "WINDOW_UPDATE beyond all measure",
            vec![update(0, 0x7fff_ffff)],
            false,
        ),
        (
            "WINDOW_UPDATE of three bytes",
            vec![frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            false,
        ),
        (
            "PRIORITY of four bytes",
            vec![frame(PRIORITY, 0, 1, &[0; 4])],
            false,
        ),
        (
            "PUSH_PROMISE",
            vec![frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])],
            false,
        ),
        (
            "CONTINUATION after nothing",
            vec![frame(CONTINUATION, END_HEADERS, 1, &fields)],
            false,
        ),
        (
            "HEADERS cut by PING",
            vec![
                frame(HEADERS, END_STREAM, 1, &fields),
                frame(PING, 0, 0, &[0; 8]),
            ],
            false,
        ),
        (
            "HEADERS cut by another stream",
            vec![frame(HEADERS, END_STREAM, 1, &fields), get(3)],
            false,
        ),
        (
            "CONTINUATION of another stream",
            vec![
                frame(HEADERS, END_STREAM, 1, &fields),
                frame(CONTINUATION, END_HEADERS, 3, &[]),
            ],
            false,
        ),
        (
            "DATA with more padding than data",
            vec![open(1), frame(DATA, PADDED, 1, b"\x09x")],
            false,
        ),
        (
            "HEADERS with more padding than fields",
            vec![frame(HEADERS, END_HEADERS | PADDED, 1, b"\x09x")],
            false,
        ),
        (
            "a frame longer than allowed",
            vec![frame(DATA, 0, 1, &vec![0; 100_000])],
            false,
        ),
        (
            "an index of nothing",
            vec![frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                1,
                &[0xff, 0x80, 0x01],
            )],
            false,
        ),
        (
            "index 0",
            vec![frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0x80])],
            false,
        ),
        (
            "a table larger than allowed",
            vec![frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                1,
                &[0x3f, 0xff, 0xff, 0xff, 0x7f],
            )],
            false,
        ),
        (
            "a number without end",
            vec![frame(HEADERS, END_STREAM | END_HEADERS, 1, &[0xff; 40])],
            false,
        ),
        (
            "a text longer than the block",
            vec![frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                1,
                &[0, 0x7f, 0x7f, b'x'],
            )],
            false,
        ),
        (
            "Huffman code that is none",
            vec![frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                1,
                &[0, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00],
            )],
            false,
        ),
        (
            "GOAWAY of four bytes",
            vec![frame(GOAWAY, 0, 0, &[0; 4])],
            false,
        ),
    ]
}

#[test]
fn frames_that_are_none_end_the_connection_and_nothing_else() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: []\n");
    let frames = frames();
    assert!(frames.len() >= 44, "{}", frames.len());
    for (name, frames, lives) in frames {
        let mut client = Http2::connect(proxy.address);
        for bytes in frames {
            client.send(bytes);
        }
        client.get(101, "/after");
        let outcome = client.outcome(101);
        if lives {
            assert_eq!(outcome, Outcome::Status(200), "{name}");
        } else {
            assert_eq!(outcome, Outcome::Closed, "{name}");
        }
        let mut other = Http2::connect(proxy.address);
        other.get(1, "/other");
        assert_eq!(other.outcome(1), Outcome::Status(200), "{name}");
    }
    for preface in [
        &PREFACE[..20],
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        b"PRI / HTTP/2.0\r\n\r\n",
    ] {
        let mut client = Http2::raw(proxy.address);
        client.send(preface);
        client.send(b"\0\0\0\x04\0\0\0\0\0");
        client.get(1, "/x");
        let closed = loop {
            match client.frame_within(std::time::Duration::from_secs(2)) {
                Ok(_) => {}
                Err(outcome) => break outcome,
            }
        };
        assert_eq!(closed, Outcome::Closed, "{preface:?}");
    }
}
