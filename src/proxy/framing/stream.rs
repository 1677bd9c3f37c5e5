//! The gate between a client's connection and hyper.
//!
//! What hyper reads has passed the [`Gate`]: one request at a time, each head whole, the next not before the one before
//! it is answered. So no byte of a body can become a request after an early answer, and hyper always reads on while it
//! answers, which is how it learns that the client has gone.
//!
//! A head that comes in one piece stays where it was read into, in hyper's own buffer. For one that is refused hyper is
//! given a small request of ours in its place; the service knows by its number ([`Turns`]) that it is to refuse it, so
//! the order of answers, their writing and the closing stay hyper's. Within a body a refusal is an error of the read.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::deadline::Deadline;
use super::departs::{Departs, Watch};
use super::fault::Fault;
use super::gate::{Gate, GateLimits, Step, Stop};
use super::held::Held;
use super::linger::Linger;
use super::mode::Mode;
use super::refused::Refused;
use super::turns::Turns;

/// How many bytes of requests are kept that are sent before it is their turn; more are left to the kernel.
const MAX_HELD: usize = 32 * 1024;

/// How long an answer is still waited for when the client has ended its side. Nobody can tell one that has gone from one
/// that only has no more to say; the upstream's work is not to go on for long for the one, nor the other to get nothing.
const GRACE: Duration = Duration::from_millis(250);

/// A client's connection with the gate in it.
#[derive(Debug)]
pub(in crate::proxy) struct Gated<S> {
    stream: S,
    gate: Gate,
    turns: Arc<Turns>,
    held: Held,
    /// How many heads went on, a refused one included.
    heads: u64,
    /// How many requests are answered, their answers written.
    written: u64,
    mode: Mode,
    /// Whether the client has ended its side; what it sent before may still be held.
    has_ended: bool,
    head_time: Deadline,
    grace: Deadline,
    watch: Watch,
    /// Our side is closed.
    linger: Option<Linger>,
    /// There is nothing left to do.
    is_closed: bool,
}

/// How far bytes may go on.
#[derive(Clone, Copy, Debug)]
struct Scanned {
    passed: usize,
    /// So many behind those go nowhere.
    skipped: usize,
    /// What goes on instead of the others.
    stand_in: Option<&'static [u8]>,
}

impl<S: AsyncRead + AsyncWrite + Departs + Unpin> Gated<S> {
    /// Puts the gate into `stream`. `head_time` is how long a client may take for a head, counted from its first byte.
    pub(in crate::proxy) fn new(
        stream: S,
        limits: GateLimits,
        head_time: Duration,
        turns: Arc<Turns>,
    ) -> Self {
        Self {
            stream,
            gate: Gate::new(limits),
            turns,
            held: Held::default(),
            heads: 0,
            written: 0,
            mode: Mode::Open,
            has_ended: false,
            head_time: Deadline::new(head_time),
            grace: Deadline::new(GRACE),
            watch: Watch::default(),
            linger: None,
            is_closed: false,
        }
    }

    /// The stream that the gate stands in.
    pub(in crate::proxy) const fn inner_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The memory that is held for bytes that may not go on yet.
    #[cfg(test)]
    pub(super) const fn held_capacity(&self) -> usize {
        self.held.capacity()
    }

    /// Whether what comes has to wait for the answer to the request before.
    const fn awaits_answer(&self) -> bool {
        self.gate.is_between() && self.written < self.heads
    }

    /// Scans bytes that follow what went on, up to the end of a message. A refusal is noted.
    fn scan(&mut self, bytes: &[u8]) -> Scanned {
        let mut scanned = Scanned {
            passed: 0,
            skipped: 0,
            stand_in: None,
        };
        loop {
            let rest = bytes.get(scanned.passed..).unwrap_or_default();
            let is_head = self.gate.is_between();
            match self.gate.scan(rest) {
                Ok(Step::Pass(length)) => {
                    scanned.passed += length;
                    if is_head {
                        self.heads += 1;
                        self.head_time.stop();
                    }
                    if self.gate.is_between() {
                        return scanned;
                    }
                }
                Ok(Step::Skip(length)) => {
                    scanned.skipped = length;
                    return scanned;
                }
                Ok(Step::Wait) => return scanned,
                Err(stop) => {
                    scanned.skipped = rest.len();
                    if is_head {
                        scanned.stand_in = Some(self.refuse_head(&stop, rest));
                    } else {
                        self.turns.refuse_body(Refused::body(&stop, rest));
                        self.mode = Mode::BodyRefused;
                    }
                    return scanned;
                }
            }
        }
    }

    /// Closes our side, and reads for a moment what the client still sends. hyper has done so, but not where there was an
    /// `Upgrade` in the connection: then it leaves that to whom it takes to have an upgraded connection.
    pub(in crate::proxy) async fn close(mut self) {
        // An error says that there is nobody left to be told anything.
        let _ = poll_fn(|context| Pin::new(&mut self).poll_shutdown(context)).await;
    }

    /// Notes that a head is refused; what goes on in its place.
    fn refuse_head(&mut self, stop: &Stop, bytes: &[u8]) -> &'static [u8] {
        let refused = Refused::head(stop, bytes);
        let stand_in = refused.stand_in();
        self.turns.refuse_head(self.heads, refused);
        self.heads += 1;
        self.head_time.stop();
        self.mode = Mode::HeadRefused;
        stand_in
    }

    /// Scans what is held; whether that led to anything.
    fn scan_held(&mut self) -> bool {
        let mut held = std::mem::take(&mut self.held);
        let scanned = self.scan(held.waiting());
        held.clear(scanned.passed);
        if self.mode != Mode::Open {
            held.drop_waiting();
        } else if scanned.skipped > 0 {
            held.skip(scanned.skipped);
        }
        if let Some(stand_in) = scanned.stand_in {
            held.push(stand_in);
            held.clear(stand_in.len());
        }
        self.held = held;
        scanned.passed > 0 || scanned.skipped > 0
    }

    /// Takes in what was read into `buffer` behind `before` bytes: what may go on stays there, the rest is held.
    fn take_in(&mut self, buffer: &mut ReadBuf<'_>, before: usize) {
        let new = buffer.filled().get(before..).unwrap_or_default();
        if !self.held.is_empty() {
            self.held.push(new);
            buffer.set_filled(before);
            return;
        }
        let scanned = self.scan(new);
        let rest = new.get(scanned.passed + scanned.skipped..);
        self.held.push(rest.unwrap_or_default());
        if let Some(stand_in) = scanned.stand_in {
            self.held.push(stand_in);
            self.held.clear(stand_in.len());
        }
        buffer.set_filled(before + scanned.passed);
    }

    /// The head that is waited for will not be whole, for lack of time or because the client has ended.
    fn give_up(&mut self, fault: Fault) {
        if !self.gate.is_between() || self.held.is_empty() {
            self.mode = Mode::Ended;
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        let bytes = held.waiting();
        let stop = Stop {
            fault,
            part: 0..bytes.len(),
        };
        let stand_in = self.refuse_head(&stop, bytes);
        held.drop_waiting();
        held.push(stand_in);
        held.clear(stand_in.len());
        self.held = held;
    }

    /// Waits for the answer a moment more, and then ends.
    fn poll_grace(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.grace.has_passed(context) {
            self.mode = Mode::Ended;
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Reads while an answer is awaited: what comes is kept, and it is seen if the client goes.
    fn poll_hold(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_ended {
            return self.poll_grace(context);
        }
        let before = buffer.filled().len();
        while self.held.len() < MAX_HELD {
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            let new = buffer.filled().get(before..).unwrap_or_default();
            if new.is_empty() {
                self.has_ended = true;
                return self.poll_grace(context);
            }
            self.held.push(new);
            buffer.set_filled(before);
        }
        // No more is read, so it does not come to light by reading that the client has gone: it is asked for now and then.
        if self.watch.sees_the_end(&self.stream, context) {
            self.has_ended = true;
            return self.poll_grace(context);
        }
        Poll::Pending
    }

    /// An answer may have been written: then the next request may come, if it is not here already.
    fn poll_next(&mut self, context: &mut Context<'_>) {
        let answered = self.turns.answered();
        if answered == self.written {
            return;
        }
        self.written = answered;
        if self.mode != Mode::Open || !self.gate.is_between() || self.awaits_answer() {
            return;
        }
        // hyper reads on only when it is woken.
        if self.has_ended || !self.held.is_empty() {
            context.waker().wake_by_ref();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Departs + Unpin> AsyncRead for Gated<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = this.poll_through(context, buffer);
        let is_quiet = this.gate.is_between() && this.held.is_empty();
        this.turns.set_under_way(!is_quiet);
        this.turns.set_in_head(this.gate.is_between() && !is_quiet);
        read
    }
}

impl<S: AsyncRead + AsyncWrite + Departs + Unpin> Gated<S> {
    /// Reads what may go on.
    fn poll_through(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self;
        let before = buffer.filled().len();
        if this.mode == Mode::Open && this.turns.is_tunnel() {
            this.mode = Mode::Tunnel;
            this.held.clear(usize::MAX);
        }
        loop {
            if this.held.hand_over(buffer) || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            match this.mode {
                Mode::Open => {}
                Mode::Tunnel if this.has_ended => return Poll::Ready(Ok(())),
                Mode::Tunnel => return Pin::new(&mut this.stream).poll_read(context, buffer),
                Mode::Ended => return Poll::Ready(Ok(())),
                Mode::BodyRefused => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                Mode::HeadRefused => return Poll::Pending,
            }
            if this.awaits_answer() {
                return this.poll_hold(context, buffer);
            }
            if !this.held.is_empty() && this.scan_held() {
                continue;
            }
            if this.has_ended {
                this.give_up(Fault::HeadCut);
                continue;
            }
            if Pin::new(&mut this.stream)
                .poll_read(context, buffer)?
                .is_pending()
            {
                let is_in_head = this.gate.is_between() && !this.held.is_empty();
                if is_in_head && this.head_time.has_passed(context) {
                    this.give_up(Fault::HeadTime);
                    continue;
                }
                return Poll::Pending;
            }
            if buffer.filled().len() == before {
                this.has_ended = true;
                continue;
            }
            this.take_in(buffer, before);
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Departs + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(context))?;
        this.poll_next(context);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_closed {
            return Poll::Ready(Ok(()));
        }
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
        }
        let is_all_read = this.gate.is_between() && this.held.is_empty();
        let is_over = this.has_ended || matches!(this.mode, Mode::Ended | Mode::Tunnel);
        if !(is_over || is_all_read) {
            let linger = this.linger.get_or_insert_with(Linger::new);
            ready!(linger.poll(&mut this.stream, context));
        }
        this.is_closed = true;
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }
}
