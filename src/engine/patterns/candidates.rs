//! Which patterns of a set may match a value.

use crate::request::Marks;

/// Is told of each trigger that goes off in a text: whose it is, and kinds of bytes without one of which it does not.
pub(super) trait Triggered {
    /// Whether the trigger is worth looking for.
    fn wants(&self, owner: u32, mark: Marks) -> bool;

    /// The trigger goes off.
    fn add(&mut self, owner: u32, mark: Marks);
}

/// A set of pattern indexes. Up to 256 patterns it lives on the stack; beyond, it is allocated with the first member.
pub(super) enum Candidates {
    Few([u64; 4]),
    Many(Vec<u64>),
}

impl Candidates {
    pub(super) const fn new(patterns: usize) -> Self {
        if patterns <= 256 {
            Self::Few([0; 4])
        } else {
            Self::Many(Vec::new())
        }
    }

    pub(super) fn insert(&mut self, index: usize) {
        let (word, bit) = (index / 64, 1 << (index % 64));
        if let Self::Many(words) = self
            && words.len() <= word
        {
            words.resize(word + 1, 0);
        }
        let words: &mut [u64] = match self {
            Self::Few(words) => words,
            Self::Many(words) => words,
        };
        if let Some(word) = words.get_mut(word) {
            *word |= bit;
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        let words: &[u64] = match self {
            Self::Few(words) => words,
            Self::Many(words) => words,
        };
        let word = words.get(index / 64);
        word.is_some_and(|word| word >> (index % 64) & 1 != 0)
    }

    pub(super) fn for_each(&self, mut visit: impl FnMut(usize)) {
        let words: &[u64] = match self {
            Self::Few(words) => words,
            Self::Many(words) => words,
        };
        for (at, &word) in words.iter().enumerate() {
            let mut rest = word;
            while rest != 0 {
                visit(at * 64 + rest.trailing_zeros() as usize);
                rest &= rest - 1;
            }
        }
    }
}

impl Triggered for Candidates {
    fn wants(&self, owner: u32, _: Marks) -> bool {
        !self.has(owner as usize)
    }

    fn add(&mut self, owner: u32, _: Marks) {
        self.insert(owner as usize);
    }
}

/// The kinds of bytes that a part of a text needs for anything to go off in it.
impl Triggered for Marks {
    fn wants(&self, _: u32, mark: Marks) -> bool {
        self.and(mark) != mark
    }

    fn add(&mut self, _: u32, mark: Marks) {
        *self = self.or(mark);
    }
}
