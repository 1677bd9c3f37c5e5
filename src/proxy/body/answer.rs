//! An answer's body on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{BodyError, Pause, without_unsafe_trailers};
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
    upstream: Incoming,
    pause: Pause,
    lease: Option<Lease>,
    meter: Option<Meter>,
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
