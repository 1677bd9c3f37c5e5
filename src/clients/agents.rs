//! How many different user agents a client's address was seen with: many mean that many share it.
//!
//! A sketch of 64 bits per day (linear counting: each agent sets one bit, and the share of bits that are not set says how
//! many there were). It is exact enough up to a hundred, costs one bit test for an agent that was seen before, and covers
//! today and yesterday.

use super::table::{Entry, Worth};

/// The agents of one client.
#[derive(Debug, Default)]
pub(super) struct Agents {
    /// The day of `today`, counted from the tables' epoch.
    day: u32,
    today: u64,
    yesterday: u64,
}

/// The nanoseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

/// The bits of a sketch.
const BITS: f64 = 64.0;

impl Agents {
    /// Whether noting this agent now would change nothing.
    pub(super) const fn knows(&self, hash: u64, now: u64) -> bool {
        self.day == day(now) && self.today & bit(hash) != 0
    }

    /// Notes that an agent was seen.
    pub(super) fn note(&mut self, hash: u64, now: u64) {
        let day = day(now);
        if day != self.day {
            self.yesterday = if day == self.day + 1 { self.today } else { 0 };
            (self.day, self.today) = (day, 0);
        }
        self.today |= bit(hash);
    }

    /// About how many different ones were seen today and yesterday.
    pub(super) fn distinct(&self, now: u64) -> u32 {
        let seen = match day(now).checked_sub(self.day) {
            Some(0) => self.today | self.yesterday,
            Some(1) => self.today,
            _ => 0,
        };
        let free = f64::from(seen.count_zeros());
        // With no bit left there may have been any number; this is where counting ends.
        let about = -BITS * (free.max(0.5) / BITS).ln();
        about.round() as u32
    }
}

impl Entry for Agents {
    /// Many agents are what there is to remember; one is the usual case.
    fn worth(&self, now: u64) -> Worth {
        match self.distinct(now) {
            0 => Worth::Idle,
            many => Worth::Some(many.into()),
        }
    }
}

const fn day(now: u64) -> u32 {
    // A day's number fits: times end after 73 years.
    (now / DAY) as u32
}

/// Six bits of a keyed hash.
const fn bit(hash: u64) -> u64 {
    1 << (hash >> 58)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes as well spread as keyed ones (SplitMix64).
    fn hash(of: u64) -> u64 {
        let mixed = (of + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    #[test]
    fn few_are_counted_well_and_many_are_many() {
        for many in [0_u32, 1, 3, 10, 20, 40] {
            let mut agents = Agents::default();
            for of in 0..many {
                agents.note(hash(of.into()), 5);
                agents.note(hash(of.into()), 6);
            }
            let counted = agents.distinct(7);
            assert!(counted.abs_diff(many) <= 1 + many / 3, "{many}: {counted}");
        }
        let mut agents = Agents::default();
        (0..10_000).for_each(|of| agents.note(hash(of), 0));
        assert!(agents.distinct(0) > 200);
    }

    #[test]
    fn today_and_yesterday_count_and_what_was_before_does_not() {
        let mut agents = Agents::default();
        (0..5).for_each(|of| agents.note(hash(of), 0));
        assert!(agents.knows(hash(0), DAY - 1));
        assert!(!agents.knows(hash(0), DAY));
        let other = (5..).map(hash).find(|&other| !agents.knows(other, 0));
        assert!(other.is_some());
        let five = agents.distinct(0);
        assert_eq!(agents.distinct(DAY), five);
        assert_eq!(agents.distinct(2 * DAY), 0);
        agents.note(hash(0), DAY);
        assert_eq!(agents.distinct(DAY), five, "seen on both days");
        agents.note(hash(0), 2 * DAY);
        assert_eq!(agents.distinct(2 * DAY), 1);
        agents.note(hash(0), 9 * DAY);
        assert_eq!(agents.distinct(9 * DAY), 1);
    }
}
