//! Listening sockets and the connections that they accept.
//!
//! Every core listens on every address with a socket of its own (`SO_REUSEPORT`), so that the kernel spreads connections
//! and no lock is taken to accept one. The sockets belong to the process, not to a policy: a reload leaves them alone.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use super::client_socket::ClientSocket;
use super::config::{Address, ListenAddress};
use super::connection::{self, Accepted};
use super::exchange::Core;
use super::slots::{Slot, Slots};
use super::upstream::Pool;
use super::{Proxy, idle, tally};

/// How many connections may wait in the kernel to be accepted.
const BACKLOG: i32 = 1024;

/// How many bytes of an answer the kernel takes beyond what the client has room for: enough to keep a line busy, and no
/// more to hold for a client that does not read. Half of it, at `limits.body_rate`, has to be read in `limits.write_time`.
const UNSENT: u32 = 64 * 1024;

/// How long a core waits before it accepts again after the system had no descriptor or memory for a connection.
const BREATH: Duration = Duration::from_millis(50);

/// A socket to accept connections on, and what the configuration says of its address.
#[derive(Debug)]
pub struct Listener {
    /// The socket, bound by [`bind`].
    pub socket: ListenSocket,
    /// Which entry of `listen` it is, counted from 0.
    pub number: usize,
    /// What that entry said when the socket was bound.
    pub config: Arc<ListenAddress>,
}

/// A socket that connections come to.
#[derive(Debug)]
pub enum ListenSocket {
    /// Of an address and a port.
    Tcp(StdListener),
    /// Of a path.
    Unix(StdUnixListener),
}

/// The same on a runtime.
enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl ListenSocket {
    /// Where it is bound.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok().map(Address::Ip),
            Self::Unix(socket) => {
                let address = socket.local_addr().ok()?;
                address.as_pathname().map(|path| Address::Unix(path.into()))
            }
        }
    }

    /// A further descriptor of it.
    ///
    /// # Errors
    /// When there are too many.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }

    /// Makes it ready to be accepted from, where somebody else has bound it.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn adopt(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                prepare(&SockRef::from(socket))
            }
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    fn on_runtime(self) -> io::Result<Acceptor> {
        Ok(match self {
            Self::Tcp(socket) => Acceptor::Tcp(TcpListener::from_std(socket)?),
            Self::Unix(socket) => Acceptor::Unix(UnixListener::from_std(socket)?),
        })
    }
}

impl From<ListenSocket> for OwnedFd {
    fn from(socket: ListenSocket) -> Self {
        match socket {
            ListenSocket::Tcp(socket) => socket.into(),
            ListenSocket::Unix(socket) => socket.into(),
        }
    }
}

impl Acceptor {
    /// The next connection, and the address of its other end. Whoever may use a Unix socket is on this machine.
    async fn accept(&self) -> io::Result<(ClientSocket, IpAddr)> {
        match self {
            Self::Tcp(socket) => {
                let (stream, peer) = socket.accept().await?;
                Ok((ClientSocket::Tcp(stream), peer.ip()))
            }
            Self::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok((ClientSocket::Unix(stream), IpAddr::V4(Ipv4Addr::LOCALHOST)))
            }
        }
    }
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
pub fn bind(address: &Address, cores: usize) -> io::Result<Vec<ListenSocket>> {
    let address = match address {
        Address::Ip(address) => *address,
        Address::Unix(path) => return bind_path(path, cores),
    };
    // Sockets that share a port would also share it with another process that asks for the same, and each would get half
    // of the requests: so first the port is asked for alone.
    drop(socket(address, false)?);
    let first = socket(address, true)?;
    let bound = first.local_addr()?;
    let mut listeners = vec![ListenSocket::Tcp(first)];
    for _ in 1..cores.max(1) {
        listeners.push(ListenSocket::Tcp(socket(bound, true)?));
    }
    Ok(listeners)
}

/// Binds a path, with a descriptor for each of `cores`. What a process left there that is gone makes room.
fn bind_path(path: &Path, cores: usize) -> io::Result<Vec<ListenSocket>> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|what| what.file_type().is_socket());
    if is_socket {
        match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(io::ErrorKind::AddrInUse.into()),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path)?;
            }
            Err(error) => return Err(error),
        }
    }
    let first = ListenSocket::Unix(StdUnixListener::bind(path)?);
    first.adopt()?;
    let mut listeners = Vec::with_capacity(cores);
    for _ in 1..cores.max(1) {
        listeners.push(first.try_clone()?);
    }
    listeners.push(first);
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
        prepare(&SockRef::from(&socket))?;
        socket.listen(BACKLOG)?;
    }
    Ok(socket.into())
}

/// Sets what connections inherit from the socket that they are accepted from.
fn prepare(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_notsent_lowat(UNSENT)?;
    // Answers are small and complete; waiting to fill a packet would only delay them.
    socket.set_tcp_nodelay(true)
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
    let core = Arc::new(Core {
        proxy,
        pool,
        rests: Arc::default(),
    });
    // Every connection holds a clone of `alive`; when all are gone, `drained` ends.
    let (alive, mut drained) = tokio::sync::mpsc::channel::<Infallible>(1);
    for listener in listeners {
        let socket = listener.socket.on_runtime()?;
        let accepting = accept(
            Arc::clone(&core),
            (socket, listener.number, listener.config),
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
        core.pool.purge();
    }
}

pub(super) async fn wait_for_drain(stage: &mut watch::Receiver<Stage>) {
    // An error means that whoever asks is gone, which asks for the same.
    let _ = stage.wait_for(|stage| *stage == Stage::Draining).await;
}

async fn accept(
    core: Arc<Core>,
    (listener, number, config): (Acceptor, usize, Arc<ListenAddress>),
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
                let accepted = Accepted {
                    stream,
                    address: peer,
                    number,
                    config: Arc::clone(&config),
                    slot,
                    alive: alive.clone(),
                };
                let serving = connection::serve(Arc::clone(&core), accepted, stage.clone());
                // Boxed, because the runtime moves what it is given several times.
                tokio::spawn(Box::pin(serving));
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
    listener: &Acceptor,
    slots: &Arc<Slots>,
) -> io::Result<(ClientSocket, IpAddr, Slot)> {
    let (stream, peer) = listener.accept().await?;
    let slot = idle::slot(&core.proxy, slots, peer).await;
    Ok((stream, peer, slot.map_err(io::Error::other)?))
}
