//! gzip: deflate between a header and a checksum.

use super::CodingError;
use super::deflate::inflate;
use super::output::{Output, Stop};

/// What a member begins with.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// All members (RFC 1952, 2.2), each with its checksum and its length.
pub(super) fn gzip(mut input: &[u8], output: &mut Output) -> Result<(), Stop> {
    loop {
        output.begin_member()?;
        let beginning = output.length();
        let compressed = after_header(input)?;
        let trailer = inflate(compressed, false, output)?;
        let cut = CodingError::Truncated;
        let (sum, trailer) = trailer.split_first_chunk::<4>().ok_or(cut)?;
        let (length, rest) = trailer.split_first_chunk::<4>().ok_or(cut)?;
        let text = output.since(beginning);
        let is_whole = crc32fast::hash(text).to_le_bytes() == *sum
            // Told modulo 2^32.
            && text.len().to_le_bytes().starts_with(length);
        if !is_whole {
            return Err(CodingError::Malformed.into());
        }
        if rest.is_empty() {
            return Ok(());
        }
        if !rest.starts_with(&MAGIC) && !MAGIC.starts_with(rest) {
            return Err(CodingError::Trailing.into());
        }
        input = rest;
    }
}

/// What follows a member's header (RFC 1952, 2.3).
fn after_header(input: &[u8]) -> Result<&[u8], CodingError> {
    const CHECKED: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;
    const DEFLATE: u8 = 8;
    let cut = CodingError::Truncated;
    let (head, mut rest) = input.split_first_chunk::<10>().ok_or(cut)?;
    let [a, b, method, flags, ..] = *head;
    if [a, b] != MAGIC || method != DEFLATE || flags & RESERVED != 0 {
        return Err(CodingError::Malformed);
    }
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_first_chunk().ok_or(cut)?;
        let length = usize::from(u16::from_le_bytes(*length));
        rest = after.get(length..).ok_or(cut)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = memchr::memchr(0, rest).ok_or(cut)?;
            rest = rest.get(end + 1..).ok_or(cut)?;
        }
    }
    if flags & CHECKED != 0 {
        let length = input.len() - rest.len();
        let (sum, after) = rest.split_first_chunk::<2>().ok_or(cut)?;
        let head = input.get(..length).unwrap_or_default();
        if !crc32fast::hash(head).to_le_bytes().starts_with(sum) {
            return Err(CodingError::Malformed);
        }
        rest = after;
    }
    Ok(rest)
}
