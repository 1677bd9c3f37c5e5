//! The live tables behind [`Facts`].

use std::hash::Hasher;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::Serialize;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::rates::{self, Rate};
use super::table::{Entry, Table, TableStatistics, Worth};
use super::windows::Seen;
use super::{Facts, Key, LONGEST, Quota, Taken, Window};

/// The facts of a running process: one bounded table for rates, one for windows, one for holds.
///
/// The tables are apart so that a flood of one kind of fact pushes out none of another. The rates get the whole of
/// `max_keys`; windows and holds, which only clients get that already behaved badly, a sixty-fourth and a quarter. All of
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
    rates: Table<Rate>,
    windows: Table<Seen>,
    holds: Table<Hold>,
}

/// How full the tables are, and what that cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ClientsStatistics {
    /// What was taken from limits.
    pub rates: TableStatistics,
    /// Distinct things seen.
    pub windows: TableStatistics,
    /// Who is held until when.
    pub holds: TableStatistics,
}

/// Until when a key is held, in nanoseconds since the tables' epoch.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: u64,
}

/// The share of `max_keys` that windows get, one in so many: they are the largest.
const WINDOWS_SHARE: usize = 64;

/// The share of `max_keys` that holds get, one in so many: they are small, and one that finds no place is a client let go.
const HOLDS_SHARE: usize = 4;

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
            rates: Table::new(max_keys),
            windows: Table::new(max_keys / WINDOWS_SHARE),
            holds: Table::new(max_keys / HOLDS_SHARE),
        }
    }

    /// Small tables to be thrown away: for `explain`, the self-test, and tests.
    #[must_use]
    pub fn scratch() -> Self {
        Self::new(4096, [0; 16])
    }

    /// Changes the caps, as a reload may. What is stored stays; tables that are now too large shrink as new keys come.
    pub fn resize(&self, max_keys: usize) {
        self.rates.resize(max_keys);
        self.windows.resize(max_keys / WINDOWS_SHARE);
        self.holds.resize(max_keys / HOLDS_SHARE);
    }

    /// How full the tables are, and what that cost so far.
    #[must_use]
    pub fn statistics(&self) -> ClientsStatistics {
        ClientsStatistics {
            rates: self.rates.statistics(),
            windows: self.windows.statistics(),
            holds: self.holds.statistics(),
        }
    }

    /// What the rates, the windows and the holds occupy.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> [usize; 3] {
        [self.rates.bytes(), self.windows.bytes(), self.holds.bytes()]
    }

    /// Nanoseconds since the epoch.
    fn since_epoch(&self, now: Instant) -> u64 {
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
        let now = self.since_epoch(now);
        self.windows.change(key, now, |seen| match seen {
            Some(seen) => (seen.note(item, weight, window, now), None),
            None => {
                let mut seen = Seen::default();
                (seen.note(item, weight, window, now), Some(seen))
            }
        })
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

/// A span in nanoseconds, at most [`LONGEST`].
fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).map_or(LONGEST, |nanoseconds| nanoseconds.min(LONGEST))
}
