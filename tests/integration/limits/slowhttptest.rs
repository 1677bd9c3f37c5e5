//! The tool `slowhttptest` (Debian) as a slow client that nobody here wrote. Bounded in number and time, and on this
//! machine only.

use std::process::Command;

use crate::process::Program;
use crate::support::{Upstream, has, json};

/// Runs the tool in one of its modes; what it said at the end.
fn attack(program: &Program, mode: &[&str]) -> String {
    let output = Command::new("slowhttptest")
        .args(mode)
        // 60 connections, all begun in the first second, for at most 20 seconds; it ends when all are closed.
        .args([
            "-c", "60", "-r", "60", "-i", "1", "-l", "20", "-p", "5", "-v", "1",
        ])
        .args(["-u", &format!("http://{}/", program.address())])
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn slowhttptest_holds_no_connection_and_shuts_nobody_out() {
    if !has("slowhttptest") {
        return;
    }
    let big = "x".repeat(1 << 20);
    let upstream = Upstream::start(move |_| json("200 OK", &big));
    let yaml = "events: { log: none }\n\
                limits: { header_time: 1s, body_time: 1s, write_time: 1s, idle_time: 1s, body_rate: 4KiB }\n\
                detections: [{ malicious_payload: {} }]\n";
    let modes: [&[&str]; 4] = [
        &["-H"],
        &["-B"],
        &["-R"],
        // It notices the end of a connection when it has read what it has of it already, so it must not be too slow for that.
        &["-X", "-n", "1", "-z", "512", "-w", "512", "-y", "1024"],
    ];
    for mode in modes {
        let program = Program::start(&upstream, yaml);
        let said = attack(&program, mode);
        // The last figures are those of the end.
        let end = said
            .rsplit("slow HTTP test status")
            .next()
            .unwrap_or_default();
        assert!(end.contains("No open connections left"), "{mode:?}: {end}");
        assert!(end.contains("YES"), "{mode:?}: {end}");
        assert_eq!(program.get("/"), 200);
    }
}
