//! The content codings of a body (RFC 9110, 8.4): gzip, deflate, br and zstd, undone so that what the application will read
//! can be judged.
//!
//! What is judged is what the encoded bytes stand for; what is forwarded are the encoded bytes themselves. So every body
//! that two decoders could read differently is an error: one whose checksums do not hold, that breaks off, that goes on
//! behind its end, or that can be read both with and without a zlib header. Several members or frames are one body; a
//! decoder that stops after the first reads a beginning of what was judged.
//!
//! Decoding is done in steps into an `Output` that knows how long it may become, by itself and compared with what was
//! sent, and of how many members and blocks it may be made. So work and memory are linear in what was sent and in what may come out.

mod brotli;
mod deflate;
mod gzip;
mod output;
mod zstd;

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName};
use serde::Serialize;

use super::input::DecodeStep;
use output::{Output, Stop};

/// One content coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// `gzip`, `x-gzip` (RFC 1952).
    Gzip,
    /// `deflate`: zlib (RFC 1950), or bare deflate (RFC 1951) as some clients send it.
    Deflate,
    /// `br` (RFC 7932).
    Brotli,
    /// `zstd` (RFC 8878, RFC 9659).
    Zstd,
}

/// The codings of a body, in the order in which they were applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codings {
    applied: [Option<Coding>; Self::MOST],
}

/// The codings of a body are none that are known here, or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an unknown content coding, or too many of them")]
pub struct Unsupported;

/// How much may come out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// The most bytes, of the body and of what it is between two codings. What goes beyond is cut.
    pub output: usize,
    /// How many times longer than the encoded body it may be, beyond [`Budget::FREE`] bytes.
    pub ratio: usize,
    /// Whether the encoded bytes are only the beginning of a body. Then it is no error that they break off.
    pub is_prefix: bool,
}

/// A body without its codings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// What was undone.
    pub codings: Codings,
    /// Whether they are all; not, if there would be more than the budget allows, or what was sent was a beginning.
    pub is_whole: bool,
    /// Of how many members or frames they are made.
    pub members: usize,
}

/// Why a body cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodingError {
    /// The bytes are not what the coding demands, or a checksum does not hold.
    Malformed,
    /// The bytes end before the encoding does.
    Truncated,
    /// Something follows the end that is no further member.
    Trailing,
    /// Deflate that could be read with and without a zlib header.
    Ambiguous,
    /// Very many members or blocks, or very long, for so little in it.
    Pieces,
    /// It becomes many times longer than it is.
    Ratio,
    /// A decoder of ours failed.
    Fault,
}

/// Takes the codings off a body.
///
/// # Errors
/// When the body is not what its codings say, or costs more than the budget.
pub fn decode(codings: Codings, bytes: &[u8], budget: Budget) -> Result<Decoded, CodingError> {
    // The decoders are the only foreign code that takes hostile bytes apart; a panic in one is a refusal.
    catch_unwind(AssertUnwindSafe(|| undo(codings, bytes, budget)))
        .unwrap_or(Err(CodingError::Fault))
}

fn undo(codings: Codings, bytes: &[u8], budget: Budget) -> Result<Decoded, CodingError> {
    let longest = budget.longest(bytes.len());
    let mut current = Cow::Borrowed(bytes);
    let mut is_whole = !budget.is_prefix;
    let mut members = 0;
    for coding in codings.iter().rev() {
        let mut output = Output::new(budget.output, longest);
        match coding
            .undo(&current, &mut output)
            .and_then(|()| output.within())
        {
            Ok(()) => {}
            Err(Stop::Full) => is_whole = false,
            Err(Stop::Error(CodingError::Truncated)) if !is_whole => {}
            Err(Stop::Error(error)) => return Err(error),
        }
        members = members.max(output.members());
        current = Cow::Owned(output.into_bytes());
    }
    Ok(Decoded {
        bytes: current.into_owned(),
        codings,
        is_whole,
        members,
    })
}

// === impl Coding ===

impl Coding {
    /// The coding of a name (RFC 9110, 8.4.1).
    fn of(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], Coding); 5] = [
            (b"gzip", Coding::Gzip),
            (b"x-gzip", Coding::Gzip),
            (b"deflate", Coding::Deflate),
            (b"br", Coding::Brotli),
            (b"zstd", Coding::Zstd),
        ];
        let named = NAMES
            .iter()
            .find(|(known, _)| name.eq_ignore_ascii_case(known));
        named.map(|&(_, coding)| coding)
    }

    /// The coding as a step of decoding.
    #[must_use]
    pub const fn step(self) -> DecodeStep {
        match self {
            Self::Gzip => DecodeStep::Gzip,
            Self::Deflate => DecodeStep::Deflate,
            Self::Brotli => DecodeStep::Brotli,
            Self::Zstd => DecodeStep::Zstd,
        }
    }

    fn undo(self, bytes: &[u8], output: &mut Output) -> Result<(), Stop> {
        match self {
            Self::Gzip => gzip::gzip(bytes, output),
            Self::Deflate => deflate::deflate(bytes, output),
            Self::Brotli => brotli::brotli(bytes, output),
            Self::Zstd => zstd::zstd(bytes, output),
        }
    }
}

// === impl Codings ===

impl Codings {
    /// One is usual, two are a proxy's on top of a client's; more are nobody's.
    const MOST: usize = 2;

    /// Their names, as `Accept-Encoding` offers them (RFC 9110, 12.5.3).
    pub const SUPPORTED: &'static str = "gzip, deflate, br, zstd";

    /// The codings that a body's headers name. All lines count, as one list (RFC 9110, 5.3); `identity` is none.
    ///
    /// # Errors
    /// When one is not known, or there are too many.
    pub fn of(headers: &HeaderMap) -> Result<Self, Unsupported> {
        let mut codings = Self::default();
        let mut free = codings.applied.iter_mut();
        for name in names(headers) {
            let coding = Coding::of(name).ok_or(Unsupported)?;
            *free.next().ok_or(Unsupported)? = Some(coding);
        }
        Ok(codings)
    }

    /// The codings, first applied first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Coding> {
        self.applied.into_iter().flatten()
    }

    /// The steps that undo them, first undone first.
    pub fn steps(&self) -> impl Iterator<Item = DecodeStep> {
        self.iter().rev().map(Coding::step)
    }
}

/// The names of the codings that a body's headers list, but for `identity`.
pub(super) fn names(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers
        .iter()
        .filter(|(name, _)| is_content_encoding(name))
        .flat_map(|(_, line)| line.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity"))
}

/// Whether a header names content codings. One whose name is no `Content-Encoding` for us may be one for an application
/// behind a gateway interface, where `Content_Encoding` folds to the same.
#[must_use]
pub fn is_content_encoding(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.len() == CONTENT_ENCODING.as_str().len()
        && name.starts_with("content")
        && name.ends_with("encoding")
}

// === impl Budget ===

impl Budget {
    /// So many bytes may come out however little was sent.
    pub const FREE: usize = 64 * 1024;

    /// The most bytes that may come out of so many.
    #[must_use]
    pub fn longest(&self, sent: usize) -> usize {
        sent.saturating_mul(self.ratio).max(Self::FREE)
    }
}

// === impl CodingError ===

impl CodingError {
    /// The rule that an event names.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Malformed => "coding_malformed",
            Self::Truncated => "coding_truncated",
            Self::Trailing => "coding_trailing",
            Self::Ambiguous => "coding_ambiguous",
            Self::Pieces => "coding_pieces",
            Self::Ratio => "decoded_ratio",
            Self::Fault => "coding_fault",
        }
    }

    /// What the operator reads.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed => {
                "The body is not encoded as its Content-Encoding says, or a checksum in it does not hold."
            }
            Self::Truncated => "The encoded body breaks off.",
            Self::Trailing => "The encoded body goes on behind its end.",
            Self::Ambiguous => {
                "The deflated body can be read in two ways, with and without a zlib header."
            }
            Self::Pieces => {
                "The encoded body is made of very many pieces, or very long, for the little that is in it."
            }
            Self::Ratio => {
                "The body becomes more than `limits.decoded_ratio` times longer than it was sent."
            }
            Self::Fault => "A decoder failed on the encoded body.",
        }
    }
}

#[cfg(test)]
mod tests;
