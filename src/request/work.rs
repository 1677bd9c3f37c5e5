//! How much work one head or body may make, for all who decode or judge it.
//!
//! What a sender chooses must not choose how long a core is busy. Work is counted, not timed, so that the same request is
//! judged the same on every machine: a unit is about a nanosecond of one. Everybody takes from the same budget, because a
//! sender does not care who it is that is kept busy: each reading of a body, each of its values, each form of these.

use std::cell::Cell;

/// What is left of the work that a head or a body may make.
#[derive(Clone, Debug)]
pub struct Work {
    left: Cell<u64>,
}

/// Units for each byte of a body.
const FOR_EACH_BYTE: u64 = 80;

/// A body may make as much work as if it were at least this long, so that what is said about it is said about every short
/// one as well.
const AT_LEAST: u64 = 1 << 20;

/// The units of a head, which is never long.
const OF_HEAD: u64 = 8_000_000;

impl Work {
    /// What a head may make.
    #[must_use]
    pub const fn for_head() -> Self {
        Self::of(OF_HEAD)
    }

    /// What a body of `bytes` may make.
    #[must_use]
    pub const fn for_body(bytes: usize) -> Self {
        let bytes = bytes as u64;
        Self::of(FOR_EACH_BYTE.saturating_mul(if bytes < AT_LEAST { AT_LEAST } else { bytes }))
    }

    /// What is only counted to be forgotten.
    #[must_use]
    pub const fn endless() -> Self {
        Self::of(u64::MAX)
    }

    /// What the next piece of a body may make, of so many `bytes`: what those before it have left, and what its own length
    /// allows for. However much they leave, a piece may not make more than a body of its own.
    #[must_use]
    pub fn for_next(&self, bytes: usize) -> Self {
        let more = FOR_EACH_BYTE.saturating_mul(bytes as u64);
        let most = Self::for_body(bytes).left.get();
        Self::of(self.left.get().saturating_add(more).min(most))
    }

    /// Takes the work of something; whether there was enough left.
    #[inline]
    pub fn take(&self, units: usize) -> bool {
        // What is not enough is gone as well, so that nothing is done by halves.
        self.left.set(self.left.get().saturating_sub(units as u64));
        !self.is_exhausted()
    }

    /// Whether as much was asked for as there was.
    #[must_use]
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.left() == 0
    }

    /// How much is left.
    #[must_use]
    #[inline]
    pub fn left(&self) -> u64 {
        self.left.get()
    }

    const fn of(left: u64) -> Self {
        Self {
            left: Cell::new(left),
        }
    }
}

impl Default for Work {
    fn default() -> Self {
        Self::for_head()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_and_stays_ended() {
        let work = Work::for_body(10 << 20);
        for _ in 1..FOR_EACH_BYTE {
            assert!(work.take(10 << 20));
        }
        assert!(!work.take(10 << 20));
        assert!(work.is_exhausted());
        assert!(!work.take(0));
    }

    #[test]
    fn what_is_short_may_make_as_much_as_a_mebibyte() {
        assert_eq!(Work::for_body(0).left(), Work::for_body(1 << 20).left());
        assert!(Work::for_body(2 << 20).left() > Work::for_body(1 << 20).left());
        assert!(Work::for_head().left() < Work::for_body(0).left());
    }

    #[test]
    fn pieces_share_what_a_body_may_make_and_add_for_their_length() {
        let first = Work::for_body(100);
        assert_eq!(first.for_next(100).left(), first.left(), "never more");
        assert!(first.take(1_000_000));
        let second = first.for_next(100);
        assert_eq!(second.left(), first.left() + 100 * FOR_EACH_BYTE);
        // However many there are: what they make grows with their length alone.
        let mut work = Work::for_body(0);
        let mut spent = 0;
        for _ in 0..10_000 {
            work = work.for_next(10);
            spent += work.left();
            assert!(!work.take(usize::MAX));
        }
        assert_eq!(spent, Work::for_body(0).left() + 9_999 * 10 * FOR_EACH_BYTE);
    }
}
