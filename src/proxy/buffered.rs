//! How many bytes of bodies are held at a time, of all requests together: each is bounded by `limits.body`, but there can
//! be as many as there are connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is held of bodies, over all cores.
#[derive(Debug, Default)]
pub struct Buffered {
    bytes: AtomicU64,
}

/// What is held of one body; given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    all: Arc<Buffered>,
    bytes: u64,
    most: u64,
}

impl Held {
    /// Nothing yet. `most` is how much may be held of all together.
    pub(super) fn nothing(all: &Arc<Buffered>, most: u64) -> Self {
        Self {
            all: Arc::clone(all),
            bytes: 0,
            most,
        }
    }

    /// Holds so many bytes more; whether that is within what may be held.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let bytes = bytes as u64;
        self.bytes += bytes;
        let before = self.all.bytes.fetch_add(bytes, Ordering::Relaxed);
        before.saturating_add(bytes) <= self.most
    }

    /// Holds so many bytes less.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = self.bytes.min(bytes as u64);
        self.bytes -= bytes;
        self.all.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_can_be_held_again() {
        let all = Arc::new(Buffered::default());
        let (mut one, mut other) = (Held::nothing(&all, 10), Held::nothing(&all, 10));
        assert!(one.grow(6) && other.grow(4));
        assert!(!other.grow(1));
        other.shrink(2);
        assert!(other.grow(1));
        other.shrink(100);
        assert!(other.grow(4));
        drop(one);
        assert!(other.grow(5));
        drop(other);
        assert_eq!(all.bytes.load(Ordering::Relaxed), 0);
    }
}
