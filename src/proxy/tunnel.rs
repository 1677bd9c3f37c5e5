//! A WebSocket (RFC 6455) behind its handshake: bytes both ways, until one side ends or nothing comes for too long.
//!
//! The handshake is a request like any other, judged and forwarded, and only the upstream's 101 opens a tunnel: where it
//! answers anything else the connection goes on as HTTP, so nobody can talk past the gate by asking for what is not
//! granted. What goes through is not looked at. A tunnel holds its connection's slot and outlives reloads.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll, ready};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{Instant, sleep_until};

use super::connections::OwnPlace;
use super::report::Access;

/// How much is held of what goes one way.
const BUFFER: usize = 16 * 1024;

/// The protocol that a connection may be upgraded to.
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// A tunnel that waits for its client's side.
pub(super) struct Tunnel {
    pub(super) upstream: Upgraded,
    /// How long nothing may come through.
    pub(super) idle: Duration,
    /// The line of the access log that is written at the end.
    pub(super) access: Option<Access>,
    pub(super) place: OwnPlace,
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tunnel").finish_non_exhaustive()
    }
}

/// Whether a request asks for a WebSocket as it must (RFC 6455, 4.1). One that only looks like it is a request like others.
pub(super) fn is_asked_for(head: &Parts) -> bool {
    let only = |name| {
        let mut values = head.headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    let is_key = |key: &HeaderValue| key.len() == 24 && key.as_bytes().ends_with(b"==");
    head.method == Method::GET
        && matches!(head.version, Version::HTTP_11 | Version::HTTP_2)
        && names_websocket(&head.headers)
        && only(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
        && only(SEC_WEBSOCKET_KEY).is_some_and(is_key)
}

/// Whether a head is one of a handshake: the protocol alone, and a connection that is upgraded.
pub(super) fn names_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(UPGRADE).iter();
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    let is_upgrade = |option: &[u8]| option.trim_ascii().eq_ignore_ascii_case(b"upgrade");
    let mut options = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    protocols.next().is_some_and(is_websocket)
        && protocols.next().is_none()
        && options.any(is_upgrade)
}

/// Whether an answer's head is that of one who has read the handshake, and not of one that says 101 for another reason
/// (RFC 6455, 4.2.2).
pub(super) fn accepts(answer: &HeaderMap, request: &HeaderMap) -> bool {
    let key = request.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let mut context = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.unwrap_or_default());
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let expected = STANDARD.encode(context.finish());
    let mut said = answer.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    said.next().is_some_and(|said| said == expected.as_str()) && said.next().is_none()
}

/// Says in a head that the connection is upgraded.
pub(super) fn upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// What went through a tunnel, and when something last did.
#[derive(Debug)]
struct Passage {
    began: Instant,
    /// Milliseconds after `began`.
    moved: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

impl Tunnel {
    /// Carries bytes between `client` and the upstream; `early` are those that came before this was called.
    pub(super) async fn run(self, client: impl AsyncRead + AsyncWrite + Unpin, early: Bytes) {
        let Self {
            upstream,
            idle,
            access,
            place,
        } = self;
        let passage = Arc::new(Passage {
            began: Instant::now(),
            moved: AtomicU64::new(0),
            bytes_in: AtomicU64::new(early.len() as u64),
            bytes_out: AtomicU64::new(0),
        });
        let mut upstream = TokioIo::new(upstream);
        let mut client = Watched {
            stream: client,
            passage: Arc::clone(&passage),
        };
        let copying = async {
            upstream.write_all(&early).await?;
            copy_bidirectional_with_sizes(&mut client, &mut upstream, BUFFER, BUFFER).await
        };
        tokio::select! {
            // However it ended, both sides are closed.
            _ = copying => {}
            () = passage.rests_for(idle) => {}
        }
        if let Some(access) = access {
            let count = |bytes: &AtomicU64| bytes.load(Ordering::Relaxed);
            access.finish(count(&passage.bytes_in), count(&passage.bytes_out));
        }
        drop(place);
    }
}

impl Passage {
    fn moved(&self, bytes: &AtomicU64, length: usize) {
        bytes.fetch_add(length as u64, Ordering::Relaxed);
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// Waits until nothing has come through for `idle`.
    async fn rests_for(&self, idle: Duration) {
        loop {
            let moved = Duration::from_millis(self.moved.load(Ordering::Relaxed));
            let due = self.began + moved + idle;
            if due <= Instant::now() {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// The client's side, whose bytes are counted.
struct Watched<S> {
    stream: S,
    passage: Arc<Passage>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(pin!(&mut this.stream).poll_read(context, buffer))?;
        let length = buffer.filled().len() - before;
        this.passage.moved(&this.passage.bytes_in, length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = ready!(pin!(&mut this.stream).poll_write(context, bytes))?;
        this.passage.moved(&this.passage.bytes_out, length);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        pin!(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(
        self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        pin!(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
