//! What is still to come of a request's body, on its way to an upstream that has had the beginning of it.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::gather::Gathered;
use super::{BodyError, ClientRequest, Progress, stripped};
use crate::proxy::fields::strip_unjudged_trailers;
use crate::proxy::framing::Reading;
use crate::proxy::identity::Trust;
use crate::proxy::pace::Pace;

/// The rest of a body: what may still come of it, how fast it must, and how far it has.
pub(super) struct Arriving {
    rest: Gathered<ClientRequest>,
    left: u64,
    pace: Pace,
    pub(super) progress: Arc<Progress>,
    trust: Arc<Trust>,
    _reading: Reading,
}

impl Arriving {
    /// At most `left` bytes of `rest`, as fast as `pace` says.
    pub(super) fn new(
        rest: ClientRequest,
        left: u64,
        pace: Pace,
        progress: Arc<Progress>,
        (trust, reading): (Arc<Trust>, Reading),
    ) -> Self {
        Self {
            rest: Gathered::new(rest),
            left,
            pace,
            progress,
            trust,
            _reading: reading,
        }
    }

    /// The next frame, or `None` behind the last; it is told to be waited for, and missed when that takes too long.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        let frame = match self.rest.poll_frame(context) {
            Poll::Pending if self.rest.is_gathering() => return Poll::Pending,
            Poll::Pending if self.pace.is_too_slow(context) => {
                return Poll::Ready(Err(self.progress.fail(BodyError::Paused)));
            }
            Poll::Pending => {
                self.progress.wait_for_client(true);
                return Poll::Pending;
            }
            Poll::Ready(frame) => frame,
        };
        self.progress.wait_for_client(false);
        let broken = |_| self.progress.fail(BodyError::Broken);
        Poll::Ready(frame.transpose().map_err(broken))
    }

    /// Counts bytes that have come.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.pace.came(bytes);
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.ok_or_else(|| self.progress.fail(BodyError::TooLarge))?;
        Ok(())
    }

    /// A frame as it may go on: trailers without what the proxy would take from the head, and what would have to be judged.
    pub(super) fn safe(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        stripped(frame, |trailers| {
            strip_unjudged_trailers(trailers, |name| self.trust.strips(name));
        })
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.rest.is_end_stream()
    }

    /// How much is still to come; of a body without a known length nothing is said.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.rest.size_hint()
    }
}
