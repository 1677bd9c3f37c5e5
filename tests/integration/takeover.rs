//! Listening sockets that outlive a program: those of systemd, and those that one program hands to the next.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::process::{Program, command, rules};
use crate::support::{Answer, Client, Upstream, wait_until};

/// The processes that a process has started.
fn children(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The one that started it may have been another thread than the first.
    let tasks = std::fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    let others =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
    let all: String = std::iter::once(text)
        .chain(others)
        .collect::<Vec<_>>()
        .join(" ");
    let mut found: Vec<u32> = all
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    found.dedup();
    found
}

/// Ends a process that this test caused to be started.
struct Heir(u32);

impl Drop for Heir {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-s", "TERM", &self.0.to_string()])
            .status();
    }
}

#[test]
fn a_new_program_takes_over_without_a_request_that_fails() {
    let upstream = Upstream::plain();
    let slow = Upstream::start(|_| {
        Answer::Late(
            Duration::from_millis(700),
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".to_vec(),
        )
    });
    let more = format!(
        "upstream: http://UPSTREAM\nroutes: [{{ path: /slow, upstream: 'http://{}' }}]\ndetections: []\n",
        slow.address
    );
    let mut program = Program::start(&upstream, &more);
    let (address, done) = (program.address(), AtomicBool::new(false));
    let heir = std::thread::scope(|scope| {
        let traffic: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut served = 0;
                    while !done.load(Ordering::SeqCst) {
                        let mut client = Client::connect(address);
                        client.request("GET", "/", &[("Connection", "close")], b"");
                        assert_eq!(client.response().status, 200);
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        // What is in flight is finished by who began it.
        let mut in_flight = Client::connect(address);
        in_flight.request("GET", "/slow", &[], b"");
        wait_until("the slow request to be under way", || slow.count() == 1);
        program.signal("USR2");
        let mut heir = None;
        wait_until("the new program", || {
            heir = children(program.id()).first().copied();
            heir.is_some()
        });
        let answer = in_flight.response();
        assert_eq!((answer.status, answer.complete), (200, true));
        assert_eq!(program.ended().code(), Some(0));
        std::thread::sleep(Duration::from_millis(200));
        done.store(true, Ordering::SeqCst);
        let served: usize = traffic
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert!(served > 20, "{served}");
        Heir(heir.unwrap())
    });
    let mut client = Client::connect(address);
    client.request("GET", "/", &[], b"");
    assert_eq!(client.response().status, 200);
    drop(heir);
    wait_until("the new program to end", || {
        std::net::TcpStream::connect(address).is_err()
    });
}

#[test]
fn a_new_program_that_fails_changes_nothing() {
    let upstream = Upstream::plain();
    let mut program = Program::start(&upstream, "detections: []\n");
    program.write(upstream.address, "nonsense: [\n");
    program.signal("USR2");
    // It may have come and gone before anybody looks.
    std::thread::sleep(Duration::from_secs(1));
    wait_until("the new program to go", || {
        children(program.id()).is_empty()
    });
    assert_eq!(program.get("/"), 200);
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0));
    let (_, told) = program.output();
    assert!(told.contains("that was started anew has ended"), "{told}");
}

#[test]
fn sockets_of_systemd_are_served_on() {
    use command_fds::{CommandFdExt, FdMapping};
    let upstream = Upstream::plain();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, rules(address, upstream.address, "detections: []\n")).unwrap();
    // Whoever connects before there is a program waits for it.
    let mut early = Client::connect(address);
    early.request("GET", "/", &[], b"");
    let mut command = command(&path);
    command
        .env("LISTEN_FDS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mapping = FdMapping {
        parent_fd: listener.into(),
        child_fd: 3,
    };
    let mut child = command.fd_mappings(vec![mapping]).unwrap().spawn().unwrap();
    assert_eq!(early.response().status, 200);
    for _ in 0..8 {
        let mut client = Client::connect(address);
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    }
    let _ = child.kill();
    let _ = child.wait();
}
