//! Finds many literals in one walk over a text, three bytes at a time.
//!
//! Of each literal two neighbouring triples of bytes are chosen that are rare in harmless text. One of them begins at an
//! even place of the text, wherever the literal lies, so the walk looks at every other place only: whether a table of bits
//! has the triple there, and if so, which of the literals under it are there, too. No look-up depends on the one before,
//! which makes this several times as fast as an automaton that goes from state to state.

use std::collections::BTreeMap;

use super::candidates::Triggered;
use super::rarity;
use super::triggers::Trigger;
use crate::request::Marks;

/// The shortest literal that has a triple.
pub(super) const MIN_LENGTH: usize = 3;

/// How many bits of a triple's hash choose its place in the table.
const BITS: u32 = 17;

const WORDS: usize = 1 << (BITS - 6);

/// How much each literal under a triple adds to the cost of putting another one there.
const CROWDING: f64 = 0.25;

/// Units of work for each byte that is walked over, and for each literal that is compared.
const FOR_EACH_BYTE: usize = 2;
const FOR_EACH_ENTRY: usize = 3;

/// Literals, each with what else it needs and whose it is.
pub(super) struct Grams {
    bits: Box<[u64; WORDS]>,
    /// Where the entries for each word of the table begin, and where the last ones end.
    starts: Vec<u32>,
    entries: Vec<Entry>,
    literals: Vec<Literal>,
}

#[derive(Debug)]
struct Literal {
    text: Box<[u8]>,
    needs: Box<[Marks]>,
    /// See [`Trigger::mark`].
    mark: Marks,
    owner: u32,
}

/// A literal under one of its triples.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The rarest of what the literal needs; any kind where it needs nothing.
    need: Marks,
    /// The triple itself, since others have the same place.
    gram: u32,
    literal: u32,
    /// Where the literal has its triple, counted from the byte before its first: a literal of one triple only is entered
    /// under every triple that its first two bytes end, too.
    offset: u32,
}

/// Entries by the places of their triples.
type Lists = BTreeMap<usize, Vec<Entry>>;

impl Grams {
    /// Triggers, each belonging to an owner. Their literals are at least [`MIN_LENGTH`] long.
    pub(super) fn new<'t>(triggers: impl IntoIterator<Item = (&'t Trigger, u32)>) -> Self {
        let mut lists = Lists::new();
        let mut literals = Vec::new();
        for (trigger, owner) in triggers {
            enter(trigger, number(literals.len()), &mut lists);
            literals.push(Literal {
                text: trigger.literal.as_slice().into(),
                needs: trigger.needs.as_slice().into(),
                mark: trigger.mark(),
                owner,
            });
        }
        let mut grams = Self {
            bits: Box::new([0; WORDS]),
            starts: Vec::with_capacity(WORDS + 1),
            entries: Vec::new(),
            literals,
        };
        for (word, bits) in grams.bits.iter_mut().enumerate() {
            grams.starts.push(number(grams.entries.len()));
            for (place, list) in lists.range(64 * word..64 * (word + 1)) {
                *bits |= 1 << (place % 64);
                grams.entries.extend(list);
            }
        }
        grams.starts.push(number(grams.entries.len()));
        grams
    }

    /// Tells of each trigger whose literal occurs in `text`, which has the given `marks`, and tells how much work
    /// that was.
    pub(super) fn find(&self, text: &[u8], marks: Marks, owners: &mut impl Triggered) -> usize {
        let mut compared = 0;
        for (index, window) in text.array_windows().step_by(2).enumerate() {
            let gram = fold(u32::from_le_bytes(*window));
            if self.is_set(place(gram)) {
                compared += self.compare(text, 2 * index, gram, marks, owners);
            }
        }
        // Of a text of odd length the last triple fills no window.
        if text.len() % 2 == 1
            && let Some(start) = text.len().checked_sub(3)
            && let Some(gram) = gram_at(text, start)
            && self.is_set(place(gram))
        {
            compared += self.compare(text, start, gram, marks, owners);
        }
        FOR_EACH_BYTE * text.len() + FOR_EACH_ENTRY * compared
    }

    fn is_set(&self, place: usize) -> bool {
        self.bits
            .get(place / 64)
            .is_some_and(|word| word >> (place % 64) & 1 != 0)
    }

    /// Compares the literals under the triple at `at`, and tells how many there are.
    #[inline(never)]
    fn compare(
        &self,
        text: &[u8],
        at: usize,
        gram: u32,
        marks: Marks,
        owners: &mut impl Triggered,
    ) -> usize {
        let entries = self.entries_near(place(gram));
        for entry in entries {
            if entry.gram == gram
                && entry.need.meets(marks)
                && let Some(literal) = self.literals.get(entry.literal as usize)
                // Of a text full of literals, most are of owners that are known already.
                && owners.wants(literal.owner, literal.mark)
                && literal.needs.iter().all(|need| need.meets(marks))
                && let Some(start) = (at + 1).checked_sub(entry.offset as usize)
                && let Some(found) = text.get(start..start + literal.text.len())
                && found.eq_ignore_ascii_case(&literal.text)
            {
                owners.add(literal.owner, literal.mark);
            }
        }
        1 + entries.len()
    }

    /// The entries for the word of the table that `place` is in.
    fn entries_near(&self, place: usize) -> &[Entry] {
        match self.starts.get(place / 64..) {
            Some(&[from, to, ..]) => self
                .entries
                .get(from as usize..to as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }
}

/// Enters a literal under two triples, one for each parity of its place in a text.
fn enter(trigger: &Trigger, index: u32, lists: &mut Lists) {
    let literal = trigger.literal.as_slice();
    let need = trigger.needs.first().copied().unwrap_or(Marks::ANY);
    let add = |lists: &mut Lists, gram: u32, offset: usize| {
        lists.entry(place(gram)).or_default().push(Entry {
            need,
            gram,
            literal: index,
            offset: number(offset),
        });
    };
    if let &[a, b, _] = literal {
        add(lists, gram_at(literal, 0).unwrap_or_default(), 1);
        // Bytes that differ in the bit that case is in have one place.
        for before in (0..=u8::MAX).filter(|byte| byte & 0x20 != 0) {
            add(lists, fold(u32::from_le_bytes([before, a, b, 0])), 0);
        }
        return;
    }
    let Some(first) = choose(literal, lists) else {
        return;
    };
    for at in [first, first + 1] {
        if let Some(gram) = gram_at(literal, at) {
            add(lists, gram, at + 1);
        }
    }
}

/// Where the first of a literal's two triples begins: both are rare, and few literals are under them yet.
fn choose(literal: &[u8], lists: &Lists) -> Option<usize> {
    let cost = |at: usize| -> Option<f64> {
        let gram = literal.get(at..at + 3)?;
        let share: f64 = gram.iter().map(|&byte| rarity::of_byte(byte)).product();
        let others = lists.get(&place(gram_at(literal, at)?)).map_or(0, Vec::len);
        Some(share * (1.0 + CROWDING * others as f64))
    };
    (0..literal.len().checked_sub(MIN_LENGTH)?)
        .filter_map(|at| Some((at, cost(at)? + cost(at + 1)?)))
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(at, _)| at)
}

/// Literals and entries are far fewer than `u32::MAX`: all literals together are short.
fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

/// The triple at `at`.
fn gram_at(text: &[u8], at: usize) -> Option<u32> {
    let &[a, b, c] = text.get(at..)?.first_chunk()?;
    Some(fold(u32::from_le_bytes([a, b, c, 0])))
}

/// The three low bytes of a window, letters in either case. Some other bytes are taken for each other, too.
const fn fold(window: u32) -> u32 {
    (window | 0x2020_2020) << 8
}

/// The place of a triple in the table.
const fn place(gram: u32) -> usize {
    (gram.wrapping_mul(0x9e37_79b1) >> (32 - BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::super::candidates::Candidates;
    use super::super::triggers;
    use super::*;

    fn owners(grams: &Grams, text: &[u8]) -> Candidates {
        let mut owners = Candidates::new(100);
        grams.find(text, Marks::of(text), &mut owners);
        owners
    }

    #[test]
    fn a_literal_is_found_wherever_it_lies() {
        let words = [
            "../",
            "cmd",
            "etc/",
            "select",
            "<script",
            "information_schema",
        ];
        let triggers: Vec<Trigger> = words.map(triggers::of_word).into();
        let grams = Grams::new(triggers.iter().zip(0..));
        for (index, word) in words.iter().enumerate() {
            for before in 0..5 {
                for after in 0..5 {
                    let (before, after) = ("x".repeat(before), "y".repeat(after));
                    let text = format!("{before}{}{after}", word.to_uppercase());
                    let mut found = Vec::new();
                    owners(&grams, text.as_bytes()).for_each(|owner| found.push(owner));
                    assert_eq!(found, [index], "{text}");
                }
            }
        }
    }

    #[test]
    fn texts_shorter_than_a_triple_hold_nothing() {
        let trigger = triggers::of_word("cmd");
        let grams = Grams::new([(&trigger, 0)]);
        for text in ["", "c", "cm", "md", "cm d"] {
            owners(&grams, text.as_bytes()).for_each(|_| panic!("{text}"));
        }
    }
}
