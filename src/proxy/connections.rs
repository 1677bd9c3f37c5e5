//! Which connections are open: how many of each client, and which of them could make room for another.
//!
//! Everything here is bounded by `limits.connections`: an entry is there for as long as its connection is.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Uri};
use tokio::time::Instant;

use super::Proxy;
use super::activity::Activity;
use super::tally::{self, Kind};

/// Of how many connections one is closed to make room, where all are taken: each look at all of them pays for several.
const SHARE: usize = 100;

/// The open connections of all cores.
#[derive(Debug)]
pub struct Connections {
    table: Mutex<Table>,
    base: Instant,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    open: BTreeMap<u64, Arc<Activity>>,
    clients: HashMap<IpAddr, usize>,
}

/// An open connection; no longer counted when it is dropped.
#[derive(Debug)]
pub(super) struct Open {
    connections: Arc<Connections>,
    number: u64,
    client: Option<IpAddr>,
    pub(super) activity: Arc<Activity>,
}

/// Counts one more connection from `peer`; `None` if its client has too many, which is told. Which host it will ask for
/// nobody knows yet, so the proxies of every host are exempt.
pub(super) fn admit(proxy: &Proxy, peer: IpAddr) -> Option<Open> {
    let serving = proxy.serving.load();
    let client = serving
        .trust
        .identify(peer, &Uri::default(), &HeaderMap::new());
    let is_counted = client.is_countable() && !serving.trust.is_proxy_of_some_host(peer);
    let counted = is_counted.then(|| client.counting_address());
    let open = proxy
        .connections
        .open(counted, serving.limits.client_connections);
    if open.is_none() {
        tally::tell(proxy, Kind::ClientConnections, peer);
    }
    open
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            base: Instant::now(),
        }
    }
}

impl Connections {
    /// One more connection, if its client has fewer than `limit`. `client` is the address that it is counted under, if
    /// it is counted at all.
    pub(super) fn open(self: &Arc<Self>, client: Option<IpAddr>, limit: usize) -> Option<Open> {
        let activity = Arc::new(Activity::new(self.base));
        let mut table = self.table();
        if let Some(client) = client {
            let count = table.clients.entry(client).or_default();
            if *count >= limit {
                return None;
            }
            *count += 1;
        }
        let number = table.next;
        table.next += 1;
        table.open.insert(number, Arc::clone(&activity));
        drop(table);
        Some(Open {
            connections: Arc::clone(self),
            number,
            client,
            activity,
        })
    }

    /// Asks those that idle for longest to end, one of a hundred; where none idles, those whose heads began first and have
    /// not ended. Whether there are any.
    pub(super) fn make_room(&self) -> bool {
        let table = self.table();
        let some = (table.open.len() / SHARE).max(1);
        let idle = table.oldest(some, Activity::idle_since);
        if !idle.is_empty() {
            idle.iter().for_each(|activity| activity.ask_to_end());
            return true;
        }
        let in_head = table.oldest(some, Activity::in_head_since);
        in_head
            .iter()
            .for_each(|activity| activity.ask_to_end_in_head());
        !in_head.is_empty()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Those for which `since` is longest ago, of those for which it is anything.
    fn oldest(&self, most: usize, since: impl Fn(&Activity) -> Option<Instant>) -> Vec<&Activity> {
        let mut all: Vec<_> = self
            .open
            .values()
            .filter_map(|activity| Some((since(activity)?, &**activity)))
            .collect();
        if all.len() > most {
            all.select_nth_unstable_by_key(most, |(since, _)| *since);
            all.truncate(most);
        }
        all.into_iter().map(|(_, activity)| activity).collect()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut table = self.connections.table();
        table.open.remove(&self.number);
        if let Some(client) = self.client
            && let Some(count) = table.clients.get_mut(&client)
        {
            *count -= 1;
            if *count == 0 {
                table.clients.remove(&client);
            }
        }
    }
}

/// How many requests are with the upstream.
#[derive(Debug, Default)]
pub struct InFlight(AtomicUsize);

/// The place of one request, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a InFlight);

/// The same, of something that outlives its request.
#[derive(Debug)]
pub(super) struct OwnPlace(Arc<InFlight>);

impl InFlight {
    /// A place that is kept for as long as it is wanted, if fewer than `limit` are taken.
    pub(super) fn stay(self: &Arc<Self>, limit: usize) -> Option<OwnPlace> {
        let place = OwnPlace(Arc::clone(self));
        (self.0.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }

    /// Whether there is no place left of `limit`.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.0.load(Ordering::Relaxed) >= limit
    }

    /// A place, if fewer than `limit` are taken.
    pub(super) fn enter(&self, limit: usize) -> Option<Place<'_>> {
        let place = Place(self);
        // The place exists already: if it is one too many, dropping it gives it back.
        (self.0.fetch_add(1, Ordering::Relaxed) < limit).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for OwnPlace {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proxy::activity::End;

    fn client(last: u8) -> Option<IpAddr> {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    #[tokio::test]
    async fn each_client_has_its_own_number_and_nothing_is_left_behind() {
        let connections = Arc::new(Connections::default());
        let mut open: Vec<_> = (0..5)
            .filter_map(|_| connections.open(client(1), 3))
            .collect();
        assert_eq!(open.len(), 3);
        assert!(connections.open(client(2), 3).is_some());
        open.pop();
        open.extend(connections.open(client(1), 3));
        assert_eq!(open.len(), 3);
        // Who is not counted may have any number.
        open.extend((0..10).filter_map(|_| connections.open(None, 3)));
        assert_eq!(open.len(), 13);
        drop(open);
        let table = connections.table();
        assert!(table.clients.is_empty() && table.open.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_idles_for_longest_makes_room() {
        let connections = Arc::new(Connections::default());
        let mut open = Vec::new();
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            open.extend(connections.open(client(1), 9));
        }
        let busy = open[0].activity.serve();
        assert!(connections.make_room());
        let asked = |open: &Open| {
            let activity = Arc::clone(&open.activity);
            async move {
                let patience = Duration::from_secs(1);
                let asked = tokio::time::timeout(patience, activity.asked_to_end());
                asked.await.is_ok()
            }
        };
        let mut who = Vec::new();
        for open in &open {
            who.push(asked(open).await);
        }
        assert_eq!(who, [false, true, false, false]);
        open.truncate(1);
        assert!(!connections.make_room());
        drop(busy);
        assert!(connections.make_room());
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_does_not_end_makes_room_only_where_nobody_idles() {
        let connections = Arc::new(Connections::default());
        let mut open: Vec<_> = (0..3)
            .filter_map(|_| connections.open(client(1), 9))
            .collect();
        for at in [1, 0] {
            tokio::time::sleep(Duration::from_secs(1)).await;
            open[at].activity.turns().set_under_way(true);
            open[at].activity.turns().set_in_head(true);
        }
        assert!(connections.make_room());
        assert_eq!(open[2].activity.asked_to_end().await, Some(End::Idle));
        open.truncate(2);
        // Who answers waits for no head, whatever else has come.
        let busy = open[1].activity.serve();
        assert!(connections.make_room());
        assert_eq!(open[0].activity.asked_to_end().await, Some(End::InHead));
        drop(busy);
        assert!(connections.make_room());
        // It has ended its head meanwhile.
        let _served = open[1].activity.serve();
        assert_eq!(open[1].activity.asked_to_end().await, None);
    }

    #[test]
    fn as_many_are_in_flight_as_the_limit_says() {
        let in_flight = InFlight::default();
        let places: Vec<_> = (0..5).filter_map(|_| in_flight.enter(2)).collect();
        assert_eq!(places.len(), 2);
        assert!(in_flight.is_full(2) && !in_flight.is_full(3));
        drop(places);
        assert!(in_flight.enter(1).is_some());
        assert!(!in_flight.is_full(1));
    }
}
