//! Bodies in very many tiny chunks: what they may cost, counted in chunks and not in time.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, Sender, channel};

use portcullis::engine::Registry;

use crate::support::{Client, PATIENCE, Proxy, Upstream};

const STREAMED: &str = "detections: []\n";
const JUDGED: &str =
    "detections:\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n";

const HEAD: &str =
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";

fn in_chunks(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = HEAD.as_bytes().to_vec();
    for chunk in body.chunks(size) {
        write!(bytes, "{:x}\r\n", chunk.len()).unwrap();
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// An upstream that tells of every chunk as it comes, and answers each request at its end.
fn counting() -> (SocketAddr, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, tell) = (stream.unwrap(), tell.clone());
            std::thread::spawn(move || {
                let mut answers = stream.try_clone().unwrap();
                let mut reader = BufReader::new(stream);
                while chunks(&mut reader, &tell).is_some() {
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
                    answers.write_all(answer).unwrap();
                }
            });
        }
    });
    (address, told)
}

/// Reads a request in chunks; the last one is told of as well, and is empty.
fn chunks(reader: &mut impl BufRead, tell: &Sender<Vec<u8>>) -> Option<()> {
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    }
    loop {
        line.clear();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        reader.read_exact(&mut chunk).ok()?;
        assert!(chunk.ends_with(b"\r\n"));
        chunk.truncate(size);
        tell.send(chunk).unwrap();
        if size == 0 {
            return Some(());
        }
    }
}

/// The chunks of one request.
fn of_one(told: &Receiver<Vec<u8>>) -> Vec<Vec<u8>> {
    let next = || told.recv_timeout(PATIENCE).expect("a chunk");
    std::iter::repeat_with(next)
        .take_while(|chunk| !chunk.is_empty())
        .collect()
}

#[test]
fn a_request_in_very_many_tiny_chunks_is_refused() {
    let upstream = Upstream::plain();
    let body = vec![b'a'; 60_000];
    for chain in [STREAMED, JUDGED] {
        let proxy = Proxy::start(&upstream, chain);
        let mut client = proxy.connect();
        client.try_send(in_chunks(&body, 1));
        let response = client.response();
        assert_eq!(response.status, 400, "{}", response.text());
        assert_eq!(response.header("connection"), Some("close"));
        let event = proxy.event(&response.id());
        assert_eq!(event.rule.as_deref(), Some("too_many_chunks"), "{event:#?}");
        assert_eq!(event.place.as_deref(), Some("body"), "{event:#?}");
        assert!(event.evidence.is_some(), "{event:#?}");
    }
    assert!(upstream.seen().iter().all(|seen| !seen.complete));
}

#[test]
fn a_request_in_as_many_chunks_as_honest_senders_need_goes_on() {
    let upstream = Upstream::plain();
    for chain in [STREAMED, JUDGED] {
        let proxy = Proxy::start(&upstream, chain);
        for (length, size) in [(10_000, 1), (100_000, 8), (1 << 20, 16), (1 << 20, 100)] {
            let body: Vec<u8> = (0..length).map(|at| b'a' + (at % 23) as u8).collect();
            let response = proxy.raw(in_chunks(&body, size));
            assert_eq!(response.status, 200, "{length} by {size}");
            assert!(upstream.last().body == body, "{length} by {size}");
        }
    }
}

#[test]
fn tiny_chunks_reach_the_upstream_in_few() {
    let (address, told) = counting();
    let proxy = Proxy::start_with(address, STREAMED, Registry::default());
    let body: Vec<u8> = (0..16_000).map(|at| b'a' + (at % 23) as u8).collect();
    assert_eq!(proxy.raw(in_chunks(&body, 1)).status, 200);
    let seen = of_one(&told);
    println!("{} chunks sent, {} went on", body.len(), seen.len());
    assert!(seen.len() < body.len() / 16, "{} chunks", seen.len());
    assert!(seen.iter().all(|chunk| chunk.len() <= 32 * 1024));
    assert!(seen.concat() == body);
}

#[test]
fn a_chunk_does_not_wait_for_the_next() {
    let (address, told) = counting();
    let proxy = Proxy::start_with(address, STREAMED, Registry::default());
    let mut client: Client = proxy.connect();
    client.send(HEAD);
    for at in 0..50 {
        let chunk = format!("chunk {at}");
        client.send(format!("{:x}\r\n{chunk}\r\n", chunk.len()));
        // The next one is not sent before this one is there.
        let mut came = Vec::new();
        while came.len() < chunk.len() {
            came.extend(told.recv_timeout(PATIENCE).expect("the chunk"));
        }
        assert_eq!(came, chunk.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.response().status, 200);
}

#[test]
fn an_answer_may_come_in_any_number_of_chunks() {
    let upstream = Upstream::start(|_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        bytes.extend_from_slice(&b"1\r\na\r\n".repeat(100_000));
        bytes.extend_from_slice(b"0\r\n\r\n");
        crate::support::Answer::Bytes(bytes)
    });
    let proxy = Proxy::start(&upstream, STREAMED);
    let response = proxy.get("/");
    assert_eq!((response.status, response.complete), (200, true));
    assert_eq!(response.body.len(), 100_000);
}
