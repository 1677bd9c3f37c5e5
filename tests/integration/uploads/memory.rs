//! What an upload costs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::{TYPE, WORD, binary, long_form, part, send};
use crate::process::Program;
use crate::support::{Answer, Client, Proxy, Upstream, json, soak_share};

/// An upstream that reads whatever comes, keeps nothing of it, and answers when it is asked to by the end of the chunks.
fn sink() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 18];
                let mut end = Vec::new();
                while let Ok(length @ 1..) = stream.read(&mut buffer) {
                    end.extend_from_slice(&buffer[length.saturating_sub(64)..length]);
                    let cut = end.len().saturating_sub(64);
                    end.drain(..cut);
                    if end.ends_with(b"--\r\n\r\n0\r\n\r\n") || end.ends_with(b"GET\r\n\r\n") {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                    }
                }
            });
        }
    });
    address
}

#[test]
fn an_upload_of_2_gib_costs_a_few_mib() {
    let rules = "events: { log: none }\nlimits: { upload: 4GiB }\ndetections: [{ malicious_payload: {} }]\n";
    let program = Program::start_before(sink(), rules);
    let before = program.peak();
    let mut client = Client::connect(program.address());
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {TYPE}\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    let chunk =
        |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    client.send(chunk(&part("name=\"a\"", b"value")));
    let file = part("name=\"up\"; filename=\"a.bin\"", &binary(1 << 20));
    client.send(chunk(&file[..file.len() - 2]));
    let piece = chunk(&binary(1 << 20));
    let mebibytes = (2048.0 * soak_share()) as usize;
    for _ in 0..mebibytes {
        client.send(&piece);
    }
    client.send(chunk(b"\r\n------boundary7MA4--\r\n"));
    client.send("0\r\n\r\n");
    assert_eq!(client.response().status, 200);
    let grown = program.peak().saturating_sub(before);
    println!("an upload of {mebibytes} MiB: {grown} KiB more at the peak");
    assert!(grown <= 8 * 1024, "{grown} KiB");
}

#[test]
fn an_answer_after_a_long_form_comes_as_any_other() {
    let upstream = Upstream::start(|request| match request.target.as_str() {
        "/late" => Answer::Late(
            Duration::from_millis(200),
            b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nlate".to_vec(),
        ),
        _ => json("200 OK", "{}"),
    });
    let proxy = Proxy::start(&upstream, WORD);
    let answer = send(&proxy, "/late", &long_form(None), None);
    assert_eq!((answer.status, answer.text().as_str()), (201, "late"));
    assert_eq!(proxy.events().len(), 0);
}
