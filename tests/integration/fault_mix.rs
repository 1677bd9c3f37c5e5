//! Ten thousand failures of every kind, mixed, against the program as it is run: afterwards it holds no more descriptors
//! and no more memory than before, and serves as if nothing had been.

use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::engine::Registry;

use crate::process::Program;
use crate::support::{Client, Proxy, soak_share, wait_until};
use crate::upstream_faults::{Scripted, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What an upstream does with a request, by the name that the request's path carries.
const FAULTS: [&str; 18] = [
    "close",
    "reset",
    "half-head",
    "garbage",
    "switch",
    "ambiguous",
    "short",
    "unfinished",
    "wrong-chunk",
    "reset-body",
    "surplus",
    "late-surplus",
    "silent",
    "pause",
    "early",
    "half-close",
    "interim",
    "fine",
];

/// What a client does with a request.
const CLIENTS: [&str; 5] = ["get", "post", "leave", "leave-body", "leave-answer"];

fn upstream() -> Scripted {
    Scripted::start(|wire| {
        loop {
            let head = wire.head()?;
            let path = head.split(' ').nth(1)?.to_owned();
            let fault = path.trim_start_matches('/').split('/').next()?;
            if fault == "early" {
                wire.send(
                    "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                )?;
                return None;
            }
            if head.starts_with("POST") {
                wire.stream.read_exact(&mut [0; BODY]).ok()?;
            }
            fail(wire, fault)?;
        }
    })
}

/// Does what the fault is called; `None` ends the connection.
fn fail(wire: &mut Wire, fault: &str) -> Option<()> {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    match fault {
        "close" => None,
        "reset" => wire.reset().and(None),
        "half-head" => wire.send("HTTP/1.1 200 OK\r\nContent-").and(None),
        "garbage" => wire.send("\x16\x03\x01 no HTTP at all\r\n\r\n"),
        "switch" => wire.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n"),
        "ambiguous" => wire
            .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok"),
        "short" => wire
            .send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")
            .and(None),
        "unfinished" => wire.send(format!("{chunked}2\r\nok\r\n")).and(None),
        "wrong-chunk" => wire.send(format!("{chunked}2\r\nok\r\nwrong\r\n")),
        "reset-body" => wire
            .send(format!("{chunked}2\r\nok\r\n"))
            .and_then(|()| wire.reset())
            .and(None),
        "surplus" => wire.send(OK.repeat(2)),
        // It closes, since whoever is asked next on this connection may take that for his answer, and lose his own: what
        // comes after a request cannot be told from its answer.
        "late-surplus" => {
            wire.send(OK)?;
            std::thread::sleep(Duration::from_millis(1));
            wire.send(OK).and(None)
        }
        "silent" => wire.closed().then_some(()).and(None),
        "pause" => {
            wire.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")?;
            wire.closed().then_some(()).and(None)
        }
        "half-close" => {
            wire.stream.shutdown(std::net::Shutdown::Write).ok()?;
            wire.closed().then_some(()).and(None)
        }
        "interim" => wire.send(format!("HTTP/1.1 103 Early Hints\r\n\r\n{OK}")),
        _ => wire.send(OK),
    }
}

const BODY: usize = 20_000;

/// Sends one request and does what the client is called; returns what came back.
fn ask(program: &Program, fault: &str, client: &str) -> Vec<u8> {
    let mut connection = Client::connect(program.address());
    let (method, length) = match client {
        "post" | "leave-body" => ("POST", BODY),
        _ => ("GET", 0),
    };
    connection.try_send(format!(
        "{method} /{fault}/{client} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    ));
    match client {
        "leave" => return Vec::new(),
        "leave-body" => {
            connection.try_send(vec![b'x'; BODY / 2]);
            return Vec::new();
        }
        "post" => drop(connection.try_send(vec![b'x'; BODY])),
        "leave-answer" => {
            let _ = connection.reader().read(&mut [0]);
            return Vec::new();
        }
        _ => {}
    }
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = connection.reader().read_to_end(&mut answer);
    answer
}

/// Every pair of fault and client in turn, from several threads.
fn run(program: &Program, rounds: usize) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= rounds {
                        return;
                    }
                    let fault = FAULTS[n % FAULTS.len()];
                    let client = CLIENTS[n / FAULTS.len() % CLIENTS.len()];
                    let answer = String::from_utf8_lossy(&ask(program, fault, client)).into_owned();
                    // Whatever happens, nobody is told anything of the inside, and a fine answer is a fine one.
                    assert!(
                        !answer.contains("127.0.0.1") && !answer.contains("hyper"),
                        "{answer}"
                    );
                    if fault == "fine" && (client == "get" || client == "post") {
                        assert!(
                            answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"),
                            "{answer}"
                        );
                    }
                }
            });
        }
    });
}

fn mix(rounds: usize) {
    let upstream = upstream();
    let more = "upstream: { servers: [{ url: 'http://UPSTREAM' }], first_byte_timeout: 5s, idle_timeout: 5s, keep_alive: 500ms }\n\
                events: { log: none }\ndetections:\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n";
    let mut program = Program::start_before(upstream.address, more);
    program.hush();
    // Once served on every core, so that all of them have begun.
    for _ in 0..20 {
        assert_eq!(program.get("/fine"), 200);
    }
    let mut fresh = usize::MAX;
    wait_until("idle connections to be closed", || {
        let before = std::mem::replace(&mut fresh, program.descriptors());
        std::thread::sleep(Duration::from_secs(1));
        before == fresh
    });
    let settle = |what: &str| {
        wait_until(what, || program.descriptors() <= fresh);
        program.resident()
    };
    // Once each, so that what is allocated once is.
    run(&program, (FAULTS.len() * CLIENTS.len()).min(rounds));
    let before = settle("the first descriptors to be closed");
    run(&program, rounds);
    let after = settle("all descriptors to be closed");
    eprintln!(
        "{rounds} faults: {fresh} descriptors before and after, {before} KiB before, {after} KiB after"
    );
    // A task for every failure, of the kilobyte that the smallest takes, would be seen.
    let grown = after.saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more after {rounds} faults");
    assert_eq!(program.get("/fine"), 200);
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0));
}

#[test]
fn some_hundred_mixed_faults_leave_nothing_behind() {
    mix(360);
}

#[test]
#[ignore = "soak"]
fn soak_ten_thousand_mixed_faults_leave_nothing_behind() {
    mix((soak_share() * 10_000.0) as usize);
}

/// An upstream whose answers say whom they are for, in many forms, the whole and the broken, in pieces of any size.
fn naming() -> Scripted {
    Scripted::start(|wire| {
        let mut dice = 0x9e37_79b9_u64.wrapping_mul(wire.number as u64 + 1);
        let mut roll = move |sides: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % sides
        };
        loop {
            let head = wire.request()?;
            let name = head.split(' ').nth(1)?.to_owned();
            let length = name.len();
            let counted = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{name}");
            let chunked = format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n/\r\n{:x}\r\n{}\r\n0\r\n\r\n",
                length - 1,
                &name[1..]
            );
            let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
            let kind = roll(16);
            let (bytes, closes) = match kind {
                0 => (format!("{counted}{poison}"), false),
                1 => (format!("{chunked}{poison}"), false),
                2 => (format!("HTTP/1.1 204 No Content\r\n\r\n{poison}"), false),
                3 => (
                    format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{poison}"
                    ),
                    false,
                ),
                4 => (
                    format!("HTTP/1.1 101 Switching Protocols\r\n\r\n{poison}"),
                    false,
                ),
                5 => (format!("HTTP/1.1 103 Early Hints\r\n\r\n{counted}"), false),
                6 => (chunked.replace("0\r\n\r\n", "x\r\n\r\n") + poison, false),
                7 => (counted.replace("Length: ", "Length: 1"), true),
                8 => (chunked.replace("0\r\n\r\n", ""), true),
                9 => (counted.clone(), true),
                10 => (String::new(), true),
                11 => (format!("HTTP/1.0 200 OK\r\n\r\n{name}"), true),
                12 | 13 => (chunked, false),
                _ => (counted, false),
            };
            // What comes later than the answer may come just after the next request, and nobody can tell.
            let piece = [1, 7, 1000][if kind < 3 { 2 } else { roll(3) as usize }];
            for piece in bytes.as_bytes().chunks(piece) {
                wire.send(piece)?;
            }
            if closes {
                return None;
            }
        }
    })
}

/// Whatever an upstream sends, and to whomever, a client gets its own answer, or none.
fn own_answers(rounds: usize) {
    let upstream = naming();
    let proxy = Proxy::start_with(upstream.address, "detections: []\n", Registry::default());
    let (whole, next) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = proxy.connect();
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= rounds {
                        return;
                    }
                    let target = format!("/request-{n}");
                    let method = ["GET", "POST", "GET", "PUT"][n % 4];
                    client.request(
                        method,
                        &target,
                        &[],
                        if method == "GET" { b"" } else { b"body" },
                    );
                    let response = client.response();
                    match response.status {
                        200 if response.complete => {
                            assert_eq!(response.text(), target);
                            whole.fetch_add(1, Ordering::SeqCst);
                        }
                        200 => assert!(target.starts_with(&response.text()), "{}", response.text()),
                        204 | 502 => assert!(!response.text().contains("poison")),
                        status => panic!("{status}: {}", response.text()),
                    }
                    if !response.complete {
                        client = proxy.connect();
                    }
                }
            });
        }
    });
    let whole = whole.load(Ordering::SeqCst);
    eprintln!("{rounds} requests: {whole} whole answers, each its own");
    assert!(whole > rounds / 4);
    // What is not safe was sent once, whatever became of it.
    let heads = upstream.heads();
    let unsafe_ones = |head: &&String| head.starts_with("POST") || head.starts_with("PUT");
    let sent: Vec<_> = heads
        .iter()
        .filter(unsafe_ones)
        .filter_map(|head| head.split(' ').nth(1))
        .collect();
    let different: std::collections::BTreeSet<_> = sent.iter().collect();
    assert_eq!(sent.len(), different.len(), "a request was sent twice");
}

#[test]
fn every_client_gets_its_own_answer_or_none() {
    own_answers(2000);
}

#[test]
#[ignore = "soak"]
fn soak_every_client_gets_its_own_answer_or_none() {
    own_answers((soak_share() * 100_000.0) as usize);
}
