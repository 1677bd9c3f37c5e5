//! Several servers behind us: who gets what, and what becomes of requests when servers die.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Answer, Client, Proxy, Upstream, json, wait_until};
use crate::tls::authority::Authority;

/// A server that can be killed with all its connections, and come back at the same address.
struct Mortal {
    address: SocketAddr,
    life: Mutex<Option<Life>>,
    /// How often each target was asked for.
    seen: Arc<Mutex<HashMap<String, usize>>>,
}

struct Life {
    over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Mortal {
    fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let this = Self {
            address,
            life: Mutex::default(),
            seen: Arc::default(),
        };
        this.revive();
        this
    }

    fn revive(&self) {
        let mut listener = None;
        wait_until("the address to be free", || {
            listener = TcpListener::bind(self.address).ok();
            listener.is_some()
        });
        let (over, open) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(Vec::new())),
        );
        let (is_over, connections, seen) =
            (Arc::clone(&over), Arc::clone(&open), Arc::clone(&self.seen));
        let listener = listener.unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                connections
                    .lock()
                    .unwrap()
                    .push(stream.try_clone().unwrap());
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || answer(stream, &seen));
            }
        });
        *self.life.lock().unwrap() = Some(Life { over, open });
    }

    fn kill(&self) {
        let life = self.life.lock().unwrap().take().unwrap();
        life.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        for stream in life.open.lock().unwrap().iter() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn count(&self) -> usize {
        self.seen.lock().unwrap().values().sum()
    }
}

/// Serves until the connection ends.
fn answer(stream: TcpStream, seen: &Mutex<HashMap<String, usize>>) {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        if !matches!(reader.read_line(&mut line), Ok(1..)) {
            return;
        }
        loop {
            let mut field = String::new();
            if !matches!(reader.read_line(&mut field), Ok(1..)) {
                return;
            }
            if field == "\r\n" {
                break;
            }
            if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        if reader.read_exact(&mut vec![0; length]).is_err() {
            return;
        }
        let target = line.split(' ').nth(1).unwrap().to_owned();
        *seen.lock().unwrap().entry(target).or_default() += 1;
        if writer
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .is_err()
        {
            return;
        }
    }
}

fn servers(addresses: &[SocketAddr], more: &str) -> String {
    let list: Vec<_> = addresses
        .iter()
        .map(|address| format!("{{ url: 'http://{address}' }}"))
        .collect();
    format!(
        "upstream: {{ servers: [{}]{more} }}\ndetections: []\n",
        list.join(", ")
    )
}

#[test]
fn servers_that_die_in_turn_cost_no_request_that_could_be_served_and_none_is_sent_twice() {
    let mortals: Vec<_> = (0..3).map(|_| Mortal::start()).collect();
    let addresses: Vec<_> = mortals.iter().map(|mortal| mortal.address).collect();
    let yaml = servers(&addresses, ", breaker: { after: 2, pause: 200ms }");
    let nobody = Upstream::plain();
    let proxy = Proxy::start(&nobody, &yaml);
    let done = AtomicBool::new(false);
    let (served, broken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (proxy, done, served, broken) = (&proxy, &done, &served, &broken);
            scope.spawn(move || {
                let mut client = proxy.connect();
                for number in 0.. {
                    if done.load(Ordering::SeqCst) {
                        return;
                    }
                    let target = format!("/{thread}/{number}");
                    let (method, body): (_, &[u8]) = if number % 3 == 0 {
                        ("POST", b"once")
                    } else {
                        ("GET", b"")
                    };
                    client.request(method, &target, &[], body);
                    let status = client.response().status;
                    if method == "GET" {
                        assert_eq!(status, 200, "{target}");
                    } else if status != 200 {
                        // It may have been served, and cannot be sent again.
                        assert_eq!(status, 502, "{target}");
                        broken.fetch_add(1, Ordering::SeqCst);
                    }
                    served.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let more = |n| {
            let goal = served.load(Ordering::SeqCst) + n;
            wait_until("more to be served", || {
                served.load(Ordering::SeqCst) >= goal
            });
        };
        for _ in 0..3 {
            for mortal in &mortals {
                more(100);
                mortal.kill();
                more(100);
                mortal.revive();
            }
        }
        done.store(true, Ordering::SeqCst);
    });
    assert!(served.load(Ordering::SeqCst) > 1_800);
    let broken = broken.load(Ordering::SeqCst);
    // At most what each client had under way when a server died.
    assert!(broken <= 9 * 4, "{broken}");
    let mut times: HashMap<String, usize> = HashMap::new();
    for mortal in &mortals {
        assert!(mortal.count() > 300, "{}", mortal.count());
        mortal
            .seen
            .lock()
            .unwrap()
            .iter()
            .for_each(|(target, count)| {
                *times.entry(target.clone()).or_default() += count;
            });
    }
    let is_post =
        |target: &str| target.rsplit('/').next().unwrap().parse::<usize>().unwrap() % 3 == 0;
    let twice: Vec<_> = times
        .iter()
        .filter(|(target, count)| is_post(target) && **count > 1)
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
    let events = proxy.events();
    let told = |rule: &str| {
        events
            .iter()
            .filter(|event| event.rule.as_deref() == Some(rule))
            .count()
    };
    assert!(told("server_out") > 0 && told("server_back") > 0);
}

#[test]
fn what_a_reload_leaves_of_a_server_is_known_of_it() {
    let (good, bad) = (Upstream::plain(), Mortal::start());
    bad.kill();
    let yaml = servers(
        &[good.address, bad.address],
        ", retries: 0, breaker: { after: 1, pause: 1h }",
    );
    let proxy = Proxy::start(&good, &yaml);
    let statuses = |n| (0..n).map(|_| proxy.get("/").status).collect::<Vec<_>>();
    assert_eq!(
        statuses(2).iter().filter(|status| **status == 502).count(),
        1
    );
    proxy.reload(&format!("{yaml}# another\n")).unwrap();
    assert_eq!(statuses(6), [200; 6]);
}

#[test]
fn a_client_is_served_by_the_same_server() {
    let all: Vec<_> = (0..3).map(|_| Upstream::plain()).collect();
    let addresses: Vec<_> = all.iter().map(|upstream| upstream.address).collect();
    let yaml = format!(
        "clients: {{ trusted_proxies: [127.0.0.1] }}\n{}",
        servers(&addresses, ", balance: client_hash")
    );
    let proxy = Proxy::start(&all[0], &yaml);
    for client in 0..30 {
        let counts = || all.iter().map(Upstream::count).collect::<Vec<_>>();
        let before = counts();
        for _ in 0..4 {
            proxy.get_with("/", &[("X-Forwarded-For", &format!("192.0.2.{client}"))]);
        }
        let grown = counts()
            .iter()
            .zip(&before)
            .filter(|(after, before)| after > before)
            .count();
        assert_eq!(grown, 1, "{client}");
    }
    assert!(all.iter().all(|upstream| upstream.count() > 0));
}

// === https ===

/// Serves HTTP over TLS in front of an upstream, by a proxy of our own.
pub fn encrypted(
    folder: &std::path::Path,
    authority: &Authority,
    upstream: &Upstream,
    more: &str,
) -> Proxy {
    authority.issue_into(folder, "site", &["app.example"]);
    let listen = crate::tls::listening(folder, more);
    Proxy::start(upstream, &format!("{listen}detections: []\n"))
}

#[test]
fn a_server_is_asked_by_https_and_its_certificate_is_verified() {
    let (upstream, authority, stranger) = (Upstream::plain(), Authority::new(), Authority::new());
    let folder = tempfile::tempdir().unwrap();
    let app = encrypted(folder.path(), &authority, &upstream, "");
    for (file, authority) in [("ca", &authority), ("stranger", &stranger)] {
        std::fs::write(folder.path().join(format!("{file}.pem")), &authority.pem).unwrap();
    }
    let folder = folder.path().display();
    let status = |tls: &str| {
        let yaml = format!(
            "upstream: {{ servers: [{{ url: 'https://{}' }}], tls: {{ {tls} }} }}\ndetections: []\n",
            app.address
        );
        let proxy = Proxy::start(&upstream, &yaml);
        let statuses = [proxy.get("/").status, proxy.get("/").status];
        assert_eq!(statuses[0], statuses[1]);
        statuses[0]
    };
    assert_eq!(
        status(&format!(
            "ca_file: {folder}/ca.pem, server_name: app.example"
        )),
        200
    );
    // Another name, another authority, the system's authorities.
    assert_eq!(
        status(&format!(
            "ca_file: {folder}/ca.pem, server_name: other.example"
        )),
        502
    );
    assert_eq!(status(&format!("ca_file: {folder}/ca.pem")), 502);
    assert_eq!(
        status(&format!(
            "ca_file: {folder}/stranger.pem, server_name: app.example"
        )),
        502
    );
    assert_eq!(status("server_name: app.example"), 502);
    assert_eq!(upstream.last().one("x-forwarded-proto"), Some("https"));
}

#[test]
fn a_server_that_hangs_is_left_alone_after_a_while() {
    let good = Upstream::plain();
    let silent = Upstream::start(|_| Answer::Silence);
    let yaml = servers(
        &[good.address, silent.address],
        ", first_byte_timeout: 100ms, breaker: { after: 2, pause: 1h }",
    );
    let proxy = Proxy::start(&good, &yaml);
    let statuses: Vec<_> = (0..20).map(|_| proxy.get("/").status).collect();
    assert_eq!(
        statuses.iter().filter(|status| **status == 504).count(),
        2,
        "{statuses:?}"
    );
    assert_eq!(silent.count(), 2);
}

#[test]
fn connections_are_used_again_for_each_server() {
    let all: Vec<_> = (0..2)
        .map(|_| Upstream::start(|_| json("200 OK", "{}")))
        .collect();
    let addresses: Vec<_> = all.iter().map(|upstream| upstream.address).collect();
    let proxy = Proxy::start(&all[0], &servers(&addresses, ""));
    // One connection of a client is served by one core.
    let mut client: Client = proxy.connect();
    for _ in 0..20 {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
        std::thread::sleep(Duration::from_millis(2));
    }
    for upstream in &all {
        assert_eq!(upstream.count(), 10);
        let connections = upstream.seen().iter().map(|seen| seen.connection).max();
        assert_eq!(connections, Some(0));
    }
}
