//! What inspection costs and finds beside nginx with ModSecurity and the rule set that Debian ships, both over HTTP in one
//! run, one request after the other.
//!
//! ```text
//! apt-get install --no-install-recommends nginx-core libnginx-mod-http-modsecurity modsecurity-crs
//! cargo bench --bench peer -- CORPUS.jsonl… [--rounds 3] [--skip '-hard'] [--part 2/3]…
//! ```
//!
//! A corpus is what `portcullis test` takes: a JSON object a line. Four servers stand before the same upstream: each of the
//! two with its rules and without any. The cost of inspection is the processor time that a server uses more with its rules;
//! what is refused is counted in the first round. Methods of REST interfaces are allowed to both, paranoia level 1 is the
//! rule set's default, and of portcullis the payload detection is on alone, since the other looks at who sends what and how
//! often, and everything here comes from one client.

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
use std::time::Duration;

use serde::Deserialize;

#[path = "support/servers.rs"]
mod servers;

use servers::{MODSECURITY, MODULE, Server, versions};

fn main() {
    let arguments = Arguments::read();
    if arguments.files.is_empty() {
        println!("Name the files of a corpus: cargo bench --bench peer -- FILE.jsonl…");
        return;
    }
    for needed in [
        "/usr/sbin/nginx",
        MODULE,
        "/usr/share/modsecurity-crs/rules",
    ] {
        if !Path::new(needed).exists() {
            println!(
                "{needed} is missing: apt-get install --no-install-recommends nginx-core \
                 libnginx-mod-http-modsecurity modsecurity-crs"
            );
            return;
        }
    }
    versions();
    let requests = arguments.requests();
    let folder = tempfile::tempdir().unwrap();
    let upstream = Server::nginx(folder.path(), "upstream", |address| {
        format!("server {{ listen {address}; location / {{ return 200 ok; }} }}")
    });
    let servers = servers(folder.path(), upstream.address);
    println!(
        "\n{:<28} {:>9} {:>9} {:>9} {:>16} {:>12}",
        "", "attacks", "refused", "legit", "passed", "CPU/request"
    );
    let measured: Vec<_> = servers
        .iter()
        .map(|(name, server)| (*name, measure(server, &requests, arguments.rounds)))
        .collect();
    for (name, measured) in &measured {
        println!(
            "{name:<28} {:>9} {:>8.2}% {:>9} {:>15.2}% {:>9.1} µs",
            measured.attacks,
            100.0 * measured.refused as f64 / measured.attacks.max(1) as f64,
            measured.legit,
            100.0 * measured.passed as f64 / measured.legit.max(1) as f64,
            measured.for_each.as_secs_f64() * 1e6
        );
    }
    if let [(_, peer), (_, peer_off), (_, ours), (_, ours_off)] = measured.as_slice() {
        let more = |with: &Measured, without: &Measured| {
            1e6 * (with.for_each.as_secs_f64() - without.for_each.as_secs_f64())
        };
        let (peer, ours) = (more(peer, peer_off), more(ours, ours_off));
        println!(
            "\ninspection alone: the peer {peer:.1} µs a request, portcullis {ours:.1} µs; {:.0} : 1",
            peer / ours
        );
    }
}

struct Arguments {
    files: Vec<String>,
    rounds: usize,
    skip: Option<String>,
    parts: Vec<(u64, u64)>,
}

impl Arguments {
    fn read() -> Self {
        let mut read = Self {
            files: Vec::new(),
            rounds: 3,
            skip: None,
            parts: Vec::new(),
        };
        let mut arguments = std::env::args()
            .skip(1)
            .filter(|argument| argument != "--bench");
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rounds" => read.rounds = arguments.next().unwrap().parse().unwrap(),
                "--skip" => read.skip = arguments.next(),
                "--part" => {
                    let part = arguments.next().unwrap();
                    let (number, of) = part.split_once('/').unwrap();
                    read.parts
                        .push((number.parse().unwrap(), of.parse().unwrap()));
                }
                _ => read.files.push(argument),
            }
        }
        read
    }

    fn requests(&self) -> Vec<Request> {
        let lines = self
            .files
            .iter()
            .map(|file| fs::read_to_string(file).unwrap());
        let mut requests = Vec::new();
        for line in lines.collect::<String>().lines() {
            let line: Line = serde_json::from_str(line).unwrap();
            // As `portcullis test --part` takes them.
            let number = u64::from_str_radix(&line.id, 16).unwrap_or(0);
            let mut parts = self.parts.iter();
            let is_chosen =
                self.parts.is_empty() || parts.any(|(part, of)| number % of == part - 1);
            let is_skipped = self
                .skip
                .as_ref()
                .is_some_and(|skip| line.category.ends_with(skip.trim_start_matches('*')));
            if is_chosen && !is_skipped {
                requests.push(line.request());
            }
        }
        requests
    }
}

#[derive(Deserialize)]
struct Line {
    id: String,
    label: String,
    category: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    body_b64: String,
}

struct Request {
    is_attack: bool,
    is_head: bool,
    bytes: Vec<u8>,
}

impl Line {
    fn request(self) -> Request {
        use base64::Engine as _;
        let body = match self.body_b64.as_str() {
            "" => self.body.into_bytes(),
            encoded => base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .unwrap(),
        };
        let mut bytes = format!("{} {} HTTP/1.1\r\n", self.method, self.path).into_bytes();
        for (name, value) in &self.headers {
            // What would be no header any more is left out, for both.
            if !value.contains(['\r', '\n', '\0']) {
                bytes.extend(format!("{name}: {value}\r\n").into_bytes());
            }
        }
        if !body.is_empty() || self.method == "POST" {
            bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(body);
        Request {
            is_attack: self.label == "malicious",
            is_head: self.method == "HEAD",
            bytes,
        }
    }
}

/// The peer and portcullis, each with its rules and without.
fn servers(folder: &Path, upstream: SocketAddr) -> [(&'static str, Server); 4] {
    let rules = folder.join("modsecurity.conf");
    fs::write(&rules, MODSECURITY).unwrap();
    let proxy = |address: SocketAddr, directives: &str| {
        format!(
            "upstream u {{ server {upstream}; keepalive 8; }}\n\
             server {{ listen {address}; {directives}\n\
             location / {{ proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }}"
        )
    };
    let on = format!(
        "modsecurity on; modsecurity_rules_file {};",
        rules.display()
    );
    [
        (
            "nginx, ModSecurity, CRS PL1",
            Server::nginx(folder, "peer", |address| proxy(address, &on)),
        ),
        (
            "nginx alone",
            Server::nginx(folder, "plain", |address| proxy(address, "")),
        ),
        (
            "portcullis",
            Server::portcullis(
                folder,
                "on",
                &format!("upstream: http://{upstream}\ndetections: [malicious_payload: {{}}]\n"),
            ),
        ),
        (
            "portcullis, no detection",
            Server::portcullis(
                folder,
                "off",
                &format!("upstream: http://{upstream}\ndetections: []\n"),
            ),
        ),
    ]
}

#[derive(Default)]
struct Measured {
    attacks: usize,
    refused: usize,
    legit: usize,
    passed: usize,
    for_each: Duration,
}

fn measure(server: &Server, requests: &[Request], rounds: usize) -> Measured {
    let mut measured = Measured::default();
    let mut connection = None;
    // The first round fills caches and counts.
    for request in requests {
        let passed = send(&mut connection, server.address, request) == Some(200);
        if request.is_attack {
            measured.attacks += 1;
            measured.refused += usize::from(!passed);
        } else {
            measured.legit += 1;
            measured.passed += usize::from(passed);
        }
    }
    let before = server.used();
    for request in requests.iter().cycle().take(rounds * requests.len()) {
        send(&mut connection, server.address, request);
    }
    let sent = u32::try_from(rounds * requests.len()).unwrap();
    measured.for_each = (server.used() - before) / sent.max(1);
    measured
}

/// The status of the answer to a request; none where there is no answer.
fn send(connection: &mut Option<TcpStream>, address: SocketAddr, request: &Request) -> Option<u16> {
    // A connection that was kept may have been closed.
    for _ in 0..2 {
        let was_kept = connection.is_some();
        let mut stream = connection.take().or_else(|| {
            let stream = TcpStream::connect(address).ok()?;
            stream.set_nodelay(true).ok()?;
            stream
                .set_read_timeout(Some(Duration::from_secs(20)))
                .ok()?;
            Some(stream)
        })?;
        let _ = stream.write_all(&request.bytes);
        match answer(&mut stream, request.is_head) {
            Some((status, is_kept)) => {
                *connection = is_kept.then_some(stream);
                return Some(status);
            }
            None if was_kept => {}
            None => return None,
        }
    }
    None
}

/// Reads an answer: its status, and whether the connection is good for another.
fn answer(stream: &mut TcpStream, is_head: bool) -> Option<(u16, bool)> {
    let mut read = Vec::new();
    let mut buffer = [0; 16 << 10];
    let head = loop {
        let end = read.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            break end + 4;
        }
        let len = stream.read(&mut buffer).ok().filter(|len| *len > 0)?;
        read.extend_from_slice(&buffer[..len]);
    };
    let lower = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let status = lower.split(' ').nth(1)?.parse().ok()?;
    let length = lower.lines().find_map(|line| {
        line.strip_prefix("content-length:")?
            .trim()
            .parse::<usize>()
            .ok()
    });
    let mut is_kept = !lower.contains("connection: close");
    match length {
        _ if is_head => {}
        Some(length) => {
            while read.len() < head + length {
                let len = stream.read(&mut buffer).ok().filter(|len| *len > 0)?;
                read.extend_from_slice(&buffer[..len]);
            }
        }
        None => is_kept = false,
    }
    Some((status, is_kept))
}
