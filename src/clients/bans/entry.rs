//! One client in the table of bans.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ipnet::IpNet;

use super::super::nanoseconds;
use super::super::table::{Entry as Kept, Worth};
use super::{Ban, BanOrder, BanSource, Cause, InForce, Level, NEVER, Now, later};

/// A client that is banned, or was so lately.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) client: IpNet,
    cause: Arc<Cause>,
    since: jiff::Timestamp,
    /// When the ban ends, in nanoseconds since the tables' epoch.
    until: u64,
    level: u8,
    /// Until when the level is remembered.
    forget_at: u64,
    hits: AtomicU64,
}

impl Entry {
    pub(super) fn new(client: IpNet, order: &BanOrder, until: u64, level: Level, now: Now) -> Self {
        let mut entry = Self {
            client,
            cause: Arc::clone(&order.cause),
            since: now.time,
            until,
            level: 0,
            forget_at: 0,
            hits: AtomicU64::new(0),
        };
        entry.take(level);
        entry
    }

    /// What was stored of a ban; its level is remembered as long as `forget` says now.
    pub(super) fn restored(ban: Ban, forget: Duration, now: Now) -> Self {
        let until = ban.until.map_or(NEVER, |until| ticks_at(until, now));
        let forgotten = ban.until.and_then(|until| later(until, forget));
        Self {
            client: ban.client,
            cause: ban.cause,
            since: ban.since,
            until,
            level: ban.level,
            forget_at: forgotten.map_or(NEVER, |at| ticks_at(at, now)),
            hits: AtomicU64::new(ban.hits),
        }
    }

    /// Takes over another ban of the same client, unless the one there is in force for longer. One that would be the next in a
    /// row is none while the one before is in force: requests that were under way then are no reason for a longer ban.
    pub(super) fn renew(&mut self, order: &BanOrder, until: u64, level: Level, now: Now) -> bool {
        let was_active = self.is_active(now.ticks);
        let is_next = matches!(level, Level::Becomes(..));
        let by_policy = self.cause.source == BanSource::Policy;
        if was_active && (self.until >= until || is_next && by_policy) {
            return false;
        }
        if !was_active {
            self.since = now.time;
            self.hits = AtomicU64::new(0);
            if self.is_forgotten(now.ticks) {
                self.level = 0;
            }
        }
        self.cause = Arc::clone(&order.cause);
        self.until = until;
        self.take(level);
        true
    }

    /// Takes over what another process knows of the same client.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.until > self.until {
            self.cause = Arc::clone(&other.cause);
            (self.since, self.until) = (other.since, other.until);
        }
        self.level = self.level.max(other.level);
        self.forget_at = self.forget_at.max(other.forget_at);
    }

    fn take(&mut self, level: Level) {
        if let Level::Becomes(level, forget) = level {
            self.level = level;
            self.forget_at = self.until.saturating_add(nanoseconds(forget));
        }
    }

    /// The ban, if it is in force; a request is refused by it.
    pub(super) fn hit(&self, ticks: u64) -> Option<InForce> {
        self.is_active(ticks).then(|| {
            self.hits.fetch_add(1, Ordering::Relaxed);
            let left = self.until - ticks;
            InForce {
                client: self.client,
                cause: Arc::clone(&self.cause),
                left: (self.until != NEVER).then(|| Duration::from_nanos(left)),
            }
        })
    }

    pub(super) const fn is_active(&self, ticks: u64) -> bool {
        self.until > ticks
    }

    pub(super) const fn is_forgotten(&self, ticks: u64) -> bool {
        self.until <= ticks && self.forget_at <= ticks
    }

    /// How many bans in a row there were, as far as that is remembered.
    pub(super) const fn level(&self, ticks: u64) -> u8 {
        if self.is_forgotten(ticks) {
            0
        } else {
            self.level
        }
    }

    /// The ban as it is listed.
    pub(super) fn shown(&self, now: Now) -> Ban {
        let until = (self.until != NEVER).then(|| time_at(self.until, now));
        Ban {
            client: self.client,
            cause: Arc::clone(&self.cause),
            since: self.since,
            until,
            level: self.level,
            hits: self.hits.load(Ordering::Relaxed),
        }
    }
}

impl Kept for Entry {
    fn worth(&self, now: u64) -> Worth {
        if self.is_active(now) {
            Worth::Pinned
        } else if self.is_forgotten(now) {
            Worth::Idle
        } else {
            Worth::Some(self.level.into())
        }
    }

    #[cfg(test)]
    fn owned_bytes(&self) -> usize {
        if Arc::strong_count(&self.cause) > 2 {
            // Many share it.
            return 0;
        }
        // The cause and the text in it, with what two allocations cost beside their bytes.
        size_of::<Cause>() + self.cause.reason.len() + 4 * size_of::<usize>() + 32
    }
}

/// A time of day by the tables' clock; 0 for what was before its epoch.
pub(super) fn ticks_at(time: jiff::Timestamp, now: Now) -> u64 {
    let ahead = i128::from(now.ticks) + time.duration_since(now.time).as_nanos();
    u64::try_from(ahead.max(0)).unwrap_or(NEVER)
}

/// A time of the tables' clock as the time of day; to the millisecond, so that it is the same whenever it is asked for.
fn time_at(ticks: u64, now: Now) -> jiff::Timestamp {
    let ahead = i128::from(ticks) - i128::from(now.ticks);
    let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
    let at = now
        .time
        .checked_add(jiff::SignedDuration::from_nanos(ahead));
    at.ok()
        .and_then(|at| jiff::Timestamp::from_millisecond(at.as_millisecond()).ok())
        .unwrap_or(jiff::Timestamp::MAX)
}
