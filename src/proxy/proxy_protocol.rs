//! The PROXY protocol, versions 1 and 2: a load balancer that passes connections on without reading them says in front
//! of the first byte who is at the other end.
//!
//! Peers that are listed in `proxy_protocol.from` must begin with such a header; everybody else on that listener must
//! not, and is cut off where he does. The address that a header names is the *peer* from then on, for everything:
//! counting, lists, `X-Forwarded-For`, and the question whether its forwarding headers are believed.
//!
//! The parser is our own, since this is hostile input as soon as `from` is written too wide: it is strict where the
//! libraries of the field are not (signs in ports, line feeds and control bytes within a line, datagrams over a stream),
//! it never waits for more than a header says that it has, and it cannot panic. It reads `LOCAL` and `UNKNOWN` as "who is
//! connected", skips TLVs unread, and answers nothing: whoever sends a bad header does not speak HTTP yet.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::client_socket::ClientSocket;
use super::config::ProxyProtocolConfig;
use super::framing::Departs;
use super::{Proxy, report};

/// What begins a header of version 1.
const SIGNATURE_1: &[u8] = b"PROXY ";

/// What begins a header of version 2.
const SIGNATURE_2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, its CRLF included; the specification's own bound.
const LONGEST_1: usize = 107;

/// The longest header of version 2 that is taken. What makes one long are TLVs, and of those a client's certificate.
pub const LONGEST: usize = 4096;

/// A header as far as it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// All bytes belong to a header, and more of it is to come.
    Incomplete,
    /// The first `length` bytes are a header.
    Complete {
        /// How long it is.
        length: usize,
        /// The client's address, canonical; `None` where the header names nobody and whoever is connected is meant.
        source: Option<IpAddr>,
    },
}

/// Why bytes do not begin with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

// === Parsing ===

/// Reads the header that `bytes` begin with. The answer for more bytes of the same connection is the same, but for
/// [`Parsed::Incomplete`].
///
/// # Errors
/// What is wrong with it, for the operator.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Malformed> {
    if agrees(bytes, SIGNATURE_2) {
        version_2(bytes)
    } else if agrees(bytes, SIGNATURE_1) {
        version_1(bytes)
    } else {
        Err(Malformed("there is no PROXY protocol header"))
    }
}

/// Whether `bytes` begin with `signature`, as far as both go.
fn agrees(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(a, b)| a == b)
}

fn version_1(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let line = bytes.get(..LONGEST_1).unwrap_or(bytes);
    let Some(end) = memchr::memchr(b'\n', line) else {
        return if line.len() == LONGEST_1 {
            Err(Malformed("the line is longer than 107 bytes"))
        } else {
            Ok(Parsed::Incomplete)
        };
    };
    let text = line
        .get(..end)
        .and_then(|line| line.strip_suffix(b"\r"))
        .ok_or(Malformed("the line does not end in CRLF"))?;
    let text = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.bytes().all(|byte| matches!(byte, b' '..=b'~')))
        .ok_or(Malformed("the line has bytes that are no text"))?;
    let mut words = text.split(' ').skip(1);
    let source = match words.next() {
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(endpoints::<Ipv4Addr>(words)?.into()),
        Some("TCP6") => Some(endpoints::<Ipv6Addr>(words)?.into()),
        _ => return Err(Malformed("it names no protocol that there is")),
    };
    Ok(Parsed::Complete {
        length: end + 1,
        source: source.map(|address: IpAddr| address.to_canonical()),
    })
}

/// Source, destination and their ports: four words, no more; the source.
fn endpoints<'a, A: std::str::FromStr>(
    mut words: impl Iterator<Item = &'a str>,
) -> Result<A, Malformed> {
    let mut address = || {
        let word = words.next().and_then(|word| word.parse::<A>().ok());
        word.ok_or(Malformed("an address is none of its family"))
    };
    let (source, _) = (address()?, address()?);
    let ports = [words.next(), words.next()];
    if !ports.iter().all(|port| port.is_some_and(is_port)) {
        return Err(Malformed("a port is none"));
    }
    match words.next() {
        None => Ok(source),
        Some(_) => Err(Malformed("something follows the ports")),
    }
}

/// Whether a word is a port as the specification writes it: digits without a sign or a leading zero, up to 65535.
fn is_port(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
        && (word == "0" || !word.starts_with('0'))
        && word.parse::<u16>().is_ok()
}

fn version_2(bytes: &[u8]) -> Result<Parsed, Malformed> {
    let fixed = bytes.get(SIGNATURE_2.len()..);
    let Some((&[command, family, high, low], rest)) =
        fixed.and_then(|fixed| fixed.split_first_chunk())
    else {
        return Ok(Parsed::Incomplete);
    };
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(Malformed("its version or command is none that there is")),
    };
    let announced = usize::from(u16::from_be_bytes([high, low]));
    let length = SIGNATURE_2.len() + 4 + announced;
    let needed = match family {
        // Of a connection of the balancer itself everything else is to be ignored.
        _ if is_local => 0,
        0x00 => 0,
        0x11 => 12,
        0x21 => 36,
        0x31 => 216,
        0x12 | 0x22 | 0x32 => return Err(Malformed("it is about datagrams")),
        _ => return Err(Malformed("its family or protocol is none that there is")),
    };
    if announced < needed {
        return Err(Malformed("it is too short for the addresses of its family"));
    }
    if length > LONGEST {
        return Err(Malformed("it is longer than 4096 bytes"));
    }
    if rest.len() < announced {
        return Ok(Parsed::Incomplete);
    }
    let source = match (is_local, family) {
        (false, 0x11) => rest.first_chunk().map(|bytes: &[u8; 4]| (*bytes).into()),
        (false, 0x21) => rest.first_chunk().map(|bytes: &[u8; 16]| (*bytes).into()),
        _ => None,
    };
    Ok(Parsed::Complete {
        length,
        source: source.map(|address: IpAddr| address.to_canonical()),
    })
}

// === Connections ===

/// Who is at the other end of a connection that was accepted from `peer`, its header taken off the stream. `None` where
/// the connection is to be closed, which was told.
pub(super) async fn peer(
    proxy: &Proxy,
    stream: &mut ClientSocket,
    peer: IpAddr,
    protocol: Option<&ProxyProtocolConfig>,
) -> Option<IpAddr> {
    if !protocol.is_some_and(|protocol| protocol.is_from(peer)) {
        return Some(peer);
    }
    let longest = proxy.serving.load().limits.header_time.get();
    let mut read = Vec::new();
    let why = match tokio::time::timeout(longest, take(stream, &mut read)).await {
        Ok(Ok(Ok(source))) => return Some(source.unwrap_or(peer)),
        Ok(Ok(Err(Malformed(why)))) => why,
        Ok(Err(_)) => "the connection ended within it",
        Err(_) => "it did not come within `limits.header_time`",
    };
    // Who says nothing at all looks whether somebody is here, as load balancers do.
    if !read.is_empty() {
        report::connection(proxy, peer, BAD, why);
    }
    None
}

/// Takes a header off the stream and not a byte more. `read` is what came of it, for the one that asks why it failed.
///
/// Bytes are looked at before they are taken: as long as they are no whole header, all of them belong to it.
async fn take(
    stream: &mut ClientSocket,
    read: &mut Vec<u8>,
) -> io::Result<Result<Option<IpAddr>, Malformed>> {
    loop {
        let taken = read.len();
        // Whoever needs more than one look has a long header, or sends it in pieces.
        let mut ahead = vec![0; LONGEST_1.max(taken)];
        let seen = stream.peek(&mut ahead).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(ahead.get(..seen).unwrap_or_default());
        let (length, source) = match parse(read) {
            Ok(Parsed::Complete { length, source }) => (length, Some(source)),
            Ok(Parsed::Incomplete) => (read.len(), None),
            Err(malformed) => return Ok(Err(malformed)),
        };
        let belonging = length.saturating_sub(taken);
        stream
            .read_exact(ahead.get_mut(..belonging).unwrap_or_default())
            .await?;
        if let Some(source) = source {
            return Ok(Ok(source));
        }
    }
}

/// The rule and the message of an event about a header that is none.
const BAD: (&str, &str) = (
    "proxy_protocol",
    "A peer in `proxy_protocol.from` did not begin with a well-formed PROXY protocol header.",
);

/// The rule and the message of an event about a header from a peer that may not send one.
const UNLISTED: (&str, &str) = (
    "proxy_protocol_unlisted",
    "A peer that is not in `proxy_protocol.from` sent a PROXY protocol header.",
);

/// A connection on which no header may come: its first bytes are watched as they pass, and reading fails where they are
/// the signature of one. As a request they would be refused, too; but so the operator learns what it was.
pub(super) struct Guarded<S> {
    stream: S,
    watch: Option<Watch>,
}

struct Watch {
    proxy: Arc<Proxy>,
    peer: IpAddr,
    first: Vec<u8>,
}

impl<S> Guarded<S> {
    /// Watches `stream` where its listener has a `protocol` that the `accepted` peer may not speak.
    pub(super) fn new(
        proxy: &Arc<Proxy>,
        stream: S,
        accepted: IpAddr,
        protocol: Option<&ProxyProtocolConfig>,
    ) -> Self {
        let watch = protocol
            .filter(|protocol| !protocol.is_from(accepted))
            .map(|_| Watch {
                proxy: Arc::clone(proxy),
                peer: accepted,
                first: Vec::new(),
            });
        Self { stream, watch }
    }
}

/// What may be asked of the stream, but for its bytes.
impl<S> Deref for Guarded<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.stream
    }
}

impl Watch {
    /// Looks at bytes that came; whether to go on looking, or an error where they are a header.
    fn sees(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let missing = SIGNATURE_2.len().saturating_sub(self.first.len());
        self.first
            .extend_from_slice(bytes.get(..missing).unwrap_or(bytes));
        let mut goes_on = false;
        for signature in [SIGNATURE_1, SIGNATURE_2] {
            if self.first.starts_with(signature) {
                let why = "its first bytes are the signature of one";
                report::connection(&self.proxy, self.peer, UNLISTED, why);
                return Err(io::ErrorKind::InvalidData.into());
            }
            goes_on |= agrees(&self.first, signature);
        }
        Ok(goes_on)
    }
}

impl<S: Departs> Departs for Guarded<S> {
    fn has_departed(&self, context: &mut Context<'_>) -> bool {
        self.stream.has_departed(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let (Some(watch), Poll::Ready(Ok(()))) = (&mut self.watch, &polled)
            && !watch.sees(buffer.filled().get(before..).unwrap_or_default())?
        {
            self.watch = None;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
