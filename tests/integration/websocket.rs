//! WebSockets: the handshake is judged like any request, and only the upstream's 101 opens a tunnel.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ALL_VERSIONS;
use tungstenite::handshake::client::generate_key;
use tungstenite::http::Request;
use tungstenite::{Message, WebSocket};

use crate::support::{Answer, PATIENCE, Proxy, Upstream, json, wait_until};
use crate::tls::authority::{Authority, shake};
use crate::tls::listening;

const WORD: &str = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";

/// An application that says everything twice; how many connections it has had.
pub struct Echo {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Echo {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || echo(stream.unwrap()));
            }
        });
        Self {
            address,
            connections,
        }
    }

    fn count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn echo(stream: TcpStream) {
    let Ok(mut socket) = tungstenite::accept(stream) else {
        return;
    };
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
}

fn handshake(target: &str) -> Request<()> {
    Request::builder()
        .uri(format!("ws://ws.example{target}"))
        .header("Host", "ws.example")
        .header("Connection", "keep-alive, Upgrade")
        .header("Upgrade", "WebSocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .body(())
        .unwrap()
}

/// A WebSocket through a proxy, or the status that was answered instead.
pub fn open(address: SocketAddr, target: &str) -> Result<WebSocket<TcpStream>, u16> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    open_over(stream, target)
}

fn open_over<S: std::io::Read + std::io::Write>(
    stream: S,
    target: &str,
) -> Result<WebSocket<S>, u16> {
    match tungstenite::client(handshake(target), stream) {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response))) => {
            Err(response.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

/// Whether what is said comes back.
pub fn is_alive<S: std::io::Read + std::io::Write>(socket: &mut WebSocket<S>, text: &str) -> bool {
    socket.send(Message::text(text)).is_ok()
        && socket
            .read()
            .is_ok_and(|message| message == Message::text(text))
}

#[test]
fn messages_go_both_ways_and_the_end_goes_through() {
    let echo = Echo::start();
    let proxy = Proxy::start_with(echo.address, WORD, portcullis::engine::Registry::default());
    let mut socket = open(proxy.address, "/chat?room=1").unwrap();
    assert!(is_alive(&mut socket, "hello"));
    // What is said is not looked at.
    assert!(is_alive(&mut socket, "malicious"));
    let long = vec![7_u8; 3 << 20];
    socket.send(Message::binary(long.clone())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::binary(long));
    socket.send(Message::Ping(b"x".to_vec().into())).unwrap();
    assert!(socket.read().unwrap().is_pong());
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    assert_eq!(echo.count(), 1);
    assert_eq!(proxy.get("/?q=malicious").status, 403);
}

#[test]
fn over_tls_as_well() {
    let (echo, authority) = (Echo::start(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    authority.issue_into(folder.path(), "site", &["ws.example"]);
    let yaml = format!("{}{WORD}", listening(folder.path(), ""));
    let proxy = Proxy::start_with(echo.address, &yaml, portcullis::engine::Registry::default());
    let config = authority.client(None, ALL_VERSIONS, &[b"http/1.1"]);
    let stream = shake(proxy.address, "ws.example", &config).unwrap();
    let mut socket = open_over(stream, "/").unwrap();
    for text in ["one", "two", &"x".repeat(200_000)] {
        assert!(is_alive(&mut socket, text));
    }
}

#[test]
fn the_handshake_is_judged_and_the_upstream_hears_nothing_of_a_refused_one() {
    let echo = Echo::start();
    let proxy = Proxy::start_with(echo.address, WORD, portcullis::engine::Registry::default());
    assert_eq!(open(proxy.address, "/?q=malicious").err(), Some(403));
    assert_eq!(echo.count(), 0);
    assert_eq!(proxy.events().last().unwrap().rule.as_deref(), Some("word"));
}

#[test]
fn an_upgrade_that_is_not_granted_leaves_the_connection_at_the_gate() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    let mut client = proxy.connect();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: h\r\n{upgrade}\r\nGET /?q=malicious HTTP/1.1\r\nHost: h\r\n\r\n\
         GET /after HTTP/1.1\r\nHost: h\r\n\r\n"
    ));
    assert_eq!(client.response().status, 200);
    let seen = upstream.seen().swap_remove(0);
    assert_eq!(seen.one("upgrade"), Some("websocket"));
    assert_eq!(
        seen.one("connection")
            .map(str::to_ascii_lowercase)
            .as_deref(),
        Some("upgrade")
    );
    // What came behind is a request, and judged.
    assert_eq!(client.response().status, 403);
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.last().target, "/after");
    assert_eq!(upstream.count(), 2);
}

#[test]
fn only_what_was_asked_for_is_opened() {
    let switching = |more: &str| {
        format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n{more}\r\n")
            .into_bytes()
    };
    let upstream = Upstream::start(move |request| match request.target.as_str() {
        "/other" => Answer::Bytes(switching("Upgrade: h2c\r\n")),
        "/none" => Answer::Bytes(switching("")),
        "/body" => Answer::Bytes(switching("Upgrade: websocket\r\nContent-Length: 5\r\n")),
        // Another's key, as something that echoes what it is sent might say.
        "/blind" => Answer::Bytes(switching(
            "Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
        )),
        "/unasked" => Answer::Bytes(switching("Upgrade: websocket\r\n")),
        _ => json("200 OK", "{}"),
    });
    let proxy = Proxy::start(&upstream, "detections: []\n");
    for target in ["/other", "/none", "/body", "/blind"] {
        assert_eq!(open(proxy.address, target).err(), Some(502), "{target}");
    }
    assert_eq!(proxy.get("/unasked").status, 502);
    // Other protocols are not asked for, nor is this one by another method, with a body, or by half.
    for headers in [
        &[
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
        ][..],
        &[("Connection", "Upgrade"), ("Upgrade", "websocket, h2c")],
        &[("Upgrade", "websocket")],
        &[
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Content-Length", "0"),
            ("X-Method", "POST"),
        ],
    ] {
        let method = if headers.len() == 4 { "POST" } else { "GET" };
        assert_eq!(proxy.request(method, "/", headers, b"").status, 200);
        assert_eq!(upstream.last().one("upgrade"), None, "{headers:?}");
    }
}

#[test]
fn a_hundred_open_ones_survive_reloads_and_the_end_of_the_application_ends_them() {
    let echo = Echo::start();
    let proxy = Proxy::start_with(echo.address, WORD, portcullis::engine::Registry::default());
    let mut sockets: Vec<_> = (0..100)
        .map(|_| open(proxy.address, "/").unwrap())
        .collect();
    for round in 0..3 {
        proxy
            .reload(&format!("detections: [user_agent: {{}}]\n# {round}\n"))
            .unwrap();
        for socket in &mut sockets {
            assert!(is_alive(socket, "still here"));
        }
    }
    sockets.truncate(1);
    // Each gives its place back.
    wait_until("the others to be gone", || {
        sockets.extend(open(proxy.address, "/"));
        is_alive(sockets.last_mut().unwrap(), "x")
    });
    sockets[0].close(None).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(is_alive(sockets.last_mut().unwrap(), "y"));
}

/// The status of a CONNECT for a WebSocket over HTTP/2, and what comes back of a text that is said through it.
fn over_http_2(address: SocketAddr, path: &'static str) -> (u16, Option<Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let asking = async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut client = client.ready().await.unwrap();
        while !client.is_extended_connect_protocol_enabled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut request = Request::new(());
        *request.method_mut() = http::Method::CONNECT;
        *request.uri_mut() = format!("http://ws.example{path}").parse().unwrap();
        request.headers_mut().insert(
            "sec-websocket-version",
            http::HeaderValue::from_static("13"),
        );
        request
            .extensions_mut()
            .insert(h2::ext::Protocol::from_static("websocket"));
        let (answer, mut sending) = client.send_request(request, false).unwrap();
        let answer = answer.await.unwrap();
        let status = answer.status().as_u16();
        assert!(!answer.headers().contains_key("sec-websocket-accept"));
        if status != 200 {
            return (status, None);
        }
        // A text of five letters, under a mask of zeros (RFC 6455, 5.2).
        sending
            .send_data(bytes::Bytes::from_static(b"\x81\x85\0\0\0\0hello"), false)
            .unwrap();
        let mut body = answer.into_body();
        let mut said = Vec::new();
        while said.len() < 7 {
            said.extend_from_slice(&body.data().await.unwrap().unwrap());
        }
        sending.send_data(bytes::Bytes::new(), true).unwrap();
        // The end goes through as well.
        while let Some(Ok(rest)) = body.data().await {
            said.extend_from_slice(&rest);
        }
        connection.abort();
        (status, Some(said))
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await.unwrap() })
}

#[test]
fn over_a_stream_of_http_2_as_well() {
    let echo = Echo::start();
    let proxy = Proxy::start_with(echo.address, WORD, portcullis::engine::Registry::default());
    let hello = b"\x81\x05hello".to_vec();
    assert_eq!(over_http_2(proxy.address, "/chat"), (200, Some(hello)));
    assert_eq!(over_http_2(proxy.address, "/?q=malicious"), (403, None));
    assert_eq!(echo.count(), 1);
    // What is no 101 must not be taken for a tunnel; what refuses goes through.
    let upstream = Upstream::start(|request| match request.target.as_str() {
        "/refused" => json("426 Upgrade Required", "{}"),
        _ => json("200 OK", "{}"),
    });
    let proxy = Proxy::start(&upstream, WORD);
    assert_eq!(over_http_2(proxy.address, "/"), (502, None));
    assert_eq!(over_http_2(proxy.address, "/refused"), (426, None));
    let seen = upstream.last();
    assert_eq!(
        (seen.method.as_str(), seen.one("upgrade")),
        ("GET", Some("websocket"))
    );
    assert_eq!(seen.one("host"), Some("ws.example"));
}
