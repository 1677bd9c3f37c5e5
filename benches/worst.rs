//! What the costliest requests within the limits cost: a head of 32 KiB or a body of 1 MiB, in the shapes that make most
//! work, judged by the default chain.
//!
//! ```text
//! cargo bench --bench worst                 time of each shape, at a tenth, a half and the whole of its limit
//! cargo bench --bench worst -- SHAPE        of one shape
//! ```
//!
//! The goal is 100 ms for any of them, and time that grows with the length.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a bench measures time, reads its arguments and prints"
)]

use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis::app::{self, Source};
use portcullis::clients::Clients;
use portcullis::config::environment::Process;
use portcullis::config::load::Shared;
use portcullis::engine::decide::decide;
use portcullis::engine::{Policy, Registry};
use portcullis::request::coding::{Budget, Codings, decode};
use portcullis::request::{BodyView, ClientIdentity, RequestView};

/// `limits.head` and `limits.body` at their defaults.
const HEAD: usize = 32 << 10;
const BODY: usize = 1 << 20;

/// How much may become of an encoded body.
const BUDGET: Budget = Budget {
    output: BODY,
    ratio: 100,
    is_prefix: false,
};

fn main() {
    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let policy = policy();
    println!(
        "{:<28} {:>10} {:>10} {:>10}  outcome",
        "shape", "tenth/ms", "half/ms", "whole/ms"
    );
    for (name, shape) in shapes() {
        if !only.is_empty() && !only.iter().any(|wanted| name.starts_with(wanted.as_str())) {
            continue;
        }
        let limit = if name.starts_with("head") { HEAD } else { BODY };
        let (tenth, _) = cost(&policy, &shape(limit / 10));
        let (half, _) = cost(&policy, &shape(limit / 2));
        let (whole, outcome) = cost(&policy, &shape(limit));
        println!("{name:<28} {tenth:>10.2} {half:>10.2} {whole:>10.2}  {outcome}");
    }
}

/// A request of a shape.
struct Shape {
    target: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

type Make = Box<dyn Fn(usize) -> Shape>;

fn shapes() -> Vec<(String, Make)> {
    let mut shapes: Vec<(String, Make)> = Vec::new();
    let mut add = |name: &str, make: Make| shapes.push((name.to_owned(), make));
    for (name, content) in texts() {
        for (kind, content_type, before, after) in [
            ("text", "text/plain", "", ""),
            ("json", "application/json", "{\"a\":\"", "\"}"),
            ("form", "application/x-www-form-urlencoded", "a=", ""),
        ] {
            let content = content.clone();
            add(
                &format!("{kind}: {name}"),
                Box::new(move |length| {
                    let room = length - before.len() - after.len();
                    let mut body = before.as_bytes().to_vec();
                    body.extend(fill(&content, room));
                    body.extend_from_slice(after.as_bytes());
                    Shape::of_body(content_type, body)
                }),
            );
        }
        let content = content.clone();
        add(
            &format!("head: {name}"),
            Box::new(move |length| Shape::of_header(fill(&content, length))),
        );
    }
    add(
        "json: deep",
        Box::new(|length| Shape::of_body("application/json", fill(b"[", length))),
    );
    add(
        "json: keys",
        Box::new(|length| {
            let mut body = b"{".to_vec();
            for key in 0.. {
                if body.len() + 12 > length {
                    break;
                }
                body.extend_from_slice(format!("\"{key}\":1,").as_bytes());
            }
            body.extend_from_slice(b"\"\":1}");
            Shape::of_body("application/json", body)
        }),
    );
    add(
        "json: small strings",
        Box::new(|length| {
            let mut body = b"[".to_vec();
            body.extend(fill(b"\"'\",", length - 4));
            body.extend_from_slice(b"1]");
            Shape::of_body("application/json", body)
        }),
    );
    add(
        "form: pairs",
        Box::new(|length| {
            Shape::of_body("application/x-www-form-urlencoded", fill(b"'=;&", length))
        }),
    );
    add(
        "multipart: parts",
        Box::new(|length| {
            let part = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n'\r\n";
            Shape::of_body("multipart/form-data; boundary=x", fill(part, length))
        }),
    );
    add(
        "multipart: part headers",
        Box::new(|length| {
            let mut body = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n".to_vec();
            body.extend(fill(b"X-A: '\r\n", length - body.len()));
            Shape::of_body("multipart/form-data; boundary=x", body)
        }),
    );
    add(
        "xml: attributes",
        Box::new(|length| {
            let attributes = (0..).map(|n| format!(" a{n}='\"'"));
            let mut body = b"<x".to_vec();
            body.extend(attributes.flat_map(String::into_bytes).take(length - 4));
            body.extend_from_slice(b"/>");
            Shape::of_body("application/xml", body)
        }),
    );
    add(
        "xml: elements",
        Box::new(|length| Shape::of_body("application/xml", fill(b"<a>", length))),
    );
    for (coding, encode) in CODINGS {
        add(
            &format!("{coding}: blanks"),
            Box::new(move |length| Shape::of_encoded(coding, encode(&vec![b' '; length * 64]))),
        );
        add(
            &format!("{coding}: words"),
            Box::new(move |length| Shape::of_encoded(coding, encode(&random(PRINT)[..length]))),
        );
        add(
            &format!("{coding}: pieces"),
            Box::new(move |length| {
                let piece = encode(b"' or 1=1 --");
                Shape::of_encoded(coding, piece.repeat(length / piece.len()))
            }),
        );
    }
    add(
        "head: cookies",
        Box::new(|length| {
            let mut shape = Shape::of_body("", Vec::new());
            shape.add("cookie", &fill(b"a='; ", length));
            shape
        }),
    );
    add(
        "head: query",
        Box::new(|length| Shape {
            target: format!("/?{}", String::from_utf8(fill(b"a='&", length)).unwrap()),
            headers: HeaderMap::new(),
            body: Vec::new(),
        }),
    );
    add(
        "head: many headers",
        Box::new(|length| {
            let mut shape = Shape::of_body("", Vec::new());
            for number in 0..90 {
                let value = fill(b"' or ;../<a %2541 &lt; ", length / 90);
                shape.add(&format!("x-{number}"), &value);
            }
            shape
        }),
    );
    shapes
}

type Encode = fn(&[u8]) -> Vec<u8>;

/// What encodes a body, by its name.
const CODINGS: [(&str, Encode); 4] = [
    ("gzip", |text| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }),
    ("deflate", |text| {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }),
    ("br", |text| {
        let mut out = Vec::new();
        let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 9, 22);
        encoder.write_all(text).unwrap();
        drop(encoder);
        out
    }),
    ("zstd", |text| zstd::encode_all(text, 3).unwrap()),
];

/// Contents that fill one value.
fn texts() -> Vec<(&'static str, Vec<u8>)> {
    let words = "It's (a) \"note\"; see <b>/etc/</b> & ../x or 1 = one, `id` | $HOME: select {all} from \\tables\\ -- #1 \
                 where x like '%y%' and on load = 2 http://a.example/?b=c;d e.php .ini proc/ system cmd ../ alert (x) \n";
    vec![
        ("quotes", b"'".to_vec()),
        ("both quotes", b"'\"".to_vec()),
        ("semicolons", b";".to_vec()),
        ("spaces", b" ".to_vec()),
        ("letters", b"abcdefghij".to_vec()),
        ("words", words.as_bytes().to_vec()),
        ("words escaped once", format!("{words}%41").into_bytes()),
        (
            "words escaped often",
            format!("{words}%2525252541").into_bytes(),
        ),
        ("percents", b"%".to_vec()),
        ("escapes", b"%41".to_vec()),
        ("nested escapes", b"%252525252541".to_vec()),
        ("entities", b"&lt;&#39;".to_vec()),
        ("nested entities", b"&amp;amp;amp;amp;lt;".to_vec()),
        ("ampersands", b"&".to_vec()),
        (
            "long entity",
            b"&#x000000000000000000000000000000000000000000000000".to_vec(),
        ),
        ("backslashes", b"\\\\".to_vec()),
        ("unicode escapes", b"\\u0027".to_vec()),
        ("angles", b"<".to_vec()),
        ("open elements", b"<a ".to_vec()),
        ("dots", b"../".to_vec()),
        ("more dots", b"....//".to_vec()),
        ("comments", b"/**/".to_vec()),
        ("open comments", b"/*".to_vec()),
        ("dashes", b"--".to_vec()),
        ("parentheses", b"(".to_vec()),
        ("or", b" or ".to_vec()),
        ("unions", b"union ".to_vec()),
        ("selects", b"(select ".to_vec()),
        ("conditions", b"' or 1".to_vec()),
        ("handlers", b"<a on".to_vec()),
        ("commands", b";cat".to_vec()),
        ("paths", b"etc/".to_vec()),
        ("digits", b"1 ".to_vec()),
        ("random letters", random(b"abcdefghijklmnopqrstuvwxyz")),
        ("random words", random(b"etaoinshr   ")),
        ("random etc", random(b"etc=;/x")),
        ("random steps", random(b"./\\ =;\"'x")),
        ("random quotes", random(b"'\"`= ;)x")),
        ("random markup", random(b"<>/ =\"'onax!-")),
        ("random shell", random(b";|&` $(){}[]<>catshid\n-")),
        ("random query", random(b"'\"()=,;-/*# \n1or")),
        ("random print", random(PRINT)),
    ]
}

const PRINT: &[u8] = b" !\"#$&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/// Bytes of an alphabet without any order, the same in every run. Many expressions remember where each of their
/// beginnings was seen; nothing has them remember more than this.
fn random(alphabet: &[u8]) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        alphabet[(state >> 33) as usize % alphabet.len()]
    });
    bytes.take(BODY).collect()
}

fn fill(content: &[u8], length: usize) -> Vec<u8> {
    content.iter().copied().cycle().take(length).collect()
}

impl Shape {
    fn of_body(content_type: &str, body: Vec<u8>) -> Self {
        let mut shape = Self {
            target: "/".into(),
            headers: HeaderMap::new(),
            body,
        };
        if !content_type.is_empty() {
            shape.add("content-type", content_type.as_bytes());
        }
        shape
    }

    fn of_encoded(coding: &str, body: Vec<u8>) -> Self {
        let mut shape = Self::of_body("text/plain", body);
        shape.add("content-encoding", coding.as_bytes());
        shape
    }

    fn of_header(value: Vec<u8>) -> Self {
        let mut shape = Self::of_body("", Vec::new());
        let value: Vec<u8> = value
            .into_iter()
            .map(|byte| if byte == b'\n' { b' ' } else { byte })
            .collect();
        shape.add("x-value", &value);
        shape
    }

    fn add(&mut self, name: &str, value: &[u8]) {
        self.headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value).unwrap(),
        );
    }
}

fn policy() -> Arc<Policy> {
    let registry = Registry::default();
    let shared = Shared::default();
    let loaded = app::load(&Source::Embedded, &registry, &shared, &Process, 1);
    Arc::new(
        loaded
            .unwrap_or_else(|report| panic!("{}", report.draw(false)))
            .compiled
            .policy,
    )
}

/// Time of the judgement in milliseconds, the least of five, since nothing in it waits; and how it ended.
fn cost(policy: &Arc<Policy>, shape: &Shape) -> (f64, String) {
    let client = ClientIdentity::from_peer([203, 0, 113, 7].into());
    let mut least = Duration::MAX;
    let mut outcome = String::new();
    for _ in 0..5 {
        let facts = Clients::new(100_000, [7; 16]);
        let begun = Instant::now();
        let view = RequestView::new(&Method::POST, &shape.target, &shape.headers, &client);
        let codings = Codings::of(&shape.headers).unwrap();
        let is_encoded = codings.iter().next().is_some();
        let decoded = match is_encoded.then(|| decode(codings, &shape.body, BUDGET)) {
            None => None,
            Some(Ok(decoded)) => Some(decoded),
            Some(Err(error)) => {
                least = least.min(begun.elapsed());
                outcome = format!("{error:?}");
                continue;
            }
        };
        let body = decoded.as_ref().map_or_else(
            || BodyView::new(&shape.headers, &shape.body),
            |decoded| BodyView::decoded(&shape.headers, decoded),
        );
        let body = (!shape.body.is_empty()).then_some(&body);
        let evaluation = decide(policy, &view, body, &facts, Instant::now());
        least = least.min(begun.elapsed());
        outcome = format!("{:?}", black_box(evaluation).outcome());
    }
    (least.as_secs_f64() * 1000.0, outcome)
}
