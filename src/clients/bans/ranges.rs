//! Bans of blocks that are no single client's: few, changed by operators only, and asked for by every request.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use ipnet::IpNet;

use super::super::CidrSet;
use super::entry::ticks_at;
use super::{Ban, InForce, MOST_RANGES, NEVER, Now};
use crate::config::Cidr;

/// Bans of blocks.
#[derive(Debug, Default)]
pub(super) struct Ranges {
    /// What is to be; changed under the lock, one change at a time.
    bans: Mutex<BTreeMap<IpNet, Ban>>,
    /// What requests are held against: made of the bans after each change.
    made: ArcSwap<Made>,
}

#[derive(Debug, Default)]
struct Made {
    /// Every banned block; says for most requests that there is none.
    set: CidrSet,
    /// The blocks with their ends in nanoseconds since the tables' epoch, and how many requests each refused.
    each: BTreeMap<IpNet, (Ban, u64, AtomicU64)>,
}

impl Ranges {
    /// The ban of the smallest block around an address.
    pub(super) fn find(&self, address: IpAddr, ticks: u64) -> Option<InForce> {
        let made = self.made.load();
        // No block at all is the usual case.
        if made.each.is_empty() || !made.set.contains(address) {
            return None;
        }
        let mut block = Some(IpNet::from(address));
        while let Some(net) = block {
            if let Some((ban, until, hits)) = made.each.get(&net)
                && *until > ticks
            {
                hits.fetch_add(1, Ordering::Relaxed);
                let left = ban.until.map(|_| Duration::from_nanos(until - ticks));
                return Some(InForce {
                    client: net,
                    cause: Arc::clone(&ban.cause),
                    left,
                });
            }
            block = net.supernet();
        }
        None
    }

    /// Bans blocks, or changes their bans, all in one step. Returns those that found no place.
    pub(super) fn put(&self, more: impl IntoIterator<Item = Ban>, now: Now) -> Vec<IpNet> {
        let mut bans = self.lock();
        let mut refused = Vec::new();
        let before = bans.len();
        let mut is_changed = false;
        for ban in more {
            if bans.len() >= MOST_RANGES && !bans.contains_key(&ban.client) {
                refused.push(ban.client);
                continue;
            }
            let known = bans.insert(ban.client, ban.clone());
            is_changed |=
                known.is_none_or(|known| known.until != ban.until || known.cause != ban.cause);
        }
        if is_changed || bans.len() != before {
            self.make(&mut bans, now);
        }
        refused
    }

    /// Lifts the ban of exactly this block.
    pub(super) fn remove(&self, client: IpNet, now: Now) -> Option<Ban> {
        let mut bans = self.lock();
        self.count_hits(&mut bans);
        let ban = bans.remove(&client)?;
        self.make(&mut bans, now);
        Some(ban)
    }

    /// Forgets what is over.
    pub(super) fn sweep(&self, now: Now) {
        let mut bans = self.lock();
        let before = bans.len();
        bans.retain(|_, ban| is_active(ban, now));
        if bans.len() != before {
            self.make(&mut bans, now);
        }
    }

    /// Shows each ban in force.
    pub(super) fn each(&self, now: Now, mut show: impl FnMut(&Ban)) {
        let mut bans = self.lock();
        self.count_hits(&mut bans);
        bans.values()
            .filter(|ban| is_active(ban, now))
            .for_each(&mut show);
    }

    /// Puts into the bans how many requests each has refused so far.
    fn count_hits(&self, bans: &mut BTreeMap<IpNet, Ban>) {
        let made = self.made.load();
        for (client, ban) in bans {
            if let Some((_, _, hits)) = made.each.get(client) {
                ban.hits = hits.load(Ordering::Relaxed);
            }
        }
    }

    fn make(&self, bans: &mut BTreeMap<IpNet, Ban>, now: Now) {
        self.count_hits(bans);
        let of = |(client, ban): (&IpNet, &Ban)| {
            let ends = ban.until.map_or(NEVER, |until| ticks_at(until, now));
            (*client, (ban.clone(), ends, AtomicU64::new(ban.hits)))
        };
        self.made.store(Arc::new(Made {
            set: CidrSet::new(bans.keys().map(|client| Cidr::from(*client))),
            each: bans.iter().map(of).collect(),
        }));
    }

    /// Every change is whole also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<IpNet, Ban>> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_active(ban: &Ban, now: Now) -> bool {
    ban.until.is_none_or(|until| until > now.time)
}
