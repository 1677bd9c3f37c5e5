//! What holds for streams of any bytes: the gate sees the same whatever the pieces, hyper sees the boundaries that the gate
//! sees, and what arrives at the upstream is what the chain saw.

use std::convert::Infallible;
use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use portcullis::config::{ConfigError, Load};
use portcullis::engine::{
    BodyNeed, Context, DetectionError, FromConfig, Phase, Registry, ThreatDetection, Verdict,
};
use portcullis::proxy::framing::{Fault, Gate, GateLimits, Step};
use portcullis::request::{BodyView, RequestView};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::recorder::Recorder;
use super::strict::Parsed;
use crate::support::{NoSettings, Proxy};

const LIMITS: GateLimits = GateLimits {
    head: 8192,
    headers: 30,
    uri: 8192,
};

// === Streams ===

/// What framing is made of, and what parsers stumble over.
const PIECES: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "\t",
    ":",
    ";",
    ",",
    "\r\n\r\n",
    "\n\n",
    "\r\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "5\r\n",
    "\x0b",
    "\x7f",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding:chunked\r\n",
    "transfer-encoding : chunked\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 3\r\n",
    "content-length:10\r\n",
    "Content-Length: 5, 5\r\n",
    "Host: b\r\n",
    "host: a\r\n",
    "Host:\r\n",
    "Expect: 100-continue\r\n",
    "Expect: x\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive\r\n",
    "Connection: x-any\r\n",
    "Upgrade: h2c\r\nConnection: upgrade\r\n",
    "GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "HTTP/1.0",
    "HTTP/1.1",
    "HTTP/2.0",
    "HEAD",
    "OPTIONS * ",
    "CONNECT",
    "http://b",
    "http://b/",
    "/",
    "?",
    "#",
    "%00",
    "é",
    "\u{a0}",
    "+",
    "-",
    "0x",
    "1",
    "a",
    "A",
    "F",
    ";a=b",
    ";a=\"b\"",
    "\"",
    "x-any: 1\r\n",
    " x-any: 1\r\n",
    "X-Sum: 1\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

fn body() -> impl Strategy<Value = (String, Vec<u8>)> {
    let data = || {
        vec(
            prop_oneof![3 => select(PIECES).prop_map(str::to_owned), 2 => "[a-z0-9\r\n]{0,9}"],
            0..4,
        )
        .prop_map(|pieces| pieces.concat().into_bytes())
    };
    let chunk = (
        data(),
        0..3_usize,
        select(&["", "", "", ";a", ";a=b;c", ";a=\"b;\\\"\""][..]),
        any::<bool>(),
    );
    let chunks = (
        vec(chunk, 0..4),
        select(&["", "", "", "X-Sum: 1\r\n", "a:\r\nb: c\r\n"][..]),
    );
    prop_oneof![
        2 => Just((String::new(), Vec::new())),
        2 => data().prop_map(|data| (format!("Content-Length: {}\r\n", data.len()), data)),
        3 => chunks.prop_map(|(chunks, trailers)| {
            let mut body = Vec::new();
            for (data, zeros, extension, is_upper) in chunks.into_iter().filter(|(data, ..)| !data.is_empty()) {
                let size = if is_upper { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
                body.extend_from_slice(format!("{}{size}{extension}\r\n", "0".repeat(zeros)).as_bytes());
                body.extend_from_slice(&data);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(format!("0\r\n{trailers}\r\n").as_bytes());
            ("Transfer-Encoding: chunked\r\n".to_owned(), body)
        }),
    ]
}

/// One request in order.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let lines = [
        "",
        "x-any: 1\r\n",
        "X-Two:  a b \r\nx-two:\r\n",
        "Connection: keep-alive\r\n",
        "Expect: 100-continue\r\n",
        "Trailer: X-Sum\r\n",
        "TE: trailers\r\nConnection: TE\r\n",
        "x-high: \u{e9}\r\n",
    ];
    let line = (
        select(&["GET", "POST", "PUT", "HEAD", "DELETE", "X-CUSTOM"][..]),
        select(&["/", "/a?b=c", "//x/../y;z", "http://b/c", "/%00|{}\"", "/é"][..]),
        select(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"][..]),
    );
    (
        line,
        vec(select(lines.to_vec()), 0..4),
        any::<bool>(),
        body(),
    )
        .prop_map(
            |((method, target, version), lines, is_empty_before, (framing, body))| {
                let framing = if version == "HTTP/1.0" && framing.starts_with('T') {
                    return format!("{method} {target} {version}\r\nHost: a\r\n\r\n").into_bytes();
                } else {
                    framing
                };
                let before = if is_empty_before { "\r\n" } else { "" };
                let lines = lines.concat();
                let mut bytes = format!(
                    "{before}{method} {target} {version}\r\nHost: a\r\n{lines}{framing}\r\n"
                )
                .into_bytes();
                bytes.extend_from_slice(&body);
                bytes
            },
        )
}

/// A change to a stream.
#[derive(Clone, Debug)]
enum Change {
    Insert(Index, Vec<u8>),
    Delete(Index, usize),
    Replace(Index, u8),
    Repeat(Index, usize),
    Case(Index),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop_oneof![6 => select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()), 1 => vec(any::<u8>(), 1..4)];
    prop_oneof![
        4 => (any::<Index>(), piece).prop_map(|(at, piece)| Change::Insert(at, piece)),
        2 => (any::<Index>(), 1..12_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        1 => (any::<Index>(), 1..40_usize).prop_map(|(at, length)| Change::Repeat(at, length)),
        1 => any::<Index>().prop_map(Change::Case),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    (vec(message(), 1..4), vec(change(), 0..4)).prop_map(|(messages, changes)| {
        let mut bytes = messages.concat();
        for change in changes {
            if bytes.is_empty() {
                break;
            }
            let length = bytes.len();
            let end = |at: usize, count: usize| (at + count).min(length);
            match change {
                Change::Insert(at, piece) => {
                    // Where a line begins is where most may go wrong.
                    let at = at.index(length);
                    let line = bytes[..at]
                        .iter()
                        .rposition(|&byte| byte == b'\n')
                        .map_or(0, |at| at + 1);
                    let at = if piece.ends_with(b"\r\n") { line } else { at };
                    bytes.splice(at..at, piece);
                }
                Change::Delete(at, count) => {
                    let at = at.index(length);
                    bytes.drain(at..end(at, count));
                }
                Change::Replace(at, byte) => bytes[at.index(length)] = byte,
                Change::Repeat(at, count) => {
                    let at = at.index(length);
                    let piece = bytes[at..end(at, count)].to_vec();
                    bytes.splice(at..at, piece);
                }
                Change::Case(at) => {
                    let at = at.index(length);
                    bytes[at] ^= 0x20;
                }
            }
        }
        bytes
    })
}

/// How a stream is cut: lengths of its pieces, again and again.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![usize::MAX]),
        Just(vec![1]),
        vec(1..40_usize, 1..6),
        vec(prop_oneof![1..3_usize, 50..200_usize], 1..4),
    ]
}

fn cut<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    for length in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*length).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

// === The gate ===

/// What the gate makes of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Gated {
    /// The whole messages, without what was skipped before them.
    messages: Vec<Range<usize>>,
    fault: Option<Fault>,
}

fn gated(bytes: &[u8], cuts: &[usize]) -> Gated {
    let mut gate = Gate::new(LIMITS);
    let mut gated = Gated::default();
    let (mut at, mut begin, mut shown) = (0, 0, 0);
    for piece in cut(bytes, cuts) {
        shown += piece.len();
        loop {
            match gate.scan(&bytes[at..shown]) {
                Ok(Step::Wait) => break,
                Ok(Step::Skip(length)) => {
                    assert!(length > 0 && begin == at);
                    at += length;
                    begin = at;
                }
                Ok(Step::Pass(length)) => {
                    assert!(length > 0 && at + length <= shown);
                    at += length;
                    if gate.is_between() {
                        gated.messages.push(begin..at);
                        begin = at;
                    }
                }
                Err(stop) => {
                    assert!(stop.part.end <= shown - at);
                    gated.fault = Some(stop.fault);
                    return gated;
                }
            }
        }
    }
    gated
}

// === hyper ===

/// What hyper makes of one message and the end of the stream: the requests, each with whether its body came whole.
fn hyper_sees(
    runtime: &tokio::runtime::Runtime,
    message: &[u8],
) -> Result<Vec<(String, Option<usize>)>, String> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    let ended = runtime.block_on(async move {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let service = service_fn(move |request: Request<Incoming>| {
            let list = Arc::clone(&list);
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                #[expect(clippy::disallowed_methods, reason = "it is limited")]
                let body = Limited::new(request.into_body(), 1 << 20).collect().await;
                let length = body.ok().map(|body| body.to_bytes().len());
                list.lock().unwrap().push((line, length));
                Ok::<_, Infallible>(Response::new(String::new()))
            }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .half_close(true)
            .header_read_timeout(None)
            .max_headers(LIMITS.headers)
            .max_header_size(LIMITS.head);
        let serving = builder.serve_connection(TokioIo::new(server), service);
        let sending = async {
            client
                .write_all(message)
                .await
                .map_err(|error| error.to_string())?;
            client.shutdown().await.map_err(|error| error.to_string())?;
            let mut answers = Vec::new();
            client
                .read_to_end(&mut answers)
                .await
                .map_err(|error| error.to_string())
        };
        let (served, sent) = tokio::join!(serving, sending);
        sent?;
        served.map_err(|error| error.to_string())
    });
    ended?;
    Ok(Arc::into_inner(seen)
        .expect("the only one left")
        .into_inner()
        .unwrap())
}

// === The chain ===

/// A request as the chain saw it.
#[derive(Clone, Debug)]
struct Witnessed {
    method: String,
    target: Vec<u8>,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
}

static WITNESSED: Mutex<Vec<Witnessed>> = Mutex::new(Vec::new());

/// Writes down what it sees.
#[derive(Debug)]
struct Witness;

fn witnessed() -> std::sync::MutexGuard<'static, Vec<Witnessed>> {
    WITNESSED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ThreatDetection for Witness {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders, Phase::RequestBody]
    }

    fn body_need(&self, _: &RequestView<'_>, _: &Context<'_>) -> BodyNeed {
        BodyNeed::Whole
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        witnessed().push(Witnessed {
            method: request.method().to_string(),
            target: request.target().as_bytes().to_vec(),
            headers: request.headers().clone(),
            body: None,
        });
        Ok(Verdict::Pass)
    }

    fn on_body(
        &self,
        _: &RequestView<'_>,
        body: &BodyView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        if let Some(last) = witnessed().last_mut() {
            last.body = Some(body.bytes().to_vec());
        }
        Ok(Verdict::Pass)
    }
}

impl FromConfig for Witness {
    const NAME: &'static str = "witness";
    type Config = NoSettings;

    fn from_config(_: NoSettings, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        Ok(Self)
    }
}

impl Witnessed {
    /// Whether a body was announced: without one it goes on as soon as its head is judged.
    fn has_body(&self) -> bool {
        self.headers.contains_key(TRANSFER_ENCODING)
            || self
                .headers
                .get(CONTENT_LENGTH)
                .is_some_and(|length| length != "0")
    }

    fn assert_is(&self, seen: &Parsed) {
        assert_eq!(self.method, seen.method);
        assert_eq!(
            self.target.escape_ascii().to_string(),
            seen.target.escape_ascii().to_string()
        );
        assert_eq!(
            self.body.as_deref().unwrap_or_default(),
            seen.body,
            "{seen:?}"
        );
        if let Some(host) = self.headers.get(HOST) {
            assert_eq!(seen.all("host"), [host.as_bytes()]);
        }
        for (name, value) in &seen.fields {
            let is_ours = name.starts_with("x-forwarded-") || name == "x-request-id";
            if name.starts_with("x-") && !is_ours {
                let sent = self
                    .headers
                    .get_all(name.as_str())
                    .iter()
                    .any(|sent| sent.as_bytes() == value);
                assert!(sent, "{name} was not seen by the chain");
            }
        }
    }
}

// === Properties ===

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hyper_sees_the_boundaries_that_the_gate_sees(stream in stream(), cuts in cuts()) {
        thread_local! {
            static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        }
        let whole = gated(&stream, &[usize::MAX]);
        let pieces = gated(&stream, &cuts);
        prop_assert_eq!(&whole.messages, &pieces.messages);
        prop_assert_eq!(whole.fault.is_some(), pieces.fault.is_some(), "{:?} {:?}", whole.fault, pieces.fault);
        for message in &whole.messages {
            let message = &stream[message.clone()];
            let seen = RUNTIME.with(|runtime| hyper_sees(runtime, message));
            let is_one = matches!(seen.as_deref(), Ok([(_, Some(_))]));
            prop_assert!(is_one, "hyper sees {:?} in {}", seen, message.escape_ascii());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_arrives_is_what_the_chain_saw(stream in stream(), cuts in cuts()) {
        static PROXY: std::sync::LazyLock<(Recorder, Proxy)> = std::sync::LazyLock::new(|| {
            let recorder = Recorder::start();
            let yaml = "limits: { head: 8KiB, headers: 30, header_time: 100ms, idle_time: 100ms, body_time: 100ms }\ndetections: [witness]\n";
            let proxy = Proxy::start_with(recorder.address, yaml, Registry::default().with::<Witness>());
            (recorder, proxy)
        });
        let (recorder, proxy) = &*PROXY;
        let before = recorder.settled().len();
        witnessed().clear();
        let mut client = proxy.connect();
        for piece in cut(&stream, &cuts) {
            if !client.try_send(piece) {
                break;
            }
        }
        // The proxy closes when it refuses, and when nothing more comes.
        let mut answers = Vec::new();
        let _ = client.reader().read_to_end(&mut answers);
        let arrived = recorder.settled().split_off(before);
        let seen: Vec<_> = witnessed().drain(..).filter(|seen| !seen.has_body() || seen.body.is_some()).collect();
        assert_eq!(seen.len(), arrived.len(), "the chain saw {seen:#?}, the upstream {arrived:#?}");
        for (seen, arrived) in seen.iter().zip(&arrived) {
            seen.assert_is(arrived);
        }
        // The gate alone says the same of how many there are, but for those that time cut off.
        let gated = gated(&stream, &[usize::MAX]);
        assert!(arrived.len() <= gated.messages.len(), "{gated:?} {arrived:#?}");
    }
}
