//! What is kept of a request for its event, while everything that was taken apart of it is still there.

use super::{Evaluation, Observed, Outcome};
use crate::event::Excerpt;
use crate::request::{BodyView, RequestView};

impl Evaluation {
    /// Keeps an excerpt once there is something to tell of the request. The latest of its body is the one: a body that
    /// comes piece by piece is judged piece by piece.
    pub(super) fn keep_excerpt(&mut self, request: &RequestView<'_>, body: Option<&BodyView<'_>>) {
        let limit = self.policy.excerpt;
        let is_kept = self.excerpt.is_some() && body.is_none();
        if limit > 0 && !is_kept && self.is_told() {
            self.excerpt = Excerpt::of(request, body, limit).map(Box::new);
        }
    }

    /// What was kept of the request, if anything is to be told of it.
    #[must_use]
    pub fn excerpt(&self) -> Option<&Excerpt> {
        self.excerpt.as_deref()
    }

    /// Whether there will be an event, and the request itself is what it is about: not its sender, nor how often he came.
    fn is_told(&self) -> bool {
        let mut seen = self.observations.iter().map(|seen| &seen.what);
        match self.outcome() {
            Outcome::Exempt => false,
            Outcome::Pass => seen.any(|what| matches!(what, Observed::Fault(_))),
            Outcome::Block | Outcome::WouldBlock => seen.any(|what| match what {
                Observed::Finding(finding) => finding.evidence.origin.is_some(),
                Observed::Exhausted(_) | Observed::Fault(_) => true,
            }),
        }
    }
}
