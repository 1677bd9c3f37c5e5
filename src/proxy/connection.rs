//! One connection of a client, from its acceptance to its end: whose it is, how it is encrypted, what is spoken on it.

use std::convert::Infallible;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::sync::{mpsc, watch};

use super::client_socket::ClientSocket;
use super::client_stream::ClientStream;
use super::config::{LimitsConfig, ListenAddress};
use super::connections::Open;
use super::exchange::{Core, Peer, serve as serve_request};
use super::framing::{Answer, GateLimits, Gated};
use super::http2::{self, PREFACE};
use super::listener::{Stage, wait_for_drain};
use super::slots::Slot;
use super::tls;
use super::transport::{Socket, Transport};
use super::{connections, idle, proxy_protocol, report, respond, rest, tally};

/// How long a client is left alone that has sent a part of what HTTP/2 begins with: at first, and at most. Who sends no
/// more of it is looked at ever more rarely, since there may be very many of them.
const AGAIN: Duration = Duration::from_millis(5);
const LATER: Duration = Duration::from_secs(1);

/// How long a connection on which nothing has come is kept when all are to end.
const MOMENT: Duration = Duration::from_millis(100);

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) stream: ClientSocket,
    pub(super) address: IpAddr,
    /// Which entry of `listen` it came to, and what that said at the start.
    pub(super) number: usize,
    pub(super) config: Arc<ListenAddress>,
    pub(super) slot: Slot,
    /// Held by every connection, so that the end of a drain is known.
    pub(super) alive: mpsc::Sender<Infallible>,
}

/// Serves one connection to its end.
pub(super) async fn serve(core: Arc<Core>, accepted: Accepted, mut stage: watch::Receiver<Stage>) {
    let Accepted {
        mut stream,
        address,
        number,
        config,
        slot,
        alive,
    } = accepted;
    let protocol = config.proxy_protocol.as_ref();
    // From here on the peer is whom a PROXY protocol header names, for everything.
    let peer = tokio::select! {
        biased;
        peer = proxy_protocol::peer(&core.proxy, &mut stream, address, protocol) => peer,
        () = drained(&mut stage, false) => None,
    };
    let Some(peer) = peer else { return };
    let Some(open) = connections::admit(&core.proxy, peer) else {
        return;
    };
    let limits = core.proxy.serving.load().limits.clone();
    let stream = ClientStream::new(stream, Arc::clone(&open.activity), &limits);
    let socket = proxy_protocol::Guarded::new(&core.proxy, stream, address, protocol);
    let arrived = tokio::select! {
        biased;
        arrived = arrived(&core, number, socket, (peer, &open), &limits) => arrived,
        () = drained(&mut stage, false) => None,
    };
    match arrived {
        Some((Spoken::Http1 { has_begun }, transport, peer)) => {
            http_1(&core, transport, peer, (&open, has_begun), &limits, stage).await;
        }
        // Boxed, so that it takes no room where it is not spoken.
        Some((Spoken::Http2, transport, peer)) => {
            Box::pin(http2::serve(&core, transport, peer, &open, &limits, stage)).await;
        }
        None => {}
    }
    if open.activity.was_too_slow() {
        tally::tell(&core.proxy, tally::Kind::WriteTime, peer);
    }
    drop((slot, alive));
}

/// Waits for a drain, and where the connection was not used a moment more: one that was accepted just before brings a
/// request, which nobody else would answer.
async fn drained(stage: &mut watch::Receiver<Stage>, was_used: bool) {
    wait_for_drain(stage).await;
    if !was_used {
        tokio::time::sleep(MOMENT).await;
    }
}

/// What is spoken on a connection.
enum Spoken {
    Http1 {
        /// Whether something has come already.
        has_begun: bool,
    },
    Http2,
}

impl Spoken {
    const fn of(is_http_2: bool, has_begun: bool) -> Self {
        if is_http_2 {
            Self::Http2
        } else {
            Self::Http1 { has_begun }
        }
    }
}

/// Shakes hands where the listener is encrypted, and finds out what is spoken. `None` where there is nobody to speak with,
/// which was told.
async fn arrived(
    core: &Core,
    number: usize,
    socket: Socket,
    (address, open): (IpAddr, &Open),
    limits: &LimitsConfig,
) -> Option<(Spoken, Transport, Peer)> {
    let activity = &open.activity;
    let listener = core.proxy.serving.load().listeners.get(number).cloned()?;
    let mut peer = Peer {
        address,
        encryption: None,
    };
    let Some(tls) = listener.tls else {
        let spoken = tokio::select! {
            biased;
            is_http_2 = begins_with_http_2(&socket), if listener.http2 => Spoken::of(is_http_2, true),
            _ = idle::too_long(&core.proxy, activity), if listener.http2 => return None,
            else => Spoken::of(false, false),
        };
        return Some((spoken, Transport::Plain(socket), peer));
    };
    // Boxed, so that it takes no room once it is over.
    let shaking = Box::pin(tls::accept(tls, socket, limits.header_time.get()));
    let shaken = tokio::select! {
        biased;
        shaken = shaking => shaken,
        _ = activity.asked_to_end() => return None,
    };
    match shaken {
        Ok(shaken) => {
            peer.encryption = Some(shaken.encryption);
            let transport = Transport::Tls(Box::new(shaken.stream));
            Some((Spoken::of(shaken.is_http_2, false), transport, peer))
        }
        Err(why) => {
            if let Some(why) = why {
                tally::tell_why(&core.proxy, tally::Kind::Handshake, address, &why);
            }
            None
        }
    }
}

/// Whether the first bytes are those of HTTP/2. They are looked at, not taken; who sends no more than a part of them is
/// looked at again, for as long as a connection may be without a request.
async fn begins_with_http_2(socket: &Socket) -> bool {
    let mut first = [0; PREFACE.len()];
    let mut again = AGAIN;
    loop {
        // An error is for whoever reads to find.
        let seen = socket.inner().peek(&mut first).await.unwrap_or_default();
        let seen = first.get(..seen).unwrap_or_default();
        if seen.len() == PREFACE.len() || seen.is_empty() || !PREFACE.starts_with(seen) {
            return seen == PREFACE;
        }
        tokio::time::sleep(again).await;
        again = (again * 2).min(LATER);
    }
}

/// Serves HTTP/1, at once where the client `has_begun`.
async fn http_1(
    core: &Arc<Core>,
    transport: Transport,
    peer: Peer,
    (open, has_begun): (&Open, bool),
    limits: &LimitsConfig,
    mut stage: watch::Receiver<Stage>,
) {
    let (activity, turns) = (&open.activity, open.activity.turns());
    let gate = GateLimits::from(limits);
    let mut stream = Gated::new(transport, gate, limits.header_time.get(), Arc::clone(turns));
    let service = service_fn(|request: Request<Incoming>| {
        let is_old = request.version() < Version::HTTP_11;
        let (core, turn, service) = (Arc::clone(core), turns.begin(), activity.serve());
        // Boxed, because a connection that idles has room for one as well.
        Box::pin(async move {
            let at_gate = turn.refused_head().map(Box::new);
            let mut answer = serve_request(&core, peer, request, &turn, at_gate).await;
            if service.number >= limits.connection_requests {
                respond::last(&mut answer);
            }
            if is_old && answer.body().size_hint().exact().is_none() {
                activity.set_ends_with_close();
            }
            Ok::<_, Infallible>(answer.map(|body| Answer::new(body, (turn, service))))
        })
    });
    let builder = builder(limits);
    let mut rests = !has_begun;
    let ended = loop {
        tokio::select! {
            biased;
            () = stream.inner_mut().readable(), if rests => {}
            () = drained(&mut stage, activity.was_used()), if rests => break Ok(()),
            _ = idle::too_long(&core.proxy, activity), if rests => break Ok(()),
            else => {}
        }
        rests = true;
        let drain = wait_for_drain(&mut stage);
        let served = rest::serve(&builder, stream, &service, core, activity, drain);
        // Boxed, so that it takes no room while the connection rests.
        match Box::pin(served).await {
            ControlFlow::Break(ended) => break ended,
            ControlFlow::Continue(rested) => stream = rested,
        }
    };
    if let Err(error) = ended
        && !activity.was_too_slow()
    {
        report::malformed(&core.proxy, peer.address, &error);
    }
    if let Some(refused) = turns.untold() {
        report::refused(&core.proxy, peer.address, &refused);
    }
}

fn builder(limits: &LimitsConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The time for a head is the gate's, since hyper sees none before it is whole.
        .header_read_timeout(None)
        .max_header_size(limits.head.as_usize())
        .max_buf_size(limits.head.as_usize().max(64 * 1024));
    // As many as the gate lets through. To be told so of no more than it has room for anyway costs hyper the room.
    if limits.headers > ROOM {
        builder.max_headers(limits.headers);
    }
    builder
}

/// How many headers hyper has room for where nothing else is said.
const ROOM: usize = 100;
