//! The thread that writes events and access lines: takes whatever waits, writes it in as few writes as go, and never
//! gives up.
//!
//! A full disk or a reader that went away costs the lines that could not be written, never the thread: they are counted,
//! the operator is told once, and the next write that works is followed by an event that says how many are missing.

use std::io;
use std::sync::Arc;

use super::queue::{Batch, Line, Loss, Queue};
use super::sink::Sink;
use super::{Event, EventKind, json};

/// Starts the thread. It ends when the queue is closed and everything in it is written.
///
/// # Errors
/// When the system has no thread to give.
pub(super) fn spawn(queue: Arc<Queue>, sink: Sink) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("events".into());
    thread.spawn(move || {
        // Whoever waits for the end is told even if this thread panics.
        let _end = EndOnDrop(&queue);
        Writer::new(&queue, sink).run();
    })?;
    Ok(())
}

struct EndOnDrop<'q>(&'q Queue);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

struct Writer<'q> {
    queue: &'q Queue,
    sink: Sink,
    buffer: Vec<u8>,
    /// What is lost if the lines in `buffer` cannot be written, each with the offset at which its line ends.
    pending: Vec<(usize, Loss)>,
    /// What is lost and not yet told of.
    loss: Loss,
    failing: bool,
}

impl<'q> Writer<'q> {
    /// As much is put into one write.
    const CHUNK: usize = 64 * 1024;

    const fn new(queue: &'q Queue, sink: Sink) -> Self {
        Self {
            queue,
            sink,
            buffer: Vec::new(),
            pending: Vec::new(),
            loss: Loss {
                first: None,
                events: 0,
                access_lines: 0,
            },
            failing: false,
        }
    }

    fn run(mut self) {
        loop {
            let batch = self.queue.take();
            let last = batch.last;
            self.write(batch);
            if last {
                return self.report_rest();
            }
        }
    }

    fn write(&mut self, batch: Batch) {
        if let Some(sink) = batch.orders.sink {
            self.sink = sink;
            self.failing = false;
        }
        if batch.orders.reopen
            && let Err(error) = self.sink.reopen()
        {
            tracing::error!(sink = %self.sink, %error, "The event log could not be opened again; it goes on in the old file.");
        }
        for line in batch.lines {
            self.put(&line);
        }
        self.flush();
        self.loss.add(batch.loss);
        self.tell_loss();
    }

    fn put(&mut self, line: &Line) {
        let loss = Loss::of(line);
        let start = self.buffer.len();
        let appended = match line {
            Line::Event(event) => json::append_line(&mut self.buffer, event),
            Line::Access(record) => json::append_line(&mut self.buffer, record),
        };
        match appended {
            Ok(()) => self.make_room(start, loss),
            Err(error) => {
                tracing::error!(%error, "An event could not be serialised; this is a bug in portcullis.");
                self.queue.count_dropped(&loss);
                self.loss.add(loss);
            }
        }
    }

    /// Writes out what comes before the line at `start`, where that line no longer fits into the same file or chunk.
    fn make_room(&mut self, start: usize, loss: Loss) {
        let len = self.buffer.len().saturating_sub(start);
        let full = self.sink.is_full(start, len);
        if full || self.buffer.len() > Self::CHUNK {
            let line = self.buffer.split_off(start);
            self.flush();
            self.buffer = line;
            self.rotate_for(len);
        }
        self.pending.push((self.buffer.len(), loss));
    }

    /// Begins a new file where a line of `len` bytes does not fit into this one.
    fn rotate_for(&mut self, len: usize) {
        if self.sink.is_full(0, len)
            && let Err(error) = self.sink.rotate()
        {
            tracing::error!(sink = %self.sink, %error, "The event log could not be rotated; it goes on in the same file.");
        }
    }

    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let written = self.sink.write(&self.buffer);
        self.buffer.clear();
        for (end, loss) in self.pending.drain(..) {
            if end > written.bytes {
                self.queue.count_dropped(&loss);
                self.loss.add(loss);
            }
        }
        match written.result {
            Ok(()) if self.failing => {
                self.failing = false;
                tracing::warn!(sink = %self.sink, missing = self.loss.events, "Events are written again.");
            }
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::error!(sink = %self.sink, %error, "Events cannot be written; they are counted and dropped until they can.");
            }
            _ => {}
        }
    }

    /// Writes the event that says how many are missing. It does not go through `pending`: those that it stands for are
    /// counted already.
    fn tell_loss(&mut self) {
        let Some(notice) = notice(&self.loss) else {
            return;
        };
        if self.failing || json::append_line(&mut self.buffer, &notice).is_err() {
            self.buffer.clear();
            return;
        }
        self.rotate_for(self.buffer.len());
        let written = self.sink.write(&self.buffer);
        self.buffer.clear();
        if written.bytes > 0 {
            self.loss = Loss::default();
        }
    }

    /// The last try to tell what is missing; the operator reads it among the diagnostics where it fails.
    fn report_rest(&mut self) {
        self.failing = false;
        self.tell_loss();
        if self.loss != Loss::default() {
            tracing::error!(sink = %self.sink, events = self.loss.events, access_lines = self.loss.access_lines, "Events were lost at the end.");
        }
    }
}

/// The event that stands for those that are missing.
fn notice(loss: &Loss) -> Option<Event> {
    let (id, time) = loss.first?;
    let message = format!(
        "{} events and {} access lines could not be written",
        loss.events, loss.access_lines
    );
    let mut event = Event::new(id, time, EventKind::Dropped, message);
    event.count = u32::try_from(loss.events).unwrap_or(u32::MAX);
    Some(event)
}
