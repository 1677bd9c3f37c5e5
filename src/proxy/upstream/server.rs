//! One server behind us: how many requests it has, and whether it is left alone.
//!
//! Shared by all cores and over reloads. The breaker follows what requests meet with: after so many failures in a row the
//! server is *out* for a time, then one request is tried, and its success brings the server back. Active checks are
//! another voice: a server that they find ill is out until they find it well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::config::{BreakerConfig, HealthConfig};
use crate::proxy::server_url::ServerUrl;

/// How many times longer than at first a server that goes on failing is left alone.
const LONGEST_PAUSE: u32 = 8;

/// Tells servers apart for as long as the process runs.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A server, and what is known of it.
#[derive(Debug)]
pub(super) struct ServerState {
    pub(super) url: ServerUrl,
    /// Its address, as it is told of each answer.
    name: Arc<str>,
    /// The key of its connections in a pool.
    pub(super) id: u64,
    base: Instant,
    in_flight: AtomicUsize,
    /// Failures in a row.
    failures: AtomicU32,
    /// Until when it is out, in milliseconds after `base`; 0 where it is not.
    out_until: AtomicU64,
    /// How many times longer than at first it is out.
    pause: AtomicU32,
    /// A request is trying whether it is back.
    is_tried: AtomicBool,
    is_ill: AtomicBool,
    /// Answers to checks in a row that say the opposite of that.
    contrary: AtomicU32,
}

/// What a server's standing has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) enum Change {
    /// It gets no more requests.
    Out,
    /// It gets them again.
    Back,
}

/// A request that a server was chosen for. It counts for the server until it is dropped.
#[derive(Debug)]
pub(super) struct Attempt {
    server: Arc<ServerState>,
    tries: bool,
}

impl ServerState {
    /// A server of which nothing is known, at `now`.
    pub(super) fn new(url: ServerUrl, now: Instant) -> Self {
        Self {
            name: url.authority().into(),
            url,
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            base: now,
            in_flight: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            pause: AtomicU32::new(1),
            is_tried: AtomicBool::new(false),
            is_ill: AtomicBool::new(false),
            contrary: AtomicU32::new(0),
        }
    }

    /// Its address, `HOST:PORT`.
    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many requests it has.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it may get a request: it is well and in, or it is time to try whether it is back.
    pub(super) fn is_available(&self, now: Instant) -> bool {
        let out_until = self.out_until.load(Ordering::Relaxed);
        let may_be_tried =
            || self.since(now) >= out_until && !self.is_tried.load(Ordering::Relaxed);
        !self.is_ill.load(Ordering::Relaxed) && (out_until == 0 || may_be_tried())
    }

    /// Gives it a request, whether it is available or not.
    pub(super) fn attempt(self: &Arc<Self>, now: Instant) -> Attempt {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let out_until = self.out_until.load(Ordering::Relaxed);
        let is_time = out_until > 0 && self.since(now) >= out_until;
        Attempt {
            server: Arc::clone(self),
            tries: is_time && !self.is_tried.swap(true, Ordering::Relaxed),
        }
    }

    /// A check has found it well, or not.
    pub(super) fn checked(&self, is_well: bool, health: &HealthConfig) -> Option<Change> {
        let is_ill = self.is_ill.load(Ordering::Relaxed);
        if is_ill != is_well {
            self.contrary.store(0, Ordering::Relaxed);
            return None;
        }
        let needed = if is_well {
            health.healthy
        } else {
            health.unhealthy
        };
        if self.contrary.fetch_add(1, Ordering::Relaxed) + 1 < needed {
            return None;
        }
        self.contrary.store(0, Ordering::Relaxed);
        self.is_ill.store(!is_well, Ordering::Relaxed);
        if is_well {
            // What was held against it happened to one that was ill.
            self.come_back();
        }
        Some(if is_well { Change::Back } else { Change::Out })
    }

    fn come_back(&self) -> bool {
        self.failures.store(0, Ordering::Relaxed);
        self.pause.store(1, Ordering::Relaxed);
        self.out_until.swap(0, Ordering::Relaxed) > 0
    }

    fn since(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.base).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

impl Attempt {
    pub(super) const fn server(&self) -> &Arc<ServerState> {
        &self.server
    }

    /// The server has begun to answer.
    pub(super) fn succeeded(&self) -> Option<Change> {
        // The usual case costs two loads.
        let server = &self.server;
        if server.failures.load(Ordering::Relaxed) == 0
            && server.out_until.load(Ordering::Relaxed) == 0
        {
            return None;
        }
        server.come_back().then_some(Change::Back)
    }

    /// The server could not be asked, or did not answer.
    pub(super) fn failed(&self, breaker: &BreakerConfig, now: Instant) -> Option<Change> {
        let server = &self.server;
        let failures = server
            .failures
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        if breaker.after == 0 || failures < breaker.after {
            return None;
        }
        let was_out = server.out_until.load(Ordering::Relaxed) > 0;
        // Of requests that were under way already each further failure says nothing new.
        if was_out && !self.tries {
            return None;
        }
        let times = server.pause.load(Ordering::Relaxed).clamp(1, LONGEST_PAUSE);
        let until = now + breaker.pause.get() * times;
        server
            .out_until
            .store(server.since(until).max(1), Ordering::Relaxed);
        server.pause.store(times * 2, Ordering::Relaxed);
        (!was_out).then_some(Change::Out)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.server.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.tries {
            self.server.is_tried.store(false, Ordering::Relaxed);
        }
    }
}
