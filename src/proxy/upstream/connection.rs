//! One connection to the upstream. Whoever owns it keeps it open; dropped, it is closed, whatever is under way on it.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use http::header::UPGRADE;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::super::body::{Progress, UpstreamBody};
use super::super::clock;
use super::super::config::ServerUrl;
use super::super::framing::answer::{self, AnswerGate, MAX_FIELDS, MAX_HEAD, Unsolicited};
use super::super::respond::Refusal;
use super::balance::Upstream;
use super::server::ServerState;
use super::shared::Stream;
use super::wire::Wire;
use super::within_by;

/// The most bytes of an answer that wait in memory for a client that is slow to read them.
const MAX_BUFFER: usize = 64 * 1024;

const _: () = assert!(MAX_HEAD <= MAX_BUFFER, "a head that may be must fit");

/// A connection to a server, which carries one request at a time; or one stream of a connection that carries many.
#[derive(Debug)]
pub(super) struct Connection {
    sender: Sender,
    server: Arc<ServerState>,
    made: StdInstant,
    wire: Arc<answer::Wire>,
    /// For the time that answers may take, from the first request on.
    timer: Option<Pin<Box<Sleep>>>,
}

/// What has become of a request: the head of its answer, or an error.
pub(super) type Sent = Result<Response<Incoming>, TrySendError<Request<UpstreamBody>>>;

#[derive(Debug)]
enum Sender {
    Http1(
        SendRequest<UpstreamBody>,
        #[expect(dead_code, reason = "it is there to be dropped")] Task,
    ),
    Http2(Stream),
}

/// What drives a connection. On its own, hyper goes on with a request that the upstream does not take, long after its
/// answer and its client.
#[derive(Debug)]
pub(super) struct Task(pub(super) JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Connects within the upstream's time for it. `unsolicited` is told of bytes that nobody asked for.
    pub(super) async fn open(
        server: &Arc<ServerState>,
        upstream: &Upstream,
        unsolicited: Unsolicited,
    ) -> Result<Self, Refusal> {
        let stream = connect(server, upstream).await?;
        let wire = Arc::new(answer::Wire::default());
        let gate = AnswerGate::new(stream, Arc::clone(&wire), unsolicited);
        let mut builder = http1::Builder::new();
        builder.max_headers(MAX_FIELDS).max_buf_size(MAX_BUFFER);
        let (sender, connection) = builder
            .handshake(TokioIo::new(gate))
            .await
            .map_err(|error| Refusal::Unreachable(format!("{}: {error}", server.url)))?;
        // Whatever goes wrong on the connection reaches its request as an error; nobody else waits for it.
        let task = tokio::spawn(async move { drop(connection.with_upgrades().await) });
        Ok(Self {
            sender: Sender::Http1(sender, Task(task)),
            server: Arc::clone(server),
            made: clock::now(),
            wire,
            timer: None,
        })
    }

    /// One stream of a connection to a server.
    pub(super) fn of_stream(server: &Arc<ServerState>, stream: Stream) -> Self {
        Self {
            sender: Sender::Http2(stream),
            server: Arc::clone(server),
            made: clock::now(),
            wire: Arc::default(),
            timer: None,
        }
    }

    /// Sends a request and waits for the head of its answer, `longest` at most. An error that still has the request has sent
    /// nothing of it.
    pub(super) async fn send(
        &mut self,
        request: Box<Request<UpstreamBody>>,
        longest: Duration,
        progress: &Progress,
    ) -> Result<Sent, Refusal> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + longest)))
            .as_mut();
        let server = &self.server.url;
        match &mut self.sender {
            Sender::Http1(sender, _) => {
                if request.headers().contains_key(UPGRADE) {
                    self.wire.expect_upgrade();
                } else {
                    self.wire.expect_answer(*request.method() == Method::HEAD);
                }
                let answer = pin!(sender.try_send_request(*request));
                within_by(timer, longest, server, progress, answer).await
            }
            Sender::Http2(stream) => {
                // Boxed, so that it takes no room where it is not spoken.
                let mut answer = Box::pin(stream.send(*request));
                within_by(timer, longest, server, progress, answer.as_mut()).await
            }
        }
    }

    /// Waits until the next request can be sent.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        match &mut self.sender {
            Sender::Http1(sender, _) => sender.ready().await,
            Sender::Http2(_) => Ok(()),
        }
    }

    /// Whether the next request can be sent.
    pub(super) fn is_ready(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender, _) => sender.is_ready(),
            Sender::Http2(_) => false,
        }
    }

    /// Whether no request can be sent any more. A stream is for one request.
    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender, _) => sender.is_closed(),
            Sender::Http2(_) => true,
        }
    }

    /// The server at the other end.
    pub(super) fn server(&self) -> &ServerUrl {
        &self.server.url
    }

    /// The key of its server in a pool.
    pub(super) fn server_id(&self) -> u64 {
        self.server.id
    }

    /// When it was made.
    pub(super) const fn made(&self) -> StdInstant {
        self.made
    }

    /// What the gate keeps of the answer.
    pub(super) fn wire(&self) -> &answer::Wire {
        &self.wire
    }
}

/// Connects to a server within the upstream's time for it.
pub(super) async fn connect(server: &ServerState, upstream: &Upstream) -> Result<Wire, Refusal> {
    let url = &server.url;
    let unreachable = |why: String| Refusal::Unreachable(format!("{url}: {why}"));
    let connecting = Wire::connect(url, upstream.trusting.as_ref(), upstream.config.http2);
    match timeout(upstream.config.connect_timeout.get(), connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(unreachable(error.to_string())),
        Err(_) => Err(unreachable("no connection in time".into())),
    }
}
