//! A chunked body (RFC 9112, 7.1), looked at as it comes: where it ends, and whether everything on the way there is as it
//! must be.
//!
//! Sizes, extensions and trailers are read by whole lines. A line that has not ended is not passed, so whoever scans keeps
//! it and shows it again with what follows; data is passed as it is.

use super::fault::Fault;
use super::lines::{self, Field};

/// The most digits of a chunk's size, leading zeros included.
const MAX_DIGITS: usize = 16;

/// The largest chunk: what a signed number of 64 bits holds, with room.
const MAX_CHUNK: u64 = 1 << 53;

/// The longest first line of a chunk: its size, its extensions, CRLF.
const MAX_LINE: usize = 256;

/// The most bytes of extensions in a body. They mean nothing to anybody, and cost.
const MAX_EXTENSIONS: usize = 4096;

/// So many chunks a request may have whatever their size, and one more for every so many bytes of its body. Each costs work
/// of its own wherever it comes by, and one that is of a byte is six on the wire; who writes lines, or a few thousand tiny
/// pieces, stays far below.
const FREE_CHUNKS: u64 = 16 * 1024;
const BYTES_PER_CHUNK: u64 = 16;

/// What may not stand in trailers, because it frames or routes the message (RFC 9110, 6.5.1).
const FORBIDDEN: [&str; 14] = [
    "transfer-encoding",
    "content-length",
    "host",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "content-encoding",
    "content-type",
    "content-range",
    "expect",
    "authorization",
    "cookie",
];

/// How much of trailers is taken.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct TrailerLimits {
    /// Bytes, line ends included; fewer than this.
    pub(in crate::proxy) bytes: usize,
    /// Lines; not more than this.
    pub(in crate::proxy) lines: usize,
}

/// The state of a chunked body on its way.
#[derive(Clone, Copy, Debug)]
pub(in crate::proxy) struct Chunked {
    state: State,
    limits: TrailerLimits,
    /// Bytes of extensions so far.
    extensions: usize,
    /// Chunks and bytes of data so far.
    chunks: u64,
    data: u64,
    /// Whether there may be too many chunks for so much data.
    is_bounded: bool,
    /// How many bytes of a line that has not ended were looked at already.
    searched: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the first line of a chunk.
    Size,
    /// Within data; so much is to come.
    Data(u64),
    /// At the CRLF after data.
    DataEnd,
    /// After the last chunk.
    Trailers { bytes: usize, lines: usize },
    /// After the empty line.
    Ended,
}

impl Chunked {
    /// At the beginning of a request's body.
    pub(in crate::proxy) const fn new(limits: TrailerLimits) -> Self {
        Self {
            state: State::Size,
            limits,
            extensions: 0,
            chunks: 0,
            data: 0,
            is_bounded: true,
            searched: 0,
        }
    }

    /// At the beginning of an answer's, which may have any number of chunks: an upstream that tells of what happens, as it
    /// happens, does so for hours.
    pub(in crate::proxy) const fn of_answer(limits: TrailerLimits) -> Self {
        Self {
            is_bounded: false,
            ..Self::new(limits)
        }
    }

    /// Whether the body has ended: everything of it was passed.
    pub(in crate::proxy) const fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// How many of these bytes may go on. They follow those that were passed before; what is not passed has to be shown
    /// again, with more behind it, or belongs to the next message where the body [has ended](Self::has_ended).
    pub(in crate::proxy) fn scan(&mut self, bytes: &[u8]) -> Result<usize, ChunkFault> {
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            if rest.is_empty() || self.state == State::Ended {
                return Ok(passed);
            }
            let more = self
                .step(rest)
                .map_err(|fault| ChunkFault { fault, at: passed })?;
            if more == 0 {
                return Ok(passed);
            }
            passed += more;
        }
    }

    /// Passes data, or one line; 0 where the line has not ended.
    fn step(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        match self.state {
            State::Size => self.size(rest),
            State::Data(left) => {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                let left = left - here as u64;
                self.state = if left == 0 {
                    State::DataEnd
                } else {
                    State::Data(left)
                };
                Ok(here)
            }
            State::DataEnd => match rest {
                [b'\r', b'\n', ..] => {
                    self.state = State::Size;
                    Ok(2)
                }
                [b'\r'] => Ok(0),
                _ => Err(Fault::ChunkEnd),
            },
            State::Trailers { bytes, lines } => self.trailer(rest, bytes, lines),
            State::Ended => Ok(0),
        }
    }

    fn size(&mut self, rest: &[u8]) -> Result<usize, Fault> {
        let digits = rest.iter().take(MAX_DIGITS + 1);
        let digits = digits.take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits == 0 || digits > MAX_DIGITS {
            return Err(Fault::ChunkSize);
        }
        let Some(line) = lines::line(rest, self.searched)? else {
            if rest.len() > MAX_LINE {
                return Err(Fault::ChunkLine);
            }
            self.searched = lines::unfinished(rest, self.searched)?;
            return Ok(0);
        };
        self.searched = 0;
        if !lines::is_value(line.text) {
            return Err(Fault::Control);
        }
        let (size, extensions) = line.text.split_at_checked(digits).unwrap_or_default();
        let size = chunk_size(size)?;
        self.extensions += extensions.len();
        let is_too_long = line.length > MAX_LINE || self.extensions > MAX_EXTENSIONS;
        match extensions.first() {
            None => {}
            Some(b';') if !is_too_long && are_extensions(extensions) => {}
            Some(b';') => return Err(Fault::ChunkExtension),
            Some(_) => return Err(Fault::ChunkSize),
        }
        self.state = if size == 0 {
            State::Trailers { bytes: 0, lines: 0 }
        } else {
            self.count(size)?;
            State::Data(size)
        };
        Ok(line.length)
    }

    /// One more chunk. The data of those before it has passed.
    fn count(&mut self, size: u64) -> Result<(), Fault> {
        let most = FREE_CHUNKS.saturating_add(self.data / BYTES_PER_CHUNK);
        if self.is_bounded && self.chunks >= most {
            return Err(Fault::TooManyChunks);
        }
        self.chunks = self.chunks.saturating_add(1);
        self.data = self.data.saturating_add(size);
        Ok(())
    }

    fn trailer(&mut self, rest: &[u8], bytes: usize, count: usize) -> Result<usize, Fault> {
        let Some(line) = lines::line(rest, self.searched)? else {
            if bytes + rest.len() >= self.limits.bytes {
                return Err(Fault::TrailersTooLarge);
            }
            self.searched = lines::unfinished(rest, self.searched)?;
            return Ok(0);
        };
        self.searched = 0;
        let (bytes, count) = (bytes + line.length, count + 1);
        if bytes >= self.limits.bytes {
            return Err(Fault::TrailersTooLarge);
        }
        if line.text.is_empty() {
            self.state = State::Ended;
            return Ok(line.length);
        }
        if count > self.limits.lines {
            return Err(Fault::TrailersTooLarge);
        }
        let field = lines::field(line.text)?;
        if is_forbidden(&field) {
            return Err(Fault::TrailerName);
        }
        self.state = State::Trailers {
            bytes,
            lines: count,
        };
        Ok(line.length)
    }
}

/// What is wrong with a chunked body, and how many of the bytes that were shown are in order before it. Shown again from
/// there, the wrong part is wrong again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proxy) struct ChunkFault {
    pub(in crate::proxy) fault: Fault,
    pub(in crate::proxy) at: usize,
}

/// A chunk's size, of hexadecimal digits.
fn chunk_size(digits: &[u8]) -> Result<u64, Fault> {
    let digits = std::str::from_utf8(digits).ok();
    let size = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    size.filter(|&size| size <= MAX_CHUNK)
        .ok_or(Fault::ChunkSize)
}

/// Whether these are extensions (RFC 9112, 7.1.1): `;name`, `;name=token` or `;name="string"`, any number of them. White
/// space between the parts, which the RFC allows to receive, is not taken: parsers differ in what they make of it.
fn are_extensions(mut bytes: &[u8]) -> bool {
    let token = |bytes: &[u8]| {
        let ends = |byte: &u8| !lines::is_token(std::slice::from_ref(byte));
        bytes.iter().position(ends).unwrap_or(bytes.len())
    };
    while let [b';', rest @ ..] = bytes {
        let name = token(rest);
        let after = rest.get(name..).unwrap_or_default();
        let value = match after {
            [b'=', b'"', text @ ..] => quoted(text).map(|length| length + 2),
            [b'=', text @ ..] => Some(token(text))
                .filter(|&length| length > 0)
                .map(|length| length + 1),
            _ => Some(0),
        };
        let (Some(value), true) = (value, name > 0) else {
            return false;
        };
        bytes = after.get(value..).unwrap_or_default();
    }
    bytes.is_empty()
}

/// How many bytes a quoted string takes after its first quote, the last one included. Control bytes were refused before.
fn quoted(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

fn is_forbidden(field: &Field<'_>) -> bool {
    FORBIDDEN.iter().any(|name| field.is(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: TrailerLimits = TrailerLimits {
        bytes: 200,
        lines: 3,
    };

    /// The length of the body at the beginning of `bytes`, fed in pieces of `piece` bytes; `None` where it does not end.
    fn length(bytes: &[u8], piece: usize) -> Result<Option<usize>, Fault> {
        let mut chunked = Chunked::new(LIMITS);
        let (mut passed, mut shown) = (0, 0);
        while shown < bytes.len() && !chunked.has_ended() {
            shown = (shown + piece).min(bytes.len());
            passed += chunked
                .scan(&bytes[passed..shown])
                .map_err(|fault| fault.fault)?;
        }
        Ok(chunked.has_ended().then_some(passed))
    }

    fn in_all_pieces(bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let whole = length(bytes, bytes.len());
        for piece in 1..bytes.len() {
            match (whole, length(bytes, piece)) {
                // What is too long may be seen to be before it ends.
                (Err(_), Err(_)) => {}
                (whole, pieces) => assert_eq!(whole, pieces, "{} by {piece}", bytes.escape_ascii()),
            }
        }
        whole
    }

    #[test]
    fn good_bodies_end_where_they_end() {
        for body in [
            "0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "00000005\r\nhello\r\n000\r\n\r\n",
            "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
            "5;a\r\nhello\r\n0;b=c;d=\"e;\\\"f\"\r\n\r\n",
            "5\r\n\r\n\r\n\n\r\n0\r\n\r\n",
            "0\r\nX-Sum: 1\r\nx-empty:\r\n\r\n",
        ] {
            let followed = format!("{body}GET / HTTP/1.1\r\n");
            assert_eq!(
                in_all_pieces(followed.as_bytes()),
                Ok(Some(body.len())),
                "{body:?}"
            );
        }
    }

    #[test]
    fn bad_bodies_are_refused() {
        for (body, fault) in [
            ("\r\n", Fault::ChunkSize),
            ("5\nhello\r\n0\r\n\r\n", Fault::BareLf),
            ("5\r\nhello\n0\r\n\r\n", Fault::ChunkEnd),
            ("5\r\nhello0\r\n\r\n", Fault::ChunkEnd),
            ("5\r\nhelloX\r\n0\r\n\r\n", Fault::ChunkEnd),
            ("6\r\nhello\r\n0\r\n\r\n", Fault::ChunkEnd),
            ("4\r\nhello\r\n0\r\n\r\n", Fault::ChunkEnd),
            ("5\rhello", Fault::Control),
            ("5 \r\nhello\r\n", Fault::ChunkSize),
            (" 5\r\nhello\r\n", Fault::ChunkSize),
            ("0x5\r\nhello\r\n", Fault::ChunkSize),
            ("+5\r\nhello\r\n", Fault::ChunkSize),
            ("-5\r\nhello\r\n", Fault::ChunkSize),
            ("5g\r\nhello\r\n", Fault::ChunkSize),
            ("5,5\r\nhello\r\n", Fault::ChunkSize),
            ("FFFFFFFFFFFFFFFF\r\n", Fault::ChunkSize),
            ("100000000000000005\r\nhello\r\n", Fault::ChunkSize),
            ("00000000000000005\r\nhello\r\n", Fault::ChunkSize),
            ("5;\r\nhello\r\n", Fault::ChunkExtension),
            ("5; a\r\nhello\r\n", Fault::ChunkExtension),
            ("5;a=\r\nhello\r\n", Fault::ChunkExtension),
            ("5;a=\"b\r\nhello\r\n", Fault::ChunkExtension),
            ("5;a=\"b\"c\r\nhello\r\n", Fault::ChunkExtension),
            ("5;a\rb\r\nhello\r\n", Fault::Control),
            ("5;a\nb\r\nhello\r\n", Fault::BareLf),
            ("0\r\n\n", Fault::BareLf),
            ("0\r\nContent-Length: 5\r\n\r\n", Fault::TrailerName),
            (
                "0\r\nTransfer-Encoding: chunked\r\n\r\n",
                Fault::TrailerName,
            ),
            ("0\r\nhost: a\r\n\r\n", Fault::TrailerName),
            ("0\r\nX : a\r\n\r\n", Fault::SpaceBeforeColon),
            ("0\r\n X: a\r\n\r\n", Fault::ObsFold),
            ("0\r\nGET / HTTP/1.1\r\n\r\n", Fault::NoColon),
            ("0\r\na: b\0\r\n\r\n", Fault::Control),
            (
                "0\r\na:1\r\nb:1\r\nc:1\r\nd:1\r\n\r\n",
                Fault::TrailersTooLarge,
            ),
        ] {
            assert_eq!(in_all_pieces(body.as_bytes()), Err(fault), "{body:?}");
        }
        let long = format!("0\r\na: {}\r\n\r\n", "b".repeat(300));
        assert_eq!(in_all_pieces(long.as_bytes()), Err(Fault::TrailersTooLarge));
        let long = format!("5;{}\r\nhello\r\n", "b".repeat(300));
        assert!(in_all_pieces(long.as_bytes()).is_err());
        let many = "1\r\na\r\n".repeat(20_000);
        assert_eq!(
            length(many.as_bytes(), many.len()),
            Err(Fault::TooManyChunks)
        );
        assert_eq!(length(many.as_bytes(), 7), Err(Fault::TooManyChunks));
        let flood = format!("1;{}\r\na\r\n", "b".repeat(200)).repeat(30);
        assert_eq!(in_all_pieces(flood.as_bytes()), Err(Fault::ChunkExtension));
    }

    /// How many chunks of `size` bytes pass one after another, up to `most`.
    fn passed(mut chunked: Chunked, size: usize, most: usize) -> usize {
        let chunk = format!("{size:x}\r\n{}\r\n", "a".repeat(size));
        (0..most)
            .take_while(|_| chunked.scan(chunk.as_bytes()).is_ok())
            .count()
    }

    #[test]
    fn only_a_request_in_very_many_tiny_chunks_is_refused() {
        let passed_of = |size| passed(Chunked::new(LIMITS), size, 200_000);
        // So many at least, and no more than a bound that goes with their bytes.
        assert_eq!(passed_of(1), 17_476);
        assert_eq!(passed_of(8), 32_767);
        assert_eq!(passed_of(16), 200_000);
        assert_eq!(passed_of(100), 200_000);
        // A long body may end in tiny ones, and the bytes that only were announced do not count.
        let mut chunked = Chunked::new(LIMITS);
        let long = format!("{:x}\r\n{}\r\n", 1 << 20, "a".repeat(1 << 20));
        assert!(chunked.scan(long.as_bytes()).is_ok());
        assert_eq!(passed(chunked, 1, 80_000), 80_000);
        // Lines of an answer come as they happen, for as long as they do.
        assert_eq!(passed(Chunked::of_answer(LIMITS), 1, 200_000), 200_000);
    }
}
