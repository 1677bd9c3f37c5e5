//! deflate, by miniz_oxide.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY,
    TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::CodingError;
use super::output::{Output, Stop};

/// What a block stands for on average. The tables of one take 2.5 microseconds to build, so that those of a MiB of text take
/// 40 milliseconds; encoders that flush every line of a log write two blocks for each.
const BLOCK: usize = 64;

/// One stream: zlib where there is a zlib header, or else bare deflate, as the servers do that take both.
pub(super) fn deflate(input: &[u8], output: &mut Output) -> Result<(), Stop> {
    let has_header = has_zlib_header(input);
    if has_header && begins_stored_block(input) {
        return Err(CodingError::Ambiguous.into());
    }
    output.begin_member()?;
    let rest = inflate(input, has_header, output)?;
    if rest.is_empty() {
        Ok(())
    } else {
        Err(CodingError::Trailing.into())
    }
}

/// Undoes deflate, with a zlib header and its checksum or without; gives what follows.
///
/// The decoder stops at every block, since a block of twelve bytes costs as much as one of some KiB: its tables are built
/// anew. It sees all of the output, so that it knows a distance that leads before the beginning.
pub(super) fn inflate<'i>(
    mut input: &'i [u8],
    has_header: bool,
    output: &mut Output,
) -> Result<&'i [u8], Stop> {
    const ALWAYS: u32 =
        TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF | TINFL_FLAG_STOP_ON_BLOCK_BOUNDARY;
    const HEADER: u32 = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_COMPUTE_ADLER32;
    let flags = if has_header { ALWAYS | HEADER } else { ALWAYS };
    let mut decoder = Box::new(DecompressorOxide::new());
    let beginning = output.length();
    output.begin_block(BLOCK)?;
    loop {
        let (room, at) = output.room_after(beginning)?;
        let (status, read, written) = decompress(&mut decoder, input, room, at, flags);
        output.wrote(written);
        input = input.get(read..).unwrap_or_default();
        match status {
            TINFLStatus::Done => return Ok(input),
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::BlockBoundary => output.begin_block(BLOCK)?,
            TINFLStatus::NeedsMoreInput | TINFLStatus::FailedCannotMakeProgress => {
                return Err(CodingError::Truncated.into());
            }
            _ => return Err(CodingError::Malformed.into()),
        }
    }
}

/// Whether the first two bytes are a zlib header: deflate, a window of at most 32 KiB, and a check that holds (RFC 1950,
/// 2.2).
fn has_zlib_header(input: &[u8]) -> bool {
    let [method, flags, ..] = *input else {
        return false;
    };
    method & 0x0f == 8 && method >> 4 <= 7 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}

/// Whether the bytes also begin bare deflate. What is a zlib header would be the head of a stored block there, which tells
/// its length twice (RFC 1951, 3.2.4); one in 65536 does by chance.
fn begins_stored_block(input: &[u8]) -> bool {
    let [_, a, b, c, d, ..] = *input else {
        return false;
    };
    u16::from_le_bytes([a, b]) == !u16::from_le_bytes([c, d])
}
