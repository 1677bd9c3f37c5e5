//! HTTP/2 with clients (RFC 9113): over TLS where both sides agree on it, in the clear where the client begins with it.
//!
//! Frames are hyper's business, and what of them costs more than it brings is counted in front of it (`frames.rs`). Each
//! request's head is then looked at as the HTTP/1.1 that it becomes for the upstream, by the same gate (`head.rs`); from
//! there on it is a request like any other. A client that leaves the window of an answer closed loses that stream alone
//! (`streams.rs`).

mod frames;
mod head;
mod streams;

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::frames::Frames;
pub(super) use self::frames::PREFACE;
pub(super) use self::head::asked_for_tunnel;
pub use self::head::translated;
use self::streams::{Answering, Streams};
use super::config::LimitsConfig;
use super::connections::Open;
use super::exchange::{Core, Peer, serve as serve_request};
use super::framing::{Answer, GateLimits};
use super::listener::{Stage, wait_for_drain};
use super::transport::Transport;
use super::{idle, tally};

/// How much of a request's body may come before it is asked for, and of all bodies of a connection together.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The longest frame that is taken.
const FRAME: u32 = 64 * 1024;

/// How much of an answer waits in memory for the client's window.
const SEND_BUFFER: usize = 64 * 1024;

/// How many streams that a client resets may be waiting to be looked at (CVE-2023-44487), and how many may end by an
/// error of its own making (CVE-2025-8671); with one more the connection ends.
const PENDING_RESETS: usize = 20;
const ERROR_RESETS: usize = 256;

/// How long a client may take to confirm that the connection ends, when nothing is under way on it.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves one connection to its end.
pub(super) async fn serve(
    core: &Arc<Core>,
    transport: Transport,
    peer: Peer,
    open: &Open,
    limits: &LimitsConfig,
    mut stage: watch::Receiver<Stage>,
) {
    let (activity, proxy) = (Arc::clone(&open.activity), Arc::clone(&core.proxy));
    let gate = GateLimits::from(limits);
    let most = limits.connection_requests;
    let spent = Arc::new(Notify::new());
    let slow = {
        let (proxy, address) = (Arc::clone(&proxy), peer.address);
        move || tally::tell(&proxy, tally::Kind::WriteTime, address)
    };
    let executor = Streams::new(limits.write_time.get(), limits.body_rate.get(), slow);
    let builder = builder(executor, limits);
    let service = service_fn(|request: Request<Incoming>| {
        let (core, spent) = (Arc::clone(core), Arc::clone(&spent));
        let (turn, service) = (activity.turns().begin(), activity.serve());
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let at_gate = head::translate(&mut parts, gate).err();
            let request = Request::from_parts(parts, body);
            let answer = serve_request(&core, peer, request, &turn, at_gate).await;
            if service.number >= most {
                spent.notify_one();
            }
            let answer = answer.map(|body| Answering::new(Answer::new(body, (turn, service))));
            Ok::<_, Infallible>(answer)
        })
    });
    let flood = {
        let (proxy, address) = (Arc::clone(&proxy), peer.address);
        move || tally::tell(&proxy, tally::Kind::Frames, address)
    };
    let io = TokioIo::new(Frames::new(transport, flood));
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        biased;
        // What is wrong with a connection hyper has told the client; nobody else waits for it.
        _ = &mut connection => return,
        () = wait_for_drain(&mut stage) => {}
        () = spent.notified() => {}
        _ = idle::too_long(&proxy, &activity) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = &mut connection => {}
        () = idles(open) => {}
    }
}

/// Waits until nothing has been under way on the connection for [`FAREWELL`].
async fn idles(open: &Open) {
    let began = Instant::now();
    loop {
        tokio::time::sleep(FAREWELL / 4).await;
        let since = open.activity.idle_since();
        if since.is_some_and(|since| since.max(began).elapsed() >= FAREWELL) {
            return;
        }
    }
}

fn builder(executor: Streams, limits: &LimitsConfig) -> http2::Builder<Streams> {
    let longest = u32::try_from(limits.head.as_usize()).unwrap_or(u32::MAX);
    let mut builder = http2::Builder::new(executor);
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(longest)
        .max_frame_size(FRAME)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(ERROR_RESETS);
    if limits.websockets > 0 {
        builder.enable_connect_protocol();
    }
    builder
}
