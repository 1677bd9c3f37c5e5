//! An answer's body on its way to the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{BodyError, Pause, stripped};
use crate::proxy::fields::strip_trailers;
use crate::proxy::framing::Turns;
use crate::proxy::respond::Refusal;
use crate::proxy::upstream::Lease;

/// The body of an answer on its way to the client.
pub(in crate::proxy) struct ClientBody(Answer);

enum Answer {
    /// Our own.
    Full(Bytes),
    /// The upstream's.
    Stream(Box<AnswerStream>),
}

struct AnswerStream {
    first: Option<Frame<Bytes>>,
    upstream: Incoming,
    pause: Pause,
    lease: Option<Lease>,
    meter: Option<Meter>,
    on_mishap: Option<Tell>,
    failure: Option<BodyError>,
}

/// Told of a mishap.
type Tell = Box<dyn FnOnce(Mishap) + Send>;

/// How an answer failed to come to its end, and where it came from.
#[derive(Debug, thiserror::Error)]
pub(in crate::proxy) enum Mishap {
    /// The upstream broke off.
    #[error("{0}")]
    Cut(Arc<str>),
    /// The upstream paused for too long.
    #[error("{0}")]
    Paused(Arc<str>),
    /// The framing of the body is wrong, and how.
    #[error("{0}: {1}")]
    Malformed(Arc<str>, &'static str),
    /// It was the client, which broke its own body: why that would have been refused.
    #[error("{}", .0.message())]
    Client(Refusal),
}

impl Mishap {
    /// The same, as the gate knows it.
    pub(in crate::proxy) fn precisely(self, turns: &Turns) -> Self {
        match self {
            Self::Client(refusal) => Self::Client(turns.precisely(refusal)),
            mishap => mishap,
        }
    }

    /// The rule that the event names.
    pub(in crate::proxy) const fn rule(&self) -> &'static str {
        match self {
            Self::Client(refusal) => refusal.rule(),
            Self::Cut(_) => "answer_cut",
            Self::Paused(_) => "answer_paused",
            Self::Malformed(..) => "malformed_answer",
        }
    }

    /// What the operator reads.
    pub(in crate::proxy) const fn message(&self) -> &'static str {
        match self {
            Self::Client(refusal) => refusal.message(),
            Self::Cut(_) => "The upstream broke off within its answer, which was cut off as well.",
            Self::Paused(_) => {
                "The upstream paused within its answer for longer than `upstream.idle_timeout`; the answer was cut off."
            }
            Self::Malformed(..) => {
                "The body of the upstream's answer is framed wrongly; the answer was cut off."
            }
        }
    }
}

/// Told how an answer went, once, when its body has ended or was dropped.
pub(in crate::proxy) struct Meter {
    bytes: u64,
    done: Option<Box<dyn FnOnce(u64) + Send>>,
}

impl Meter {
    /// Calls `done` with the number of the body's bytes.
    pub(in crate::proxy) fn new(done: impl FnOnce(u64) + Send + 'static) -> Self {
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
    pub(in crate::proxy) const fn full(bytes: Bytes) -> Self {
        Self(Answer::Full(bytes))
    }

    /// The upstream's body. When it has ended, its connection goes back to the pool.
    pub(in crate::proxy) fn stream(
        upstream: Incoming,
        pause: Duration,
        mut lease: Lease,
        meter: Option<Meter>,
    ) -> Self {
        let mut stream = AnswerStream {
            first: lease.take_first(),
            upstream,
            pause: Pause::new(pause),
            lease: Some(lease),
            meter,
            on_mishap: None,
            failure: None,
        };
        if stream.upstream.is_end_stream() {
            stream.end();
        }
        Self(Answer::Stream(Box::new(stream)))
    }

    /// Calls `tell` if the body is not brought to its end. A client that goes away is no mishap.
    pub(in crate::proxy) fn on_mishap(&mut self, tell: impl FnOnce(Mishap) + Send + 'static) {
        if let Answer::Stream(stream) = &mut self.0
            && !stream.upstream.is_end_stream()
        {
            stream.on_mishap = Some(Box::new(tell));
        }
    }

    /// The number of bytes of a body of our own.
    pub(in crate::proxy) fn length(&self) -> u64 {
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

    /// The answer will not end. Its connection is closed at once, and the client's will be, but not before what came until
    /// then has gone to the client: hyper drops what it has not written when it learns of an error.
    fn fail<T>(&mut self, error: BodyError, context: &Context<'_>) -> Poll<T> {
        if let Some(lease) = self.lease.take()
            && let Some(tell) = self.on_mishap.take()
        {
            let server = lease.server();
            // With a request that fails the connection to the upstream is closed, which is no fault of the upstream.
            tell(match (lease.client_failure(), lease.fault(), error) {
                (Some(failure), ..) => Mishap::Client(failure),
                (None, Some(fault), _) => Mishap::Malformed(server, fault),
                (None, None, BodyError::Paused) => Mishap::Paused(server),
                (None, None, _) => Mishap::Cut(server),
            });
        }
        self.failure = Some(error);
        context.waker().wake_by_ref();
        Poll::Pending
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
        if let Some(error) = stream.failure {
            return Poll::Ready(Some(Err(error)));
        }
        let polled = match stream.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut stream.upstream).poll_frame(context),
        };
        if polled.is_pending() && stream.pause.is_over(context) {
            return stream.fail(BodyError::Paused, context);
        }
        let frame = ready!(polled);
        stream.pause.reset();
        match frame {
            None => {
                stream.end();
                Poll::Ready(None)
            }
            Some(Err(_)) => stream.fail(BodyError::Broken, context),
            Some(Ok(frame)) => {
                if let (Some(meter), Some(data)) = (&mut stream.meter, frame.data_ref()) {
                    meter.bytes += data.len() as u64;
                }
                // hyper does not come back after trailers, which are the last there is.
                if stream.upstream.is_end_stream() || frame.is_trailers() {
                    stream.end();
                }
                let strip = |trailers: &mut HeaderMap| strip_trailers(trailers, |_| false);
                Poll::Ready(Some(Ok(stripped(frame, strip))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Answer::Full(bytes) => bytes.is_empty(),
            Answer::Stream(stream) => stream.first.is_none() && stream.upstream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Answer::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Answer::Stream(stream) => {
                let first = stream.first.as_ref().and_then(Frame::data_ref);
                let first = first.map_or(0, |first| first.len() as u64);
                stream
                    .upstream
                    .size_hint()
                    .exact()
                    .map_or_else(SizeHint::default, |rest| SizeHint::with_exact(first + rest))
            }
        }
    }
}
