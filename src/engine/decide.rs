//! From a request to a decision: one evaluation, phase by phase.
//!
//! [`decide`] is the whole judgement of a request in one call, for `explain`, tests and the self-canary. The proxy takes
//! the same steps one at a time, as head, body and answer arrive.

mod excerpt;
mod guarded;
mod reaction;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderName, HeaderValue, StatusCode};

use super::chain::Link;
use super::detection::{BodyNeed, Context, DetectionError, Phase, ThreatDetection, Verdict};
use super::finding::{Finding, Score, Weight};
use super::policy::{Block, OnError, Permit, Policy};
use super::trace::{Answer, Step};
use crate::clients::Facts;
use crate::request::{BodyView, RequestView, ResponseView, Standing};
use excerpt::Kept;
use guarded::guarded;

/// The judgement of one request by one policy, so far.
#[derive(Debug)]
pub struct Evaluation {
    policy: Arc<Policy>,
    exempt: bool,
    score: Score,
    would_be_score: Score,
    would_block: bool,
    observations: Vec<Observation>,
    /// Where the observations of the body begin.
    body_from: Option<usize>,
    /// While a unit of the body is judged: which observations were made of those before.
    known: Range<usize>,
    block: Option<Block>,
    /// Whether the refusal was held against the client.
    has_reacted: bool,
    answer_headers: Vec<(HeaderName, HeaderValue)>,
    trace: Option<Vec<Step>>,
    excerpt: Kept,
}

/// One thing that was found or that went wrong, and whether it was acted upon.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The detection that saw it.
    pub detection: Arc<str>,
    /// Whether the detection's mode let it count; `false` in monitor mode.
    pub enforced: bool,
    /// What it was.
    pub what: Observed,
}

/// What was observed.
#[derive(Clone, Debug)]
pub enum Observed {
    /// A threat.
    Finding(Finding),
    /// The request asks for more work than it may.
    Exhausted(Cow<'static, str>),
    /// The detection failed.
    Fault(Cow<'static, str>),
}

/// How an evaluation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing that reaches the threshold.
    Pass,
    /// The client is trusted and was not judged.
    Exempt,
    /// Refused.
    Block,
    /// Forwarded, but would have been refused if everything were enforced.
    WouldBlock,
}

/// Judges a request, and its body where there is one, in one call.
#[must_use]
pub fn decide(
    policy: &Arc<Policy>,
    request: &RequestView<'_>,
    body: Option<&BodyView<'_>>,
    facts: &dyn Facts,
    now: Instant,
) -> Evaluation {
    let mut evaluation = Evaluation::begin(policy, request).traced();
    evaluation.on_headers(request, facts, now);
    if let Some(body) = body
        && evaluation.body_need(request, facts, now) != BodyNeed::None
    {
        evaluation.on_body(request, body, facts, now);
    }
    evaluation
}

// === impl Evaluation ===

impl Evaluation {
    /// Begins to judge a request by a policy. Trusted clients are exempt from everything.
    #[must_use]
    pub fn begin(policy: &Arc<Policy>, request: &RequestView<'_>) -> Self {
        Self {
            policy: Arc::clone(policy),
            exempt: request.client().standing == Standing::Trusted,
            score: Score(0),
            would_be_score: Score(0),
            would_block: false,
            observations: Vec::new(),
            body_from: None,
            known: 0..0,
            block: None,
            has_reacted: false,
            answer_headers: Vec::new(),
            trace: None,
            excerpt: Kept::default(),
        }
    }

    /// Records what each detection said.
    #[must_use]
    pub fn traced(mut self) -> Self {
        self.trace = Some(Vec::new());
        self
    }

    /// Lets the chain judge the head.
    pub fn on_headers(&mut self, request: &RequestView<'_>, facts: &dyn Facts, now: Instant) {
        self.judge(Phase::RequestHeaders, facts, now, |detection, context| {
            Ok(detection
                .on_headers(request, context)?
                .hiding(request.inputs()))
        });
        self.react(request, facts, now);
        self.keep_excerpt(request, None);
    }

    /// How much of the body the chain wants to see; [`BodyNeed::None`] once the request is refused. A detection that
    /// cannot say so has failed, whether or not there is a body.
    #[must_use]
    pub fn body_need(
        &mut self,
        request: &RequestView<'_>,
        facts: &dyn Facts,
        now: Instant,
    ) -> BodyNeed {
        if self.exempt || self.block.is_some() {
            return BodyNeed::None;
        }
        let policy = Arc::clone(&self.policy);
        let mut context = Context::new(now, facts);
        let mut most = BodyNeed::None;
        for link in policy.chain.in_phase(Phase::RequestBody) {
            context.enforced = policy.enforces(link);
            match guarded(|| Ok(link.detection.body_need(request, &context))) {
                Ok(need) => most = most.max(need),
                Err(error) => {
                    self.record(link, Phase::RequestBody, || {
                        Answer::Fault(error.to_string())
                    });
                    self.fail(link, context.enforced, error);
                }
            }
            if self.block.is_some() {
                return BodyNeed::None;
            }
        }
        most
    }

    /// Lets the chain judge the body, or the next unit of one that is judged while it streams. What was found in a unit
    /// before counts once, as it does in a body that is judged as a whole; so findings stay few, however long the body.
    pub fn on_body(
        &mut self,
        request: &RequestView<'_>,
        body: &BodyView<'_>,
        facts: &dyn Facts,
        now: Instant,
    ) {
        let made = self.observations.len();
        self.known = *self.body_from.get_or_insert(made)..made;
        self.judge(
            Phase::RequestBody,
            facts,
            now,
            |detection, context| match detection.body_need(request, context) {
                BodyNeed::None => Ok(Verdict::Pass),
                _ => Ok(detection.on_body(request, body, context)?.of_body(body)),
            },
        );
        self.known = 0..0;
        self.react(request, facts, now);
        self.keep_excerpt(request, Some((body, made)));
    }

    /// Lets the chain judge the upstream's answer.
    pub fn on_response(
        &mut self,
        request: &RequestView<'_>,
        response: &ResponseView<'_>,
        facts: &dyn Facts,
        now: Instant,
    ) {
        self.judge(Phase::ResponseHeaders, facts, now, |detection, context| {
            detection.on_response(request, response, context)
        });
        self.react(request, facts, now);
        self.note_served(request, response, facts, now);
        self.keep_excerpt(request, None);
    }

    /// Leave to forward, or the refusal.
    ///
    /// # Errors
    /// The refusal that the chain decided on.
    pub fn permit(&self) -> Result<Permit, &Block> {
        self.block.as_ref().map_or_else(|| Ok(Permit::grant()), Err)
    }

    /// How the evaluation stands.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.exempt {
            Outcome::Exempt
        } else if self.block.is_some() {
            Outcome::Block
        } else if self.would_block
            || self.score.0.saturating_add(self.would_be_score.0) >= self.policy.threshold.0
        {
            Outcome::WouldBlock
        } else {
            Outcome::Pass
        }
    }

    /// The policy that judges.
    #[must_use]
    pub const fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// What was found so far, in order.
    #[must_use]
    pub fn observations(&self) -> &[Observation] {
        &self.observations
    }

    /// The score of what was found in enforce mode.
    #[must_use]
    pub const fn score(&self) -> Score {
        self.score
    }

    /// The score of what was found in monitor mode.
    #[must_use]
    pub const fn would_be_score(&self) -> Score {
        self.would_be_score
    }

    /// What each detection said; empty unless [`traced`](Self::traced).
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.trace.as_deref().unwrap_or_default()
    }

    /// Headers for the client's answer, whatever it will be.
    pub fn take_answer_headers(&mut self) -> Vec<(HeaderName, HeaderValue)> {
        std::mem::take(&mut self.answer_headers)
    }

    fn judge(
        &mut self,
        phase: Phase,
        facts: &dyn Facts,
        now: Instant,
        ask: impl Fn(&dyn ThreatDetection, &Context<'_>) -> Result<Verdict, DetectionError>,
    ) {
        if self.exempt {
            return;
        }
        let policy = Arc::clone(&self.policy);
        let mut context = Context::new(now, facts);
        for link in policy.chain.in_phase(phase) {
            if self.block.is_some() {
                self.record(link, phase, || Answer::Skipped);
                continue;
            }
            let enforced = policy.enforces(link);
            context.enforced = enforced;
            let answer = guarded(|| ask(&*link.detection, &context));
            let headers = context.take_answer_headers();
            if enforced {
                self.answer_headers.extend(headers);
            }
            match answer {
                Ok(Verdict::Pass) => self.record(link, phase, || Answer::Pass),
                Ok(Verdict::Threat(findings)) => {
                    self.record(link, phase, || Answer::Threat(findings.len()));
                    for finding in findings {
                        let is_same = |seen: &Observed| matches!(seen, Observed::Finding(seen) if seen.rule == finding.rule);
                        if !self.is_known(link, is_same) {
                            self.weigh(link, enforced, finding);
                        }
                    }
                }
                Err(error) => {
                    self.record(link, phase, || Answer::Fault(error.to_string()));
                    self.fail(link, enforced, error);
                }
            }
        }
    }

    fn weigh(&mut self, link: &Link, enforced: bool, mut finding: Finding) {
        if let Weight::Score(score) = &mut finding.weight {
            *score = self.policy.sensitivity.score(*score);
        }
        let enforced = enforced && !link.only_watches(finding.rule.as_str());
        match (finding.weight, enforced) {
            (Weight::Decisive, true) => self.refuse(link, link.status),
            (Weight::Unreadable, true) => self.refuse(link, StatusCode::BAD_REQUEST),
            (Weight::Decisive | Weight::Unreadable, false) => self.would_block = true,
            (Weight::Score(score), true) => {
                self.score.0 = self.score.0.saturating_add(score.0);
                if self.score >= self.policy.threshold {
                    self.refuse(link, link.status);
                }
            }
            (Weight::Score(score), false) => {
                self.would_be_score.0 = self.would_be_score.0.saturating_add(score.0)
            }
        }
        self.observe(link, enforced, Observed::Finding(finding));
    }

    /// Whether the detection has told of the same in an earlier unit of the body.
    fn is_known(&self, link: &Link, is_same: impl Fn(&Observed) -> bool) -> bool {
        let known = self.observations.get(self.known.clone());
        let mut known = known.unwrap_or_default().iter();
        known.any(|seen| seen.detection == link.name && is_same(&seen.what))
    }

    fn fail(&mut self, link: &Link, enforced: bool, error: DetectionError) {
        let (refusal, what) = match error {
            DetectionError::Exhausted(what) => {
                (Some(StatusCode::BAD_REQUEST), Observed::Exhausted(what))
            }
            DetectionError::Fault(what) => {
                let refuses = link.on_error.unwrap_or(self.policy.on_error) == OnError::Block;
                (refuses.then_some(link.status), Observed::Fault(what))
            }
        };
        match refusal {
            Some(status) if enforced => self.refuse(link, status),
            Some(_) => self.would_block = true,
            None => {}
        }
        let kind = std::mem::discriminant(&what);
        if !self.is_known(link, |seen| std::mem::discriminant(seen) == kind) {
            self.observe(link, enforced, what);
        }
    }

    /// The first refusal stands.
    fn refuse(&mut self, link: &Link, status: StatusCode) {
        self.block.get_or_insert_with(|| Block {
            detection: Arc::clone(&link.name),
            status,
        });
    }

    fn observe(&mut self, link: &Link, enforced: bool, what: Observed) {
        self.observations.push(Observation {
            detection: Arc::clone(&link.name),
            enforced,
            what,
        });
    }

    fn record(&mut self, link: &Link, phase: Phase, answer: impl FnOnce() -> Answer) {
        if let Some(trace) = &mut self.trace {
            trace.push(Step {
                detection: Arc::clone(&link.name),
                phase,
                answer: answer(),
            });
        }
    }
}
