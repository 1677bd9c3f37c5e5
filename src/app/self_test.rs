//! The self-test: which mode is really in effect, measured by harmless requests through the real chain.
//!
//! A configuration that says `enforce` proves nothing: a detection may be in monitor mode by itself, have no rules left,
//! or fail. So each detection that can names a harmless request that it would refuse (its canary), and start and reload
//! send it through the chain just compiled. Facts are scratch ones and no event is made: nobody else notices.
//!
//! A canary that goes unrecognised means that the detection does not protect, and the policy must not be put in force. One
//! that is recognised but weighs less than the threshold is no failure: a detection does not know the threshold, and the
//! operator who raised it may want several findings for a refusal. It is told as a warning, and says nothing of the mode.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method, header};

use crate::clients::{Clients, Facts};
use crate::control::{CanaryReport, Effective, PolicyHealth};
use crate::engine::decide::{Observed, decide};
use crate::engine::{Canary, Evaluation, Link, Outcome, Policy};
use crate::proxy::clock;
use crate::request::{ClientIdentity, RequestView};

/// What the self-test measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfTest {
    /// The mode in effect.
    pub effective: Effective,
    /// What became of each canary, in the order of the chain.
    pub canaries: Vec<CanaryReport>,
    /// Why the policy must not be put in force, one sentence for each detection that does not work; empty where all do.
    pub failures: Vec<String>,
    /// What the operator should know of a policy that can be put in force nevertheless.
    pub warnings: Vec<String>,
}

/// Sends every detection's canary through the policy's chain. `facts` should be scratch ones made for this test alone:
/// what the canaries use up there is gone.
#[must_use]
pub fn measure(policy: &Arc<Policy>, facts: &dyn Facts, now: Instant) -> SelfTest {
    let mut canaries = Vec::new();
    let mut failures = Vec::new();
    let mut warnings = Vec::new();
    for link in policy.chain.links() {
        match catch_unwind(AssertUnwindSafe(|| link.detection.canary())) {
            Ok(None) => {}
            Ok(Some(canary)) => {
                let evaluation = send(&canary, policy, facts, now);
                failures.extend(failure(link, &evaluation));
                let report = report(link, &evaluation);
                warnings.extend(report.below_threshold.then(|| too_light(link, &evaluation)));
                canaries.push(report);
            }
            Err(_) => failures.push(format!("`{}` panics when asked for its canary", link.name)),
        }
    }
    SelfTest {
        effective: effective(policy, &canaries),
        canaries,
        failures,
        warnings,
    }
}

/// The same now, on scratch facts.
#[must_use]
pub fn measure_now(policy: &Arc<Policy>) -> SelfTest {
    measure(policy, &Clients::scratch(), clock::now())
}

impl SelfTest {
    /// The same measurement, or why the policy must not be put in force.
    ///
    /// # Errors
    /// Every failure, in one text.
    pub fn passed(self) -> Result<Self, String> {
        if self.failures.is_empty() {
            Ok(self)
        } else {
            Err(format!(
                "the self-test failed: {}",
                self.failures.join("; ")
            ))
        }
    }

    /// What the control listener says of a policy that was measured so.
    #[must_use]
    pub fn health(&self, policy: &Policy, loaded_at: jiff::Timestamp) -> PolicyHealth {
        PolicyHealth {
            revision: policy.revision,
            loaded_at,
            mode: policy.mode,
            effective: self.effective,
            canaries: self.canaries.clone(),
        }
    }
}

fn send(canary: &Canary, policy: &Arc<Policy>, facts: &dyn Facts, now: Instant) -> Evaluation {
    let client = ClientIdentity::from_peer(canary.client);
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    for (name, value) in &canary.headers {
        headers.append(name, value.clone());
    }
    let request = RequestView::new(&Method::GET, &canary.target, &headers, &client);
    decide(policy, &request, None, facts, now)
}

/// Why a link does not work, where it does not. A canary that an earlier detection refuses says nothing about its own
/// detection, and is no failure: the request was refused, which is what is promised.
fn failure(link: &Link, evaluation: &Evaluation) -> Option<String> {
    let fault = evaluation
        .observations()
        .iter()
        .filter(|seen| seen.detection == link.name)
        .find_map(|seen| match &seen.what {
            Observed::Fault(what) => Some(what),
            Observed::Finding(_) | Observed::Exhausted(_) => None,
        });
    if let Some(what) = fault {
        return Some(format!(
            "`{}` cannot judge its own canary: {what}",
            link.name
        ));
    }
    match evaluation.outcome() {
        Outcome::Block | Outcome::WouldBlock => None,
        Outcome::Pass if is_recognised(link, evaluation) => None,
        Outcome::Pass | Outcome::Exempt => {
            Some(format!("`{}` does not recognise its own canary", link.name))
        }
    }
}

fn is_recognised(link: &Link, evaluation: &Evaluation) -> bool {
    evaluation
        .observations()
        .iter()
        .any(|seen| seen.detection == link.name && matches!(seen.what, Observed::Finding(_)))
}

/// What to say of a canary that was recognised and let through.
fn too_light(link: &Link, evaluation: &Evaluation) -> String {
    let score = evaluation.score().0;
    format!(
        "`{}` recognises its own canary, whose score of {} stays below the threshold of {}: a single finding like it is \
         only told",
        link.name,
        score.saturating_add(evaluation.would_be_score().0),
        evaluation.policy().threshold.0,
    )
}

fn report(link: &Link, evaluation: &Evaluation) -> CanaryReport {
    let observed = evaluation.observations();
    let decided_by = match evaluation.permit() {
        Err(block) => Some(&block.detection),
        Ok(_) if observed.iter().any(|seen| seen.detection == link.name) => None,
        Ok(_) => observed.first().map(|seen| &seen.detection),
    };
    CanaryReport {
        detection: link.name.to_string(),
        outcome: evaluation.outcome(),
        below_threshold: evaluation.outcome() == Outcome::Pass && is_recognised(link, evaluation),
        decided_by: decided_by
            .filter(|name| **name != link.name)
            .map(ToString::to_string),
    }
}

fn effective(policy: &Policy, canaries: &[CanaryReport]) -> Effective {
    let measured: Vec<_> = canaries
        .iter()
        .filter(|canary| !canary.below_threshold)
        .collect();
    let count = |outcome| {
        measured
            .iter()
            .filter(|canary| canary.outcome == outcome)
            .count()
    };
    let (all, blocked, would) = (
        measured.len(),
        count(Outcome::Block),
        count(Outcome::WouldBlock),
    );
    if policy.chain.links().is_empty() {
        Effective::Off
    } else if all == 0 {
        Effective::Unmeasured
    } else if blocked == all {
        Effective::Enforce
    } else if would == all {
        Effective::Monitor
    } else if blocked == 0 && would == 0 {
        Effective::Off
    } else {
        Effective::Mixed
    }
}

#[cfg(test)]
mod tests;
