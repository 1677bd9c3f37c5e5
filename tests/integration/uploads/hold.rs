//! `uploads: hold`: what is kept on disk until all of it was judged.

use std::time::Duration;

use portcullis::event::Decision;

use super::{WORD, binary, long_form, send, send_over};
use crate::process::Program;
use crate::support::{Client, Proxy, Upstream, wait_until};

#[test]
fn what_is_held_goes_on_only_when_all_of_it_was_judged() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("limits: {{ uploads: hold }}\n{WORD}"));
    for chunk in [None, Some(9000)] {
        for guilty in [0, 13] {
            let refused = send(&proxy, "/guilty", &long_form(Some(guilty)), chunk);
            assert_eq!(refused.status, 403);
            let event = proxy.event(&refused.id());
            assert_eq!(
                (event.decision, event.rule.as_deref()),
                (Decision::Block, Some("word"))
            );
        }
    }
    assert_eq!(upstream.count(), 0, "nothing has gone on");
    let innocent = long_form(None);
    for chunk in [None, Some(9000)] {
        assert_eq!(send(&proxy, "/", &innocent, chunk).status, 200);
        assert!(upstream.last().body == innocent);
        assert_eq!(
            upstream.last().one("content-length"),
            Some(&*innocent.len().to_string())
        );
    }
    // An upload without parts, of which the client has not sent the end.
    let file = binary(2 << 20);
    let mut client = proxy.connect();
    client.send(format!(
        "POST /file HTTP/1.1\r\nHost: h\r\nContent-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
        file.len()
    ));
    client.send(&file[..file.len() - 1]);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(upstream.count(), 2);
    client.send(&file[file.len() - 1..]);
    assert_eq!(client.response().status, 200);
    assert!(upstream.last().target == "/file" && upstream.last().body == file);
    // Trailers go on behind it.
    let mut client = proxy.connect();
    client.send("POST /trailers HTTP/1.1\r\nHost: h\r\nContent-Type: image/png\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.send(format!("{:x}\r\n", file.len()));
    client.send(&file);
    client.send("\r\n0\r\nX-Sum: 1\r\n\r\n");
    assert_eq!(client.response().status, 200);
    assert!(upstream.last().body == file);
    assert_eq!(
        upstream.last().trailers,
        [("x-sum".to_owned(), "1".to_owned())]
    );
}

#[test]
fn nothing_of_what_is_held_stays_on_disk() {
    let upstream = Upstream::plain();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let rules = format!("events: {{ log: none }}\nlimits: {{ uploads: hold }}\n{WORD}");
    let mut program = Program::start_with_env(&upstream, &rules, &[("TMPDIR", path)]);
    let mut client = Client::connect(program.address());
    client.send(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: image/png\r\nContent-Length: 10000000\r\n\r\n",
    );
    client.send(binary(5_000_000));
    let deleted = || {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", program.id())).unwrap();
        let links = descriptors.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
        links.filter(|link| link.starts_with(path)).count()
    };
    wait_until("it to be on disk", || deleted() == 1);
    assert_eq!(
        std::fs::read_dir(path).unwrap().count(),
        0,
        "it has no name"
    );
    program.signal("KILL");
    program.ended();
    assert_eq!(std::fs::read_dir(path).unwrap().count(), 0);
    assert_eq!(upstream.count(), 0);
}

#[test]
fn what_cannot_be_held_is_refused() {
    let upstream = Upstream::plain();
    let rules = format!("events: {{ log: none }}\nlimits: {{ uploads: hold }}\n{WORD}");
    let program = Program::start_with_env(&upstream, &rules, &[("TMPDIR", "/nowhere/at/all")]);
    let mut client = Client::connect(program.address());
    let refused = send_over(&mut client, "/", &long_form(None), Some(9000));
    assert_eq!(refused.status, 503);
    assert_eq!((upstream.count(), program.get("/next")), (0, 200));
}
