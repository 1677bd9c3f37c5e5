//! The tasks of a connection's streams, each watched over: a client that does not take an answer loses its stream.
//!
//! On HTTP/1 a client that does not read is seen by its socket. On HTTP/2 the socket may be read and the window of one
//! stream be closed, for ever, with an answer and a connection to the upstream waiting behind it. hyper asks an answer's
//! body for more only when there is a window for it; so a body that has given something and is not asked again waits for
//! the client, and that is timed as on HTTP/1.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;

use crate::proxy::pace::Pace;

tokio::task_local! {
    /// What the stream's task and the body of its answer tell each other.
    static STREAM: Arc<Stream>;
}

/// Runs the tasks of a connection's streams.
#[derive(Clone)]
pub(super) struct Streams {
    span: Duration,
    rate: u64,
    slow: Arc<dyn Fn() + Send + Sync>,
}

/// How far the answer of a stream has come.
#[derive(Debug, Default)]
struct Stream {
    /// The body has given a piece, and was not asked for the next one yet.
    waits_for_client: AtomicBool,
    /// Bytes that were asked for since this was last looked at.
    taken: AtomicUsize,
}

/// The body of an answer that tells its stream when it is asked.
pub(super) struct Answering<B> {
    body: B,
    stream: Option<Arc<Stream>>,
    /// How long the piece is that the client has to take before it is asked for the next.
    given: Cell<usize>,
}

impl Streams {
    /// A client may leave an answer untaken for `span`, and has to take `rate` bytes a second; `slow` is told of one that
    /// does not.
    pub(super) fn new(span: Duration, rate: u64, slow: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            span,
            rate,
            slow: Arc::new(slow),
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, task: F) {
        let stream = Arc::new(Stream::default());
        let mut pace = Pace::new(self.span, self.rate);
        let slow = Arc::clone(&self.slow);
        let watched = Arc::clone(&stream);
        tokio::spawn(STREAM.scope(stream, async move {
            let mut task = pin!(task);
            // Dropping the task resets its stream.
            poll_fn(|context| {
                if task.as_mut().poll(context).is_ready() {
                    return Poll::Ready(());
                }
                let taken = watched.taken.swap(0, Ordering::Relaxed);
                if taken > 0 {
                    pace.came(taken);
                }
                let waits = watched.waits_for_client.load(Ordering::Relaxed);
                if waits && pace.is_too_slow(context) {
                    slow();
                    return Poll::Ready(());
                }
                Poll::Pending
            })
            .await;
        }));
    }
}

impl<B> Answering<B> {
    /// The body of an answer; to be made in the task of its stream.
    pub(super) fn new(body: B) -> Self {
        Self {
            body,
            stream: STREAM.try_with(Arc::clone).ok(),
            given: Cell::new(0),
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(context);
        if let Some(stream) = &this.stream {
            let given = match &frame {
                Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Buf::remaining),
                _ => 0,
            };
            stream
                .taken
                .fetch_add(this.given.replace(given), Ordering::Relaxed);
            stream.waits_for_client.store(given > 0, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
