//! Listening sockets that this process did not open itself, and those that it hands to the one after it.
//!
//! Both go by systemd's protocol (`sd_listen_fds(3)`): descriptors from 3 on, their number in `LISTEN_FDS`. So a socket unit
//! can hold the port, and a new version of the program can take over from an old one without a moment in which nobody
//! listens: on SIGUSR2 the old one starts the new one with its sockets, and the new one, once it serves, ends the old one,
//! which finishes what is in flight. A connection that waits to be accepted waits for both.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::Arc;

use command_fds::{CommandFdExt, FdMapping};
use listenfd::ListenFd;
use rustix::process::{Pid, Signal, kill_process};

use super::settings::Settings;
use super::start::StartError;
use crate::config::environment::Environment;
use crate::proxy::config::{Address, ListenAddress};
use crate::proxy::listener::{self, ListenSocket, Listener};

/// Which process is to be ended once this one serves.
const BEFORE: &str = "PORTCULLIS_BEFORE";

/// The first descriptor that is handed over, and the most that are taken.
const FIRST: i32 = 3;
const MOST: usize = 1024;

/// Sockets that were handed to this process.
#[derive(Debug, Default)]
pub struct Handed(Vec<ListenSocket>);

impl Handed {
    /// Takes the sockets that the environment tells of, once: after that it tells of none.
    #[must_use]
    pub fn from_environment() -> Self {
        let mut given = ListenFd::from_env();
        let mut take = |at| {
            let tcp = given.take_tcp_listener(at).ok().flatten();
            let tcp = tcp.map(ListenSocket::Tcp);
            let mut unix = || given.take_unix_listener(at).ok().flatten();
            tcp.or_else(|| unix().map(ListenSocket::Unix))
        };
        Self((0..MOST).filter_map(&mut take).collect())
    }

    /// Those that are bound to an address, ready to be accepted from.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn of(&mut self, address: &Address) -> io::Result<Vec<ListenSocket>> {
        let is_there = |socket: &mut ListenSocket| socket.address().as_ref() == Some(address);
        let found: Vec<_> = self.0.extract_if(.., is_there).collect();
        found.iter().try_for_each(ListenSocket::adopt)?;
        Ok(found)
    }

    /// The addresses of those that nobody wanted, which are closed.
    #[must_use]
    pub fn unwanted(self) -> Vec<Address> {
        self.0.iter().filter_map(ListenSocket::address).collect()
    }
}

/// At least as many sockets as there are `cores`: those there are, and further descriptors of them.
///
/// # Errors
/// When there are too many descriptors.
fn for_cores(mut sockets: Vec<ListenSocket>, cores: usize) -> io::Result<Vec<ListenSocket>> {
    let given = sockets.len();
    for at in 0..cores.saturating_sub(given) {
        if let Some(socket) = sockets.get(at) {
            sockets.push(socket.try_clone()?);
        }
    }
    Ok(sockets)
}

/// Further descriptors of all sockets.
pub(super) fn keep(
    sockets: &[Vec<Listener>],
    control: Option<&TcpListener>,
) -> io::Result<Vec<OwnedFd>> {
    let all = sockets.iter().flatten().map(|listener| &listener.socket);
    let copy = |socket: &ListenSocket| Ok(OwnedFd::from(socket.try_clone()?));
    let mut copies: Vec<_> = all.map(copy).collect::<io::Result<_>>()?;
    if let Some(control) = control {
        copies.push(OwnedFd::from(control.try_clone()?));
    }
    Ok(copies)
}

/// Binds every address to listen on, for each of the cores, or takes the sockets that were handed over for it.
///
/// # Errors
/// When an address cannot be listened on.
pub(super) fn bind_all(
    settings: &Settings,
    cores: usize,
    handed: &mut Handed,
) -> Result<Vec<Vec<Listener>>, StartError> {
    let bind = |(number, listen): (usize, &ListenAddress)| {
        let address = &listen.address;
        let sockets = match handed.of(address) {
            Ok(given) if given.is_empty() => listener::bind(address, cores),
            Ok(given) => for_cores(given, cores),
            Err(error) => Err(error),
        };
        let sockets = sockets.map_err(|error| StartError::Listen {
            address: address.clone(),
            error,
        })?;
        let config = Arc::new(listen.clone());
        let listener = |socket| Listener {
            socket,
            number,
            config: Arc::clone(&config),
        };
        Ok(sockets.into_iter().map(listener).collect())
    };
    settings.listen.0.iter().enumerate().map(bind).collect()
}

/// The same for operators.
///
/// # Errors
/// The same.
pub(super) fn bind_control(
    settings: &Settings,
    handed: &mut Handed,
) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = settings.control.listen else {
        return Ok(None);
    };
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let given = handed.of(&Address::Ip(address)).map(|given| {
        given.into_iter().find_map(|socket| match socket {
            ListenSocket::Tcp(socket) => Some(socket),
            ListenSocket::Unix(_) => None,
        })
    });
    let bound = given.and_then(|given| given.map_or_else(bind, Ok));
    bound.map(Some).map_err(|error| StartError::Listen {
        address: Address::Ip(address),
        error,
    })
}

/// Starts this program anew, as it was started, with `sockets`. It ends this process when it serves.
///
/// # Errors
/// When it cannot be started; this process goes on.
pub(super) fn hand_over(sockets: Vec<OwnedFd>) -> io::Result<Child> {
    let mut arguments = std::env::args_os();
    let program = arguments.next().ok_or(io::ErrorKind::NotFound)?;
    let number = sockets.len();
    let mappings = sockets.into_iter().zip(FIRST..);
    let mappings = mappings.map(|(parent_fd, child_fd)| FdMapping {
        parent_fd,
        child_fd,
    });
    Command::new(program)
        .args(arguments)
        .env("LISTEN_FDS", number.to_string())
        .env_remove("LISTEN_PID")
        .env_remove("LISTEN_FDNAMES")
        .env(BEFORE, std::process::id().to_string())
        .fd_mappings(mappings.collect())
        .map_err(io::Error::other)?
        .spawn()
}

/// Ends the process that handed its sockets to this one, if one did. It drains.
pub(super) fn end_the_one_before(environment: &dyn Environment) {
    let before = environment.variable(BEFORE).ok();
    let before = before
        .and_then(|number| number.parse().ok())
        .and_then(Pid::from_raw);
    // Whoever started this one is its parent; any other number is a stranger's.
    if let Some(before) = before.filter(|before| rustix::process::getppid() == Some(*before)) {
        match kill_process(before, Signal::TERM) {
            Ok(()) => tracing::info!("Serving; the process before drains."),
            Err(error) => tracing::error!(%error, "The process before could not be ended."),
        }
    }
}
