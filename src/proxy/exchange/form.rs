//! The second half of the life of a request with a form that is longer than may be judged whole: it is judged as it is sent
//! on, each field before its own bytes.

use std::sync::Arc;

use http::Response;
use http::request::Parts;
use hyper::body::Incoming;

use super::super::body::{ClientBody, Form, Progress, UpstreamBody};
use super::super::judge::Judgement;
use super::super::receive::{Unread, pace};
use super::super::respond::Refusal;
use super::super::upstream::Lease;
use super::{Exchange, Stopped, refused};
use crate::engine::Evaluation;

impl Exchange<'_> {
    /// Forwards a form that is judged as it is sent on, or all of which `is_held` until it was.
    pub(super) async fn run_form(
        &mut self,
        head: &Parts,
        form: Form,
        is_held: bool,
        evaluation: Evaluation,
    ) -> Result<Response<ClientBody>, Box<Stopped>> {
        let (proxy, rest) = (&self.core.proxy, self.report.rest());
        let judgement = Judgement::new(proxy, head, &self.client, evaluation, rest);
        self.unread = Unread::Streaming(Arc::clone(&judgement.progress));
        let sent = self.send_form(head, form, is_held, &judgement).await;
        let mut so_far = judgement.so_far().await;
        // From here to the answer nothing waits, so the client cannot go in between.
        judgement.tell_late(None);
        self.report.judged += judgement.spent();
        if let Some(unjudged) = judgement.unjudged() {
            self.report.unjudged(&self.core.proxy, unjudged, head);
        }
        let (response, lease, progress) = match sent {
            Ok(answer) => answer,
            Err(refusal) => return Err(refused(refusal, so_far.take())),
        };
        let Some(evaluation) = so_far.as_mut() else {
            return Err(refused(Refusal::BodyBroken, None));
        };
        if let Err(status) = evaluation.permit().map_err(|block| block.status) {
            return Err(refused(Refusal::Aborted(status), so_far.take()));
        }
        self.judge_answer(head, &response, evaluation);
        if let Err(status) = evaluation.permit().map_err(|block| block.status) {
            return Err(refused(Refusal::Denied(status), so_far.take()));
        }
        self.report.findings(&self.core.proxy, evaluation, head);
        if !judgement.progress.has_ended() {
            judgement.tell_late(Some(self.report.rest()));
        }
        Ok(self.answer(response, lease, progress, evaluation))
    }

    /// Sends a form on as it is judged. What is found before anything of it has gone on is refused like anything else.
    async fn send_form(
        &self,
        head: &Parts,
        form: Form,
        is_held: bool,
        judgement: &Arc<Judgement>,
    ) -> Result<(Response<Incoming>, Lease, Arc<Progress>), Refusal> {
        let progress = &judgement.progress;
        let trust = (Arc::clone(&self.serving.trust), self.turn.reading());
        let (judge, pace) = (judgement.of_units(), pace(&self.site.limits));
        let mut body = UpstreamBody::judged(form, judge, pace, Arc::clone(progress), trust);
        body.begin().await.map_err(Refusal::of_unsent_body)?;
        let permit = {
            let so_far = judgement.so_far().await;
            let evaluation = so_far.as_ref().ok_or(Refusal::BodyBroken)?;
            evaluation
                .permit()
                .map_err(|block| Refusal::Denied(block.status))?
        };
        self.send(permit, head, body, Arc::clone(progress), is_held)
            .await
    }
}
