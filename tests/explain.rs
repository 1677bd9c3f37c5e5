//! Requests and what is said of them, compared byte by byte; see `tests/explain/README.md`.
#![expect(
    clippy::disallowed_methods,
    reason = "whether the texts are written anew is said by the environment"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The requests of a folder, sorted.
fn requests(folder: &str) -> Vec<PathBuf> {
    let root = root().join(folder);
    let entries = std::fs::read_dir(root).expect("the folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let is_request = |path: &PathBuf| path.extension().is_some_and(|extension| extension != "txt");
    let mut paths: Vec<PathBuf> = paths.filter(is_request).collect();
    paths.sort();
    assert!(paths.len() >= 10, "{} requests in {folder}", paths.len());
    paths
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/explain")
}

fn explained(path: &Path) -> String {
    let relative = path.strip_prefix(root()).expect("a path below");
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["explain", "--config", "rules.yaml"])
        .arg(relative)
        .current_dir(root())
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", path.display());
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn compare(folder: &str, decision: &str) {
    let writes = std::env::var("PORTCULLIS_EXPLAIN_WRITE").is_ok_and(|set| !set.is_empty());
    let mut different = Vec::new();
    for path in requests(folder) {
        let told = explained(&path);
        assert!(told.starts_with(decision), "{}: {told}", path.display());
        let expected = path.with_extension("txt");
        if writes {
            std::fs::write(&expected, &told).expect("a file");
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        if told != expected {
            different.push(format!(
                "{}\n--- expected\n{expected}\n--- told\n{told}",
                path.display()
            ));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n\n"));
}

#[test]
fn ten_requests_are_blocked_and_it_is_said_why() {
    compare("blocked", "decision       block: ");
}

#[test]
fn ten_requests_pass_and_it_is_said_what_was_seen() {
    compare("passed", "decision       pass\n");
}
