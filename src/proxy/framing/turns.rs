//! What the two ends of a connection agree upon: the gate, which lets requests in one at a time, and the service, which
//! answers them.
//!
//! They agree by count, never by content: a request that is refused at the gate is the n-th of its connection, whatever
//! it or another may say of itself.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::refused::Refused;
use crate::proxy::respond::Refusal;
use crate::proxy::tunnel::Tunnel;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Turns {
    /// How many reached the service.
    begun: AtomicU64,
    /// How many of them were answered: hyper has the whole answer.
    answered: AtomicU64,
    /// How many bodies are read yet, though they may have passed the gate, and may have been answered.
    bodies: AtomicUsize,
    /// Whether something of a request is at the gate that has not gone on whole.
    is_under_way: AtomicBool,
    /// Whether that is part of a head, and since when.
    is_in_head: AtomicBool,
    head_since: Mutex<Option<Instant>>,
    refused: Mutex<Option<Entry>>,
    /// Whether the connection is HTTP no longer, and what it is then.
    is_tunnel: AtomicBool,
    tunnel: Mutex<Option<Tunnel>>,
}

/// What was refused at the gate; after it nothing comes.
#[derive(Debug)]
struct Entry {
    /// The request whose head it was, counted from 0; `None` where it was the body of the last.
    head: Option<u64>,
    refused: Refused,
}

impl Turns {
    /// A request has reached the service.
    pub(in crate::proxy) fn begin(self: &Arc<Self>) -> Turn {
        Turn {
            number: self.begun.fetch_add(1, Ordering::AcqRel),
            turns: Arc::clone(self),
        }
    }

    /// How many requests were answered.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Acquire)
    }

    /// The gate has begun to take a request in, or has let all of it go on.
    pub(in crate::proxy) fn set_under_way(&self, is_under_way: bool) {
        self.is_under_way.store(is_under_way, Ordering::Relaxed);
    }

    /// Whether the client has begun a request and not ended it, or somebody is still to read the end of one. If not, what
    /// comes next begins one, and nobody misses what is in hyper's buffer.
    pub(in crate::proxy) fn is_under_way(&self) -> bool {
        self.is_under_way.load(Ordering::Relaxed) || self.bodies.load(Ordering::Relaxed) > 0
    }

    /// What is at the gate is part of a head, or is not.
    pub(in crate::proxy) fn set_in_head(&self, is_in_head: bool) {
        if self.is_in_head.swap(is_in_head, Ordering::Relaxed) != is_in_head {
            *self.since() = is_in_head.then(Instant::now);
        }
    }

    /// Since when a head has been at the gate that is not whole.
    pub(in crate::proxy) fn head_since(&self) -> Option<Instant> {
        *self.since()
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.head_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The gate refuses the head of a request, counted from 0.
    pub(super) fn refuse_head(&self, number: u64, refused: Refused) {
        *self.entry() = Some(Entry {
            head: Some(number),
            refused,
        });
    }

    /// The gate refuses what comes as the body of the last request.
    pub(super) fn refuse_body(&self, refused: Refused) {
        *self.entry() = Some(Entry {
            head: None,
            refused,
        });
    }

    /// Why the body of the request under way broke off: the gate knows better than hyper, if it was the gate that ended it.
    pub(in crate::proxy) fn precisely(&self, refusal: Refusal) -> Refusal {
        if refusal != Refusal::BodyBroken {
            return refusal;
        }
        let at_gate = self.refused_body().map(Box::new);
        at_gate.map_or(refusal, Refusal::Framing)
    }

    /// Why the body of the request under way broke off, if the gate ended it.
    pub(super) fn refused_body(&self) -> Option<Refused> {
        let entry = self.entry().take_if(|entry| entry.head.is_none());
        entry.map(|entry| entry.refused)
    }

    /// What was refused and not told to any request, because it was answered already.
    pub(in crate::proxy) fn untold(&self) -> Option<Refused> {
        self.entry().take().map(|entry| entry.refused)
    }

    /// With the answer under way the connection becomes a tunnel.
    pub(in crate::proxy) fn open(&self, tunnel: Tunnel) {
        *self.tunnel.lock().unwrap_or_else(PoisonError::into_inner) = Some(tunnel);
        self.is_tunnel.store(true, Ordering::Release);
    }

    /// Whether what comes is no HTTP any more.
    pub(super) fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Acquire)
    }

    /// The tunnel that the connection has become, once.
    pub(in crate::proxy) fn tunnel(&self) -> Option<Tunnel> {
        if !self.is_tunnel() {
            return None;
        }
        let mut tunnel = self.tunnel.lock().unwrap_or_else(PoisonError::into_inner);
        tunnel.take()
    }

    fn entry(&self) -> MutexGuard<'_, Option<Entry>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request at the service, until it is answered; dropping it says so.
#[derive(Debug)]
pub(in crate::proxy) struct Turn {
    turns: Arc<Turns>,
    number: u64,
}

impl Turn {
    /// Why this request's head was refused, if it was: what the service has in hand is a stand-in for it.
    pub(in crate::proxy) fn refused_head(&self) -> Option<Refused> {
        let number = self.number;
        let entry = self
            .turns
            .entry()
            .take_if(|entry| entry.head == Some(number));
        entry.map(|entry| entry.refused)
    }

    /// Its body is read until this is dropped, which may be long after the answer.
    pub(in crate::proxy) fn reading(&self) -> Reading {
        self.turns.bodies.fetch_add(1, Ordering::Relaxed);
        Reading(Arc::clone(&self.turns))
    }

    /// The requests of its connection, for whoever asks while it is answered.
    pub(in crate::proxy) const fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }
}

/// A body that is read.
#[derive(Debug)]
pub(in crate::proxy) struct Reading(Arc<Turns>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.bodies.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.answered.fetch_add(1, Ordering::AcqRel);
    }
}

/// An answer's body, which ends its request's turn when hyper has taken the last of it.
#[derive(Debug)]
pub(in crate::proxy) struct Answer<B, T> {
    body: B,
    _turn: T,
}

impl<B, T> Answer<B, T> {
    /// The body of the answer to the request whose turn it is; `turn` is dropped with it.
    pub(in crate::proxy) const fn new(body: B, turn: T) -> Self {
        Self { body, _turn: turn }
    }
}

impl<B: Body + Unpin, T: Unpin> Body for Answer<B, T> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_under_way_as_long_as_its_body_is_read() {
        let turns = Arc::new(Turns::default());
        let turn = turns.begin();
        turns.set_under_way(true);
        let reading = turn.reading();
        // Answered early, and all of it is in hyper's buffer.
        drop(turn);
        turns.set_under_way(false);
        assert!(turns.is_under_way());
        drop(reading);
        assert!(!turns.is_under_way());
    }
}
