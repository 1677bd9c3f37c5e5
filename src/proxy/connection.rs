//! One connection of a client, from its acceptance to its end: whose it is, how it is encrypted, what is spoken on it.

use std::convert::Infallible;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

use http::{Request, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::client_stream::ClientStream;
use super::config::{LimitsConfig, ListenAddress};
use super::connections::Open;
use super::exchange::{Core, Peer, serve as serve_request};
use super::framing::{Answer, GateLimits, Gated};
use super::listener::{Stage, wait_for_drain};
use super::slots::Slot;
use super::tls::{self, Shaken};
use super::transport::{Socket, Transport};
use super::{connections, idle, proxy_protocol, report, respond, rest, tally};

/// A connection that was accepted.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
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
    // Answers are small and complete; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let protocol = config.proxy_protocol.as_ref();
    // From here on the peer is whom a PROXY protocol header names, for everything.
    let peer = tokio::select! {
        peer = proxy_protocol::peer(&core.proxy, &mut stream, address, protocol) => peer,
        () = wait_for_drain(&mut stage) => None,
    };
    let Some(peer) = peer else { return };
    let Some(open) = connections::admit(&core.proxy, peer) else {
        return;
    };
    let limits = core.proxy.serving.load().limits.clone();
    let stream = ClientStream::new(stream, Arc::clone(&open.activity), &limits);
    let socket = proxy_protocol::Guarded::new(&core.proxy, stream, address, protocol);
    let arrived = tokio::select! {
        arrived = encrypted(&core, number, socket, peer, &limits) => arrived,
        () = wait_for_drain(&mut stage) => None,
    };
    if let Some((transport, peer)) = arrived {
        http_1(&core, transport, peer, &open, &limits, stage).await;
    }
    if open.activity.was_too_slow() {
        tally::tell(&core.proxy, tally::Kind::WriteTime, peer);
    }
    drop((slot, alive));
}

/// Shakes hands where the listener is encrypted. `None` where that failed, which was told.
async fn encrypted(
    core: &Core,
    number: usize,
    socket: Socket,
    address: IpAddr,
    limits: &LimitsConfig,
) -> Option<(Transport, Peer)> {
    let tls = core.proxy.serving.load().tls.get(number).cloned().flatten();
    let mut peer = Peer {
        address,
        encryption: None,
    };
    let Some(tls) = tls else {
        return Some((Transport::Plain(socket), peer));
    };
    // Boxed, so that it takes no room once it is over.
    match Box::pin(tls::accept(tls, socket, limits.header_time.get())).await {
        Ok(Shaken { stream, encryption }) => {
            peer.encryption = Some(encryption);
            Some((Transport::Tls(Box::new(stream)), peer))
        }
        Err(why) => {
            if let Some(why) = why {
                tally::tell_why(&core.proxy, tally::Kind::Handshake, address, &why);
            }
            None
        }
    }
}

/// Serves HTTP/1.
async fn http_1(
    core: &Arc<Core>,
    transport: Transport,
    peer: Peer,
    open: &Open,
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
            let mut answer = serve_request(&core, peer, request, &turn).await;
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
    let ended = loop {
        tokio::select! {
            biased;
            () = stream.inner_mut().readable() => {}
            () = wait_for_drain(&mut stage) => break Ok(()),
            _ = idle::too_long(&core.proxy, activity) => break Ok(()),
        }
        let drain = wait_for_drain(&mut stage);
        let served = rest::serve(&builder, stream, &service, &core.proxy, activity, drain);
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
        .max_headers(limits.headers)
        .max_header_size(limits.head.as_usize())
        .max_buf_size(limits.head.as_usize().max(64 * 1024));
    builder
}
