//! Judging bodies: where that is done, and by what those are judged that stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http::request::Parts;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::body::{BodyError, JudgeUnit, Progress};
use super::receive::Unjudged;
use super::report::Report;
use super::{Judges, Proxy, clock, framing};
use crate::clients::Facts;
use crate::engine::Evaluation;
use crate::request::body::Unit;
use crate::request::coding::Decoded;
use crate::request::{BodyView, ClientIdentity, RequestView, Work};

/// Judges a body that is here as a whole, as it came and without its content codings where it has any; `None` where too many bodies wait to be judged.
pub(super) async fn whole(
    proxy: &Proxy,
    head: &Parts,
    client: &ClientIdentity,
    body: (Bytes, Option<Arc<Decoded>>),
    mut evaluation: Evaluation,
) -> Result<Evaluation, Option<Evaluation>> {
    let now = clock::now();
    let (sent, decoded) = (&body.0, body.1.as_ref());
    let longest = decoded.map_or(0, |decoded| decoded.bytes.len());
    if sent.len().max(longest) <= Judges::INLINE {
        judge_whole(head, &body, client, &mut evaluation, &*proxy.facts, now);
        return Ok(evaluation);
    }
    let Some(place) = proxy.judges.place() else {
        return Err(Some(evaluation));
    };
    let (head, client, facts) = (copy_of(head), client.clone(), Arc::clone(&proxy.facts));
    let job = move || {
        judge_whole(&head, &body, &client, &mut evaluation, &*facts, now);
        evaluation
    };
    proxy.judges.run(place, job).await.ok_or(None)
}

fn judge_whole(
    head: &Parts,
    (sent, decoded): &(Bytes, Option<Arc<Decoded>>),
    client: &ClientIdentity,
    evaluation: &mut Evaluation,
    facts: &dyn Facts,
    now: Instant,
) {
    let Some(decoded) = decoded else {
        let body = BodyView::new(&head.headers, sent);
        return judge(head, &body, client, evaluation, facts, now);
    };
    let body = BodyView::decoded(&head.headers, decoded);
    judge(head, &body, client, evaluation, facts, now);
    // Who knows nothing of codings reads what was sent, not what it stands for.
    if let Some(encoded) = BodyView::still_encoded(&head.headers, sent) {
        let body = encoded.with_work(body.work().clone());
        judge(head, &body, client, evaluation, facts, now);
    }
}

fn judge(
    head: &Parts,
    body: &BodyView<'_>,
    client: &ClientIdentity,
    evaluation: &mut Evaluation,
    facts: &dyn Facts,
    now: Instant,
) {
    let view = RequestView::new(
        &head.method,
        framing::target(&head.uri),
        &head.headers,
        client,
    );
    evaluation.on_body(&view, body, facts, now);
}

/// A copy of a head without its extensions, to be judged elsewhere.
fn copy_of(head: &Parts) -> Parts {
    let (mut copy, ()) = Request::new(()).into_parts();
    copy.method.clone_from(&head.method);
    copy.uri.clone_from(&head.uri);
    copy.version = head.version;
    copy.headers.clone_from(&head.headers);
    copy
}

/// The judgement of a request whose body streams: shared by the body, which goes on as it is judged, and by who waits for
/// the answer.
///
/// The answer may begin, and even end, before the body has; or the client may go before there is one. What nobody else
/// told then is told when nobody has to do with the body any more, however that came.
#[derive(Debug)]
pub(super) struct Judgement {
    proxy: Arc<Proxy>,
    head: Parts,
    client: ClientIdentity,
    /// How far the body has come.
    pub(super) progress: Arc<Progress>,
    /// `None` once the request has been refused.
    evaluation: Arc<Mutex<Option<Evaluation>>>,
    /// What the units so far have left of the work that the body may make.
    work: std::sync::Mutex<Work>,
    /// How long it took to judge so far, in microseconds.
    spent: AtomicU64,
    late: std::sync::Mutex<Option<Report>>,
}

impl Judgement {
    /// The judgement of a request of which the head was judged. If nobody asks for it any more, `report` tells what was found.
    pub(super) fn new(
        proxy: &Arc<Proxy>,
        head: &Parts,
        client: &ClientIdentity,
        evaluation: Evaluation,
        report: Report,
    ) -> Arc<Self> {
        Arc::new(Self {
            proxy: Arc::clone(proxy),
            head: copy_of(head),
            client: client.clone(),
            progress: Arc::default(),
            evaluation: Arc::new(Mutex::new(Some(evaluation))),
            work: std::sync::Mutex::new(Work::for_body(0)),
            spent: AtomicU64::new(0),
            late: std::sync::Mutex::new(Some(report)),
        })
    }

    /// What judges the body's units.
    pub(super) fn of_units(self: &Arc<Self>) -> JudgeUnit {
        let judgement = Arc::clone(self);
        Box::new(move |unit| Box::pin(Arc::clone(&judgement).unit(unit)))
    }

    /// Judges a unit, after the one before.
    async fn unit(self: Arc<Self>, unit: Unit) -> Result<(), BodyError> {
        let evaluation = Arc::clone(&self.evaluation).lock_owned().await;
        if unit.bytes().len() <= Judges::INLINE {
            return self.judge(evaluation, &unit);
        }
        let judges = &self.proxy.judges;
        let place = judges.place().ok_or(BodyError::Overloaded)?;
        let judgement = Arc::clone(&self);
        let job = move || judgement.judge(evaluation, &unit);
        judges
            .run(place, job)
            .await
            .unwrap_or(Err(BodyError::Overloaded))
    }

    fn judge(
        &self,
        mut evaluation: OwnedMutexGuard<Option<Evaluation>>,
        unit: &Unit,
    ) -> Result<(), BodyError> {
        let Some(evaluation) = evaluation.as_mut() else {
            return Err(BodyError::Broken);
        };
        let now = clock::now();
        let mut work = self
            .work
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let body = BodyView::of_unit(&self.head.headers, unit);
        let body = body.with_work(work.for_next(unit.bytes().len()));
        judge(
            &self.head,
            &body,
            &self.client,
            evaluation,
            &*self.proxy.facts,
            now,
        );
        *work = body.work().clone();
        drop(work);
        let spent = clock::now().saturating_duration_since(now);
        let spent = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        self.spent.fetch_add(spent, Ordering::Relaxed);
        let refused = evaluation.permit().err().map(|block| block.status);
        refused.map_or(Ok(()), |status| Err(BodyError::Denied(status)))
    }

    /// The judgement so far. While it is held nothing is judged.
    pub(super) async fn so_far(&self) -> OwnedMutexGuard<Option<Evaluation>> {
        Arc::clone(&self.evaluation).lock_owned().await
    }

    /// How long it took since this was last asked.
    pub(super) fn spent(&self) -> Duration {
        Duration::from_micros(self.spent.swap(0, Ordering::Relaxed))
    }

    /// What is found from now on is told by `report`, when the body has ended; `None` where whoever asks tells everything.
    pub(super) fn tell_late(&self, report: Option<Report>) {
        let mut late = self
            .late
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *late = report;
    }

    /// What is told if something went on unjudged; once.
    pub(super) fn unjudged(&self) -> Option<Unjudged> {
        self.progress.was_unjudged().then_some(Unjudged::Field)
    }
}

impl Drop for Judgement {
    fn drop(&mut self) {
        let late = self.late.get_mut();
        let late = late
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        // Nobody else has it any more.
        let (Some(mut report), Ok(evaluation)) = (late, self.evaluation.try_lock()) else {
            return;
        };
        if let Some(evaluation) = evaluation.as_ref() {
            report.judged += self.spent();
            report.is_aborted = evaluation.permit().is_err();
            report.findings(&self.proxy, evaluation, &self.head);
        }
        if let Some(unjudged) = self.unjudged() {
            report.unjudged(&self.proxy, unjudged, &self.head);
        }
    }
}
