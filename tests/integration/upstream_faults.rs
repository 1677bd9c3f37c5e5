//! An upstream that fails: every way is scripted byte by byte, and judged at both ends.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portcullis::engine::Registry;
use portcullis::event::EventKind;

use crate::support::{Client, PATIENCE, Proxy, wait_until};

const NO_CHAIN: &str = "detections: []\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

// === An upstream by the byte ===

/// One connection to the scripted upstream, seen from there.
pub struct Wire {
    pub stream: TcpStream,
    /// Counts connections from 0.
    pub number: usize,
    heads: Arc<Mutex<Vec<String>>>,
}

/// An upstream that does with every connection what its script says.
pub struct Scripted {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    /// Connections whose script has come to its end.
    ended: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
}

impl Scripted {
    pub fn start(script: impl Fn(&mut Wire) -> Option<()> + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), script)
    }

    pub fn start_at(
        address: SocketAddr,
        script: impl Fn(&mut Wire) -> Option<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let scripted = Self {
            address: listener.local_addr().unwrap(),
            heads: Arc::default(),
            ended: Arc::default(),
            stopped: Arc::default(),
        };
        let (heads, ended, stopped) = (
            Arc::clone(&scripted.heads),
            Arc::clone(&scripted.ended),
            Arc::clone(&scripted.stopped),
        );
        let script = Arc::new(script);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let (script, heads, ended) =
                    (Arc::clone(&script), Arc::clone(&heads), Arc::clone(&ended));
                std::thread::spawn(move || {
                    let mut wire = Wire {
                        stream,
                        number,
                        heads,
                    };
                    script(&mut wire);
                    drop(wire);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        scripted
    }

    /// The heads of the requests that arrived whole.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// How many requests with this beginning arrived.
    pub fn count(&self, beginning: &str) -> usize {
        let heads = self.heads.lock().unwrap();
        heads
            .iter()
            .filter(|head| head.starts_with(beginning))
            .count()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

impl Wire {
    /// The head of the next request, in lower case but for its first line.
    pub fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        self.heads.lock().unwrap().push(head.clone());
        Some(head)
    }

    /// The next request with its body, which has a length.
    pub fn request(&mut self) -> Option<String> {
        let head = self.head()?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some(head)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Option<()> {
        self.stream.write_all(bytes.as_ref()).ok()
    }

    /// Closes with a reset.
    pub fn reset(&mut self) -> Option<()> {
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .ok()
    }

    /// Waits for the other side to close; returns whether it did.
    pub fn closed(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }
}

fn proxy(upstream: &Scripted, yaml: &str) -> Proxy {
    Proxy::start_with(upstream.address, yaml, Registry::default())
}

fn with_timeouts(timeouts: &str) -> String {
    format!("upstream: {{ servers: [{{ url: 'http://UPSTREAM' }}], {timeouts} }}\n{NO_CHAIN}")
}

/// An address on which nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

fn now() -> Instant {
    Instant::now()
}

/// The event of the request that the upstream got under this head.
fn event_of(proxy: &Proxy, head: &str) -> Arc<portcullis::event::Event> {
    let id = head
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "))
        .unwrap()
        .to_owned();
    wait_until("the event", || {
        proxy
            .events()
            .iter()
            .any(|event| event.id.to_string() == id)
    });
    proxy.event(&id)
}

// === Nobody there, or nobody who answers ===

#[test]
fn a_refused_connection_is_a_502_at_once() {
    let proxy = Proxy::start_with(nobody(), NO_CHAIN, Registry::default());
    let begun = now();
    let response = proxy.get("/");
    let took = begun.elapsed();
    println!("refused: 502 after {took:?}");
    assert_eq!(response.status, 502);
    assert!(took < Duration::from_secs(1), "{took:?}");
    let event = proxy.event(&response.id());
    assert_eq!(
        (event.kind, event.rule.as_deref()),
        (EventKind::Upstream, Some("unreachable"))
    );
    assert!(!response.text().contains("127.0.0.1") && !response.text().contains("refused"));
    let post = proxy.post("/", "text/plain", "body");
    assert_eq!(post.status, 502);
}

#[test]
fn an_upstream_that_is_back_is_used_at_once() {
    let address = nobody();
    let proxy = Proxy::start_with(address, NO_CHAIN, Registry::default());
    // Failures are not remembered, however many there were.
    for _ in 0..50 {
        assert_eq!(proxy.get("/").status, 502);
    }
    let _upstream = Scripted::start_at(address, |wire| {
        loop {
            wire.request()?;
            wire.send(OK)?;
        }
    });
    let back = now();
    assert_eq!(proxy.get("/").status, 200);
    println!("back: 200 after {:?}", back.elapsed());
    assert!(back.elapsed() < Duration::from_millis(2500));
}

#[test]
fn a_silent_upstream_is_a_504_however_it_drips() {
    let upstream = Scripted::start(|wire| {
        let head = wire.request()?;
        if head.starts_with("GET /drip") {
            wire.send("HTTP/1.1 200 OK\r\n")?;
            loop {
                wire.send("X-Drip: 1\r\n")?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        if head.starts_with("GET /interim") {
            for _ in 0..10 {
                wire.send("HTTP/1.1 102 Processing\r\n\r\n")?;
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        wire.closed();
        Some(())
    });
    let proxy = proxy(&upstream, &with_timeouts("first_byte_timeout: 400ms"));
    for target in ["/silent", "/drip", "/interim"] {
        let begun = now();
        let response = proxy.get(target);
        assert_eq!(response.status, 504, "{target}");
        assert!(begun.elapsed() >= Duration::from_millis(400), "{target}");
        assert_eq!(
            proxy.event(&response.id()).rule.as_deref(),
            Some("silent"),
            "{target}"
        );
    }
    wait_until("the connections to be closed", || {
        upstream.ended.load(Ordering::SeqCst) == 3
    });
}

// === Broken off ===

#[test]
fn a_reset_before_an_answer_is_a_502() {
    for sent in ["", "HTTP/1.1 200 OK\r\nContent-"] {
        let upstream = Scripted::start(move |wire| {
            wire.request()?;
            wire.send(sent)?;
            // What was sent is read before the reset is noticed, or with it.
            std::thread::sleep(Duration::from_millis(20));
            wire.reset()
        });
        let proxy = proxy(&upstream, NO_CHAIN);
        for _ in 0..5 {
            let response = proxy.get("/");
            assert_eq!(response.status, 502, "{sent:?}");
            assert_eq!(proxy.event(&response.id()).rule.as_deref(), Some("broken"));
            assert!(response.text().len() < 100, "{}", response.text());
        }
    }
}

#[test]
fn a_cut_answer_reaches_the_client_cut_and_leaves_an_event() {
    const CASES: [(&str, &str); 4] = [
        ("/length", "Content-Length: 100\r\n\r\nhello"),
        (
            "/chunked",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        ),
        ("/chunk", "Transfer-Encoding: chunked\r\n\r\n9\r\nhello"),
        (
            "/wrong",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nwrong\r\n",
        ),
    ];
    for resets in [false, true] {
        let begun = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&begun);
        let upstream = Scripted::start(move |wire| {
            let head = wire.request()?;
            let (_, rest) = CASES.iter().find(|(target, _)| head.contains(target))?;
            let (lines, body) = rest.split_once("\r\n\r\n")?;
            wire.send(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n"))?;
            // The head goes to the client before the body does: what is wrong in the body after that cannot be a 502.
            wait_until("the client to have the head", || {
                count.load(Ordering::SeqCst) > wire.number
            });
            wire.send(body)?;
            std::thread::sleep(Duration::from_millis(20));
            if resets { wire.reset() } else { Some(()) }
        });
        let proxy = proxy(&upstream, NO_CHAIN);
        for (target, _) in CASES {
            for version in ["1.1", "1.0"] {
                let mut client = proxy.connect();
                client.send(format!("GET {target} HTTP/{version}\r\nHost: h\r\n\r\n"));
                let head = client.head();
                assert_eq!(head.status, 200, "{target}");
                begun.fetch_add(1, Ordering::SeqCst);
                let mut rest = Vec::new();
                let ended = client.reader().read_to_end(&mut rest);
                let rest = String::from_utf8_lossy(&rest).into_owned();
                assert!(!rest.contains("0\r\n\r\n"), "{target} {version}: {rest:?}");
                // To a client of HTTP/1.0 the end of the connection is the end of the answer, unless it is a reset.
                let is_told = ended.is_err() || version == "1.1" || target == "/length";
                assert!(is_told, "{target} {version}: {rest:?}");
                let event = event_of(&proxy, &upstream.heads().pop().unwrap());
                let rule = if target == "/wrong" {
                    "malformed_answer"
                } else {
                    "answer_cut"
                };
                assert_eq!(event.rule.as_deref(), Some(rule), "{target}");
                assert_eq!((event.kind, event.status), (EventKind::Upstream, Some(200)));
                assert_eq!(event.path.as_deref(), Some(target));
            }
        }
    }
}

#[test]
fn a_pause_within_an_answer_is_told_of() {
    let upstream = Scripted::start(|wire| {
        wire.request()?;
        wire.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")?;
        wire.closed();
        Some(())
    });
    let proxy = proxy(&upstream, &with_timeouts("idle_timeout: 200ms"));
    let response = proxy.get("/");
    assert_eq!(
        (response.text().as_str(), response.complete),
        ("hello", false)
    );
    let event = event_of(&proxy, &upstream.heads()[0]);
    assert_eq!(event.rule.as_deref(), Some("answer_paused"));
    wait_until("the connection to be closed", || {
        upstream.ended.load(Ordering::SeqCst) == 1
    });
}

#[test]
fn half_a_close_is_as_good_as_a_whole_one() {
    let upstream = Scripted::start(|wire| {
        let head = wire.request()?;
        if head.contains("/answered") {
            wire.send(OK)?;
        }
        // It goes on reading, but says nothing more.
        wire.stream.shutdown(Shutdown::Write).ok()?;
        wire.closed();
        Some(())
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    for _ in 0..3 {
        client.request("GET", "/answered", &[], b"");
        assert_eq!(client.response().text(), "ok");
        client.request("GET", "/unanswered", &[], b"");
        assert_eq!(client.response().status, 502);
        client.request("POST", "/answered", &[], b"body");
        assert_eq!(client.response().text(), "ok");
    }
    wait_until("the connections to be closed", || {
        upstream.ended.load(Ordering::SeqCst) >= 8
    });
}

#[test]
fn an_upstream_that_does_not_read_may_still_answer() {
    let upstream = Scripted::start(|wire| {
        wire.head()?;
        wire.stream.shutdown(Shutdown::Read).ok()?;
        wire.send(OK)
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    for _ in 0..5 {
        assert_eq!(proxy.get("/").text(), "ok");
    }
}

#[test]
fn a_drip_is_passed_on_as_it_drips_and_delays_nobody() {
    let upstream = Scripted::start(|wire| {
        loop {
            let head = wire.request()?;
            if !head.contains("/drip") {
                wire.send(OK)?;
                continue;
            }
            let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
            for byte in answer {
                wire.send([*byte])?;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    let mut dripping: Vec<_> = (0..20).map(|_| proxy.connect()).collect();
    for client in &mut dripping {
        client.request("GET", "/drip", &[], b"");
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..100 {
        let begun = now();
        assert_eq!(proxy.get("/").text(), "ok");
        slowest = slowest.max(begun.elapsed());
    }
    println!("beside 20 drips: at most {slowest:?}");
    for mut client in dripping {
        let response = client.response();
        assert_eq!(
            (response.text().as_str(), response.complete),
            ("hello", true)
        );
    }
}

// === Once, or not at all ===

/// Answers the first request of every connection, and reads the others to the end without answering.
fn stale(closes: fn(&mut Wire) -> Option<()>) -> Scripted {
    Scripted::start(move |wire| {
        wire.request()?;
        wire.send(OK)?;
        wire.request()?;
        closes(wire)
    })
}

#[test]
fn nothing_but_a_safe_request_without_a_body_is_ever_sent_twice() {
    let ways: [fn(&mut Wire) -> Option<()>; 3] = [
        |_| Some(()),
        Wire::reset,
        |wire| {
            wire.stream
                .shutdown(Shutdown::Write)
                .ok()
                .filter(|()| wire.closed())
        },
    ];
    for way in ways {
        let upstream = stale(way);
        let proxy = proxy(&upstream, NO_CHAIN);
        for (method, body) in [
            ("POST", &b"body"[..]),
            ("POST", b""),
            ("PUT", b"body"),
            ("PUT", b""),
            ("DELETE", b""),
            ("PATCH", b"body"),
            ("GET", b"body"),
            ("LINK", b""),
        ] {
            let mut client = proxy.connect();
            client.request("GET", "/first", &[], b"");
            assert_eq!(client.response().status, 200);
            let before = upstream.heads().len();
            client.request(method, "/second", &[], body);
            let response = client.response();
            assert_eq!(response.status, 502, "{method} {body:?}");
            assert_eq!(proxy.event(&response.id()).rule.as_deref(), Some("broken"));
            assert_eq!(upstream.heads().len(), before + 1, "{method} {body:?}");
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            let mut client = proxy.connect();
            client.request("GET", "/first", &[], b"");
            assert_eq!(client.response().status, 200);
            let before = upstream.heads().len();
            client.request(method, "/second", &[], b"");
            assert_eq!(client.response_to(method).status, 200, "{method}");
            assert_eq!(upstream.heads().len(), before + 2, "{method}");
        }
    }
}

#[test]
fn a_request_that_kills_its_connection_is_sent_twice_at_most() {
    let upstream = Scripted::start(|wire| {
        loop {
            if wire.request()?.contains("/killer") {
                return None;
            }
            // Several connections are busy at a time, so that several are idle afterwards.
            std::thread::sleep(Duration::from_millis(100));
            wire.send(OK)?;
        }
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    let mut clients: Vec<_> = (0..30).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.request("GET", "/", &[], b"");
    }
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    for n in 1..=3 {
        clients[0].request("GET", "/killer", &[], b"");
        assert_eq!(clients[0].response().status, 502);
        assert!(
            upstream.count("GET /killer") <= 2 * n,
            "{}",
            upstream.count("GET /killer")
        );
    }
}

#[test]
fn half_an_answer_is_an_answer_and_nothing_is_sent_again() {
    let upstream = Scripted::start(|wire| {
        wire.request()?;
        wire.send(OK)?;
        wire.request()?;
        wire.send("HTTP/1.1 2")?;
        std::thread::sleep(Duration::from_millis(50));
        None
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    client.request("GET", "/first", &[], b"");
    assert_eq!(client.response().status, 200);
    client.request("GET", "/second", &[], b"");
    assert_eq!(client.response().status, 502);
    assert_eq!(upstream.count("GET /second"), 1);
}

#[test]
fn a_connection_that_was_closed_costs_nobody_anything() {
    let upstream = Scripted::start(|wire| {
        wire.request()?;
        wire.send(OK)
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    for n in 0..40 {
        let method = if n % 2 == 0 { "POST" } else { "GET" };
        let closed = upstream.ended.load(Ordering::SeqCst);
        client.request(method, "/", &[], b"");
        assert_eq!(client.response().status, 200, "{method}");
        // From here on its end waits in the kernel, whether or not the proxy has looked.
        wait_until("the close", || {
            upstream.ended.load(Ordering::SeqCst) > closed
        });
    }
    assert_eq!(upstream.heads().len(), 40);
}

// === More than was asked for ===

#[test]
fn what_nobody_asked_for_is_nobodys_answer() {
    const POISON: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
    let (sent, upstream) = {
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let upstream = Scripted::start(move |wire| {
            loop {
                let head = wire.request()?;
                wire.send(OK)?;
                if head.contains("/splitting") {
                    // After the client has its answer, and the connection rests in the pool.
                    std::thread::sleep(Duration::from_millis(10));
                    let sent = wire.send(POISON);
                    count.fetch_add(1, Ordering::SeqCst);
                    sent?;
                }
            }
        });
        (sent, upstream)
    };
    let proxy = proxy(&upstream, NO_CHAIN);
    let mut attacker = proxy.connect();
    for n in 1..=60 {
        attacker.request("GET", "/splitting", &[], b"");
        assert_eq!(attacker.response().text(), "ok");
        wait_until("the poison", || sent.load(Ordering::SeqCst) == n);
        for method in ["GET", "POST"] {
            let mut victim = if n % 2 == 0 {
                proxy.connect()
            } else {
                Client::connect(proxy.address)
            };
            victim.request(method, "/", &[], b"");
            assert_eq!(victim.response().text(), "ok");
        }
        attacker.request("GET", "/", &[], b"");
        assert_eq!(attacker.response().text(), "ok");
    }
    wait_until("the events", || {
        let events = proxy.events();
        events
            .iter()
            .filter(|event| event.rule.as_deref() == Some("unsolicited"))
            .count()
            == 60
    });
    let told = serde_json::to_string(&*proxy.events()[3]).unwrap();
    assert!(!told.contains("poison"), "{told}");
}

#[test]
fn an_upstream_that_speaks_first_is_not_listened_to() {
    let upstream = Scripted::start(|wire| {
        if wire.number < 2 {
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")?;
        }
        loop {
            wire.request()?;
            wire.send(OK)?;
        }
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    let texts: Vec<_> = (0..4)
        .map(|_| proxy.post("/", "text/plain", "body"))
        .collect();
    // Whether the early bytes came before the request was written is a matter of luck; where they did, nobody got them.
    for response in texts {
        assert!(["ok", "first"].contains(&response.text().as_str()) || response.status == 502);
    }
    assert_eq!(proxy.get("/").text(), "ok");
}

// === Early ===

#[test]
fn an_early_refusal_reaches_the_client_even_if_nobody_reads_his_body() {
    const REFUSAL: &[u8] =
        b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlong";
    let upstream = Scripted::start(|wire| {
        let head = wire.head()?;
        wire.send(REFUSAL)?;
        if head.contains("/late") {
            std::thread::sleep(Duration::from_millis(100));
        }
        // Much of the body is unread, so this is a reset.
        None
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    for n in 0..20 {
        let target = ["/at-once", "/late"][n % 2];
        let mut client = proxy.connect();
        client.send(format!(
            "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n"
        ));
        let piece = vec![b'x'; 100_000];
        for _ in 0..20 {
            if !client.try_send(&piece) {
                break;
            }
        }
        let response = client.response();
        assert_eq!(
            (response.status, response.text().as_str()),
            (413, "long"),
            "{n}"
        );
    }
}

#[test]
fn an_early_answer_does_not_wait_for_the_rest_of_the_request() {
    let upstream = Scripted::start(|wire| {
        loop {
            let head = wire.head()?;
            wire.send(OK)?;
            if head.contains("content-length: 10") {
                wire.stream.read_exact(&mut [0; 10]).ok()?;
            }
        }
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    client.send("POST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    assert_eq!(client.response().text(), "ok");
    client.send("world");
    client.request("GET", "/next", &[], b"");
    assert_eq!(client.response().text(), "ok");
    assert_eq!(proxy.get("/other").text(), "ok");
}

/// An upstream that answers on the head and takes what follows for the next request, as some do that refuse early.
#[test]
fn what_follows_an_early_answer_never_becomes_the_request_of_the_next_client() {
    let upstream = Scripted::start(|wire| {
        loop {
            let head = wire.head()?;
            let name = head
                .split_whitespace()
                .nth(1)
                .unwrap_or_default()
                .to_owned();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}",
                name.len()
            );
            wire.send(answer.as_bytes())?;
        }
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    for expects in ["", "Expect: 100-continue\r\n"] {
        let late = "GET /evil HTTP/1.1\r\nHost: h\r\nX-Y: ";
        let mut attacker = proxy.connect();
        attacker.send(format!(
            "POST /pause HTTP/1.1\r\nHost: h\r\n{expects}Content-Length: {}\r\n\r\n",
            late.len()
        ));
        let mut head = attacker.head();
        if head.status == 100 {
            head = attacker.head();
        }
        assert_eq!(attacker.body_of(head, "POST").text(), "/pause");
        attacker.try_send(late);
        // However long it takes for the rest to be sent: nobody may ever get the answer to it.
        for n in 0..200 {
            let victim = format!("/account-{n}");
            assert_eq!(proxy.get(&victim).text(), victim, "{expects}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn who_breaks_its_upload_after_an_early_answer_is_no_failure_of_the_upstream() {
    const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let upstream = Scripted::start(|wire| {
        wire.head()?;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nearly\r\n")?;
        wire.closed();
        Some(())
    });
    let binary = "\0\u{1}\u{2}\u{3}".repeat(300);
    let long =
        format!("Content-Type: application/octet-stream\r\nContent-Length: 1300\r\n\r\n{binary}");
    let chunked = format!(
        "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n4b0\r\n{binary}\r\n"
    );
    let judged = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";
    let upload = format!("limits: {{ body: 1KiB, upload: 1400B }}\n{judged}");
    let slow = format!("limits: {{ body_time: 300ms }}\n{NO_CHAIN}");
    for (name, yaml, request, more, detection, rule) in [
        (
            "a bad chunk",
            NO_CHAIN,
            CHUNKED,
            "zz\r\n",
            "framing",
            "chunk_size",
        ),
        (
            "a close within a chunk",
            NO_CHAIN,
            CHUNKED,
            "5\r\nhe",
            "limits",
            "body_broken",
        ),
        ("a close", NO_CHAIN, &long, "", "limits", "body_broken"),
        ("too slow", &slow, CHUNKED, "", "limits", "body_time"),
        (
            "too long",
            &upload,
            &chunked,
            "ff\r\n",
            "limits",
            "body_too_large",
        ),
    ] {
        let proxy = proxy(&upstream, yaml);
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        let mut client = Client::from_stream(stream.try_clone().unwrap());
        client.send(format!("POST / HTTP/1.1\r\nHost: h\r\n{request}"));
        assert_eq!(client.head().status, 200, "{name}");
        let mut early = [0; 10];
        client.reader().read_exact(&mut early).unwrap();
        assert!(early.ends_with(b"early\r\n"), "{name}");
        let _ = stream.write_all(more.as_bytes());
        if name == "too long" {
            let _ = stream.write_all(&[0; 255]);
        }
        if name.starts_with("a close") {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let mut rest = Vec::new();
        let _ = client.reader().read_to_end(&mut rest);
        assert!(!rest.ends_with(b"0\r\n\r\n"), "{name}");
        let event = event_of(&proxy, &upstream.heads().pop().unwrap());
        assert_eq!(
            (event.detection.as_deref(), event.rule.as_deref()),
            (Some(detection), Some(rule)),
            "{name}"
        );
        assert_eq!(
            (event.kind, event.status),
            (EventKind::Refused, Some(200)),
            "{name}"
        );
        assert_eq!(
            (event.decision, event.place.as_deref()),
            (portcullis::event::Decision::Block, Some("body")),
            "{name}"
        );
        // It is told once.
        drop((client, stream));
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(proxy.events().len(), 1, "{name}: {:#?}", proxy.events());
    }
}

#[test]
fn an_early_answer_does_not_keep_a_request_that_nobody_takes() {
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let upstream = Scripted::start(move |wire| {
        wire.head()?;
        wire.send(OK)?;
        // It neither reads nor closes.
        wait_until("the client to be told", || is_done.load(Ordering::SeqCst));
        Some(())
    });
    let proxy = proxy(&upstream, &with_timeouts("first_byte_timeout: 300ms"));
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n");
    assert_eq!(client.response().text(), "ok");
    let begun = now();
    while client.try_send([b'x'; 100_000]) {}
    assert!(
        begun.elapsed() < PATIENCE / 2,
        "the connection was not closed"
    );
    done.store(true, Ordering::SeqCst);
}

// === Abandoned ===

#[test]
fn a_client_that_goes_takes_its_request_with_it() {
    let upstream = Scripted::start(|wire| {
        let head = wire.head()?;
        if head.contains("/streaming") {
            wire.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")?;
        }
        if head.contains("/flooding") {
            wire.send("HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                wire.send([b'x'; 10_000])?;
            }
        }
        wire.closed().then_some(())
    });
    let proxy = proxy(&upstream, NO_CHAIN);
    let posts = "Content-Length: 1000\r\n\r\nhalf";
    for (n, request) in [
        "GET /waiting HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /waiting HTTP/1.1\r\nHost: h\r\n\r\nGET /pipelined HTTP/1.1\r\nHost: h\r\n\r\n"
            .to_owned(),
        // More than is read ahead.
        format!(
            "GET /waiting HTTP/1.1\r\nHost: h\r\n\r\n{}",
            "GET /pipelined HTTP/1.1\r\nHost: h\r\n\r\n".repeat(2_000)
        ),
        "GET /streaming HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        "GET /flooding HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
        format!("POST /uploading HTTP/1.1\r\nHost: h\r\n{posts}"),
        format!("POST /streaming HTTP/1.1\r\nHost: h\r\n{posts}"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = proxy.connect();
        client.send(&request);
        wait_until("the request to arrive", || upstream.heads().len() == n + 1);
        if request.contains("/streaming") || request.contains("/flooding") {
            assert_eq!(client.head().status, 200);
        }
        assert_eq!(upstream.ended.load(Ordering::SeqCst), n, "{request}");
        let begun = now();
        drop(client);
        while upstream.ended.load(Ordering::SeqCst) == n {
            assert!(begun.elapsed() < Duration::from_secs(10), "{request}");
            std::thread::sleep(Duration::from_millis(1));
        }
        println!(
            "abandoned: cancelled after {:?}: {}",
            begun.elapsed(),
            &request[..15]
        );
    }
    assert_eq!(upstream.count("GET /pipelined"), 0);
}
