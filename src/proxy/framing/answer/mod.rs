//! The gate on what an upstream sends: an answer passes if it can be read in one way only, and only if somebody asked.
//!
//! It wraps the connection beneath hyper. A head is held back until all of it has been checked ([`head`]); bodies pass
//! as they come, while their framing is followed to the byte. At the first byte that is wrong the connection fails, and
//! whoever waits for the answer finds the reason in [`Wire`]. Bytes that come before a request was sent, or after the end
//! of an answer, would be taken for the answer to the next request: they end the connection, and are told of.
//!
//! What it does not do: yield values. hyper parses what passed; the gate only sees to it that hyper, the client and every
//! parser between them see the same boundaries.

mod gate;
mod head;

use std::io;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use tokio::net::TcpStream;

pub(in crate::proxy) use self::gate::AnswerGate;
use super::chunked::TrailerLimits;
use super::fault::Fault;

/// The longest head of an answer, in bytes; interim ones count for themselves.
pub(in crate::proxy) const MAX_HEAD: usize = 64 * 1024;

/// The most header lines of an answer.
pub(in crate::proxy) const MAX_FIELDS: usize = 256;

/// The most interim answers (1xx) before the final one.
pub(in crate::proxy) const MAX_INTERIM: usize = 16;

/// hyper takes no longer trailers.
const TRAILERS: TrailerLimits = TrailerLimits {
    bytes: 16 * 1024,
    lines: MAX_FIELDS,
};

/// What is wrong with an answer: a sentence for the operator.
type Wrong = &'static str;

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TrailersTooLarge => "The trailers are longer than 16 KiB.",
            fault => fault.message(),
        }
    }
}

/// Told, once for a connection, that bytes came which nobody had asked for.
pub(in crate::proxy) type Unsolicited = Box<dyn FnOnce() + Send>;

/// What the gate of a connection and its owner tell each other.
#[derive(Debug, Default)]
pub(in crate::proxy) struct Wire {
    expected: AtomicU8,
    answered: AtomicBool,
    fault: OnceLock<Wrong>,
}

/// A connection that can be asked what waits in the kernel, whatever the runtime knows of it.
pub(in crate::proxy) trait Peek {
    /// Whether a byte waits (1), the end (0), or nothing (an error of the kind `WouldBlock`).
    fn peek(&self) -> io::Result<usize>;
}

impl Wire {
    const NONE: u8 = 0;
    const ANSWER: u8 = 1;
    const ANSWER_TO_HEAD: u8 = 2;
    const ANSWER_TO_UPGRADE: u8 = 3;

    /// The next request to be written is to be answered, without a body if it is a HEAD.
    pub(in crate::proxy) fn expect_answer(&self, is_head: bool) {
        self.expect(if is_head {
            Self::ANSWER_TO_HEAD
        } else {
            Self::ANSWER
        });
    }

    /// The next request to be written asks for another protocol, and may get it.
    pub(in crate::proxy) fn expect_upgrade(&self) {
        self.expect(Self::ANSWER_TO_UPGRADE);
    }

    fn expect(&self, expected: u8) {
        self.answered.store(false, Ordering::Release);
        self.expected.store(expected, Ordering::Release);
    }

    /// Whether a request is about to be written.
    fn is_asked(&self) -> bool {
        self.expected.load(Ordering::Acquire) != Self::NONE
    }

    /// Whether anything came since an answer was expected.
    pub(in crate::proxy) fn has_answered(&self) -> bool {
        self.answered.load(Ordering::Acquire)
    }

    /// What is wrong with the answer, where something is; a sentence.
    pub(in crate::proxy) fn fault(&self) -> Option<Wrong> {
        self.fault.get().copied()
    }
}

impl Peek for TcpStream {
    fn peek(&self) -> io::Result<usize> {
        socket2::SockRef::from(self).peek(&mut [MaybeUninit::uninit()])
    }
}

#[cfg(test)]
mod tests;
