//! Bytes that were read and may not go on yet: a head that is not whole, a request whose turn it is not.

use tokio::io::ReadBuf;

/// A buffer that exists only while there is something in it.
#[derive(Debug, Default)]
pub(super) struct Held {
    bytes: Vec<u8>,
    /// Where what has not been handed over begins.
    begin: usize,
    /// How far it may be handed over.
    cleared: usize,
}

impl Held {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.len() == self.begin
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes.len() - self.begin
    }

    /// What may not go on yet.
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.cleared..).unwrap_or_default()
    }

    /// Keeps bytes behind the others.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        // Each byte is moved at most once on average, however small the pieces are that come.
        if self.begin > self.bytes.len() / 2 {
            self.bytes.drain(..self.begin);
            self.cleared -= self.begin;
            self.begin = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The first of the waiting bytes may go on.
    pub(super) fn clear(&mut self, length: usize) {
        self.cleared = self.cleared.saturating_add(length).min(self.bytes.len());
    }

    /// The first of the waiting bytes go nowhere. Nothing before them waits to be handed over.
    pub(super) fn skip(&mut self, length: usize) {
        self.clear(length);
        self.begin = self.cleared;
        self.release();
    }

    /// Forgets what may not go on.
    pub(super) fn drop_waiting(&mut self) {
        self.bytes.truncate(self.cleared);
        self.release();
    }

    /// Moves what may go on into `buffer`, as much as it takes; whether that was anything.
    pub(super) fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let length = (self.cleared - self.begin).min(buffer.remaining());
        if length == 0 {
            return false;
        }
        let end = self.begin + length;
        buffer.put_slice(self.bytes.get(self.begin..end).unwrap_or_default());
        self.begin = end;
        self.release();
        true
    }

    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// An idle connection holds no memory for what it may once send.
    fn release(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }
}
