//! What a client may make us do by frames that bring nothing: a budget, in front of hyper.
//!
//! Requests are counted and limited elsewhere, and so are the bytes of bodies. But a frame of nine bytes can ask for an
//! answer (PING, SETTINGS), undo work that was begun (RST_STREAM, CVE-2023-44487), or just be there (empty DATA,
//! CVE-2019-9518; PRIORITY; CONTINUATION, CVE-2024-27316), and any number of them fits into a second. Each costs a part
//! of a budget that fills up with time: what honest clients do stays far below, and a flood of any kind ends the
//! connection within its first second.
//!
//! This is no second parser of HTTP/2: it reads the nine bytes in front of each frame, and for a window's update the four
//! behind them. What they mean is hyper's business.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::proxy::transport::Transport;

/// What a connection begins with (RFC 9113, 3.4).
pub(in crate::proxy) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much budget there is at most, and how much of it comes back in a second.
const MOST: u64 = 50_000;
const PER_SECOND: u64 = 5_000;

/// How long a frame's head is.
const HEAD: usize = 9;

/// A window's update by less than this brings us nothing to speak of.
const SMALL_UPDATE: u32 = 4096;

/// A piece of a body shorter than this costs more than it brings.
const SMALL_DATA: usize = 16;

/// A connection whose frames are counted.
pub(super) struct Frames {
    transport: Transport,
    scan: Scan,
    budget: Budget,
    flood: Option<Box<dyn FnOnce() + Send>>,
}

/// Where in the stream of frames a connection is.
#[derive(Clone, Copy, Debug)]
struct Scan {
    /// So many bytes are to be skipped before the next head.
    skip: usize,
    /// The head as far as it has come, and of a window's update what follows it.
    head: [u8; HEAD + 4],
    filled: usize,
}

/// What is left to be spent.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: u64,
    filled: Instant,
}

impl Frames {
    /// Counts what comes over `transport`. Where it is too much, `flood` is called, once.
    pub(super) fn new(transport: Transport, flood: impl FnOnce() + Send + 'static) -> Self {
        Self {
            transport,
            scan: Scan::new(),
            budget: Budget {
                left: MOST,
                filled: Instant::now(),
            },
            flood: Some(Box::new(flood)),
        }
    }
}

impl Scan {
    const fn new() -> Self {
        Self {
            skip: PREFACE.len(),
            head: [0; HEAD + 4],
            filled: 0,
        }
    }

    /// What the frames cost whose heads are in the bytes that follow those before.
    fn cost(&mut self, mut bytes: &[u8]) -> u64 {
        let mut cost = 0;
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = bytes.get(skipped..).unwrap_or_default();
            if bytes.is_empty() {
                return cost;
            }
            let needed = self.needed();
            let room = self.head.get_mut(self.filled..needed).unwrap_or_default();
            let taken = room.len().min(bytes.len());
            let (new, rest) = bytes.split_at_checked(taken).unwrap_or_default();
            room.iter_mut().zip(new).for_each(|(to, from)| *to = *from);
            self.filled += taken;
            bytes = rest;
            if self.filled == self.needed() {
                cost += self.frame();
            }
        }
    }

    /// How many bytes of the frame are looked at, as far as that is known.
    fn needed(&self) -> usize {
        if self.filled >= HEAD && self.head[3] == WINDOW_UPDATE && self.length() == 4 {
            HEAD + 4
        } else {
            HEAD
        }
    }

    fn length(&self) -> usize {
        let [high, middle, low, ..] = self.head;
        usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
    }

    /// What a frame costs of which enough is here; goes on to the next.
    fn frame(&mut self) -> u64 {
        let (length, looked_at) = (self.length(), self.filled);
        let (kind, flags) = (self.head[3], self.head[4]);
        self.skip = length.saturating_sub(looked_at - HEAD);
        self.filled = 0;
        let ends_stream = flags & 1 != 0;
        match kind {
            DATA if ends_stream => 0,
            DATA if length == 0 => 50,
            DATA => u64::from(length < SMALL_DATA),
            HEADERS => 0,
            PRIORITY | PING => 10,
            RST_STREAM | CONTINUATION => 50,
            SETTINGS => 500,
            WINDOW_UPDATE => {
                let [.., a, b, c, d] = self.head;
                let is_small = u32::from_be_bytes([a & 0x7f, b, c, d]) < SMALL_UPDATE;
                if is_small { 5 } else { 0 }
            }
            _ => 10,
        }
    }
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

impl Budget {
    /// Spends `cost`; whether there was enough.
    fn spend(&mut self, cost: u64, now: Instant) -> bool {
        if cost == 0 {
            return true;
        }
        let passed = now.saturating_duration_since(self.filled).as_millis();
        let back = u64::try_from(passed)
            .unwrap_or(u64::MAX)
            .saturating_mul(PER_SECOND)
            / 1000;
        if back > 0 {
            self.left = self.left.saturating_add(back).min(MOST);
            self.filled = now;
        }
        let left = self.left.checked_sub(cost);
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

impl AsyncRead for Frames {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.transport).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let cost = this.scan.cost(new);
        if this.budget.spend(cost, Instant::now()) {
            return Poll::Ready(Ok(()));
        }
        if let Some(flood) = this.flood.take() {
            flood();
        }
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }
}

impl AsyncWrite for Frames {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().transport).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
