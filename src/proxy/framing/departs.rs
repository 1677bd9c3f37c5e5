//! Whether the other end has gone, where what it sent before is not read.

use std::pin::pin;
use std::task::{Context, Poll};

use tokio::io::Interest;
use tokio::net::TcpStream;

/// A stream that knows, without reading what came, whether the other end has ended its side.
pub(in crate::proxy) trait Departs {
    /// Whether the other end will send nothing more. What it sent before may be unread.
    fn has_departed(&self, context: &mut Context<'_>) -> bool;
}

impl Departs for TcpStream {
    fn has_departed(&self, context: &mut Context<'_>) -> bool {
        // What is unread makes it ready at once; what it is ready for tells of the end as well.
        let ready = pin!(self.ready(Interest::READABLE));
        matches!(ready.poll(context), Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }
}
