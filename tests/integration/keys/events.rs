//! `events`.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::WORD;
use crate::process::Program;
use crate::support::{Proxy, Upstream, wait_until};

fn events(settings: &str) -> String {
    format!("events: {{ {settings} }}\n{WORD}")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

pub fn log() {
    let upstream = Upstream::plain();
    let file = Proxy::start(&upstream, &events("log: here.jsonl"));
    let path = file.folder.path().join("here.jsonl");
    let refused = file.get("/?q=malicious");
    wait_until("the event", || read(&path).contains(&refused.id()));

    for (log, is_told) in [("stdout", true), ("none", false)] {
        let mut program = Program::start(&upstream, &events(&format!("log: {log}")));
        assert_eq!(program.get("/?q=malicious"), 403);
        program.signal("TERM");
        program.ended();
        let (out, _) = program.output();
        assert_eq!(out.contains("malicious_payload"), is_told, "{log}: {out}");
    }
}

/// How many rotated files there are after many lines of about half a kibibyte. A request that is refused at the end and
/// found in the log says that all lines before it are written.
fn rotated(settings: &str) -> usize {
    let upstream = Upstream::plain();
    let yaml = events(&format!("log: events.jsonl, access_log: true, {settings}"));
    let proxy = Proxy::start(&upstream, &yaml);
    let folder = proxy.folder.path();
    let mut client = proxy.connect();
    for _ in 0..60 {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200);
    }
    let refused = proxy.get("/?q=malicious").id();
    let files = || {
        let entries = std::fs::read_dir(folder).unwrap();
        let logs = entries.map(|entry| entry.unwrap().path());
        logs.filter(|path| path.display().to_string().contains("events.jsonl"))
            .collect::<Vec<_>>()
    };
    wait_until("the last line", || {
        files().iter().any(|path| read(path).contains(&refused))
    });
    files().len() - 1
}

pub fn rotate() {
    assert!(rotated("rotate: 4KiB") > 0);
    assert_eq!(rotated("rotate: 100MiB"), 0);
    assert_eq!(rotated("rotate: 0B"), 0, "zero never rotates");
}

pub fn keep() {
    for keep in [0, 1, 2] {
        assert_eq!(rotated(&format!("rotate: 4KiB, keep: {keep}")), keep);
    }
}

pub fn access_log() {
    let upstream = Upstream::plain();
    for (switch, lines) in [("true", 2), ("false", 0)] {
        let settings = format!("log: events.jsonl, access_log: {switch}");
        let proxy = Proxy::start(&upstream, &events(&settings));
        assert_eq!(proxy.get("/").status, 200);
        assert_eq!(proxy.get("/?q=malicious").status, 403);
        let path = proxy.folder.path().join("events.jsonl");
        proxy.running().reload().unwrap();
        // A reload is an event, and comes after the others.
        let mut text = String::new();
        wait_until("the lines", || {
            text = read(&path);
            text.contains("Reloaded") && text.matches("\"kind\":\"access\"").count() >= lines
        });
        assert_eq!(text.matches("\"kind\":\"access\"").count(), lines);
    }
}

pub fn excerpt() {
    let upstream = Upstream::plain();
    let kept = |settings: &str| {
        let proxy = Proxy::start(&upstream, &events(settings));
        let target = format!("/?q=malicious&r={}", "x".repeat(500));
        let id = proxy.get(&target).id();
        let mut kept = None;
        wait_until("the event", || {
            let events = proxy.events();
            let event = events.iter().find(|event| event.id.to_string() == id);
            kept = event.map(|event| event.request.clone());
            event.is_some()
        });
        kept.flatten()
    };
    let whole = kept("excerpt: 8KiB").expect("an excerpt");
    assert!(whole.cut.is_empty() && whole.target.len() > 500);
    let part = kept("excerpt: 256B").expect("an excerpt");
    assert!(part.cut.contains(&"target".into()), "{:?}", part.cut);
    assert_eq!(part.target.len(), 128);
    assert_eq!(kept("excerpt: 0B"), None);
}

pub fn queue() {
    let upstream = Upstream::plain();
    for (queue, drops) in [(1, true), (8192, false)] {
        // A pipe that nobody reads: what is written waits in it until it is full, and then in the queue.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let pipe = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        let settings = format!("log: '{}', queue: {queue}", path.display());
        let proxy = Proxy::start(&upstream, &events(&settings));
        let mut client = proxy.connect();
        for _ in 0..400 {
            client.request("GET", "/?q=malicious", &[], b"");
            assert_eq!(client.response().status, 403);
        }
        assert_eq!(proxy.running().events().dropped() > 0, drops, "{queue}");
        // A writer that waits would hold up the end.
        let stopped = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stopped.load(Ordering::SeqCst) {
                    let _ = (&pipe).read(&mut [0; 65536]);
                }
            });
            proxy.stop();
            stopped.store(true, Ordering::SeqCst);
            (&pipe).write_all(b"\n").unwrap();
        });
    }
}
