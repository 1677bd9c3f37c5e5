//! A form on its way to the upstream that is judged while it streams: nothing goes on before it was judged.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use super::ClientRequest;
use super::arriving::Arriving;
use super::{BodyError, Progress};
use crate::proxy::buffered::Held;
use crate::proxy::config::OverBody;
use crate::proxy::framing::Reading;
use crate::proxy::identity::Trust;
use crate::proxy::pace::Pace;
use crate::request::body::{Next, Unit, Units};

/// A unit that is being judged; whether it may go on.
pub(in crate::proxy) type Judging = Pin<Box<dyn Future<Output = Result<(), BodyError>> + Send>>;

/// Judges a unit.
pub(in crate::proxy) type JudgeUnit = Box<dyn Fn(Unit) -> Judging + Send>;

/// A form, as far as it has come, and what is still to come.
pub(in crate::proxy) struct Form {
    /// What has come.
    pub(in crate::proxy) units: Units,
    /// How much that is.
    pub(in crate::proxy) held: Held,
    /// What is still to come.
    pub(in crate::proxy) rest: ClientRequest,
    /// How long that may be.
    pub(in crate::proxy) left: u64,
    /// The trailers, where they have come.
    pub(in crate::proxy) trailers: Option<HeaderMap>,
    /// What happens to a field that is longer than may be judged.
    pub(in crate::proxy) over_long: OverBody,
}

/// A form that streams through as it is judged.
pub(in crate::proxy) struct JudgedStream {
    units: Units,
    held: Held,
    arriving: Arriving,
    over_long: OverBody,
    judge: JudgeUnit,
    under_way: UnderWay,
}

/// What of a form is neither to be judged nor gone.
#[derive(Default)]
struct UnderWay {
    /// What goes on when it was judged, and its judgement.
    judging: Option<(Bytes, Judging)>,
    /// What may go on.
    ready: Option<Bytes>,
    trailers: Option<HeaderMap>,
    has_ended: bool,
}

impl JudgedStream {
    pub(super) fn new(
        form: Form,
        judge: JudgeUnit,
        pace: Pace,
        progress: Arc<Progress>,
        trust: (Arc<Trust>, Reading),
    ) -> Self {
        Self {
            units: form.units,
            held: form.held,
            arriving: Arriving::new(form.rest, form.left, pace, progress, trust),
            over_long: form.over_long,
            judge,
            under_way: UnderWay {
                trailers: form.trailers,
                ..UnderWay::default()
            },
        }
    }

    /// Waits until something may go on, or nothing more will.
    pub(super) async fn begin(&mut self) -> Result<(), BodyError> {
        poll_fn(|context| self.poll_ready(context)).await
    }

    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Err(error) = ready!(self.poll_ready(context)) {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match self.under_way.ready.take() {
            Some(bytes) => {
                self.held.shrink(bytes.len());
                self.arriving.progress.add(bytes.len());
                Some(Frame::data(bytes))
            }
            None => self.under_way.trailers.take().map(Frame::trailers),
        };
        // hyper asks a body of known length no further than its end.
        if self.is_end_stream() {
            self.arriving.progress.end();
        }
        let frame = frame.map(|frame| self.arriving.safe(frame));
        Poll::Ready(frame.map(Ok))
    }

    /// Waits until something may go on, or nothing more will.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        loop {
            if self.under_way.ready.is_some() {
                return Poll::Ready(Ok(()));
            }
            if let Some((bytes, judging)) = &mut self.under_way.judging {
                self.arriving.progress.wait_for_client(false);
                if let Err(error) = ready!(judging.as_mut().poll(context)) {
                    return Poll::Ready(Err(self.arriving.progress.fail(error)));
                }
                self.under_way.ready =
                    Some(std::mem::take(bytes)).filter(|bytes| !bytes.is_empty());
                self.under_way.judging = None;
                continue;
            }
            match self.units.proceed() {
                Next::Unit(unit) => self.judge(unit),
                Next::Pass(bytes) => self.under_way.ready = Some(bytes),
                Next::TooLong if self.over_long == OverBody::Reject => {
                    return Poll::Ready(Err(self.arriving.progress.fail(BodyError::TooLarge)));
                }
                Next::TooLong => {
                    self.arriving.progress.pass_unjudged();
                    let unit = self.units.let_pass();
                    self.judge(unit);
                }
                Next::More => ready!(self.poll_more(context))?,
                Next::End => return Poll::Ready(Ok(())),
            }
        }
    }

    fn judge(&mut self, unit: Unit) {
        let goes_on = unit.goes_on();
        self.under_way.judging = Some((goes_on, (self.judge)(unit)));
    }

    /// Takes in more of the body.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        Poll::Ready(match ready!(self.arriving.poll_frame(context))? {
            None => {
                self.end();
                Ok(())
            }
            Some(frame) => self.take(frame),
        })
    }

    fn take(&mut self, frame: Frame<Bytes>) -> Result<(), BodyError> {
        match frame.into_data() {
            Ok(data) => {
                self.arriving.count(data.len())?;
                if !self.held.grow(data.len()) {
                    return Err(self.arriving.progress.fail(BodyError::Full));
                }
                self.units.push(&data);
                if self.arriving.is_end_stream() {
                    self.end();
                }
            }
            Err(frame) => self.under_way.trailers = frame.into_trailers().ok(),
        }
        Ok(())
    }

    const fn end(&mut self) {
        self.units.end();
        self.under_way.has_ended = true;
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let UnderWay {
            judging,
            ready,
            trailers,
            has_ended,
        } = &self.under_way;
        *has_ended
            && judging.is_none()
            && ready.is_none()
            && trailers.is_none()
            && self.units.held() == 0
    }

    /// How much is still to go on; of a body without a known length nothing is said.
    pub(super) fn size_hint(&self) -> SizeHint {
        let UnderWay { judging, ready, .. } = &self.under_way;
        let judging = judging.as_ref().map_or(0, |(bytes, _)| bytes.len());
        let here = self.units.held() + judging + ready.as_ref().map_or(0, Bytes::len);
        let rest = self.arriving.size_hint().exact();
        rest.map_or_else(SizeHint::default, |rest| {
            SizeHint::with_exact(here as u64 + rest)
        })
    }
}
