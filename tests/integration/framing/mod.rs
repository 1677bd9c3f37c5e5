//! Hostile framing: tables of raw bytes, each with the one safe outcome that it may have, through the real proxy.
//!
//! What reached the upstream is judged there, by a strict reader that shares no code with the proxy. After each vector
//! the next client is served as if nothing had been.

mod behaviour;
mod clients;
mod property;
mod recorder;
mod strict;
mod sweep;
mod vectors;

use std::collections::BTreeSet;
use std::io::Read;

use portcullis::engine::Registry;
use portcullis::event::Decision;

use self::recorder::Recorder;
use self::strict::Parsed;
use self::vectors::{Seen, Vector};
use crate::support::{Client, Proxy};

const STREAMING: &str = "detections: []\n";
const JUDGED: &str =
    "detections:\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n";

/// How a vector's bytes are sent.
#[derive(Clone, Copy, Debug)]
enum Pieces {
    Whole,
    /// One byte at a time.
    Bytes,
    /// In two, cut at the n-th part of the way.
    Halves(usize),
}

impl Pieces {
    fn of(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![bytes],
            Self::Bytes => bytes.chunks(1).collect(),
            Self::Halves(part) => {
                let (first, second) = bytes.split_at(bytes.len() * part / 8);
                vec![first, second]
            }
        }
    }
}

/// Sends every vector and judges what comes of it.
fn run(vectors: &[Vector], chain: &str, pieces: &[Pieces]) {
    let recorder = Recorder::start();
    // Where HTTP/2 is spoken as well, what begins with it never comes to the gate.
    let chain = format!("listen: [{{ address: 127.0.0.1:0, http2: false }}]\n{chain}");
    let proxy = Proxy::start_with(recorder.address, &chain, Registry::default());
    let mut arrived = 0;
    for vector in vectors {
        for pieces in pieces {
            let what = format!("{} ({pieces:?})", vector.name);
            answer(&proxy, vector, *pieces, &what);
            let seen = recorder.settled();
            assert_eq!(
                seen.len() - arrived,
                vector.requests.len(),
                "{what}: {:#?}",
                &seen[arrived..]
            );
            for (seen, expected) in seen[arrived..].iter().zip(&vector.requests) {
                assert_seen(seen, expected, &what);
            }
            assert_eq!(proxy.get("/next").status, 200, "after {what}");
            let seen = recorder.settled();
            arrived += vector.requests.len() + 1;
            assert_eq!(seen.len(), arrived, "after {what}");
            assert_eq!(seen[arrived - 1].target, b"/next", "after {what}");
        }
    }
    // Nothing came late.
    assert_eq!(recorder.settled().len(), arrived);
}

/// What the client gets: 200 for each request that goes on, then the refusal and the end.
fn answer(proxy: &Proxy, vector: &Vector, pieces: Pieces, what: &str) {
    let mut client = proxy.connect();
    for piece in pieces.of(&vector.bytes) {
        if !client.try_send(piece) {
            break;
        }
    }
    for request in &vector.requests {
        let response = client.response_to(request.method);
        assert_eq!(response.status, 200, "{what}");
    }
    let Some((status, rule)) = vector.refusal else {
        return;
    };
    let method = if vector.is_head { "HEAD" } else { "GET" };
    let response = client.response_to(method);
    assert_eq!(response.status, status, "{what}: {}", response.text());
    assert_eq!(response.header("connection"), Some("close"), "{what}");
    let id = response.header("x-request-id").expect("an id");
    let event = proxy.event(id);
    assert_eq!(event.rule.as_deref(), Some(rule), "{what}: {event:#?}");
    assert_eq!(
        (event.status, event.decision),
        (Some(status), Decision::Block),
        "{what}"
    );
    assert!(event.place.is_some() && event.evidence.is_some(), "{what}");
    if method == "GET" {
        assert_eq!(response.id(), id, "{what}");
    }
    assert_ended(&mut client, what);
}

/// Nothing comes any more, and that without a reset.
fn assert_ended(client: &mut Client, what: &str) {
    let mut rest = Vec::new();
    let ended = client.reader().read_to_end(&mut rest);
    assert!(ended.is_ok(), "{what}: {ended:?}");
    assert!(rest.is_empty(), "{what}: {}", rest.escape_ascii());
}

fn assert_seen(seen: &Parsed, expected: &Seen, what: &str) {
    assert_eq!(seen.method, expected.method, "{what}");
    assert_eq!(
        seen.target,
        expected.target.as_bytes(),
        "{what}: {}",
        seen.target.escape_ascii()
    );
    assert_eq!(
        seen.body,
        expected.body.as_bytes(),
        "{what}: {}",
        seen.body.escape_ascii()
    );
    for (name, values) in &expected.fields {
        let values: Vec<_> = values.iter().map(|value| value.as_bytes()).collect();
        assert_eq!(seen.all(name), values, "{what}: {name}");
    }
    let trailers: Vec<_> = seen
        .trailers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(trailers, expected.trailers, "{what}");
}

macro_rules! tables {
    ($($table:ident),*) => {
        $(
            #[test]
            fn $table() {
                let vectors = vectors::$table();
                run(&vectors, STREAMING, &[Pieces::Whole, Pieces::Bytes]);
                run(&vectors, JUDGED, &[Pieces::Whole, Pieces::Halves(3), Pieces::Halves(7)]);
            }
        )*

        fn all() -> Vec<Vector> {
            [$(vectors::$table()),*].concat()
        }
    };
}

tables! { start_lines, line_ends, fields, lengths, transfer_encodings, chunks, trailers, hosts, targets, smuggled, polite }

#[test]
fn there_are_enough_vectors_and_each_is_one_of_its_kind() {
    let all = all();
    let refused = all.iter().filter(|vector| vector.refusal.is_some()).count();
    println!("{} vectors, {refused} refused", all.len());
    assert!(all.len() >= 490, "{} vectors", all.len());
    assert!(refused >= 390, "{refused} are refused");
    assert!(
        all.len() - refused >= 100,
        "{} are forwarded",
        all.len() - refused
    );
    let names: BTreeSet<_> = all.iter().map(|vector| &vector.name).collect();
    assert_eq!(names.len(), all.len(), "two have one name");
    let bytes: BTreeSet<_> = all.iter().map(|vector| &vector.bytes).collect();
    assert_eq!(bytes.len(), all.len(), "two have the same bytes");
    let rules: BTreeSet<_> = all
        .iter()
        .filter_map(|vector| vector.refusal)
        .map(|(_, rule)| rule)
        .collect();
    let faults: BTreeSet<_> = portcullis::proxy::framing::Fault::ALL
        .iter()
        .map(|fault| fault.rule())
        .collect();
    // What takes a limit or a clock is tested on its own, in `behaviour.rs`; what takes a great many chunks, in
    // `limits/chunks.rs`.
    let elsewhere = [
        "head_too_large",
        "too_many_headers",
        "header_time",
        "head_cut",
        "target_too_long",
        "trailers_too_large",
        "too_many_chunks",
    ];
    let untested: Vec<_> = faults
        .difference(&rules)
        .filter(|rule| !elsewhere.contains(rule))
        .collect();
    assert!(untested.is_empty(), "no vector for {untested:?}");
}
