//! How much memory a client can make the program use. Measured on the program itself, in a process of its own, by the
//! kernel's account of it.

use std::io::{Read, Write};

use crate::process::Program;
use crate::support::{Client, Upstream, json, wait_until};
use crate::tls::authority::{Authority, shake};

/// How many connections do the same, so that what they have in common weighs little.
const MANY: usize = 2_000;

/// A field of the kernel's account of a process, in KiB.
fn account(program: &Program, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    let number = line.split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}

/// The memory that the program uses now, once two looks agree.
fn resident(program: &Program) -> u64 {
    let mut before = 0;
    wait_until("the memory to settle", || {
        std::thread::sleep(std::time::Duration::from_millis(300));
        let now = account(program, "VmRSS:");
        std::mem::replace(&mut before, now) == now
    });
    before
}

/// Lets each of many connections do something and then idle; returns bytes for each.
fn idle_after(upstream: &Upstream, act: impl Fn(&mut Client)) -> u64 {
    let yaml = "events: { log: none }\nlimits: { client_connections: 10000, header_time: 1h, idle_time: 1h }\n\
                detections: [{ user_agent: {} }, { malicious_payload: {} }]\n";
    let program = Program::start(upstream, yaml);
    let open = |number| {
        let connected = |_| {
            let mut client = Client::connect(program.address());
            act(&mut client);
            client
        };
        (0..number).map(connected).collect::<Vec<Client>>()
    };
    // What the first ones bring into memory is the program, and no connection's.
    let first = open(MANY / 4);
    let before = resident(&program);
    let clients = open(MANY);
    let grown = resident(&program).saturating_sub(before);
    drop((first, clients));
    grown * 1024 / MANY as u64
}

#[test]
fn an_idle_connection_costs_at_most_16_kib() {
    let upstream = Upstream::plain();
    let ask = |client: &mut Client| {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    };
    let long = "x".repeat(30_000);
    let text = "x".repeat(1 << 20);
    let idle = [
        ("nothing", idle_after(&upstream, |_| {})),
        ("a request", idle_after(&upstream, ask)),
        (
            "a long head",
            idle_after(&upstream, |client| {
                client.request("GET", "/", &[("X-Long", &long)], b"");
                assert_eq!(client.response().status, 200);
            }),
        ),
        (
            "a long body",
            idle_after(&upstream, |client| {
                let headers = [("Content-Type", "application/octet-stream")];
                client.request(
                    "POST",
                    "/",
                    &headers,
                    &[&[0; 100], text.as_bytes()].concat(),
                );
                assert_eq!(client.response().status, 200);
            }),
        ),
    ];
    println!("bytes of an idle connection after {idle:?}");
    assert!(
        idle.iter().all(|(_, bytes)| *bytes <= 16 * 1024),
        "{idle:?}"
    );
}

#[test]
fn an_idle_encrypted_connection_costs_at_most_48_kib() {
    let (upstream, authority) = (Upstream::plain(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    authority.issue_into(folder.path(), "site", &["site.example"]);
    let path = folder.path().display();
    let tls = format!(
        "tls: {{ certificates: [{{ certificate: {path}/site.pem, key: {path}/site.key }}] }}"
    );
    let more = "events: { log: none }\nlimits: { client_connections: 10000, header_time: 1h, idle_time: 1h }\n\
                detections: [{ user_agent: {} }, { malicious_payload: {} }]\n";
    for (protocol, many) in [(&b"http/1.1"[..], 1000), (b"h2", 500)] {
        // Each has a program of its own: what one leaves behind is not what the other costs.
        let program = Program::start_listening(&upstream, &tls, more);
        let config = authority.client(None, rustls::ALL_VERSIONS, &[protocol]);
        let open = |number| {
            let connected = |_| {
                let mut stream = shake(program.address(), "site.example", &config).unwrap();
                // The first request leaves behind what it needed.
                let ask: &[u8] = if protocol == b"h2" {
                    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"
                } else {
                    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
                };
                stream.write_all(ask).unwrap();
                let _ = stream.read(&mut [0; 512]).unwrap();
                stream
            };
            (0..number).map(connected).collect::<Vec<_>>()
        };
        let first = open(many / 4);
        let before = resident(&program);
        let clients = open(many);
        let each = resident(&program).saturating_sub(before) * 1024 / many;
        println!(
            "{each} bytes of an idle encrypted connection, {}",
            String::from_utf8_lossy(protocol)
        );
        assert!(each <= 48 * 1024, "{each}");
        drop((first, clients));
    }
}

#[test]
fn an_answer_that_nobody_reads_costs_at_most_512_kib() {
    let body = "x".repeat(32 << 20);
    let upstream = Upstream::start(move |_| json("200 OK", &body));
    let yaml = "events: { log: none }\nlimits: { write_time: 1h }\ndetections: []\n";
    let program = Program::start(&upstream, yaml);
    let ask = || {
        let mut client = Client::connect(program.address());
        client.request("GET", "/", &[], b"");
        assert_eq!(client.head().status, 200);
        client
    };
    drop(ask());
    let before = resident(&program);
    let many = 20;
    let clients: Vec<Client> = (0..many).map(|_| ask()).collect();
    let each = resident(&program).saturating_sub(before) / many;
    println!("an unread answer: {each} KiB each");
    assert!(each <= 512, "{each} KiB");
    drop(clients);
}

#[test]
fn an_endless_upload_costs_at_most_16_mib_until_it_is_cut() {
    let upstream = Upstream::plain();
    let yaml = "events: { log: none }\nlimits: { upload: 40MiB }\ndetections: [{ malicious_payload: {} }]\n";
    for (content_type, byte) in [
        ("text/plain", b'x'),
        ("application/json", b'['),
        ("application/x-www-form-urlencoded", b'&'),
        ("application/octet-stream", 0),
        ("multipart/form-data; boundary=b", b'-'),
    ] {
        let program = Program::start(&upstream, yaml);
        assert_eq!(program.get("/"), 200);
        let before = account(&program, "VmHWM:");
        let mut client = Client::connect(program.address());
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        let chunk = [b"10000\r\n", vec![byte; 0x10000].as_slice(), b"\r\n"].concat();
        let mut sent = 0;
        while client.try_send(&chunk) {
            sent += 64;
            assert!(sent < 1 << 20, "a gibibyte was taken");
        }
        let grown = account(&program, "VmHWM:").saturating_sub(before);
        println!("an endless {content_type}: cut after {sent} KiB, {grown} KiB more at the peak");
        assert!(grown <= 16 * 1024, "{content_type}: {grown} KiB");
    }
}
