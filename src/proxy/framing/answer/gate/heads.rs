//! Heads at the gate: read, checked, and handed on with what follows them.

use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::super::chunked::Chunked;
use super::super::head::Body;
use super::super::{Peek, TRAILERS};
use super::{AnswerGate, State};

impl<S: AsyncRead + AsyncWrite + Peek + Unpin> AnswerGate<S> {
    /// Reads a head straight into hyper's buffer, where it stays with what comes of a body of known length, if it is whole.
    /// If it is not, it is held.
    pub(super) fn poll_new_head(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let State::Head(head) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        if new.is_empty() {
            // hyper has seen nothing of the head, and finds that the answer is missing.
            self.state = State::Failed;
            return Poll::Ready(Ok(()));
        }
        self.wire.answered.store(true, Ordering::Release);
        let scanned = head.scan(new);
        let (length, body) = match scanned {
            Ok(Some(whole)) => whole,
            Ok(None) => {
                self.held.extend_from_slice(new);
                buffer.set_filled(before);
                return Poll::Ready(Ok(()));
            }
            Err(why) => {
                buffer.set_filled(before);
                return Poll::Ready(Err(self.fail(why)));
            }
        };
        self.begin(body);
        let rest = new.get(length..).unwrap_or_default();
        let passed = match self.state {
            State::Counted(_) | State::UntilClose => self.follow(rest)?,
            State::Quiet if !rest.is_empty() => {
                self.tell_unsolicited();
                0
            }
            State::Quiet | State::Failed => 0,
            State::Head(_) | State::Chunked(_) => {
                self.held.extend_from_slice(rest);
                0
            }
        };
        buffer.set_filled(before + length + passed);
        Poll::Ready(Ok(()))
    }

    /// Checks what is held of a head, and reads more of it where that is not all.
    pub(super) fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Head(head) = &mut self.state else {
            return Poll::Ready(Ok(()));
        };
        match head.scan(&self.held) {
            Err(why) => Poll::Ready(Err(self.fail(why))),
            Ok(Some((length, body))) => {
                self.clear = length;
                self.begin(body);
                Poll::Ready(Ok(()))
            }
            Ok(None) => {
                let read = ready!(self.poll_more(context))?;
                if read == 0 {
                    // hyper has seen nothing of the head, and finds that the answer is missing.
                    self.held.clear();
                    self.state = State::Failed;
                } else {
                    self.wire.answered.store(true, Ordering::Release);
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// A head has passed.
    fn begin(&mut self, body: Body) {
        self.state = match body {
            // The head of the next answer follows; the scan knows that it was an interim one.
            Body::Interim(next) => State::Head(next),
            Body::Counted(0) => State::Quiet,
            Body::Counted(length) => State::Counted(length),
            Body::Chunked => State::Chunked(Chunked::of_answer(TRAILERS)),
            Body::UntilClose => State::UntilClose,
        };
        if matches!(self.state, State::Quiet) && self.held.len() > self.clear {
            self.held.truncate(self.clear);
            self.tell_unsolicited();
        }
    }
}
