//! Sliding windows over distinct things: which ones a key asked for lately, and how much they weigh together.

use super::Window;
use super::table::{Entry, Worth};

/// The distinct items seen under one key, the least recently seen first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    items: Vec<Item>,
    /// When the last item will have left the window, in nanoseconds since the tables' epoch.
    empty_at: u64,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    at: u64,
    /// Folded from 64 bits: that two of one client's few items are taken for one is rare and costs one count.
    hash: u32,
    weight: u32,
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
