//! The idle connections of one core.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame};
use hyper::body::Incoming;

use super::super::body::Progress;
use super::super::config::ServerUrl;
use super::super::framing::answer::Unsolicited;
use super::super::respond::Refusal;
use super::super::{Proxy, clock, report};
use super::balance::Upstream;
use super::config::UpstreamConfig;
use super::connection::Connection;
use super::server::{Attempt, Change, ServerState};
use super::shared::Shared;
use super::within;

/// The most idle connections to one server that a core keeps.
const MAX_IDLE: usize = 256;

/// The idle connections of one core.
#[derive(Debug)]
pub(in crate::proxy) struct Pool {
    proxy: Arc<Proxy>,
    /// By their servers.
    idle: Mutex<BTreeMap<u64, VecDeque<Idle>>>,
    /// Those that carry many requests.
    shared: Mutex<OfServers>,
}

/// Connections that carry many requests, by their servers, each with how long it is kept idle.
type OfServers = BTreeMap<u64, Vec<(Arc<Shared>, Duration)>>;

#[derive(Debug)]
struct Idle {
    connection: Connection,
    /// Until when it may be used again.
    until: Instant,
}

/// A connection in use, on its way back to its pool once the answer has ended. Dropped on the way, it is closed.
pub(in crate::proxy) struct Lease {
    pool: Arc<Pool>,
    attempt: Attempt,
    connection: Connection,
    first: Option<Frame<Bytes>>,
    progress: Arc<Progress>,
    longest: Duration,
    keep_alive: Duration,
    age: Duration,
    /// Whether the answer began before the request had been sent.
    is_early: bool,
}

impl Pool {
    /// A pool without connections.
    pub(in crate::proxy) fn new(proxy: Arc<Proxy>) -> Self {
        Self {
            proxy,
            idle: Mutex::default(),
            shared: Mutex::default(),
        }
    }

    /// A new connection to a server.
    pub(super) async fn open(
        &self,
        server: &Arc<ServerState>,
        upstream: &Upstream,
    ) -> Result<Connection, Refusal> {
        if !upstream.config.http2 {
            return Connection::open(server, upstream, self.unsolicited(&server.url)).await;
        }
        let shared = Shared::open(server, upstream).await?;
        let stream = shared.stream(upstream.config.connection_age.get(), clock::now());
        let mut all = self.shared();
        let of_server = all.entry(server.id).or_default();
        of_server.push((shared, upstream.config.keep_alive.get()));
        let stream = stream.ok_or_else(|| Refusal::Unreachable(format!("{}: closed", server.url)));
        Ok(Connection::of_stream(server, stream?))
    }

    /// What a connection to `server` does when bytes come over it that nobody asked for.
    fn unsolicited(&self, server: &ServerUrl) -> Unsolicited {
        let (proxy, server) = (Arc::clone(&self.proxy), server.authority());
        Box::new(move || report::unsolicited(&proxy, &server))
    }

    /// The idle connection to `server` that was used last, since it is the least likely to have been closed; or a stream
    /// of one that carries many.
    pub(super) fn take(
        &self,
        server: &Arc<ServerState>,
        config: &UpstreamConfig,
    ) -> Option<Connection> {
        if config.http2 {
            let (age, now) = (config.connection_age.get(), clock::now());
            let all = self.shared();
            let mut of_server = all.get(&server.id)?.iter();
            let stream = of_server.find_map(|(shared, _)| shared.stream(age, now))?;
            return Some(Connection::of_stream(server, stream));
        }
        let now = clock::now();
        let mut idle = self.lock();
        let of_server = idle.get_mut(&server.id)?;
        while let Some(last) = of_server.pop_back() {
            if last.until > now && last.connection.is_ready() {
                return Some(last.connection);
            }
        }
        None
    }

    /// Keeps a connection for the next request until then, and drops those that closed or waited longest.
    fn put(&self, connection: Connection, until: Instant) {
        let mut idle = self.lock();
        let of_server = idle.entry(connection.server_id()).or_default();
        while of_server.len() >= MAX_IDLE
            || of_server
                .front()
                .is_some_and(|oldest| oldest.connection.is_closed())
        {
            of_server.pop_front();
        }
        of_server.push_back(Idle { connection, until });
    }

    /// Closes the connections whose time is over.
    pub(in crate::proxy) fn purge(&self) {
        let now = clock::now();
        self.lock().retain(|_, of_server| {
            of_server.retain(|waiting| !waiting.connection.is_closed() && waiting.until > now);
            !of_server.is_empty()
        });
        self.shared().retain(|_, of_server| {
            of_server.retain(|(shared, keep_alive)| !shared.is_over(*keep_alive, now));
            !of_server.is_empty()
        });
    }

    /// Tells what has become of a server, as `who` found.
    pub(super) fn tell(&self, server: &ServerState, change: Change, who: &'static str) {
        report::server(&self.proxy, &server.url.to_string(), change, who);
    }

    fn shared(&self) -> MutexGuard<'_, OfServers> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, VecDeque<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// `connection` has begun to answer a request that has come as far as `progress`; what is left of it may stand still
    /// for as long as an answer may be waited for.
    pub(super) fn new(
        pool: &Arc<Pool>,
        attempt: Attempt,
        connection: Connection,
        progress: &Arc<Progress>,
        config: &UpstreamConfig,
    ) -> Self {
        Self {
            pool: Arc::clone(pool),
            attempt,
            connection,
            first: None,
            is_early: !progress.has_ended(),
            progress: Arc::clone(progress),
            longest: config.first_byte_timeout.get(),
            keep_alive: config.keep_alive.get(),
            age: config.connection_age.get(),
        }
    }

    /// Takes what of the answer's body came with its head. What is wrong there can still be refused, since the client has
    /// got nothing yet.
    pub(super) fn begin(&mut self, body: &mut Incoming) -> hyper::Result<()> {
        // Whoever reads the rest asks again, and is woken.
        let mut context = Context::from_waker(Waker::noop());
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(&mut context) {
            self.first = frame.transpose()?;
        }
        Ok(())
    }

    /// The connection itself.
    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    /// How far the request has come.
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What of the body came with the head.
    pub(in crate::proxy) const fn take_first(&mut self) -> Option<Frame<Bytes>> {
        self.first.take()
    }

    /// The address of the server that answered.
    pub(in crate::proxy) fn server(&self) -> Arc<str> {
        Arc::clone(self.attempt.server().name())
    }

    /// Why the request's body failed, if it did.
    pub(in crate::proxy) fn client_failure(&self) -> Option<Refusal> {
        self.progress.failure()
    }

    /// What is wrong with the answer, where something is.
    pub(in crate::proxy) fn fault(&self) -> Option<&'static str> {
        self.connection.wire().fault()
    }

    /// The answer has ended: the connection serves the next request, if this one had been sent when the answer began. An
    /// upstream that answered early and takes no more of the request does not keep it for ever.
    ///
    /// Whoever answers before the request is there may not mean to read the rest of it, and take it for the next request:
    /// a client that pauses within its body would write that one, and the next client would get its answer. So the rest is
    /// sent, and the connection closed.
    pub(in crate::proxy) fn give_back(self) {
        let Self {
            pool,
            mut connection,
            progress,
            longest,
            keep_alive,
            age,
            is_early,
            attempt,
            ..
        } = self;
        drop(attempt);
        let until =
            move |connection: &Connection| (clock::now() + keep_alive).min(connection.made() + age);
        if connection.is_ready() && !is_early {
            let until = until(&connection);
            pool.put(connection, until);
        } else if !connection.is_closed() {
            tokio::spawn(async move {
                let server = connection.server().clone();
                let sent = within(longest, &server, &progress, connection.ready()).await;
                if matches!(sent, Ok(Ok(()))) && !is_early {
                    let until = until(&connection);
                    pool.put(connection, until);
                }
            });
        }
    }
}
