//! Keys that say how many: connections, connections of a client, requests of a connection, requests in flight.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::engine::Registry;
use socket2::{Domain, Socket, Type};

use super::{NOTHING, WORD};
use crate::http2::wire::{Http2, Outcome};
use crate::support::{Answer, Client, Proxy, Upstream, json, wait_until};
use crate::websocket::{Echo, open};

/// An upstream that holds requests below `/held/` until they are released: the first so many of them.
struct Holding {
    upstream: Upstream,
    released: Arc<AtomicUsize>,
}

impl Holding {
    fn start() -> Self {
        let released = Arc::new(AtomicUsize::new(0));
        let free = Arc::clone(&released);
        let upstream = Upstream::start(move |request| {
            if let Some(number) = request.target.strip_prefix("/held/") {
                let number: usize = number.parse().unwrap();
                wait_until("the release", || free.load(Ordering::SeqCst) >= number);
            }
            json("200 OK", &format!("\"{}\"", request.target))
        });
        Self { upstream, released }
    }

    fn release(&self, number: usize) {
        self.released.store(number, Ordering::SeqCst);
    }

    fn has(&self, target: &str) -> bool {
        let seen = self.upstream.seen();
        seen.iter().any(|seen| seen.target == target)
    }

    fn wait_for(&self, target: &str) {
        wait_until("a request to arrive", || self.has(target));
    }
}

fn ask(client: &mut Client, target: &str) {
    client.request("GET", target, &[], b"");
}

fn answered(client: &mut Client, target: &str) {
    assert_eq!(client.response().text(), format!("\"{target}\""));
}

fn is_closed(client: &mut Client) -> bool {
    // A reset is an end as well.
    matches!(client.reader().read(&mut [0]), Ok(0) | Err(_))
}

fn has_told(proxy: &Proxy, rule: &str) -> bool {
    let events = proxy.events();
    events.iter().any(|e| e.rule.as_deref() == Some(rule))
}

/// Long enough for a request that nothing holds back to arrive; if it is not, the test shows less than it could.
const A_WHILE: Duration = Duration::from_millis(300);

fn limit(n: usize) -> String {
    format!("limits: {{ connections: {n} }}\n{NOTHING}")
}

pub fn connections() {
    let held = Holding::start();
    let proxy = Proxy::start(&held.upstream, &limit(2));
    let ask_for = |target: &str| {
        let mut client = proxy.connect();
        ask(&mut client, target);
        client
    };
    let mut first = ask_for("/held/1");
    held.wait_for("/held/1");
    let mut second = ask_for("/held/2");
    held.wait_for("/held/2");
    // Both are busy, so a third one waits; it is served when one of them is no longer.
    let mut third = ask_for("/held/3");
    std::thread::sleep(A_WHILE);
    assert!(!held.has("/held/3"));
    assert!(has_told(&proxy, "connections"));
    held.release(1);
    answered(&mut first, "/held/1");
    held.wait_for("/held/3");
    // The first one made room, since it did nothing; the second one, which is busy, stays.
    assert!(is_closed(&mut first));
    held.release(2);
    answered(&mut second, "/held/2");
    held.release(3);
    answered(&mut third, "/held/3");
    // Of those that do nothing, the one that does so for longest makes room.
    let mut fourth = ask_for("/fourth");
    answered(&mut fourth, "/fourth");
    assert!(is_closed(&mut second));
    ask(&mut third, "/third");
    answered(&mut third, "/third");
}

/// A client that has begun a head and goes no further.
fn half_a_head(proxy: &Proxy) -> Client {
    let mut client = proxy.connect();
    client.send("GET /half HTTP/1.1\r\nHost: h\r\nX-");
    client
}

#[test]
fn who_does_not_end_its_head_makes_room_after_those_that_idle() {
    let held = Holding::start();
    let yaml = format!("limits: {{ connections: 3, header_time: 1h }}\n{NOTHING}");
    let proxy = Proxy::start(&held.upstream, &yaml);
    let mut busy = proxy.connect();
    ask(&mut busy, "/held/1");
    held.wait_for("/held/1");
    // The one that idles makes room, though the other has come before it.
    let mut first = half_a_head(&proxy);
    std::thread::sleep(A_WHILE);
    let mut idle = proxy.connect();
    ask(&mut idle, "/idle");
    answered(&mut idle, "/idle");
    let mut second = half_a_head(&proxy);
    assert!(is_closed(&mut idle));
    std::thread::sleep(A_WHILE);
    // None idles: the head that began first makes room, and after it the next, and the busy one never.
    let mut get = proxy.connect();
    ask(&mut get, "/held/2");
    held.wait_for("/held/2");
    assert!(is_closed(&mut first));
    let mut other = proxy.connect();
    ask(&mut other, "/other");
    answered(&mut other, "/other");
    assert!(is_closed(&mut second));
    assert!(has_told(&proxy, "connections"));
    held.release(2);
    answered(&mut busy, "/held/1");
    answered(&mut get, "/held/2");
}

#[test]
fn more_half_heads_than_connections_keep_nobody_out() {
    let upstream = Upstream::plain();
    let yaml = format!("limits: {{ connections: 10, header_time: 1h }}\n{NOTHING}");
    let proxy = Proxy::start(&upstream, &yaml);
    let _half: Vec<_> = (0..30).map(|_| half_a_head(&proxy)).collect();
    for _ in 0..5 {
        assert_eq!(proxy.get("/").status, 200);
    }
    // Told as those that idle are, and as nothing else.
    let events = proxy.events();
    assert!(
        events
            .iter()
            .all(|event| event.rule.as_deref() == Some("connections")),
        "{events:#?}"
    );
}

#[test]
fn a_reload_changes_the_number_of_connections() {
    let held = Holding::start();
    let proxy = Proxy::start(&held.upstream, &limit(2));
    let ask_for = |target: &str| {
        let mut client = proxy.connect();
        ask(&mut client, target);
        client
    };
    let mut first = ask_for("/held/1");
    held.wait_for("/held/1");
    let mut second = ask_for("/held/2");
    held.wait_for("/held/2");
    // Fewer: those that are open stay, and where there are too many the one that ends makes no room.
    proxy.reload(&limit(1)).unwrap();
    let mut third = ask_for("/held/3");
    held.release(1);
    answered(&mut first, "/held/1");
    assert!(is_closed(&mut first));
    std::thread::sleep(A_WHILE);
    assert!(!held.has("/held/3"));
    // More.
    proxy.reload(&limit(2)).unwrap();
    held.wait_for("/held/3");
    let mut fourth = ask_for("/held/4");
    std::thread::sleep(A_WHILE);
    assert!(!held.has("/held/4"));
    proxy.reload(&limit(3)).unwrap();
    held.wait_for("/held/4");
    held.release(4);
    for (client, target) in [
        (&mut second, "/held/2"),
        (&mut third, "/held/3"),
        (&mut fourth, "/held/4"),
    ] {
        answered(client, target);
    }
}

#[test]
fn one_slot_serves_whoever_comes_on_whichever_core() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &limit(1));
    // The connections stay open, and make room one after the other.
    let mut open = Vec::new();
    for _ in 0..20 {
        let mut client = proxy.connect();
        ask(&mut client, "/");
        assert_eq!(client.response().status, 200);
        open.push(client);
    }
}

/// A client from another address of this machine.
fn from(address: &str, proxy: &Proxy) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let source: SocketAddr = format!("{address}:0").parse().unwrap();
    socket.bind(&source.into()).unwrap();
    socket.connect(&proxy.address.into()).unwrap();
    Client::from_stream(TcpStream::from(socket))
}

pub fn client_connections() {
    let upstream = Upstream::plain();
    let served = |client: &mut Client| {
        client.try_send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        let mut status = [0; 12];
        client.reader().read_exact(&mut status).is_ok() && status.ends_with(b"200")
    };
    let start = |yaml: &str| {
        let proxy = Proxy::start(&upstream, &format!("{yaml}{NOTHING}"));
        let mut clients: Vec<Client> = (0..4).map(|_| proxy.connect()).collect();
        let count = clients
            .iter_mut()
            .filter_map(|c| served(c).then_some(()))
            .count();
        (proxy, clients, count)
    };
    let few = "limits: { client_connections: 2 }\n";
    let (_three, _clients, count) = start("limits: { client_connections: 3 }\n");
    assert_eq!(count, 3);
    let (proxy, clients, count) = start(few);
    assert_eq!(count, 2);
    assert!(has_told(&proxy, "client_connections"));
    let events = proxy.events();
    let told: u32 = events.iter().map(|event| event.count).sum();
    assert_eq!(told, 2);
    assert_eq!(
        events[0].client.as_ref().unwrap().ip.to_string(),
        "127.0.0.1"
    );
    // Another client is not concerned.
    let mut others: Vec<Client> = (0..3).map(|_| from("127.0.0.2", &proxy)).collect();
    assert_eq!(
        others
            .iter_mut()
            .filter_map(|c| served(c).then_some(()))
            .count(),
        2
    );
    // Who has gone is no longer counted.
    drop(clients);
    wait_until("room for the client", || served(&mut proxy.connect()));
    // Neither who is trusted, nor a proxy that stands for many.
    for who in ["trusted", "trusted_proxies"] {
        let exempt = format!("{few}clients: {{ {who}: [127.0.0.1] }}\n");
        assert_eq!(start(&exempt).2, 4, "{who}");
    }
}

pub fn connection_requests() {
    let upstream = Upstream::plain();
    for (limit, expected) in [(2, [false, true]), (3, [false, false])] {
        let yaml = format!("limits: {{ connection_requests: {limit} }}\n{NOTHING}");
        let proxy = Proxy::start(&upstream, &yaml);
        let mut client = proxy.connect();
        let closes = [(); 2].map(|()| {
            ask(&mut client, "/");
            let answer = client.response();
            assert_eq!((answer.status, answer.complete), (200, true));
            answer.header("connection") == Some("close")
        });
        assert_eq!(closes, expected);
        if expected[1] {
            assert!(is_closed(&mut client));
        }
    }
}

pub fn in_flight() {
    let held = Holding::start();
    let [one, two] = [1, 2].map(|n| {
        Proxy::start(
            &held.upstream,
            &format!("limits: {{ in_flight: {n} }}\n{WORD}"),
        )
    });
    let (mut first, mut second) = (one.connect(), two.connect());
    ask(&mut first, "/held/1");
    ask(&mut second, "/held/2");
    held.wait_for("/held/1");
    held.wait_for("/held/2");
    assert_eq!(two.get("/").status, 200);
    let shed = one.get("/");
    assert_eq!(shed.status, 503);
    assert_eq!(shed.header("retry-after"), Some("1"));
    assert_eq!(one.event(&shed.id()).rule.as_deref(), Some("in_flight"));
    held.release(2);
    answered(&mut first, "/held/1");
    answered(&mut second, "/held/2");
    wait_until("the place to be free", || one.get("/").status == 200);

    // Who is slow to send, or slow to read, keeps nobody out.
    let mut sending = one.connect();
    sending.send(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nhello",
    );
    std::thread::sleep(A_WHILE);
    assert_eq!(one.get("/").status, 200);
    sending.send("world");
    assert_eq!(sending.response().status, 200);
}

#[test]
fn a_flood_that_is_shed_is_told_a_few_times_and_counted() {
    let held = Holding::start();
    let yaml = format!("limits: {{ in_flight: 1 }}\n{NOTHING}");
    let proxy = Proxy::start(&held.upstream, &yaml);
    let mut first = proxy.connect();
    ask(&mut first, "/held/1");
    held.wait_for("/held/1");
    let mut client = proxy.connect();
    let sent = 200;
    for _ in 0..sent {
        ask(&mut client, "/");
        assert_eq!(client.response().status, 503);
    }
    held.release(1);
    answered(&mut first, "/held/1");
    let counts = || proxy.events().iter().map(|e| e.count).collect::<Vec<_>>();
    wait_until("all to be counted", || counts().iter().sum::<u32>() == sent);
    assert!(counts().len() < sent as usize);
}

#[test]
fn what_was_counted_and_not_told_is_told_at_the_end() {
    let held = Holding::start();
    let yaml = format!("limits: {{ in_flight: 1 }}\n{NOTHING}");
    let proxy = Proxy::start(&held.upstream, &yaml);
    let mut events = proxy.running().events().subscribe(1000);
    let mut first = proxy.connect();
    ask(&mut first, "/held/1");
    held.wait_for("/held/1");
    let mut client = proxy.connect();
    let sent = 200;
    for _ in 0..sent {
        ask(&mut client, "/");
        assert_eq!(client.response().status, 503);
    }
    held.release(1);
    answered(&mut first, "/held/1");
    proxy.stop();
    let mut told = 0;
    while let Ok(event) = events.try_recv() {
        if event.rule.as_deref() == Some("in_flight") {
            told += event.count;
        }
    }
    assert_eq!(told, sent);
}

/// Whether the answer says that it is the last one of its connection. Either way, that is true.
fn ends_after(client: &mut Client, status: u16) -> bool {
    let answer = client.response();
    assert_eq!(answer.status, status, "{}", answer.text());
    if answer.header("connection") == Some("close") {
        assert!(is_closed(client));
        return true;
    }
    client.send("GET /malicious HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.response().status, 403);
    false
}

#[test]
fn a_refusal_says_that_it_is_the_last_where_a_body_is_left_unread() {
    const HALF: &str = "Content-Length: 10\r\n\r\nhello";
    const WHOLE: &str = "Content-Length: 9\r\n\r\nmalicious";
    const ALL: &str = "Content-Length: 2\r\n\r\nok";
    let held = Holding::start();
    let yaml = format!("limits: {{ in_flight: 1 }}\n{WORD}");
    let busy = Proxy::start(&held.upstream, &yaml);
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let alone = Proxy::start_with(nobody, WORD, Registry::default());
    let open = Proxy::start_with(
        nobody,
        "detections:\n  - user_agent: { missing: block }\n",
        Registry::default(),
    );
    let mut first = busy.connect();
    ask(&mut first, "/held/1");
    held.wait_for("/held/1");
    for (name, proxy, request, status, expected) in [
        (
            "denied, no body",
            &busy,
            "GET /malicious HTTP/1.1\r\nHost: h\r\n\r\n",
            403,
            false,
        ),
        (
            "denied by the head",
            &busy,
            &format!("POST /malicious HTTP/1.1\r\nHost: h\r\n{HALF}"),
            403,
            true,
        ),
        (
            "denied by the body",
            &alone,
            &format!("POST / HTTP/1.1\r\nHost: h\r\n{WHOLE}"),
            403,
            false,
        ),
        (
            "busy, no body",
            &busy,
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            503,
            false,
        ),
        (
            "busy, half a body",
            &busy,
            &format!("POST / HTTP/1.1\r\nHost: h\r\n{HALF}"),
            503,
            true,
        ),
        (
            "unreachable, no body",
            &alone,
            "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
            502,
            false,
        ),
        (
            "unreachable, judged",
            &alone,
            &format!("POST / HTTP/1.1\r\nHost: h\r\n{ALL}"),
            502,
            false,
        ),
        (
            "unreachable, streaming",
            &open,
            &format!("POST / HTTP/1.1\r\nHost: h\r\nUser-Agent: x\r\n{HALF}"),
            502,
            true,
        ),
    ] {
        let mut client = proxy.connect();
        client.send(request);
        assert_eq!(ends_after(&mut client, status), expected, "{name}");
    }
    held.release(1);
    answered(&mut first, "/held/1");
}

#[test]
fn connections_are_counted_by_whom_a_proxy_protocol_header_names() {
    let upstream = Upstream::plain();
    let listen = "listen: [{ address: '127.0.0.1:0', proxy_protocol: { from: [127.0.0.1] } }]\n";
    let yaml = format!("{listen}limits: {{ client_connections: 2 }}\n{NOTHING}");
    let proxy = Proxy::start(&upstream, &yaml);
    let ask = |source: &str| {
        let mut client = proxy.connect();
        client.send(format!(
            "PROXY TCP6 {source} 2001:db8:ff::1 4711 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        let mut status = [0; 12];
        let is_served = client.reader().read_exact(&mut status).is_ok();
        (client, is_served)
    };
    // One network of a customer is one client, whatever addresses it uses of it.
    let asked = [
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8::ffff:0:0:3",
        "2001:db8:0:1::1",
    ]
    .map(ask);
    let served = asked.each_ref().map(|(_, is_served)| *is_served);
    assert_eq!(served, [true, true, false, true]);
}

#[test]
fn the_proxies_of_a_host_may_have_any_number_of_connections() {
    let upstream = Upstream::plain();
    let limits = "limits: { client_connections: 2 }\n";
    for (proxies, expected) in [("127.0.0.1", 4), ("10.0.0.1", 2)] {
        // Nobody can know before the first request for which host a connection is.
        let host =
            format!("host: other.example, identity: forwarded, trusted_proxies: [{proxies}]");
        let yaml = format!("clients: {{ hosts: [{{ {host} }}] }}\n{limits}{NOTHING}");
        let proxy = Proxy::start(&upstream, &yaml);
        let mut clients = [(); 4].map(|()| proxy.connect());
        let served = clients.each_mut().map(|client| {
            client.try_send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            client.reader().read_exact(&mut [0; 12]).is_ok()
        });
        let count = served.iter().filter(|is_served| **is_served).count();
        assert_eq!(count, expected, "{proxies}");
    }
}

pub fn streams() {
    let upstream = Upstream::start(|request| match request.target.as_str() {
        "/slow" => Answer::Silence,
        _ => json("200 OK", "{}"),
    });
    for (limit, expected) in [("2", Outcome::Reset), ("3", Outcome::Status(200))] {
        let proxy = Proxy::start(
            &upstream,
            &format!("limits: {{ streams: {limit} }}\n{NOTHING}"),
        );
        let mut client = Http2::connect(proxy.address);
        // It is told how many, and does not care.
        let told = client.frame_within(crate::support::PATIENCE).unwrap();
        assert!(
            told.payload
                .windows(6)
                .any(|setting| setting == [0, 3, 0, 0, 0, limit.as_bytes()[0] - b'0'])
        );
        client.get(1, "/slow");
        client.get(3, "/slow");
        client.get(5, "/quick");
        assert_eq!(client.outcome(5), expected, "{limit}");
    }
}

pub fn websockets() {
    let echo = Echo::start();
    for (limit, expected) in [("2", 2), ("3", 3)] {
        let yaml = format!("limits: {{ websockets: {limit} }}\n{NOTHING}");
        let proxy = Proxy::start_with(echo.address, &yaml, Registry::default());
        let open: Vec<_> = (0..5).map(|_| open(proxy.address, "/")).collect();
        assert_eq!(open.iter().flatten().count(), expected);
        assert_eq!(open.last().unwrap().as_ref().err(), Some(&503));
        let events = proxy.events();
        assert_eq!(events.last().unwrap().rule.as_deref(), Some("websockets"));
    }
    // Without any it is a request like others.
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &format!("limits: {{ websockets: 0 }}\n{NOTHING}"),
    );
    assert_eq!(open(proxy.address, "/").err(), Some(200));
    assert_eq!(upstream.last().one("upgrade"), None);
}
