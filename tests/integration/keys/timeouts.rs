//! Keys that are spans of time. Each test begins the same thing under a short span and under the default, waits for the
//! short one to end it, and only then lets the other go on: what is compared is the order, never the speed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::engine::Registry;
use socket2::{Domain, Socket, Type};

use super::{NOTHING, WORD};
use crate::support::{Answer, Client, Proxy, Upstream, json, wait_until};
use crate::websocket::{Echo, is_alive, open};

/// An upstream that answers when it is told to.
fn gated() -> (Upstream, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let upstream = Upstream::start(move |_| {
        wait_until("the gate to open", || gate.load(Ordering::SeqCst));
        json("200 OK", "\"late\"")
    });
    (upstream, open)
}

fn limits(key: &str, span: &str) -> String {
    format!("limits: {{ {key}: {span} }}\n")
}

fn upstream_with(key: &str, span: &str) -> String {
    format!("upstream: {{ servers: [{{ url: 'http://UPSTREAM' }}], {key}: {span} }}\n{NOTHING}")
}

/// What comes until the connection is closed.
fn rest(client: &mut Client) -> String {
    let mut rest = Vec::new();
    // A reset is an end as well.
    let _ = client.reader().read_to_end(&mut rest);
    String::from_utf8_lossy(&rest).into_owned()
}

pub fn header_time() {
    let upstream = Upstream::plain();
    let [short, long] = ["300ms", "1h"].map(|span| {
        Proxy::start(
            &upstream,
            &format!("{}{NOTHING}", limits("header_time", span)),
        )
    });
    let half = "GET / HTTP/1.1\r\nHost: h\r\nX-Half: ";
    let (mut cut, mut patient) = (short.connect(), long.connect());
    patient.send(half);
    cut.send(half);
    assert!(!rest(&mut cut).contains("200 OK"));
    patient.send("1\r\n\r\n");
    assert_eq!(patient.response().status, 200);
    assert_eq!(upstream.count(), 1);
}

pub fn body_time() {
    let upstream = Upstream::plain();
    for chain in [WORD, NOTHING] {
        let [short, long] = ["300ms", "1h"]
            .map(|span| Proxy::start(&upstream, &format!("{}{chain}", limits("body_time", span))));
        let half = "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nhello";
        let (mut cut, mut patient) = (short.connect(), long.connect());
        patient.send(half);
        cut.send(half);
        assert_eq!(cut.response().status, 408, "{chain}");
        patient.send("world");
        assert_eq!(patient.response().status, 200, "{chain}");
        assert_eq!(upstream.last().body, b"helloworld");
    }
}

pub fn body_rate() {
    let upstream = Upstream::plain();
    let [strict, lenient] = ["1KiB", "0B"].map(|rate| {
        Proxy::start(
            &upstream,
            &format!("limits: {{ body_time: 4s, body_rate: {rate} }}\n{NOTHING}"),
        )
    });
    let (mut cut, mut patient) = (strict.connect(), lenient.connect());
    for client in [&mut cut, &mut patient] {
        client.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    }
    // Both bring a byte every now and then, and neither pauses for as long as it may.
    while strict.events().is_empty() {
        cut.try_send("1\r\nx\r\n");
        patient.send("1\r\nx\r\n");
        std::thread::sleep(Duration::from_millis(50));
    }
    let refused = cut.response();
    assert_eq!(refused.status, 408);
    assert_eq!(
        strict.event(&refused.id()).rule.as_deref(),
        Some("body_time")
    );
    patient.send("0\r\n\r\n");
    assert_eq!(patient.response().status, 200);
}

pub fn write_time() {
    // More than the system takes for a client that does not read.
    let body = "x".repeat(32 << 20);
    let upstream = Upstream::start(move |_| json("200 OK", &body));
    let [short, long] = ["300ms", "1h"].map(|span| {
        Proxy::start(
            &upstream,
            &format!("{}{NOTHING}", limits("write_time", span)),
        )
    });
    let (mut cut, mut patient) = (short.connect(), long.connect());
    cut.request("GET", "/", &[], b"");
    patient.request("GET", "/", &[], b"");
    wait_until("the slow reader to be told of", || {
        let events = short.events();
        events
            .iter()
            .any(|event| event.rule.as_deref() == Some("write_time"))
    });
    let length = rest(&mut cut).len();
    assert!(length < 32 << 20, "{length} bytes");
    let whole = patient.response();
    assert_eq!((whole.body.len(), whole.complete), (32 << 20, true));
    assert!(long.events().is_empty());
}

pub fn idle_time() {
    let upstream = Upstream::plain();
    let [short, long] = ["300ms", "1h"].map(|span| {
        Proxy::start(
            &upstream,
            &format!("limits: {{ header_time: 1h, idle_time: {span} }}\n{NOTHING}"),
        )
    });
    let (mut cut, mut patient) = (short.connect(), long.connect());
    for client in [&mut cut, &mut patient] {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(rest(&mut cut), "");
    patient.request("GET", "/", &[], b"");
    assert_eq!(patient.response().status, 200);
    assert!(short.events().is_empty());
}

pub fn drain_time() {
    let (upstream, open) = gated();
    let [short, long] = ["10ms", "1h"].map(|span| {
        Proxy::start(
            &upstream,
            &format!("{}{NOTHING}", limits("drain_time", span)),
        )
    });
    let (mut cut, mut patient) = (short.connect(), long.connect());
    cut.request("GET", "/", &[], b"");
    patient.request("GET", "/", &[], b"");
    wait_until("the requests to arrive", || upstream.count() == 2);
    short.stop();
    assert_eq!(rest(&mut cut), "");
    let address = long.address;
    let stopping = std::thread::spawn(move || long.stop());
    wait_until("the drain to begin", || {
        TcpStream::connect(address).is_err()
    });
    open.store(true, Ordering::SeqCst);
    assert_eq!(patient.response().text(), "\"late\"");
    stopping.join().unwrap();
}

/// A listener whose queue is full: the kernel answers nobody who connects until it is accepted from.
fn full() -> (TcpListener, SocketAddr, Vec<Socket>) {
    let socket = || Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listener = socket();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    listener.bind(&any.into()).unwrap();
    listener.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let waiting = (0..8)
        .map(|_| {
            let client = socket();
            client.set_nonblocking(true).unwrap();
            let _ = client.connect(&address);
            client
        })
        .collect();
    let listener = TcpListener::from(listener);
    (listener, address.as_socket().unwrap(), waiting)
}

pub fn connect_timeout() {
    let (listener, address, waiting) = full();
    let [short, long] = ["300ms", "1h"].map(|span| {
        Proxy::start_with(
            address,
            &upstream_with("connect_timeout", span),
            Registry::default(),
        )
    });
    let mut patient = long.connect();
    patient.request("GET", "/", &[], b"");
    let refused = short.get("/");
    assert_eq!(refused.status, 502);
    assert_eq!(
        short.event(&refused.id()).rule.as_deref(),
        Some("unreachable")
    );
    drop(waiting);
    // From here on everybody who connects is accepted, and answered if there is a request.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                }
            });
        }
    });
    assert_eq!(patient.response().status, 200);
}

pub fn first_byte_timeout() {
    let (upstream, open) = gated();
    let [short, long] = ["300ms", "1h"]
        .map(|span| Proxy::start(&upstream, &upstream_with("first_byte_timeout", span)));
    let mut patient = long.connect();
    patient.request("GET", "/", &[], b"");
    assert_eq!(short.get("/").status, 504);
    open.store(true, Ordering::SeqCst);
    assert_eq!(patient.response().text(), "\"late\"");
}

pub fn idle_timeout() {
    let pieces = [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        "world",
    ];
    let pieces = pieces.map(|piece| piece.as_bytes().to_vec()).to_vec();
    let upstream =
        Upstream::start(move |_| Answer::Drip(pieces.clone(), Duration::from_millis(1500)));
    let [short, long] =
        ["200ms", "1h"].map(|span| Proxy::start(&upstream, &upstream_with("idle_timeout", span)));
    let (mut cut, mut patient) = (short.connect(), long.connect());
    cut.request("GET", "/", &[], b"");
    patient.request("GET", "/", &[], b"");
    let cut = cut.response();
    assert_eq!((cut.text().as_str(), cut.complete), ("hello", false));
    let whole = patient.response();
    assert_eq!(
        (whole.text().as_str(), whole.complete),
        ("helloworld", true)
    );
}

pub fn keep_alive() {
    let upstream = Upstream::plain();
    let connections = |span: &str| {
        let proxy = Proxy::start(&upstream, &upstream_with("keep_alive", span));
        // One connection, so that one core has both requests.
        let mut client = proxy.connect();
        [(); 2].map(|()| {
            client.request("GET", "/", &[], b"");
            assert_eq!(client.response().status, 200);
            // Longer than the short span, however slow the machine is.
            std::thread::sleep(Duration::from_millis(5));
            upstream.last().connection
        })
    };
    let [first, second] = connections("1h");
    assert_eq!(first, second);
    for short in ["1ms", "0s"] {
        let [first, second] = connections(short);
        assert_ne!(first, second);
    }
}

pub fn stream_idle_time() {
    let echo = Echo::start();
    let [short, long] = ["300ms", "1h"].map(|span| {
        Proxy::start_with(
            echo.address,
            &format!("{}{NOTHING}", limits("stream_idle_time", span)),
            Registry::default(),
        )
    });
    let [mut cut, mut patient] = [&short, &long].map(|proxy| open(proxy.address, "/").unwrap());
    assert!(is_alive(&mut cut, "x") && is_alive(&mut patient, "x"));
    assert!(cut.read().is_err());
    assert!(is_alive(&mut patient, "y"));
}
