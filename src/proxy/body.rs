//! Bodies under way: a request's body to the upstream, an answer's body to the client.
//!
//! Both stream piece by piece in constant memory. A pause longer than allowed, a length beyond its limit, or a break
//! ends the stream with an error, which makes hyper close the connection: a cut body is never presented whole.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::forward::strip_trailers;
use super::respond::Refusal;
use super::upstream::Lease;

/// Why a body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is longer than its limit")]
    TooLarge,
    #[error("the sender paused for too long")]
    Paused,
    #[error("the sender broke off")]
    Broken,
}

// === Requests ===

/// The body of a request on its way to the upstream.
pub(super) enum UpstreamBody {
    /// All of it is here: it was judged, or there is none.
    Whole {
        bytes: Bytes,
        trailers: Option<HeaderMap>,
    },
    /// It streams through.
    Stream(Box<RequestStream>),
}

/// A request's body that streams: what was read of it already, then the rest as it comes.
pub(super) struct RequestStream {
    read: Bytes,
    rest: Incoming,
    left: u64,
    pause: Pause,
    progress: Arc<Progress>,
}

/// How far a streaming request body has come; shared with whoever waits for the answer.
#[derive(Debug, Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    ended: AtomicBool,
    waits_for_client: AtomicBool,
    failure: AtomicU8,
}

impl UpstreamBody {
    pub(super) const fn empty() -> Self {
        Self::Whole {
            bytes: Bytes::new(),
            trailers: None,
        }
    }

    /// Streams `read` and then `rest`, at most `limit` bytes in all, with pauses of at most `pause`.
    pub(super) fn stream(
        read: Bytes,
        rest: Incoming,
        limit: u64,
        pause: Duration,
        progress: Arc<Progress>,
    ) -> Self {
        Self::Stream(Box::new(RequestStream {
            read,
            rest,
            left: limit,
            pause: Pause::new(pause),
            progress,
        }))
    }

    /// Whether nothing is to be sent, so that a request could be sent again.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Whole { bytes, trailers: None } if bytes.is_empty())
    }
}

impl Progress {
    /// Bytes that went on to the upstream.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Whether it is the client that the next bytes are waited for, and not the upstream that does not take them.
    pub(super) fn waits_for_client(&self) -> bool {
        self.waits_for_client.load(Ordering::Relaxed)
    }

    /// Whether the upstream has, or will get, nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Why the client's body failed, if it did.
    pub(super) fn failure(&self) -> Option<Refusal> {
        match self.failure.load(Ordering::Acquire) {
            1 => Some(Refusal::TooLarge),
            2 => Some(Refusal::BodyTimeout),
            3 => Some(Refusal::BodyBroken),
            _ => None,
        }
    }

    fn fail(&self, error: BodyError) -> BodyError {
        let code = match error {
            BodyError::TooLarge => 1,
            BodyError::Paused => 2,
            BodyError::Broken => 3,
        };
        self.failure.store(code, Ordering::Release);
        self.end();
        error
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Whole { bytes, .. } if bytes.has_remaining() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            Self::Whole { trailers, .. } => {
                Poll::Ready(trailers.take().map(Frame::trailers).map(Ok))
            }
            Self::Stream(stream) => stream.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { bytes, trailers } => bytes.is_empty() && trailers.is_none(),
            Self::Stream(stream) => stream.read.is_empty() && stream.rest.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // Trailers can only follow a chunked body, so a length must not be promised.
            Self::Whole {
                trailers: Some(_), ..
            } => SizeHint::default(),
            Self::Whole { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => {
                let read = stream.read.len() as u64;
                stream
                    .rest
                    .size_hint()
                    .exact()
                    .map_or_else(SizeHint::default, |rest| SizeHint::with_exact(read + rest))
            }
        }
    }
}

impl RequestStream {
    fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = if self.read.has_remaining() {
            Some(Ok(Frame::data(std::mem::take(&mut self.read))))
        } else {
            match Pin::new(&mut self.rest).poll_frame(context) {
                Poll::Pending if self.pause.is_over(context) => {
                    return Poll::Ready(Some(Err(self.progress.fail(BodyError::Paused))));
                }
                Poll::Pending => {
                    self.progress
                        .waits_for_client
                        .store(true, Ordering::Relaxed);
                    return Poll::Pending;
                }
                Poll::Ready(frame) => frame,
            }
        };
        self.pause.reset();
        self.progress
            .waits_for_client
            .store(false, Ordering::Relaxed);
        let frame = match frame {
            None => {
                self.progress.end();
                return Poll::Ready(None);
            }
            Some(Err(_)) => return Poll::Ready(Some(Err(self.progress.fail(BodyError::Broken)))),
            Some(Ok(frame)) => frame,
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(left) = self.left.checked_sub(length as u64) else {
            return Poll::Ready(Some(Err(self.progress.fail(BodyError::TooLarge))));
        };
        self.left = left;
        self.progress.add(length);
        // hyper asks a body of known length no further than its end.
        if self.read.is_empty() && self.rest.is_end_stream() {
            self.progress.end();
        }
        Poll::Ready(Some(Ok(without_unsafe_trailers(frame))))
    }
}

/// A frame as it may go on: trailers without what must not stand there.
fn without_unsafe_trailers(frame: Frame<Bytes>) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            strip_trailers(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

// === Answers ===

/// The body of an answer on its way to the client.
pub(super) struct ClientBody(Answer);

enum Answer {
    /// Our own.
    Full(Bytes),
    /// The upstream's.
    Stream(Box<AnswerStream>),
}

struct AnswerStream {
    upstream: Incoming,
    pause: Pause,
    lease: Option<Lease>,
    meter: Option<Meter>,
}

/// Told how an answer went, once, when its body has ended or was dropped.
pub(super) struct Meter {
    bytes: u64,
    done: Option<Box<dyn FnOnce(u64) + Send>>,
}

impl Meter {
    /// Calls `done` with the number of the body's bytes.
    pub(super) fn new(done: impl FnOnce(u64) + Send + 'static) -> Self {
        Self {
            bytes: 0,
            done: Some(Box::new(done)),
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(self.bytes);
        }
    }
}

impl ClientBody {
    /// A body of our own.
    pub(super) const fn full(bytes: Bytes) -> Self {
        Self(Answer::Full(bytes))
    }

    /// The upstream's body. When it has ended, its connection goes back to the pool.
    pub(super) fn stream(
        upstream: Incoming,
        pause: Duration,
        lease: Lease,
        meter: Option<Meter>,
    ) -> Self {
        let mut stream = AnswerStream {
            upstream,
            pause: Pause::new(pause),
            lease: Some(lease),
            meter,
        };
        if stream.upstream.is_end_stream() {
            stream.end();
        }
        Self(Answer::Stream(Box::new(stream)))
    }

    /// The number of bytes of a body of our own.
    pub(super) fn length(&self) -> u64 {
        match &self.0 {
            Answer::Full(bytes) => bytes.len() as u64,
            Answer::Stream(_) => 0,
        }
    }
}

impl AnswerStream {
    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let stream = match &mut self.get_mut().0 {
            Answer::Full(bytes) if bytes.has_remaining() => {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
            }
            Answer::Full(_) => return Poll::Ready(None),
            Answer::Stream(stream) => stream,
        };
        let polled = Pin::new(&mut stream.upstream).poll_frame(context);
        if polled.is_pending() && stream.pause.is_over(context) {
            return Poll::Ready(Some(Err(BodyError::Paused)));
        }
        let frame = ready!(polled);
        stream.pause.reset();
        match frame {
            None => {
                stream.end();
                Poll::Ready(None)
            }
            Some(Err(_)) => Poll::Ready(Some(Err(BodyError::Broken))),
            Some(Ok(frame)) => {
                if let (Some(meter), Some(data)) = (&mut stream.meter, frame.data_ref()) {
                    meter.bytes += data.len() as u64;
                }
                if stream.upstream.is_end_stream() {
                    stream.end();
                }
                Poll::Ready(Some(Ok(without_unsafe_trailers(frame))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Answer::Full(bytes) => bytes.is_empty(),
            Answer::Stream(stream) => stream.upstream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Answer::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Answer::Stream(stream) => stream.upstream.size_hint(),
        }
    }
}

// === Pauses ===

/// The longest allowed pause of a sender; its timer exists only while there is one.
struct Pause {
    longest: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pause {
    const fn new(longest: Duration) -> Self {
        Self {
            longest,
            timer: None,
        }
    }

    /// Whether the pause that goes on is too long; wakes the task when it is.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let longest = self.longest;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + longest)));
        timer.as_mut().poll(context).is_ready()
    }

    fn reset(&mut self) {
        self.timer = None;
    }
}
