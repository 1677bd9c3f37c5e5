//! What is to be told of a corpus. Everything in it is fit to be shown: secrets are masked, lengths bounded.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use super::Test;
use super::bound::Bound;
use super::measure::{Measured, rule};
use super::rates::{Rate, Rates, RuleCount};
use crate::cli::judge::Judge;
use crate::cli::recorded::{Piece, Recorded};
use crate::engine::Evaluation;
use crate::engine::decide::Observed;
use crate::event::secrets::{presentable, printable};
use crate::request::RequestView;

/// The whole of it.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) configuration: String,
    pub(super) revision: String,
    pub(super) threshold: u32,
    pub(super) client: IpAddr,
    /// How many attacks are refused: the true positive rate.
    pub(super) true_positive: Rates,
    /// How many legitimate requests pass: the true negative rate.
    pub(super) true_negative: Rates,
    /// How many requests each detection refused.
    pub(super) refused_by: BTreeMap<String, usize>,
    pub(super) rules: BTreeMap<String, RuleCount>,
    /// Attacks that pass.
    pub(super) misses: Vec<Wrongly>,
    /// Legitimate requests that are refused.
    pub(super) false_alarms: Vec<Wrongly>,
    /// Requests that were not chosen: by their category or part.
    pub(super) left_out: usize,
    /// Files of folders that hold no requests.
    pub(super) passed_over: Vec<String>,
    /// What could not be read, each with its place.
    pub(super) unreadable: Vec<String>,
    pub(super) notes: Vec<String>,
    /// Bounds that were not reached.
    pub(super) failures: Vec<String>,
    pub(super) seconds: f64,
    pub(super) requests_per_second: f64,
    /// How long a request was judged for on average, reading the recording apart.
    pub(super) mean_microseconds: f64,
    /// The longest that one was judged for.
    pub(super) longest_microseconds: f64,
    pub(super) threads: usize,
}

/// A request that was judged wrongly, as far as we know.
#[derive(Debug, Serialize)]
pub(super) struct Wrongly {
    /// File and line.
    pub(super) at: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) id: String,
    pub(super) category: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) placement: Option<String>,
    pub(super) method: String,
    pub(super) target: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) body: String,
    pub(super) score: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refused_by: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) found: Vec<Found>,
}

/// What was found in it.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub(super) rule: String,
    pub(super) place: String,
    pub(super) evidence: String,
}

/// The most of a target or body that is shown, in bytes.
const MAX_SHOWN: usize = 200;

impl Report {
    pub(super) fn new(
        configuration: String,
        judge: &Judge,
        measured: Measured,
        mut notes: Vec<String>,
        test: &Test,
    ) -> Self {
        notes.extend(doubts(&measured));
        let policy = judge.policy();
        let judged = measured.attacks.overall.all + measured.legit.overall.all;
        let seconds = measured.took.as_secs_f64();
        let mut failures = Vec::new();
        let (attacks, legit) = (measured.attacks.overall, measured.legit.overall);
        if let Some(bound) = test.min_tpr {
            let what = ["true positive rate", "attacks refused", "--min-tpr"];
            failures.extend(failure(attacks, bound, what));
        }
        if let Some(bound) = test.min_tnr {
            let what = [
                "true negative rate",
                "legitimate requests passed",
                "--min-tnr",
            ];
            failures.extend(failure(legit, bound, what));
        }
        let without_order =
            |wrong: Vec<(_, Wrongly)>| wrong.into_iter().map(|(_, of)| of).collect();
        Self {
            configuration,
            revision: policy.revision.to_string(),
            threshold: policy.threshold.0,
            client: judge.client().address,
            misses: without_order(measured.misses),
            false_alarms: without_order(measured.false_alarms),
            true_positive: measured.attacks,
            true_negative: measured.legit,
            refused_by: measured.refused_by,
            rules: measured.rules,
            left_out: measured.left_out,
            passed_over: measured.passed_over,
            unreadable: measured
                .unreadable
                .iter()
                .map(|(_, unreadable)| unreadable.to_string())
                .collect(),
            notes,
            failures,
            seconds,
            requests_per_second: judged as f64 / seconds.max(f64::MIN_POSITIVE),
            mean_microseconds: 1e6 * measured.judging.as_secs_f64() / judged.max(1) as f64,
            longest_microseconds: 1e6 * measured.longest.as_secs_f64(),
            threads: measured.threads,
        }
    }

    pub(super) const fn requests(&self) -> usize {
        self.true_positive.overall.all + self.true_negative.overall.all
    }
}

/// What a reader may not expect of the rates.
fn doubts(measured: &Measured) -> Vec<String> {
    let mut doubts = Vec::new();
    let judged = measured.attacks.overall.all + measured.legit.overall.all;
    let mut refusing = measured.refused_by.iter();
    if let Some((detection, _)) = refusing.find(|(_, count)| **count == judged && judged > 1) {
        doubts.push(format!(
            "Every request was refused by `{detection}`. If it is for their sender, name another with `--client`."
        ));
    }
    if measured.would_block > 0 {
        doubts.push(format!(
            "Requests that would be refused, too, if the detections in monitor mode were enforced: {}.",
            measured.would_block
        ));
    }
    if measured.unsendable > 0 {
        doubts.push(format!(
            "Requests judged without a header of theirs that cannot be sent: {}.",
            measured.unsendable
        ));
    }
    if measured.faults > 0 {
        doubts.push(format!(
            "Requests that a detection failed to judge, so that `on_error` decided: {}.",
            measured.faults
        ));
    }
    doubts
}

/// A sentence on a bound that was not reached.
fn failure(rate: Rate, bound: Bound, [name, what, flag]: [&str; 3]) -> Option<String> {
    let Some(fraction) = rate.fraction() else {
        return Some(format!(
            "there is no {name} for {flag} to be held against: no such request was judged"
        ));
    };
    // In whole requests, so that no rounding decides.
    let is_reached = rate.right as f64 >= bound.0 * rate.all as f64 - 1e-9;
    (!is_reached).then(|| {
        format!(
            "the {name} is {:.2} % ({} of {} {what}), below the {bound} of {flag}",
            100.0 * fraction,
            rate.right,
            rate.all
        )
    })
}

impl Wrongly {
    pub(super) fn new(
        piece: &Piece,
        recorded: &Recorded,
        category: &str,
        request: &RequestView<'_>,
        evaluation: &Evaluation,
    ) -> Self {
        let text = |text: &str| printable(text.as_bytes(), MAX_SHOWN);
        let found = evaluation.observations().iter().map(|seen| {
            let (place, evidence) = match &seen.what {
                Observed::Finding(finding) => {
                    (finding.place.to_string(), finding.evidence.text.clone())
                }
                Observed::Exhausted(what) | Observed::Fault(what) => {
                    (String::new(), what.to_string())
                }
            };
            Found {
                rule: rule(&seen.detection, &seen.what),
                place: text(&place),
                evidence,
            }
        });
        Self {
            at: piece.at.to_string(),
            id: text(&recorded.id),
            category: text(category),
            source: recorded.source.as_deref().map(text),
            placement: recorded.placement.as_deref().map(text),
            method: text(request.method().as_str()),
            target: presentable(request.target().as_bytes(), MAX_SHOWN),
            body: presentable(&recorded.request.body, MAX_SHOWN),
            score: evaluation.score().0,
            refused_by: evaluation
                .permit()
                .err()
                .map(|block| block.detection.to_string()),
            found: found.collect(),
        }
    }
}
