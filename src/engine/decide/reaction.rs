//! What a judgement leaves behind about its client: the refusal is held against him, and may ban him.

use std::time::Instant;

use http::HeaderName;
use http::header::{FORWARDED, USER_AGENT};

use super::{Evaluation, Observation, Observed};
use crate::clients::{Facts, Offence, Served};
use crate::engine::Weight;
use crate::request::{RequestView, ResponseView};

/// The forwarding header that most proxies write.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The rule that an offence without a finding is named after.
const EXHAUSTED: &str = "exhausted";

impl Evaluation {
    /// Holds a refusal against the client, once.
    pub(super) fn react(&mut self, request: &RequestView<'_>, facts: &dyn Facts, now: Instant) {
        if self.has_reacted || self.exempt {
            return;
        }
        let (Some(block), Some(rule)) = (&self.block, &self.policy.ban) else {
            return;
        };
        self.has_reacted = true;
        let links = self.policy.chain.links();
        let Some(link) = links.iter().find(|link| link.name == block.detection) else {
            return;
        };
        if !rule.counts(link) {
            return;
        }
        let seen = self.observations.iter();
        let told = seen.filter(|seen| seen.detection == block.detection && seen.enforced);
        let Some((named, weight)) = told
            .filter_map(|seen| self.offence(seen))
            .max_by_key(|(_, weight)| *weight)
        else {
            // A detection that failed is no fault of the client's.
            return;
        };
        let offence = Offence {
            weight,
            detection: &block.detection,
            rule: named,
        };
        facts.offend(request.client(), &offence, &rule.policy, now);
    }

    /// The rule that an observation is named after, and what it weighs as an offence.
    fn offence<'o>(&self, seen: &'o Observation) -> Option<(&'o str, u32)> {
        match &seen.what {
            Observed::Finding(finding) => {
                let weight = match finding.weight {
                    Weight::Score(_) => (self.score.0 / self.policy.threshold.0.max(1)).max(1),
                    Weight::Decisive | Weight::Unreadable => 1,
                };
                Some((finding.rule.as_str(), weight))
            }
            Observed::Exhausted(_) => Some((EXHAUSTED, 1)),
            Observed::Fault(_) => None,
        }
    }

    /// Notes what the facts must know of clients before any of them can be banned rightly.
    pub(super) fn note_served(
        &self,
        request: &RequestView<'_>,
        response: &ResponseView<'_>,
        facts: &dyn Facts,
        now: Instant,
    ) {
        if self.exempt || self.policy.ban.is_none() {
            return;
        }
        let header = |name: &HeaderName| request.header(name).map(http::HeaderValue::as_bytes);
        let served = Served {
            agent: header(&USER_AGENT).unwrap_or_default(),
            forwarded: header(&X_FORWARDED_FOR).or_else(|| header(&FORWARDED)),
            is_success: response.status.as_u16() < 400,
        };
        facts.note_served(request.client(), &served, now);
    }
}
