//! What happened in the chain, step by step; recorded for `explain`, never on the hot path.

use std::sync::Arc;

use serde::Serialize;

use super::detection::Phase;

/// One answer of one detection.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The detection.
    pub detection: Arc<str>,
    /// The phase it was asked in.
    pub phase: Phase,
    /// What it said.
    pub answer: Answer,
}

/// What a detection said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing found.
    Pass,
    /// Found as many things.
    Threat(usize),
    /// Could not judge.
    Fault(String),
    /// Was not asked any more, since the decision had fallen.
    Skipped,
}
