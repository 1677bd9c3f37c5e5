//! What has changed and is not stored yet.
//!
//! Whoever changes something writes it down here and goes on; he never waits for a disk. One reader takes what was
//! written, stores it, and then tells of it. When the reader falls far behind, what is written is dropped and
//! [`Journal::has_overflown`] says that the tables must be stored as they are.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Ban;

/// One change, in the order in which it came.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its number, from 1.
    pub sequence: u64,
    /// What changed.
    pub what: Changed,
}

/// What changed.
#[derive(Clone, Debug)]
pub enum Changed {
    /// A client is banned, or banned for longer.
    Banned(Ban),
    /// A ban was lifted before its time.
    Lifted(Ban),
    /// A client would have been banned, and was not.
    Spared {
        /// The client.
        client: std::net::IpAddr,
        /// Why not.
        why: &'static str,
    },
}

/// Changes that wait to be stored.
#[derive(Debug, Default)]
pub struct Journal {
    written: Mutex<Written>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Written {
    changes: Vec<Change>,
    sequence: u64,
    has_overflown: bool,
    is_closed: bool,
}

/// How many changes may wait.
const MOST: usize = 16_384;

impl Journal {
    /// Writes a change down and returns its number.
    pub(in crate::clients) fn write(&self, what: Changed) -> u64 {
        let mut written = self.lock();
        written.sequence += 1;
        let sequence = written.sequence;
        if written.changes.len() < MOST {
            written.changes.push(Change { sequence, what });
        } else {
            written.has_overflown = true;
        }
        drop(written);
        self.more.notify_one();
        sequence
    }

    /// Waits at most `span` for changes and takes all that are there.
    pub fn wait(&self, span: Duration) -> Vec<Change> {
        let written = self.lock();
        let idle = |written: &mut Written| written.changes.is_empty() && !written.is_closed;
        let waited = self.more.wait_timeout_while(written, span, idle);
        let (mut written, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut written.changes)
    }

    /// Whether changes were dropped since this was last asked, and the number of the last one.
    pub fn has_overflown(&self) -> Option<u64> {
        let mut written = self.lock();
        std::mem::take(&mut written.has_overflown).then_some(written.sequence)
    }

    /// Nobody waits any more: the reader takes what is left and ends.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.more.notify_all();
    }

    /// Whether the reader should end.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Every change is whole also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
