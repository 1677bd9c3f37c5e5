//! A map from keys to facts that never grows beyond its cap.
//!
//! A [`DashMap`] keeps the facts, in shards with a lock each. Beside every shard lies a ring of its keys. A key that
//! comes when its shard is full takes the place of another one: the ring's hand moves over the next [`PROBES`] keys and
//! stops at the first that is idle, and where none is, the one least worth keeping goes. So an insert at the cap costs a
//! fixed amount of work under one shard's lock, the hand comes round to every key, and no sweep over the whole map is
//! ever needed. A pinned key never goes: where the hand finds nothing else, the new key is
//! turned away, and that is counted.
//!
//! The ring costs the 16 bytes of a key for each entry. It is there because the map's own slots can be sampled only by
//! `unsafe` code.

use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dashmap::{DashMap, SharedValue};
use serde::Serialize;

use super::Key;

/// A fact that knows how much would be lost with it.
pub(super) trait Entry {
    /// What the fact is worth at `now`, in nanoseconds since the tables' epoch.
    fn worth(&self, now: u64) -> Worth;

    /// The bytes that it owns elsewhere.
    #[cfg(test)]
    fn owned_bytes(&self) -> usize {
        0
    }
}

/// What would be lost with a fact; the least is given up first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Worth {
    /// Nothing: the fact says no more than its absence would.
    Idle,
    /// As much, by a measure that holds within one table.
    Some(u64),
    /// It must stay.
    Pinned,
}

/// How full a table is, and what that cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TableStatistics {
    /// Keys in the table.
    pub entries: usize,
    /// Keys that it may hold.
    pub capacity: usize,
    /// Keys that gave up their place to another, idle ones included.
    pub evictions: u64,
    /// Keys that were turned away because nothing could be given up for them.
    pub refusals: u64,
}

/// A bounded map; see the module.
pub(super) struct Table<V> {
    map: DashMap<Key, V, ByKey>,
    /// One for each shard of `map`, locked only by who holds that shard's write lock.
    rings: Box<[Mutex<Ring>]>,
    keys_per_shard: AtomicUsize,
    entries: AtomicUsize,
    evictions: AtomicU64,
    refusals: AtomicU64,
}

/// The keys of one shard in the order in which they are considered for eviction.
#[derive(Debug, Default)]
struct Ring {
    keys: Vec<Key>,
    hand: usize,
}

/// How many keys are looked at to find the one that goes.
const PROBES: usize = 8;

/// How many keys a shard should hold for an eviction to have a choice, where the cap allows it.
const KEYS_PER_SHARD: usize = 256;

/// As many shards as keep a few dozen cores out of each other's way; more only cost memory.
const MOST_SHARDS: usize = 1024;

// === impl Table ===

impl<V: Entry> Table<V> {
    /// A table of at most `capacity` keys, at least one per shard.
    pub(super) fn new(capacity: usize) -> Self {
        let shards = (capacity / KEYS_PER_SHARD)
            .next_power_of_two()
            .clamp(2, MOST_SHARDS);
        let table = Self {
            map: DashMap::with_capacity_and_hasher_and_shard_amount(0, ByKey, shards),
            rings: (0..shards).map(|_| Mutex::default()).collect(),
            keys_per_shard: AtomicUsize::new(0),
            entries: AtomicUsize::new(0),
            evictions: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
        };
        table.resize(capacity);
        table
    }

    /// Changes the cap. The number of shards stays, and a table that is too large shrinks by one key for each that comes.
    pub(super) fn resize(&self, capacity: usize) {
        let keys_per_shard = (capacity / self.rings.len()).max(1);
        self.keys_per_shard.store(keys_per_shard, Ordering::Relaxed);
    }

    /// Lets `change` see and change the fact under `key`, alone. Where there is none, `change` is shown `None`, and the
    /// fact that it returns is kept if a place can be found for it.
    pub(super) fn change<R>(
        &self,
        key: Key,
        now: u64,
        change: impl FnOnce(Option<&mut V>) -> (R, Option<V>),
    ) -> R {
        let index = self.map.determine_shard(self.map.hash_usize(&key));
        let (Some(shard), Some(ring)) = (self.map.shards().get(index), self.rings.get(index))
        else {
            return change(None).0;
        };
        let mut facts = shard.write();
        if let Some((_, fact)) = facts.get_mut(key.short(), |(other, _)| *other == key) {
            return change(Some(fact.get_mut())).0;
        }
        let (answer, fresh) = change(None);
        let Some(fact) = fresh else { return answer };

        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        let keys_per_shard = self.keys_per_shard.load(Ordering::Relaxed);
        // At most one key goes for the new one, and one more where the cap was lowered.
        for _ in 0..2 {
            let worth = |candidate: Key| {
                facts
                    .get(candidate.short(), |(other, _)| *other == candidate)
                    .map_or(Worth::Idle, |(_, fact)| fact.get().worth(now))
            };
            let Some(given_up) = ring.give_up(keys_per_shard, worth) else {
                break;
            };
            facts.remove_entry(given_up.short(), |(other, _)| *other == given_up);
            self.entries.fetch_sub(1, Ordering::Relaxed);
            self.evictions.fetch_add(1, Ordering::Relaxed);
        }
        if ring.keys.len() < keys_per_shard {
            ring.keys.push(key);
            facts.insert_entry(key.short(), (key, SharedValue::new(fact)), |(key, _)| {
                key.short()
            });
            self.entries.fetch_add(1, Ordering::Relaxed);
        } else {
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// What `look` says of the fact under `key`; `None` where there is none.
    pub(super) fn look<R>(&self, key: Key, look: impl FnOnce(&V) -> R) -> Option<R> {
        let index = self.map.determine_shard(self.map.hash_usize(&key));
        let facts = self.map.shards().get(index)?.read();
        let (_, fact) = facts.get(key.short(), |(other, _)| *other == key)?;
        Some(look(fact.get()))
    }

    /// Shows every fact, one shard after the other; whoever wants to change one of that shard waits meanwhile.
    pub(super) fn each(&self, mut show: impl FnMut(&V)) {
        self.map.iter().for_each(|entry| show(entry.value()));
    }

    /// Lets `visit` see and change every fact with its key, one shard after the other.
    pub(super) fn each_mut(&self, mut visit: impl FnMut(Key, &mut V)) {
        for mut entry in self.map.iter_mut() {
            let (key, fact) = entry.pair_mut();
            visit(*key, fact);
        }
    }

    /// Forgets what is not to be kept, one shard after the other.
    pub(super) fn retain(&self, keep: impl Fn(&V) -> bool) {
        let over = self.map.iter().filter(|entry| !keep(entry.value()));
        let over: Vec<Key> = over.map(|entry| *entry.key()).collect();
        for key in over {
            self.remove_if(key, |fact| !keep(fact));
        }
    }

    /// Forgets the fact under `key`.
    pub(super) fn remove(&self, key: Key) {
        self.remove_if(key, |_| true);
    }

    fn remove_if(&self, key: Key, is_over: impl FnOnce(&V) -> bool) {
        let index = self.map.determine_shard(self.map.hash_usize(&key));
        let (Some(shard), Some(ring)) = (self.map.shards().get(index), self.rings.get(index))
        else {
            return;
        };
        let mut facts = shard.write();
        let is_over = facts
            .get(key.short(), |(other, _)| *other == key)
            .is_some_and(|(_, fact)| is_over(fact.get()));
        if !is_over {
            return;
        }
        facts.remove_entry(key.short(), |(other, _)| *other == key);
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = ring.keys.iter().position(|other| *other == key) {
            ring.keys.swap_remove(slot);
        }
        self.entries.fetch_sub(1, Ordering::Relaxed);
    }

    /// How full the table is, and what that cost so far.
    pub(super) fn statistics(&self) -> TableStatistics {
        TableStatistics {
            entries: self.entries.load(Ordering::Relaxed),
            capacity: self.keys_per_shard.load(Ordering::Relaxed) * self.rings.len(),
            evictions: self.evictions.load(Ordering::Relaxed),
            refusals: self.refusals.load(Ordering::Relaxed),
        }
    }

    /// The bytes that shards and rings occupy, and what the facts own elsewhere.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let shards = self.map.shards().iter().map(|shard| {
            let (_, layout) = shard.read().allocation_info();
            layout.size() + size_of_val(shard)
        });
        let rings = self.rings.iter().map(|ring| {
            let ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
            ring.keys.capacity() * size_of::<Key>() + size_of::<Mutex<Ring>>()
        });
        let owned = self.map.iter().map(|entry| entry.value().owned_bytes());
        shards.sum::<usize>() + rings.sum::<usize>() + owned.sum::<usize>()
    }
}

impl<V> fmt::Debug for Table<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("entries", &self.entries)
            .field("evictions", &self.evictions)
            .finish_non_exhaustive()
    }
}

// === impl Ring ===

impl Ring {
    /// Takes the key least worth keeping out of a ring that has no room for one more.
    fn give_up(&mut self, room: usize, worth: impl Fn(Key) -> Worth) -> Option<Key> {
        if self.keys.len() < room {
            return None;
        }
        let slot = self.least(worth)?;
        Some(self.keys.swap_remove(slot))
    }

    /// Moves the hand on to the next idle key, at most [`PROBES`] far, and names the key least worth keeping on the way.
    fn least(&mut self, worth: impl Fn(Key) -> Worth) -> Option<usize> {
        let mut least: Option<(Worth, usize)> = None;
        for _ in 0..PROBES.min(self.keys.len()) {
            let slot = self.hand.checked_rem(self.keys.len())?;
            self.hand = slot + 1;
            let found = worth(*self.keys.get(slot)?);
            if found != Worth::Pinned && least.is_none_or(|(so_far, _)| found < so_far) {
                least = Some((found, slot));
            }
            if found == Worth::Idle {
                break;
            }
        }
        least.map(|(_, slot)| slot)
    }
}

/// Takes the hash of a key out of the key, which is a keyed hash already.
#[derive(Clone, Copy, Debug, Default)]
struct ByKey;

#[derive(Debug, Default)]
struct LowBits(u64);

impl BuildHasher for ByKey {
    type Hasher = LowBits;

    fn build_hasher(&self) -> LowBits {
        LowBits::default()
    }
}

impl Hasher for LowBits {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = Key(key).short();
    }

    /// Keys are hashed by [`Self::write_u128`]; nothing else comes here.
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Entry for u64 {
        /// Zero is idle, the greatest is pinned.
        fn worth(&self, _: u64) -> Worth {
            match *self {
                0 => Worth::Idle,
                Self::MAX => Worth::Pinned,
                worth => Worth::Some(worth),
            }
        }
    }

    /// Keys as well spread as real ones.
    fn key(of: u64) -> Key {
        let spread =
            u128::from(of.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Key(spread ^ (spread >> 61))
    }

    fn put(table: &Table<u64>, of: u64, fact: u64) {
        table.change(key(of), 0, |_| ((), Some(fact)));
    }

    fn has(table: &Table<u64>, of: u64) -> bool {
        table.look(key(of), |_| ()).is_some()
    }

    #[test]
    fn a_flood_of_five_times_the_cap_stays_within_it() {
        let table = Table::new(10_000);
        for of in 0..50_000 {
            put(&table, of, 1);
        }
        let statistics = table.statistics();
        assert!(statistics.entries <= 10_000, "{statistics:?}");
        assert!(statistics.entries > 9_000, "{statistics:?}");
        assert_eq!(statistics.evictions, 50_000 - statistics.entries as u64);
        assert_eq!(statistics.refusals, 0);
        let counted: usize = table
            .map
            .shards()
            .iter()
            .map(|shard| shard.read().len())
            .sum();
        assert_eq!(counted, statistics.entries);
    }

    #[test]
    fn an_idle_key_goes_before_any_other_and_the_least_of_the_others_before_the_rest() {
        for (cheap, expected) in [(0, "idle"), (5, "least")] {
            // Two shards of eight keys; the first is filled with seven worth much and one worth less.
            let table = Table::new(16);
            assert_eq!(table.rings.len(), 2);
            let first_shard: Vec<u64> = (0..1000)
                .filter(|of| table.map.determine_shard(table.map.hash_usize(&key(*of))) == 0)
                .take(9)
                .collect();
            let (last, filling) = first_shard.split_last().expect("nine keys");
            for (at, &of) in filling.iter().enumerate() {
                put(&table, of, if at == 4 { cheap } else { 9 });
            }
            put(&table, *last, 9);
            for (at, &of) in filling.iter().enumerate() {
                assert_eq!(has(&table, of), at != 4, "{expected}: key {at}");
            }
            assert!(has(&table, *last));
        }
    }

    #[test]
    fn a_pinned_key_never_goes_and_what_finds_no_place_is_counted() {
        let table = Table::new(64);
        for of in 0..64 {
            put(&table, of, u64::MAX);
        }
        let pinned: Vec<u64> = (0..64).filter(|of| has(&table, *of)).collect();
        for of in 1000..2000 {
            put(&table, of, 1);
            put(&table, of, u64::MAX);
        }
        assert!(pinned.iter().all(|of| has(&table, *of)));
        let statistics = table.statistics();
        assert!(statistics.entries <= 64);
        assert!(statistics.refusals > 900, "{statistics:?}");
    }

    #[test]
    fn a_lowered_cap_is_approached_key_by_key() {
        let table = Table::new(4_000);
        for of in 0..8_000 {
            put(&table, of, 1);
        }
        table.resize(400);
        for of in 10_000..20_000 {
            put(&table, of, 1);
        }
        assert!(
            table.statistics().entries <= 400,
            "{:?}",
            table.statistics()
        );
        table.resize(4_000);
        for of in 20_000..40_000 {
            put(&table, of, 1);
        }
        assert!(table.statistics().entries > 3_000);
    }
}
