//! Connections to servers that carry many requests at a time (HTTP/2).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};

use super::balance::Upstream;
use super::connection::{Task, connect};
use super::server::ServerState;
use crate::proxy::body::UpstreamBody;
use crate::proxy::clock;
use crate::proxy::framing::answer::MAX_HEAD;
use crate::proxy::respond::Refusal;

/// The most requests that one connection carries; with more there is another one.
const MOST: usize = 100;

/// How much of an answer may come before it is asked for, and of all answers of a connection together; how much of a
/// request waits in memory for the server's window.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const SEND_BUFFER: usize = 64 * 1024;

/// A connection that is shared; closed when nobody has it any more.
#[derive(Debug)]
pub(super) struct Shared {
    sender: SendRequest<UpstreamBody>,
    streams: AtomicUsize,
    made: Instant,
    /// When a request last ended on it.
    used: Mutex<Instant>,
    _task: Task,
}

/// One request's part of it.
#[derive(Debug)]
pub(super) struct Stream {
    sender: SendRequest<UpstreamBody>,
    shared: Arc<Shared>,
}

impl Shared {
    /// Connects to a server within the upstream's time for it.
    pub(super) async fn open(
        server: &ServerState,
        upstream: &Upstream,
    ) -> Result<Arc<Self>, Refusal> {
        let wire = connect(server, upstream).await?;
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));
        let (sender, connection) = builder
            .handshake(TokioIo::new(wire))
            .await
            .map_err(|error| Refusal::Unreachable(format!("{}: {error}", server.url)))?;
        let task = tokio::spawn(async move { drop(connection.await) });
        let now = clock::now();
        Ok(Arc::new(Self {
            sender,
            streams: AtomicUsize::new(0),
            made: now,
            used: Mutex::new(now),
            _task: Task(task),
        }))
    }

    /// A stream for one more request, if it can carry one at `now` and is no older than `age`.
    pub(super) fn stream(self: &Arc<Self>, age: Duration, now: Instant) -> Option<Stream> {
        let is_old = now.saturating_duration_since(self.made) >= age;
        if is_old || self.sender.is_closed() || self.streams.load(Ordering::Relaxed) >= MOST {
            return None;
        }
        self.streams.fetch_add(1, Ordering::Relaxed);
        Some(Stream {
            sender: self.sender.clone(),
            shared: Arc::clone(self),
        })
    }

    /// Whether it is of no use at `now`: closed, or idle for `keep_alive`.
    pub(super) fn is_over(&self, keep_alive: Duration, now: Instant) -> bool {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = self.streams.load(Ordering::Relaxed) == 0
            && now.saturating_duration_since(used) >= keep_alive;
        self.sender.is_closed() || is_idle
    }
}

impl Stream {
    pub(super) async fn send(
        &mut self,
        request: Request<UpstreamBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<UpstreamBody>>> {
        self.sender.try_send_request(request).await
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let used = self.shared.used.lock();
        *used.unwrap_or_else(PoisonError::into_inner) = clock::now();
        self.shared.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
