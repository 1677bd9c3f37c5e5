//! How much of a corpus of labelled requests the shipped rules refuse.
//!
//! The corpus is no part of the repository: name its folder in `PORTCULLIS_CORPUS` to have the rates printed (with
//! `--nocapture`); without it there is nothing to measure and the test passes. `PORTCULLIS_CORPUS_SHOW=category` also
//! prints the attacks of a category that pass; of a legitimate category, the requests that are refused.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the corpus is named by the environment, and the rates are what this test is for"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use portcullis::clients::{Facts, Key, Quota, Taken, Window};
use portcullis::config::Load;
use portcullis::config::load::Shared;
use portcullis::detections::malicious_payload::MaliciousPayload;
use portcullis::engine::decide::{Observed, decide};
use portcullis::engine::policy::Revision;
use portcullis::engine::{Chain, Evaluation, FromConfig, Link, Outcome, Policy, PolicyConfig};
use portcullis::proxy::clock;
use portcullis::request::{BodyView, ClientIdentity, RequestView};

#[derive(serde::Deserialize)]
struct Labelled {
    id: String,
    label: String,
    category: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

#[derive(Default)]
struct Rate {
    refused: usize,
    all: usize,
}

#[test]
fn rates_by_category() {
    let Ok(folder) = std::env::var("PORTCULLIS_CORPUS") else {
        println!("PORTCULLIS_CORPUS names no folder: nothing is measured.");
        return;
    };
    let show = std::env::var("PORTCULLIS_CORPUS_SHOW").unwrap_or_default();
    let policy = policy();
    let mut rates: BTreeMap<(String, String), Rate> = BTreeMap::new();
    let mut rules: BTreeMap<String, usize> = BTreeMap::new();
    for file in ["dev-malicious.jsonl", "dev-legit.jsonl"] {
        let file = File::open(Path::new(&folder).join(file)).expect("the corpus");
        for line in BufReader::new(file).lines() {
            let line = line.expect("a line");
            let sent: Labelled = serde_json::from_str(&line).expect("a request");
            let evaluation = judge(&policy, &sent);
            let refused = evaluation.outcome() == Outcome::Block;
            if sent.category == show && refused == (sent.label == "legit") {
                let what = found(&evaluation);
                println!("{} {} {} {what:?}", sent.id, sent.path, sent.body);
            }
            if sent.label == "legit" && refused {
                for (rule, _) in found(&evaluation) {
                    *rules.entry(rule).or_default() += 1;
                }
            }
            let rate = rates.entry((sent.label, sent.category)).or_default();
            rate.refused += usize::from(refused);
            rate.all += 1;
        }
    }
    print(&rates, &rules);
}

fn print(rates: &BTreeMap<(String, String), Rate>, rules: &BTreeMap<String, usize>) {
    let percent = |refused: usize, all: usize| 100.0 * refused as f64 / all.max(1) as f64;
    for ((label, category), rate) in rates {
        let share = percent(rate.refused, rate.all);
        println!(
            "{label:10}{category:24}{:5} of {:5} refused, {share:5.1} %",
            rate.refused, rate.all
        );
    }
    let expected = |label: &str| {
        let chosen = rates
            .iter()
            .filter(|((of, category), _)| of == label && !category.ends_with("-hard"));
        chosen.fold((0, 0), |sum, (_, rate)| {
            (sum.0 + rate.refused, sum.1 + rate.all)
        })
    };
    for label in ["malicious", "legit"] {
        let (refused, all) = expected(label);
        println!(
            "{label}: {refused} of {all} refused, {:.2} %",
            percent(refused, all)
        );
    }
    println!("rules that refuse legitimate requests: {rules:#?}");
}

fn found(evaluation: &Evaluation) -> Vec<(String, String)> {
    let observations = evaluation.observations().iter();
    observations
        .filter_map(|seen| match &seen.what {
            Observed::Finding(finding) => Some((
                finding.rule.to_string(),
                format!("{}: {}", finding.place, finding.evidence.text),
            )),
            Observed::Exhausted(_) | Observed::Fault(_) => None,
        })
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

fn policy() -> Arc<Policy> {
    let shared = Shared::default();
    let mut load = Load::new(Path::new("."), &shared);
    let detection =
        MaliciousPayload::from_config(Default::default(), &mut load).expect("the defaults");
    let chain = Chain::new(vec![Link {
        name: MaliciousPayload::NAME.into(),
        mode: None,
        on_error: None,
        status: StatusCode::FORBIDDEN,
        detection: Box::new(detection),
    }]);
    Arc::new(Policy::new(
        Revision::default(),
        &PolicyConfig::default(),
        chain,
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
}
