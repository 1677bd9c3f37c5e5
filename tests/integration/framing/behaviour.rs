//! What takes limits, time, or more than one exchange to show.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::event::Event;

use super::{JUDGED, STREAMING, assert_ended};
use crate::support::{Answer, Client, Proxy, Upstream, json, wait_until};

fn rules(proxy: &Proxy) -> Vec<String> {
    let rule = |event: &Arc<Event>| event.rule.clone();
    proxy.events().iter().filter_map(rule).collect()
}

/// An upstream that answers when it is told to, and at once for `/free`.
fn gated() -> (Upstream, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let upstream = Upstream::start(move |request| {
        if request.target != "/free" {
            wait_until("the gate to open", || gate.load(Ordering::SeqCst));
        }
        json("200 OK", &format!("\"{}\"", request.target))
    });
    (upstream, open)
}

#[test]
fn heads_beyond_their_limits_are_refused_as_soon_as_they_are() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("limits: {{ head: 8KiB, headers: 10 }}\n{STREAMING}"),
    );
    let head = |lines: &str| format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    let fits = "A: b\r\n".repeat(9);
    assert_eq!(proxy.raw(head(&fits)).status, 200);
    let exactly = 8192 - head("A: \r\n").len();
    assert_eq!(
        proxy
            .raw(head(&format!("A: {}\r\n", "b".repeat(exactly))))
            .status,
        200
    );
    let endless = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}", "b".repeat(9000));
    let first = format!("GET /{}", "b".repeat(9000));
    for (what, bytes, rule) in [
        (
            "a line too many",
            head(&format!("{fits}A: b\r\n")),
            "too_many_headers",
        ),
        (
            "a line too many, and no end",
            format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(11)),
            "too_many_headers",
        ),
        (
            "a byte too many",
            head(&format!("A: {}\r\n", "b".repeat(exactly + 1))),
            "head_too_large",
        ),
        ("a line without an end", endless, "head_too_large"),
        ("a first line without an end", first, "head_too_large"),
    ] {
        let mut client = proxy.connect();
        client.send(&bytes);
        let response = client.response();
        assert_eq!(response.status, 431, "{what}");
        assert_eq!(
            proxy.event(&response.id()).rule.as_deref(),
            Some(rule),
            "{what}"
        );
        assert_ended(&mut client, what);
    }
    assert_eq!(upstream.count(), 2);
}

#[test]
fn a_target_is_not_longer_than_a_url_may_be() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("limits: {{ head: 128KiB, uri: 63KiB }}\n{STREAMING}"),
    );
    for (length, status) in [(64_000, 200), (64_512, 200), (64_513, 414), (100_000, 414)] {
        let target = format!("/{}", "a".repeat(length - 1));
        let response = proxy.raw(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(response.status, status, "{length}");
        if status == 414 {
            assert_eq!(
                proxy.event(&response.id()).rule.as_deref(),
                Some("target_too_long")
            );
        }
    }
    // A name is bounded as well; what is longer is none.
    for (length, status) in [(256, 200), (257, 400), (70_000, 400)] {
        let name = "a".repeat(length);
        let response = proxy.raw(format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: b\r\n\r\n"));
        assert_eq!(response.status, status, "{length}");
    }
}

#[test]
fn trailers_are_bounded_like_heads() {
    let upstream = Upstream::plain();
    for chain in [STREAMING, JUDGED] {
        let proxy = Proxy::start(
            &upstream,
            &format!("limits: {{ head: 8KiB, headers: 10 }}\n{chain}"),
        );
        let chunked = |trailers: &str| {
            format!(
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailers}"
            )
        };
        let complete = || upstream.seen().iter().filter(|seen| seen.complete).count();
        let before = complete();
        assert_eq!(
            proxy
                .raw(chunked(&format!("{}\r\n", "A: b\r\n".repeat(10))))
                .status,
            200
        );
        assert_eq!(
            proxy
                .raw(chunked(&format!("A: {}\r\n\r\n", "b".repeat(8000))))
                .status,
            200
        );
        for trailers in [
            "A: b\r\n".repeat(11),
            format!("A: {}\r\n\r\n", "b".repeat(9000)),
            format!("A: {}", "b".repeat(9000)),
            format!("A: {}\r\n", "b".repeat(3000)).repeat(4),
        ] {
            let response = proxy.raw(chunked(&trailers));
            assert_eq!(response.status, 400, "{}", response.text());
            let event = proxy.event(&response.id());
            assert_eq!(event.rule.as_deref(), Some("trailers_too_large"));
            assert_eq!(event.place.as_deref(), Some("body"));
        }
        assert_eq!(complete(), before + 2);
    }
}

#[test]
fn a_head_that_does_not_come_in_time_is_answered_and_an_idle_connection_is_not() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("limits: {{ header_time: 400ms, idle_time: 400ms }}\n{STREAMING}"),
    );
    for begin in [
        "G",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nA: b\r",
    ] {
        let mut client = proxy.connect();
        client.send(begin);
        let response = client.response();
        assert_eq!(response.status, 408, "{begin:?}");
        let event = proxy.event(&response.id());
        assert_eq!(event.rule.as_deref(), Some("header_time"));
        assert_eq!(
            event
                .evidence
                .as_ref()
                .map(|evidence| evidence.text.clone()),
            Some(format!("{} bytes of a head", begin.len()))
        );
        assert_ended(&mut client, begin);
    }
    let told = proxy.events().len();
    let (mut fresh, mut used) = (proxy.connect(), proxy.connect());
    used.request("GET", "/", &[], b"");
    assert_eq!(used.response().status, 200);
    assert_ended(&mut fresh, "a connection that was never used");
    assert_ended(&mut used, "a connection that was used");
    assert_eq!(proxy.events().len(), told);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn sending_slowly_gains_no_time() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("limits: {{ header_time: 500ms }}\n{STREAMING}"),
    );
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    // Each line comes well within the time; all together they do not.
    let mut lines = 0;
    while lines < 200 && client.try_send("A: b\r\n") && rules(&proxy).is_empty() {
        lines += 1;
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(client.response().status, 408);
    assert!(lines < 100, "{lines} lines");
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a_client_that_ends_within_a_head_is_told_so() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, STREAMING);
    let mut stream = TcpStream::connect(proxy.address).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Le")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut client = Client::from_stream(stream);
    let response = client.response();
    assert_eq!(response.status, 400);
    assert_eq!(
        proxy.event(&response.id()).rule.as_deref(),
        Some("head_cut")
    );
    // One that ends between two requests is not.
    let told = proxy.events().len();
    let mut client = proxy.connect();
    client.request("GET", "/", &[], b"");
    assert_eq!(client.response().status, 200);
    drop(client);
    drop(proxy.connect());
    assert_eq!(proxy.get("/").status, 200);
    assert_eq!(proxy.events().len(), told);
}

#[test]
fn a_body_never_becomes_a_request_after_an_early_answer() {
    let upstream = Upstream::plain();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n".repeat(20);
    let length = smuggled.len();
    let many = "limits: { header_time: 1s, idle_time: 1s, body: 512B, headers: 20 }\ndetections:\n  - user_agent: { missing: block }\n  - rate_limit: { status: 429, limits: [{ name: one, key: client, limit: 1, per: 1h, path: /limited }] }\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n";
    for (what, head, status) in [
        ("denied", "POST / HTTP/1.1\r\nHost: a\r\n", 403),
        (
            "too large",
            "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nContent-Type: text/plain\r\n",
            413,
        ),
        (
            "limited",
            "POST /limited HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n",
            429,
        ),
        (
            "malformed",
            "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nA : b\r\n",
            400,
        ),
        (
            "encoded",
            "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\nContent-Encoding: compress\r\n",
            415,
        ),
    ] {
        for is_chunked in [false, true] {
            let proxy = Proxy::start(&upstream, many);
            if status == 429 {
                assert_eq!(proxy.get("/limited").status, 200);
            }
            let before = upstream.count();
            let body = if is_chunked {
                format!("Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{smuggled}\r\n0\r\n\r\n")
            } else {
                format!("Content-Length: {length}\r\n\r\n{smuggled}")
            };
            // All at once, and the body after the answer.
            for is_late in [false, true] {
                let mut client = proxy.connect();
                let whole =
                    format!("{head}{body}GET /after HTTP/1.1\r\nHost: a\r\nUser-Agent: x\r\n\r\n");
                let cut = if is_late {
                    whole.find("\r\n\r\n").unwrap() + 4
                } else {
                    whole.len()
                };
                client.send(&whole[..cut]);
                // That it is too long is seen by the body.
                let response = if status == 413 {
                    client.try_send(&whole[cut..]);
                    client.response()
                } else {
                    let response = client.response();
                    client.try_send(&whole[cut..]);
                    response
                };
                assert_eq!(response.status, status, "{what}: {}", response.text());
                let mut rest = Vec::new();
                let _ = client.reader().read_to_end(&mut rest);
                // What comes after is the next request or nothing.
                let rest = String::from_utf8_lossy(&rest);
                assert!(rest.matches("HTTP/1.1 ").count() <= 1, "{what}: {rest}");
            }
            let targets: Vec<_> = upstream.seen()[before..]
                .iter()
                .map(|seen| seen.target.clone())
                .collect();
            assert!(
                targets.iter().all(|target| target == "/after"),
                "{what}: {targets:?}"
            );
        }
    }
}

#[test]
fn an_answer_is_read_by_a_client_that_is_still_sending() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, STREAMING);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n");
    // Far more than the kernel keeps for a reader that does not read.
    let piece = vec![b'x'; 1 << 16];
    for _ in 0..64 {
        if !client.try_send(&piece) {
            break;
        }
    }
    assert_eq!(client.response().status, 400);
}

#[test]
fn requests_that_are_sent_ahead_wait_for_their_turn() {
    let (upstream, open) = gated();
    let proxy = Proxy::start(&upstream, STREAMING);
    let mut client = proxy.connect();
    client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabGET /3 HTTP/1.1\r\nHo");
    wait_until("the first to arrive", || upstream.count() == 1);
    client.send("st: a\r\n\r\nGET /4 HTTP/1.1\nHost: a\r\n\r\n");
    assert_eq!(proxy.get("/free").status, 200);
    assert_eq!(upstream.count(), 2);
    assert!(proxy.events().is_empty());
    open.store(true, Ordering::SeqCst);
    let answers = [(); 3].map(|()| client.response().text());
    assert_eq!(answers, ["\"/1\"", "\"/2\"", "\"/3\""]);
    assert_eq!(client.response().status, 400);
    assert_ended(&mut client, "the fourth");
    assert_eq!(rules(&proxy), ["bare_lf"]);
}

#[test]
fn more_than_is_kept_may_be_sent_ahead() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, STREAMING);
    let stream = TcpStream::connect(proxy.address).unwrap();
    let mut client = Client::from_stream(stream.try_clone().unwrap());
    let count = 4000;
    let sending = std::thread::spawn(move || {
        let mut stream = stream;
        let request = format!(
            "GET /ahead HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
            "b".repeat(100)
        );
        stream.write_all(request.repeat(count).as_bytes()).unwrap();
    });
    for _ in 0..count {
        assert_eq!(client.response().status, 200);
    }
    sending.join().unwrap();
    assert_eq!(upstream.count(), count);
}

#[test]
fn a_client_that_goes_is_noticed_behind_what_it_sent_ahead() {
    let upstream = Upstream::start(|_| Answer::Silence);
    let proxy = Proxy::start(&upstream, STREAMING);
    let mut client = proxy.connect();
    client.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\nGET /never HTTP/1.1\r\nHost: a\r\n\r\nPOST /never HTTP/1.1\r\n");
    wait_until("the request to arrive", || upstream.count() == 1);
    assert_eq!(upstream.abandoned(), 0);
    drop(client);
    wait_until("the request to be cancelled", || upstream.abandoned() == 1);
    assert_eq!(upstream.count(), 1);
}

#[test]
fn a_body_that_breaks_its_framing_never_arrives_whole() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, STREAMING);
    let mut client = proxy.connect();
    client
        .send("POST /broken HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    // The upstream has a part of it, or will have: nothing of the rest comes after it.
    client.send("4\r\ndefXX\r\n0\r\n\r\n");
    let response = client.response();
    assert_eq!(response.status, 400);
    let event = proxy.event(&response.id());
    assert_eq!(event.rule.as_deref(), Some("chunk_end"));
    assert_eq!(event.place.as_deref(), Some("body"));
    assert_ended(&mut client, "a chunk too long");
    assert_eq!(proxy.get("/next").status, 200);
    assert!(
        !upstream
            .seen()
            .iter()
            .any(|seen| seen.target == "/broken" && seen.complete)
    );
}

#[test]
fn a_body_that_breaks_after_its_answer_is_told_and_closes() {
    // An upstream that answers before it has the body, and never reads on.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = [0; 4096];
        let _ = stream.read(&mut bytes);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .unwrap();
        while !matches!(stream.read(&mut bytes), Ok(0) | Err(_)) {}
    });
    let proxy = Proxy::start_with(address, STREAMING, portcullis::engine::Registry::default());
    let mut client = proxy.connect();
    client
        .send("POST /early HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_eq!(client.response().status, 200);
    client.try_send("zz\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut rest = Vec::new();
    let _ = client.reader().read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    wait_until("the end to be told", || rules(&proxy) == ["chunk_size"]);
}

#[test]
fn a_refusal_is_in_the_access_log_by_what_was_sent() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("events: {{ log: log.jsonl, access_log: true }}\n{STREAMING}"),
    );
    let refused = proxy.raw("DELETE /orders/7?a=b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    assert_eq!(refused.status, 400);
    let event = proxy.event(&refused.id());
    assert_eq!(
        (event.method.as_deref(), event.path.as_deref()),
        (Some("DELETE"), Some("/orders/7"))
    );
    assert_eq!(
        event
            .evidence
            .as_ref()
            .map(|evidence| evidence.text.as_str()),
        Some("Host: b")
    );
    let log = proxy.path().with_file_name("log.jsonl");
    wait_until("the line", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.lines()
            .any(|line| line.contains("\"DELETE\"") && line.contains("\"status\":400"))
    });
}

#[test]
fn the_rest_of_a_body_that_is_longer_than_announced_is_told_to_nobody() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("events: {{ log: log.jsonl, access_log: true }}\n{STREAMING}"),
    );
    for rest in [
        "word=hunter2 and more x\r\n",
        "{\"pw\": \"hunter2\"}",
        "hunter2 /hunter2 hunter2\r\n",
        "HUNTER2 /hunter2 is it\r\n",
        "word=hunter2\nand more",
        "word=hunter2GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = proxy.connect();
        client.send(format!(
            "POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc{rest}"
        ));
        assert_eq!(client.response().status, 200, "{rest:?}");
        let refused = client.response();
        assert_eq!(refused.status, 400, "{rest:?}");
        let event = proxy.event(&refused.id());
        let evidence = &event.evidence.as_ref().unwrap().text;
        assert!(evidence.contains(" bytes, the first 0x"), "{evidence}");
        let told = format!("{event:?}{}", refused.text()).to_lowercase();
        assert!(!told.contains("hunter2"), "{rest:?}: {told}");
    }
    let log = proxy.path().with_file_name("log.jsonl");
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    // An event and a line of the access log of each.
    wait_until("the lines", || {
        text().matches("\"status\":400").count() >= 12
    });
    assert!(!text().to_lowercase().contains("hunter2"));
}

#[test]
fn a_refused_head_request_is_answered_without_a_body() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, STREAMING);
    let mut client = proxy.connect();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n");
    assert_eq!(client.response_to("HEAD").status, 400);
    assert_ended(&mut client, "the answer to HEAD");
}

#[test]
fn a_405_says_what_is_allowed() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, STREAMING);
    let response = proxy.raw("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(response.status, 405);
    assert!(
        response
            .header("allow")
            .is_some_and(|allow| allow.contains("GET") && !allow.contains("TRACE"))
    );
}

#[test]
fn half_a_head_does_not_delay_the_end() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("limits: {{ drain_time: 1h, header_time: 1h }}\n{STREAMING}"),
    );
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n");
    assert_eq!(proxy.get("/").status, 200);
    // If it waited for the rest of the head, it would wait for an hour.
    proxy.stop();
    let mut rest = Vec::new();
    let _ = client.reader().read_to_end(&mut rest);
}

#[test]
fn a_stand_in_is_known_by_its_number_and_not_by_its_bytes() {
    // What the gate puts in the place of a refused head, sent by a client, is a request like any other.
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, STREAMING);
    let response = proxy.raw("GET / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\n\r\n");
    assert_eq!(response.status, 200);
    assert_eq!(upstream.last().one("host"), Some("refused"));
    assert!(proxy.events().is_empty());
}

#[test]
fn answers_without_a_body_leave_the_connection_in_step() {
    let upstream = Upstream::start(|request| {
        let answer = match request.target.as_str() {
            "/204" => "HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
            "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n",
            "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "/none" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        };
        Answer::Bytes(answer.as_bytes().to_vec())
    });
    let proxy = Proxy::start(&upstream, STREAMING);
    let mut client = proxy.connect();
    let requests = [
        ("GET", "/204", 204, ""),
        ("GET", "/body", 200, "hello"),
        ("GET", "/304", 304, ""),
        ("HEAD", "/head", 200, ""),
        ("GET", "/none", 200, ""),
        ("HEAD", "/chunked", 200, ""),
        ("HEAD", "/none", 200, ""),
        ("POST", "/204", 204, ""),
        ("GET", "/body", 200, "hello"),
    ];
    // All of it ahead: an answer's body that is taken for the next answer, or the other way round, shows.
    for (method, target, ..) in requests {
        client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    for (method, target, status, body) in requests {
        let response = client.response_to(method);
        assert_eq!(
            (response.status, response.text().as_str()),
            (status, body),
            "{method} {target}"
        );
    }
    assert_eq!(upstream.count(), requests.len());
}
