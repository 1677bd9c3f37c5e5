//! Ids of requests and events: UUID version 7 (RFC 9562, 5.7), so that they sort by time.

use std::fmt;
use std::hash::Hasher;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};
use siphasher::sip128::{Hasher128, SipHasher13};
use uuid::Uuid;

/// The id of a request, and of the event that tells of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct EventId(Uuid);

/// Makes ids without asking the kernel for randomness each time: a counter under a random key. They are unique and say
/// nothing about each other, but they are no secrets.
#[derive(Debug)]
pub struct IdSource {
    key: [u8; 16],
    counter: AtomicU64,
}

impl IdSource {
    /// A source with a random key.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> std::io::Result<Self> {
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Self {
            key,
            counter: AtomicU64::new(0),
        })
    }

    /// The next id, for a moment given in milliseconds since 1970.
    #[must_use]
    pub fn next(&self, unix_milliseconds: u64) -> EventId {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write_u64(self.counter.fetch_add(1, Ordering::Relaxed));
        let [_, _, _, _, _, _, random @ ..] = hasher.finish128().as_bytes();
        EventId(uuid::Builder::from_unix_timestamp_millis(unix_milliseconds, &random).into_uuid())
    }
}

impl EventId {
    /// The id as 36 characters of ASCII, written into `buffer`.
    pub fn encode<'b>(&self, buffer: &'b mut [u8; 36]) -> &'b str {
        self.0.hyphenated().encode_lower(buffer)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl Serialize for EventId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_distinct_and_sort_by_time() {
        let source = IdSource::new().expect("randomness");
        let ids: Vec<_> = (0..1000)
            .map(|at| source.next(1_700_000_000_000 + at))
            .collect();
        assert!(ids.is_sorted());
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 1000);
        assert_eq!(ids.first().map(|id| id.0.get_version_num()), Some(7));
    }
}
