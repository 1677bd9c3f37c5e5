//! The servers of an upstream, and which of them gets a request.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use siphasher::sip::SipHasher13;

use super::config::{Balance, Server, UpstreamConfig};
use super::secure::Trusting;
use super::server::ServerState;
use crate::proxy::clock;

/// An upstream, ready to be asked.
#[derive(Debug)]
pub struct Upstream {
    /// What the configuration says of it.
    pub config: UpstreamConfig,
    members: Vec<Member>,
    /// The members in the order in which they have their turns, each as often as its weight says.
    turns: Vec<usize>,
    next: AtomicUsize,
    /// How servers are asked by `https`.
    pub(super) trusting: Trusting,
}

/// A server as a part of an upstream.
#[derive(Debug)]
struct Member {
    server: Arc<ServerState>,
    weight: u32,
    /// Where it stands among those that a client may be hashed to.
    seed: u64,
}

impl Upstream {
    /// An upstream of a configuration, and of the state of its servers in the same order.
    pub(super) fn new(
        config: UpstreamConfig,
        servers: Vec<Arc<ServerState>>,
        trusting: Trusting,
    ) -> Self {
        let members: Vec<_> = servers
            .into_iter()
            .zip(&config.servers)
            .map(|(server, config)| Member {
                seed: hash(0, server.url.to_string().as_bytes()),
                server,
                weight: config.weight.max(1),
            })
            .collect();
        Self {
            turns: turns(&members),
            members,
            next: AtomicUsize::new(0),
            config,
            trusting,
        }
    }

    /// An upstream whose servers are asked by `http` and shared with no other.
    #[must_use]
    pub fn plain(config: &UpstreamConfig) -> Self {
        let of = |server: &Server| Arc::new(ServerState::new(server.url.clone(), clock::now()));
        let servers = config.servers.iter().map(of).collect();
        Self::new(config.clone(), servers, None)
    }

    /// The servers.
    pub(super) fn servers(&self) -> impl Iterator<Item = &Arc<ServerState>> {
        self.members.iter().map(|member| &member.server)
    }

    /// The server for a request of `client` that was not tried before. Where all others are out, they are in again: a server
    /// that may fail is better than none. `None` where all were tried.
    pub(super) fn choose(
        &self,
        client: u64,
        tried: &[u64],
        now: Instant,
    ) -> Option<&Arc<ServerState>> {
        let is_new = |member: &Member| !tried.contains(&member.server.id);
        if let [only] = &self.members[..] {
            return is_new(only).then_some(&only.server);
        }
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        let may = |member: &Member| is_new(member) && member.server.is_available(now);
        self.pick(client, ticket, may)
            .or_else(|| self.pick(client, ticket, is_new))
    }

    fn pick(
        &self,
        client: u64,
        ticket: usize,
        may: impl Fn(&Member) -> bool,
    ) -> Option<&Arc<ServerState>> {
        let members = self.members.iter().filter(|member| may(member));
        let member = match self.config.balance {
            Balance::RoundRobin => self.turn(ticket, &may),
            Balance::LeastLoaded => {
                // Who begins changes, so that servers without any request get them in turn.
                let begin = ticket % self.members.len().max(1);
                let (first, second) = self.members.split_at_checked(begin)?;
                let members = second.iter().chain(first).filter(|member| may(member));
                members.min_by(|a, b| a.load().total_cmp(&b.load()))
            }
            Balance::ClientHash => members.max_by(|a, b| a.pull(client).total_cmp(&b.pull(client))),
        };
        member.map(|member| &member.server)
    }

    /// The next member in turn that may be asked.
    fn turn(&self, ticket: usize, may: impl Fn(&Member) -> bool) -> Option<&Member> {
        let begin = ticket % self.turns.len().max(1);
        let (first, second) = self.turns.split_at_checked(begin)?;
        second
            .iter()
            .chain(first)
            .filter_map(|index| self.members.get(*index))
            .find(|member| may(member))
    }
}

impl Member {
    /// How loaded it is.
    fn load(&self) -> f64 {
        let requests = u32::try_from(self.server.in_flight()).unwrap_or(u32::MAX);
        f64::from(requests) / f64::from(self.weight)
    }

    /// How strongly it draws a client: the highest wins (rendezvous hashing, by weight). A server that goes takes only its
    /// own clients with it.
    fn pull(&self, client: u64) -> f64 {
        let hash = hash(self.seed, &client.to_le_bytes());
        // 53 bits are what a float holds; the half keeps it off 0 and 1.
        #[expect(
            clippy::cast_precision_loss,
            reason = "the number is below two to the power of 53"
        )]
        let part = ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -f64::from(self.weight) / part.ln()
    }
}

/// Each member as often as its weight says, and as evenly as that can be: the one that is most in arrears is next.
fn turns(members: &[Member]) -> Vec<usize> {
    let total: i64 = members.iter().map(|member| i64::from(member.weight)).sum();
    let mut arrears = vec![0_i64; members.len()];
    let mut turns = Vec::new();
    for _ in 0..total {
        for (arrears, member) in arrears.iter_mut().zip(members) {
            *arrears += i64::from(member.weight);
        }
        let most = arrears
            .iter()
            .enumerate()
            .rev()
            .max_by_key(|(_, arrears)| **arrears);
        let Some((index, _)) = most else { break };
        turns.push(index);
        if let Some(arrears) = arrears.get_mut(index) {
            *arrears -= total;
        }
    }
    turns
}

/// The same in every process: several instances send a client to the same server.
pub(in crate::proxy) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, 0);
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests;
