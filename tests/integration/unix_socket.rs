//! A listener that is a path.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use crate::process::Program;
use crate::support::{Client, PATIENCE, Proxy, Upstream, json};
use crate::tls::curl;

fn connect(path: &Path) -> Client {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::over(stream)
}

fn listening(path: &Path) -> String {
    format!(
        "listen: [{{ address: 127.0.0.1:0 }}, {{ address: 'unix:{}' }}]\n",
        path.display()
    )
}

const WORD: &str = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";

#[test]
fn requests_come_over_it_as_over_any_other() {
    let body = "x".repeat(4 << 20);
    let long = body.clone();
    let upstream = Upstream::start(move |request| {
        json(
            "200 OK",
            if request.target == "/long" {
                &long
            } else {
                "{}"
            },
        )
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.sock");
    let proxy = Proxy::start(&upstream, &format!("{}{WORD}", listening(&path)));
    let mut client = connect(&path);
    for pause in [0, 300, 0] {
        client.request("GET", "/a", &[], b"");
        assert_eq!(client.response().status, 200);
        std::thread::sleep(Duration::from_millis(pause));
    }
    assert_eq!(upstream.last().one("x-forwarded-for"), Some("127.0.0.1"));
    client.request("GET", "/?q=malicious", &[], b"");
    assert_eq!(client.response().status, 403);
    client.request(
        "POST",
        "/long",
        &[("Content-Type", "application/octet-stream")],
        &[0; 300_000],
    );
    assert_eq!(client.response().body.len(), 4 << 20);
    // Byte by byte, and in two halves.
    let mut client = connect(&path);
    for byte in b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.response().status, 200);
    // The other listener is there as well.
    assert_eq!(proxy.get("/").status, 200);
    if let Some(told) = curl(&[
        "--http2-prior-knowledge",
        "--unix-socket",
        &path.display().to_string(),
        "--write-out",
        " %{http_version} %{http_code}",
        "http://h/",
    ]) {
        assert!(told.ends_with(" 2 200"), "{told}");
    }
}

#[test]
fn a_proxy_on_this_machine_names_its_clients() {
    let upstream = Upstream::plain();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.sock");
    let yaml = format!(
        "{}clients: {{ trusted_proxies: [127.0.0.1] }}\n{WORD}",
        listening(&path)
    );
    let _proxy = Proxy::start(&upstream, &yaml);
    let mut client = connect(&path);
    client.request("GET", "/", &[("X-Forwarded-For", "192.0.2.7")], b"");
    assert_eq!(client.response().status, 200);
    assert_eq!(
        upstream.last().one("x-forwarded-for"),
        Some("192.0.2.7, 127.0.0.1")
    );
}

#[test]
fn what_a_program_left_behind_makes_room_and_nothing_else_does() {
    let upstream = Upstream::plain();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.sock");
    drop(UnixListener::bind(&path).unwrap());
    let proxy = Proxy::start(&upstream, &format!("{}{WORD}", listening(&path)));
    let mut client = connect(&path);
    client.request("GET", "/", &[], b"");
    assert_eq!(client.response().status, 200);
    let of = |path: &Path| format!("{}{WORD}", listening(path));
    let refused = |yaml: &str| {
        let mut program = Program::start_refused(&upstream, yaml);
        assert_eq!(program.ended().code(), Some(1));
        program.output().1
    };
    assert!(refused(&of(&path)).contains("ddress"), "in use");
    let file = folder.path().join("file");
    std::fs::File::create(&file)
        .unwrap()
        .write_all(b"precious")
        .unwrap();
    assert!(refused(&of(&file)).contains("ddress"), "a file");
    assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    drop(proxy);
}
