//! What a request costs beside nginx, haproxy, and nginx with ModSecurity and the rule set that Debian ships, how long it
//! takes, and what a second core adds, in interleaved rounds of one run.
//!
//! ```text
//! apt-get install --no-install-recommends nginx-core haproxy libnginx-mod-http-modsecurity modsecurity-crs nghttp2-client wrk
//! cargo bench --bench compare [-- --rounds 5] [--only cost|latency|cores]
//! ```
//!
//! All stand before the same upstream, an nginx that serves files from memory. portcullis has its whole default chain on, with
//! a rate limit that nobody reaches; the access log is off everywhere. A figure is the median of its rounds.
//!
//! `cost` is processor time of one core each: every case is sent over one connection that is kept, one request after the
//! other (but for the case of new connections); HTTP/2 is sent by h2load. What the two others mean, and where their limits
//! are, is told in `support/latency.rs` and `support/scaling.rs`.

#![expect(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench measures time, reads its arguments and prints"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[path = "support/latency.rs"]
mod latency;
#[path = "support/scaling.rs"]
mod scaling;
#[path = "support/servers.rs"]
mod servers;

use servers::{MODSECURITY, MODULE, Server, core_of, free, on_cores, versions};

const NEEDED: [&str; 5] = [
    "/usr/sbin/nginx",
    "/usr/sbin/haproxy",
    MODULE,
    "/usr/bin/h2load",
    "/usr/bin/wrk",
];

/// What is sent, and how often in a round.
struct Case {
    name: &'static str,
    times: u32,
    bytes: Vec<u8>,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Kept,
    New,
    Http2,
}

fn main() {
    if let Some(missing) = NEEDED.iter().find(|path| !Path::new(path).exists()) {
        println!(
            "{missing} is missing: apt-get install --no-install-recommends nginx-core haproxy \
             libnginx-mod-http-modsecurity modsecurity-crs nghttp2-client wrk"
        );
        return;
    }
    let rounds: usize = argument("--rounds").map_or(5, |rounds| rounds.parse().unwrap());
    let only = argument("--only");
    let is_wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    versions();
    let folder = tempfile::tempdir().unwrap();
    if is_wanted("cost") || is_wanted("latency") {
        let upstream = upstream(folder.path(), "upstream", &core_of("upstream"));
        let servers = servers(folder.path(), upstream.address);
        if is_wanted("cost") {
            costs(rounds, &servers);
        }
        if is_wanted("latency") {
            latency::compare(rounds, &servers);
        }
    }
    if is_wanted("cores") {
        scaling::compare(rounds, folder.path());
    }
}

fn argument(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

/// What a request of each case costs each server.
fn costs(rounds: usize, servers: &[Peer]) {
    let cases = cases();
    print!("\n{:<26}", "µs of CPU a request");
    for peer in servers {
        print!("{:>14}", peer.name);
    }
    println!("{:>12}{:>12}", "/ nginx", "CRS /");
    for case in &cases {
        let mut figures = vec![Vec::new(); servers.len()];
        for round in 0..=rounds {
            for (figures, peer) in figures.iter_mut().zip(servers) {
                let other = peer.http2.as_ref().filter(|_| case.how == How::Http2);
                let cost = cost(
                    other.unwrap_or(&peer.http1),
                    case,
                    peer.name.contains("CRS"),
                );
                // The first round warms up.
                if round > 0 {
                    figures.push(cost);
                }
            }
        }
        let medians: Vec<f64> = figures.iter_mut().map(|figures| median(figures)).collect();
        print!("{:<26}", case.name);
        for median in &medians {
            print!("{median:>14.1}");
        }
        let ours = medians[3];
        println!("{:>11.2}x{:>11.0}x", ours / medians[0], medians[2] / ours);
    }
}

/// What lies in the middle.
fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What a browser sends with a GET.
const HEADERS: [&str; 5] = [
    "Host: example.org",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
    "Accept: application/json",
    "Accept-Language: en",
    "Cookie: session=0123456789abcdef",
];

/// A GET that is forwarded.
const PLAIN: &str = "/1k";

/// One that a rule refuses.
const REFUSED: &str = "/1k?q=%3Cscript%3Ealert(1)%3C/script%3E";

fn get(target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\n{}\r\n\r\n", HEADERS.join("\r\n")).into_bytes()
}

fn cases() -> Vec<Case> {
    let post = |target: &str, kind: &str, body: &[u8]| {
        let mut bytes = format!(
            "POST {target} HTTP/1.1\r\n{}\r\n{}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            HEADERS[0],
            HEADERS[1],
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        bytes
    };
    let item = "{\"id\":12345,\"name\":\"A chair of oak\",\"price\":129.5,\"tags\":[\"oak\",\"home\"],\"stock\":true},";
    let json = format!("[{}0]", item.repeat(2048 / item.len()));
    let upload: Vec<u8> = (0..10_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let case = |name, times, bytes, how| Case {
        name,
        times,
        bytes,
        how,
    };
    vec![
        case("GET of 1 KB", 3000, get(PLAIN), How::Kept),
        case(
            "POST of 2 KiB of JSON",
            1000,
            post("/post", "application/json", json.as_bytes()),
            How::Kept,
        ),
        case("refused GET", 3000, get(REFUSED), How::Kept),
        case("download of 1 MB", 200, get("/1m"), How::Kept),
        case(
            "upload of 10 MB",
            20,
            post("/post", "application/octet-stream", &upload),
            How::Kept,
        ),
        case("a connection each", 1000, get(PLAIN), How::New),
        case("HTTP/2 GET of 1 KB", 3000, Vec::new(), How::Http2),
    ]
}

fn upstream(folder: &Path, name: &str, cores: &str) -> Server {
    let root = folder.join("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("1k"), vec![b'x'; 1000]).unwrap();
    fs::write(root.join("1m"), vec![b'x'; 1_000_000]).unwrap();
    Server::nginx_on(cores, folder, name, |address| {
        format!(
            "open_file_cache max=10; server {{ listen {address}; root {};\n\
             location = /post {{ return 200 ok; }} }}",
            root.display()
        )
    })
}

/// A server to be compared; one that speaks HTTP/2 at another address than HTTP/1 is there twice.
struct Peer {
    name: &'static str,
    http1: Server,
    http2: Option<Server>,
}

fn servers(folder: &Path, upstream: SocketAddr) -> [Peer; 4] {
    let rules = folder.join("modsecurity.conf");
    fs::write(&rules, MODSECURITY).unwrap();
    let proxy = |address: SocketAddr, directives: &str| {
        format!(
            "upstream u {{ server {upstream}; keepalive 8; }}\n\
             server {{ listen {address} {directives}\n\
             location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}"
        )
    };
    let buffered = "; client_body_buffer_size 128k;";
    let on = format!(
        "{buffered} modsecurity on; modsecurity_rules_file {};",
        rules.display()
    );
    let peer = |name, http1, http2| Peer { name, http1, http2 };
    let spoken = format!("http2{buffered}");
    let spoken_on = format!("http2{on}");
    [
        peer(
            "nginx",
            Server::nginx(folder, "plain", |address| proxy(address, buffered)),
            Some(Server::nginx(folder, "plain2", |address| {
                proxy(address, &spoken)
            })),
        ),
        peer(
            "haproxy",
            haproxy(folder, upstream, "h1"),
            Some(haproxy(folder, upstream, "h2")),
        ),
        peer(
            "nginx + CRS",
            Server::nginx(folder, "crs", |address| proxy(address, &on)),
            Some(Server::nginx(folder, "crs2", |address| {
                proxy(address, &spoken_on)
            })),
        ),
        peer(
            "portcullis",
            Server::portcullis(folder, "ours", &rules_before(upstream)),
            None,
        ),
    ]
}

/// The whole default chain, with limits that nobody reaches.
fn rules_before(upstream: SocketAddr) -> String {
    format!(
        "upstream: http://{upstream}\nlimits: {{ upload: 1GiB, connection_requests: 1000000000 }}\n\
         detections:\n  - ip_allowlist: {{}}\n  - user_agent: {{}}\n  \
         - rate_limit: {{ limits: [{{ name: client, key: client, limit: 1000000000, per: 1m }}] }}\n  \
         - malicious_payload: {{}}\n  - enumeration: {{}}\n"
    )
}

fn haproxy(folder: &Path, upstream: SocketAddr, spoken: &str) -> Server {
    let address = free();
    let file = folder.join(format!("haproxy-{spoken}.cfg"));
    let text = format!(
        "global\n  nbthread 1\ndefaults\n  mode http\n  timeout client 60s\n  timeout server 60s\n  timeout connect 5s\n  \
         http-reuse always\nfrontend f\n  bind {address} proto {spoken}\n  default_backend b\n\
         backend b\n  server s {upstream}\n"
    );
    fs::write(&file, text).unwrap();
    let mut command = on_cores("/usr/sbin/haproxy", &core_of(spoken));
    command.args(["-db", "-f"]).arg(&file);
    Server::start(command, address)
}

/// The processor time of a request of a case, in microseconds.
fn cost(server: &Server, case: &Case, is_slow: bool) -> f64 {
    // Who takes a hundred times as long is asked less often.
    let times = if is_slow {
        (case.times / 20).max(5)
    } else {
        case.times
    };
    let before = server.used();
    if case.how == How::Http2 {
        let arguments = ["-n", &times.to_string(), "-c", "1", "-m", "10"];
        let url = format!("http://{}/1k", server.address);
        let mut command = Command::new("h2load");
        command.args(arguments).arg(url);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        assert!(status.unwrap().success());
    } else {
        let mut stream = None;
        let mut buffer = vec![0; 64 << 10];
        for _ in 0..times {
            let mut connected = stream.take().unwrap_or_else(|| connect(server.address));
            connected.write_all(&case.bytes).unwrap();
            let is_kept = answer(&mut connected, &mut buffer);
            if is_kept && case.how == How::Kept {
                stream = Some(connected);
            }
        }
    }
    // What the server does after its last answer is a part of it.
    std::thread::sleep(Duration::from_millis(20));
    (server.used() - before).as_secs_f64() * 1e6 / f64::from(times)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    stream
}

/// Reads an answer with a length; whether the connection is kept.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    let mut read = Vec::new();
    let head = loop {
        let length = stream.read(buffer).unwrap();
        assert!(length > 0, "the connection ended");
        read.extend_from_slice(&buffer[..length]);
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let lower = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).unwrap_or("0");
    let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
    let mut left = (head + length).saturating_sub(read.len());
    while left > 0 {
        let read = stream.read(buffer).unwrap();
        assert!(read > 0, "the answer ended early");
        left = left.saturating_sub(read);
    }
    !lower.contains("connection: close")
}
