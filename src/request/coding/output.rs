//! Where decoders write: bytes that may become so many and no more, and how many members they come from.

use super::CodingError;

/// How much room a decoder gets at a time, and what is kept free for short bodies.
const STEP: usize = 64 * 1024;
const FIRST: usize = 4 * 1024;

/// Members and blocks may be short at the beginning of a body, as long as they are few.
const FEW: usize = 256;

/// Beyond them, a member stands for so many bytes on average: to begin one costs about as much as to decode those.
const MEMBER: usize = 1024;

/// The decoded bytes in the making.
pub(super) struct Output {
    /// What is written, and room for more.
    bytes: Vec<u8>,
    length: usize,
    /// The most that is asked for, and the most that what was sent may become.
    most: usize,
    longest: usize,
    members: usize,
    blocks: usize,
}

/// Why a decoder stops before the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// There would be more than is asked for.
    Full,
    Error(CodingError),
}

impl From<CodingError> for Stop {
    fn from(error: CodingError) -> Self {
        Self::Error(error)
    }
}

impl Output {
    pub(super) const fn new(most: usize, longest: usize) -> Self {
        Self {
            bytes: Vec::new(),
            length: 0,
            most,
            longest,
            members: 0,
            blocks: 0,
        }
    }

    /// Room for at least one byte. There is one byte more of it than there may be, to tell what ends there from what goes on.
    pub(super) fn room(&mut self) -> Result<&mut [u8], Stop> {
        self.within()?;
        let limit = self.most.min(self.longest).saturating_add(1);
        if self.length == self.bytes.len() {
            let more = self.length.clamp(FIRST, STEP);
            let length = self.length.saturating_add(more).min(limit);
            self.bytes.resize(length, 0);
        }
        Ok(self.bytes.get_mut(self.length..).unwrap_or_default())
    }

    /// Whether there are no more bytes than there may be.
    pub(super) fn within(&self) -> Result<(), Stop> {
        if self.length <= self.most.min(self.longest) {
            Ok(())
        } else if self.longest < self.most {
            Err(CodingError::Ratio.into())
        } else {
            Err(Stop::Full)
        }
    }

    /// So many bytes were written into the room.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.length = self.length.saturating_add(bytes).min(self.bytes.len());
    }

    /// The same room behind all that was written since there were `beginning` bytes; and how much that is.
    pub(super) fn room_after(&mut self, beginning: usize) -> Result<(&mut [u8], usize), Stop> {
        self.room()?;
        let written = self.length.saturating_sub(beginning);
        Ok((self.bytes.get_mut(beginning..).unwrap_or_default(), written))
    }

    /// How many bytes were written.
    pub(super) const fn length(&self) -> usize {
        self.length
    }

    /// What was written since there were `beginning` bytes.
    pub(super) fn since(&self, beginning: usize) -> &[u8] {
        self.bytes.get(beginning..self.length).unwrap_or_default()
    }

    /// One more member begins.
    pub(super) fn begin_member(&mut self) -> Result<(), Stop> {
        self.members += 1;
        self.are_few(self.members, MEMBER)
    }

    /// One more block of a member begins. Beyond a few, they are to stand for `length` bytes on average.
    pub(super) fn begin_block(&mut self, length: usize) -> Result<(), Stop> {
        self.blocks += 1;
        self.are_few(self.blocks, length)
    }

    fn are_few(&self, pieces: usize, length: usize) -> Result<(), Stop> {
        if pieces <= FEW + self.length / length {
            Ok(())
        } else {
            Err(CodingError::Pieces.into())
        }
    }

    pub(super) const fn members(&self) -> usize {
        self.members
    }

    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.length.min(self.most));
        self.bytes
    }
}
