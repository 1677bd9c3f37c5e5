//! What carries a connection's bytes: the socket itself, or TLS over it.

use std::task::Context;

use tokio_rustls::server::TlsStream;

use super::client_socket::ClientSocket;
use super::client_stream::ClientStream;
use super::either_stream::either_stream;
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

either_stream!(Transport: Plain, Tls);
