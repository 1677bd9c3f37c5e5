//! Reading the configuration again: load, compile, self-test, swap. An error keeps the policy in force and is told.
//!
//! Requests in flight finish under the policy that they began with. Lasting facts, sockets and the event log's lines
//! outlive it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::load::{Loaded, load};
use super::self_test::{self, SelfTest};
use super::settings::Settings;
use super::start::StartOptions;
use crate::clients::Clients;
use crate::config::environment::Process;
use crate::control::ControlState;
use crate::engine::Policy;
use crate::event::{Decision, Event, EventKind};
use crate::proxy::clock;
use crate::proxy::identity::Trust;
use crate::proxy::slots::Slots;
use crate::proxy::{Proxy, Serving};

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
    current: Mutex<Current>,
}

/// What is in force, as far as a reload has to compare with it.
#[derive(Debug, Default)]
struct Current {
    settings: Option<Settings>,
    files: BTreeMap<PathBuf, Option<Stamp>>,
}

/// What changes when a file does.
type Stamp = (SystemTime, u64);

/// What requests are served under, made of a configuration.
pub(super) fn serving(settings: &Settings, policy: Policy, monitor: bool) -> Serving {
    Serving {
        policy: Arc::new(if monitor { policy.monitored() } else { policy }),
        limits: settings.limits.clone(),
        trust: Trust::new(&settings.clients),
        upstream: settings.upstream.clone(),
        access_log: settings.events.access_log,
    }
}

impl Reloader {
    pub(super) fn new(
        proxy: Arc<Proxy>,
        facts: Arc<Clients>,
        state: Arc<ControlState>,
        slots: Arc<Slots>,
        options: StartOptions,
    ) -> Self {
        Self {
            proxy,
            facts,
            state,
            slots,
            options,
            loadings: AtomicU64::new(1),
            current: Mutex::default(),
        }
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
        files: &[PathBuf],
        warnings: &[String],
    ) -> Result<(), String> {
        let mut current = self.lock();
        let serving = self.proxy.serving.load();
        let test = test(&serving)?;
        current.files = stamps(files);
        current.settings = Some(settings);
        self.announce(&serving, &test);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        self.tell(
            EventKind::Lifecycle,
            format!("Started with policy {}.", serving.policy.revision),
        );
        Ok(())
    }

    /// Reads the configuration again and puts it in force.
    ///
    /// # Errors
    /// What is wrong with it, drawn for a person; everything stays as it was.
    pub(super) fn reload(&self) -> Result<(), String> {
        let mut current = self.lock();
        let number = self.loadings.fetch_add(1, Ordering::Relaxed) + 1;
        let result = self.try_reload(&mut current, number);
        match &result {
            Ok(notes) => {
                let revision = self.proxy.serving.load().policy.revision;
                tracing::info!(%revision, "Reloaded.");
                self.tell(
                    EventKind::Reload,
                    format!("Reloaded: policy {revision} is in force.{notes}"),
                );
            }
            Err(error) => {
                let revision = self.proxy.serving.load().policy.revision;
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

    fn try_reload(&self, current: &mut Current, number: u64) -> Result<String, String> {
        let options = &self.options;
        let loaded = load(
            &options.source,
            &options.registry,
            &options.shared,
            &Process,
            number,
        )
        .map_err(|report| {
            current.files = stamps(report.watched());
            report.draw(false)
        })?;
        current.files = stamps(&loaded.files);
        let Loaded {
            settings,
            policy,
            warnings,
            base,
            ..
        } = loaded;
        let serving = serving(&settings, policy, options.monitor);
        let test = test(&serving)?;
        self.proxy
            .events
            .reconfigure(&settings.events, &base)
            .map_err(|error| format!("the event log cannot be opened: {error}"))?;
        let mut notes = String::new();
        if let Some(before) = &current.settings {
            notes = needs_restart(before, &settings);
        }
        self.resize(&settings);
        for warning in &warnings {
            tracing::warn!("{warning}");
        }
        current.settings = Some(settings);
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
            // Who writes a file may not be done with it: wait until it stays as it is.
            tokio::time::sleep(LOOK).await;
            let reloader = Arc::clone(&self);
            // Compiling takes time that the control listener should not wait for.
            let _ = tokio::task::spawn_blocking(move || reloader.reload()).await;
        }
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
        let current = self.lock();
        current
            .files
            .iter()
            .any(|(path, stamp)| stamp_of(path) != *stamp)
    }

    fn announce(&self, serving: &Serving, test: &SelfTest) {
        let policy = &serving.policy;
        tracing::info!(revision = %policy.revision, configured = ?policy.mode, effective = ?test.effective, "A policy is in force.");
        self.state
            .policy_loaded(test.health(policy, clock::timestamp()));
    }

    /// Fits what outlives a policy to the new sizes.
    fn resize(&self, settings: &Settings) {
        self.facts.resize(settings.clients.max_keys);
        self.slots.resize(settings.limits.connections);
    }

    fn tell(&self, kind: EventKind, message: String) {
        let now = clock::timestamp();
        let id = self.proxy.ids.next(clock::unix_milliseconds(now));
        let mut event = Event::new(id, now, kind, message);
        event.decision = Decision::None;
        self.proxy.events.emit(event);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Measures whether a policy does what it says.
fn test(serving: &Serving) -> Result<SelfTest, String> {
    self_test::measure(&serving.policy, &Clients::scratch(), clock::now()).passed()
}

/// What a reload cannot change, where it was changed.
fn needs_restart(before: &Settings, after: &Settings) -> String {
    let mut keys = Vec::new();
    if before.listen != after.listen {
        keys.push("listen");
    }
    if before.control != after.control {
        keys.push("control");
    }
    if keys.is_empty() {
        return String::new();
    }
    let keys = keys.join(" and ");
    tracing::warn!("`{keys}` changed, which takes effect at the next start.");
    format!(" `{keys}` changed, which takes effect at the next start.")
}

fn stamps(files: &[PathBuf]) -> BTreeMap<PathBuf, Option<Stamp>> {
    files
        .iter()
        .map(|path| (path.clone(), stamp_of(path)))
        .collect()
}

/// When a file was written and how long it is; `None` while it is not there.
fn stamp_of(path: &PathBuf) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
