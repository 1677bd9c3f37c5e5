//! Where lines wait to be written: bounded, and never a place where a request waits.
//!
//! The lock is held to push one line, or to take all of them; never while anything is formatted or written. So a request
//! waits for a disk as little as for a reader of our standard output that went away.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::sink::Sink;
use super::{AccessRecord, Event, EventId};

/// How long the writer lets lines gather before it takes them.
const GATHER: Duration = Duration::from_millis(1);

/// The queue between requests and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    ended: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    lines: VecDeque<Line>,
    capacity: usize,
    loss: Loss,
    orders: Orders,
    closing: bool,
    ended: bool,
}

/// One line of the log.
#[derive(Debug)]
pub(super) enum Line {
    /// Something happened.
    Event(Arc<Event>),
    /// A request was answered.
    Access(Box<AccessRecord>),
}

/// What the writer is to do besides writing lines.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// Write here from now on.
    pub(super) sink: Option<Sink>,
    /// Open the file again, because somebody moved it away.
    pub(super) reopen: bool,
}

/// Everything that waited.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) lines: VecDeque<Line>,
    pub(super) loss: Loss,
    pub(super) orders: Orders,
    /// Nothing comes after this batch.
    pub(super) last: bool,
}

/// Lines that were not written, to be told of in one event. It takes id and time of the first of them, which nothing
/// else in the log has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) first: Option<(EventId, jiff::Timestamp)>,
    pub(super) events: u64,
    pub(super) access_lines: u64,
}

// === impl Queue ===

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(State {
                lines: VecDeque::new(),
                capacity: capacity.max(1),
                loss: Loss::default(),
                orders: Orders::default(),
                closing: false,
                ended: false,
            }),
            wake: Condvar::new(),
            ended: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Takes a line, or counts it where there is no room.
    pub(super) fn push(&self, line: Line) {
        let mut state = self.lock();
        if state.closing || state.lines.len() >= state.room_for(&line) {
            let loss = Loss::of(&line);
            self.count_dropped(&loss);
            state.loss.add(loss);
            return;
        }
        // The writer sleeps only where there is no line, so only the first has to wake it: a wake-up is a system call
        // even where nobody sleeps.
        let first = state.lines.is_empty();
        state.lines.push_back(line);
        drop(state);
        if first {
            self.wake.notify_one();
        }
    }

    /// Waits until there is something to do, and takes it all.
    pub(super) fn take(&self) -> Batch {
        let waiting = self.lock();
        let mut state = self
            .wake
            .wait_while(waiting, |state| state.is_idle())
            .unwrap_or_else(PoisonError::into_inner);
        // Lines that come meanwhile wake nobody: waking is most of what an event costs.
        if !state.closing && !state.lines.is_empty() {
            drop(state);
            std::thread::sleep(GATHER);
            state = self.lock();
        }
        Batch {
            lines: std::mem::take(&mut state.lines),
            loss: std::mem::take(&mut state.loss),
            orders: std::mem::take(&mut state.orders),
            last: state.closing,
        }
    }

    /// Gives the writer something to do besides writing.
    pub(super) fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut self.lock().orders);
        self.wake.notify_one();
    }

    pub(super) fn set_capacity(&self, capacity: usize) {
        self.lock().capacity = capacity.max(1);
    }

    /// Takes no more lines, and lets the writer end when it has written those that it took.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.wake.notify_one();
    }

    /// Waits until the writer has ended, but no longer than `patience`; whether it has.
    pub(super) fn wait_for_end(&self, patience: Duration) -> bool {
        let state = self.lock();
        let (state, _) = self
            .ended
            .wait_timeout_while(state, patience, |state| !state.ended)
            .unwrap_or_else(PoisonError::into_inner);
        state.ended
    }

    /// Says that the writer has ended.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.closing = true;
        state.ended = true;
        drop(state);
        self.ended.notify_all();
    }

    /// Adds events to the count of those that will be in no log.
    pub(super) fn count_dropped(&self, loss: &Loss) {
        self.dropped.fetch_add(loss.events, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The state is whole whenever the lock is free, also after a panic elsewhere.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    /// How many lines may wait before `line` is dropped. Access lines leave the last quarter to events, so that a flood
    /// of requests cannot push out the events that tell of it.
    fn room_for(&self, line: &Line) -> usize {
        match line {
            Line::Event(_) => self.capacity,
            Line::Access(_) => self
                .capacity
                .div_ceil(4)
                .saturating_mul(3)
                .min(self.capacity),
        }
    }

    fn is_idle(&self) -> bool {
        self.lines.is_empty() && self.orders.sink.is_none() && !self.orders.reopen && !self.closing
    }
}

// === impl Loss ===

impl Loss {
    /// The loss of one line.
    pub(super) fn of(line: &Line) -> Self {
        match line {
            Line::Event(event) => Self {
                first: Some((event.id, event.time)),
                events: 1,
                access_lines: 0,
            },
            Line::Access(record) => Self {
                first: Some((record.request_id, record.time)),
                events: 0,
                access_lines: 1,
            },
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.first = self.first.or(other.first);
        self.events = self.events.saturating_add(other.events);
        self.access_lines = self.access_lines.saturating_add(other.access_lines);
    }
}
