//! The traffic listener: accepting, identifying, judging and forwarding requests.
//!
//! A request's life is one page, `exchange.rs`; the other files are its steps. Each core runs them on a runtime of its
//! own, with its own listening sockets and its own idle upstream connections; what cores share is in [`Proxy`].

mod activity;
pub mod address;
mod body;
pub mod buffered;
mod client_socket;
mod client_stream;
mod clients_config;
pub mod clock;
pub mod config;
mod connection;
pub mod connections;
mod either_stream;
mod exchange;
mod fields;
mod forward;
pub mod framing;
pub mod headers;
pub mod http2;
pub mod identity;
mod idle;
mod judge;
pub mod listener;
mod pace;
pub mod proxy_protocol;
mod receive;
mod report;
mod respond;
mod rest;
pub mod routes;
mod server_url;
pub mod slots;
pub mod tally;
pub mod tls;
mod transport;
mod tunnel;
pub mod upstream;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::config::LimitsConfig;
use self::connections::{Connections, InFlight};
use self::identity::Trust;
use self::routes::Routes;
use self::tally::Tally;
use self::tls::Tls;
use self::upstream::Upstream;
use crate::clients::Facts;
use crate::engine::Policy;
use crate::event::EventBus;
use crate::event::id::IdSource;

/// Everything that the cores share.
#[derive(Debug)]
pub struct Proxy {
    /// What requests that begin now are served under. Swapped whole by a reload.
    pub serving: ArcSwap<Serving>,
    /// The lasting facts about clients.
    pub facts: Arc<dyn Facts>,
    /// Who is told.
    pub events: EventBus,
    /// Ids of requests and events.
    pub ids: IdSource,
    /// Where large bodies are judged, so that one request never stalls a core.
    pub judges: Judges,
    /// The connections that are open.
    pub connections: Arc<Connections>,
    /// The requests that are with the upstream.
    pub in_flight: InFlight,
    /// The WebSockets that are open.
    pub tunnels: Arc<InFlight>,
    /// What is held of bodies to be judged.
    pub buffered: Arc<buffered::Buffered>,
    /// What is held of bodies on disk.
    pub on_disk: Arc<buffered::Buffered>,
    /// What is told a few times a second only.
    pub tally: Tally,
}

/// One revision of everything that a request needs; a request keeps the one that it began with.
#[derive(Debug)]
pub struct Serving {
    /// The hard limits of connections, and of requests on no route.
    pub limits: Arc<LimitsConfig>,
    /// What each request is served under.
    pub routes: Routes,
    /// Whom to believe. Bodies under way hold it too.
    pub trust: Arc<Trust>,
    /// What is spoken at each address that is listened on.
    pub listeners: Vec<Spoken>,
    /// Whether each request is logged.
    pub access_log: bool,
}

impl Serving {
    /// Every upstream that requests are forwarded to.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.routes.sites().map(|site| &site.upstream)
    }

    /// The judgement of requests on no route.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.routes.default().policy
    }
}

/// What is spoken at an address.
#[derive(Clone, Debug)]
pub struct Spoken {
    /// How connections are encrypted, if they are.
    pub tls: Tls,
    /// Whether HTTP/2 is spoken as well.
    pub http2: bool,
}

/// The bounded pool that judges bodies over [`Judges::INLINE`] bytes.
#[derive(Debug)]
pub struct Judges {
    runtime: Handle,
    places: Arc<Semaphore>,
}

impl Judges {
    /// The longest body that is judged on the core that received it.
    pub const INLINE: usize = 64 * 1024;

    /// A pool on the blocking threads of `runtime` with as many `places` for bodies that are judged or wait for it.
    #[must_use]
    pub fn new(runtime: Handle, places: usize) -> Self {
        Self {
            runtime,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// A place in the pool; `None` when it is full.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Runs `judge` on the pool; `None` when the pool has gone.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        judge: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let job = move || {
            let judged = judge();
            drop(place);
            judged
        };
        self.runtime.spawn_blocking(job).await.ok()
    }
}
