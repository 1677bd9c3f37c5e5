//! The live tables behind [`Facts`].

use std::hash::Hasher;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::agents::Agents;
use super::bans::{BanOrder, Bans, InForce};
use super::rates::{self, Rate};
use super::reaction::{BanPolicy, Offence, Served};
use super::table::{Entry, Table, TableStatistics, Worth};
use super::traffic::Traffic;
use super::windows::Seen;
use super::{Facts, Key, Quota, Taken, Window, nanoseconds};
use crate::request::ClientIdentity;

/// The facts of a running process: a bounded table for each kind of fact.
///
/// The tables are apart so that a flood of one kind of fact pushes out none of another. The rates get the whole of
/// `max_keys`; the others, most of which only clients get that already behaved badly, a share of it. All of
/// them full, with a million clients that guess as much as `enumeration` remembers by default, they stay below 128 MiB
/// (measured by `soak_a_million_clients_fit_whatever_they_do`): a window needs 16 bytes for each remembered item.
///
/// When a table is full, the idle keys go first and then those with the least to forget; a hold never goes before its
/// time. [`Self::statistics`] counts what went, and `/readyz` shows it.
#[derive(Debug)]
pub struct Clients {
    seed: [u8; 16],
    /// The first `now` that anybody passed in. Earlier ones count as this one.
    epoch: OnceLock<Instant>,
    /// The time of day at the epoch.
    pub(super) began: OnceLock<jiff::Timestamp>,
    rates: Table<Rate>,
    pub(super) windows: Table<Seen>,
    holds: Table<Hold>,
    pub(super) bans: Bans,
    /// The refused requests of each client.
    pub(super) conduct: Table<Seen>,
    /// How many there were.
    pub(super) offences: AtomicU64,
    pub(super) agents: Table<Agents>,
    pub(super) traffic: Traffic,
}

/// How full the tables are, and what that cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientsStatistics {
    /// What was taken from limits.
    pub rates: TableStatistics,
    /// Distinct things seen.
    pub windows: TableStatistics,
    /// Who is held until when, in monitor mode.
    pub holds: TableStatistics,
    /// Who is banned, or was so lately.
    pub bans: TableStatistics,
    /// Refused requests that add up to a ban.
    pub conduct: TableStatistics,
    /// User agents that addresses were seen with.
    pub agents: TableStatistics,
}

/// Until when a key is held, in nanoseconds since the tables' epoch.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: u64,
}

/// The share of `max_keys` that windows get, one in so many: they are the largest.
const WINDOWS_SHARE: usize = 72;

/// The share of `max_keys` that bans, holds and user agents get, one in so many. With this share the shards of the default
/// fill tables of a power of two nearly up, which an eighth or a sixteenth leave half empty.
const CLIENTS_SHARE: usize = 18;

impl Clients {
    /// The keys that a process remembers where nothing else is configured.
    pub const DEFAULT_MAX_KEYS: usize = 1_000_000;

    /// Empty tables for at most `max_keys` rates. `seed` keys the hashes of everything that is stored and must be random
    /// in each process; an outsider who knows it can make keys collide.
    #[must_use]
    pub fn new(max_keys: usize, seed: [u8; 16]) -> Self {
        Self {
            seed,
            epoch: OnceLock::new(),
            began: OnceLock::new(),
            rates: Table::new(max_keys),
            windows: Table::new(max_keys / WINDOWS_SHARE),
            holds: Table::new(max_keys / CLIENTS_SHARE),
            bans: Bans::new(max_keys / CLIENTS_SHARE),
            conduct: Table::new(max_keys / WINDOWS_SHARE),
            offences: AtomicU64::new(0),
            agents: Table::new(max_keys / CLIENTS_SHARE),
            traffic: Traffic::default(),
        }
    }

    /// Small tables to be thrown away: for `explain`, the self-test, and tests.
    #[must_use]
    pub fn scratch() -> Self {
        Self::new(4096, [0; 16])
    }

    /// Says what time of day it is at `now`. Bans are listed and stored by the time of day.
    pub fn begin(&self, now: Instant, time: jiff::Timestamp) {
        let since = self.since_epoch(now);
        let since = jiff::SignedDuration::from_nanos(i64::try_from(since).unwrap_or(i64::MAX));
        // Whoever said so before is believed: the clock of the tables does not jump.
        let _ = self.began.set(time.checked_sub(since).unwrap_or(time));
    }

    /// Changes the caps and the prefix that IPv6 clients are counted by, as a reload may. What is stored stays; tables
    /// that are now too large shrink as new keys come.
    pub fn configure(&self, max_keys: usize, ipv6_prefix: u8, now: Instant) {
        self.rates.resize(max_keys);
        self.windows.resize(max_keys / WINDOWS_SHARE);
        self.holds.resize(max_keys / CLIENTS_SHARE);
        self.conduct.resize(max_keys / WINDOWS_SHARE);
        self.agents.resize(max_keys / CLIENTS_SHARE);
        let key = |address| self.ban_key(address);
        self.bans
            .configure(max_keys / CLIENTS_SHARE, ipv6_prefix, key, self.now(now));
    }

    /// How full the tables are, and what that cost so far.
    #[must_use]
    pub fn statistics(&self) -> ClientsStatistics {
        ClientsStatistics {
            rates: self.rates.statistics(),
            windows: self.windows.statistics(),
            holds: self.holds.statistics(),
            bans: self.bans.statistics(),
            conduct: self.conduct.statistics(),
            agents: self.agents.statistics(),
        }
    }

    /// What the tables occupy: rates, windows, holds, bans, conduct, agents.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> [usize; 6] {
        [
            self.rates.bytes(),
            self.windows.bytes(),
            self.holds.bytes(),
            self.bans.bytes(),
            self.conduct.bytes(),
            self.agents.bytes(),
        ]
    }

    /// Nanoseconds since the epoch.
    pub(super) fn since_epoch(&self, now: Instant) -> u64 {
        let epoch = *self.epoch.get_or_init(|| now);
        nanoseconds(now.saturating_duration_since(epoch))
    }
}

impl Facts for Clients {
    fn key(&self, space: &str, value: &[u8]) -> Key {
        let mut hasher = SipHasher13::new_with_key(&self.seed);
        // The length keeps `("ab", "c")` apart from `("a", "bc")`.
        hasher.write_usize(space.len());
        hasher.write(space.as_bytes());
        hasher.write(value);
        Key(hasher.finish128().as_u128())
    }

    fn take(&self, key: Key, quota: Quota, now: Instant) -> Taken {
        rates::take(&self.rates, key, quota, self.since_epoch(now))
    }

    fn note_distinct(&self, key: Key, item: u64, weight: u32, window: Window, now: Instant) -> u32 {
        note_in(
            &self.windows,
            key,
            (item, weight),
            window,
            self.since_epoch(now),
        )
    }

    fn hold(&self, key: Key, span: Duration, now: Instant) {
        let now = self.since_epoch(now);
        let until = now + nanoseconds(span);
        self.holds.change(key, now, |hold| match hold {
            Some(hold) => {
                hold.until = hold.until.max(until);
                ((), None)
            }
            None => ((), Some(Hold { until })),
        });
    }

    fn held(&self, key: Key, now: Instant) -> Option<Duration> {
        let until = self.holds.look(key, |hold| hold.until)?;
        let left = until.checked_sub(self.since_epoch(now))?;
        (left > 0).then(|| Duration::from_nanos(left))
    }

    fn banned(&self, client: &ClientIdentity, now: Instant) -> Option<InForce> {
        self.find_ban(client, now)
    }

    fn ban(&self, client: &ClientIdentity, order: &BanOrder, now: Instant) {
        self.order(client, order, now);
    }

    fn offend(
        &self,
        client: &ClientIdentity,
        offence: &Offence<'_>,
        policy: &BanPolicy,
        now: Instant,
    ) {
        self.note_offence(client, offence, policy, now);
    }

    fn note_served(&self, client: &ClientIdentity, served: &Served<'_>, now: Instant) {
        self.note_answered(client, served, now);
    }
}

/// Notes an item of a weight under a key of a table of windows, and returns the weight of all within the window.
pub(super) fn note_in(
    table: &Table<Seen>,
    key: Key,
    (item, weight): (u64, u32),
    window: Window,
    ticks: u64,
) -> u32 {
    table.change(key, ticks, |seen| match seen {
        Some(seen) => (seen.note(item, weight, window, ticks), None),
        None => {
            let mut seen = Seen::default();
            (seen.note(item, weight, window, ticks), Some(seen))
        }
    })
}

impl Entry for Hold {
    fn worth(&self, now: u64) -> Worth {
        if self.until <= now {
            Worth::Idle
        } else {
            Worth::Pinned
        }
    }
}
