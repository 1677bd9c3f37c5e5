//! Reading the configuration again: load, compile, self-test, swap. An error keeps the policy in force and is told.
//!
//! Requests in flight finish under the policy that they began with. Lasting facts, sockets and the event log's lines
//! outlive it.

use std::io;
use std::net::IpAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::load::{Loaded, load};
use super::self_test::{self, SelfTest};
use super::serving::serving;
use super::settings::Settings;
use super::start::StartOptions;
use crate::clients::Clients;
use crate::config::Watched;
use crate::config::environment::Process;
use crate::control::ControlState;
use crate::event::{Decision, Event, EventClient, EventKind};
use crate::proxy::clock;
use crate::proxy::config::ListenAddress;
use crate::proxy::slots::Slots;
use crate::proxy::{Proxy, Serving};
use crate::request::IdentitySource;

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Puts configurations in force.
#[derive(Debug)]
pub(super) struct Reloader {
    proxy: Arc<Proxy>,
    facts: Arc<Clients>,
    state: Arc<ControlState>,
    slots: Arc<Slots>,
    options: StartOptions,
    loadings: AtomicU64,
    /// What is in force, as far as a reload has to compare with it. Held for as long as a reload takes, so that one comes
    /// after the other.
    settings: Mutex<Option<Settings>>,
    /// What the last loading read. Held for a moment only: the watch never waits for a reload.
    files: Mutex<Watched>,
    jobs: mpsc::Sender<Job>,
}

/// A reload that waits for its turn.
type Job = Box<dyn FnOnce() + Send>;

impl Reloader {
    pub(super) fn new(
        proxy: Arc<Proxy>,
        facts: Arc<Clients>,
        state: Arc<ControlState>,
        slots: Arc<Slots>,
        options: StartOptions,
    ) -> io::Result<Self> {
        let (jobs, received) = mpsc::channel();
        thread::Builder::new()
            .name("portcullis-reload".into())
            .spawn(move || work_off(&received))?;
        Ok(Self {
            proxy,
            facts,
            state,
            slots,
            options,
            loadings: AtomicU64::new(1),
            settings: Mutex::default(),
            files: Mutex::default(),
            jobs,
        })
    }

    pub(super) const fn proxy(&self) -> &Arc<Proxy> {
        &self.proxy
    }

    /// Puts the first configuration in force.
    ///
    /// # Errors
    /// When the policy does not do what it says.
    pub(super) fn first(
        &self,
        settings: Settings,
        files: Watched,
        warnings: &[String],
    ) -> Result<(), String> {
        let mut in_force = lock(&self.settings);
        let serving = self.proxy.serving.load();
        let test = test(&serving)?;
        *lock(&self.files) = files;
        *in_force = Some(settings);
        self.announce(&serving, &test);
        for warning in warnings.iter().chain(&test.warnings) {
            tracing::warn!("{warning}");
        }
        self.tell(
            EventKind::Lifecycle,
            format!("Started with policy {}.", serving.policy().revision),
        );
        Ok(())
    }

    /// Reads the configuration again and puts it in force.
    ///
    /// # Errors
    /// What is wrong with it, drawn for a person; everything stays as it was.
    pub(super) fn reload(&self) -> Result<(), String> {
        self.reload_over(lock(&self.settings))
    }

    /// Reads the configuration again if it still looks different: another reload may have come before this one.
    fn reload_changed(&self) {
        let in_force = lock(&self.settings);
        if self.has_changed() {
            // What comes of it is in the log, in an event and in `/readyz`.
            drop(self.reload_over(in_force));
        }
    }

    fn reload_over(&self, mut in_force: MutexGuard<'_, Option<Settings>>) -> Result<(), String> {
        let number = self.loadings.fetch_add(1, Ordering::Relaxed) + 1;
        let result = self.try_reload(&mut in_force, number);
        match &result {
            Ok(notes) => {
                let revision = self.proxy.serving.load().policy().revision;
                tracing::info!(%revision, "Reloaded.");
                self.tell(
                    EventKind::Reload,
                    format!("Reloaded: policy {revision} is in force.{notes}"),
                );
            }
            Err(error) => {
                let revision = self.proxy.serving.load().policy().revision;
                tracing::error!(%revision, "The configuration was refused; the policy before it stays in force.\n{error}");
                self.state.reload_refused(error.as_str());
                let error = crate::event::secrets::printable(error.as_bytes(), 2000);
                self.tell(
                    EventKind::Reload,
                    format!("Reload refused: policy {revision} stays in force. {error}"),
                );
            }
        }
        result.map(|_| ())
    }

    fn try_reload(&self, in_force: &mut Option<Settings>, number: u64) -> Result<String, String> {
        let options = &self.options;
        let loaded = load(
            &options.source,
            &options.registry,
            &options.shared,
            &Process,
            number,
        )
        .map_err(|report| {
            *lock(&self.files) = report.watched().clone();
            report.draw(false)
        })?;
        let Loaded {
            settings,
            compiled,
            files,
            warnings,
            base,
            ..
        } = loaded;
        *lock(&self.files) = files;
        let mut serving = serving(&settings, compiled, options.monitor);
        if let Some(before) = &*in_force
            && needs_other_sockets(before, &settings)
        {
            // The sockets are those of the addresses before, and so must be what is spoken there.
            let before = self.proxy.serving.load();
            serving.listeners.clone_from(&before.listeners);
        }
        let test = test(&serving)?;
        self.proxy
            .events
            .reconfigure(&settings.events, &base)
            .map_err(|error| format!("the event log cannot be opened: {error}"))?;
        let mut notes = String::new();
        if let Some(before) = &*in_force {
            notes = needs_restart(before, &settings);
        }
        self.resize(&settings);
        for warning in warnings.iter().chain(&test.warnings) {
            tracing::warn!("{warning}");
        }
        *in_force = Some(settings);
        self.proxy.serving.store(Arc::new(serving));
        self.announce(&self.proxy.serving.load(), &test);
        Ok(notes)
    }

    /// Follows the files that the configuration is made of, for ever: a change in one of them is a reload.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK).await;
            if !self.has_changed() {
                continue;
            }
            self.until_settled().await;
            let done = Arc::clone(&self).on_a_thread(Self::reload_changed);
            // An error means that the reload panicked, which was told.
            let _ = done.await;
        }
    }

    /// Reloads without being waited for.
    pub(super) fn reload_in_background(self: &Arc<Self>) {
        // What comes of it is in the log, in an event and in `/readyz`.
        drop(Arc::clone(self).on_a_thread(|reloader| drop(reloader.reload())));
    }

    /// Who writes a file may not be done with it: waits until two looks agree.
    async fn until_settled(&self) {
        let watched = lock(&self.files).clone();
        let mut seen = watched.now();
        loop {
            tokio::time::sleep(LOOK).await;
            let again = watched.now();
            if again == seen {
                return;
            }
            seen = again;
        }
    }

    /// Works on the thread for reloads: compiling takes time that the control listener should not wait for, and the threads
    /// that judge large bodies are not there for it.
    pub(super) fn on_a_thread(
        self: Arc<Self>,
        work: impl FnOnce(&Self) + Send + 'static,
    ) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        let jobs = self.jobs.clone();
        // An error would mean that the thread has ended, which it does after the last of these jobs.
        let _ = jobs.send(Box::new(move || {
            work(&self);
            // An error means that nobody waits.
            let _ = done.send(());
        }));
        receiver
    }

    pub(super) fn draining(&self) {
        self.state.draining();
        self.tell(
            EventKind::Lifecycle,
            "Draining: no more requests are taken.".into(),
        );
    }

    pub(super) fn stopped(&self) {
        self.tell(EventKind::Lifecycle, "Stopped.".into());
    }

    fn has_changed(&self) -> bool {
        let files = lock(&self.files).clone();
        files.now() != files
    }

    fn announce(&self, serving: &Serving, test: &SelfTest) {
        let policy = serving.policy();
        tracing::info!(revision = %policy.revision, configured = ?policy.mode, effective = ?test.effective, "A policy is in force.");
        self.state
            .policy_loaded(test.health(policy, clock::timestamp()));
    }

    /// Fits what outlives a policy to the new sizes.
    fn resize(&self, settings: &Settings) {
        self.facts.configure(
            settings.clients.max_keys,
            settings.clients.ipv6_prefix,
            clock::now(),
        );
        self.slots.resize(settings.limits.connections);
    }

    /// Tells that somebody at `peer` did something through the control listener.
    pub(super) fn audit(&self, peer: IpAddr, deed: &str) {
        let mut event = self.event(EventKind::Audit, format!("An operator {deed}."));
        event.client = Some(EventClient {
            ip: peer,
            source: IdentitySource::Peer,
            peer,
        });
        self.proxy.events.emit(event);
    }

    fn tell(&self, kind: EventKind, message: String) {
        self.proxy.events.emit(self.event(kind, message));
    }

    fn event(&self, kind: EventKind, message: String) -> Event {
        let now = clock::timestamp();
        let id = self.proxy.ids.next(clock::unix_milliseconds(now));
        let mut event = Event::new(id, now, kind, message);
        event.decision = Decision::None;
        event
    }
}

/// Runs reloads one after the other, all on one thread: an allocator that gives each thread a region of its own would
/// leave the memory of old policies behind in as many regions as there were threads.
fn work_off(jobs: &mpsc::Receiver<Job>) {
    while let Ok(job) = jobs.recv() {
        // A panic was told where it happened; the next reload may go well.
        let _ = panic::catch_unwind(AssertUnwindSafe(job));
    }
}

/// Measures whether the policies do what they say; what is told is about that of requests on no route.
fn test(serving: &Serving) -> Result<SelfTest, String> {
    let test = self_test::measure_now(serving.policy()).passed()?;
    let mut chains = vec![&serving.policy().chain];
    for site in serving.routes.sites() {
        let chain = &site.policy.chain;
        if !chains.iter().any(|known| Arc::ptr_eq(known, chain)) {
            chains.push(chain);
            let of_route = self_test::measure_now(&site.policy).passed();
            of_route.map_err(|why| format!("in the chain of a route, {why}"))?;
        }
    }
    Ok(test)
}

/// What a reload cannot change, where it was changed.
fn needs_restart(before: &Settings, after: &Settings) -> String {
    let mut keys = Vec::new();
    if needs_other_sockets(before, after) {
        keys.push("listen");
    }
    if before.control != after.control {
        keys.push("control");
    }
    if before.state != after.state {
        keys.push("state");
    }
    if keys.is_empty() {
        return String::new();
    }
    let keys = keys.join(" and ");
    tracing::warn!("`{keys}` changed, which takes effect at the next start.");
    format!(" `{keys}` changed, which takes effect at the next start.")
}

/// Whether the addresses that are listened on would have to be others, or be bound in another way.
fn needs_other_sockets(before: &Settings, after: &Settings) -> bool {
    let (before, after) = (&before.listen.0, &after.listen.0);
    let is_same = |(before, after): (&ListenAddress, &ListenAddress)| {
        before.address == after.address && before.proxy_protocol == after.proxy_protocol
    };
    before.len() != after.len() || !before.iter().zip(after).all(is_same)
}

/// What is locked is whole also after a panic elsewhere: every change is one assignment.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
