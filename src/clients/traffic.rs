//! The client-identity doctor: whether one peer that is no trusted proxy carries all traffic, for many clients.
//!
//! A proxy that stands before portcullis and is missing in `clients.trusted_proxies` looks like one client that sends
//! everything. To ban it would be to ban everybody. It gives itself away by a forwarding header that names ever other
//! clients. An attacker can write such a header, too; so a peer counts as a proxy only while nearly all requests are its.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Of the last requests: how many there were, and how many came from the peer that sent most.
#[derive(Debug, Default)]
pub(super) struct Traffic(Mutex<Share>);

#[derive(Debug, Default)]
struct Share {
    peer: Option<IpAddr>,
    of_peer: u32,
    all: u32,
}

/// After so many requests, those before count half.
const MEMORY: u32 = 4096;

/// Fewer requests say nothing about who sends all of them.
const FEWEST: u32 = 8;

impl Traffic {
    /// Notes a request. One that comes while another is noted is left out.
    pub(super) fn note(&self, peer: IpAddr) {
        let Ok(mut share) = self.0.try_lock() else {
            return;
        };
        share.all += 1;
        if share.peer == Some(peer) {
            share.of_peer += 1;
        } else if share.of_peer * 2 < share.all {
            // It cannot be that peer; whoever sends most comes by soon.
            share.peer = Some(peer);
            (share.of_peer, share.all) = (1, 1);
        }
        if share.all >= MEMORY {
            share.all /= 2;
            share.of_peer /= 2;
        }
    }

    /// Whether of twenty requests nineteen or more come from this peer.
    pub(super) fn is_all_of(&self, peer: IpAddr) -> bool {
        let share = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        share.peer == Some(peer) && share.all >= FEWEST && share.of_peer * 20 >= share.all * 19
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn one_peer_that_sends_all_is_known_and_one_of_two_is_not() {
        let traffic = Traffic::default();
        (0..7).for_each(|_| traffic.note(peer(1)));
        assert!(!traffic.is_all_of(peer(1)), "too few to say");
        (0..100).for_each(|_| traffic.note(peer(1)));
        assert!(traffic.is_all_of(peer(1)));
        assert!(!traffic.is_all_of(peer(2)));
        (0..10).for_each(|_| traffic.note(peer(2)));
        assert!(!traffic.is_all_of(peer(1)));
        for _ in 0..MEMORY * 4 {
            traffic.note(peer(1));
        }
        assert!(traffic.is_all_of(peer(1)), "what was long ago fades");
        for _ in 0..MEMORY * 4 {
            traffic.note(peer(2));
        }
        assert!(traffic.is_all_of(peer(2)), "another took over");
        for _ in 0..MEMORY {
            traffic.note(peer(1));
            traffic.note(peer(2));
        }
        assert!(!traffic.is_all_of(peer(1)) && !traffic.is_all_of(peer(2)));
    }
}
