//! A piece of a multipart body that streams, and what is to be done with one.

use bytes::Bytes;

/// What is to be done next with a body.
#[derive(Debug)]
pub enum Next {
    /// This is to be judged, and then goes on.
    Unit(Unit),
    /// This goes on as it is: a file that is no text, of which the beginning was judged.
    Pass(Bytes),
    /// A part is longer than may be judged whole.
    TooLong,
    /// More of the body is needed.
    More,
    /// All of it was handed out.
    End,
}

/// A piece of a multipart body that is judged on its own.
#[derive(Clone, Debug)]
pub struct Unit {
    /// What is judged.
    pub(super) bytes: Bytes,
    /// Where in the body it begins.
    pub(super) offset: u64,
    /// How much of it has gone on already.
    pub(super) repeated: usize,
    pub(super) shape: Shape,
    /// What is odd about it and cannot be seen from it alone, as names of ambiguities.
    pub(super) notes: Vec<&'static str>,
}

/// What a unit consists of.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// Parts, from the delimiter before the first of them on; with the end of the body or not.
    Parts { boundary: Bytes, is_end: bool },
    /// More of the content of a text file: of which field, and whether in UTF-16, most significant byte first or not.
    Content { field: String, utf16: Option<bool> },
}

impl Unit {
    /// What is judged.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Where in the body it begins.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// What of it goes on once it was judged.
    #[must_use]
    pub fn goes_on(&self) -> Bytes {
        self.bytes.slice(self.repeated.min(self.bytes.len())..)
    }
}
