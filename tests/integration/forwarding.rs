//! Forwarding: streams, pools, timeouts, limits, and what the upstream is told.

use std::io::{Read, Write};
use std::time::Duration;

use crate::support::{Answer, Client, Proxy, Upstream, json, soak_share, wait_until};
use crate::tls::authority::{Authority, client};

const NO_CHAIN: &str = "detections: []\n";
const WORD: &str =
    "detections:\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n";

#[test]
fn the_upstream_is_told_where_a_request_came_from() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let forged = [
        ("X-Forwarded-For", "9.9.9.9"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=9.9.9.9"),
        ("X-Request-Id", "forged"),
        ("Proxy", "http://evil.example"),
    ];
    proxy.get_with("/", &forged);
    let seen = upstream.last();
    assert_eq!(seen.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.one("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.one("x-forwarded-host"), Some("example.org"));
    assert_eq!(
        seen.one("forwarded"),
        Some("for=127.0.0.1;host=\"example.org\";proto=http")
    );
    assert_eq!(seen.one("via"), Some("1.1 portcullis"));
    assert_eq!(seen.one("x-request-id").map(str::len), Some(36));
    assert_eq!(seen.one("proxy"), None);
}

#[test]
fn a_trusted_proxy_is_continued_and_its_request_id_kept() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        "clients: { trusted_proxies: [127.0.0.1] }\ndetections: []\n",
    );
    proxy.get_with(
        "/",
        &[
            ("X-Forwarded-For", "192.0.2.7"),
            ("X-Request-Id", "theirs"),
            ("X-Forwarded-Proto", "https"),
        ],
    );
    let seen = upstream.last();
    assert_eq!(seen.one("x-forwarded-for"), Some("192.0.2.7, 127.0.0.1"));
    assert_eq!(seen.one("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.one("x-request-id"), Some("theirs"));
}

#[test]
fn of_what_comes_through_a_trusted_proxy_only_what_balancers_write_goes_on() {
    let upstream = Upstream::plain();
    let sent = [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "shop.example"),
        ("X-Forwarded-Port", "443"),
        // What most balancers leave as their client wrote it.
        ("X-Forwarded-Prefix", "/evil"),
        ("X-Forwarded-User", "admin"),
        ("X-Forwarded-Server", "evil"),
        ("X-Forwarded-Scheme", "https"),
        ("X-Forwarded-Ssl", "on"),
        ("X-Forwarded-Client-Cert", "evil"),
    ];
    let forwarded = |clients: &str| {
        let yaml = format!("clients: {{ trusted_proxies: [127.0.0.1]{clients} }}\n{NO_CHAIN}");
        let proxy = Proxy::start(&upstream, &yaml);
        assert_eq!(proxy.get_with("/", &sent).status, 200);
        let headers = upstream.last().headers.into_iter();
        let about_the_way = headers.filter(|(name, _)| name.starts_with("x-forwarded"));
        let mut lines: Vec<_> = about_the_way.map(|(n, v)| format!("{n}: {v}")).collect();
        lines.sort();
        lines
    };
    let expected = |host: &'static str| {
        [
            "x-forwarded-for: 192.0.2.7, 127.0.0.1",
            host,
            "x-forwarded-port: 443",
            "x-forwarded-proto: https",
        ]
    };
    assert_eq!(forwarded(""), expected("x-forwarded-host: shop.example"));
    // A balancer that does not write it leaves it to its clients; then the host that was asked for counts.
    let strict = forwarded(", strip: [X-Forwarded-Host]");
    assert_eq!(strict, expected("x-forwarded-host: example.org"));
    let strict = forwarded(", strip: [X-Forwarded-Host, x-forwarded-port, X-Forwarded-Proto]");
    assert_eq!(
        strict,
        [
            "x-forwarded-for: 192.0.2.7, 127.0.0.1",
            "x-forwarded-host: example.org",
            "x-forwarded-proto: http",
        ]
    );
}

#[test]
fn an_absolute_target_is_forwarded_in_origin_form_with_its_own_host() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let response =
        proxy.raw("GET http://other.example:81/x?y=1 HTTP/1.1\r\nHost: example.org\r\n\r\n");
    assert_eq!(response.status, 200);
    let seen = upstream.last();
    assert_eq!(
        (seen.target.as_str(), seen.one("host")),
        ("/x?y=1", Some("other.example:81"))
    );
}

#[test]
fn old_clients_get_answers_that_they_can_read() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec(),
        )
    });
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    client.send("GET /old HTTP/1.0\r\n\r\n");
    let response = client.response();
    assert_eq!(
        (
            response.status,
            response.body.as_slice(),
            response.header("transfer-encoding")
        ),
        (200, &b"abc"[..], None)
    );
    assert_eq!(
        upstream.last().one("host"),
        Some(upstream.address.to_string().as_str())
    );
}

#[test]
fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "");
    let mut client = proxy.connect();
    for n in 0..50 {
        client.request(
            "POST",
            "/",
            &[("Content-Type", "text/plain")],
            format!("body {n}").as_bytes(),
        );
        assert_eq!(client.response().status, 200);
    }
    // A refusal in between breaks nothing.
    client.request("GET", "/", &[("User-Agent", "sqlmap/1.8")], b"");
    assert_eq!(client.response().status, 403);
    client.request("GET", "/", &[], b"");
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.last().connection, 0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(|request| json("200 OK", &format!("\"{}\"", request.target)));
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(
        [(); 3].map(|()| client.response().text()),
        ["\"/1\"", "\"/2\"", "\"/3\""]
    );
}

#[test]
fn a_closed_pooled_connection_costs_a_request_nothing() {
    let upstream = Upstream::start(|_| {
        Answer::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())
    });
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    for _ in 0..30 {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_cut_answer_is_never_presented_whole() {
    let upstream = Upstream::start(|request| {
        Answer::Close(if request.target == "/chunked" {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec()
        } else {
            b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello".to_vec()
        })
    });
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    for target in ["/chunked", "/length"] {
        let response = proxy.get(target);
        assert!(!response.complete, "{target}");
        assert_eq!(response.text(), "hello");
    }
}

#[test]
fn garbage_from_the_upstream_is_a_502_that_shows_nothing_of_it() {
    for garbage in [
        "not http at all\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "",
    ] {
        let upstream = Upstream::start(move |_| Answer::Close(garbage.as_bytes().to_vec()));
        let proxy = Proxy::start(&upstream, NO_CHAIN);
        let response = proxy.get("/");
        assert_eq!(response.status, 502, "{garbage}");
        assert!(!response.text().contains("http at all"));
        let rule = if garbage.is_empty() {
            "broken"
        } else {
            "malformed_answer"
        };
        assert_eq!(proxy.event(&response.id()).rule.as_deref(), Some(rule));
    }
}

#[test]
fn an_answer_that_pauses_too_long_is_cut() {
    let upstream = Upstream::start(|_| {
        Answer::Drip(
            vec![
                b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec(),
                b"world".to_vec(),
            ],
            Duration::from_secs(5),
        )
    });
    let proxy = Proxy::start(
        &upstream,
        "upstream: { servers: [{ url: 'http://UPSTREAM' }], idle_timeout: 200ms }\ndetections: []\n",
    );
    let response = proxy.get("/");
    assert_eq!(
        (response.status, response.text().as_str(), response.complete),
        (200, "hello", false)
    );
}

#[test]
fn a_slow_answer_streams_as_it_comes() {
    let pieces = vec![
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n".to_vec(),
        b"data: 2\n\n".to_vec(),
    ];
    let upstream = Upstream::start(move |_| Answer::Drip(pieces.clone(), Duration::from_secs(2)));
    let proxy = Proxy::start(&upstream, "");
    let mut client = proxy.connect();
    client.request("GET", "/events", &[], b"");
    assert_eq!(client.head().status, 200);
    // The first event arrives while the second is still to be written.
    let mut seen = Vec::new();
    while !seen.ends_with(b"data: 1\n\n") && !seen.ends_with(b"data: 1\n\n\r\n") {
        let mut byte = [0];
        client.reader().read_exact(&mut byte).unwrap();
        seen.extend_from_slice(&byte);
    }
    assert!(!String::from_utf8_lossy(&seen).contains("data: 2"));
}

#[test]
fn a_body_beyond_its_limit_is_refused_by_its_length_and_by_its_bytes() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("limits: {{ body: 10KiB }}\n{WORD}"));
    let fits = "x".repeat(10 * 1024);
    assert_eq!(proxy.post("/", "text/plain", &fits).status, 200);
    let long = format!("{fits}x");
    let refused = proxy.post("/", "text/plain", &long);
    assert_eq!(
        (refused.status, refused.json()["error"].as_str()),
        (413, Some("Payload Too Large"))
    );
    assert_eq!(
        proxy.event(&refused.id()).rule.as_deref(),
        Some("body_too_large")
    );
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n{:x}\r\n{long}\r\n0\r\n\r\n",
        long.len()
    );
    assert_eq!(proxy.raw(chunked).status, 413);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_large_body_is_judged_on_the_pool_and_forwarded_whole() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, WORD);
    let innocent = format!("{{\"a\":\"{}\"}}", "delicious ".repeat(60_000));
    assert_eq!(proxy.post("/", "application/json", &innocent).status, 200);
    assert_eq!(upstream.last().body, innocent.as_bytes());
    let guilty = format!("{{\"a\":\"{}malicious\"}}", "delicious ".repeat(60_000));
    assert_eq!(proxy.post("/", "application/json", &guilty).status, 403);
}

#[test]
fn a_binary_upload_streams_past_the_chain() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("limits: {{ body: 10KiB, upload: 8MiB }}\n{WORD}"),
    );
    let binary: Vec<u8> = (0..4 << 20)
        .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    assert_eq!(
        proxy.post("/", "application/octet-stream", &binary).status,
        200
    );
    assert_eq!(upstream.last().body, binary);
    let too_long = binary.repeat(3);
    let mut client = proxy.connect();
    client.try_send(format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n", too_long.len()));
    assert_eq!(client.response().status, 413);
    // Without a length it is cut when it is too long: the upstream never sees it end.
    let mut client = proxy.connect();
    client.send("POST /chunked HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in too_long.chunks(1 << 20) {
        if !client.try_send(format!("{:x}\r\n", piece.len()))
            || !client.try_send(piece)
            || !client.try_send("\r\n")
        {
            break;
        }
    }
    wait_until("the upload to be cut", || {
        upstream
            .seen()
            .iter()
            .any(|seen| seen.target == "/chunked" && !seen.complete)
    });
}

#[test]
fn a_client_that_breaks_off_takes_its_request_with_it() {
    let upstream = Upstream::plain();
    for chain in [NO_CHAIN, WORD] {
        let proxy = Proxy::start(&upstream, chain);
        let mut client = proxy.connect();
        client.send("POST /broken HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\nContent-Type: text/plain\r\n\r\nonly this");
        drop(client);
        assert_eq!(proxy.get("/next").status, 200);
        assert!(
            !upstream
                .seen()
                .iter()
                .any(|seen| seen.target == "/broken" && seen.complete)
        );
    }
}

#[test]
fn an_abandoned_request_is_cancelled_at_the_upstream() {
    let upstream = Upstream::start(|request| {
        if request.target == "/hang" {
            Answer::Silence
        } else {
            json("200 OK", "{}")
        }
    });
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    client.request("GET", "/hang", &[], b"");
    wait_until("the request to arrive", || upstream.count() == 1);
    assert_eq!(upstream.abandoned(), 0);
    drop(client);
    wait_until("the upstream's connection to be closed", || {
        upstream.abandoned() == 1
    });
    assert_eq!(proxy.get("/next").status, 200);
}

#[test]
fn expectations_are_met_only_when_the_body_is_wanted() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nUser-Agent: sqlmap\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    let mut first = [0; 12];
    client.reader().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 403");
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nExpect: 100-continue\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n");
    client.reader().read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    let mut rest = [0; 13];
    client.reader().read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b" Continue\r\n\r\n");
    client.send("hello");
    assert_eq!(client.response().status, 200);
    assert_eq!(upstream.last().body, b"hello");
}

#[test]
fn requests_in_flight_are_finished_when_the_proxy_stops() {
    let upstream = Upstream::start(|_| {
        Answer::Late(
            Duration::from_secs(1),
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate".to_vec(),
        )
    });
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let (mut busy, idle) = (proxy.connect(), proxy.connect());
    busy.request("GET", "/", &[], b"");
    wait_until("the request to arrive", || upstream.count() == 1);
    let address = proxy.address;
    let stopping = std::thread::spawn(move || proxy.stop());
    assert_eq!(busy.response().text(), "late");
    stopping.join().unwrap();
    drop(idle);
    assert!(std::net::TcpStream::connect(address).is_err());
}

/// Ten gibibytes up and down, in the clear and encrypted, while the process stays small. The figure is taken from the
/// kernel's account of the process.
#[test]
#[ignore = "soak"]
fn soak_ten_gibibytes_stream_in_constant_memory() {
    let length = (soak_share() * 10.0 * f64::from(1 << 30)) as usize;
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    authority.issue_into(folder.path(), "site", &["site.example"]);
    stream_through(length, NO_CHAIN, |proxy| Client::connect(proxy.address));
    let yaml = format!("{}{NO_CHAIN}", crate::tls::listening(folder.path(), ""));
    let config = authority.client(None, rustls::ALL_VERSIONS, &[b"http/1.1"]);
    stream_through(length, &yaml, |proxy| {
        client(proxy.address, "site.example", &config)
    });
}

#[expect(
    clippy::print_stdout,
    reason = "the figure is for whoever runs the long test"
)]
fn stream_through(length: usize, yaml: &str, connect: impl Fn(&Proxy) -> Client) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = vec![0; 1 << 16];
        let mut head = Vec::new();
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            let read = stream.read(&mut buffer).unwrap();
            head.extend_from_slice(&buffer[..read]);
        }
        let at = head
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap()
            + 4;
        let mut received = head.len() - at;
        while received < length {
            received += stream.read(&mut buffer).unwrap();
        }
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").as_bytes())
            .unwrap();
        let mut left = length;
        while left > 0 {
            let piece = left.min(buffer.len());
            stream.write_all(&buffer[..piece]).unwrap();
            left -= piece;
        }
    });
    let proxy = Proxy::start_with(address, yaml, portcullis::engine::Registry::default());
    let before = most_resident();
    let mut client = connect(&proxy);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
    ));
    let piece = vec![7; 1 << 16];
    let mut left = length;
    while left > 0 {
        let now = left.min(piece.len());
        client.send(&piece[..now]);
        left -= now;
    }
    let response = client.head();
    assert_eq!(
        response.header("content-length"),
        Some(length.to_string().as_str())
    );
    let mut buffer = vec![0; 1 << 16];
    let mut received = 0;
    while received < length {
        received += client.reader().read(&mut buffer).unwrap();
    }
    let grown = most_resident().saturating_sub(before);
    println!(
        "{length} bytes up and down: {} KiB more than before",
        grown / 1024
    );
    assert!(grown < 16 << 20, "{grown}");
    server.join().unwrap();
}

/// The most memory that this process was resident with so far, in bytes: what came and went meanwhile counts.
fn most_resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kibibytes: usize = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    kibibytes * 1024
}

#[test]
fn an_upstream_that_takes_no_more_of_an_upload_is_silent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let yaml = format!(
        "upstream: {{ servers: [{{ url: 'http://{address}' }}], first_byte_timeout: 300ms }}\n{NO_CHAIN}"
    );
    let proxy = Proxy::start_with(address, &yaml, portcullis::engine::Registry::default());
    let mut client = proxy.connect();
    let length = 64 << 20;
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n"
    ));
    let piece = vec![7; 1 << 16];
    // It is accepted, and never read from.
    let (_kept, _) = listener.accept().unwrap();
    for _ in 0..length / piece.len() {
        if !client.try_send(&piece) {
            break;
        }
    }
    wait_until("the event", || {
        proxy
            .events()
            .iter()
            .any(|event| event.rule.as_deref() == Some("silent"))
    });
}

#[test]
fn only_a_form_that_is_one_may_be_longer_than_what_is_judged() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("limits: {{ body: 4KiB }}\n{WORD}"));
    let json = format!("{{\"a\":\"{}\"}}", "x".repeat(8 << 10));
    let kind = "multipart/form-data; boundary=b";
    assert_eq!(proxy.post("/", "application/json", &json).status, 413);
    assert_eq!(proxy.post("/", kind, &json).status, 413);
    let field =
        |text: &str| format!("--b\r\nContent-Disposition: form-data; name=\"f\"\r\n\r\n{text}\r\n");
    let fields = field(&"x".repeat(3 << 10)).repeat(5);
    assert_eq!(
        proxy.post("/", kind, format!("{fields}--b--\r\n")).status,
        200
    );
    let form = format!("{}--b--\r\n", field(&json));
    assert_eq!(proxy.post("/", kind, form).status, 413);
}

#[test]
fn a_client_that_goes_away_leaves_a_line_in_the_access_log() {
    let upstream = Upstream::start(|_| Answer::Silence);
    let proxy = Proxy::start(
        &upstream,
        &format!("events: {{ log: log.jsonl, access_log: true }}\n{NO_CHAIN}"),
    );
    let mut client = proxy.connect();
    client.request("GET", "/abandoned", &[], b"");
    wait_until("the request to arrive", || upstream.count() == 1);
    drop(client);
    let log = proxy.path().with_file_name("log.jsonl");
    wait_until("the line", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines()
            .any(|line| line.contains("/abandoned") && line.contains("\"status\":null"))
    });
}

#[test]
fn a_refusal_is_not_lost_because_an_upgrade_was_asked_for() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    for upgrade in ["", "Connection: Upgrade\r\nUpgrade: h2c\r\n"] {
        let mut client = proxy.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: h\r\n{upgrade}\r\n"));
        assert_eq!(client.response().status, 200);
        client.send("PRI * HTTP/2.0\r\n\r\n");
        // A connection that is closed with something unread is reset, and the refusal would be lost with it.
        std::thread::sleep(Duration::from_millis(100));
        client.send("SM\r\n\r\n");
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(client.response().status, 400, "{upgrade}");
        let mut rest = Vec::new();
        assert!(client.reader().read_to_end(&mut rest).is_ok(), "{upgrade}");
    }
}
