//! zstd, by the library of its authors.

use zstd::zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

use super::CodingError;
use super::output::{Output, Stop};

/// HTTP allows windows of 8 MiB (RFC 9659, 3).
const WINDOW_LOG: u32 = 23;

/// What a block stands for on average. The tables of one take 5 microseconds to build, so that those of a MiB of text take
/// 40 milliseconds.
const BLOCK: usize = 128;

/// The least that tells how long the header of a frame is.
const BEGINNING: usize = 5;

/// All frames, and what is skipped between them (RFC 8878, 3.1). Frames that need a dictionary are refused by the library,
/// since it has none.
pub(super) fn zstd(input: &[u8], output: &mut Output) -> Result<(), Stop> {
    let mut decoder = DCtx::try_create().ok_or(CodingError::Fault)?;
    decoder
        .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
        .map_err(|_| CodingError::Fault)?;
    let mut rest = input;
    loop {
        output.begin_member()?;
        frame(&mut decoder, &mut rest, output)?;
        if rest.is_empty() {
            return Ok(());
        }
        if !begins_frame(rest) {
            return Err(CodingError::Trailing.into());
        }
    }
}

/// Decodes up to the end of a frame. The library gets as much at a time as it asks for, which is a block: so blocks can be
/// counted, each of which may bring tables that are long in building.
fn frame(decoder: &mut DCtx<'_>, rest: &mut &[u8], output: &mut Output) -> Result<(), Stop> {
    let mut wanted = BEGINNING;
    loop {
        let mut source = InBuffer::around(rest.get(..wanted).unwrap_or(rest));
        let mut room = OutBuffer::around(output.room()?);
        wanted = decoder
            .decompress_stream(&mut room, &mut source)
            .map_err(|_| CodingError::Malformed)?;
        let (read, written) = (source.pos(), room.pos());
        output.wrote(written);
        *rest = rest.get(read..).unwrap_or_default();
        if wanted == 0 {
            return Ok(());
        }
        if read > 0 {
            output.begin_block(BLOCK)?;
        } else if written == 0 {
            return Err(CodingError::Truncated.into());
        }
    }
}

/// Whether a frame begins here, or one to be skipped; or as much of its magic number as there is.
fn begins_frame(bytes: &[u8]) -> bool {
    const FRAME: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    const SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];
    let begins = |magic: &[u8], bytes: &[u8]| bytes.starts_with(magic) || magic.starts_with(bytes);
    begins(&FRAME, bytes)
        || bytes
            .split_first()
            .is_some_and(|(first, rest)| first >> 4 == 5 && begins(&SKIPPABLE, rest))
}
