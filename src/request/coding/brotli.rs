//! br, by brotli-decompressor.

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::CodingError;
use super::output::{Output, Stop};

/// How much the decoder is given at a time.
const PIECE: usize = 16 * 1024;

/// So long may a body be whatever it stands for; beyond that, the rest stands for some times as many bytes.
///
/// Four bytes can bring a table that takes a microsecond to build, and tables cannot be told from text before they are
/// decoded. So a MiB of them would cost a quarter of a second; what people write is a third to a tenth of its text.
const FREE: usize = 128 * 1024;
const DENSITY: usize = 4;

/// One stream of the format as HTTP has it: windows of at most 16 MiB (RFC 7932, 9.1), no foreign dictionaries.
pub(super) fn brotli(mut input: &[u8], output: &mut Output) -> Result<(), Stop> {
    output.begin_member()?;
    let allocator = StandardAlloc::default;
    let mut decoder = BrotliState::new_strict(allocator(), allocator(), allocator());
    let mut consumed = 0;
    loop {
        if consumed > FREE + output.length() / DENSITY {
            return Err(CodingError::Pieces.into());
        }
        let room = output.room()?;
        let piece = input.get(..PIECE).unwrap_or(input);
        let (mut left, mut read) = (piece.len(), 0);
        let (mut free, mut written, mut total) = (room.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut read,
            piece,
            &mut free,
            &mut written,
            room,
            &mut total,
            &mut decoder,
        );
        output.wrote(written);
        input = input.get(read..).unwrap_or_default();
        consumed += read;
        match result {
            BrotliResult::ResultSuccess if input.is_empty() => return Ok(()),
            BrotliResult::ResultSuccess => return Err(CodingError::Trailing.into()),
            BrotliResult::ResultFailure => return Err(CodingError::Malformed.into()),
            // While there is something to write it may ask for more nevertheless.
            BrotliResult::NeedsMoreInput if input.is_empty() && written == 0 => {
                return Err(CodingError::Truncated.into());
            }
            // It got something and room for more, so standing still would be for ever.
            _ if read == 0 && written == 0 => return Err(CodingError::Fault.into()),
            BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
        }
    }
}
