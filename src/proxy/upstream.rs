//! Connections to the upstream: made within a timeout, used again while they last, dropped when in doubt.
//!
//! Each core has its own idle connections, so that no lock is shared on the way to the upstream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::body::{Progress, UpstreamBody};
use super::clock;
use super::config::{ServerUrl, UpstreamConfig};
use super::respond::Refusal;
use crate::engine::Permit;

/// The most idle connections that a core keeps.
const MAX_IDLE: usize = 256;

/// The most bytes that are read ahead of an answer, since a client may not read it; so its head can be no longer.
const MAX_BUFFER: usize = 64 * 1024;

/// The idle connections of one core.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: Mutex<VecDeque<Idle>>,
}

#[derive(Debug)]
struct Idle {
    sender: Sender,
    server: ServerUrl,
    since: Instant,
}

type Sender = SendRequest<UpstreamBody>;

/// A connection in use, on its way back to its pool once the answer has ended. Dropped on the way, it is closed.
pub(super) struct Lease {
    pool: Arc<Pool>,
    sender: Sender,
    server: ServerUrl,
}

/// Sends a permitted request to the upstream and waits for the head of its answer.
///
/// A request without a body and with a safe method is sent once more where a connection from the pool turns out to be
/// closed (RFC 9110, 9.2.2); any request is, where nothing of it was written.
pub(super) async fn send(
    _permit: Permit,
    pool: &Arc<Pool>,
    config: &UpstreamConfig,
    mut request: Request<UpstreamBody>,
    progress: &Progress,
) -> Result<(Response<Incoming>, Lease), Refusal> {
    let Some(server) = config.servers.first().map(|server| &server.url) else {
        return Err(Refusal::Unreachable("no server is configured".into()));
    };
    let repeatable = request.body().is_empty()
        && matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE
        );
    let longest = config.first_byte_timeout.get();
    while let Some(mut sender) = pool.take(server, config.keep_alive.get()) {
        let copy = repeatable.then(|| copy_of(&request));
        let mut error =
            match within(longest, server, progress, sender.try_send_request(request)).await? {
                Ok(response) => return Ok((response, lease(pool, sender, server))),
                Err(error) => error,
            };
        match error.take_message().or(copy) {
            Some(again) => request = again,
            None => return Err(broken(server, progress, error.error())),
        }
    }
    let mut sender = connect(server, config.connect_timeout.get()).await?;
    match within(longest, server, progress, sender.try_send_request(request)).await? {
        Ok(response) => Ok((response, lease(pool, sender, server))),
        Err(error) => Err(broken(server, progress, error.error())),
    }
}

/// Whose fault it is that there is no answer: the client's, if its body failed, or else the upstream's.
fn broken(server: &ServerUrl, progress: &Progress, error: &hyper::Error) -> Refusal {
    progress
        .failure()
        .unwrap_or_else(|| Refusal::BrokenUpstream(format!("{server}: {error}")))
}

/// Waits for an answer, at most `longest` after the upstream has got the whole request, or has stopped taking it.
async fn within<T>(
    longest: Duration,
    server: &ServerUrl,
    progress: &Progress,
    answer: impl Future<Output = T>,
) -> Result<T, Refusal> {
    let mut answer = std::pin::pin!(answer);
    loop {
        let (sending, sent) = (!progress.has_ended(), progress.bytes());
        match timeout(longest, &mut answer).await {
            Ok(answer) => return Ok(answer),
            // The request was still on its way when this wait began, or the client has it still: not the upstream's time.
            Err(_)
                if sending
                    && (progress.has_ended()
                        || progress.bytes() != sent
                        || progress.waits_for_client()) => {}
            Err(_) => return Err(Refusal::SilentUpstream(server.to_string())),
        }
    }
}

async fn connect(server: &ServerUrl, longest: Duration) -> Result<Sender, Refusal> {
    let connecting = async {
        let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(stream)
    };
    let unreachable = |why: String| Refusal::Unreachable(format!("{server}: {why}"));
    let stream = match timeout(longest, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(unreachable(error.to_string())),
        Err(_) => return Err(unreachable("no connection in time".into())),
    };
    let mut builder = http1::Builder::new();
    builder.max_headers(256).max_buf_size(MAX_BUFFER);
    let (sender, connection) = builder
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    // Whatever goes wrong on the connection reaches its request as an error; nobody else waits for it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// A request to be sent again: everything but extensions, which nobody but hyper reads.
fn copy_of(request: &Request<UpstreamBody>) -> Request<UpstreamBody> {
    let mut copy = Request::new(UpstreamBody::empty());
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    *copy.version_mut() = request.version();
    copy.headers_mut().clone_from(request.headers());
    copy
}

fn lease(pool: &Arc<Pool>, sender: Sender, server: &ServerUrl) -> Lease {
    Lease {
        pool: Arc::clone(pool),
        sender,
        server: server.clone(),
    }
}

impl Pool {
    /// The idle connection to `server` that was used last, since it is the least likely to have been closed.
    fn take(&self, server: &ServerUrl, keep_alive: Duration) -> Option<Sender> {
        let now = clock::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(last) = idle.pop_back() {
            if last.server == *server
                && now.saturating_duration_since(last.since) < keep_alive
                && last.sender.is_ready()
            {
                return Some(last.sender);
            }
        }
        None
    }

    /// Keeps a connection for the next request, and drops those that closed or waited longest.
    fn put(&self, sender: Sender, server: ServerUrl) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while idle.len() >= MAX_IDLE || idle.front().is_some_and(|oldest| oldest.sender.is_closed())
        {
            idle.pop_front();
        }
        idle.push_back(Idle {
            sender,
            server,
            since: clock::now(),
        });
    }

    /// Closes the connections that waited longer than `keep_alive`.
    pub(super) fn purge(&self, keep_alive: Duration) {
        let now = clock::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|waiting| {
            !waiting.sender.is_closed() && now.saturating_duration_since(waiting.since) < keep_alive
        });
    }
}

impl Lease {
    /// The address of the server that answered.
    pub(super) fn server(&self) -> Arc<str> {
        self.server.authority().into()
    }

    /// The answer has ended: the connection serves the next request once the request before has been sent as well.
    pub(super) fn give_back(self) {
        let Self {
            pool,
            mut sender,
            server,
        } = self;
        if sender.is_ready() {
            pool.put(sender, server);
        } else if !sender.is_closed() {
            tokio::spawn(async move {
                if sender.ready().await.is_ok() {
                    pool.put(sender, server);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ServerUrl {
        "http://127.0.0.1:5000".parse().expect("a URL")
    }

    #[tokio::test(start_paused = true)]
    async fn the_upstreams_time_begins_when_it_has_the_whole_request() {
        let progress = Progress::default();
        let answer = async {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(5)).await;
                progress.add(1);
            }
            progress.end();
            tokio::time::sleep(Duration::from_secs(9)).await;
        };
        let longest = Duration::from_secs(10);
        assert!(within(longest, &server(), &progress, answer).await.is_ok());
        let silent = within(longest, &server(), &progress, std::future::pending::<()>()).await;
        assert!(matches!(silent, Err(Refusal::SilentUpstream(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_takes_no_more_of_a_request_is_silent() {
        let progress = Progress::default();
        progress.add(1);
        let stuck = within(
            Duration::from_secs(10),
            &server(),
            &progress,
            std::future::pending::<()>(),
        )
        .await;
        assert!(matches!(stuck, Err(Refusal::SilentUpstream(_))));
    }
}
