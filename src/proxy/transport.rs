//! What carries a connection's bytes: the socket itself, or TLS over it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::client_socket::ClientSocket;
use super::client_stream::ClientStream;
use super::framing::Departs;
use super::proxy_protocol::Guarded;

/// A client's socket, watched over. Below TLS, so that the pace of a client is that of the bytes that it takes.
pub(super) type Socket = Guarded<ClientStream<ClientSocket>>;

/// A connection to a client, from the side of HTTP.
pub(super) enum Transport {
    /// As it comes.
    Plain(Socket),
    /// Encrypted.
    Tls(Box<TlsStream<Socket>>),
}

impl Transport {
    /// Waits until there may be something to read, without reading it, or the connection has ended.
    pub(super) async fn readable(&mut self) {
        let socket = match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => {
                let (socket, session) = stream.get_mut();
                // What came with the end of the handshake is here already.
                match session.process_new_packets() {
                    Ok(state) if state.plaintext_bytes_to_read() == 0 => socket,
                    _ => return,
                }
            }
        };
        // Looked at rather than waited for, since a socket may be called ready and have nothing. An error is for whoever
        // reads to find.
        let _ = socket.inner().peek(&mut [0]).await;
    }
}

impl Departs for Transport {
    fn has_departed(&self, context: &mut Context<'_>) -> bool {
        match self {
            Self::Plain(socket) => socket.has_departed(context),
            Self::Tls(stream) => stream.get_ref().0.has_departed(context),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(socket) => socket.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(socket) => Pin::new(socket).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
