//! Rates: the generic cell rate algorithm of `governor`, over a [`Table`] of ours and at the caller's `now`.
//!
//! `governor` decides; this file gives it a place to keep its one number per key (the *theoretical arrival time*: when
//! all that the key took will have been paid back) and a clock that shows what the caller passed in. Its limiter holds
//! nothing but quota, store and clock, so one is made for each decision.
//!
//! Beside the arrival time an entry keeps the interval at which it is paid back. When a reload changes a quota, what a
//! key owes is carried over in cells: who had taken 30 of 60 owes 30 cells of the new quota, though never more than one
//! full burst, so that a stricter limit refuses nobody for longer than it takes anybody to earn a cell. A change of the
//! burst alone moves nothing: the cells that were taken stay taken.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;

use super::table::{Entry, Table, Worth};
use super::{Key, LONGEST, Quota, Taken};

/// What a key took and has not paid back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// When everything will be paid back, in nanoseconds since the tables' epoch.
    arrival: u64,
    /// In how many nanoseconds one cell is paid back.
    interval: u64,
}

/// Takes one cell from `key`, as [`Facts::take`](super::Facts::take) says.
pub(super) fn take(table: &Table<Rate>, key: Key, quota: Quota, now: u64) -> Taken {
    let interval = interval(quota);
    let quota = governor::Quota::with_period(Duration::from_nanos(interval))
        .expect("an interval is at least one nanosecond")
        .allow_burst(quota.burst);
    let store = Store {
        table,
        interval,
        burst: quota.burst_size(),
        now,
        arrival: Cell::new(now),
    };
    let limiter = RateLimiter::<_, _, _, StateInformationMiddleware>::new(
        quota,
        store,
        CallersClock(Cell::new(0)),
    );
    // The limiter has read its start, the epoch; from here on the clock shows the caller's time.
    limiter.clock().0.set(now);
    let decision = limiter.check_key(&key);
    let arrival = limiter.into_state_store().arrival.get();
    let reset = Duration::from_nanos(arrival.saturating_sub(now));
    match decision {
        Ok(state) => Taken {
            allowed: true,
            remaining: state.remaining_burst_capacity(),
            retry_after: Duration::ZERO,
            reset,
        },
        Err(not_until) => Taken {
            allowed: false,
            remaining: 0,
            retry_after: not_until.wait_time_from(Nanos::new(now)),
            reset,
        },
    }
}

/// The nanoseconds in which a quota gives back one cell: rounded down, so that after `per` a full `limit` is there
/// again, at least one, and so few that a full burst is paid back within [`LONGEST`].
fn interval(quota: Quota) -> u64 {
    let interval = quota.per.as_nanos() / u128::from(quota.limit.get());
    let most = LONGEST / u64::from(quota.burst.get());
    u64::try_from(interval).unwrap_or(u64::MAX).clamp(1, most)
}

/// One key's place in the table, as `governor` sees it for one decision.
struct Store<'t> {
    table: &'t Table<Rate>,
    interval: u64,
    burst: NonZeroU32,
    now: u64,
    /// The arrival time after the decision.
    arrival: Cell<u64>,
}

/// Shows what it was last told, in nanoseconds since the tables' epoch.
struct CallersClock(Cell<u64>);

impl StateStore for Store<'_> {
    type Key = Key;

    fn measure_and_replace<T, F, E>(&self, key: &Key, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.table.change(*key, self.now, |known| {
            let Some(rate) = known else {
                return match decide(None) {
                    Ok((allowed, arrival)) => (Ok(allowed), Some(self.rate(arrival))),
                    Err(refused) => (Err(refused), None),
                };
            };
            rate.convert(self.interval, self.burst, self.now);
            let decision = decide(Some(Nanos::new(rate.arrival))).map(|(allowed, arrival)| {
                *rate = self.rate(arrival);
                allowed
            });
            self.arrival.set(rate.arrival);
            (decision, None)
        })
    }
}

impl Store<'_> {
    fn rate(&self, arrival: Nanos) -> Rate {
        self.arrival.set(arrival.as_u64());
        Rate {
            arrival: arrival.as_u64(),
            interval: self.interval,
        }
    }
}

impl Clock for CallersClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.get())
    }
}

impl Rate {
    /// Carries what is owed over to another interval.
    fn convert(&mut self, interval: u64, burst: NonZeroU32, now: u64) {
        if self.interval == interval {
            return;
        }
        let owed = self.owed(now).saturating_mul(u128::from(interval)) / CELL;
        let full = interval.saturating_mul(u64::from(burst.get()));
        let owed = u64::try_from(owed).unwrap_or(full).min(full);
        *self = Self {
            arrival: now.saturating_add(owed),
            interval,
        };
    }

    /// What is owed at `now`, in fractions of a [`CELL`].
    fn owed(&self, now: u64) -> u128 {
        u128::from(self.arrival.saturating_sub(now)).saturating_mul(CELL)
            / u128::from(self.interval.max(1))
    }
}

/// How finely what is owed is measured: fine enough to carry it over without loss, coarse enough to fit.
const CELL: u128 = 1 << 32;

impl Entry for Rate {
    /// A key is worth the cells that would be forgotten with it. So a flood of new keys, which owe one cell each, pushes
    /// out its own; and who used up much of a limit is not forgotten for it.
    fn worth(&self, now: u64) -> Worth {
        match self.owed(now) {
            0 => Worth::Idle,
            owed => Worth::Some(u64::try_from(owed).unwrap_or(u64::MAX)),
        }
    }
}
