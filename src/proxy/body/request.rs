//! A request's body on its way to the upstream.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::arriving::Arriving;
use super::judged::{Form, JudgeUnit, JudgedStream};
use super::spool::Spooled;
use super::{BodyError, ClientRequest};
use crate::proxy::fields::strip_unjudged_trailers;
use crate::proxy::framing::Reading;
use crate::proxy::identity::Trust;
use crate::proxy::pace::Pace;
use crate::proxy::respond::Refusal;

/// The body of a request on its way to the upstream.
pub(in crate::proxy) enum UpstreamBody {
    /// All of it is here: it was judged, or there is none. Made by [`UpstreamBody::whole`], so that its trailers are safe.
    Whole {
        bytes: Bytes,
        trailers: Option<HeaderMap>,
    },
    /// It streams through.
    Stream(Box<RequestStream>),
    /// It streams through as it is judged.
    Judged(Box<JudgedStream>),
    /// It was kept on disk until it was judged.
    Spooled(Box<Spooled>),
}

/// A request's body that streams: what was read of it already, then the rest as it comes.
pub(in crate::proxy) struct RequestStream {
    read: Bytes,
    arriving: Arriving,
}

/// How far a streaming request body has come; shared with whoever waits for the answer.
#[derive(Debug)]
pub(in crate::proxy) struct Progress {
    began: Instant,
    bytes: AtomicU64,
    /// When it last moved or ended, in microseconds since `began`.
    moved: AtomicU64,
    ended: AtomicBool,
    waits_for_client: AtomicBool,
    passed_unjudged: AtomicBool,
    failure: OnceLock<BodyError>,
}

impl UpstreamBody {
    pub(in crate::proxy) const fn empty() -> Self {
        Self::Whole {
            bytes: Bytes::new(),
            trailers: None,
        }
    }

    /// A body that is here, and its trailers without what `trust` would take from the head and what would have to be judged.
    pub(in crate::proxy) fn whole(
        bytes: Bytes,
        mut trailers: Option<HeaderMap>,
        trust: &Trust,
    ) -> Self {
        if let Some(trailers) = &mut trailers {
            strip_unjudged_trailers(trailers, |name| trust.strips(name));
        }
        Self::Whole { bytes, trailers }
    }

    /// Streams `read` and then `rest`, at most `limit` bytes in all, as fast as `pace` says. Trailers go on
    /// without what `trust` would take from the head.
    pub(in crate::proxy) fn stream(
        read: Bytes,
        rest: ClientRequest,
        limit: u64,
        pace: Pace,
        progress: Arc<Progress>,
        trust: (Arc<Trust>, Reading),
    ) -> Self {
        Self::Stream(Box::new(RequestStream {
            read,
            arriving: Arriving::new(rest, limit, pace, progress, trust),
        }))
    }

    /// Streams a form as it is judged.
    pub(in crate::proxy) fn judged(
        form: Form,
        judge: JudgeUnit,
        pace: Pace,
        progress: Arc<Progress>,
        trust: (Arc<Trust>, Reading),
    ) -> Self {
        let stream = JudgedStream::new(form, judge, pace, progress, trust);
        Self::Judged(Box::new(stream))
    }

    /// Waits until something may go on, where that has to be judged, or nothing more will.
    pub(in crate::proxy) async fn begin(&mut self) -> Result<(), BodyError> {
        match self {
            Self::Judged(stream) => stream.begin().await,
            Self::Whole { .. } | Self::Stream(_) | Self::Spooled(_) => Ok(()),
        }
    }

    /// Whether nothing is to be sent, so that a request could be sent again.
    pub(in crate::proxy) fn is_empty(&self) -> bool {
        matches!(self, Self::Whole { bytes, trailers: None } if bytes.is_empty())
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            bytes: AtomicU64::new(0),
            moved: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            waits_for_client: AtomicBool::new(false),
            passed_unjudged: AtomicBool::new(false),
            failure: OnceLock::new(),
        }
    }
}

impl Progress {
    /// That of a body of `bytes` which is here as a whole.
    pub(in crate::proxy) fn whole(bytes: usize) -> Self {
        Self {
            bytes: AtomicU64::new(bytes as u64),
            ended: AtomicBool::new(true),
            ..Self::default()
        }
    }

    /// Bytes that went on to the upstream.
    pub(in crate::proxy) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(in crate::proxy) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.touch();
    }

    /// When bytes last went on to the upstream, or the last of them had; at the latest now.
    pub(in crate::proxy) fn moved(&self) -> Instant {
        self.began + Duration::from_micros(self.moved.load(Ordering::Acquire))
    }

    fn touch(&self) {
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.moved.store(since, Ordering::Release);
    }

    /// Whether it is the client that the next bytes are waited for, and not the upstream that does not take them.
    pub(in crate::proxy) fn waits_for_client(&self) -> bool {
        self.waits_for_client.load(Ordering::Relaxed)
    }

    /// Says whose turn it is.
    pub(in crate::proxy) fn wait_for_client(&self, waits: bool) {
        self.waits_for_client.store(waits, Ordering::Relaxed);
    }

    /// Whether the upstream has, or will get, nothing more.
    pub(in crate::proxy) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Nothing more goes on; the first time counts.
    pub(in crate::proxy) fn end(&self) {
        if !self.has_ended() {
            self.touch();
            self.ended.store(true, Ordering::Release);
        }
    }

    /// Why the client's body failed, if it did.
    pub(in crate::proxy) fn failure(&self) -> Option<Refusal> {
        self.failure.get().copied().map(Refusal::of_body)
    }

    /// The body fails; the first failure stands.
    pub(super) fn fail(&self, error: BodyError) -> BodyError {
        let _ = self.failure.set(error);
        self.end();
        error
    }

    /// Something goes on that was to be judged and was not.
    pub(super) fn pass_unjudged(&self) {
        self.passed_unjudged.store(true, Ordering::Relaxed);
    }

    /// Whether something went on unjudged since this was last asked.
    pub(in crate::proxy) fn was_unjudged(&self) -> bool {
        self.passed_unjudged.swap(false, Ordering::Relaxed)
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
                let trailers = trailers.take().map(Frame::trailers);
                Poll::Ready(trailers.map(Ok))
            }
            Self::Stream(stream) => stream.poll_frame(context),
            Self::Judged(stream) => stream.poll_frame(context),
            Self::Spooled(spooled) => spooled.poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole { bytes, trailers } => bytes.is_empty() && trailers.is_none(),
            Self::Stream(stream) => stream.is_end_stream(),
            Self::Judged(stream) => stream.is_end_stream(),
            Self::Spooled(spooled) => spooled.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // Trailers can only follow a chunked body, so a length must not be promised.
            Self::Whole {
                trailers: Some(_), ..
            } => SizeHint::default(),
            Self::Whole { bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Self::Judged(stream) => stream.size_hint(),
            Self::Spooled(spooled) => spooled
                .length()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
            Self::Stream(stream) => {
                let read = stream.read.len() as u64;
                stream
                    .arriving
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
            self.arriving.progress.wait_for_client(false);
            Frame::data(std::mem::take(&mut self.read))
        } else {
            match ready!(self.arriving.poll_frame(context)) {
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    self.arriving.progress.end();
                    return Poll::Ready(None);
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        };
        let length = frame.data_ref().map_or(0, Bytes::len);
        if let Err(error) = self.arriving.count(length) {
            return Poll::Ready(Some(Err(error)));
        }
        self.arriving.progress.add(length);
        // hyper asks a body of known length no further than its end.
        if self.is_end_stream() {
            self.arriving.progress.end();
        }
        Poll::Ready(Some(Ok(self.arriving.safe(frame))))
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.arriving.is_end_stream()
    }
}
