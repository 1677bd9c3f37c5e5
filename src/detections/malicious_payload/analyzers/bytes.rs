//! Small questions about bytes that several analyzers ask.

use std::ops::Range;

use aho_corasick::AhoCorasick;

/// Words of which a word may be one, in either case.
#[derive(Debug)]
pub(super) struct Words {
    /// Those of each [`slot`].
    slots: Vec<Vec<&'static [u8]>>,
}

const SLOTS: usize = 256;

impl Words {
    /// The words of a text in ASCII lower case.
    pub(super) fn of(text: &'static str) -> Self {
        Self::from_words(text.split_ascii_whitespace())
    }

    /// Words in ASCII lower case.
    pub(super) fn from_words(words: impl IntoIterator<Item = &'static str>) -> Self {
        let mut slots = vec![Vec::new(); SLOTS];
        for word in words {
            if let Some(slot) = slots.get_mut(slot(word.as_bytes())) {
                slot.push(word.as_bytes());
            }
        }
        Self { slots }
    }

    /// All of them.
    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &'static [u8]> {
        self.slots.iter().flatten().copied()
    }

    /// Whether a word is one of these.
    pub(super) fn has(&self, word: &[u8]) -> bool {
        let slot = self.slots.get(slot(word));
        slot.is_some_and(|words| words.iter().any(|known| known.eq_ignore_ascii_case(word)))
    }
}

/// Where a word is looked for: told by its length and three of its letters, in either case, which few words share.
fn slot(word: &[u8]) -> usize {
    let letter = |at: usize| word.get(at).map_or(0, |byte| usize::from(byte & 0x1f));
    let (first, second) = (letter(0), letter(1));
    let last = letter(word.len().wrapping_sub(1));
    (word.len() * 7 + first * 37 + second * 11 + last * 101) % SLOTS
}

/// Many texts that are looked for together, in either case.
#[derive(Debug)]
pub(super) struct Texts(Option<AhoCorasick>);

impl Texts {
    /// Looks for each of `texts`. There are some dozens, so that an automaton can always be built.
    pub(super) fn new<'t>(texts: impl IntoIterator<Item = &'t [u8]>) -> Self {
        let mut builder = AhoCorasick::builder();
        Self(builder.ascii_case_insensitive(true).build(texts).ok())
    }

    /// The number and the place of each text that occurs, overlapping ones included.
    pub(super) fn find<'a>(
        &'a self,
        text: &'a [u8],
    ) -> impl Iterator<Item = (usize, Range<usize>)> + 'a {
        let automaton = self.0.iter();
        let found = automaton.flat_map(move |automaton| automaton.find_overlapping_iter(text));
        found.map(|found| (found.pattern().as_usize(), found.range()))
    }
}

/// Where `needle`, in ASCII lower case, first is at or behind `from`, in either case.
pub(super) fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    // Most texts that are asked are shorter than most needles.
    if text.len().checked_sub(from)? < needle.len() {
        return None;
    }
    let (rarest, byte) = rarest(needle)?;
    // Its rarest byte is looked for behind where the needle would begin.
    let begin = from + rarest;
    let behind = text.get(begin..)?;
    let is_here = |at: &usize| {
        let found = text.get(from + at..from + at + needle.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(needle))
    };
    let at = if byte.is_ascii_lowercase() {
        memchr::memchr2_iter(byte, byte.to_ascii_uppercase(), behind).find(is_here)
    } else {
        memchr::memchr_iter(byte, behind).find(is_here)
    };
    at.map(|at| from + at)
}

/// The byte of a text that is rarest in others, and where it is: a sign before a letter, a rare letter before a vowel.
fn rarest(needle: &[u8]) -> Option<(usize, u8)> {
    let share = |byte: u8| match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' | b' ' => 5,
        b'l' | b'd' | b'c' | b'u' | b'm' | b'p' | b'h' | b'0'..=b'9' => 4,
        b'f' | b'g' | b'w' | b'y' | b'b' | b'v' | b'-' | b'.' | b'/' => 3,
        b'k' | b'x' | b'j' | b'q' | b'z' | b'=' | b'"' | b'<' | b'>' => 2,
        _ => 1,
    };
    needle
        .iter()
        .copied()
        .enumerate()
        .min_by_key(|(_, byte)| share(*byte))
}

/// Whether `text` begins with `word`, in ASCII lower case, in either case.
pub(super) fn begins(text: &[u8], word: &[u8]) -> bool {
    let beginning = text.get(..word.len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(word))
}

/// A text without the comments (`/* … */`) and blanks that it ends in.
pub(super) fn without_comments(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_end();
        let inner = text.strip_suffix(b"*/");
        let Some(begin) = inner.and_then(|inner| memchr::memmem::rfind(inner, b"/*")) else {
            return text;
        };
        text = text.get(..begin).unwrap_or_default();
    }
}

/// Whether a byte can be in a name of most languages.
pub(super) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes at the beginning of `text` are blanks.
pub(super) fn blanks(text: &[u8]) -> usize {
    let blank = |byte: &&u8| matches!(**byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c);
    text.iter().take_while(blank).count()
}

/// The rest of `text` from `at` on; empty beyond its end.
pub(super) fn rest(text: &[u8], at: usize) -> &[u8] {
    text.get(at..).unwrap_or_default()
}

/// The word that ends at `at`, as far as it is no longer than any that is known.
pub(super) fn word_before(text: &[u8], at: usize) -> &[u8] {
    const LONGEST: usize = 32;
    let before = text.get(..at).unwrap_or_default();
    let letters = before.iter().rev().take(LONGEST);
    let len = letters.take_while(|byte| is_word(**byte)).count();
    rest(before, before.len() - len)
}

/// The word that `text` begins with.
pub(super) fn word(text: &[u8]) -> &[u8] {
    let len = text.iter().take_while(|byte| is_word(**byte)).count();
    text.get(..len).unwrap_or_default()
}

/// Whether a word is one of a list in ASCII lower case, in either case.
pub(super) fn is_one_of(word: &[u8], list: &[&str]) -> bool {
    list.iter()
        .any(|known| known.as_bytes().eq_ignore_ascii_case(word))
}

/// Whether the byte before `at` belongs to no name, so that a word can begin there.
pub(super) fn is_boundary(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    before.is_none_or(|before| !is_word(*before))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_found_where_it_first_is(
            text in "[abABxz<:]{0,24}",
            needle in "[abxz<:]{1,4}",
            from in 0_usize..26,
        ) {
            let lower = text.to_ascii_lowercase();
            let expected = lower.get(from..).and_then(|rest| rest.find(&needle)).map(|at| from + at);
            prop_assert_eq!(find(text.as_bytes(), needle.as_bytes(), from), expected);
        }

        #[test]
        fn words_are_known_in_either_case(word in "[a-dA-D]{0,3}") {
            let words = Words::of("a ab abc dad d cab");
            let lower = word.to_ascii_lowercase();
            let is_known = "a ab abc dad d cab".split(' ').any(|known| known == lower);
            prop_assert_eq!(words.has(word.as_bytes()), is_known);
        }
    }
}
