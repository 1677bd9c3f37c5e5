//! Many patterns over one value: one automaton over required literals first, then the regular expressions whose
//! literals were seen.
//!
//! The automaton (Aho–Corasick) reads the value once. Words enter it as they are; a regular expression enters it by the
//! literals that each of its matches must contain. A pattern none of whose literals occurs cannot match and costs
//! nothing more, and an expression that needs a byte (a quote, a semicolon) that the value has not is not run either. A
//! pattern that has no such literal (`[0-9]{16}`) is run on every value; whoever loads patterns of a user tells them so
//! ([`PatternSet::always_run`]).
//!
//! Everything is linear in the value. Nothing is allocated while nothing matches, but for the working memory that a
//! regular expression keeps for each thread from its first use on.

mod bytes;
mod candidates;
mod literals;
mod prefilter;

use std::fmt;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, StartKind};
use regex::bytes::Regex;

use self::bytes::ByteSet;
use self::candidates::Candidates;
use self::prefilter::Prefilter;
use crate::config;

/// Patterns compiled for searching all of them at once.
pub struct PatternSet {
    patterns: Vec<Compiled>,
    /// Finds literals; `None` where there are none.
    prefilter: Option<Prefilter>,
    /// The patterns that no literal stands for.
    always: Vec<u32>,
}

/// Collects patterns. Each is known by its index in the order of adding.
#[derive(Debug, Default)]
pub struct PatternSetBuilder {
    patterns: Vec<Compiled>,
    literals: Vec<Vec<u8>>,
    owners: Vec<u32>,
    always: Vec<u32>,
}

/// What is wrong with one regular expression of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexError {
    /// Its index among the pattern's regular expressions.
    pub index: usize,
    /// What is wrong.
    pub message: String,
}

/// One pattern: it matches where any of its words or regular expressions does.
#[derive(Debug)]
struct Compiled {
    words: Option<AhoCorasick>,
    regexes: Vec<Confirming>,
}

/// A regular expression, and the bytes that it cannot match without.
#[derive(Debug)]
struct Confirming {
    regex: Regex,
    needs: Vec<ByteSet>,
}

// === impl PatternSet ===

impl PatternSet {
    /// An empty collection of patterns.
    #[must_use]
    pub fn builder() -> PatternSetBuilder {
        PatternSetBuilder::default()
    }

    /// How many patterns there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there are no patterns.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// The patterns that no literal stands for, so that they are run on every value.
    pub fn always_run(&self) -> impl Iterator<Item = usize> {
        self.always.iter().map(|&pattern| pattern as usize)
    }

    /// Calls `found` with the index of each pattern that matches and where it first does, in the order of the patterns.
    ///
    /// The first match is the one that starts first; of those, a word's before a regular expression's, then the one
    /// that was listed first.
    pub fn find(&self, text: &[u8], found: impl FnMut(usize, Range<usize>)) {
        self.find_where(text, |_| true, found);
    }

    /// Like [`find`](Self::find), but only for patterns that are `wanted`; asked only of patterns that may match.
    pub fn find_where(
        &self,
        text: &[u8],
        mut wanted: impl FnMut(usize) -> bool,
        mut found: impl FnMut(usize, Range<usize>),
    ) {
        let mut present = None;
        self.candidates(text).for_each(|index| {
            if let Some(pattern) = self.patterns.get(index)
                && wanted(index)
                && let Some(range) =
                    pattern.first_match(text, present.get_or_insert_with(|| ByteSet::of(text)))
            {
                found(index, range);
            }
        });
    }

    /// The pattern with the lowest index that matches, and where.
    #[must_use]
    pub fn first(&self, text: &[u8]) -> Option<(usize, Range<usize>)> {
        let mut first = None;
        self.find(text, |index, range| {
            first.get_or_insert((index, range));
        });
        first
    }

    fn candidates(&self, text: &[u8]) -> Candidates {
        let mut candidates = Candidates::new(self.patterns.len());
        for &pattern in &self.always {
            candidates.insert(pattern as usize);
        }
        if let Some(prefilter) = &self.prefilter {
            prefilter.seen(text, |owner| candidates.insert(owner as usize));
        }
        candidates
    }
}

impl fmt::Debug for PatternSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternSet")
            .field("patterns", &self.patterns.len())
            .field("always", &self.always)
            .finish_non_exhaustive()
    }
}

// === impl Compiled ===

impl Compiled {
    fn first_match(&self, text: &[u8], present: &ByteSet) -> Option<Range<usize>> {
        let words = self.words.as_ref().and_then(|words| words.find(text));
        let regexes = self
            .regexes
            .iter()
            .filter(|confirming| confirming.needs.iter().all(|need| need.meets(present)))
            .filter_map(|confirming| confirming.regex.find(text));
        words
            .map(|found| found.range())
            .into_iter()
            .chain(regexes.map(|found| found.range()))
            .min_by_key(|range| range.start)
    }
}

// === impl PatternSetBuilder ===

impl PatternSetBuilder {
    /// Adds a pattern that matches where any of `words` occurs, ASCII letters in either case, or any of `regexes`
    /// matches, as written. Returns its index. Words must not be empty; an empty one is ignored.
    ///
    /// # Errors
    /// Every regular expression that is wrong or too large. The set is then unfit for building.
    pub fn add<'p>(
        &mut self,
        words: impl IntoIterator<Item = &'p str>,
        regexes: impl IntoIterator<Item = &'p str>,
    ) -> Result<usize, Vec<RegexError>> {
        let index = self.patterns.len();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        for word in &words {
            let mut literal = word.as_bytes().to_ascii_lowercase();
            literal.truncate(literals::MAX_LENGTH);
            self.literal(index, literal);
        }
        let mut compiled = Vec::new();
        let mut errors = Vec::new();
        for (at, text) in regexes.into_iter().enumerate() {
            match self.regex(index, text) {
                Ok(regex) => compiled.push(regex),
                Err(message) => errors.push(RegexError { index: at, message }),
            }
        }
        self.patterns.push(Compiled {
            words: automaton(&words).map_err(|message| vec![RegexError { index: 0, message }])?,
            regexes: compiled,
        });
        if errors.is_empty() {
            Ok(index)
        } else {
            Err(errors)
        }
    }

    /// Compiles the automaton.
    ///
    /// # Errors
    /// When the literals are too many for one automaton (some hundred millions of bytes).
    pub fn build(self) -> Result<PatternSet, String> {
        let prefilter = (!self.literals.is_empty())
            .then(|| Prefilter::new(&self.literals, self.owners))
            .transpose()?;
        Ok(PatternSet {
            patterns: self.patterns,
            prefilter,
            always: self.always,
        })
    }

    fn regex(&mut self, pattern: usize, text: &str) -> Result<Confirming, String> {
        let regex = text.parse::<config::Pattern>()?.regex().clone();
        // The same settings as those of `regex::bytes`, or the literals would belong to another expression.
        let hir = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .build()
            .parse(text)
            .map_err(|error| error.to_string())?;
        match literals::required(&hir) {
            Some(literals) => {
                for literal in literals {
                    self.literal(pattern, literal);
                }
            }
            None => self.always.push(number(pattern)),
        }
        let needs = bytes::needed(&hir);
        Ok(Confirming { regex, needs })
    }

    fn literal(&mut self, pattern: usize, literal: Vec<u8>) {
        self.literals.push(literal);
        self.owners.push(number(pattern));
    }
}

/// Pattern counts are far below `u32::MAX`: each pattern is at least a line of a file that fits in memory.
fn number(pattern: usize) -> u32 {
    u32::try_from(pattern).unwrap_or(u32::MAX)
}

/// Finds the first of a pattern's words.
fn automaton(words: &[&str]) -> Result<Option<AhoCorasick>, String> {
    if words.is_empty() {
        return Ok(None);
    }
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostFirst)
        .start_kind(StartKind::Unanchored)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(words)
        .map(Some)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Source = (Vec<String>, Vec<String>);

    fn build(sources: &[Source]) -> PatternSet {
        let mut builder = PatternSet::builder();
        for (words, regexes) in sources {
            builder
                .add(
                    words.iter().map(String::as_str),
                    regexes.iter().map(String::as_str),
                )
                .expect("valid patterns");
        }
        builder.build().expect("a small automaton")
    }

    fn found(set: &PatternSet, text: &[u8]) -> Vec<(usize, Range<usize>)> {
        let mut all = Vec::new();
        set.find(text, |index, range| all.push((index, range)));
        all
    }

    /// Every pattern by itself, without any prefilter.
    fn naive(sources: &[Source], text: &[u8]) -> Vec<(usize, Range<usize>)> {
        let mut all = Vec::new();
        for (index, (words, regexes)) in sources.iter().enumerate() {
            let words = words
                .iter()
                .map(|word| format!("(?i-u){}", regex::escape(word)));
            let first = words
                .chain(regexes.iter().cloned())
                .filter_map(|regex| Some(Regex::new(&regex).expect("valid").find(text)?.range()))
                .min_by_key(|range| range.start);
            all.extend(first.map(|range| (index, range)));
        }
        all
    }

    #[test]
    fn a_literal_inside_another_one_still_counts() {
        let of = |word: &str| (vec![word.to_owned()], Vec::new());
        let set = build(&[of("union select"), of("on s"), of("select"), of("elect x")]);
        assert_eq!(
            found(&set, b"1 UNION SELECT 2"),
            [(0, 2..14), (1, 5..9), (2, 8..14)]
        );
        assert_eq!(found(&set, b"nothing here"), []);
    }

    #[test]
    fn patterns_without_literal_are_run_always_and_named() {
        let set = build(&[
            (vec![], vec!["[0-9]{4}".into()]),
            (vec!["word".into()], vec![]),
        ]);
        assert_eq!(set.always_run().collect::<Vec<_>>(), [0]);
        assert_eq!(found(&set, b"in 2024"), [(0, 3..7)]);
    }

    #[test]
    fn more_than_256_patterns_are_all_found() {
        let sources: Vec<Source> = (0..700)
            .map(|n| (vec![format!("w{n:03}x")], vec![]))
            .collect();
        let set = build(&sources);
        assert_eq!(found(&set, b"w000x W255X w256x w699x").len(), 4);
        assert_eq!(found(&set, b"w700x"), []);
    }

    #[test]
    fn wrong_regexes_are_named_by_their_index() {
        let errors = PatternSet::builder()
            .add([], ["fine", "(", r"(?:\w{1000}){1000}"])
            .expect_err("two are wrong");
        let indexes: Vec<usize> = errors.iter().map(|error| error.index).collect();
        assert_eq!(indexes, [1, 2]);
    }

    fn regex() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[abksKé]{1,3}",
            Just("[ab]".to_owned()),
            Just("[a-z]".to_owned()),
            Just(".".to_owned()),
            Just(r"\s".to_owned()),
            Just("^".to_owned()),
            Just(r"\b".to_owned()),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                prop::collection::vec(inner.clone(), 1..4)
                    .prop_map(|parts| format!("(?:{})", parts.join("|"))),
                (inner.clone(), "[?+*]|\\{2\\}|\\{1,3\\}")
                    .prop_map(|(part, times)| format!("(?:{part}){times}")),
                inner.clone().prop_map(|part| format!("(?i:{part})")),
                inner.prop_map(|part| format!("({part})")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn the_set_finds_what_each_pattern_alone_finds(
            sources in prop::collection::vec(
                (prop::collection::vec("[abk]{1,3}", 0..3), prop::collection::vec(regex(), 0..3)),
                1..6,
            ),
            text in "[abksKSé ſ\u{212a}x]{0,20}",
        ) {
            let set = build(&sources);
            prop_assert_eq!(found(&set, text.as_bytes()), naive(&sources, text.as_bytes()));
        }
    }
}
