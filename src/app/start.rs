//! Assembly: from a configuration that is in order to a proxy that serves.
//!
//! One thread per core carries traffic, each on a runtime of its own; one thread more carries everything else: the
//! control listener, the watch over files, and the pool that judges large bodies.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{self, Runtime};
use tokio::sync::{oneshot, watch};

use super::keeper::{Keeper, Keeping};
use super::load::{Loaded, Source};
use super::operator::Operator;
use super::reload::Reloader;
use super::serving::serving;
use super::settings::Settings;
use super::sockets::{self, Handed, bind_all, bind_control, keep};
use crate::clients::Clients;
use crate::config::load::Shared;
use crate::control::{self, ControlConfig, ControlState};
use crate::engine::Registry;
use crate::event::EventBus;
use crate::event::id::IdSource;
use crate::proxy::clock;
use crate::proxy::config::Address;
use crate::proxy::connections::InFlight;
use crate::proxy::listener::{self, Listener, Stage};
use crate::proxy::slots::Slots;
use crate::proxy::tally::Tally;
use crate::proxy::upstream::health;
use crate::proxy::{Judges, Proxy, Spoken};

/// How long the end waits for events to be written.
const LAST_EVENTS: Duration = Duration::from_secs(5);

/// Why the proxy cannot start. What is wrong with the configuration is a [`Report`](crate::config::Report) instead.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: Address,
        /// Why not.
        error: io::Error,
    },
    /// The event log cannot be opened.
    #[error("cannot open the event log `{path}`: {error}")]
    EventLog {
        /// The path, as the configuration names it.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// The policy does not do what it says.
    #[error("{0}")]
    SelfTest(String),
    /// The system refused a thread, a runtime or randomness.
    #[error("the system refused what the proxy needs: {0}")]
    System(#[from] io::Error),
}

/// What a start needs to know besides the configuration.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// Where the configuration came from, for reloads.
    pub source: Source,
    /// Whether nothing is refused by a detection, whatever the configuration says.
    pub monitor: bool,
    /// The detections that can be named.
    pub registry: Registry,
    /// What the first loading compiled, so that reloads find it again.
    pub shared: Arc<Shared>,
}

/// A proxy that serves until [`Running::stop`]. Dropped, it takes no more requests and finishes those in flight on threads
/// that nobody waits for: what is left of them when the process ends is cut off, and events may be lost.
#[derive(Debug)]
pub struct Running {
    addresses: Vec<SocketAddr>,
    places: Vec<Address>,
    control: Option<SocketAddr>,
    reloader: Arc<Reloader>,
    stage: watch::Sender<Stage>,
    cores: Vec<JoinHandle<io::Result<()>>>,
    /// Further descriptors of the sockets, to be handed over.
    sockets: Vec<OwnedFd>,
    service: Option<Service>,
    keeping: Option<Keeping>,
}

/// The thread that carries everything but traffic.
#[derive(Debug)]
struct Service {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// Starts a proxy of a configuration.
///
/// # Errors
/// When an address cannot be listened on, the event log cannot be opened, or the self-test fails.
pub fn start(loaded: Loaded, options: StartOptions) -> Result<Running, StartError> {
    start_on(loaded, options, Handed::default())
}

/// The same on sockets that were handed to this process, where they are bound to what the configuration listens on.
///
/// # Errors
/// The same.
pub fn start_on(
    loaded: Loaded,
    options: StartOptions,
    mut handed: Handed,
) -> Result<Running, StartError> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let service = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(cores)
        .thread_name("portcullis-judge")
        .build()?;
    let Loaded {
        settings,
        compiled,
        files,
        warnings,
        base,
        ..
    } = loaded;
    let sockets = bind_all(&settings, cores, &mut handed)?;
    let control = bind_control(&settings, &mut handed)?;
    for address in handed.unwanted() {
        tracing::warn!(
            "A socket for {address} was handed over, where nothing is to be listened on; it is closed."
        );
    }
    let kept = keep(&sockets, control.as_ref())?;
    let events = open_events(&settings, &base)?;
    let (facts, keeper) = remember(&settings, &base)?;
    let proxy = Arc::new(Proxy {
        serving: ArcSwap::from_pointee(serving(&settings, compiled, options.monitor)),
        facts: Arc::clone(&facts) as Arc<dyn crate::clients::Facts>,
        events: events.clone(),
        ids: IdSource::new()?,
        judges: Judges::new(service.handle().clone(), cores * 8),
        connections: Arc::default(),
        in_flight: InFlight::default(),
        tunnels: Arc::default(),
        buffered: Arc::default(),
        on_disk: Arc::default(),
        tally: Tally::default(),
    });
    let (stage, watched) = watch::channel(Stage::Serving);
    let ControlConfig { hosts, token, .. } = settings.control.clone();
    let token = token.or_else(|| control.as_ref().and_then(|_| keeper.token()));
    let state = Arc::new(ControlState::new(events, Arc::clone(&facts), hosts, token));
    let slots = Arc::new(Slots::new(settings.limits.connections));
    let reloader = Arc::new(Reloader::new(
        Arc::clone(&proxy),
        Arc::clone(&facts),
        Arc::clone(&state),
        Arc::clone(&slots),
        options,
    )?);
    let is_persistent = keeper.is_persistent();
    let keeping = keeper.start(Arc::clone(&facts), proxy.events.clone(), Arc::clone(&state))?;
    let operator = Operator::new(&reloader, keeping.kept.clone(), is_persistent);
    state.operated_by(Arc::new(operator));
    reloader
        .first(settings, files, &warnings)
        .map_err(StartError::SelfTest)?;

    let places: Vec<Address> = sockets
        .iter()
        .filter_map(|of_core| of_core.first()?.socket.address())
        .collect();
    let control_address = control
        .as_ref()
        .and_then(|control| control.local_addr().ok());
    let mut running = Running {
        addresses: places.iter().filter_map(Address::ip).collect(),
        places,
        control: control_address,
        reloader,
        stage,
        cores: Vec::new(),
        sockets: kept,
        service: None,
        keeping: Some(keeping),
    };
    running.service = Some(serve_the_rest(
        service,
        control,
        state,
        Arc::clone(&running.reloader),
    )?);
    running.cores = start_cores(cores, sockets, &proxy, &slots, &watched)?;
    Ok(running)
}

/// Starts the threads that carry traffic, each with a socket for every address.
fn start_cores(
    cores: usize,
    sockets: Vec<Vec<Listener>>,
    proxy: &Arc<Proxy>,
    slots: &Arc<Slots>,
    stage: &watch::Receiver<Stage>,
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let mut per_core: Vec<Vec<_>> = (0..cores).map(|_| Vec::new()).collect();
    for of_address in sockets {
        // Of those that were handed over there may be more than there are cores.
        for (at, socket) in of_address.into_iter().enumerate() {
            if let Some(core) = per_core.get_mut(at % cores) {
                core.push(socket);
            }
        }
    }
    let start = |(at, listeners): (usize, Vec<Listener>)| {
        let (proxy, slots, stage) = (Arc::clone(proxy), Arc::clone(slots), stage.clone());
        thread::Builder::new()
            .name(format!("portcullis-core-{at}"))
            .spawn(move || {
                let runtime = runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime.block_on(listener::run_core(proxy, listeners, slots, stage))
            })
    };
    per_core.into_iter().enumerate().map(start).collect()
}

impl Running {
    /// The addresses that traffic is taken on, with the ports that were given where port 0 was asked for.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Each place that traffic is taken at, Unix sockets included, with what is spoken there: `http`, or `https` where it is
    /// encrypted.
    pub(super) fn places(&self) -> Vec<(&Address, &'static str)> {
        let serving = self.reloader.proxy().serving.load();
        let of = |spoken: &Spoken| spoken.tls.as_ref().map_or("http", |_| "https");
        let schemes = serving.listeners.iter().map(of);
        self.places.iter().zip(schemes).collect()
    }

    /// The address of the control listener.
    #[must_use]
    pub const fn control_address(&self) -> Option<SocketAddr> {
        self.control
    }

    /// Who is told of events; subscribe to see them.
    #[must_use]
    pub fn events(&self) -> &EventBus {
        &self.reloader.proxy().events
    }

    /// Reads the configuration again.
    ///
    /// # Errors
    /// What is wrong with it, drawn for a person; the policy before it stays in force.
    pub fn reload(&self) -> Result<(), String> {
        self.reloader.reload()
    }

    /// The same, without waiting for it.
    pub(super) fn reload_in_background(&self) {
        self.reloader.reload_in_background();
    }

    /// The upstream of the policy in force.
    pub(super) fn upstream(&self) -> String {
        let serving = self.reloader.proxy().serving.load();
        let site = serving.routes.default();
        site.upstream
            .config
            .servers
            .iter()
            .map(|server| server.url.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// Starts this program anew on the same sockets; it ends this one once it serves.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(super) fn hand_over(&self) -> io::Result<Child> {
        let sockets = self.sockets.iter().map(OwnedFd::try_clone);
        sockets::hand_over(sockets.collect::<io::Result<_>>()?)
    }

    /// Takes no more requests, finishes those in flight within `limits.drain_time`, writes the last events.
    pub fn stop(mut self) {
        // Else connections would wait here that nobody accepts.
        self.sockets.clear();
        self.reloader.draining();
        self.stage.send_replace(Stage::Draining);
        for core in self.cores.drain(..) {
            match core.join() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "A core ended with an error."),
                Err(_) => tracing::error!("A core panicked."),
            }
        }
        if let Some(service) = self.service.take() {
            // An error means that the thread has ended already.
            let _ = service.stop.send(());
            let _ = service.thread.join();
        }
        if let Some(keeping) = self.keeping.take() {
            keeping.stop();
        }
        self.reloader.stopped();
        self.events().close(LAST_EVENTS);
    }
}

fn open_events(settings: &Settings, base: &Path) -> Result<EventBus, StartError> {
    EventBus::start(&settings.events, base).map_err(|error| StartError::EventLog {
        path: settings.events.log.clone().into(),
        error,
    })
}

/// The facts about clients, with what is left of them from before, and what keeps them.
fn remember(settings: &Settings, base: &Path) -> io::Result<(Arc<Clients>, Keeper)> {
    let now = clock::now();
    let mut keeper = Keeper::open(settings, base);
    let clients = &settings.clients;
    let facts = Clients::new(clients.max_keys, keeper.seed(seed()?));
    facts.begin(now, clock::timestamp());
    facts.configure(clients.max_keys, clients.ipv6_prefix, now);
    keeper.restore(&facts, now);
    Ok((Arc::new(facts), keeper))
}

/// Runs the control listener and the watch over files until told to stop.
fn serve_the_rest(
    runtime: Runtime,
    control: Option<std::net::TcpListener>,
    state: Arc<ControlState>,
    reloader: Arc<Reloader>,
) -> io::Result<Service> {
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = thread::Builder::new()
        .name("portcullis-service".into())
        .spawn(move || {
            runtime.block_on(async move {
                let asking = tokio::spawn(health::watch(Arc::clone(reloader.proxy())));
                let watching = tokio::spawn(reloader.watch());
                let stopped = async {
                    // An error means that nobody can stop us any more, which is the same.
                    let _ = stopped.await;
                };
                match control.map(tokio::net::TcpListener::from_std) {
                    Some(Ok(listener)) => control::serve(listener, state, stopped).await,
                    Some(Err(error)) => {
                        tracing::error!(%error, "The control listener cannot serve.");
                        stopped.await;
                    }
                    None => stopped.await,
                }
                watching.abort();
                asking.abort();
            });
            // A body that is still judged has nobody waiting for it any more.
            runtime.shutdown_background();
        })?;
    Ok(Service { stop, thread })
}

/// The random key of everything that an outsider must not predict.
fn seed() -> io::Result<[u8; 16]> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(seed)
}
