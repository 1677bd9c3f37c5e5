//! Which keys an object has had already.
//!
//! Nearly all objects have few keys, and to look through a few is faster than any table. A sender who writes many must
//! not make that grow with their square: from some number on, the keys of an object are in a set, by keyed hashes.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

/// The keys of all objects that have begun and not ended.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Those of small objects, the outermost first.
    seen: Vec<Seen>,
    /// Those of large ones, each with the number of its object. A keyed hash of 64 bits stands for the key: two keys that
    /// share one by chance make a needless note once in an age.
    many: HashSet<u64>,
    hasher: RandomState,
    /// How many objects have become large.
    large: u32,
}

/// What is known of the keys of one object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    /// Where its keys begin among those seen.
    from: u32,
    /// Its number among the large ones, from 1 on; 0 for a small one.
    large: u32,
}

/// A key by its number among the values, and by some of its bytes.
#[derive(Clone, Copy, Debug)]
struct Seen {
    print: u64,
    value: u32,
}

/// How many keys of an object are looked through one by one.
const FEW: usize = 32;

impl Keys {
    /// An object begins.
    pub(super) fn open(&self) -> Object {
        Object {
            from: small(self.seen.len()),
            large: 0,
        }
    }

    /// An object ends.
    pub(super) fn close(&mut self, object: Object) {
        self.seen.truncate(object.from as usize);
    }

    /// Adds a key of the innermost object, the n-th of all values, and tells whether the object has it already. `text` tells
    /// what other keys are.
    #[inline]
    pub(super) fn is_repeated<'t>(
        &mut self,
        object: &mut Object,
        value: u32,
        key: &[u8],
        text: impl Fn(u32) -> &'t [u8],
    ) -> bool {
        if object.large > 0 {
            return !self.many.insert(self.hasher.hash_one((object.large, key)));
        }
        let print = print(key);
        let seen = self.seen.get(object.from as usize..).unwrap_or_default();
        let is_repeated = seen
            .iter()
            .any(|seen| seen.print == print && text(seen.value) == key);
        let has_many = seen.len() == FEW;
        self.seen.push(Seen { print, value });
        if has_many {
            self.enlarge(object, text);
        }
        is_repeated
    }

    /// Puts the keys of an object into the set.
    #[cold]
    fn enlarge<'t>(&mut self, object: &mut Object, text: impl Fn(u32) -> &'t [u8]) {
        self.large += 1;
        object.large = self.large;
        for seen in self.seen.drain(object.from as usize..) {
            let hash = self.hasher.hash_one((self.large, text(seen.value)));
            self.many.insert(hash);
        }
    }
}

/// There are never more than some thousands at a time: a few for each level of depth.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The length of a text, its beginning and its end in one word. Different texts may share it.
#[inline]
fn print(text: &[u8]) -> u64 {
    let length = (text.len() as u64).rotate_right(8);
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return first ^ last.rotate_left(29) ^ length;
    }
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return u64::from(first) ^ u64::from(last) << 24 ^ length;
    }
    text.iter()
        .fold(length, |word, byte| word << 8 ^ u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the keys of an object are repeats.
    fn repeats(keys: &mut Keys, texts: &[String]) -> Vec<usize> {
        let text = |value: u32| texts[value as usize].as_bytes();
        let mut object = keys.open();
        let repeats = (0..texts.len())
            .filter(|at| {
                let value = u32::try_from(*at).unwrap();
                keys.is_repeated(&mut object, value, text(value), text)
            })
            .collect();
        keys.close(object);
        repeats
    }

    #[test]
    fn repeats_are_found_in_small_and_large_objects_and_in_none_but_their_own() {
        let mut keys = Keys::default();
        for count in [1, 2, FEW - 1, FEW, FEW + 1, 10 * FEW] {
            let mut texts: Vec<String> = (0..count).map(|at| format!("key-{at}-of-many")).collect();
            assert_eq!(repeats(&mut keys, &texts), [0; 0], "{count}");
            texts.extend([texts[0].clone(), texts[count / 2].clone(), "key".into()]);
            assert_eq!(repeats(&mut keys, &texts), [count, count + 1], "{count}");
        }
    }

    #[test]
    fn keys_that_look_alike_are_told_apart() {
        let texts = [
            "",
            "\0",
            "a",
            "aa",
            "12345678",
            "1234567812345678",
            "123456781234567812345678",
        ]
        .map(str::to_owned);
        assert_eq!(repeats(&mut Keys::default(), &texts), [0; 0]);
        let middle = ["12345678a12345678", "12345678b12345678"].map(str::to_owned);
        assert_eq!(print(middle[0].as_bytes()), print(middle[1].as_bytes()));
        assert_eq!(repeats(&mut Keys::default(), &middle), [0; 0]);
    }
}
