//! Texts in which a set of patterns found nothing, kept so that they need not be searched again.
//!
//! What a client says of itself and of what it accepts is the same in every request, and the same as what its many siblings
//! say: of the bytes of a usual request most were searched a moment ago. Each thread keeps a few hundred short texts.
//! They are compared byte by byte, so no text passes for another; what does not fit is forgotten and searched as ever.
//! Nothing is kept of a text in which something was found.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The texts that one set of patterns found nothing in, each in the place where it was. Sets have nothing in common, also those of two revisions.
#[derive(Debug)]
pub(super) struct Harmless {
    set: u64,
}

/// The shortest text that is kept; the search of a shorter one costs less than the question.
const SHORTEST: usize = 8;

/// The longest text that is kept, in bytes.
const LONGEST: usize = 240;

/// How many texts a thread keeps, of all sets together: at most 64 KiB.
const PLACES: usize = 256;

/// How many of them belong at the same place. With one alone, two texts that every request of a client has could take each
/// other's place for ever, and both be searched each time.
const SHARING: usize = 4;

/// One text. Of all that belong at a place the last few have it.
#[derive(Clone)]
struct Entry {
    /// The set that found nothing; 0 where there is no text.
    set: u64,
    /// What else it depends on whether something is found.
    place: u32,
    length: usize,
    text: [u8; LONGEST],
}

/// What a thread keeps: `SHARING` entries for each place, all of a place next to each other.
struct Kept {
    entries: Vec<Entry>,
    /// Which of a place's entries the next text takes, wherever it belongs.
    next: usize,
}

thread_local! {
    static KEPT: RefCell<Kept> = const {
        RefCell::new(Kept {
            entries: Vec::new(),
            next: 0,
        })
    };
}

impl Harmless {
    /// Of a new set, nothing is known.
    pub(super) fn new() -> Self {
        static SETS: AtomicU64 = AtomicU64::new(1);
        Self {
            set: SETS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Whether the set is known to find nothing in `text` at `place`.
    pub(super) fn knows(&self, place: u32, text: &[u8]) -> bool {
        let Some(slot) = Self::slot(text) else {
            return false;
        };
        let known = KEPT.try_with(|kept| {
            let kept = kept.borrow();
            let mut entries = kept.entries.iter().skip(slot * SHARING).take(SHARING);
            entries.any(|entry| {
                entry.set == self.set
                    && entry.place == place
                    && entry.text.get(..entry.length) == Some(text)
            })
        });
        // A thread that ends knows nothing any more.
        known.unwrap_or(false)
    }

    /// Notes that the set found nothing in `text` at `place`.
    pub(super) fn learn(&self, place: u32, text: &[u8]) {
        let Some(slot) = Self::slot(text) else {
            return;
        };
        let _ = KEPT.try_with(|kept| {
            let Kept { entries, next } = &mut *kept.borrow_mut();
            if entries.is_empty() {
                entries.resize(PLACES, Entry::EMPTY);
            }
            *next = (*next + 1) % SHARING;
            if let Some(entry) = entries.get_mut(slot * SHARING + *next)
                && let Some(kept) = entry.text.get_mut(..text.len())
            {
                kept.copy_from_slice(text);
                entry.length = text.len();
                entry.set = self.set;
                entry.place = place;
            }
        });
    }

    /// Where a text is kept; `None` for one that is not kept. Whoever aims at a place only makes us search again.
    fn slot(text: &[u8]) -> Option<usize> {
        if text.len() > LONGEST {
            return None;
        }
        let middle = text.get(text.len() / 2..)?;
        let words = [
            text.first_chunk()?,
            text.last_chunk()?,
            middle.first_chunk().unwrap_or(&[0; SHORTEST]),
        ];
        let mixed = words.into_iter().fold(text.len() as u64, |mixed, word| {
            (mixed.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        Some((mixed >> 32) as usize % (PLACES / SHARING))
    }
}

impl Entry {
    const EMPTY: Self = Self {
        set: 0,
        place: 0,
        length: 0,
        text: [0; LONGEST],
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_learnt_is_known_and_only_to_its_set() {
        let (one, other) = (Harmless::new(), Harmless::new());
        let text = b"Mozilla/5.0 (X11; Linux x86_64)";
        assert!(!one.knows(0, text));
        one.learn(0, text);
        assert!(one.knows(0, text));
        assert!(!other.knows(0, text));
        assert!(!one.knows(1, text));
        for at in 0..text.len() {
            let mut changed = *text;
            changed[at] ^= 1;
            assert!(!one.knows(0, &changed), "{at}");
        }
        assert!(!one.knows(0, &text[1..]));
        assert!(!one.knows(0, &text[..text.len() - 1]));
    }

    #[test]
    fn what_each_request_of_a_client_says_is_known_together() {
        let set = Harmless::new();
        for n in 0..2_000 {
            let texts = [1, 2, 3, 4].map(|place| (place, format!("text {place} of client {n}")));
            for (place, text) in &texts {
                set.learn(*place, text.as_bytes());
            }
            for (place, text) in &texts {
                assert!(set.knows(*place, text.as_bytes()), "{text}");
            }
        }
    }

    #[test]
    fn texts_too_short_or_too_long_are_not_kept() {
        let set = Harmless::new();
        for (length, kept) in [
            (0, false),
            (7, false),
            (8, true),
            (LONGEST, true),
            (LONGEST + 1, false),
        ] {
            let text = vec![b'a'; length];
            set.learn(0, &text);
            assert_eq!(set.knows(0, &text), kept, "{length}");
        }
    }

    #[test]
    fn whatever_is_learnt_nothing_else_is_known() {
        let set = Harmless::new();
        let texts: Vec<_> = (0..2_000)
            .map(|n| format!("agent number {n} of many"))
            .collect();
        for (n, text) in texts.iter().enumerate() {
            assert!(!set.knows(0, text.as_bytes()));
            if n % 2 == 0 {
                set.learn(0, text.as_bytes());
                assert!(set.knows(0, text.as_bytes()));
            }
        }
        let known = texts
            .iter()
            .filter(|text| set.knows(0, text.as_bytes()))
            .count();
        assert!((1..=PLACES).contains(&known), "{known}");
    }
}
