//! What an upstream may answer: one strictly well-formed answer passes, anything that could be read in two ways is a 502
//! with an event, and what nobody asked for reaches nobody. Every vector is judged at the client, byte for byte, and the
//! next request after it is undisturbed.

use std::time::Duration;

use portcullis::event::EventKind;

use crate::support::{Answer, Proxy, Upstream, json, wait_until};

const NO_CHAIN: &str = "detections: []\n";

/// What has to become of an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    /// It passes, with this status and body, and its connection is used again.
    Kept(u16, &'static str),
    /// It passes, and its connection is not used again.
    Once(u16, &'static str),
    /// It passes, what came after it does not, and an event tells of that.
    Surplus(u16, &'static str),
    /// 502.
    Refused,
    /// Its head passes, its body does not come to its end. Where the client had got nothing yet: 502.
    Cut(u16),
}

use Outcome::{Cut, Kept, Once, Refused, Surplus};

struct Vector {
    name: &'static str,
    method: &'static str,
    bytes: Vec<u8>,
    /// Whether the upstream closes the connection afterwards.
    closes: bool,
    outcome: Outcome,
}

fn vector(name: &'static str, bytes: impl AsRef<[u8]>, outcome: Outcome) -> Vector {
    Vector {
        name,
        method: "GET",
        bytes: bytes.as_ref().to_vec(),
        closes: false,
        outcome,
    }
}

impl Vector {
    fn to(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    fn then_close(mut self) -> Self {
        self.closes = true;
        self
    }
}

/// `HTTP/1.1 200 OK` with these lines, and a body.
fn ok(lines: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}")
}

fn starts() -> Vec<Vector> {
    let with = |start: &str| format!("{start}\r\nContent-Length: 2\r\n\r\nok");
    vec![
        vector("plain", with("HTTP/1.1 200 OK"), Kept(200, "ok")),
        vector("no reason", with("HTTP/1.1 200 "), Kept(200, "ok")),
        vector(
            "no space before no reason",
            with("HTTP/1.1 200"),
            Kept(200, "ok"),
        ),
        vector(
            "a long reason",
            with("HTTP/1.1 299 All is\twell \u{fc}"),
            Kept(299, "ok"),
        ),
        vector("HTTP/1.0", with("HTTP/1.0 200 OK"), Once(200, "ok")),
        vector("an error", with("HTTP/1.1 599 Odd"), Kept(599, "ok")),
        vector("HTTP/0.9", "ok\r\n\r\n", Refused),
        vector("HTTP/2", with("HTTP/2.0 200 OK"), Refused),
        vector("HTTP/2 without a point", with("HTTP/2 200"), Refused),
        vector("HTTP/1.2", with("HTTP/1.2 200 OK"), Refused),
        vector("HTTP/1.10", with("HTTP/1.10 200 OK"), Refused),
        vector("HTTP/01.1", with("HTTP/01.1 200 OK"), Refused),
        vector("lower case", with("http/1.1 200 OK"), Refused),
        vector("ICY", with("ICY 200 OK"), Refused),
        vector("two spaces", with("HTTP/1.1  200 OK"), Refused),
        vector("a tab", with("HTTP/1.1\t200 OK"), Refused),
        vector("a space before it", with(" HTTP/1.1 200 OK"), Refused),
        vector(
            "an empty line before it",
            with("\r\nHTTP/1.1 200 OK"),
            Refused,
        ),
        vector("a short status", with("HTTP/1.1 20 OK"), Refused),
        vector("a long status", with("HTTP/1.1 2000 OK"), Refused),
        vector("a status in words", with("HTTP/1.1 two OK"), Refused),
        vector("a signed status", with("HTTP/1.1 +20 OK"), Refused),
        vector("status 099", with("HTTP/1.1 099 OK"), Refused),
        vector("status 000", with("HTTP/1.1 000 OK"), Refused),
        vector("status 600", with("HTTP/1.1 600 OK"), Refused),
        vector("NUL in the reason", with("HTTP/1.1 200 O\0K"), Refused),
        vector("CR in the reason", with("HTTP/1.1 200 O\rK"), Refused),
        vector("ESC in the reason", with("HTTP/1.1 200 \x1b[31m"), Refused),
        vector(
            "a bare line feed",
            "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
            Refused,
        ),
        vector("a request", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", Refused),
        vector("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x0a", Refused).then_close(),
        vector("an SSH banner", "SSH-2.0-OpenSSH_9.2\r\n", Refused),
    ]
}

fn fields() -> Vec<Vector> {
    let with = |line: &str| ok(&format!("Content-Length: 2\r\n{line}\r\n"), "ok");
    let many = |n: usize| (0..n).map(|n| format!("X-{n}: v\r\n")).collect::<String>();
    let lines = |lines: String| ok(&format!("Content-Length: 2\r\n{lines}"), "ok");
    vec![
        vector("an empty value", with("X-A:"), Kept(200, "ok")),
        vector(
            "white space around a value",
            with("X-A: \t v \t"),
            Kept(200, "ok"),
        ),
        vector("bytes beyond ASCII", with("X-A: \u{e9}"), Kept(200, "ok")),
        vector(
            "every token byte",
            with("!#$%&'*+-.^_`|~9: v"),
            Kept(200, "ok"),
        ),
        vector("a space before the colon", with("X-A : v"), Refused),
        vector("a tab before the colon", with("X-A\t: v"), Refused),
        vector("a space within a name", with("X A: v"), Refused),
        vector("no name", with(": v"), Refused),
        vector("no colon", with("X-A"), Refused),
        vector("a name beyond ASCII", with("X-\u{e9}: v"), Refused),
        vector("a folded line", with("X-A: v\r\n w"), Refused),
        vector("a folded line with a tab", with("X-A: v\r\n\tw"), Refused),
        vector(
            "a folded first line",
            ok(" X-A: v\r\nContent-Length: 2\r\n", "ok"),
            Refused,
        ),
        vector("NUL in a value", with("X-A: a\0b"), Refused),
        vector("CR in a value", with("X-A: a\rb"), Refused),
        vector("a bare line feed", with("X-A: a\nX-B: b"), Refused),
        vector("two CR", with("X-A: a\r"), Refused),
        vector("DEL in a value", with("X-A: a\x7fb"), Refused),
        vector("ESC in a value", with("X-A: \x1b[2J"), Refused),
        vector("vertical tab", with("X-A: a\x0bb"), Refused),
        vector("NUL in a name", with("X\0A: v"), Refused),
        vector("256 lines", lines(many(255)), Kept(200, "ok")),
        vector("257 lines", lines(many(256)), Refused),
        vector(
            "a long head",
            lines(format!("X-A: {}\r\n", "v".repeat(60_000))),
            Kept(200, "ok"),
        ),
        vector(
            "too long a head",
            lines(format!("X-A: {}\r\n", "v".repeat(70_000))),
            Refused,
        ),
        vector(
            "a head without end",
            format!("HTTP/1.1 200 OK\r\nX-A: {}", "v".repeat(70_000)),
            Refused,
        ),
        vector("a start line without end", "H".repeat(70_000), Refused),
    ]
}

fn framings() -> Vec<Vector> {
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n";
    const BODY: &str = "2\r\nok\r\n0\r\n\r\n";
    let length = |value: &str| ok(&format!("Content-Length: {value}\r\n"), "ok");
    let coding = |value: &str| ok(&format!("Transfer-Encoding: {value}\r\n"), BODY);
    vec![
        vector("chunked", ok(CHUNKED, BODY), Kept(200, "ok")),
        vector(
            "chunked in capitals",
            ok("TRANSFER-ENCODING: CHUNKED\r\n", BODY),
            Kept(200, "ok"),
        ),
        vector("no body", length("0").replace("ok", ""), Kept(200, "")),
        vector("until the end", ok("", "ok"), Once(200, "ok")).then_close(),
        vector(
            "until the end, in HTTP/1.0",
            "HTTP/1.0 200 OK\r\n\r\nok",
            Once(200, "ok"),
        )
        .then_close(),
        vector(
            "closing",
            ok("Content-Length: 2\r\nConnection: close\r\n", "ok"),
            Once(200, "ok"),
        ),
        vector(
            "both",
            ok(&format!("{CHUNKED}Content-Length: 2\r\n"), BODY),
            Refused,
        ),
        vector(
            "both, the other way",
            ok(&format!("Content-Length: 12\r\n{CHUNKED}"), BODY),
            Refused,
        ),
        vector(
            "both, no length",
            ok(&format!("Content-Length: 0\r\n{CHUNKED}"), BODY),
            Refused,
        ),
        vector(
            "two lengths",
            ok("Content-Length: 2\r\nContent-Length: 3\r\n", "ok"),
            Refused,
        ),
        vector(
            "the same length twice",
            ok("Content-Length: 2\r\nContent-Length: 2\r\n", "ok"),
            Refused,
        ),
        vector("a list of lengths", length("2, 2"), Refused),
        vector("an empty length", length(""), Refused),
        vector("a signed length", length("+2"), Refused),
        vector("a negative length", length("-2"), Refused),
        vector("a hexadecimal length", length("0x2"), Refused),
        vector("a length with a leading zero", length("02"), Refused),
        vector("a length in words", length("two"), Refused),
        vector("a length with a comma", length("2,"), Refused),
        vector("a length with a space", length("2 0"), Refused),
        vector(
            "a length beyond 64 bits",
            length("18446744073709551618"),
            Refused,
        ),
        vector("a length in quotes", length("\"2\""), Refused),
        vector(
            "two codings",
            ok(&format!("{CHUNKED}{CHUNKED}"), BODY),
            Refused,
        ),
        vector("a list of codings", coding("chunked, chunked"), Refused),
        vector("gzip, chunked", coding("gzip, chunked"), Refused),
        vector("chunked, identity", coding("chunked, identity"), Refused),
        vector("identity", coding("identity"), Refused),
        vector("xchunked", coding("xchunked"), Refused),
        vector("chunked in quotes", coding("\"chunked\""), Refused),
        vector("chunked with a parameter", coding("chunked;q=1"), Refused),
        vector("an empty coding", coding(""), Refused),
        vector("vertical tab", coding("\x0bchunked"), Refused),
        vector(
            "chunked in HTTP/1.0",
            ok(CHUNKED, BODY).replace("HTTP/1.1", "HTTP/1.0"),
            Refused,
        ),
        vector("204", "HTTP/1.1 204 No Content\r\n\r\n", Kept(204, "")),
        vector(
            "204 without length",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            Kept(204, ""),
        ),
        vector(
            "204 with length",
            "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
            Refused,
        ),
        vector(
            "204 in chunks",
            "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused,
        ),
        vector(
            "204 with a body",
            "HTTP/1.1 204 No Content\r\n\r\nok",
            Surplus(204, ""),
        ),
        vector(
            "304",
            "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
            Kept(304, ""),
        ),
        vector(
            "304 with a length",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
            Kept(304, ""),
        ),
        vector(
            "304 with a body",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\nok",
            Surplus(304, ""),
        ),
        vector("to HEAD", length("2").replace("ok", ""), Kept(200, "")).to("HEAD"),
        vector("to HEAD, chunked", ok(CHUNKED, ""), Kept(200, "")).to("HEAD"),
        vector("to HEAD, nothing", ok("", ""), Kept(200, "")).to("HEAD"),
        vector("to HEAD, with a body", length("2"), Surplus(200, "")).to("HEAD"),
        vector(
            "to HEAD, both",
            ok(&format!("{CHUNKED}Content-Length: 2\r\n"), ""),
            Refused,
        )
        .to("HEAD"),
        vector(
            "more than its length",
            length("2").replace("ok", "okay"),
            Surplus(200, "ok"),
        ),
        vector("a second answer", length("2").repeat(2), Surplus(200, "ok")),
        vector(
            "a second answer after chunks",
            ok(CHUNKED, BODY) + &length("2"),
            Surplus(200, "ok"),
        ),
        vector(
            "a line end after its length",
            length("2") + "\r\n",
            Surplus(200, "ok"),
        ),
        vector(
            "a second answer after 204",
            format!("HTTP/1.1 204 No Content\r\n\r\n{}", length("2")),
            Surplus(204, ""),
        ),
    ]
}

fn interim() -> Vec<Vector> {
    let last = ok("Content-Length: 2\r\n", "ok");
    let before = |head: &str| format!("{head}\r\n\r\n{last}");
    vec![
        vector("100", before("HTTP/1.1 100 Continue"), Kept(200, "ok")),
        vector("102", before("HTTP/1.1 102 Processing"), Kept(200, "ok")),
        vector(
            "103",
            before("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload"),
            Kept(200, "ok"),
        ),
        vector("199", before("HTTP/1.1 199 Odd"), Kept(200, "ok")),
        vector(
            "16 of them",
            "HTTP/1.1 102 Processing\r\n\r\n".repeat(16) + &last,
            Kept(200, "ok"),
        ),
        vector(
            "17 of them",
            "HTTP/1.1 102 Processing\r\n\r\n".repeat(17) + &last,
            Refused,
        ),
        vector(
            "one malformed",
            before("HTTP/1.1 103 Early Hints\r\nLink : x"),
            Refused,
        ),
        vector(
            "one with a length",
            before("HTTP/1.1 103 Early Hints\r\nContent-Length: 2"),
            Refused,
        ),
        vector(
            "one in chunks",
            before("HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked"),
            Refused,
        ),
        vector("nothing after it", "HTTP/1.1 100 Continue\r\n\r\n", Refused).then_close(),
        vector(
            "101",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
            Refused,
        ),
        vector(
            "101 and an answer",
            before("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade"),
            Refused,
        ),
        vector(
            "101 after 100",
            format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r\n{last}"),
            Refused,
        ),
    ]
}

fn bodies() -> Vec<Vector> {
    let chunks = |body: &str| ok("Transfer-Encoding: chunked\r\n", body);
    let good = "0\r\n\r\n";
    vec![
        vector(
            "capital digits",
            chunks(&format!("A\r\n0123456789\r\n{good}")),
            Kept(200, "0123456789"),
        ),
        vector(
            "several chunks",
            chunks(&format!("1\r\no\r\n1\r\nk\r\n{good}")),
            Kept(200, "ok"),
        ),
        vector(
            "trailers",
            chunks("2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"),
            Kept(200, "ok"),
        ),
        vector("an empty body", chunks(good), Kept(200, "")),
        vector("bare line feeds", chunks("2\nok\n0\n\n"), Cut(200)),
        vector(
            "a bare line feed after the size",
            chunks("2\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a bare line feed after the data",
            chunks("2\r\nok\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a bare line feed at the end",
            chunks("2\r\nok\r\n0\r\n\n"),
            Cut(200),
        ),
        vector("a signed size", chunks("+2\r\nok\r\n0\r\n\r\n"), Cut(200)),
        vector("a size with 0x", chunks("0x2\r\nok\r\n0\r\n\r\n"), Cut(200)),
        vector("no size", chunks("\r\nok\r\n0\r\n\r\n"), Cut(200)),
        vector(
            "a size in words",
            chunks("two\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a space before the size",
            chunks(" 2\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a size beyond 64 bits",
            chunks("10000000000000002\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a size that overflows",
            chunks("fffffffffffffffff\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a chunk longer than its size",
            chunks("1\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a chunk shorter than its size",
            chunks("3\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "NUL in the size",
            chunks("2\0\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "CR in an extension",
            chunks("2;a\rb\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a line feed in an extension",
            chunks("2;a\nb\r\nok\r\n0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a folded trailer",
            chunks("2\r\nok\r\n0\r\nX-A: a\r\n b\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a trailer with NUL",
            chunks("2\r\nok\r\n0\r\nX-A: a\0\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "a trailer without a colon",
            chunks("2\r\nok\r\n0\r\nX-A\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "an answer for a trailer",
            chunks("2\r\nok\r\n0\r\nHTTP/1.1 200 OK\r\n\r\n"),
            Cut(200),
        ),
        vector(
            "long trailers",
            chunks(&format!(
                "2\r\nok\r\n0\r\nX-A: {}\r\n\r\n",
                "a".repeat(20_000)
            )),
            Cut(200),
        ),
        vector("no last chunk", chunks("2\r\nok\r\n"), Cut(200)).then_close(),
        vector("no end of trailers", chunks("2\r\nok\r\n0\r\n"), Cut(200)).then_close(),
        vector("the end within a chunk", chunks("5\r\nok"), Cut(200)).then_close(),
        vector("the end within a size", chunks("2\r\nok\r\n0"), Cut(200)).then_close(),
        vector(
            "the end within a length",
            ok("Content-Length: 3\r\n", "ok"),
            Cut(200),
        )
        .then_close(),
        vector(
            "the end before a body",
            ok("Content-Length: 3\r\n", ""),
            Cut(200),
        )
        .then_close(),
        vector(
            "the end within a head",
            "HTTP/1.1 200 OK\r\nContent-Le",
            Refused,
        )
        .then_close(),
        vector(
            "the end before the empty line",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
            Refused,
        )
        .then_close(),
        vector("the end before anything", "", Refused).then_close(),
    ]
}

fn all() -> Vec<Vector> {
    [starts(), fields(), framings(), interim(), bodies()]
        .into_iter()
        .flatten()
        .collect()
}

/// An upstream that answers `/N` with the bytes of vector N, whole or in pieces, and everything else well.
fn upstream(vectors: &[Vector], piece: Option<usize>) -> Upstream {
    let answers: Vec<_> = vectors
        .iter()
        .map(|vector| (vector.bytes.clone(), vector.closes))
        .collect();
    Upstream::start(move |request| {
        let number = request.target[1..].parse::<usize>().ok();
        match number.and_then(|number| answers.get(number)) {
            None => json("200 OK", "\"next\""),
            Some((bytes, true)) => Answer::Close(bytes.clone()),
            Some((bytes, false)) => match piece {
                None => Answer::Bytes(bytes.clone()),
                Some(piece) => Answer::Pieces(
                    bytes.chunks(piece).map(<[u8]>::to_vec).collect(),
                    Duration::from_millis(1),
                ),
            },
        }
    })
}

/// Asks for vector `number` and for something else on the same connection, and judges both.
fn judge(proxy: &Proxy, upstream: &Upstream, number: usize, vector: &Vector) {
    let Vector {
        name,
        method,
        outcome,
        ..
    } = vector;
    let what = format!(
        "{number}, {name}: {:?}",
        String::from_utf8_lossy(&vector.bytes[..vector.bytes.len().min(200)])
    );
    let mut client = proxy.connect();
    let events = proxy.events().len();
    client.request(method, &format!("/{number}"), &[], b"");
    let response = client.response_to(method);
    let used = upstream.last();
    assert_eq!(
        used.target,
        format!("/{number}"),
        "{what}: it was asked once"
    );
    match *outcome {
        Kept(status, body) | Once(status, body) | Surplus(status, body) => {
            assert_eq!(
                (response.status, response.text().as_str()),
                (status, body),
                "{what}"
            );
            assert!(response.complete, "{what}");
        }
        Refused => {
            assert_eq!(response.status, 502, "{what}");
            let event = proxy.event(response.header("x-request-id").unwrap());
            assert_eq!(event.kind, EventKind::Upstream, "{what}");
            let text = response.text();
            assert!(
                !text.contains("127.0.0.1") && text.len() < 100,
                "{what}: {text}"
            );
        }
        Cut(status) => {
            let status = if response.status == 502 {
                assert_eq!(response.json()["error"], "Bad Gateway");
                502
            } else {
                assert!(!response.complete, "{what}: a cut body was presented whole");
                status
            };
            assert_eq!(response.status, status, "{what}");
            let id = used.one("x-request-id").unwrap();
            wait_until("the event of a cut answer", || {
                proxy
                    .events()
                    .iter()
                    .any(|event| event.id.to_string() == id)
            });
            let event = proxy.event(id);
            assert_eq!(
                (event.kind, event.status),
                (EventKind::Upstream, Some(status)),
                "{what}"
            );
        }
    }
    if matches!(outcome, Surplus(..)) {
        wait_until("the event of a surplus", || {
            let events = proxy.events().split_off(events);
            events
                .iter()
                .any(|event| event.rule.as_deref() == Some("unsolicited"))
        });
    }
    // After a cut answer the client's connection is closed, and there is another core for the next one.
    let same_core = !matches!(outcome, Cut(_));
    let mut client = if same_core { client } else { proxy.connect() };
    client.request("GET", "/next", &[], b"");
    let next = client.response();
    assert_eq!(
        (next.status, next.text().as_str()),
        (200, "\"next\""),
        "after {what}"
    );
    let again = upstream.last().connection == used.connection;
    assert_eq!(
        again,
        matches!(outcome, Kept(..)),
        "after {what}: which connection was used"
    );
    let told = proxy.events().len() - events;
    assert_eq!(
        told,
        usize::from(!matches!(outcome, Kept(..) | Once(..))),
        "{what}: events"
    );
}

#[test]
fn an_answer_passes_if_it_can_be_read_in_one_way_only() {
    let vectors = all();
    assert!(vectors.len() >= 150, "{}", vectors.len());
    let upstream = upstream(&vectors, None);
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    for (number, vector) in vectors.iter().enumerate() {
        judge(&proxy, &upstream, number, vector);
    }
}

#[test]
fn it_does_not_matter_in_which_pieces_an_answer_comes() {
    for piece in [1, 7] {
        let mut vectors = all();
        vectors.retain(|vector| vector.bytes.len() < 500 && !vector.closes);
        let upstream = upstream(&vectors, Some(piece));
        let proxy = Proxy::start(&upstream, NO_CHAIN);
        for (number, vector) in vectors.iter().enumerate() {
            judge(&proxy, &upstream, number, vector);
        }
    }
}
