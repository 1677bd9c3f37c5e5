//! Many patterns over one value: one look for what each of them cannot match without, then only the patterns for which
//! it was seen.
//!
//! Words, and what can be told of a regular expression without running it (`triggers.rs`), enter one prefilter that reads
//! the value once. A word or expression none of whose triggers goes off cannot match and costs nothing more. One that has
//! neither fixed text nor rare bytes (`[0-9]{16}`) is run on every other value; whoever loads patterns of a user tells
//! them so ([`PatternSet::always_run`]).
//!
//! Everything is linear in the value. Nothing is allocated while nothing matches, but for the working memory that a
//! regular expression keeps for each thread from its first use on.

mod batches;
mod builder;
mod candidates;
mod grams;
mod harmless;
mod prefilter;
mod rarity;
mod triggers;

use std::fmt;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use regex_automata::meta::Regex;
use regex_syntax::hir::Hir;

use self::batches::Batches;
use self::candidates::Candidates;
use self::harmless::Harmless;
use self::prefilter::Prefilter;
use self::triggers::Trigger;
use crate::request::{Marks, Work};

/// Patterns compiled for searching all of them at once.
pub struct PatternSet {
    patterns: usize,
    /// What is run; those of one pattern lie together, words first.
    searches: Vec<Search>,
    prefilter: Prefilter,
    /// Asked before the searches of a long text.
    batches: Batches,
    /// The searches that nothing triggers, because nothing is known that they need.
    always: Vec<u32>,
    /// The patterns that are run on every other value.
    usual: Vec<usize>,
    harmless: Harmless,
}

/// Collects patterns. Each is known by its index in the order of adding.
#[derive(Debug, Default)]
pub struct PatternSetBuilder {
    patterns: usize,
    searches: Vec<Search>,
    /// The expression of each of them that has one.
    expressions: Vec<Option<Hir>>,
    triggers: Vec<(Trigger, u32)>,
    usual: Vec<usize>,
}

/// Tells of the parts of one text in which of them no pattern can match; made by [`PatternSet::screen`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    wanted: Marks,
}

/// What is wrong with one regular expression of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexError {
    /// Its index among the pattern's regular expressions.
    pub index: usize,
    /// What is wrong.
    pub message: String,
}

/// A part of a pattern, which matches where any of its parts does.
#[derive(Debug)]
struct Search {
    pattern: usize,
    by: By,
}

#[derive(Debug)]
enum By {
    /// All words of the pattern.
    Words(AhoCorasick),
    Regex(Regex),
    /// Nothing: what triggers it is for others to look at.
    Gate,
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
        self.patterns
    }

    /// Whether there are no patterns.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.patterns == 0
    }

    /// The patterns that neither a literal nor a rare byte stands for, so that they are run on every other value.
    pub fn always_run(&self) -> impl Iterator<Item = usize> {
        self.usual.iter().copied()
    }

    /// Calls `found` with the index of each pattern that matches and where it first does, in the order of the patterns.
    ///
    /// The first match is the one that starts first; of those, a word's before a regular expression's, then the one
    /// that was listed first.
    pub fn find(&self, text: &[u8], found: impl FnMut(usize, Range<usize>)) {
        self.find_where(text, Marks::of(text), &Work::endless(), |_| true, found);
    }

    /// Like [`find`](Self::find), for a text whose `marks` are known, and only for patterns that are `wanted`; asked only
    /// of patterns that may match. Once there is no `work` left, nothing more is looked for.
    pub fn find_where(
        &self,
        text: &[u8],
        marks: Marks,
        work: &Work,
        mut wanted: impl FnMut(usize) -> bool,
        mut found: impl FnMut(usize, Range<usize>),
    ) {
        let mut first: Option<(usize, Range<usize>)> = None;
        if work.is_exhausted() {
            return;
        }
        let (candidates, units) = self.candidates(text, marks);
        work.take(units);
        let closed = self.closed(text, &candidates, work, &mut wanted);
        candidates.for_each(|index| {
            if self
                .batches
                .of(index)
                .is_some_and(|batch| closed.has(batch))
            {
                return;
            }
            let Some(search) = self.searches.get(index) else {
                return;
            };
            if let Some((pattern, range)) = first.take_if(|first| first.0 != search.pattern) {
                found(pattern, range);
            }
            if wanted(search.pattern)
                && work.take(search.by.work(text.len()))
                && let Some(range) = search.by.find(text)
                && first
                    .as_ref()
                    .is_none_or(|first| range.start < first.1.start)
            {
                first = Some((search.pattern, range));
            }
        });
        if let Some((pattern, range)) = first {
            found(pattern, range);
        }
    }

    /// What any part of `text` needs for a pattern to match in it: one look at a text in place of one at each of many small
    /// parts. The `marks` are those of the parts together, which may be fewer than the text's. Nothing where some pattern is
    /// run on every value.
    #[must_use]
    pub fn screen(&self, text: &[u8], marks: Marks, work: &Work) -> Option<Screen> {
        if !self.always.is_empty() || work.is_exhausted() {
            return None;
        }
        let mut wanted = Marks::default();
        work.take(self.prefilter.find(text, marks, &mut wanted));
        Some(Screen { wanted })
    }

    /// Like [`find_where`](Self::find_where), for a text that is likely to come again, as most headers do: if nothing was
    /// found in it, the thread remembers that, and does not search it again while it does. `found` tells whether it counts;
    /// it must say the same of the same text in the same `place`, a number for whatever else it depends on, and the same
    /// patterns must be `wanted` there.
    pub fn find_again(
        &self,
        (place, text): (u32, &[u8]),
        marks: Marks,
        wanted: impl FnMut(usize) -> bool,
        mut found: impl FnMut(usize, Range<usize>) -> bool,
    ) {
        if self.harmless.knows(place, text) {
            return;
        }
        let mut nothing = true;
        // As much for the first as for the second.
        let work = Work::endless();
        self.find_where(text, marks, &work, wanted, |index, range| {
            nothing &= !found(index, range);
        });
        if nothing {
            self.harmless.learn(place, text);
        }
    }

    /// The pattern with the lowest index that matches a text that is likely to come again, and where.
    #[must_use]
    pub fn first_again(&self, text: &[u8]) -> Option<(usize, Range<usize>)> {
        if self.harmless.knows(0, text) {
            return None;
        }
        let first = self.first(text);
        if first.is_none() {
            self.harmless.learn(0, text);
        }
        first
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

    /// The batches of which nothing matches. Those are asked that may save more than one search of a long text.
    fn closed(
        &self,
        text: &[u8],
        candidates: &Candidates,
        work: &Work,
        wanted: &mut impl FnMut(usize) -> bool,
    ) -> Candidates {
        let mut closed = Candidates::new(self.searches.len());
        if text.len() < batches::LONG {
            return closed;
        }
        candidates.for_each(|index| {
            let Some(batch) = self.batches.of(index) else {
                return;
            };
            let members = self.batches.members(batch);
            let mut runs = members.iter().filter(|&&member| {
                let search = self.searches.get(member);
                candidates.has(member) && search.is_some_and(|search| wanted(search.pattern))
            });
            // Asked with the first of them.
            if runs.next() == Some(&index)
                && runs.next().is_some()
                && work.take(text.len())
                && !self.batches.is_open(batch, text)
            {
                closed.insert(batch);
            }
        });
        closed
    }

    /// What may match, and how much work it was to find that out.
    fn candidates(&self, text: &[u8], marks: Marks) -> (Candidates, usize) {
        let mut candidates = Candidates::new(self.searches.len());
        for &search in &self.always {
            candidates.insert(search as usize);
        }
        let work = self.prefilter.find(text, marks, &mut candidates);
        (candidates, work)
    }
}

impl fmt::Debug for PatternSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternSet")
            .field("patterns", &self.patterns)
            .field("always", &self.always)
            .finish_non_exhaustive()
    }
}

// === impl Screen ===

impl Screen {
    /// Whether a pattern may match in a part of the text that has these marks.
    #[must_use]
    pub const fn lets_pass(self, marks: Marks) -> bool {
        self.wanted.meets(marks)
    }
}

// === impl By ===

impl By {
    /// How much work it is to search so many bytes.
    const fn work(&self, bytes: usize) -> usize {
        match self {
            Self::Words(_) => 4 * bytes,
            Self::Regex(_) => bytes,
            // An analyzer is twice as fast, on all but texts made for it, and has to begin.
            Self::Gate => 300 + bytes / 2,
        }
    }

    fn find(&self, text: &[u8]) -> Option<Range<usize>> {
        match self {
            Self::Words(words) => words.find(text).map(|found| found.range()),
            Self::Regex(regex) => regex.find(text).map(|found| found.range()),
            Self::Gate => Some(0..text.len()),
        }
    }
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

    fn found_again(set: &PatternSet, text: &[u8]) -> Vec<(usize, Range<usize>)> {
        let mut all = Vec::new();
        let found = |index, range| {
            all.push((index, range));
            true
        };
        set.find_again((0, text), Marks::of(text), |_| true, found);
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
                .filter_map(|regex| {
                    Some(
                        regex::bytes::Regex::new(&regex)
                            .expect("valid")
                            .find(text)?
                            .range(),
                    )
                })
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
    fn patterns_usual_are_run_always_and_named() {
        let set = build(&[
            (vec![], vec!["[0-9]{4}".into()]),
            (vec!["word".into()], vec![]),
        ]);
        assert_eq!(set.always_run().collect::<Vec<_>>(), [0]);
        assert_eq!(found(&set, b"in 2024"), [(0, 3..7)]);
    }

    #[test]
    fn a_screen_holds_back_what_has_nothing_of_what_was_seen() {
        let set = build(&[
            (vec!["it's".into()], vec![]),
            (vec!["union select".into()], vec![]),
        ]);
        let screen = |text: &[u8]| {
            set.screen(text, Marks::of(text), &Work::endless())
                .expect("no pattern is run always")
        };
        assert!(!screen(b"id, title, union").lets_pass(Marks::of(b"union")));
        assert!(screen(b"it's, title").lets_pass(Marks::of(b"it's")));
        assert!(!screen(b"it's, title").lets_pass(Marks::of(b"title")));
        let always = build(&[(vec![], vec!["[0-9a-z]{4}".into()])]);
        assert_eq!(
            always.screen(b"abcd", Marks::of(b"abcd"), &Work::endless()),
            None
        );
    }

    #[test]
    fn a_gate_matches_as_a_whole_what_its_expressions_match() {
        let mut builder = PatternSet::builder();
        let gate = builder.add_gate(["(?i)union.*select", "'\\s*or"]);
        assert_eq!(gate, Ok(0));
        let set = builder.build().expect("a small automaton");
        for text in ["1 UNION all SELECT 2", "x' or 1", "'or"] {
            assert_eq!(found(&set, text.as_bytes()), [(0, 0..text.len())]);
        }
        assert_eq!(found(&set, b"which one"), []);
        let errors = PatternSet::builder()
            .add_gate(["a", "("])
            .expect_err("one is wrong");
        assert_eq!(errors.first().map(|error| error.index), Some(1));
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
    fn a_list_too_long_for_the_table_of_triples_is_found_as_well() {
        let words: Vec<String> = (0..9_000).map(|n| format!("{n:04}-word")).collect();
        let set = build(&[(words, vec![]), (vec!["8999-wo".into()], vec![])]);
        assert_eq!(found(&set, b"an 8999-WORD"), [(0, 3..12), (1, 3..10)]);
        assert_eq!(found(&set, b"a 9000-word"), []);
    }

    #[test]
    fn a_batch_hides_no_expression_of_its_own() {
        let words = ["one", "two", "three", "four", "five", "six", "seven"];
        let sources: Vec<Source> = words
            .iter()
            .map(|word| (vec![], vec![format!(r"\b{word}\s+times\b")]))
            .collect();
        let set = build(&sources);
        let filler = "one two three four five six seven time ".repeat(100);
        assert_eq!(found(&set, filler.as_bytes()), []);
        for (index, word) in words.iter().enumerate() {
            let text = format!("{filler}{word} times");
            let range = filler.len()..text.len();
            assert_eq!(found(&set, text.as_bytes()), [(index, range)]);
        }
        let work = Work::for_head();
        work.take(usize::MAX);
        let text = format!("{filler}one times");
        let marks = Marks::of(text.as_bytes());
        set.find_where(
            text.as_bytes(),
            marks,
            &work,
            |_| true,
            |_, _| panic!("no work is left"),
        );
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
            // Long texts are asked for several expressions at once.
            before in proptest::sample::select(vec![0, batches::LONG, prefilter::LONG]),
        ) {
            let text = format!("{}{text}", "x".repeat(before));
            let set = build(&sources);
            let expected = naive(&sources, text.as_bytes());
            prop_assert_eq!(&found(&set, text.as_bytes()), &expected);
            for _ in 0..2 {
                prop_assert_eq!(&found_again(&set, text.as_bytes()), &expected);
                prop_assert_eq!(set.first_again(text.as_bytes()), expected.first().cloned());
            }
        }

        #[test]
        fn a_screen_lets_every_part_pass_in_which_something_matches(
            sources in prop::collection::vec(
                (prop::collection::vec("[abk]{1,3}", 0..3), prop::collection::vec(regex(), 0..3)),
                1..4,
            ),
            parts in prop::collection::vec("[abksKSé ſ\u{212a}xyz]{0,8}", 1..8),
        ) {
            let set = build(&sources);
            let text = parts.join("\"");
            let marks = parts.iter().map(|part| Marks::of(part.as_bytes())).fold(Marks::default(), Marks::or);
            if let Some(screen) = set.screen(text.as_bytes(), marks, &Work::endless()) {
                for part in &parts {
                    let passes = screen.lets_pass(Marks::of(part.as_bytes()));
                    prop_assert!(passes || found(&set, part.as_bytes()).is_empty(), "{part}");
                }
            }
        }
    }
}
