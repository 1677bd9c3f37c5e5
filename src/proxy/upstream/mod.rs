//! Connections to the upstream: made within a timeout, used again while they last, dropped when in doubt.
//!
//! Each core has its own idle connections, so that no lock is shared on the way to the upstream.

mod connection;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use http::header::UPGRADE;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use self::connection::Connection;
pub(super) use self::pool::{Lease, Pool};
use super::body::{Progress, UpstreamBody};
use super::config::{ServerUrl, UpstreamConfig};
use super::respond::Refusal;
use crate::engine::Permit;

/// Sends a permitted request to the upstream and waits for the head of its answer.
///
/// A request of which nothing was written goes over another connection. One of which something may have been is sent once
/// more only if it has a safe method and no body (RFC 9110, 9.2.2), came over a connection from the pool, and nothing
/// was answered: then the upstream had closed that connection before. Nothing else is ever sent twice.
pub(super) async fn send(
    _permit: Permit,
    pool: &Arc<Pool>,
    config: &UpstreamConfig,
    mut request: Request<UpstreamBody>,
    progress: &Arc<Progress>,
) -> Result<(Response<Incoming>, Lease), Refusal> {
    let Some(server) = config.servers.first().map(|server| &server.url) else {
        return Err(Refusal::Unreachable("no server is configured".into()));
    };
    let longest = config.first_byte_timeout.get();
    let is_repeatable = request.body().is_empty() && request.method().is_safe();
    // A connection that becomes something else is made for it.
    let keep_alive = if request.headers().contains_key(UPGRADE) {
        Duration::ZERO
    } else {
        config.keep_alive.get()
    };
    while let Some(mut connection) = pool.take(server, keep_alive) {
        let copy = is_repeatable.then(|| copy_of(&request));
        let sent = within(longest, server, progress, connection.send(request)).await?;
        let mut error = match sent {
            Ok(response) => {
                return begun(response, Lease::new(pool, connection, progress, longest)).await;
            }
            Err(error) => error,
        };
        match (error.take_message(), copy) {
            (Some(unsent), _) => request = unsent,
            (None, Some(copy)) if !connection.wire().has_answered() => {
                request = copy;
                break;
            }
            (None, _) => return Err(broken(&connection, progress, error.error())),
        }
    }
    let unsolicited = pool.unsolicited(server);
    let mut connection =
        Connection::open(server, config.connect_timeout.get(), unsolicited).await?;
    match within(longest, server, progress, connection.send(request)).await? {
        Ok(response) => begun(response, Lease::new(pool, connection, progress, longest)).await,
        Err(error) => Err(broken(&connection, progress, error.error())),
    }
}

/// An answer whose body has not gone wrong as far as it came with the head.
async fn begun(
    mut response: Response<Incoming>,
    mut lease: Lease,
) -> Result<(Response<Incoming>, Lease), Refusal> {
    match lease.begin(response.body_mut()).await {
        Ok(()) => Ok((response, lease)),
        Err(error) => Err(broken(lease.connection(), lease.progress(), &error)),
    }
}

/// Whose fault it is that there is no answer: the client's, if its body failed, or else the upstream's.
fn broken(connection: &Connection, progress: &Progress, error: &hyper::Error) -> Refusal {
    let server = connection.server();
    match (progress.failure(), connection.wire().fault()) {
        (Some(failure), _) => failure,
        (None, Some(fault)) => Refusal::MalformedAnswer(format!("{server}: {fault}")),
        (None, None) => {
            let source = std::error::Error::source(error)
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            Refusal::BrokenUpstream(format!("{server}: {error}{source}"))
        }
    }
}

/// Waits for an answer, at most `longest` after the upstream has got the whole request, or has stopped taking it. While it
/// is the client that the rest of the request is waited for, the upstream's time stands still.
async fn within<T>(
    longest: Duration,
    server: &ServerUrl,
    progress: &Progress,
    answer: impl Future<Output = T>,
) -> Result<T, Refusal> {
    let mut answer = std::pin::pin!(answer);
    // A request that was whole before has been waited for by nobody yet.
    let begun = Instant::now();
    let mut deadline = begun + longest;
    loop {
        if let Ok(answer) = timeout_at(deadline, &mut answer).await {
            return Ok(answer);
        }
        let now = Instant::now();
        let ends = begun.max(progress.moved()) + longest;
        deadline = if ends > now {
            ends
        } else if progress.waits_for_client() && !progress.has_ended() {
            // Whatever comes from now on moves the end at least as far.
            now + longest
        } else {
            return Err(Refusal::SilentUpstream(server.to_string()));
        };
    }
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

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, sleep_until};

    use super::*;

    fn server() -> ServerUrl {
        "http://127.0.0.1:5000".parse().expect("a URL")
    }

    const LONGEST: Duration = Duration::from_secs(10);

    /// How long an upstream that never answers is waited for, while the request does what `body` does.
    async fn waited(progress: &Progress, body: impl Future<Output = ()>) -> Duration {
        let begun = Instant::now();
        let silence = async {
            body.await;
            std::future::pending::<()>().await;
        };
        let answer = within(LONGEST, &server(), progress, silence).await;
        assert!(matches!(answer, Err(Refusal::SilentUpstream(_))));
        begun.elapsed()
    }

    /// That the wait was as long as promised: not shorter, and longer only by what a timer may be late.
    fn assert_waited(waited: Duration, promised: Duration) {
        assert!(waited >= promised, "{waited:?} for {promised:?}");
        let late = waited - promised;
        assert!(
            late < Duration::from_millis(10),
            "{waited:?} for {promised:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_upstreams_time_begins_when_it_has_the_whole_request() {
        let progress = Progress::default();
        let answer = async {
            for _ in 0..5 {
                sleep(Duration::from_secs(5)).await;
                progress.add(1);
            }
            progress.end();
            sleep(Duration::from_millis(9_900)).await;
        };
        assert!(within(LONGEST, &server(), &progress, answer).await.is_ok());
        // What was sent before this wait began, over a connection that had to be made, does not shorten it.
        sleep(Duration::from_secs(60)).await;
        assert_waited(waited(&progress, async {}).await, LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_upstream_has_its_time_once_after_the_end_of_the_request() {
        for milliseconds in [1, 2_000, 9_900, 10_000, 10_100, 19_900, 25_000] {
            let progress = Progress::default();
            let took = Duration::from_millis(milliseconds);
            let body = async {
                let begun = Instant::now();
                while begun.elapsed() + Duration::from_secs(1) < took {
                    sleep(Duration::from_secs(1)).await;
                    progress.add(1);
                }
                sleep_until(begun + took).await;
                progress.end();
                sleep(Duration::from_secs(1)).await;
                // Told once more, the end is still when it was.
                progress.end();
            };
            assert_waited(waited(&progress, body).await, took + LONGEST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_upstream_that_takes_no_more_of_a_request_is_silent() {
        for milliseconds in [0, 3_000, 9_900] {
            let progress = Progress::default();
            let last = Duration::from_millis(milliseconds);
            let body = async {
                sleep(last).await;
                progress.add(1);
            };
            assert_waited(waited(&progress, body).await, last + LONGEST);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_the_client_is_waited_for_is_not_the_upstreams() {
        for milliseconds in [3_000, 9_900, 25_000, 61_234] {
            let progress = Progress::default();
            let paused = Duration::from_millis(milliseconds);
            let body = async {
                progress.wait_for_client(true);
                sleep(paused).await;
                progress.wait_for_client(false);
                progress.add(1);
                progress.end();
            };
            assert_waited(waited(&progress, body).await, paused + LONGEST);
        }
    }
}
