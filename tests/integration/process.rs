//! The program as it is run: signals, exit codes, what it prints.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Answer, Client, PATIENCE, Upstream, replace, wait_until};

/// The program, running.
pub struct Program {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
}

/// A port that stays free while a program is between two lives: below those that the kernel gives to whoever asks for
/// any, so that no other test gets it meanwhile.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % 15_000).unwrap();
    loop {
        let port = 12_000 + (start + NEXT.fetch_add(1, Ordering::SeqCst)) % 15_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub fn command(path: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .arg("run")
        .arg("--config")
        .arg(path)
        .env_remove("PORTCULLIS_CONFIG")
        .env_remove("PORTCULLIS_LOG");
    command
}

pub fn rules(address: SocketAddr, upstream: SocketAddr, more: &str) -> String {
    format!(
        "version: 1\nlisten: {address}\n{}control: {{ listen: null }}\n{}",
        if more.contains("upstream:") {
            String::new()
        } else {
            format!("upstream: http://{upstream}\n")
        },
        more.replace("UPSTREAM", &upstream.to_string()),
    )
}

impl Program {
    pub fn start(upstream: &Upstream, more: &str) -> Self {
        Self::start_before(upstream.address, more)
    }

    /// `UPSTREAM` in `more` stands for the upstream's address.
    pub fn start_before(upstream: SocketAddr, more: &str) -> Self {
        Self::start_in(upstream, more, &[])
    }

    /// The same, in an environment that has these, too.
    pub fn start_with_env(upstream: &Upstream, more: &str, env: &[(&str, &str)]) -> Self {
        Self::start_in(upstream.address, more, env)
    }

    fn start_in(upstream: SocketAddr, more: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yaml");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        std::fs::write(&path, rules(address, upstream, more)).unwrap();
        let program = Self::spawn(folder, path, address, env);
        program.wait_until_it_listens();
        program
    }

    /// One whose only listener says `more_of_it`, as in `tls: { … }`.
    pub fn start_listening(upstream: &Upstream, more_of_it: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yaml");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let own = format!("listen: [{{ address: {address}, {more_of_it} }}]\n");
        let all = rules(address, upstream.address, more);
        std::fs::write(
            &path,
            all.replacen(&format!("listen: {address}\n"), &own, 1),
        )
        .unwrap();
        let program = Self::spawn(folder, path, address, &[]);
        program.wait_until_it_listens();
        program
    }

    /// One that is bound to fail: `more` has a section `listen` of its own.
    pub fn start_refused(upstream: &Upstream, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yaml");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let all = rules(address, upstream.address, more);
        let own = all.replacen(&format!("listen: {address}\n"), "", 1);
        std::fs::write(&path, own).unwrap();
        Self::spawn(folder, path, address, &[])
    }

    fn spawn(
        folder: tempfile::TempDir,
        path: std::path::PathBuf,
        address: SocketAddr,
        env: &[(&str, &str)],
    ) -> Self {
        let child = command(&path)
            .envs(env.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            child,
            address,
            _folder: folder,
            path,
        }
    }

    fn wait_until_it_listens(&self) {
        wait_until("the program to listen", || {
            std::net::TcpStream::connect(self.address).is_ok()
        });
    }

    /// Its number among the processes of the machine.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args(["-s", name, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Where its configuration is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Replaces the configuration, without reloading.
    pub fn write(&self, upstream: SocketAddr, more: &str) {
        replace(&self.path, &rules(self.address, upstream, more));
    }

    /// How many file descriptors it has open.
    pub fn descriptors(&self) -> usize {
        let folder = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(folder).unwrap().count()
    }

    /// How much memory it holds, in KiB, as the kernel counts it.
    pub fn resident(&self) -> usize {
        self.account("VmRSS:")
    }

    /// How much memory it has held at most, in KiB.
    pub fn peak(&self) -> usize {
        self.account("VmHWM:")
    }

    fn account(&self, field: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        line.unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap()
    }

    pub fn get(&self, target: &str) -> u16 {
        let mut client = Client::connect(self.address);
        client.request("GET", target, &[], b"");
        client.response().status
    }

    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the program to end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Reads what it says and forgets it, since it would wait for whoever reads its diagnostics.
    pub fn hush(&mut self) {
        let (mut out, mut err) = (
            self.child.stdout.take().unwrap(),
            self.child.stderr.take().unwrap(),
        );
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        std::thread::spawn(move || std::io::copy(&mut err, &mut std::io::sink()));
    }

    pub fn output(&mut self) -> (String, String) {
        let (mut out, mut err) = (String::new(), String::new());
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut err)
            .unwrap();
        (out, err)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const WORD: &str =
    "detections:\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n";

#[test]
fn sigterm_finishes_what_is_in_flight_and_ends_well() {
    let upstream = Upstream::start(|_| {
        Answer::Late(
            Duration::from_secs(1),
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate".to_vec(),
        )
    });
    for signal in ["TERM", "INT"] {
        let before = upstream.count();
        let mut program = Program::start(&upstream, WORD);
        let idle = Client::connect(program.address);
        let mut busy = Client::connect(program.address);
        busy.request("GET", "/", &[], b"");
        wait_until("the request to arrive", || upstream.count() > before);
        program.signal(signal);
        assert_eq!(busy.response().text(), "late");
        assert_eq!(program.ended().code(), Some(0));
        drop(idle);
        let (out, _) = program.output();
        let last = out.lines().last().unwrap();
        assert!(last.contains("Stopped."), "{out}");
    }
}

#[test]
fn a_second_signal_ends_at_once() {
    let upstream = Upstream::start(|_| Answer::Silence);
    let mut program = Program::start(&upstream, "limits: { drain_time: 1h }\ndetections: []\n");
    let mut busy = Client::connect(program.address);
    busy.request("GET", "/", &[], b"");
    wait_until("the request to arrive", || upstream.count() == 1);
    program.signal("TERM");
    wait_until("the drain to begin", || {
        std::net::TcpStream::connect(program.address).is_err()
    });
    assert!(program.child.try_wait().unwrap().is_none());
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(1));
}

#[test]
fn a_drain_ends_at_its_limit() {
    let upstream = Upstream::start(|_| Answer::Silence);
    let mut program = Program::start(&upstream, "limits: { drain_time: 300ms }\ndetections: []\n");
    let mut busy = Client::connect(program.address);
    busy.request("GET", "/", &[], b"");
    wait_until("the request to arrive", || upstream.count() == 1);
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0));
}

/// An upstream whose answer has no length, so that to a client of HTTP/1.0 its end is that of the connection: below
/// `/whole` it ends, elsewhere it does not.
fn without_length() -> Upstream {
    Upstream::start(|request| {
        let begun = b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec();
        if request.target == "/whole" {
            return Answer::Close(begun);
        }
        Answer::Drip(vec![begun, Vec::new()], PATIENCE)
    })
}

/// A client of HTTP/1.0 that has the beginning of its answer.
fn old_client(address: SocketAddr, target: &str) -> Client {
    let mut client = Client::connect(address);
    client.send(format!("GET {target} HTTP/1.0\r\nHost: h\r\n\r\n"));
    let head = client.head();
    assert_eq!(
        (
            head.status,
            head.headers
                .iter()
                .any(|(name, _)| name == "content-length")
        ),
        (200, false)
    );
    let mut begun = [0; 5];
    client.reader().read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"hello");
    client
}

#[test]
fn an_answer_that_the_end_of_the_program_cuts_looks_cut() {
    for (drain_time, signals, code) in [("300ms", 1, 0), ("1h", 2, 1)] {
        let upstream = without_length();
        let yaml = format!("limits: {{ drain_time: {drain_time} }}\ndetections: []\n");
        let mut program = Program::start(&upstream, &yaml);
        let mut whole = old_client(program.address, "/whole");
        assert_eq!(whole.reader().read_to_end(&mut Vec::new()).unwrap(), 0);
        let mut cut = old_client(program.address, "/cut");
        program.signal("TERM");
        if signals > 1 {
            wait_until("the drain to begin", || {
                std::net::TcpStream::connect(program.address).is_err()
            });
            program.signal("TERM");
        }
        assert_eq!(program.ended().code(), Some(code));
        // The end of the connection would be the end of the answer; only a reset tells that it was cut.
        let ended = cut.reader().read_to_end(&mut Vec::new());
        assert!(ended.is_err(), "{drain_time}: {ended:?}");
    }
}

#[test]
fn a_canary_below_the_threshold_does_not_stop_the_start() {
    let upstream = Upstream::plain();
    let more = format!("policy: {{ threshold: 6 }}\n{WORD}");
    let mut program = Program::start(&upstream, &more);
    assert_eq!(program.get("/?q=malicious"), 200);
    program.signal("TERM");
    assert!(program.ended().success());
    let (_, err) = program.output();
    assert!(err.contains("stays below the threshold of 6"), "{err}");
}

#[test]
fn sighup_reloads_and_a_bad_file_changes_nothing() {
    let upstream = Upstream::plain();
    let mut program = Program::start(&upstream, WORD);
    assert_eq!(
        (program.get("/?q=malicious"), program.get("/?q=forbidden")),
        (403, 200)
    );
    replace(
        &program.path,
        &rules(
            program.address,
            upstream.address,
            &WORD.replace("malicious]", "forbidden]"),
        ),
    );
    program.signal("HUP");
    wait_until("the new rules", || program.get("/?q=forbidden") == 403);
    assert_eq!(program.get("/?q=malicious"), 200);
    replace(&program.path, "version: 1\ndetections: {\n");
    program.signal("HUP");
    assert_eq!(program.get("/?q=forbidden"), 403);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(program.get("/?q=forbidden"), 403);
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0));
    let (out, err) = program.output();
    assert!(
        out.contains("\"kind\":\"reload\"") && out.contains("Reload refused"),
        "{out}"
    );
    assert!(err.contains("The configuration was refused"), "{err}");
    assert!(
        out.lines()
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{out}"
    );
}

#[test]
fn sigusr1_opens_the_log_again() {
    let upstream = Upstream::plain();
    let mut program = Program::start(
        &upstream,
        &format!("events: {{ log: events.jsonl }}\n{WORD}"),
    );
    let log = program.path.with_file_name("events.jsonl");
    let moved = program.path.with_file_name("moved.jsonl");
    program.get("/?q=malicious");
    wait_until("the event", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("malicious_payload"))
    });
    std::fs::rename(&log, &moved).unwrap();
    program.signal("USR1");
    wait_until("the new log", || {
        program.get("/?q=malicious");
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("malicious_payload"))
    });
    program.signal("TERM");
    program.ended();
}

#[test]
fn a_wrong_configuration_ends_with_78_and_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, "version: 1\nlimitz: {}\n").unwrap();
    let output = command(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("rules.yaml:2:1") && said.contains("limits"),
        "{said}"
    );
}

#[test]
fn an_address_in_use_is_named() {
    let upstream = Upstream::plain();
    let program = Program::start(&upstream, WORD);
    let output = command(&program.path).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains(&format!("cannot listen on {}", program.address)),
        "{said}"
    );
    // The one that runs is not disturbed.
    assert_eq!(program.get("/"), 200);
}

#[test]
fn a_killed_program_serves_again_at_once() {
    let upstream = Upstream::plain();
    // The whole default chain, so that all of it is compiled.
    let mut program = Program::start(
        &upstream,
        "detections:\n  - user_agent: {}\n  - rate_limit: {}\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n  - enumeration: {}\n",
    );
    program.get("/?q=malicious");
    let mut idle: Vec<_> = (0..20).map(|_| Client::connect(program.address)).collect();
    for client in &mut idle {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    }
    program.signal("KILL");
    program.ended();
    let begun = Instant::now();
    let mut again = command(&program.path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let served = loop {
        if let Ok(stream) = std::net::TcpStream::connect(program.address) {
            let mut client = Client::from_stream(stream);
            client.request("GET", "/?q=malicious", &[], b"");
            break client.response().status;
        }
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(1));
    };
    let took = begun.elapsed();
    println!("from a crash to serving: {took:?}");
    assert_eq!(served, 403);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let mut first = String::new();
    BufReader::new(again.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(first.contains("Started with policy"), "{first}");
    again.kill().unwrap();
    again.wait().unwrap();
}

#[test]
fn connections_that_are_idle_delay_no_end() {
    let upstream = Upstream::plain();
    let limits = "limits: { drain_time: 1h, header_time: 1h }\ndetections: []\n";
    let served = |client: &mut Client| {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    };
    for what in ["silent", "kept", "half a head", "half a body"] {
        let mut program = Program::start(&upstream, limits);
        let mut clients: Vec<_> = (0..20).map(|_| Client::connect(program.address)).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            // Whether it is the first on its connection does not matter.
            if what == "kept" || (what == "half a head" && n % 2 == 0) {
                served(client);
            }
            if what == "half a head" {
                client.send("GET / HTTP/1.1\r\nHost: h\r\nX-Half: ");
            }
            if what == "half a body" {
                client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhalf");
            }
        }
        // What is in flight is finished, but goes with its client.
        if what == "half a body" {
            served(&mut Client::connect(program.address));
            clients.clear();
        }
        let begun = Instant::now();
        program.signal("TERM");
        assert_eq!(program.ended().code(), Some(0));
        println!(
            "with 20 connections, {what}: ended after {:?}",
            begun.elapsed()
        );
    }
}

#[test]
fn what_is_in_flight_is_finished_in_every_stage() {
    let (open, upstream) = {
        let open = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&open);
        let upstream = Upstream::start(move |request| {
            if request.target == "/waiting" {
                wait_until("the end to begin", || gate.load(Ordering::SeqCst));
            }
            Answer::Pieces(
                vec![
                    b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec(),
                    b"hello".to_vec(),
                    b"world".to_vec(),
                ],
                Duration::from_millis(300),
            )
        });
        (open, upstream)
    };
    let mut program = Program::start(&upstream, "detections: []\n");
    let connect = || Client::connect(program.address);
    let (mut waiting, mut streaming, mut sending) = (connect(), connect(), connect());
    waiting.request("GET", "/waiting", &[], b"");
    streaming.request("GET", "/streaming", &[], b"");
    sending.send("POST /sending HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello");
    let head = streaming.head();
    wait_until("the request to arrive", || upstream.count() >= 2);
    program.signal("TERM");
    wait_until("the drain to begin", || {
        std::net::TcpStream::connect(program.address).is_err()
    });
    open.store(true, Ordering::SeqCst);
    sending.send("world");
    assert_eq!(streaming.body_of(head, "GET").text(), "helloworld");
    for client in [&mut waiting, &mut sending] {
        let response = client.response();
        assert_eq!(response.text(), "helloworld");
        assert!(response.complete);
        assert_eq!(response.header("connection"), Some("close"));
    }
    assert_eq!(program.ended().code(), Some(0));
}

#[test]
fn monitor_refuses_nothing_by_a_detection() {
    let upstream = Upstream::plain();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    std::fs::write(
        &path,
        rules(
            address,
            upstream.address,
            &WORD.replace("{ patterns", "{ mode: enforce, patterns"),
        ),
    )
    .unwrap();
    let mut child = command(&path)
        .arg("--monitor")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until("the program to listen", || {
        std::net::TcpStream::connect(address).is_ok()
    });
    let mut client = Client::connect(address);
    client.request("GET", "/?q=malicious", &[], b"");
    assert_eq!(client.response().status, 200);
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let told = lines
        .into_iter()
        .find(|line| line.contains("malicious_payload"))
        .unwrap();
    assert!(told.contains("\"decision\":\"would_block\""), "{told}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn it_takes_as_many_files_as_the_system_lets_it_have() {
    let upstream = Upstream::plain();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    std::fs::write(
        &path,
        rules(address, upstream.address, "events: { log: none }\n"),
    )
    .unwrap();
    let child = Command::new("sh")
        .args(["-c", "ulimit -S -n 40; ulimit -H -n 400; exec \"$@\"", "sh"])
        .arg(env!("CARGO_BIN_EXE_portcullis"))
        .args(["run", "--config"])
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut program = Program {
        child,
        address,
        _folder: folder,
        path,
    };
    program.wait_until_it_listens();
    let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(address)).collect();
    for client in &mut clients {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    }
    // The default of limits.connections is more than that, and somebody should know.
    program.signal("TERM");
    assert!(program.ended().success());
    let mut said = String::new();
    let errors = program.child.stderr.as_mut().unwrap();
    errors.read_to_string(&mut said).unwrap();
    assert!(said.contains("400 open files"), "{said}");
}
