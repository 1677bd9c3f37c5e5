//! What a connection is doing, as far as others must know: whether it idles, since when, and whether it shall end.
//!
//! Written by the task that serves the connection, read by whoever looks for one to close ([`super::connections`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::framing::Turns;

/// One connection. It begins idle: nothing has come over it yet.
#[derive(Debug)]
pub(super) struct Activity {
    /// What `changed` counts from: the same for all connections, so that they can be compared.
    base: Instant,
    /// When it last began to idle, if it does; milliseconds after `base`.
    changed: AtomicU64,
    /// How many requests are being served: from the head to the end of the answer's body.
    serving: AtomicUsize,
    /// The end of the connection is the end of the answer in service.
    ends_with_close: AtomicBool,
    /// Part of an answer waits to be written.
    writing: AtomicBool,
    /// How many requests have come.
    served: AtomicUsize,
    /// The client was too slow to read its answer.
    too_slow: AtomicBool,
    end: Notify,
    /// Who asks for the end means a connection that waits for the rest of a head.
    may_end_in_head: AtomicBool,
    turns: Arc<Turns>,
}

/// How a connection ends on which nothing is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It idles.
    Idle,
    /// It has a part of a head, which nobody waits for any longer.
    InHead,
}

/// A request in service; idling begins when it is dropped.
#[derive(Debug)]
pub(super) struct InService {
    activity: Arc<Activity>,
    /// Counts the requests of the connection from 1.
    pub(super) number: usize,
}

impl Activity {
    /// A connection that was accepted now.
    pub(super) fn new(base: Instant) -> Self {
        let activity = Self {
            base,
            changed: AtomicU64::new(0),
            serving: AtomicUsize::new(0),
            ends_with_close: AtomicBool::new(false),
            writing: AtomicBool::new(false),
            served: AtomicUsize::new(0),
            too_slow: AtomicBool::new(false),
            end: Notify::new(),
            may_end_in_head: AtomicBool::new(false),
            turns: Arc::default(),
        };
        activity.mark();
        activity
    }

    /// When the connection began to idle, if it does; comparable between connections of one table.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let busy = self.is_answering() || self.turns.is_under_way();
        let since = Duration::from_millis(self.changed.load(Ordering::Relaxed));
        (!busy).then(|| self.base + since)
    }

    /// Since when nothing has been done on it but to wait for the rest of a head, if that is so.
    pub(super) fn in_head_since(&self) -> Option<Instant> {
        self.turns.head_since().filter(|_| !self.is_answering())
    }

    fn is_answering(&self) -> bool {
        self.serving.load(Ordering::Relaxed) > 0 || self.writing.load(Ordering::Relaxed)
    }

    /// Whether a request was served on it.
    pub(super) fn was_used(&self) -> bool {
        self.served.load(Ordering::Relaxed) > 0
    }

    /// What the gate and the service of the connection agree upon.
    pub(super) const fn turns(&self) -> &Arc<Turns> {
        &self.turns
    }

    /// Asks for the end of the connection, if it idles when it hears of it.
    pub(super) fn ask_to_end(&self) {
        self.end.notify_one();
    }

    /// The same, if it still waits for the rest of a head, or idles.
    pub(super) fn ask_to_end_in_head(&self) {
        self.may_end_in_head.store(true, Ordering::Relaxed);
        self.end.notify_one();
    }

    /// Waits until somebody asks; what is to be done then.
    pub(super) async fn asked_to_end(&self) -> Option<End> {
        self.end.notified().await;
        let in_head = self.may_end_in_head.swap(false, Ordering::Relaxed);
        if self.idle_since().is_some() {
            return Some(End::Idle);
        }
        (in_head && self.in_head_since().is_some()).then_some(End::InHead)
    }

    /// A request has come.
    pub(super) fn serve(self: &Arc<Self>) -> InService {
        self.serving.fetch_add(1, Ordering::Relaxed);
        InService {
            activity: Arc::clone(self),
            number: self.served.fetch_add(1, Ordering::Relaxed) + 1,
        }
    }

    /// Whether the client keeps us from writing.
    pub(super) fn set_writing(&self, waits: bool) {
        if self.writing.swap(waits, Ordering::Relaxed) && !waits {
            self.mark();
        }
    }

    /// The answer that comes has no end but that of the connection, as in HTTP/1.0: it is the last one.
    pub(super) fn set_ends_with_close(&self) {
        self.ends_with_close.store(true, Ordering::Relaxed);
    }

    /// Whether the end of the connection will be taken for the end of the answer.
    pub(super) fn ends_with_close(&self) -> bool {
        self.ends_with_close.load(Ordering::Relaxed)
    }

    /// The client does not read its answer.
    pub(super) fn set_too_slow(&self) {
        self.too_slow.store(true, Ordering::Relaxed);
    }

    /// Whether the connection ended because the client did not read its answer.
    pub(super) fn was_too_slow(&self) -> bool {
        self.too_slow.load(Ordering::Relaxed)
    }

    fn mark(&self) {
        let since = Instant::now().saturating_duration_since(self.base);
        let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        self.changed.store(milliseconds, Ordering::Relaxed);
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.activity.mark();
        self.activity.serving.fetch_sub(1, Ordering::Relaxed);
    }
}
