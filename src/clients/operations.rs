//! What is done to bans from outside of requests: by operators, by whoever stores them, and by time.

use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::bans::{Ban, BanOrder, Journal, Level, NotBanned};
use super::reaction::{BAN, CONDUCT};
use super::table::Table;
use super::windows::{Seen, StoredWindow, Windows};
use super::{Clients, Key};

impl Clients {
    /// Bans a block of addresses until `span` from now, or until it is lifted. Returns the number of the change in the
    /// [`journal`](Self::journal), `None` where a longer ban is there already.
    ///
    /// # Errors
    /// When there is no place for one more.
    pub fn ban_block(
        &self,
        client: IpNet,
        order: &BanOrder,
        now: Instant,
    ) -> Result<Option<u64>, NotBanned> {
        let client = client.trunc();
        let now = self.now(now);
        if !self.bans.is_counted(client) {
            let (refused, sequence) = self.bans.put_ranges(&[&(client, order.clone())], now);
            return refused
                .first()
                .map_or(Ok(sequence), |_| Err(NotBanned::Full));
        }
        let key = self.key_of(BAN, client.network());
        self.bans.put(key, client, order, Level::Stays, now)
    }

    /// Bans many blocks at once. Returns how many found a place, those that did not, and the number of the last change.
    pub fn ban_blocks(
        &self,
        orders: &[(IpNet, BanOrder)],
        now: Instant,
    ) -> (usize, Vec<IpNet>, u64) {
        let moment = self.now(now);
        let is_one = |(client, _): &&(IpNet, BanOrder)| self.bans.is_counted(client.trunc());
        let (ones, ranges): (Vec<_>, Vec<_>) = orders.iter().partition(is_one);
        let (mut full, mut last) = (Vec::new(), 0);
        for (client, order) in &ones {
            match self.ban_block(*client, order, now) {
                Ok(sequence) => last = sequence.unwrap_or(last),
                Err(_) => full.push(*client),
            }
        }
        let (refused, sequence) = self.bans.put_ranges(&ranges, moment);
        full.extend(refused);
        (orders.len() - full.len(), full, sequence.unwrap_or(last))
    }

    /// The ban of exactly this block, if it is in force.
    #[must_use]
    pub fn ban_of(&self, client: IpNet, now: Instant) -> Option<Ban> {
        let client = client.trunc();
        let key = self.key_of(BAN, client.network());
        self.bans.of(key, client, self.now(now))
    }

    /// Lifts the ban of exactly this block, and forgets what the client did before: its refused requests, the paths that
    /// it asked for in vain, and how often it was banned. Returns the ban and the number of the change.
    pub fn lift_ban(&self, client: IpNet, now: Instant) -> Option<(Ban, u64)> {
        let client = client.trunc();
        let address = client.network();
        self.conduct.remove(self.key_of(CONDUCT, address));
        let lifted = self
            .bans
            .lift(self.key_of(BAN, address), client, self.now(now))?;
        // A detection that bans by what it has seen of a client keeps that under its own name.
        if let Some(detection) = &lifted.0.cause.detection {
            self.windows.remove(self.key_of(detection, address));
        }
        Some(lifted)
    }

    /// The bans in force behind `after`, ordered by their blocks, at most `limit`.
    #[must_use]
    pub fn bans(&self, after: Option<IpNet>, limit: usize, now: Instant) -> Vec<Ban> {
        self.bans.list(after, limit, self.now(now))
    }

    /// How many bans are in force.
    #[must_use]
    pub fn active_bans(&self, now: Instant) -> usize {
        self.bans.active(self.now(now))
    }

    /// Puts a stored ban back; one that is over for the sake of its level, which is remembered for `forget` after it.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn restore_ban(&self, ban: Ban, forget: Duration, now: Instant) -> Result<(), NotBanned> {
        let key = self.key_of(BAN, ban.client.network());
        self.bans.restore(key, ban, forget, self.now(now))
    }

    /// Lifts a ban that another process lifted at `time`, if it is not a later one.
    pub fn lift_known_ban(&self, client: IpNet, time: jiff::Timestamp, now: Instant) {
        let key = self.key_of(BAN, client.network());
        self.bans.lift_known(key, client, time, self.now(now));
    }

    /// The windows that changed since this was last asked, to be stored.
    #[must_use]
    pub fn changed_windows(&self, of: Windows, now: Instant) -> Vec<StoredWindow> {
        let now = self.now(now);
        let time = |ticks: u64| {
            let ahead = (i128::from(ticks) - i128::from(now.ticks)) / 1_000_000;
            let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
            now.time.as_millisecond().saturating_add(ahead)
        };
        let mut changed = Vec::new();
        self.windows_of(of)
            .each_mut(|key, seen| changed.extend(seen.take_changed(key, time)));
        changed
    }

    /// Puts a stored window back.
    pub fn restore_window(&self, of: Windows, stored: &StoredWindow, now: Instant) {
        let now = self.now(now);
        let ticks = |time: i64| {
            let ahead = i128::from(time) - i128::from(now.time.as_millisecond());
            let at = i128::from(now.ticks) + ahead * 1_000_000;
            u64::try_from(at.max(0)).unwrap_or(u64::MAX)
        };
        let seen = Seen::restored(stored, ticks);
        self.windows_of(of)
            .change(Key(stored.key), now.ticks, |known| match known {
                Some(_) => ((), None),
                None => ((), Some(seen)),
            });
    }

    const fn windows_of(&self, of: Windows) -> &Table<Seen> {
        match of {
            Windows::Seen => &self.windows,
            Windows::Conduct => &self.conduct,
        }
    }

    /// Forgets bans that are over.
    pub fn sweep_bans(&self, now: Instant) {
        self.bans.sweep(self.now(now));
    }

    /// What changed about bans and is not stored yet.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        self.bans.journal()
    }
}
