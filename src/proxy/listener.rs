//! Listening sockets and the connections that they accept.
//!
//! Every core listens on every address with a socket of its own (`SO_REUSEPORT`), so that the kernel spreads connections
//! and no lock is taken to accept one. The sockets belong to the process, not to a policy: a reload leaves them alone.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::client_stream::ClientStream;
use super::config::{LimitsConfig, ProxyProtocolConfig};
use super::exchange::{Core, serve};
use super::framing::{Answer, GateLimits, Gated};
use super::slots::{Slot, Slots};
use super::upstream::Pool;
use super::{Proxy, connections, idle, proxy_protocol, report, respond, rest, tally};

/// How many connections may wait in the kernel to be accepted.
const BACKLOG: i32 = 1024;

/// How many bytes of an answer the kernel takes beyond what the client has room for: enough to keep a line busy, and no
/// more to hold for a client that does not read. Half of it, at `limits.body_rate`, has to be read in `limits.write_time`.
const UNSENT: u32 = 64 * 1024;

/// How long a core waits before it accepts again after the system had no descriptor or memory for a connection.
const BREATH: Duration = Duration::from_millis(50);

/// A socket to accept connections on, and how its peers may say for whom they connect.
#[derive(Debug)]
pub struct Listener {
    /// The socket, bound by [`bind`].
    pub socket: StdListener,
    /// Whose connections begin with a PROXY protocol header; `None` where nobody's do.
    pub proxy_protocol: Option<Arc<ProxyProtocolConfig>>,
}

/// What the data plane is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Accept and serve.
    Serving,
    /// Accept nothing more, finish what is in flight.
    Draining,
}

/// Binds one socket for each of `cores` on `address`. Port 0 takes a free port, the same for all of them.
///
/// # Errors
/// When the address is in use, by whatever socket options, or may not be bound.
pub fn bind(address: SocketAddr, cores: usize) -> io::Result<Vec<StdListener>> {
    // Sockets that share a port would also share it with another process that asks for the same, and each would get half
    // of the requests: so first the port is asked for alone.
    drop(socket(address, false)?);
    let first = socket(address, true)?;
    let bound = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..cores.max(1) {
        listeners.push(socket(bound, true)?);
    }
    Ok(listeners)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<StdListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    if shared {
        // Connections inherit it.
        socket.set_tcp_notsent_lowat(UNSENT)?;
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

/// Runs one core until it is asked to drain and has drained, or until `limits.drain_time` after that.
///
/// `slots` is shared by all cores: a connection holds one, and none is served without.
pub async fn run_core(
    proxy: Arc<Proxy>,
    listeners: Vec<Listener>,
    slots: Arc<Slots>,
    mut stage: watch::Receiver<Stage>,
) -> io::Result<()> {
    let pool = Arc::new(Pool::new(Arc::clone(&proxy)));
    let core = Arc::new(Core { proxy, pool });
    // Every connection holds a clone of `alive`; when all are gone, `drained` ends.
    let (alive, mut drained) = tokio::sync::mpsc::channel::<Infallible>(1);
    for listener in listeners {
        let socket = TcpListener::from_std(listener.socket)?;
        let accepting = accept(
            Arc::clone(&core),
            (socket, listener.proxy_protocol),
            Arc::clone(&slots),
            stage.clone(),
            alive.clone(),
        );
        tokio::spawn(accepting);
    }
    drop(alive);
    let purging = tokio::spawn(purge(Arc::clone(&core)));
    wait_for_drain(&mut stage).await;
    let longest = core.proxy.serving.load().limits.drain_time.get();
    // A timeout leaves connections open; they end with the runtime.
    let _ = tokio::time::timeout(longest, drained.recv()).await;
    purging.abort();
    tally::tell_the_last(&core.proxy);
    Ok(())
}

/// Closes idle upstream connections that nobody came back for, and tells what was only counted.
async fn purge(core: Arc<Core>) {
    loop {
        tokio::time::sleep(Duration::from_secs(5)).await;
        tally::tell_the_rest(&core.proxy);
        core.pool
            .purge(core.proxy.serving.load().upstream.keep_alive.get());
    }
}

async fn wait_for_drain(stage: &mut watch::Receiver<Stage>) {
    // An error means that whoever asks is gone, which asks for the same.
    let _ = stage.wait_for(|stage| *stage == Stage::Draining).await;
}

async fn accept(
    core: Arc<Core>,
    (listener, protocol): (TcpListener, Option<Arc<ProxyProtocolConfig>>),
    slots: Arc<Slots>,
    mut stage: watch::Receiver<Stage>,
    alive: tokio::sync::mpsc::Sender<Infallible>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = wait_for_drain(&mut stage) => return,
            accepted = next(&core, &listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let connection = connection(
                    Arc::clone(&core),
                    stream,
                    (peer.ip(), protocol.clone()),
                    slot,
                    stage.clone(),
                    alive.clone(),
                );
                tokio::spawn(connection);
            }
            // The client went away before it was accepted; that is its business.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) => {}
            Err(error) => {
                tracing::error!(%error, "Cannot accept connections.");
                // It may be one of those that idle that has what is needed.
                core.proxy.connections.make_room();
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// The next connection, and a slot for it. It is accepted before there is a slot: an acceptor that held one while it
/// waits would keep it from the connections of the other cores. While it waits, those that idle make room.
async fn next(
    core: &Core,
    listener: &TcpListener,
    slots: &Arc<Slots>,
) -> io::Result<(TcpStream, SocketAddr, Slot)> {
    let (stream, peer) = listener.accept().await?;
    let slot = idle::slot(&core.proxy, slots, peer.ip()).await;
    Ok((stream, peer, slot.map_err(io::Error::other)?))
}

/// Serves one connection to its end.
async fn connection(
    core: Arc<Core>,
    mut stream: TcpStream,
    (accepted, protocol): (IpAddr, Option<Arc<ProxyProtocolConfig>>),
    slot: Slot,
    mut stage: watch::Receiver<Stage>,
    alive: tokio::sync::mpsc::Sender<Infallible>,
) {
    // Answers are small and complete; waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    // From here on the peer is whom a PROXY protocol header names, for everything.
    let peer = tokio::select! {
        peer = proxy_protocol::peer(&core.proxy, &mut stream, accepted, protocol.as_deref()) => peer,
        () = wait_for_drain(&mut stage) => None,
    };
    let Some(peer) = peer else { return };
    let Some(open) = connections::admit(&core.proxy, peer) else {
        return;
    };
    let limits = core.proxy.serving.load().limits.clone();
    let (activity, turns) = (&open.activity, open.activity.turns());
    let stream = ClientStream::new(stream, Arc::clone(activity), &limits);
    let stream = proxy_protocol::Guarded::new(&core.proxy, stream, accepted, protocol.as_deref());
    let gate = GateLimits::from(&limits);
    let mut stream = Gated::new(stream, gate, limits.header_time.get(), Arc::clone(turns));
    let service = service_fn(|request: Request<Incoming>| {
        let is_old = request.version() < Version::HTTP_11;
        let (core, turn, service) = (Arc::clone(&core), turns.begin(), activity.serve());
        // Boxed, because a connection that idles has room for one as well.
        Box::pin(async move {
            let mut answer = serve(&core, peer, request, &turn).await;
            if service.number >= limits.connection_requests {
                respond::last(&mut answer);
            }
            if is_old && answer.body().size_hint().exact().is_none() {
                activity.set_ends_with_close();
            }
            Ok::<_, Infallible>(answer.map(|body| Answer::new(body, (turn, service))))
        })
    });
    let builder = builder(&limits);
    let mut first = [0];
    let ended = loop {
        tokio::select! {
            biased;
            // Looked at rather than waited for, since a socket may be called ready and have nothing. An error is for whoever
            // reads to find.
            _ = stream.inner().inner().peek(&mut first) => {}
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
    if open.activity.was_too_slow() {
        tally::tell(&core.proxy, tally::Kind::WriteTime, peer);
    } else if let Err(error) = ended {
        report::malformed(&core.proxy, peer, &error);
    }
    if let Some(refused) = turns.untold() {
        report::refused(&core.proxy, peer, &refused);
    }
    drop((slot, alive));
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
