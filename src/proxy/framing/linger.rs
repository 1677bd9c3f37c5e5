//! The moment after our last word. A close with bytes unread resets the connection, and the client would lose the answer
//! that says why: so what it still sends is read and thrown away, for a time and for a number of bytes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};

use super::deadline::Deadline;

/// For how long is read what nobody wants, and how many bytes of it at most.
pub(in crate::proxy) const LINGER: Duration = Duration::from_secs(1);
pub(in crate::proxy) const MOST_LINGERING: usize = 8 << 20;

/// A connection of which our side is closed.
#[derive(Debug)]
pub(super) struct Linger {
    deadline: Deadline,
    left: usize,
}

impl Linger {
    pub(super) const fn new() -> Self {
        Self {
            deadline: Deadline::new(LINGER),
            left: MOST_LINGERING,
        }
    }

    /// Reads and throws away; ready when the client has ended, or has had its moment.
    pub(super) fn poll<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut bytes = [0; 4096];
        while self.left > 0 && !self.deadline.has_passed(context) {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(context, &mut buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.left = self.left.saturating_sub(buffer.filled().len());
                }
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(())
    }
}
