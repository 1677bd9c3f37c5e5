//! The way from a request to whoever is told: a bounded queue that never blocks a request, one thread that writes, and
//! subscribers in the same process.
//!
//! Promised: what [`EventBus::emit`] took is written unless the disk refuses it, also when the process is told to end
//! ([`EventBus::close`]); what it could not take is counted, and the log says how many. Not promised: that an event is on
//! disk when the client has its answer.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;

use super::config::{EventLog, EventsConfig};
use super::queue::{Line, Queue};
use super::sink::Sink;
use super::{AccessRecord, Event, log};

/// Takes events from requests and hands them on. Cheap to clone; all clones are one bus.
///
/// [`EventBus::default`] writes nowhere and has no thread, but has subscribers: for tests and `explain`.
#[derive(Clone, Debug, Default)]
pub struct EventBus {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Option<Arc<Queue>>,
    access_log: AtomicBool,
    subscribers: Mutex<Vec<mpsc::Sender<Arc<Event>>>>,
    has_subscribers: AtomicBool,
    missed: AtomicU64,
}

impl EventBus {
    /// Opens the log that the configuration names, and starts to write. A relative path starts from `base`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn start(config: &EventsConfig, base: &Path) -> io::Result<Self> {
        let bus = Self::writing_to(Sink::open(config, base)?, config.queue)?;
        bus.switch_access_log(config);
        Ok(bus)
    }

    fn writing_to(sink: Sink, capacity: usize) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(capacity));
        log::spawn(Arc::clone(&queue), sink)?;
        let mut shared = Shared::default();
        shared.queue = Some(queue);
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Hands an event on; drops and counts it when the queue is full. Never waits.
    pub fn emit(&self, event: Event) {
        let event = Arc::new(event);
        if self.shared.has_subscribers.load(Ordering::Relaxed) {
            self.tell_subscribers(&event);
        }
        if let Some(queue) = &self.shared.queue {
            queue.push(Line::Event(event));
        }
    }

    /// Hands an access line on, where the access log is switched on. A full queue drops access lines before events.
    pub fn emit_access(&self, record: AccessRecord) {
        if !self.wants_access() {
            return;
        }
        if let Some(queue) = &self.shared.queue {
            queue.push(Line::Access(Box::new(record)));
        }
    }

    /// Whether access lines are written, so that nobody makes a record for nothing.
    #[must_use]
    pub fn wants_access(&self) -> bool {
        self.shared.access_log.load(Ordering::Relaxed)
    }

    /// Every event from now on, up to `capacity` of them waiting. A subscriber that falls behind misses events, counted
    /// in [`missed`](Self::missed); it holds up nobody.
    #[must_use]
    pub fn subscribe(&self, capacity: usize) -> mpsc::Receiver<Arc<Event>> {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        let mut subscribers = self
            .shared
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        subscribers.push(sender);
        self.shared.has_subscribers.store(true, Ordering::Relaxed);
        receiver
    }

    /// How many events are in no log: the queue was full, or they could not be written.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared
            .queue
            .as_ref()
            .map_or(0, |queue| queue.dropped())
    }

    /// How many events subscribers missed because they were behind.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.shared.missed.load(Ordering::Relaxed)
    }

    /// Opens the log file again, after a tool such as logrotate moved it away. Lines that wait go into the new file.
    pub fn reopen(&self) {
        if let Some(queue) = &self.shared.queue {
            queue.order(|orders| orders.reopen = true);
        }
    }

    /// Writes as another configuration says from now on. Lines that wait are kept and go to the new place.
    ///
    /// # Errors
    /// When the new file cannot be opened; then everything stays as it was.
    pub fn reconfigure(&self, config: &EventsConfig, base: &Path) -> io::Result<()> {
        let Some(queue) = &self.shared.queue else {
            return Ok(());
        };
        let sink = Sink::open(config, base)?;
        queue.set_capacity(config.queue);
        queue.order(|orders| orders.sink = Some(sink));
        self.switch_access_log(config);
        Ok(())
    }

    /// Takes no more events and waits until those taken are written, but no longer than `patience`; whether they are.
    /// What is emitted later is dropped and counted. Blocks the thread: for the end of `main`.
    pub fn close(&self, patience: Duration) -> bool {
        self.shared.queue.as_ref().is_none_or(|queue| {
            queue.close();
            queue.wait_for_end(patience)
        })
    }

    fn switch_access_log(&self, config: &EventsConfig) {
        let on = config.access_log && config.log != EventLog::None;
        self.shared.access_log.store(on, Ordering::Relaxed);
    }

    fn tell_subscribers(&self, event: &Arc<Event>) {
        let mut subscribers = self
            .shared
            .subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        subscribers.retain(|subscriber| match subscriber.try_send(Arc::clone(event)) {
            Ok(()) => true,
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.shared.missed.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
        self.shared
            .has_subscribers
            .store(!subscribers.is_empty(), Ordering::Relaxed);
    }
}

/// The last clone is gone: the writer writes what waits, and ends.
impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.close();
        }
    }
}

#[cfg(test)]
mod tests;
