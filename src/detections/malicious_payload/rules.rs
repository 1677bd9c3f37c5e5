//! The user's patterns, the shipped expressions and the gates of the analyzers, compiled into one automaton.

use std::borrow::Cow;

use super::analyzers::{self, Analyzer};
use super::config::{EVERYWHERE, MaliciousPayloadConfig};
use crate::config::ConfigError;
use crate::engine::patterns::{PatternSet, PatternSetBuilder};
use crate::engine::{RuleId, Score};
use crate::request::PlaceKind;

/// All rules, and the set that tells which of them to look for in a value.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) set: PatternSet,
    /// What the n-th pattern of the set stands for.
    pub(super) patterns: Vec<Pattern>,
    pub(super) rules: Vec<Rule>,
    pub(super) look_at_body: bool,
}

/// What a pattern of the set stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pattern {
    /// The rule of this number: where the pattern matches, it has found something.
    Rule(usize),
    /// An analyzer that is to look at the value.
    Analyzer {
        analyzer: &'static Analyzer,
        /// The number of the first of its rules.
        first: usize,
    },
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) message: Cow<'static, str>,
    pub(super) score: Score,
    pub(super) places: Vec<PlaceKind>,
    /// Whether it comes with the program.
    pub(super) is_shipped: bool,
}

impl Rules {
    /// Puts the user's patterns and what is shipped into one set.
    pub(super) fn compile(config: &MaliciousPayloadConfig) -> Result<Self, Vec<ConfigError>> {
        let mut builder = PatternSet::builder();
        let mut rules = Vec::new();
        let mut errors = Vec::new();
        for (index, pattern) in config.patterns.iter().enumerate() {
            let words = pattern.words.iter().map(String::as_str);
            let regexes = pattern.regexes.iter().map(String::as_str);
            if let Err(wrong) = builder.add(words, regexes) {
                errors.extend(wrong.into_iter().map(|error| {
                    ConfigError::new(error.message)
                        .item(error.index)
                        .under("regexes")
                        .item(index)
                        .under("patterns")
                }));
            }
            let message = pattern.message.clone().map_or(
                Cow::Borrowed("A value matches a pattern of the configuration."),
                Cow::Owned,
            );
            rules.push(Rule {
                id: RuleId::new(&pattern.id),
                message,
                score: pattern.score,
                places: pattern.places.clone(),
                is_shipped: false,
            });
        }
        let mut patterns: Vec<Pattern> = (0..rules.len()).map(Pattern::Rule).collect();
        if config.builtin {
            analyzers::prepare();
            for analyzer in analyzers::ALL {
                patterns.push(add(analyzer, &mut builder, &mut rules, &mut errors));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let set = builder
            .build()
            .map_err(|message| vec![ConfigError::new(message).under("patterns")])?;
        Ok(Self {
            set,
            patterns,
            look_at_body: rules
                .iter()
                .any(|rule| rule.places.contains(&PlaceKind::Body)),
            rules,
        })
    }
}

impl Rules {
    /// Whether a pattern is one of these rules.
    pub(super) fn is_one_of(&self, pattern: usize, rules: &[RuleId]) -> bool {
        let Some(Pattern::Rule(rule)) = self.patterns.get(pattern) else {
            return false;
        };
        let rule = self.rules.get(*rule);
        rule.is_some_and(|rule| rules.contains(&rule.id))
    }
}

/// Adds the gates and the rules of an analyzer.
fn add(
    analyzer: &'static Analyzer,
    builder: &mut PatternSetBuilder,
    rules: &mut Vec<Rule>,
    errors: &mut Vec<ConfigError>,
) -> Pattern {
    let gates: Vec<String> = analyzer
        .gates
        .iter()
        .map(|gate| format!("(?is-u){gate}"))
        .collect();
    if let Err(wrong) = builder.add_gate(gates.iter().map(String::as_str)) {
        errors.extend(wrong.into_iter().map(|error| {
            ConfigError::new(format!(
                "gate {} of {}: {}",
                error.index, analyzer.class, error.message
            ))
        }));
    }
    let first = rules.len();
    rules.extend(analyzer.rules.iter().map(|rule| Rule {
        id: RuleId::new(&analyzer.id(rule)),
        message: rule.told(analyzer.cwe).into(),
        score: rule.score(),
        places: EVERYWHERE.to_vec(),
        is_shipped: true,
    }));
    Pattern::Analyzer { analyzer, first }
}
