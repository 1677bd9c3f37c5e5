//! The servers behind us: which of them gets a request, and the connections to them: made within a timeout, used again
//! while they last, dropped when in doubt.
//!
//! Each core has its own idle connections, so that no lock is shared on the way to the upstream; what is known of a server
//! all cores share.

mod balance;
pub mod config;
mod connection;
pub mod health;
mod pool;
mod secure;
mod server;
mod shared;
mod wire;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use http::header::UPGRADE;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

pub use self::balance::Upstream;
pub(super) use self::balance::hash;
use self::config::UpstreamConfig;
use self::connection::Connection;
pub(super) use self::pool::{Lease, Pool};
pub(super) use self::server::Change;
use self::server::{Attempt, ServerState};
use super::body::{Progress, UpstreamBody};
use super::clock;
use super::config::ServerUrl;
use super::respond::Refusal;
use crate::config::{ConfigError, Load};
use crate::engine::Permit;

/// Makes an upstream ready. What is known of its servers is found again for as long as somebody asks them.
///
/// # Errors
/// What is wrong with its files.
pub fn compile(config: &UpstreamConfig, load: &mut Load<'_>) -> Result<Upstream, ConfigError> {
    let trusting = secure::compile(config, load).map_err(|error| error.under("tls"))?;
    let mut servers = Vec::with_capacity(config.servers.len());
    for server in &config.servers {
        let content = format!("{} {:?}", server.url, config.health);
        servers.push(load.share("server", content.as_bytes(), |_| {
            Ok(ServerState::new(server.url.clone(), clock::now()))
        })?);
    }
    Ok(Upstream::new(config.clone(), servers, trusting))
}

/// A request on its way to a server. Boxed, because it is handed on from one future to the next.
pub(super) struct Outgoing<'r> {
    request: Box<Request<UpstreamBody>>,
    /// Makes it anew, for one that has a safe method and no body. It is made then, since hardly any is sent twice.
    again: Option<Again<'r>>,
}

/// Makes a request that has no body.
type Again<'r> = &'r (dyn Fn() -> Request<UpstreamBody> + Sync);

/// A request that got no answer from a server.
struct Failed {
    refusal: Refusal,
    /// The request, where it may be sent to another server.
    again: Option<Box<Request<UpstreamBody>>>,
}

impl<'r> Outgoing<'r> {
    /// A request, and how it is made `again` if it may be.
    pub(super) fn new(request: Request<UpstreamBody>, again: Again<'r>) -> Self {
        let is_repeatable = request.body().is_empty() && request.method().is_safe();
        Self {
            request: Box::new(request),
            again: is_repeatable.then_some(again),
        }
    }
}

/// Sends a permitted request of `client` to the upstream and waits for the head of its answer.
///
/// A request of which nothing was written goes over another connection, or to another server. One of which something may
/// have been is sent once more only if it has a safe method and no body (RFC 9110, 9.2.2) and nothing was answered. Nothing
/// else is ever sent twice.
pub(super) async fn send(
    _permit: Permit,
    pool: &Arc<Pool>,
    upstream: &Upstream,
    client: u64,
    mut outgoing: Outgoing<'_>,
    progress: &Arc<Progress>,
) -> Result<(Response<Incoming>, Lease), Refusal> {
    let mut tried = Vec::new();
    let again = outgoing.again;
    loop {
        let now = clock::now();
        let Some(server) = upstream.choose(client, &tried, now) else {
            return Err(Refusal::Unreachable("no server is configured".into()));
        };
        let attempt = server.attempt(now);
        let failed = match attempt_on(pool, upstream, attempt, outgoing, progress).await {
            Ok(answered) => return Ok(answered),
            Err(failed) => failed,
        };
        tried.push(server.id);
        let may_retry = tried.len() <= upstream.config.retries;
        let is_another = || upstream.choose(client, &tried, clock::now()).is_some();
        outgoing = match failed.again {
            Some(request) if may_retry && is_another() => Outgoing { request, again },
            _ => return Err(failed.refusal),
        };
    }
}

/// Sends a request to the server of an attempt, over a connection from the pool where there is one.
async fn attempt_on(
    pool: &Arc<Pool>,
    upstream: &Upstream,
    attempt: Attempt,
    outgoing: Outgoing<'_>,
    progress: &Arc<Progress>,
) -> Result<(Response<Incoming>, Lease), Box<Failed>> {
    let config = &upstream.config;
    let longest = config.first_byte_timeout.get();
    let Outgoing { mut request, again } = outgoing;
    // A connection that becomes something else is made for it.
    let mut is_own = request.headers().contains_key(UPGRADE);
    loop {
        let server = attempt.server();
        let used = (!is_own).then(|| pool.take(server, config)).flatten();
        let is_used = used.is_some();
        let mut connection = match used {
            Some(connection) => connection,
            // Boxed, so that it takes no room in all the requests for which there is a connection.
            None => match Box::pin(pool.open(server, upstream)).await {
                Ok(connection) => connection,
                Err(why) => return Err(fails(pool, config, &attempt, why, Some(request))),
            },
        };
        let sent = connection.send(request, longest, progress).await;
        let mut error = match sent {
            Ok(Ok(response)) => {
                return begun(pool, upstream, attempt, connection, response, progress);
            }
            Ok(Err(error)) => error,
            Err(silent) => return Err(fails(pool, config, &attempt, silent, None)),
        };
        let unsent = error.take_message().map(Box::new);
        request = match (unsent, again) {
            // One that carries many requests may be there yet though it takes no more of them.
            (Some(unsent), _) if is_used => {
                is_own |= config.http2;
                unsent
            }
            (None, Some(again)) if is_used && !connection.wire().has_answered() => {
                is_own = true;
                Box::new(again())
            }
            (unsent, again) => {
                let is_another = !is_used && config.retries > 0 && config.servers.len() > 1;
                let again = again.filter(|_| is_another && !connection.wire().has_answered());
                let again = unsent.or_else(|| again.map(|again| Box::new(again())));
                let why = broken(&connection, progress, error.error());
                return Err(fails(pool, config, &attempt, why, again));
            }
        };
    }
}

/// Notes that an attempt failed, if the server is to blame.
fn fails(
    pool: &Pool,
    config: &UpstreamConfig,
    attempt: &Attempt,
    refusal: Refusal,
    again: Option<Box<Request<UpstreamBody>>>,
) -> Box<Failed> {
    if refusal.is_upstream_fault()
        && let Some(change) = attempt.failed(&config.breaker, clock::now())
    {
        pool.tell(attempt.server(), change, "requests");
    }
    Box::new(Failed { refusal, again })
}

/// An answer whose body has not gone wrong as far as it came with the head.
fn begun(
    pool: &Arc<Pool>,
    upstream: &Upstream,
    attempt: Attempt,
    connection: Connection,
    mut response: Response<Incoming>,
    progress: &Arc<Progress>,
) -> Result<(Response<Incoming>, Lease), Box<Failed>> {
    if let Some(change) = attempt.succeeded() {
        pool.tell(attempt.server(), change, "requests");
    }
    let mut lease = Lease::new(pool, attempt, connection, progress, &upstream.config);
    match lease.begin(response.body_mut()) {
        Ok(()) => Ok((response, lease)),
        Err(error) => Err(Box::new(Failed {
            refusal: broken(lease.connection(), lease.progress(), &error),
            again: None,
        })),
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
    let (timer, answer) = (pin!(sleep_until(Instant::now())), pin!(answer));
    within_by(timer, longest, server, progress, answer).await
}

/// The same by a timer that was used before: to put off one costs less than to make one.
async fn within_by<T>(
    mut timer: Pin<&mut Sleep>,
    longest: Duration,
    server: &ServerUrl,
    progress: &Progress,
    mut answer: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Refusal> {
    // A request that was whole before has been waited for by nobody yet.
    let begun = Instant::now();
    timer.as_mut().reset(begun + longest);
    poll_fn(move |context| {
        loop {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(Ok(answer));
            }
            ready!(timer.as_mut().poll(context));
            let now = Instant::now();
            let ends = begun.max(progress.moved()) + longest;
            let deadline = if ends > now {
                ends
            } else if progress.waits_for_client() && !progress.has_ended() {
                // Whatever comes from now on moves the end at least as far.
                now + longest
            } else {
                return Poll::Ready(Err(Refusal::SilentUpstream(server.to_string())));
            };
            timer.as_mut().reset(deadline);
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

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
