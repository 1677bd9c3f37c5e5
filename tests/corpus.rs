//! How much of a corpus of labelled requests the shipped rules refuse.
//!
//! The corpus is no part of the repository: name its folder in `PORTCULLIS_CORPUS` to have the rates printed (with
//! `--nocapture`); without it there is nothing to measure and the test passes. `PORTCULLIS_CORPUS_SHOW=category` prints the
//! requests of a category that are judged wrongly. What measures is `portcullis test`; here it is only asked for payloads
//! alone, without what a site may or may not expect.
//!
//! The attacks with a body are also sent under types that are not theirs: what is found must not depend on what the sender
//! calls it.
#![expect(
    clippy::disallowed_methods,
    reason = "the corpus is named by the environment, and the rates are what this test is for"
)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use portcullis::clients::{
    BanOrder, BanPolicy, Facts, InForce, Key, Offence, Quota, Served, Taken, Window,
};
use portcullis::config::Load;
use portcullis::config::load::Shared;
use portcullis::detections::malicious_payload::{
    ExclusionConfig, MaliciousPayload, MaliciousPayloadConfig,
};
use portcullis::engine::decide::decide;
use portcullis::engine::policy::Revision;
use portcullis::engine::{Chain, Evaluation, FromConfig, Link, Outcome, Policy, PolicyConfig};
use portcullis::proxy::clock;
use portcullis::request::{BodyView, ClientIdentity, RequestView};

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

/// The types under which attacks are sent again; none at all is the empty one.
const OTHER_TYPES: [&str; 8] = [
    "",
    "image/png",
    "application/octet-stream",
    "text/plain",
    "application/json",
    "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data; boundary=another",
];

/// The most that may be found less under another type, in points of a hundred attacks with a body.
const MOST_LOST: f64 = 1.0;

#[test]
fn what_is_found_does_not_depend_on_the_declared_type() {
    let Ok(folder) = std::env::var("PORTCULLIS_CORPUS") else {
        println!("PORTCULLIS_CORPUS names no folder: nothing is measured.");
        return;
    };
    // That a type is wrong is a finding itself, and would hide what was not found.
    let policy = policy(MaliciousPayloadConfig {
        exclusions: vec![ExclusionConfig {
            rule: Some("ambiguity.*".into()),
            ..ExclusionConfig::default()
        }],
        ..MaliciousPayloadConfig::default()
    });
    let mut sent = requests(&folder, "dev-malicious.jsonl");
    sent.retain(|sent| !sent.body.is_empty());
    let is_found = |sent: &Labelled| judge(&policy, sent).outcome() == Outcome::Block;
    let own: Vec<bool> = sent.iter().map(is_found).collect();
    let all = sent.len();
    let percent = |count: usize| 100.0 * count as f64 / all as f64;
    let found = own.iter().filter(|found| **found).count();
    println!(
        "under their own types {found} of {}, {:.2} %",
        all,
        percent(found)
    );
    let mut worst: f64 = 0.0;
    for other in OTHER_TYPES {
        let (mut lost, mut won) = (0, 0);
        for (sent, was_found) in sent.iter_mut().zip(&own) {
            let headers = sent.headers.clone();
            sent.headers
                .retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
            if !other.is_empty() {
                sent.headers.push(("Content-Type".into(), other.into()));
            }
            let is_found = is_found(sent);
            lost += usize::from(*was_found && !is_found);
            won += usize::from(!*was_found && is_found);
            if *was_found && !is_found && std::env::var("PORTCULLIS_CORPUS_SHOW").is_ok() {
                println!("{other}: {} {} {}", sent.id, sent.path, sent.body);
            }
            sent.headers = headers;
        }
        println!(
            "as {other:?}: {lost} are not found any more, {:.2} %, and {won} are besides",
            percent(lost)
        );
        worst = worst.max(percent(lost));
    }
    assert!(
        worst < MOST_LOST,
        "{worst:.2} % are lost under another type"
    );
}

#[derive(serde::Deserialize)]
struct Labelled {
    id: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

fn requests(folder: &str, file: &str) -> Vec<Labelled> {
    let file = File::open(Path::new(folder).join(file)).expect("the corpus");
    let lines = BufReader::new(file).lines();
    lines
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("a request"))
        .collect()
}

fn judge(policy: &Arc<Policy>, sent: &Labelled) -> Evaluation {
    let mut headers = HeaderMap::new();
    for (name, value) in &sent.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let method = Method::from_bytes(sent.method.as_bytes()).unwrap_or(Method::GET);
    let client = ClientIdentity::from_peer([192, 0, 2, 1].into());
    let request = RequestView::new(&method, &sent.path, &headers, &client);
    let body = BodyView::new(&headers, sent.body.as_bytes());
    decide(policy, &request, Some(&body), &NoFacts, clock::now())
}

fn policy(config: MaliciousPayloadConfig) -> Arc<Policy> {
    let shared = Shared::default();
    let mut load = Load::new(Path::new("."), &shared);
    let detection = MaliciousPayload::from_config(config, &mut load).expect("a configuration");
    let chain = Chain::new(vec![Link {
        name: MaliciousPayload::NAME.into(),
        mode: None,
        on_error: None,
        monitor: Vec::new(),
        status: StatusCode::FORBIDDEN,
        detection: Box::new(detection),
    }]);
    Arc::new(Policy::new(
        Revision::default(),
        &PolicyConfig::default(),
        Arc::new(chain),
    ))
}

/// Facts for a detection that asks for none.
#[derive(Debug)]
struct NoFacts;

impl Facts for NoFacts {
    fn key(&self, _: &str, _: &[u8]) -> Key {
        unreachable!("payloads are judged by themselves")
    }

    fn take(&self, _: Key, _: Quota, _: Instant) -> Taken {
        unreachable!("payloads are judged by themselves")
    }

    fn note_distinct(&self, _: Key, _: u64, _: u32, _: Window, _: Instant) -> u32 {
        0
    }

    fn hold(&self, _: Key, _: Duration, _: Instant) {}

    fn held(&self, _: Key, _: Instant) -> Option<Duration> {
        None
    }

    fn banned(&self, _: &ClientIdentity, _: Instant) -> Option<InForce> {
        None
    }

    fn ban(&self, _: &ClientIdentity, _: &BanOrder, _: Instant) {}

    fn offend(&self, _: &ClientIdentity, _: &Offence<'_>, _: &BanPolicy, _: Instant) {}

    fn note_served(&self, _: &ClientIdentity, _: &Served<'_>, _: Instant) {}
}
