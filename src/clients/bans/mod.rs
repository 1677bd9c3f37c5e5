//! Bans: who is kept out, why, and until when.
//!
//! A ban is of one address block. Blocks of the size that clients are counted by (one IPv4 address, one IPv6 network of
//! `clients.ipv6_prefix`) lie in a bounded table under the client's key, so that asking for one costs one lookup however
//! many there are; other blocks, which only operators ban, are few and lie in a set that is made anew with each change.
//!
//! An entry outlives its ban by the policy's `forget`, for the sake of its level: who is banned again within that time is
//! banned for longer. Where the table is full, such a memory goes before a ban does, and a ban never goes.
//!
//! Every change is put into a journal, from which it is stored and only then told of; see [`Journal`].

mod ban;
mod causes;
mod entry;
mod journal;
mod ranges;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ipnet::IpNet;

pub use self::ban::{Ban, BanOrder, BanSource, Cause, InForce, NotBanned, client_text};
pub use self::journal::{Change, Changed, Journal};

use self::causes::Causes;
use self::entry::Entry;
use self::ranges::Ranges;
use super::table::{Table, TableStatistics};
use super::{Key, nanoseconds};

/// All bans.
#[derive(Debug)]
pub(super) struct Bans {
    table: Table<Entry>,
    ranges: Ranges,
    causes: Causes,
    /// How long the prefix is that IPv6 clients are counted by.
    ipv6_prefix: AtomicU8,
    journal: Journal,
}

/// The most bans of blocks of other sizes than clients are counted by.
pub(super) const MOST_RANGES: usize = 65_536;

/// A time in nanoseconds since the tables' epoch that never comes.
const NEVER: u64 = u64::MAX;

/// When it is, by the tables' clock and by that on the wall.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// Nanoseconds since the tables' epoch.
    pub(super) ticks: u64,
    /// The time of day.
    pub(super) time: jiff::Timestamp,
}

impl Bans {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            table: Table::new(capacity),
            ranges: Ranges::default(),
            causes: Causes::default(),
            ipv6_prefix: AtomicU8::new(64),
            journal: Journal::default(),
        }
    }

    /// Changes the cap, and the prefix that IPv6 clients are counted by. What was banned under another prefix stays so.
    pub(super) fn configure(
        &self,
        capacity: usize,
        ipv6_prefix: u8,
        key: impl Fn(IpAddr) -> Key,
        now: Now,
    ) {
        self.table.resize(capacity);
        if self.ipv6_prefix.swap(ipv6_prefix, Ordering::Relaxed) == ipv6_prefix {
            return;
        }
        let mut moved = Vec::new();
        self.table.each(|entry| {
            if !self.is_counted(entry.client) && entry.is_active(now.ticks) {
                moved.push(entry.shown(now));
            }
        });
        for ban in &moved {
            self.table.remove(key(ban.client.network()));
        }
        // What finds no place is lost: there are more than anybody could have banned by hand.
        let _ = self.ranges.put(moved, now);
    }

    pub(super) const fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(super) fn statistics(&self) -> TableStatistics {
        self.table.statistics()
    }

    /// The ban that keeps out the client of this address, whose key is that of his counting address.
    pub(super) fn find(&self, key: Key, address: IpAddr, ticks: u64) -> Option<InForce> {
        let of_client = self.table.look(key, |entry| entry.hit(ticks));
        of_client
            .flatten()
            .or_else(|| self.ranges.find(address, ticks))
    }

    /// Lifts the ban of exactly this block if it was there at `time`: another process lifted it then.
    pub(super) fn lift_known(&self, key: Key, client: IpNet, time: jiff::Timestamp, now: Now) {
        let known = self.of(key, client, now);
        if known.is_none_or(|known| known.since > time) {
            return;
        }
        if self.is_counted(client) {
            self.table.remove(key);
        } else {
            self.ranges.remove(client, now);
        }
    }

    /// Bans the client of a key. A longer ban that is there already stays, and `None` is returned.
    ///
    /// # Errors
    /// When the table is full of bans.
    pub(super) fn put(
        &self,
        key: Key,
        client: IpNet,
        order: &BanOrder,
        level: Level,
        now: Now,
    ) -> Result<Option<u64>, NotBanned> {
        let until = order
            .span
            .map_or(NEVER, |span| now.ticks.saturating_add(nanoseconds(span)));
        let order = &BanOrder {
            cause: self.causes.shared(&order.cause),
            span: order.span,
        };
        let put = self.table.change(key, now.ticks, |known| match known {
            Some(entry) => (
                entry
                    .renew(order, until, level, now)
                    .then(|| entry.shown(now)),
                None,
            ),
            None => {
                let entry = Entry::new(client, order, until, level, now);
                (Some(entry.shown(now)), Some(entry))
            }
        });
        let Some(ban) = put else { return Ok(None) };
        if self.table.look(key, |_| ()).is_none() {
            return Err(NotBanned::Full);
        }
        Ok(Some(self.journal.write(Changed::Banned(ban))))
    }

    /// Bans blocks that are no client's. Returns those that found no place, and the number of the last change.
    pub(super) fn put_ranges(
        &self,
        orders: &[&(IpNet, BanOrder)],
        now: Now,
    ) -> (Vec<IpNet>, Option<u64>) {
        let ban = |(client, order): &&(IpNet, BanOrder)| Ban {
            client: client.trunc(),
            cause: Arc::clone(&order.cause),
            since: now.time,
            until: order.span.and_then(|span| later(now.time, span)),
            level: 0,
            hits: 0,
        };
        let bans: Vec<Ban> = orders.iter().map(ban).collect();
        let refused = self.ranges.put(bans.clone(), now);
        let is_refused = |ban: &Ban| refused.contains(&ban.client);
        let made = bans.into_iter().filter(|ban| !is_refused(ban));
        let last = made
            .map(|ban| self.journal.write(Changed::Banned(ban)))
            .last();
        (refused, last)
    }

    /// The ban of exactly this block, if it is in force.
    pub(super) fn of(&self, key: Key, client: IpNet, now: Now) -> Option<Ban> {
        if self.is_counted(client) {
            let shown = |entry: &Entry| entry.is_active(now.ticks).then(|| entry.shown(now));
            return self.table.look(key, shown).flatten();
        }
        let mut found = None;
        self.ranges.each(now, |ban| {
            if ban.client == client {
                found = Some(ban.clone());
            }
        });
        found
    }

    /// Lifts the ban of exactly this block, and forgets that there was one.
    pub(super) fn lift(&self, key: Key, client: IpNet, now: Now) -> Option<(Ban, u64)> {
        let ban = if self.is_counted(client) {
            let ban = self.of(key, client, now);
            self.table.remove(key);
            ban
        } else {
            self.ranges.remove(client, now)
        }?;
        let sequence = self.journal.write(Changed::Lifted(ban.clone()));
        Some((ban, sequence))
    }

    /// How many bans in a row the client of a key has had, as far as that is remembered.
    pub(super) fn level(&self, key: Key, ticks: u64) -> u8 {
        let level = self.table.look(key, |entry| entry.level(ticks));
        level.unwrap_or_default()
    }

    /// Puts a stored ban back; one that is over only for the sake of its level.
    ///
    /// # Errors
    /// When there is no place for it.
    pub(super) fn restore(
        &self,
        key: Key,
        ban: Ban,
        forget: Duration,
        now: Now,
    ) -> Result<(), NotBanned> {
        if !self.is_counted(ban.client) {
            return if ban.until.is_none_or(|until| until > now.time) {
                let refused = self.ranges.put([ban], now);
                refused.first().map_or(Ok(()), |_| Err(NotBanned::Full))
            } else {
                Ok(())
            };
        }
        let cause = self.causes.shared(&ban.cause);
        let entry = Entry::restored(Ban { cause, ..ban }, forget, now);
        if entry.is_forgotten(now.ticks) {
            return Ok(());
        }
        self.table.change(key, now.ticks, |known| match known {
            Some(known) => {
                known.merge(&entry);
                ((), None)
            }
            None => ((), Some(entry)),
        });
        self.table.look(key, |_| ()).ok_or(NotBanned::Full)
    }

    /// The bans in force behind `after`, in the order of their blocks, at most `limit`.
    pub(super) fn list(&self, after: Option<IpNet>, limit: usize, now: Now) -> Vec<Ban> {
        // The greatest on top, so that it goes when a lesser one comes.
        let mut least = std::collections::BTreeMap::new();
        let mut consider = |client: IpNet, shown: &dyn Fn() -> Ban| {
            if after.is_some_and(|after| client <= after) {
                return;
            }
            let is_full = least.len() >= limit;
            if is_full
                && least
                    .last_key_value()
                    .is_some_and(|(most, _)| client >= *most)
            {
                return;
            }
            least.insert(client, shown());
            if is_full {
                least.pop_last();
            }
        };
        self.table.each(|entry| {
            if entry.is_active(now.ticks) {
                consider(entry.client, &|| entry.shown(now));
            }
        });
        self.ranges
            .each(now, |ban| consider(ban.client, &|| ban.clone()));
        least.into_values().collect()
    }

    /// How many bans are in force.
    pub(super) fn active(&self, now: Now) -> usize {
        let mut count = 0;
        self.table
            .each(|entry| count += usize::from(entry.is_active(now.ticks)));
        self.ranges.each(now, |_| count += 1);
        count
    }

    /// Removes what is over and forgotten.
    pub(super) fn sweep(&self, now: Now) {
        self.table
            .retain(|entry| entry.is_active(now.ticks) || !entry.is_forgotten(now.ticks));
        self.ranges.sweep(now);
    }

    /// Whether a block is of the size that clients are counted by.
    pub(super) fn is_counted(&self, client: IpNet) -> bool {
        match client {
            IpNet::V4(net) => net.prefix_len() == 32,
            IpNet::V6(net) => net.prefix_len() == self.ipv6_prefix.load(Ordering::Relaxed),
        }
    }

    /// The block that a counting address stands for.
    pub(super) fn block(&self, counting: IpAddr) -> IpNet {
        let length = match counting {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => self.ipv6_prefix.load(Ordering::Relaxed),
        };
        IpNet::new(counting, length).unwrap_or_else(|_| counting.into())
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.table.bytes()
    }
}

/// What a ban does to the level of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// It becomes this, and is remembered so long after the ban.
    Becomes(u8, Duration),
    /// It stays as it is.
    Stays,
}

/// A moment so much later; `None` where no calendar goes that far.
fn later(time: jiff::Timestamp, span: Duration) -> Option<jiff::Timestamp> {
    time.checked_add(jiff::SignedDuration::try_from(span).ok()?)
        .ok()
}
