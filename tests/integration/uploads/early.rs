//! Upstreams that do not wait for the end of a form.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::event::{Decision, EventKind};

use super::{TYPE, WORD, form, long_form, part, send};
use crate::support::{Proxy, wait_until};

/// What an upstream does as soon as it has the head of a request.
#[derive(Clone, Copy)]
enum Early {
    /// Answers, and goes on reading.
    Answers,
    /// Closes the connection.
    Dies,
    /// Reads, and never answers.
    OnlyReads,
}

/// An upstream of that kind: its address, how many bytes it has read, and the end of what it read.
fn early(what: Early) -> (SocketAddr, Arc<AtomicUsize>, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (read, end) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::default()));
    let (count, tail) = (Arc::clone(&read), Arc::clone(&end));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if !matches!(stream.read(&mut byte), Ok(1)) {
                    break;
                }
                head.push(byte[0]);
            }
            if matches!(what, Early::Dies) {
                continue;
            }
            if matches!(what, Early::Answers) {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly")
                    .unwrap();
            }
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length @ 1..) = stream.read(&mut buffer) {
                count.fetch_add(length, Ordering::SeqCst);
                let mut tail: std::sync::MutexGuard<'_, Vec<u8>> = tail.lock().unwrap();
                tail.extend_from_slice(&buffer[..length]);
                let cut = tail.len().saturating_sub(100);
                tail.drain(..cut);
            }
        }
    });
    (address, read, end)
}

#[test]
fn what_is_found_after_an_early_answer_is_told_and_breaks_the_rest_off() {
    let (address, read, end) = early(Early::Answers);
    let proxy = Proxy::start_with(address, WORD, portcullis::engine::Registry::default());
    for guilty in [true, false] {
        read.store(0, Ordering::SeqCst);
        let body = long_form(guilty.then_some(13));
        let mut client = proxy.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        let (begins, ends) = body.split_at(1_500_000);
        client.send(format!("{:x}\r\n", begins.len()));
        client.send(begins);
        client.send("\r\n");
        let answer = client.response();
        assert_eq!((answer.status, answer.text().as_str()), (200, "early"));
        wait_until("the beginning to arrive", || {
            read.load(Ordering::SeqCst) > 1_000_000
        });
        client.try_send(format!("{:x}\r\n", ends.len()));
        client.try_send(ends);
        client.try_send("\r\n0\r\n\r\n");
        if guilty {
            wait_until("the finding to be told", || !proxy.events().is_empty());
            let events = proxy.events();
            assert_eq!(events.len(), 1, "{events:#?}");
            assert_eq!(events[0].decision, Decision::Aborted);
            assert_eq!(events[0].rule.as_deref(), Some("word"));
            std::thread::sleep(Duration::from_millis(100));
            assert!(!end.lock().unwrap().ends_with(b"0\r\n\r\n"));
        } else {
            wait_until("all of it to arrive", || {
                end.lock().unwrap().ends_with(b"0\r\n\r\n")
            });
            assert_eq!(proxy.events().len(), 1);
        }
    }
}

#[test]
fn what_was_found_is_told_once_when_the_client_goes_before_the_answer() {
    let (address, _, end) = early(Early::OnlyReads);
    let rules =
        format!("policy: {{ mode: monitor }}\nlimits: {{ body: 200KiB, over_body: pass }}\n{WORD}");
    let proxy = Proxy::start_with(address, &rules, portcullis::engine::Registry::default());
    let long = part("name=\"long\"", &b"delicious ".repeat(30_000));
    // With a finding, and with a field too long to be judged.
    for (body, rule) in [
        (long_form(Some(0)), "word"),
        (
            form(&[part("name=\"a\"", b"1"), long]),
            "field_prefix_judged",
        ),
    ] {
        let before = proxy.events().len();
        end.lock().unwrap().clear();
        let mut client = proxy.connect();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {TYPE}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ));
        client.send(&body);
        wait_until("all of it to arrive", || {
            end.lock().unwrap().ends_with(b"7MA4--\r\n")
        });
        drop(client);
        wait_until("it to be told", || proxy.events().len() > before);
        std::thread::sleep(Duration::from_millis(100));
        let events = &proxy.events()[before..];
        assert_eq!(events.len(), 1, "{events:#?}");
        assert_eq!(events[0].rule.as_deref(), Some(rule));
        let would = rule == "word";
        assert_eq!(events[0].decision == Decision::WouldBlock, would);
    }
}

#[test]
fn an_upstream_that_dies_within_a_form_is_told_of() {
    let (address, ..) = early(Early::Dies);
    let proxy = Proxy::start_with(address, WORD, portcullis::engine::Registry::default());
    let broken = send(&proxy, "/", &long_form(None), Some(10_000));
    assert_eq!(broken.status, 502);
    assert_eq!(proxy.event(&broken.id()).kind, EventKind::Upstream);
}
