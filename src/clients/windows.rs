//! Sliding windows over distinct things: which ones a key asked for lately, and how much they weigh together.

use super::table::{Entry, Worth};
use super::{Key, Window};

/// The distinct items seen under one key, the least recently seen first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    items: Vec<Item>,
    /// When the last item will have left the window, in nanoseconds since the tables' epoch.
    empty_at: u64,
    /// Whether it is not stored as it is.
    is_changed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    at: u64,
    /// Folded from 64 bits: that two of one client's few items are taken for one is rare and costs one count.
    hash: u32,
    weight: u32,
}

/// A window as it is stored, at times of day: milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWindow {
    /// The keyed hash of whose it is.
    pub key: u128,
    /// When everything in it will be over.
    pub until: i64,
    /// The items, the oldest first.
    pub items: Vec<StoredItem>,
}

/// An item of a window as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredItem {
    /// Part of a keyed hash of what was seen.
    pub hash: u32,
    /// When it was last seen.
    pub at: i64,
    /// What it weighs.
    pub weight: u32,
}

/// Which windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Windows {
    /// Distinct things that were asked for.
    Seen,
    /// Refused requests.
    Conduct,
}

/// However large a window is asked for, one key remembers no more items than this (64 KiB).
const MOST_ITEMS: usize = 4096;

/// How many items room is made for at a time.
const GROWTH: usize = 8;

impl Seen {
    /// Notes an item at `now` and returns the weight of all within the window. Once the weight is beyond the window's
    /// limit, the items seen longest ago are forgotten as far as it stays beyond: what is remembered is bounded, and it
    /// is the most recent.
    pub(super) fn note(&mut self, hash: u64, weight: u32, window: Window, now: u64) -> u32 {
        let within = u64::try_from(window.within.as_nanos()).unwrap_or(u64::MAX);
        let hash = (hash ^ (hash >> 32)) as u32;
        let weight = weight.max(1);
        let mut known = 0;
        self.items.retain(|item| {
            let same = item.hash == hash;
            if same {
                known = item.weight;
            }
            !same && now.saturating_sub(item.at) < within
        });
        if self.items.len() == self.items.capacity() {
            // By little: most are few, and a vector that doubles would be half empty in every client that guesses.
            self.items.reserve_exact(GROWTH);
        }
        self.items.push(Item {
            hash,
            at: now,
            weight: weight.max(known),
        });
        self.empty_at = now.saturating_add(within);
        self.is_changed = true;

        let mut total = self.total();
        let mut forgotten = 0;
        for item in &self.items {
            let without = total.saturating_sub(item.weight);
            if without <= window.limit && self.items.len() - forgotten <= MOST_ITEMS {
                break;
            }
            total = without;
            forgotten += 1;
        }
        self.items.drain(..forgotten);
        total
    }

    /// What is to be stored of it, once after each change.
    pub(super) fn take_changed(
        &mut self,
        key: Key,
        time: impl Fn(u64) -> i64,
    ) -> Option<StoredWindow> {
        std::mem::take(&mut self.is_changed).then(|| {
            let stored = |item: &Item| StoredItem {
                hash: item.hash,
                at: time(item.at),
                weight: item.weight,
            };
            StoredWindow {
                key: key.0,
                until: time(self.empty_at),
                items: self.items.iter().map(stored).collect(),
            }
        })
    }

    /// What was stored.
    pub(super) fn restored(stored: &StoredWindow, ticks: impl Fn(i64) -> u64) -> Self {
        let item = |item: &StoredItem| Item {
            at: ticks(item.at),
            hash: item.hash,
            weight: item.weight,
        };
        Self {
            items: stored.items.iter().take(MOST_ITEMS).map(item).collect(),
            empty_at: ticks(stored.until),
            is_changed: false,
        }
    }

    fn total(&self) -> u32 {
        self.items
            .iter()
            .fold(0, |total: u32, item| total.saturating_add(item.weight))
    }
}

impl Entry for Seen {
    /// A key is worth the weight that would be forgotten with it.
    fn worth(&self, now: u64) -> Worth {
        if self.empty_at <= now {
            Worth::Idle
        } else {
            Worth::Some(u64::from(self.total()))
        }
    }

    #[cfg(test)]
    fn owned_bytes(&self) -> usize {
        // What an allocation costs beside its bytes is 16.
        self.items.capacity() * size_of::<Item>() + 16
    }
}
