//! The lasting facts about clients: what they used up, which distinct things they asked for, until when they are held.
//!
//! Facts live here and never in a policy, so a reload forgets nothing. Everything is bounded: a table holds at most its
//! cap of keys, and a key that does not fit pushes out an idle one (see [`Facts`]). Keys are 128-bit keyed hashes: an
//! outsider can neither aim at a shard nor find out what is stored.
//!
//! [`Clients`] is the live implementation: `table` is the bounded map; `rates`, `windows`, `bans` and `agents` say what is
//! kept in one; `reaction` says what becomes of clients that misbehave.

mod agents;
mod bans;
mod cidr_set;
mod live;
mod operations;
mod rates;
mod reaction;
mod table;
#[cfg(test)]
mod tests;
mod traffic;
mod windows;

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

pub use bans::{
    Ban, BanOrder, BanSource, Cause, Change, Changed, InForce, Journal, NotBanned, client_text,
};
pub use cidr_set::CidrSet;
pub use live::{Clients, ClientsStatistics};
pub use reaction::{BanPolicy, Offence, Served};
pub use table::TableStatistics;
pub use windows::{StoredItem, StoredWindow, Windows};

use crate::request::ClientIdentity;

/// What may change while a request is judged. The live table counts; `explain` and the self-test hand in a scratch one.
///
/// Every method takes `now`; none reads a clock.
pub trait Facts: fmt::Debug + Send + Sync {
    /// The key of `value` in the key space `space` (a limit's or detection's name).
    fn key(&self, space: &str, value: &[u8]) -> Key;

    /// The key of a client's counting address; `None` for one that must not be counted.
    fn client_key(&self, space: &str, client: &ClientIdentity) -> Option<Key> {
        let key = || match client.counting_address() {
            IpAddr::V4(address) => self.key(space, &address.octets()),
            IpAddr::V6(address) => self.key(space, &address.octets()),
        };
        client.is_countable().then(key)
    }

    /// Takes one cell from `key` under `quota`. A refused request takes none.
    fn take(&self, key: Key, quota: Quota, now: Instant) -> Taken;

    /// Notes that `item` was seen under `key`, and returns how much distinct weight was seen within `window` up to now.
    /// An item seen again within the window is not counted again, but its time is renewed.
    fn note_distinct(&self, key: Key, item: u64, weight: u32, window: Window, now: Instant) -> u32;

    /// Holds `key` until `span` from now. A longer hold that is already there stays.
    fn hold(&self, key: Key, span: Duration, now: Instant);

    /// How long `key` is still held; `None` when it is not.
    fn held(&self, key: Key, now: Instant) -> Option<Duration>;

    /// The ban that keeps a client out now, and counts this request as refused by it. A client that must not be counted is
    /// never banned.
    fn banned(&self, client: &ClientIdentity, now: Instant) -> Option<InForce>;

    /// Bans a client. A longer ban that is there already stays; a client that must not be counted is not banned.
    fn ban(&self, client: &ClientIdentity, order: &BanOrder, now: Instant);

    /// Notes that a request of a client was refused for what was found in it, and bans the client if `policy` says so.
    fn offend(
        &self,
        client: &ClientIdentity,
        offence: &Offence<'_>,
        policy: &BanPolicy,
        now: Instant,
    );

    /// Notes a request that the upstream answered: who is to be banned must first be known.
    fn note_served(&self, client: &ClientIdentity, served: &Served<'_>, now: Instant);
}

/// A keyed hash of what a fact is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key(pub(crate) u128);

/// A rate: `limit` requests in `per`, of which `burst` may come at once (GCRA, ITU-T I.371).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests per span.
    pub limit: NonZeroU32,
    /// The span.
    pub per: Duration,
    /// Requests that may come at once after a pause.
    pub burst: NonZeroU32,
}

/// A sliding window over distinct items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How far back an item counts.
    pub within: Duration,
    /// The weight that nobody asks beyond: items are remembered up to this weight and no further.
    pub limit: u32,
}

/// The answer to [`Facts::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whether a cell was left.
    pub allowed: bool,
    /// How many cells are left for a burst now.
    pub remaining: u32,
    /// How long until a refused request would pass; zero when it was allowed.
    pub retry_after: Duration,
    /// How long until the full burst is there again.
    pub reset: Duration,
}

impl Key {
    /// Half of the key, where 64 bits tell enough things apart: the items of a window.
    #[must_use]
    pub const fn short(self) -> u64 {
        self.0 as u64
    }
}

/// A span in whole seconds, rounded up and at least one: who waits as long as told must not come too early.
#[must_use]
pub fn whole_seconds(span: Duration) -> u64 {
    let more = u64::from(span.subsec_nanos() > 0);
    span.as_secs().saturating_add(more).max(1)
}

/// The longest span that the tables count with, 73 years of nanoseconds; a longer one is taken for this. Sums of a few of
/// them stay far from overflowing.
const LONGEST: u64 = 1 << 61;

/// A span in nanoseconds, at most [`LONGEST`].
fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).map_or(LONGEST, |nanoseconds| nanoseconds.min(LONGEST))
}
