//! What a connection to a server goes over: the socket itself, or TLS over it.

use std::io;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::secure::Secure;
use crate::proxy::either_stream::either_stream;
use crate::proxy::framing::answer::Peek;
use crate::proxy::server_url::ServerUrl;

/// A connection to a server, from the side of HTTP.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Connects. The name is looked up each time.
    pub(super) async fn connect(
        url: &ServerUrl,
        secure: Option<&Arc<Secure>>,
        is_http_2: bool,
    ) -> io::Result<Self> {
        let stream = TcpStream::connect((url.host.as_str(), url.port)).await?;
        stream.set_nodelay(true)?;
        if !url.is_encrypted {
            return Ok(Self::Plain(stream));
        }
        let secure = secure.ok_or_else(|| io::Error::other("TLS is not set up"))?;
        let name = secure.name(url).map_err(io::Error::other)?;
        let stream = secure.connector.connect(name, stream).await?;
        if is_http_2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(io::Error::other("the server does not speak HTTP/2"));
        }
        Ok(Self::Tls(Box::new(stream)))
    }
}

impl Peek for Wire {
    /// Of an encrypted connection nothing can be known without reading: what waits may be no byte of HTTP.
    fn peek(&self) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => Peek::peek(stream),
            Self::Tls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

either_stream!(Wire: Plain, Tls);
