//! Connections that idle rest: nothing of what is between two requests may be lost by it, nor taken for another.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use crate::support::{Client, Proxy, Upstream};

/// Long enough for a connection to rest; if it is not, the test shows less than it could.
const A_WHILE: Duration = Duration::from_millis(400);

const NOTHING: &str = "detections: []\n";

/// A chain that refuses a request by its head, whatever its body is.
const BY_HEAD: &str =
    "limits: { idle_time: 2s }\ndetections:\n  - user_agent: { missing: block }\n";

fn asks(client: &mut Client, target: &str) {
    client.request("GET", target, &[], b"");
    assert_eq!(client.response().status, 200);
}

#[test]
fn a_connection_that_rested_goes_on() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, NOTHING);
    let mut client = proxy.connect();
    for target in ["/1", "/2", "/3"] {
        std::thread::sleep(A_WHILE);
        asks(&mut client, target);
    }
    std::thread::sleep(A_WHILE);
    client.request("POST", "/4", &[], b"a body");
    assert_eq!(client.response().status, 200);
    std::thread::sleep(A_WHILE);
    asks(&mut client, "/5");
    let targets: Vec<_> = upstream
        .seen()
        .into_iter()
        .map(|seen| seen.target)
        .collect();
    assert_eq!(targets, ["/1", "/2", "/3", "/4", "/5"]);
    assert!(proxy.events().is_empty());
}

#[test]
fn a_head_that_has_begun_is_not_forgotten() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, NOTHING);
    let mut client = proxy.connect();
    // Half of the second request comes with the first one.
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHo");
    assert_eq!(client.response().status, 200);
    std::thread::sleep(A_WHILE);
    client.send("st: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    // And half of the third one by itself, after a rest.
    std::thread::sleep(A_WHILE);
    client.send("GET /3 HT");
    std::thread::sleep(A_WHILE);
    client.send("TP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.last().target, "/3");
}

#[test]
fn the_body_of_a_request_that_was_answered_early_becomes_no_request() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n";
    let length = smuggled.len();
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, BY_HEAD);
    for framing in [
        format!("Content-Length: {length}"),
        "Transfer-Encoding: chunked".to_owned(),
    ] {
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n"));
        assert_eq!(client.response().status, 403);
        std::thread::sleep(A_WHILE);
        if framing.starts_with('T') {
            client.try_send(format!("{length:x}\r\n{smuggled}\r\n0\r\n\r\n"));
        } else {
            client.try_send(smuggled);
        }
        let mut rest = Vec::new();
        let _ = client.reader().read_to_end(&mut rest);
        assert!(rest.is_empty(), "{}", rest.escape_ascii());
    }
    assert_eq!(upstream.count(), 0);
}

/// An upstream that answers when it has the head, and never reads the body.
fn early() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).unwrap();
            assert!(!bytes[..read].windows(9).any(|nine| nine == b"/smuggled"));
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            kept.push(stream);
        }
    });
    address
}

#[test]
fn a_body_that_streams_after_its_answer_becomes_no_request() {
    let yaml = format!("limits: {{ idle_time: 1s, body_time: 1s }}\n{NOTHING}");
    let proxy = Proxy::start_with(early(), &yaml, portcullis::engine::Registry::default());
    let mut client = proxy.connect();
    // More than is on its way to an upstream that does not read, so that part of it is with the proxy.
    let length = 8 << 20;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    ));
    assert_eq!(client.response().status, 200);
    std::thread::sleep(A_WHILE);
    // Whatever becomes of the connection, no answer may come to what is a body.
    client.try_send(smuggled.repeat(1000));
    std::thread::sleep(A_WHILE);
    client.try_send(smuggled.repeat(1000));
    let mut rest = Vec::new();
    let ended = client.reader().read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    // The body may not come for ever, answered or not. A reset is an end as well.
    let waits = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
    assert!(!ended.as_ref().is_err_and(waits), "{ended:?}");
}
