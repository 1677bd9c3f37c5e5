//! A client's connection as the kernel gives it: over a network, or within this machine.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll};

use rustix::net::{RecvFlags, recv};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::client_stream::GiveUp;
use super::either_stream::either_stream;
use super::framing::Departs;

/// A client's connection.
#[derive(Debug)]
pub(super) enum ClientSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl ClientSocket {
    /// Waits until there is something to read, and looks at it without taking it; 0 at the end.
    pub(super) async fn peek(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.peek(bytes).await,
            Self::Unix(stream) => loop {
                stream.readable().await?;
                // The runtime forgets that it is readable where it is not.
                let peeked = stream.try_io(Interest::READABLE, || {
                    Ok(recv(stream, &mut *bytes, RecvFlags::PEEK)?.1)
                });
                match peeked {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    peeked => return peeked,
                }
            },
        }
    }
}

impl GiveUp for ClientSocket {
    fn give_up(&self) {
        // An error means that it is closed already. A Unix socket holds nothing once it is closed.
        if let Self::Tcp(stream) = self {
            let _ = stream.set_zero_linger();
        }
    }

    fn keep(&self) {
        if let Self::Tcp(stream) = self {
            let _ = SockRef::from(stream).set_linger(None);
        }
    }
}

impl Departs for ClientSocket {
    fn has_departed(&self, context: &mut Context<'_>) -> bool {
        // What is unread makes it ready at once; what it is ready for tells of the end as well.
        let ready = match self {
            Self::Tcp(stream) => pin!(stream.ready(Interest::READABLE)).poll(context),
            Self::Unix(stream) => pin!(stream.ready(Interest::READABLE)).poll(context),
        };
        matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
    }
}

either_stream!(ClientSocket: Tcp, Unix);
