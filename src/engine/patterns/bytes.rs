//! Which bytes a regular expression cannot match without: a second, coarser filter behind the literals.
//!
//! `['"]\\s*or` contributes the literal `or`, which is in every third English sentence. But it also needs a quote, and
//! whether a value has one is known after a single walk over it for all expressions together.

use regex_syntax::hir::{Class, Hir, HirKind};

/// A set of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct ByteSet([u64; 4]);

/// The most sets that are kept of one expression; the rarest ones.
const MAX_NEEDS: usize = 12;

/// Sets of which every match of `hir` contains a byte each, rarest first.
pub(super) fn needed(hir: &Hir) -> Vec<ByteSet> {
    let mut needs = walk(hir);
    needs.sort_by_key(|set| set.commonness());
    needs.dedup();
    needs.truncate(MAX_NEEDS);
    needs
}

/// The recursion is bounded by the parser, which refuses expressions nested deeper than 250 levels.
fn walk(hir: &Hir) -> Vec<ByteSet> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => literal
            .0
            .iter()
            .map(|&byte| ByteSet::default().with(byte))
            .collect(),
        HirKind::Class(class) => vec![of_class(class)],
        HirKind::Repetition(repetition) if repetition.min > 0 => walk(&repetition.sub),
        HirKind::Repetition(_) => Vec::new(),
        HirKind::Capture(capture) => walk(&capture.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(walk).collect(),
        HirKind::Alternation(branches) => of_any(branches).into_iter().collect(),
    }
}

/// One set for all branches: the union of the rarest set of each.
fn of_any(branches: &[Hir]) -> Option<ByteSet> {
    branches
        .iter()
        .try_fold(ByteSet::default(), |union, branch| {
            let rarest = walk(branch)
                .into_iter()
                .min_by_key(|set| set.commonness())?;
            Some(union.or(rarest))
        })
}

fn of_class(class: &Class) -> ByteSet {
    let mut set = ByteSet::default();
    match class {
        Class::Bytes(class) => {
            for range in class.ranges() {
                for byte in range.start()..=range.end() {
                    set = set.with(byte);
                }
            }
        }
        Class::Unicode(class) => {
            for range in class.ranges() {
                for character in range.start()..=range.end().min('\u{7f}') {
                    set = set.with(u8::try_from(character).unwrap_or(0));
                }
                if range.end() > '\u{7f}' {
                    set.0 = [set.0[0], set.0[1], u64::MAX, u64::MAX];
                }
            }
        }
    }
    set
}

impl ByteSet {
    /// The bytes that occur in `text`. Four words in registers, where one in memory would have to be written and read
    /// back for each byte.
    pub(super) fn of(text: &[u8]) -> Self {
        let [mut a, mut b, mut c, mut d] = [0u64; 4];
        for &byte in text {
            let bit = 1u64 << (byte % 64);
            a |= if byte / 64 == 0 { bit } else { 0 };
            b |= if byte / 64 == 1 { bit } else { 0 };
            c |= if byte / 64 == 2 { bit } else { 0 };
            d |= if byte / 64 == 3 { bit } else { 0 };
        }
        Self([a, b, c, d])
    }

    /// Whether the sets have a byte in common.
    pub(super) fn meets(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).any(|(a, b)| a & b != 0)
    }

    fn with(mut self, byte: u8) -> Self {
        if let Some(word) = self.0.get_mut(usize::from(byte / 64)) {
            *word |= 1 << (byte % 64);
        }
        self
    }

    fn or(mut self, other: Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        self
    }

    /// A rough measure of how often text has one of these bytes: letters, digits and spaces count for much, punctuation
    /// for little.
    fn commonness(&self) -> u32 {
        (0..=u8::MAX)
            .filter(|&byte| self.meets(&Self::default().with(byte)))
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || byte == b' ' {
                    16
                } else {
                    1
                }
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(regex: &str, text: &str) -> bool {
        let hir = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .build()
            .parse(regex)
            .expect(regex);
        let present = ByteSet::of(text.as_bytes());
        needed(&hir).iter().all(|need| need.meets(&present))
    }

    #[test]
    fn a_value_without_a_needed_byte_is_no_candidate() {
        for (regex, text) in [
            (r#"['"]\s*or"#, "this or that"),
            ("(?i)a[;|]b", "ab AB"),
            ("(?:x;|y&)z", "xyz"),
            ("é", "e"),
        ] {
            assert!(!needs(regex, text), "{regex} {text}");
        }
        for (regex, text) in [
            (r#"['"]\s*or"#, "' or"),
            ("(?i)a[;|]b", "B|A"),
            ("(?:x;|y)z", "zy"),
            ("(?:;)*z", "z"),
            ("(?i)k", "\u{212a}"),
            ("[^a]", "é"),
            ("", ""),
        ] {
            assert!(needs(regex, text), "{regex} {text}");
        }
    }
}
