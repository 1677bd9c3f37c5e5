//! What becomes of clients that misbehave: their refused requests add up to a ban, and bans to longer ones.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::bans::{BanOrder, BanSource, Cause, Changed, InForce, Level, Now};
use super::live::note_in;
use super::{Clients, Facts, Key, Window};
use crate::request::{ClientIdentity, IdentitySource};

/// When clients are banned, and for how long: `policy.ban`, compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanPolicy {
    /// The weight of refused requests that is too much; at least 1.
    pub after: u32,
    /// How far back they count.
    pub within: Duration,
    /// For how long a first ban lasts, a second, and so on; the last holds for all that follow. Never empty.
    pub spans: Vec<Duration>,
    /// For how long after a ban the next one counts as one in a row.
    pub forget: Duration,
    /// How many user agents an address may have been seen with before it is taken for one that many share.
    pub shared: u32,
    /// What refused requests are called: `within`, as the configuration writes it.
    pub told: String,
}

/// A request that was refused for what was found in it.
#[derive(Clone, Copy, Debug)]
pub struct Offence<'a> {
    /// What it weighs; 1 for one that just reached the threshold.
    pub weight: u32,
    /// The detection that refused it.
    pub detection: &'a Arc<str>,
    /// The rule that it refused it by.
    pub rule: &'a str,
}

/// A request that was answered by the upstream.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    /// Its `User-Agent`; empty where there is none.
    pub agent: &'a [u8],
    /// What it says of clients that its peer forwards for, where it says so.
    pub forwarded: Option<&'a [u8]>,
    /// Whether the upstream answered with something else than an error.
    pub is_success: bool,
}

/// How many clients a peer must have named for it to be taken for a proxy.
const FORWARDED: u32 = 5;

/// The distinct things that are remembered of clients, each under a name of its own.
const AGENT: &str = "agent";
const FORWARDED_FOR: &str = "forwarded";
/// The refused requests of clients.
pub(super) const CONDUCT: &str = "conduct";
pub(super) const BAN: &str = "banned";

impl Clients {
    /// The ban that keeps a client out now; it counts the request.
    pub(super) fn find_ban(&self, client: &ClientIdentity, now: Instant) -> Option<InForce> {
        if !client.is_countable() {
            return None;
        }
        let key = self.key_of(BAN, client.counting_address());
        self.bans.find(key, client.address, self.since_epoch(now))
    }

    /// Bans a client by a detection's own rule.
    pub(super) fn order(&self, client: &ClientIdentity, order: &BanOrder, now: Instant) {
        if !client.is_countable() {
            return;
        }
        if self.is_everybody(client, now) {
            return self.spare(client, now);
        }
        let counting = client.counting_address();
        let key = self.key_of(BAN, counting);
        let block = self.bans.block(counting);
        // A full table is counted there and told of by whoever shows its statistics.
        let _ = self
            .bans
            .put(key, block, order, Level::Stays, self.now(now));
    }

    /// Notes an offence, and bans the client if it was one too many.
    pub(super) fn note_offence(
        &self,
        client: &ClientIdentity,
        offence: &Offence<'_>,
        policy: &BanPolicy,
        now: Instant,
    ) {
        if !client.is_countable() {
            return;
        }
        let counting = client.counting_address();
        let key = self.key_of(CONDUCT, counting);
        let ticks = self.since_epoch(now);
        let window = Window {
            within: policy.within,
            limit: policy.after.saturating_sub(1),
        };
        // Every offence is one more, so each is another thing.
        let item = self.offences.fetch_add(1, Ordering::Relaxed);
        let weight = note_in(&self.conduct, key, (item, offence.weight), window, ticks);
        if weight < policy.after {
            return;
        }
        if self.is_everybody(client, now) {
            return self.spare(client, now);
        }
        self.conduct.remove(key);
        let key = self.key_of(BAN, counting);
        let is_shared = self.agents_of(counting, ticks) > policy.shared;
        let (span, level) = self.sentence(key, policy, is_shared, ticks);
        let order = BanOrder {
            cause: Arc::new(cause(policy, offence, weight, is_shared)),
            span: Some(span),
        };
        let _ = self
            .bans
            .put(key, self.bans.block(counting), &order, level, self.now(now));
    }

    /// For how long a client is banned, and what that does to its level.
    fn sentence(
        &self,
        key: Key,
        policy: &BanPolicy,
        is_shared: bool,
        ticks: u64,
    ) -> (Duration, Level) {
        let first = policy.spans.first().copied().unwrap_or_default();
        if is_shared {
            // Many who did nothing are kept out with the one who did: for the shortest time.
            return (first, Level::Stays);
        }
        let level = self.bans.level(key, ticks);
        let span = policy.spans.get(usize::from(level)).or(policy.spans.last());
        let next = level.saturating_add(1);
        (
            span.copied().unwrap_or(first),
            Level::Becomes(next, policy.forget),
        )
    }

    /// Notes what an answered request says of how many share its client's address, and of whether its peer is a proxy.
    pub(super) fn note_answered(&self, client: &ClientIdentity, served: &Served<'_>, now: Instant) {
        if !client.is_countable() {
            return;
        }
        if served.is_success {
            self.note_agent(AGENT, client.counting_address(), served.agent, now);
        }
        if client.source == IdentitySource::Peer {
            self.traffic.note(client.peer);
            if let Some(forwarded) = served.forwarded {
                self.note_agent(FORWARDED_FOR, client.peer, forwarded, now);
            }
        }
    }

    fn note_agent(&self, space: &str, address: IpAddr, agent: &[u8], now: Instant) {
        let ticks = self.since_epoch(now);
        let key = self.key_of(space, address);
        let hash = self.key(space, agent).short();
        let knows = self.agents.look(key, |agents| agents.knows(hash, ticks));
        if knows == Some(true) {
            return;
        }
        self.agents.change(key, ticks, |known| {
            let mut fresh = super::agents::Agents::default();
            match known {
                Some(agents) => {
                    agents.note(hash, ticks);
                    ((), None)
                }
                None => {
                    fresh.note(hash, ticks);
                    ((), Some(fresh))
                }
            }
        });
    }

    /// About how many user agents an address was seen with in the last day.
    fn agents_of(&self, address: IpAddr, ticks: u64) -> u32 {
        let key = self.key_of(AGENT, address);
        let agents = self.agents.look(key, |agents| agents.distinct(ticks));
        agents.unwrap_or_default()
    }

    /// Whether a client looks like a proxy that nobody said is one, and that brings everybody.
    fn is_everybody(&self, client: &ClientIdentity, now: Instant) -> bool {
        if client.source != IdentitySource::Peer || !self.traffic.is_all_of(client.peer) {
            return false;
        }
        let key = self.key_of(FORWARDED_FOR, client.peer);
        let ticks = self.since_epoch(now);
        let named = self.agents.look(key, |named| named.distinct(ticks));
        named.unwrap_or_default() >= FORWARDED
    }

    /// Tells that a client was not banned, now and then.
    fn spare(&self, client: &ClientIdentity, now: Instant) {
        let key = self.key_of("spared", client.counting_address());
        if self.held(key, now).is_some() {
            return;
        }
        self.hold(key, Duration::from_secs(60), now);
        let _ = self.bans.journal().write(Changed::Spared {
            client: client.address,
            why: SPARED,
        });
    }

    /// A moment by the tables' clock, and as the time of day.
    pub(super) fn now(&self, now: Instant) -> Now {
        let ticks = self.since_epoch(now);
        let began = self.began.get().copied().unwrap_or_default();
        let since = i64::try_from(ticks).unwrap_or(i64::MAX);
        let time = began.checked_add(jiff::SignedDuration::from_nanos(since));
        Now {
            ticks,
            time: time.unwrap_or(jiff::Timestamp::MAX),
        }
    }

    /// The key that the client of an address is banned under.
    pub(super) fn ban_key(&self, counting: IpAddr) -> Key {
        self.key_of(BAN, counting)
    }

    /// The key of an address in a key space.
    pub(super) fn key_of(&self, space: &str, address: IpAddr) -> Key {
        match address {
            IpAddr::V4(address) => self.key(space, &address.octets()),
            IpAddr::V6(address) => self.key(space, &address.octets()),
        }
    }
}

const SPARED: &str = "All requests come from this peer, which names ever other clients in a forwarding header: it looks \
                      like a proxy. It is not banned, since that would keep out everybody. If it is your proxy, list it \
                      in `clients.trusted_proxies`; if not, ban it with `portcullis bans add`.";

/// Why a client is banned.
fn cause(policy: &BanPolicy, offence: &Offence<'_>, weight: u32, is_shared: bool) -> Cause {
    let note = if is_shared {
        Cow::Owned(format!(
            "; more than {} user agents came from there, so many may share it and the ban is short",
            policy.shared
        ))
    } else {
        Cow::Borrowed("")
    };
    let reason = format!(
        "refused requests that weigh {weight} within {}, the last by {} ({}){note}",
        policy.told, offence.detection, offence.rule
    );
    Cause {
        source: BanSource::Policy,
        detection: Some(Arc::clone(offence.detection)),
        reason: reason.into(),
    }
}
