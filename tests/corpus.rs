//! How much of a corpus of labelled requests the shipped rules refuse.
//!
//! The corpus is no part of the repository: name its folder in `PORTCULLIS_CORPUS` to have the rates printed (with
//! `--nocapture`); without it there is nothing to measure and the test passes. `PORTCULLIS_CORPUS_SHOW=category` prints the
//! requests of a category that are judged wrongly. What measures is `portcullis test`; here it is only asked for payloads
//! alone, without what a site may or may not expect.
#![expect(
    clippy::disallowed_methods,
    reason = "the corpus is named by the environment, and the rates are what this test is for"
)]

use std::process::Command;

#[test]
fn rates_by_category() {
    let Ok(folder) = std::env::var("PORTCULLIS_CORPUS") else {
        println!("PORTCULLIS_CORPUS names no folder: nothing is measured.");
        return;
    };
    let show = std::env::var("PORTCULLIS_CORPUS_SHOW").unwrap_or_default();
    let place = tempfile::tempdir().expect("a folder");
    let rules = place.path().join("rules.yaml");
    let payloads = "upstream: http://127.0.0.1:5000\ndetections: [malicious_payload: {}]\n";
    std::fs::write(&rules, payloads).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.arg("--config").arg(&rules);
    command.args(["test", "--rules", "--corpus"]).arg(&folder);
    if show.is_empty() {
        command.args(["--skip", "*-hard"]);
    } else {
        command.args(["--limit", "all", "--only", &show]);
    }
    let output = command.output().expect("the program runs");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
