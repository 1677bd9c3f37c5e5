//! The PROXY protocol over real sockets: who may speak it, what it changes, and how what is no header ends.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::support::{Client, PATIENCE, Proxy, Upstream, wait_until};

const GET: &str = "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n";

/// One request in five minutes for each client, so that a second one tells who it was.
const ONE: &str =
    "detections:\n  - rate_limit: { limits: [{ name: one, key: client, limit: 1, per: 5m }] }\n";

/// A proxy whose listener takes headers from these blocks.
fn start(upstream: &Upstream, from: &str, rest: &str) -> Proxy {
    let listen =
        format!("listen: [{{ address: 127.0.0.1:0, proxy_protocol: {{ from: [{from}] }} }}]\n");
    Proxy::start(upstream, &format!("{listen}{rest}"))
}

/// A header of version 2 for an IPv4 client.
fn v2(command: u8, source: [u8; 4], tlvs: &[u8]) -> Vec<u8> {
    let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    bytes.extend([command, 0x11]);
    bytes.extend(u16::try_from(12 + tlvs.len()).unwrap().to_be_bytes());
    bytes.extend(source);
    bytes.extend([127, 0, 0, 1, 1, 1, 2, 2]);
    bytes.extend(tlvs);
    bytes
}

/// Whatever comes until the other side closes.
fn rest_of(stream: &mut TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => {}
        // A close that leaves bytes unread is a reset.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    rest
}

fn events(proxy: &Proxy, rule: &str) -> usize {
    let events = proxy.events();
    let told = events
        .iter()
        .filter(|event| event.rule.as_deref() == Some(rule));
    told.count()
}

#[test]
fn the_address_of_a_header_is_the_peer_for_everything() {
    let upstream = Upstream::plain();
    let proxy = start(&upstream, "127.0.0.0/8", ONE);
    let headers: [(Vec<u8>, &str); 5] = [
        (
            b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n".to_vec(),
            "192.0.2.1",
        ),
        (
            b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n".to_vec(),
            "2001:db8::1",
        ),
        (v2(0x21, [192, 0, 2, 2], &[]), "192.0.2.2"),
        (
            v2(0x21, [192, 0, 2, 3], &[4, 0, 200].repeat(300)),
            "192.0.2.3",
        ),
        (b"PROXY UNKNOWN ::1 ::1 1 2\r\n".to_vec(), "127.0.0.1"),
    ];
    for (header, client) in &headers {
        let mut connection = proxy.connect();
        // What a client says of itself changes nothing, since it is no trusted proxy.
        let forged = "X-Forwarded-For: 203.0.113.9\r\n\r\n";
        let request = GET.replace("\r\n\r\n", &format!("\r\n{forged}"));
        connection.send([header, request.as_bytes()].concat());
        assert_eq!(connection.response().status, 200, "{client}");
        assert_eq!(upstream.last().one("x-forwarded-for"), Some(*client));
        // The connection stays that of its client, who has used up its only request.
        connection.send(GET);
        let refused = connection.response();
        assert_eq!(refused.status, 403, "{client}");
        let told = proxy.event(&refused.id()).client.clone().unwrap();
        assert_eq!([told.ip, told.peer].map(|ip| ip.to_string()), [*client; 2]);
    }
    // The same client by another version of the protocol, and mapped into IPv6, is no other client.
    for again in [
        v2(0x21, [192, 0, 2, 1], &[]),
        b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n".to_vec(),
        v2(0x20, [203, 0, 113, 1], &[]),
    ] {
        assert_eq!(proxy.raw([&again, GET.as_bytes()].concat()).status, 403);
    }
    assert_eq!(upstream.count(), headers.len());
}

#[test]
fn a_header_may_come_byte_by_byte_and_takes_nothing_of_the_request() {
    let upstream = Upstream::plain();
    let proxy = start(&upstream, "127.0.0.1", "detections: []\n");
    for header in [
        b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n".to_vec(),
        v2(0x21, [192, 0, 2, 1], &[4, 0, 1, 0]),
    ] {
        let mut connection = proxy.connect();
        for byte in [&header, GET.as_bytes()].concat() {
            connection.send([byte]);
        }
        assert_eq!(connection.response().status, 200);
        let seen = upstream.last();
        assert_eq!(seen.method, "GET");
        assert_eq!(seen.one("x-forwarded-for"), Some("192.0.2.1"));
    }
}

#[test]
fn the_named_peer_decides_whether_its_headers_are_believed() {
    let upstream = Upstream::plain();
    let yaml = "clients: { trusted_proxies: [10.0.0.0/8] }\ndetections: []\n";
    let proxy = start(&upstream, "127.0.0.1", yaml);
    for (peer, told) in [
        ("10.1.1.1", "192.0.2.7, 10.1.1.1"),
        ("192.0.2.1", "192.0.2.1"),
    ] {
        let request = GET.replace("\r\n\r\n", "\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n");
        let header = format!("PROXY TCP4 {peer} 127.0.0.1 1 2\r\n");
        assert_eq!(proxy.raw(format!("{header}{request}")).status, 200);
        assert_eq!(upstream.last().one("x-forwarded-for"), Some(told));
    }
}

#[test]
fn a_listed_peer_without_a_well_formed_header_is_cut_off_with_an_event_and_no_answer() {
    let upstream = Upstream::plain();
    let proxy = start(&upstream, "127.0.0.1", "detections: []\n");
    let bad: [Vec<u8>; 9] = [
        GET.into(),
        b"PROXY TCP4 192.0.2.1 127.0.0.1 1 +2\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\n".to_vec(),
        b"PROXY UNKNOWN\nGET / HTTP/1.1\r\n".to_vec(),
        [b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(),
        v2(0x22, [192, 0, 2, 1], &[]),
        v2(0x21, [192, 0, 2, 1], &[0; 5000]),
        b"\r\n\r\nGET / HTTP/1.1\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
    ];
    for (number, bytes) in (1..).zip(&bad) {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        let _ = stream.write_all(&[bytes, GET.as_bytes()].concat());
        assert_eq!(rest_of(&mut stream), b"", "{}", bytes.escape_ascii());
        wait_until("its event", || events(&proxy, "proxy_protocol") == number);
    }
    // Cut within a header.
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream.write_all(b"PROXY TCP4 192.").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest_of(&mut stream), b"");
    wait_until("its event", || {
        events(&proxy, "proxy_protocol") == bad.len() + 1
    });
    // Who connects and says nothing is a health check.
    drop(TcpStream::connect(proxy.address).unwrap());
    let good = format!("PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n{GET}");
    assert_eq!(proxy.raw(good).status, 200);
    assert_eq!(events(&proxy, "proxy_protocol"), bad.len() + 1);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_header_has_to_come_in_time() {
    let upstream = Upstream::plain();
    let yaml = "limits: { header_time: 300ms }\ndetections: []\n";
    let proxy = start(&upstream, "127.0.0.1", yaml);
    for beginning in ["", "PROXY TCP4 192.0.2.1 "] {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        assert_eq!(rest_of(&mut stream), b"");
    }
    wait_until("its event", || events(&proxy, "proxy_protocol") == 1);
    let event = proxy.events();
    let event = event
        .iter()
        .find(|event| event.rule.as_deref() == Some("proxy_protocol"));
    let evidence = format!("{:?}", event.unwrap().evidence);
    assert!(evidence.contains("limits.header_time"), "{evidence}");
    // A drip of bytes, each in time, does not make it longer.
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    let dripped = b"PROXY UNKNOWN "
        .iter()
        .chain(std::iter::repeat(&b'x'))
        .take(90)
        .take_while(|byte| {
            std::thread::sleep(Duration::from_millis(60));
            stream.write_all(&[**byte]).is_ok()
        });
    assert!(dripped.count() < 90);
}

#[test]
fn peers_that_are_not_listed_must_not_send_a_header() {
    let upstream = Upstream::plain();
    let proxy = start(&upstream, "192.0.2.0/24", "detections: []\n");
    let headers: [Vec<u8>; 4] = [
        b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n".to_vec(),
        b"PROXY UNKNOWN HTTP/1.1\r\nHost: example.org\r\n\r\n".to_vec(),
        v2(0x21, [192, 0, 2, 1], &[]),
        v2(0x20, [192, 0, 2, 1], &[]),
    ];
    for (number, header) in (1..).zip(&headers) {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        let _ = stream.write_all(&[header, GET.as_bytes()].concat());
        assert_eq!(rest_of(&mut stream), b"", "{}", header.escape_ascii());
        let unlisted = || events(&proxy, "proxy_protocol_unlisted") == number;
        wait_until("its event", unlisted);
    }
    // In two pieces, cut within the signature: then its beginning may be answered, as the bad request that it is.
    for header in &headers {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&header[..4]).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let _ = stream.write_all(&[&header[4..], GET.as_bytes()].concat());
        let answer = rest_of(&mut stream);
        let is_refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 ");
        assert!(is_refused, "{}", header.escape_ascii());
    }
    assert_eq!(upstream.count(), 0);
    // They are served like anybody, also with words that look alike.
    for method in ["GET", "PROXYS", "PROPFIND", "P"] {
        let mut client = proxy.connect();
        client.request(method, "/", &[], b"");
        assert_eq!(client.response().status, 200, "{method}");
    }
    let mut client = proxy.connect();
    client.send("\r\n");
    client.send(GET);
    assert_eq!(client.response().status, 200);
}

#[test]
fn without_the_key_a_header_is_no_request() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: []\n");
    for header in [
        b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n".to_vec(),
        v2(0x21, [192, 0, 2, 1], &[]),
    ] {
        let bytes = [&header, GET.as_bytes()].concat();
        assert_eq!(proxy.raw(bytes).status, 400);
    }
    assert_eq!(upstream.count(), 0);
}

#[test]
fn connections_that_wait_for_a_header_do_not_delay_the_end() {
    let upstream = Upstream::plain();
    let proxy = start(&upstream, "127.0.0.1", "limits: { header_time: 5m }\n");
    let waiting: Vec<Client> = (0..3).map(|_| proxy.connect()).collect();
    let begun = std::time::Instant::now();
    proxy.stop();
    assert!(begun.elapsed() < PATIENCE);
    drop(waiting);
}

/// A client that others wrote, where it is there and knows the protocol.
#[test]
fn curl_speaks_it() {
    let upstream = Upstream::plain();
    let proxy = start(&upstream, "127.0.0.1", "detections: []\n");
    let url = format!("http://{}/", proxy.address);
    let curl = |options: &[&str]| {
        std::process::Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--max-time",
                "20",
                "--noproxy",
                "*",
            ])
            .args(options)
            .arg(&url)
            .output()
    };
    let Ok(answer) = curl(&["--haproxy-protocol"]) else {
        eprintln!("There is no curl; nothing was tested.");
        return;
    };
    assert!(answer.status.success(), "{answer:?}");
    assert!(String::from_utf8_lossy(&answer.stdout).contains("successfully"));
    assert_eq!(upstream.last().one("x-forwarded-for"), Some("127.0.0.1"));
    assert!(!curl(&[]).unwrap().status.success());
    assert_eq!(upstream.count(), 1);
}
