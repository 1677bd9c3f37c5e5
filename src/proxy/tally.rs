//! What an outsider can cause any number of is told a few times a second, and counted beyond that: the next event of its
//! kind stands for all since the one before it, and says so in `count`.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Proxy, clock};
use crate::event::{Decision, Event, EventClient, EventKind, Evidence};
use crate::request::IdentitySource;

/// How many events of one kind are told in a second.
const PER_SECOND: u32 = 10;

const SECOND: Duration = Duration::from_secs(1);

/// What is told this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A client had too many connections, and one more was closed.
    ClientConnections,
    /// All connections were taken, and one more had to wait.
    Connections,
    /// A client did not read its answer.
    WriteTime,
    /// Too many requests were under way.
    InFlight,
    /// A client and an encrypted listener did not come to terms.
    Handshake,
    /// A client sent too many frames of HTTP/2 that bring nothing.
    Frames,
}

/// The counts of all kinds.
#[derive(Debug, Default)]
pub struct Tally {
    counts: [Mutex<Count>; 6],
}

#[derive(Debug, Default)]
struct Count {
    /// The second under way began here.
    second: Option<Instant>,
    told: u32,
    untold: u32,
    last: Option<IpAddr>,
}

/// What of a kind is to be told: of how many, whose was the last, and what is known of it.
struct Told<'w> {
    kind: Kind,
    count: u32,
    peer: IpAddr,
    why: Option<&'w str>,
}

impl Kind {
    const ALL: [Self; 6] = [
        Self::ClientConnections,
        Self::Connections,
        Self::WriteTime,
        Self::InFlight,
        Self::Handshake,
        Self::Frames,
    ];

    const fn rule(self) -> &'static str {
        match self {
            Self::ClientConnections => "client_connections",
            Self::Connections => "connections",
            Self::WriteTime => "write_time",
            Self::InFlight => "in_flight",
            Self::Handshake => "handshake",
            Self::Frames => "http2_frames",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::ClientConnections => {
                "The client has `limits.client_connections` connections; one more was closed."
            }
            Self::Connections => {
                "All of `limits.connections` are open; one more waits, and one that idles or does not end its head is closed."
            }
            Self::WriteTime => {
                "The client did not read its answer within `limits.write_time`, or slower than `limits.body_rate`."
            }
            Self::InFlight => "More requests than `limits.in_flight` are with the upstream.",
            Self::Handshake => {
                "A client and an encrypted listener did not come to terms; the connection was closed."
            }
            Self::Frames => {
                "A client sent too many HTTP/2 frames that bring nothing; the connection was closed."
            }
        }
    }

    const fn decision(self) -> Decision {
        match self {
            Self::ClientConnections
            | Self::WriteTime
            | Self::InFlight
            | Self::Handshake
            | Self::Frames => Decision::Block,
            Self::Connections => Decision::None,
        }
    }
}

impl Tally {
    /// Counts one more. `Some` where it is to be told now, with how many its event stands for.
    pub(super) fn count(&self, kind: Kind, peer: IpAddr, now: Instant) -> Option<u32> {
        let mut count = self.of(kind)?;
        if count.is_new_second(now) {
            (count.second, count.told) = (Some(now), 0);
        }
        if count.told < PER_SECOND {
            count.told += 1;
            return Some(1 + std::mem::take(&mut count.untold));
        }
        count.untold = count.untold.saturating_add(1);
        count.last = Some(peer);
        None
    }

    /// What was counted and not told by `now`, and who was last; in any case if there is no `now` to wait for.
    fn take(&self, kind: Kind, now: Option<Instant>) -> Option<(u32, IpAddr)> {
        let mut count = self.of(kind)?;
        if count.untold == 0 || now.is_some_and(|now| !count.is_new_second(now)) {
            return None;
        }
        Some((std::mem::take(&mut count.untold), count.last.take()?))
    }

    fn of(&self, kind: Kind) -> Option<std::sync::MutexGuard<'_, Count>> {
        let count = self.counts.get(kind as usize)?;
        Some(count.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Count {
    fn is_new_second(&self, now: Instant) -> bool {
        self.second
            .is_none_or(|began| now.saturating_duration_since(began) >= SECOND)
    }
}

/// Tells of something that happened on a connection from `peer`, or counts it.
pub(super) fn tell(proxy: &Proxy, kind: Kind, peer: IpAddr) {
    tell_with(proxy, kind, peer, None);
}

/// The same, where `why` it happened is worth telling.
pub(super) fn tell_why(proxy: &Proxy, kind: Kind, peer: IpAddr, why: &str) {
    tell_with(proxy, kind, peer, Some(why));
}

fn tell_with(proxy: &Proxy, kind: Kind, peer: IpAddr, why: Option<&str>) {
    if let Some(count) = proxy.tally.count(kind, peer, clock::now()) {
        let told = Told {
            kind,
            count,
            peer,
            why,
        };
        emit(proxy, &told);
    }
}

/// Tells of what was counted and not told. To be called every now and then.
pub(super) fn tell_the_rest(proxy: &Proxy) {
    tell_what_is_left(proxy, Some(clock::now()));
}

/// The same at the end, after which nobody would come to tell it.
pub(super) fn tell_the_last(proxy: &Proxy) {
    tell_what_is_left(proxy, None);
}

fn tell_what_is_left(proxy: &Proxy, now: Option<Instant>) {
    for kind in Kind::ALL {
        if let Some((count, peer)) = proxy.tally.take(kind, now) {
            let told = Told {
                kind,
                count,
                peer,
                why: None,
            };
            emit(proxy, &told);
        }
    }
}

fn emit(proxy: &Proxy, told: &Told<'_>) {
    let (kind, count) = (told.kind, told.count);
    let time = clock::timestamp();
    let id = proxy.ids.next(clock::unix_milliseconds(time));
    let mut event = Event::new(id, time, EventKind::Refused, kind.message());
    let peer = told.peer.to_canonical();
    event.client = Some(EventClient {
        ip: peer,
        source: IdentitySource::Peer,
        peer,
    });
    event.detection = Some("limits".into());
    event.rule = Some(kind.rule().into());
    event.place = Some("connection".into());
    let evidence = told.why.map_or_else(|| format!("{count}x"), Into::into);
    event.evidence = Some(Evidence::fact(evidence));
    event.decision = kind.decision();
    event.count = count;
    proxy.events.emit(event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_a_few_times_a_second_and_nothing_of_it_is_lost() {
        let (tally, began) = (Tally::default(), clock::now());
        let peer = IpAddr::from([192, 0, 2, 1]);
        let count = |at: Duration| tally.count(Kind::WriteTime, peer, began + at);
        let mut told: Vec<u32> = Vec::new();
        for n in 0..10_000_u32 {
            told.extend(count(Duration::from_millis(n.into())));
        }
        assert_eq!(told.len(), 100);
        let take = |at: u64| tally.take(Kind::WriteTime, Some(began + Duration::from_secs(at)));
        let rest = take(11).map_or(0, |(count, _)| count);
        assert_eq!(told.iter().sum::<u32>() + rest, 10_000);
        assert_eq!(take(12), None);
        // At the end nothing waits for the next second.
        let told: u32 = (0..50).filter_map(|_| count(Duration::from_secs(20))).sum();
        assert_eq!(take(20), None);
        let rest = tally
            .take(Kind::WriteTime, None)
            .map_or(0, |(count, _)| count);
        assert_eq!(told + rest, 50);
        // One kind does not silence another.
        assert_eq!(tally.count(Kind::InFlight, peer, began), Some(1));
    }

    #[test]
    fn every_kind_has_a_count_of_its_own() {
        for (at, kind) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, at);
        }
    }
}
