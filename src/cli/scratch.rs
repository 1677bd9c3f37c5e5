//! Facts for a judgement that must leave no trace.

use std::time::{Duration, Instant};

use crate::clients::{Facts, Key, Quota, Taken, Window};

/// The facts of a world in which nobody has been seen before.
pub(super) fn scratch() -> Box<dyn Facts> {
    Box::new(Fresh)
}

#[derive(Debug)]
struct Fresh;

impl Facts for Fresh {
    fn key(&self, _: &str, _: &[u8]) -> Key {
        Key(0)
    }

    fn take(&self, _: Key, quota: Quota, _: Instant) -> Taken {
        Taken {
            allowed: true,
            remaining: quota.burst.get().saturating_sub(1),
            retry_after: Duration::ZERO,
            reset: Duration::ZERO,
        }
    }

    fn note_distinct(&self, _: Key, _: u64, weight: u32, _: Window, _: Instant) -> u32 {
        weight
    }

    fn hold(&self, _: Key, _: Duration, _: Instant) {}

    fn held(&self, _: Key, _: Instant) -> Option<Duration> {
        None
    }
}
