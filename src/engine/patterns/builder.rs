//! How a set of patterns is put together.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind, StartKind};
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use regex_syntax::hir::Hir;

use super::batches::Batches;
use super::harmless::Harmless;
use super::prefilter::Prefilter;
use super::triggers::{self, Trigger};
use super::{By, PatternSet, PatternSetBuilder, RegexError, Search};
use crate::config;

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
        let index = self.patterns;
        self.patterns += 1;
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        if let Some(found) =
            automaton(&words).map_err(|message| vec![RegexError { index: 0, message }])?
        {
            let triggers = words.iter().map(|word| triggers::of_word(word)).collect();
            self.search(index, By::Words(found), None, triggers);
        }
        let mut errors = Vec::new();
        for (at, text) in regexes.into_iter().enumerate() {
            match regex(text) {
                Ok((regex, hir)) => {
                    let triggers = triggers::of(&hir);
                    self.search(index, By::Regex(regex), Some(hir), triggers);
                }
                Err(message) => errors.push(RegexError { index: at, message }),
            }
        }
        if errors.is_empty() {
            Ok(index)
        } else {
            Err(errors)
        }
    }

    /// Adds a pattern that is nothing but a gate: it matches, as a whole, at least every text that any of `regexes` matches,
    /// and few others; they are on bytes. None of them is ever run. Returns its index.
    ///
    /// # Errors
    /// Every regular expression that is wrong or too large. The set is then unfit for building.
    pub fn add_gate<'p>(
        &mut self,
        regexes: impl IntoIterator<Item = &'p str>,
    ) -> Result<usize, Vec<RegexError>> {
        let index = self.patterns;
        self.patterns += 1;
        let mut errors = Vec::new();
        let mut all = Vec::new();
        for (at, text) in regexes.into_iter().enumerate() {
            match syntax_of_bytes(text) {
                Ok(hir) => all.extend(triggers::of(&hir)),
                Err(message) => errors.push(RegexError { index: at, message }),
            }
        }
        self.search(index, By::Gate, None, all);
        if errors.is_empty() {
            Ok(index)
        } else {
            Err(errors)
        }
    }

    /// Compiles the prefilter.
    ///
    /// # Errors
    /// When the literals are too many for one automaton (some hundred millions of bytes).
    pub fn build(self) -> Result<PatternSet, String> {
        let (always, triggers): (Vec<_>, Vec<_>) = self
            .triggers
            .into_iter()
            .partition(|(trigger, _)| trigger.is_always());
        Ok(PatternSet {
            patterns: self.patterns,
            searches: self.searches,
            prefilter: Prefilter::new(&triggers)?,
            batches: Batches::new(&self.expressions),
            always: always.into_iter().map(|(_, search)| search).collect(),
            usual: self.usual,
            harmless: Harmless::new(),
        })
    }

    fn search(&mut self, pattern: usize, by: By, expression: Option<Hir>, triggers: Vec<Trigger>) {
        let search = number(self.searches.len());
        self.searches.push(Search { pattern, by });
        self.expressions.push(expression);
        if triggers.iter().any(Trigger::is_usual) && self.usual.last() != Some(&pattern) {
            self.usual.push(pattern);
        }
        self.triggers
            .extend(triggers.into_iter().map(|trigger| (trigger, search)));
    }
}

fn regex(text: &str) -> Result<(Regex, Hir), String> {
    text.parse::<config::Pattern>()?;
    let regex = Regex::builder()
        .configure(Regex::config().auto_prefilter(false).utf8_empty(false))
        .syntax(syntax::Config::new().utf8(false))
        .build(text)
        .map_err(|error| error.to_string())?;
    Ok((regex, syntax_of(text)?))
}

/// The syntax tree of an expression, read with the settings of `regex::bytes`, or the triggers would belong to another one.
fn syntax_of(text: &str) -> Result<Hir, String> {
    regex_syntax::ParserBuilder::new()
        .utf8(false)
        .build()
        .parse(text)
        .map_err(|error| error.to_string())
}

/// The syntax tree of an expression on bytes: `\xe5` is that byte, and no character.
fn syntax_of_bytes(text: &str) -> Result<Hir, String> {
    regex_syntax::ParserBuilder::new()
        .utf8(false)
        .unicode(false)
        .build()
        .parse(text)
        .map_err(|error| error.to_string())
}

/// Searches are far fewer than `u32::MAX`: each is at least a line of a file that fits in memory.
fn number(search: usize) -> u32 {
    u32::try_from(search).unwrap_or(u32::MAX)
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
