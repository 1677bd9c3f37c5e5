//! The ordered list of detections, each with what the configuration says of it.

use std::sync::Arc;

use http::StatusCode;

use super::detection::{Phase, ThreatDetection};
use super::glob::glob;
use super::policy::{Mode, OnError};

/// The detections of a policy in evaluation order, which is the order of the YAML list.
#[derive(Debug, Default)]
pub struct Chain {
    links: Vec<Link>,
    by_phase: [Vec<usize>; 3],
}

/// A detection and the settings that every detection has.
#[derive(Debug)]
pub struct Link {
    /// The name in `rules.yaml`.
    pub name: Arc<str>,
    /// Its own mode; `None` where the policy's holds.
    pub mode: Option<Mode>,
    /// What happens when it cannot judge; `None` where the policy's holds.
    pub on_error: Option<OnError>,
    /// The status of its refusals.
    pub status: StatusCode,
    /// Rules whose findings are told and not acted upon; `*` stands for anything.
    pub monitor: Vec<String>,
    /// The detection.
    pub detection: Box<dyn ThreatDetection>,
}

impl Chain {
    /// A chain in this order.
    #[must_use]
    pub fn new(links: Vec<Link>) -> Self {
        let asked_in = |phase: Phase| {
            links
                .iter()
                .enumerate()
                .filter(|(_, link)| link.detection.phases().contains(&phase))
                .map(|(at, _)| at)
                .collect()
        };
        let by_phase = [
            Phase::RequestHeaders,
            Phase::RequestBody,
            Phase::ResponseHeaders,
        ]
        .map(asked_in);
        Self { links, by_phase }
    }

    /// All detections in order.
    #[must_use]
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The detections to be asked in a phase, in order.
    pub fn in_phase(&self, phase: Phase) -> impl Iterator<Item = &Link> {
        let [headers, body, response] = &self.by_phase;
        let indexes = match phase {
            Phase::RequestHeaders => headers,
            Phase::RequestBody => body,
            Phase::ResponseHeaders => response,
        };
        indexes.iter().filter_map(|&at| self.links.get(at))
    }
}

impl Link {
    /// Whether what this rule finds is told and not acted upon.
    #[must_use]
    pub fn only_watches(&self, rule: &str) -> bool {
        self.monitor.iter().any(|pattern| glob(pattern, rule))
    }
}
