//! The user's patterns and the shipped rules, compiled into one automaton.

use std::borrow::Cow;

use super::builtin;
use super::config::MaliciousPayloadConfig;
use crate::config::ConfigError;
use crate::engine::patterns::PatternSet;
use crate::engine::{RuleId, Score};
use crate::request::PlaceKind;

/// All rules in one automaton; the n-th pattern of the set belongs to the n-th rule.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) set: PatternSet,
    pub(super) rules: Vec<Rule>,
    pub(super) look_at_body: bool,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) message: Cow<'static, str>,
    pub(super) score: Score,
    pub(super) places: Vec<PlaceKind>,
}

impl Rules {
    /// Puts the user's patterns and the shipped rules into one set.
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
            });
        }
        if config.builtin {
            rules.extend(builtin::add_to(&mut builder, &mut errors));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let set = builder
            .build()
            .map_err(|message| vec![ConfigError::new(message).under("patterns")])?;
        Ok(Self {
            set,
            look_at_body: rules
                .iter()
                .any(|rule| rule.places.contains(&PlaceKind::Body)),
            rules,
        })
    }
}
