//! The tour that the demo prints, taken: its lines are pasted into a shell as they stand, against the demo itself.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// No line should take this long; who waits longer has found a bug.
const PATIENCE: Duration = Duration::from_secs(60);

/// The demo, on free ports. Ended when it is dropped.
struct Demo {
    process: Child,
    lines: Receiver<String>,
}

impl Demo {
    fn start() -> Self {
        let mut process = Command::new(program())
            .args(["127.0.0.1:0", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        Self { process, lines }
    }

    /// The next line for which `pick` has something.
    fn wait_for<T>(&self, mut pick: impl FnMut(&str) -> Option<T>) -> T {
        loop {
            let line = self
                .lines
                .recv_timeout(PATIENCE)
                .expect("the demo says more");
            if let Some(picked) = pick(&line) {
                return picked;
            }
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `cargo test` builds the examples into the folder beside that of the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let program = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a folder")
        .join("examples/demo");
    assert!(
        program.is_file(),
        "the demo is not built: `cargo build --examples`"
    );
    program
}

fn paste(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_printed_line_does_what_stands_above_it() {
    if paste("curl --version").is_empty() {
        let required = std::env::var_os("PORTCULLIS_REQUIRE_SERVICES").is_some_and(|on| on == "1");
        assert!(!required, "curl is not installed");
        eprintln!("skipped, because curl is not installed");
        return;
    }
    let demo = Demo::start();
    let detections = [
        "ip_allowlist",
        "user_agent",
        "rate_limit",
        "malicious_payload",
        "enumeration",
    ];
    let tour = ["passes"].into_iter().chain(detections).chain(["health"]);
    let mut answers = Vec::new();
    for title in tour {
        demo.wait_for(|line| (line == format!("# {title}")).then_some(()));
        let line = demo.wait_for(|line| Some(line.to_owned()));
        answers.push((title, paste(&line)));
    }
    for (title, answer) in &answers {
        let as_told = match *title {
            "passes" => {
                answer.starts_with("HTTP/1.1 200")
                    && answer.ends_with("{\"message\": \"API endpoint reached successfully\"}")
            }
            "rate_limit" => answer
                .lines()
                .eq(["200", "200", "200", "200", "200", "403"]),
            "enumeration" => answer.contains("404 404 ") && answer.trim_end().ends_with("403"),
            "health" => answer.starts_with('{') && answer.contains("\"revision\""),
            _ => {
                answer.starts_with("HTTP/1.1 403")
                    && answer.contains("{\"error\":\"Access Denied\",\"id\":\"")
            }
        };
        assert!(as_told, "{title}: {answer}");
    }
    // And each detection is seen at work. The events come in the order of the requests.
    for detection in detections {
        demo.wait_for(|line| line.contains(detection).then_some(()));
    }
}
