//! What operators and their machines are told about a running portcullis.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde::Serialize;

use super::operations::{Operations, SiteReport};
use crate::clients::{Clients, ClientsStatistics};
use crate::config::Secret;
use crate::engine::policy::Revision;
use crate::engine::{Mode, Outcome};
use crate::event::EventBus;

/// What the control listener answers from; `app` keeps it up to date.
#[derive(Debug)]
pub struct ControlState {
    events: EventBus,
    clients: Arc<Clients>,
    hosts: Vec<String>,
    token: Option<Secret>,
    /// Set once there is a proxy to operate on.
    operations: OnceLock<Arc<dyn Operations>>,
    health: Mutex<Health>,
}

/// How it goes. It begins as [`Stage::Starting`] without a policy.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Whether requests are served.
    pub stage: Stage,
    /// The policy in force, once there is one.
    pub policy: Option<PolicyHealth>,
    /// Why the last reload was refused; `None` once one was accepted.
    pub last_reload_error: Option<String>,
    /// Whether what should survive a restart is stored.
    pub state: StateHealth,
}

/// Whether what should survive a restart is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "status", content = "error", rename_all = "snake_case")]
pub enum StateHealth {
    /// It is in memory only, as the configuration says.
    #[default]
    Memory,
    /// It is on the disk.
    Stored,
    /// It should be on the disk and is in memory only, for this reason.
    Failing(String),
}

/// Where in its life the proxy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not yet.
    #[default]
    Starting,
    /// Requests are served.
    Ready,
    /// No more; those begun are finished.
    Draining,
}

/// The policy in force, and what was measured of it.
#[derive(Clone, Debug)]
pub struct PolicyHealth {
    /// Which configuration it was made of.
    pub revision: Revision,
    /// When it was put in force, UTC.
    pub loaded_at: jiff::Timestamp,
    /// The mode that the configuration names.
    pub mode: Mode,
    /// What the self-test measured.
    pub effective: Effective,
    /// What became of each canary.
    pub canaries: Vec<CanaryReport>,
}

/// What the chain does with attacks, as measured by harmless ones rather than read from the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effective {
    /// Every canary was refused.
    Enforce,
    /// Every canary was recognised and let through.
    Monitor,
    /// Some were refused, some only recognised, or not even that.
    Mixed,
    /// There are detections, but none has a canary that reaches the threshold to measure it by.
    Unmeasured,
    /// No canary was recognised, or there is no detection at all.
    Off,
}

/// What became of one canary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CanaryReport {
    /// The detection whose canary it was.
    pub detection: String,
    /// What was decided.
    pub outcome: Outcome,
    /// Whether it was recognised, but not refused because by itself it weighs less than the threshold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub below_threshold: bool,
    /// The detection that decided, where another one came first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
}

/// `/api/v1/policy`, as it is sent.
#[derive(Debug, Serialize)]
pub(super) struct PolicyReport {
    policy: Option<PolicyShown>,
    mode: Option<ModeShown>,
    sites: Vec<SiteReport>,
}

/// `/readyz`, as it is sent.
#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    status: Stage,
    policy: Option<PolicyShown>,
    mode: Option<ModeShown>,
    canaries: Vec<CanaryReport>,
    last_reload_error: Option<String>,
    state: StateHealth,
    draining: bool,
    events_dropped: u64,
    /// How many bans are in force.
    bans: usize,
    clients: ClientsStatistics,
}

#[derive(Debug, Serialize)]
struct PolicyShown {
    revision: String,
    loaded_at: jiff::Timestamp,
}

#[derive(Debug, Serialize)]
struct ModeShown {
    configured: Mode,
    effective: Effective,
}

// === impl ControlState ===

impl ControlState {
    /// A state that is starting. `hosts` are further names that the listener may be called by, besides loopback names and
    /// its own address; `token` is what changes take, without which there are none.
    #[must_use]
    pub fn new(
        events: EventBus,
        clients: Arc<Clients>,
        hosts: Vec<String>,
        token: Option<Secret>,
    ) -> Self {
        Self {
            events,
            clients,
            hosts,
            token,
            operations: OnceLock::new(),
            health: Mutex::default(),
        }
    }

    /// There is a proxy to operate on; said once.
    pub fn operated_by(&self, operations: Arc<dyn Operations>) {
        // The first one stays: there is one proxy.
        let _ = self.operations.set(operations);
    }

    pub(super) fn operations(&self) -> Option<Arc<dyn Operations>> {
        self.operations.get().cloned()
    }

    pub(super) const fn token(&self) -> Option<&Secret> {
        self.token.as_ref()
    }

    pub(super) fn clients(&self) -> &Clients {
        &self.clients
    }

    /// `/api/v1/policy`.
    pub(super) fn policy_report(&self) -> PolicyReport {
        let policy = self.health().policy;
        PolicyReport {
            mode: policy.as_ref().map(ModeShown::of),
            policy: policy.as_ref().map(PolicyShown::of),
            sites: self
                .operations()
                .map_or_else(Vec::new, |operations| operations.sites()),
        }
    }

    /// A policy is in force: the first one makes us ready, and each one clears the error of a reload before it.
    pub fn policy_loaded(&self, policy: PolicyHealth) {
        let mut health = self.lock();
        health.policy = Some(policy);
        health.last_reload_error = None;
        if health.stage == Stage::Starting {
            health.stage = Stage::Ready;
        }
    }

    /// A reload was refused and the policy before it stays in force. `error` is shown to operators as it is.
    pub fn reload_refused(&self, error: impl Into<String>) {
        self.lock().last_reload_error = Some(error.into());
    }

    /// Whether what should survive a restart is stored.
    pub fn state_is(&self, state: StateHealth) {
        self.lock().state = state;
    }

    /// No more requests are taken.
    pub fn draining(&self) {
        self.lock().stage = Stage::Draining;
    }

    /// How it goes.
    #[must_use]
    pub fn health(&self) -> Health {
        self.lock().clone()
    }

    /// Whether the listener, reached at `local`, may be called by this name or address (without a port). Others are how a
    /// page in somebody's browser looks that had its own name resolved to our address (DNS rebinding).
    pub(super) fn is_called(&self, host: &str, local: IpAddr) -> bool {
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            let address = address.to_canonical();
            return address.is_loopback() || address == local.to_canonical();
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    pub(super) fn readiness(&self) -> Readiness {
        let Health {
            stage,
            policy,
            last_reload_error,
            state,
        } = self.health();
        Readiness {
            status: stage,
            mode: policy.as_ref().map(ModeShown::of),
            canaries: policy
                .as_ref()
                .map_or_else(Vec::new, |policy| policy.canaries.clone()),
            policy: policy.as_ref().map(PolicyShown::of),
            last_reload_error,
            state,
            draining: stage == Stage::Draining,
            events_dropped: self.events.dropped(),
            bans: self
                .operations()
                .map_or(0, |operations| self.clients.active_bans(operations.now())),
            clients: self.clients.statistics(),
        }
    }

    /// Every change is one assignment, so the state is whole also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PolicyShown {
    fn of(policy: &PolicyHealth) -> Self {
        Self {
            revision: policy.revision.to_string(),
            loaded_at: policy.loaded_at,
        }
    }
}

impl ModeShown {
    const fn of(policy: &PolicyHealth) -> Self {
        Self {
            configured: policy.mode,
            effective: policy.effective,
        }
    }
}

impl Readiness {
    /// What everybody may know.
    pub(super) fn without_details(&self) -> impl Serialize {
        serde_json::json!({ "status": self.status })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.status == Stage::Ready
    }
}
