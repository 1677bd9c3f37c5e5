//! The trait that every detection implements.

use std::borrow::Cow;
use std::cell::{LazyCell, RefCell};
use std::fmt;
use std::time::Instant;

use http::{HeaderName, HeaderValue};

use super::finding::{Evidence, Finding, RuleInfo};
use crate::clients::Facts;
use crate::event::secrets::{Neighbours, is_nameable, presentable};
use crate::request::{BodyView, Codings, Inputs, Place, RequestView, ResponseView, Source};

/// Recognises one class of threat.
///
/// A detection is immutable and shared by all cores. It judges what it is shown and changes nothing but
/// `context.facts`; it reads no clock and does no I/O. It is called once per phase that it names, in the order of the
/// chain; a panic in it is caught and treated like an [`Err`].
pub trait ThreatDetection: fmt::Debug + Send + Sync {
    /// The phases in which it wants to be asked.
    fn phases(&self) -> &'static [Phase];

    /// How much of this request's body it wants to see. Asked once per request, after the header phase, and only of
    /// detections with [`Phase::RequestBody`].
    fn body_need(&self, _request: &RequestView<'_>, _context: &Context<'_>) -> BodyNeed {
        BodyNeed::None
    }

    /// Judges the head of a request.
    ///
    /// # Errors
    /// When it cannot judge; the policy's `on_error` decides then.
    fn on_headers(
        &self,
        _request: &RequestView<'_>,
        _context: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Ok(Verdict::Pass)
    }

    /// Judges a body, once per unit that [`Self::body_need`] asked for: a multipart form that is longer than may be judged
    /// whole comes in units of whole fields, long files in windows. Each goes on to the upstream only when it was judged, so
    /// that a threat in a later one still ends the request there.
    ///
    /// # Errors
    /// When it cannot judge; the policy's `on_error` decides then.
    fn on_body(
        &self,
        _request: &RequestView<'_>,
        _body: &BodyView<'_>,
        _context: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Ok(Verdict::Pass)
    }

    /// Judges the upstream's answer. A threat replaces the answer by a refusal.
    ///
    /// # Errors
    /// When it cannot judge; the policy's `on_error` decides then.
    fn on_response(
        &self,
        _request: &RequestView<'_>,
        _response: &ResponseView<'_>,
        _context: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Ok(Verdict::Pass)
    }

    /// The rules that it judges by, for `portcullis rules list`.
    fn rules(&self) -> Vec<RuleInfo> {
        Vec::new()
    }

    /// Whether it only refuses clients for what was found before, so that its refusals are nothing new to hold against them.
    fn repeats_a_refusal(&self) -> bool {
        false
    }

    /// Whether it controls who may come in and how often, rather than recognises attacks: who is refused by it has attacked
    /// nothing, and is not banned for it unless the policy says so.
    fn controls_access(&self) -> bool {
        false
    }

    /// A harmless request that it would refuse as configured. Start and reload send it through the real chain, on
    /// scratch facts, to measure whether the chain refuses what it should.
    fn canary(&self) -> Option<Canary> {
        None
    }
}

/// When a detection is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The request's head is there.
    RequestHeaders,
    /// As much of the request's body is there as was asked for.
    RequestBody,
    /// The upstream's head is there.
    ResponseHeaders,
}

/// How much of a body is to be buffered and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BodyNeed {
    /// Nothing: the body streams untouched.
    None,
    /// The first bytes.
    Head(usize),
    /// A multipart body in units, however long it is; of any other body the same as [`Self::Whole`].
    Parts,
    /// Everything up to `limits.body`; of a longer multipart form the same as [`Self::Parts`].
    Whole,
}

/// What a detection says.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing found.
    Pass,
    /// Found at least one thing.
    Threat(Vec<Finding>),
}

/// Why a detection could not judge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectionError {
    /// The request asks for more work than it may. The sender chose that: the request is refused.
    #[error("the request exhausts {0}")]
    Exhausted(Cow<'static, str>),
    /// Something of ours failed. The policy's `on_error` decides.
    #[error("{0}")]
    Fault(Cow<'static, str>),
}

/// What a detection may know and change besides the request.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time of this judgement.
    pub now: Instant,
    /// The lasting facts about clients.
    pub facts: &'a dyn Facts,
    /// Whether the policy acts upon what this detection finds. A detection that leaves facts behind to refuse later
    /// requests by keeps those of monitor mode apart, so that a would-be finding never feeds a real ban.
    pub enforced: bool,
    answer: RefCell<Vec<(HeaderName, HeaderValue)>>,
}

/// A harmless request that a detection would refuse.
#[derive(Clone, Debug)]
pub struct Canary {
    /// The request-target.
    pub target: String,
    /// Headers besides `Host`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Who sends it.
    pub client: std::net::IpAddr,
}

impl<'a> Context<'a> {
    /// A context at `now`, for a detection that is enforced.
    #[must_use]
    pub const fn new(now: Instant, facts: &'a dyn Facts) -> Self {
        Self {
            now,
            facts,
            enforced: true,
            answer: RefCell::new(Vec::new()),
        }
    }

    /// Adds a header to whatever answer the client gets. What a detection in monitor mode adds is dropped.
    pub fn add_answer_header(&self, name: HeaderName, value: HeaderValue) {
        self.answer.borrow_mut().push((name, value));
    }

    /// The headers added so far.
    pub(super) fn take_answer_headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.answer.take()
    }
}

impl DetectionError {
    /// The most bytes of a text that are shown.
    const SHOWN: usize = 300;

    /// The same error, fit to be shown: what went wrong may quote the request that it went wrong with, as the panic of
    /// a slice does.
    pub(super) fn presentable(self) -> Self {
        let shown = |text: Cow<'static, str>| presentable(text.as_bytes(), Self::SHOWN).into();
        match self {
            Self::Exhausted(what) => Self::Exhausted(shown(what)),
            Self::Fault(what) => Self::Fault(shown(what)),
        }
    }
}

impl Verdict {
    /// One finding.
    #[must_use]
    pub fn threat(finding: Finding) -> Self {
        Self::Threat(vec![finding])
    }

    /// What was found in a body, or in a piece of one, fit to be told.
    pub(super) fn of_body(self, body: &BodyView<'_>) -> Self {
        let told = self.hiding(body.inputs());
        told.behind(body.offset()).under(body.codings())
    }

    /// The same, found in a piece of the body that begins at `offset` of it.
    fn behind(mut self, offset: u64) -> Self {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if let Self::Threat(findings) = &mut self
            && offset > 0
        {
            let origins = findings
                .iter_mut()
                .filter_map(|found| found.evidence.origin.as_mut());
            for origin in origins.filter(|origin| origin.source == Source::Body) {
                origin.range.start = origin.range.start.saturating_add(offset);
                origin.range.end = origin.range.end.saturating_add(offset);
            }
        }
        self
    }

    /// The same, without the bytes of values that nothing but their neighbours among `inputs` names as secrets.
    pub(super) fn hiding(mut self, inputs: Inputs<'_>) -> Self {
        if let Self::Threat(findings) = &mut self {
            let neighbours = LazyCell::new(|| Neighbours::among(inputs));
            let is_secret = |place: &Place<'_>| is_nameable(place) && neighbours.name(place);
            for finding in findings.iter_mut().filter(|found| is_secret(&found.place)) {
                finding.evidence.hide();
            }
        }
        self
    }

    /// The same, found in a body of which these content codings were taken off before.
    fn under(mut self, codings: Codings) -> Self {
        if let Self::Threat(findings) = &mut self {
            for Evidence { origin, steps, .. } in findings.iter_mut().map(|f| &mut f.evidence) {
                if origin
                    .as_ref()
                    .is_some_and(|origin| origin.source == Source::Body)
                {
                    steps.splice(0..0, codings.steps());
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{HeaderMap, Method, StatusCode};

    use super::*;
    use crate::clients::Clients;
    use crate::engine::policy::Revision;
    use crate::engine::{Chain, Evaluation, Link, Mode, Policy, PolicyConfig};
    use crate::request::ClientIdentity;

    /// Writes down in which phase it was asked, and whether it was enforced.
    #[derive(Debug)]
    struct Witness(Arc<Mutex<Vec<bool>>>);

    impl ThreatDetection for Witness {
        fn phases(&self) -> &'static [Phase] {
            &[Phase::RequestHeaders, Phase::RequestBody]
        }

        fn on_headers(
            &self,
            _: &RequestView<'_>,
            context: &Context<'_>,
        ) -> Result<Verdict, DetectionError> {
            self.0.lock().expect("no panic").push(context.enforced);
            Ok(Verdict::Pass)
        }

        fn body_need(&self, _: &RequestView<'_>, context: &Context<'_>) -> BodyNeed {
            self.0.lock().expect("no panic").push(context.enforced);
            BodyNeed::None
        }
    }

    #[test]
    fn each_detection_is_told_whether_it_is_enforced() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let link = |mode| Link {
            name: "witness".into(),
            mode,
            on_error: None,
            monitor: Vec::new(),
            status: StatusCode::FORBIDDEN,
            detection: Box::new(Witness(Arc::clone(&seen))),
        };
        let headers = HeaderMap::new();
        let client = ClientIdentity::from_peer([192, 0, 2, 1].into());
        let request = RequestView::new(&Method::GET, "/", &headers, &client);
        #[expect(clippy::disallowed_methods, reason = "any time will do")]
        let (facts, now) = (Clients::scratch(), Instant::now());
        for mode in [Mode::Enforce, Mode::Monitor] {
            let chain = Chain::new(vec![
                link(None),
                link(Some(Mode::Monitor)),
                link(Some(Mode::Enforce)),
            ]);
            let config = PolicyConfig {
                mode,
                ..PolicyConfig::default()
            };
            let policy = Arc::new(Policy::new(Revision::default(), &config, Arc::new(chain)));
            let mut evaluation = Evaluation::begin(&policy, &request);
            evaluation.on_headers(&request, &facts, now);
            assert_eq!(evaluation.body_need(&request, &facts, now), BodyNeed::None);
            let of_the_policy = mode == Mode::Enforce;
            let expected = [of_the_policy, false, true].repeat(2);
            assert_eq!(
                std::mem::take(&mut *seen.lock().expect("no panic")),
                expected
            );
        }
    }
}
