//! What a newcomer does with the examples: the tour that the demo prints, its lines pasted into a shell as they stand, and
//! the README's detection of one's own.

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
        let mut process = Command::new(program("demo"))
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
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let program = test
        .parent()
        .and_then(|deps| deps.parent())
        .expect("a folder")
        .join("examples")
        .join(name);
    assert!(
        program.is_file(),
        "{name} is not built: `cargo build --examples`"
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
        "ban",
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

#[test]
fn the_detection_of_the_readme_works_as_it_stands_there() {
    let readme = include_str!("../README.md");
    let (_, after) = readme
        .split_once("cat > tenant.yaml <<'YAML'\n")
        .expect("the README's configuration");
    let (yaml, _) = after.split_once("YAML\n").expect("its end");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tenant.yaml");
    std::fs::write(&path, yaml).expect("written");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program("custom_detection"));
        let output = command.args(arguments).arg("--config").arg(&path).output();
        let output = output.expect("it runs");
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    // A check starts the chain and sends its canaries through it, as a start does.
    let (code, said) = run(&["check"]);
    assert_eq!(code, Some(0), "{said}");
    for (target, decision) in [("/api/x", "missing_tenant"), ("/other", "pass")] {
        let (code, said) = run(&["explain", "--target", target]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(decision), "{target}: {said}");
    }
}
