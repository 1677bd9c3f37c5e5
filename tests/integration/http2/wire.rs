//! HTTP/2 byte by byte: a client that may write what no client would.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame as it came.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered.
    Status(u16),
    /// Its stream was reset.
    Reset,
    /// The connection was closed.
    Closed,
    /// Nothing came for a second: it is still waited for.
    Silence,
}

pub struct Http2 {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Fields as HPACK writes what it does not compress (RFC 7541, 6.2.2).
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            integer(&mut bytes, text.len());
            bytes.extend(text);
        }
    }
    bytes
}

/// A number with a prefix of seven bits.
fn integer(bytes: &mut Vec<u8>, number: usize) {
    let Some(mut rest) = number.checked_sub(127) else {
        bytes.push(u8::try_from(number).unwrap());
        return;
    };
    bytes.push(127);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
}

/// The fields of a request for `path`.
pub fn request(method: &str, path: &str) -> Vec<(String, Vec<u8>)> {
    [
        (":method", method),
        (":scheme", "http"),
        (":authority", "h2.example"),
        (":path", path),
    ]
    .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
    .to_vec()
}

impl Http2 {
    /// A connection that has begun as it should.
    pub fn connect(address: SocketAddr) -> Self {
        let mut this = Self::raw(address);
        this.send(PREFACE);
        this.send(frame(SETTINGS, 0, 0, &[]));
        this
    }

    /// A connection that has not begun.
    pub fn raw(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            read: Vec::new(),
        }
    }

    /// Sends bytes; whether the connection took them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a whole request without a body on `stream`.
    pub fn get(&mut self, stream: u32, path: &str) -> bool {
        let fields = block(&request("GET", path));
        self.send(frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields))
    }

    /// The next frame within `patience`; `Err` says whether the connection was closed.
    pub fn frame_within(&mut self, patience: Duration) -> Result<Frame, Outcome> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(frame) = self.take() {
                return Ok(frame);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Outcome::Silence);
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(Outcome::Closed),
                Ok(length) => self.read.extend(&bytes[..length]),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Err(Outcome::Closed),
            }
        }
    }

    fn take(&mut self) -> Option<Frame> {
        let head = self.read.get(..9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let kind = head[3];
        let payload = self.read.get(9..9 + length)?.to_vec();
        self.read.drain(..9 + length);
        Some(Frame {
            kind,
            stream,
            payload,
        })
    }

    /// What becomes of the request on `stream`; what comes on others is passed over.
    pub fn outcome(&mut self, stream: u32) -> Outcome {
        self.outcome_within(stream, Duration::from_secs(1))
    }

    pub fn outcome_within(&mut self, stream: u32, patience: Duration) -> Outcome {
        loop {
            match self.frame_within(patience) {
                Err(outcome) => return outcome,
                Ok(frame) if frame.kind == GOAWAY => return Outcome::Closed,
                Ok(frame) if frame.stream != stream => {}
                Ok(frame) if frame.kind == RST_STREAM => return Outcome::Reset,
                Ok(frame) if frame.kind == HEADERS => {
                    return Outcome::Status(status(&frame.payload));
                }
                Ok(_) => {}
            }
        }
    }
}

/// The status that a header block begins with, as hyper writes the first one of a connection.
fn status(block: &[u8]) -> u16 {
    match block[0] {
        index @ 0x88..=0x8e => [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)],
        0x48 | 0x08 => {
            let length = usize::from(block[1] & 0x7f);
            let text = &block[2..2 + length];
            if block[1] & 0x80 == 0 {
                return std::str::from_utf8(text).unwrap().parse().unwrap();
            }
            huffman_digits(text)
        }
        other => panic!("no status: {other:#x}"),
    }
}

/// Three digits as HPACK's Huffman code writes them (RFC 7541, B).
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut rest, mut number) = (&bits[..], 0);
    for _ in 0..3 {
        let short = u16::from_str_radix(&rest[..5], 2).unwrap();
        let (digit, length) = if short <= 2 {
            (short, 5)
        } else {
            (
                u16::from_str_radix(&rest[..6], 2).unwrap() - 0b01_1001 + 3,
                6,
            )
        };
        number = number * 10 + digit;
        rest = &rest[length..];
    }
    number
}
