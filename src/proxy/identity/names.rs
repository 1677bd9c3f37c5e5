//! A set of names of headers that is asked of every header of every request.

use std::collections::HashSet;

/// Nearly every name that is asked for is none of them, and mostly its length and its first letter tell so.
#[derive(Debug)]
pub(super) struct Names {
    names: HashSet<String>,
    /// For each length the first letters that names of it have; the last is for all that are longer.
    begin: [u32; 32],
}

impl Names {
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        let mut begin = [0; 32];
        let names = names.inspect(|name| {
            let (length, first) = Self::beginning(name);
            if let Some(letters) = begin.get_mut(length) {
                *letters |= first;
            }
        });
        Self {
            names: names.collect(),
            begin,
        }
    }

    /// Whether `name` is one of them.
    pub(super) fn contains(&self, name: &str) -> bool {
        let (length, first) = Self::beginning(name);
        let letters = self.begin.get(length).unwrap_or(&0);
        letters & first != 0 && self.names.contains(name)
    }

    /// A name's place in `begin`, and what it has there.
    fn beginning(name: &str) -> (usize, u32) {
        let first = name.as_bytes().first().unwrap_or(&0);
        (name.len().min(31), 1 << (first % 32))
    }
}
