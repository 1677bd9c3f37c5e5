//! Connections to the upstream: made within a timeout, used again while they last, dropped when in doubt.
//!
//! Each core has its own idle connections, so that no lock is shared on the way to the upstream.

mod connection;
mod pool;

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::timeout;

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
    while let Some(mut connection) = pool.take(server, config.keep_alive.get()) {
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
