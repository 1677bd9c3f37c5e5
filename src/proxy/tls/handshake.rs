//! The handshake of one connection, within the time that a client has for a head.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::HTTP_2;
use crate::request::Encryption;

/// A connection whose handshake has succeeded.
pub(in crate::proxy) struct Shaken<S> {
    pub(in crate::proxy) stream: TlsStream<S>,
    pub(in crate::proxy) encryption: Encryption,
    /// Whether both sides agreed on HTTP/2.
    pub(in crate::proxy) is_http_2: bool,
}

/// Shakes hands with the client behind `stream` within `longest`.
///
/// # Errors
/// Why that failed, for the operator; nothing where the client just went away, as those do who look whether somebody is
/// here. The client has been told by an alert, if there is anybody to be told.
pub(in crate::proxy) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    config: Arc<ServerConfig>,
    stream: S,
    longest: Duration,
) -> Result<Shaken<S>, Option<String>> {
    let accepting = TlsAcceptor::from(config).accept(stream);
    let stream = match timeout(longest, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if has_gone(&error) => return Err(None),
        Ok(Err(error)) => return Err(Some(error.to_string())),
        Err(_) => return Err(Some("it took longer than `limits.header_time`".into())),
    };
    let (_, session) = stream.get_ref();
    let version = session.protocol_version().map_or(0, u16::from);
    let suite = session.negotiated_cipher_suite();
    let suite = suite.map_or(0, |suite| u16::from(suite.suite()));
    let is_http_2 = session.alpn_protocol() == Some(HTTP_2);
    Ok(Shaken {
        is_http_2,
        encryption: Encryption { version, suite },
        stream,
    })
}

fn has_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
    )
}
