//! The gate itself: what is read goes on to hyper as far as it is right.

mod heads;

use std::fmt;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::super::chunked::Chunked;
use super::head::Head;
use super::{Peek, Unsolicited, Wire, Wrong};

/// How much of a head is read at a time, in bytes.
const PIECE: usize = 4096;

/// A connection to an upstream whose answers are checked.
pub(in crate::proxy) struct AnswerGate<S> {
    stream: S,
    wire: Arc<Wire>,
    unsolicited: Option<Unsolicited>,
    state: State,
    /// Bytes of a head that were read and not handed on, and what came with them.
    held: BytesMut,
    /// How many of the held ones may be handed on.
    clear: usize,
    /// Whether the upstream takes no more of the request. What it had answered before can still be read.
    deaf: bool,
}

#[derive(Debug)]
enum State {
    /// Nobody waits for an answer.
    Quiet,
    /// A head is awaited.
    Head(Head),
    /// So many bytes of a body.
    Counted(u64),
    /// Chunks of a body.
    Chunked(Chunked),
    /// A body that ends with the connection, or another protocol that does.
    UntilClose,
    /// Something was wrong, and nothing more passes.
    Failed,
}

impl<S: AsyncRead + AsyncWrite + Peek + Unpin> AnswerGate<S> {
    /// A gate on a fresh connection.
    pub(in crate::proxy) fn new(stream: S, wire: Arc<Wire>, unsolicited: Unsolicited) -> Self {
        Self {
            stream,
            wire,
            unsolicited: Some(unsolicited),
            state: State::Quiet,
            held: BytesMut::new(),
            clear: 0,
            deaf: false,
        }
    }

    /// Hands on what was held and found to be right.
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = self.clear.min(buffer.remaining());
        if let Some(bytes) = self.held.get(..length) {
            buffer.put_slice(bytes);
        }
        self.held.advance(length);
        self.clear -= length;
        if self.held.is_empty() {
            // An idle connection holds no memory.
            self.held = BytesMut::new();
        }
    }

    /// Nothing may come now: waits for the end of the connection.
    fn poll_quiet(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Ready(Ok(()));
        }
        // The runtime may not have learnt yet of bytes or an end that are here, and hyper writes the next request right
        // after this, where there is one.
        let peeked = if self.wire.is_asked() {
            self.stream.peek()
        } else {
            Err(io::ErrorKind::WouldBlock.into())
        };
        match peeked {
            Ok(0) => return Poll::Ready(Ok(())),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let before = buffer.filled().len();
                ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
                if buffer.filled().len() == before {
                    return Poll::Ready(Ok(()));
                }
                buffer.set_filled(before);
            }
            Err(error) => return Poll::Ready(Err(error)),
        }
        self.tell_unsolicited();
        Poll::Ready(Err(refused("Bytes came that nobody asked for.")))
    }

    /// Reads more behind what is held; 0 at the end.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.held.capacity() - self.held.len() < PIECE / 4 {
            self.held.reserve(PIECE);
        }
        pin!(self.stream.read_buf(&mut self.held)).poll(context)
    }

    /// How many of these bytes may go on. The others belong to a line that is not whole yet; or to nobody, where the body
    /// has ended.
    fn follow(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (length, ended) = match &mut self.state {
            State::Counted(left) => {
                let length =
                    usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                *left -= length as u64;
                (length, *left == 0)
            }
            State::Chunked(chunks) => match chunks.scan(bytes) {
                Ok(length) => (length, chunks.has_ended()),
                Err(chunk) => return Err(self.fail(chunk.fault.into())),
            },
            State::UntilClose => (bytes.len(), false),
            State::Quiet | State::Head(_) | State::Failed => (0, false),
        };
        if ended {
            self.state = State::Quiet;
            if length < bytes.len() {
                self.tell_unsolicited();
            }
        }
        Ok(length)
    }

    /// More of a body, straight into hyper's buffer where no part of a line is held.
    fn poll_body(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.held.is_empty() {
            return self.poll_held(context);
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        let followed = self.follow(new);
        let length = *followed.as_ref().unwrap_or(&0);
        if self.is_awaited() {
            self.held
                .extend_from_slice(new.get(length..).unwrap_or_default());
        }
        buffer.set_filled(before + length);
        Poll::Ready(followed.map(drop))
    }

    /// Looks at what is held of a body, and reads more behind it where nothing of that can go on.
    fn poll_held(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = std::mem::take(&mut self.held);
        let followed = self.follow(&held);
        self.clear = *followed.as_ref().unwrap_or(&0);
        if !self.is_awaited() {
            held.truncate(self.clear);
        }
        self.held = held;
        followed?;
        if self.clear == 0 && self.is_awaited() {
            let read = ready!(self.poll_more(context))?;
            if read == 0 {
                self.held.clear();
                self.state = State::Failed;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes came that nobody had asked for. An answer that ended before them is whole, but the connection cannot be used
    /// again.
    fn tell_unsolicited(&mut self) {
        self.state = State::Failed;
        if let Some(tell) = self.unsolicited.take() {
            tell();
        }
    }

    /// The answer is wrong.
    fn fail(&mut self, why: Wrong) -> io::Error {
        self.state = State::Failed;
        self.held = BytesMut::new();
        let _ = self.wire.fault.set(why);
        refused(why)
    }

    /// A request is written: its answer may come from now on.
    fn begin_request(&mut self) {
        if matches!(self.state, State::Quiet) {
            match self.wire.expected.swap(Wire::NONE, Ordering::AcqRel) {
                Wire::NONE => {}
                Wire::ANSWER_TO_UPGRADE => self.state = State::Head(Head::of_upgrade()),
                expected => self.state = State::Head(Head::new(expected == Wire::ANSWER_TO_HEAD)),
            }
        }
    }

    /// Whether an answer, or the rest of one, may still come.
    const fn is_awaited(&self) -> bool {
        !matches!(self.state, State::Quiet | State::Failed)
    }

    /// An upstream that answers early may close before it has the whole request. What it said before is in the kernel
    /// still, so the rest of the request is dropped and the answer read.
    fn forgive(
        &mut self,
        written: Poll<io::Result<usize>>,
        length: usize,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(_)) if self.is_awaited() => {
                self.deaf = true;
                Poll::Ready(Ok(length))
            }
            written => written,
        }
    }
}

fn refused(why: Wrong) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl<S: AsyncRead + AsyncWrite + Peek + Unpin> AsyncRead for AnswerGate<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.clear > 0 {
                this.hand_on(buffer);
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            match this.state {
                State::Quiet => return this.poll_quiet(context, buffer),
                State::Failed => return Poll::Ready(Ok(())),
                State::Head(_) if this.held.is_empty() && buffer.remaining() >= PIECE => {
                    ready!(this.poll_new_head(context, buffer))?;
                    if buffer.filled().len() > before {
                        return Poll::Ready(Ok(()));
                    }
                }
                State::Head(_) => ready!(this.poll_head(context))?,
                State::Counted(_) | State::Chunked(_) | State::UntilClose => {
                    let was_held = !this.held.is_empty();
                    ready!(this.poll_body(context, buffer))?;
                    // Nothing handed on would be the end; there is none while part of a line is held.
                    if !was_held && (this.held.is_empty() || buffer.filled().len() > before) {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Peek + Unpin> AsyncWrite for AnswerGate<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.begin_request();
        if this.deaf {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.forgive(written, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.begin_request();
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if this.deaf {
            return Poll::Ready(Ok(length));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, pieces);
        this.forgive(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

impl<S> fmt::Debug for AnswerGate<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerGate")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
