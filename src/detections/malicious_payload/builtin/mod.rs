//! The shipped rules: one file for each class of attack, each a table.
//!
//! Every rule is written from the grammar of the language that is injected (SQL, HTML and JavaScript, paths, shells) and
//! asks for what an attack cannot do without. Ordinary text is the harder half: each rule has look-alikes that it must
//! not find. Expressions are matched on bytes, without regard to ASCII case, `.` matching line ends too.

/// What separates two words of SQL: white space, parentheses, comments.
macro_rules! gap {
    () => {
        r"(?:[\s\x00(+\xa0]|/\*[^*]*\*/|/\*!\d*|\*/|--[^\n]*\n|#[^\n]*\n)"
    };
}

/// What separates two components of a path, in every spelling that some decoder accepts.
macro_rules! separator {
    () => {
        r"(?:[/\\]|0x2f|0x5c|%[0-9a-z]{2}|%u[0-9a-f]{4}|[\x80-\xff])"
    };
}

/// Programs that attackers start and whose names are no English words.
macro_rules! command {
    () => {
        r"(?:cat|tac|ls|id|pwd|whoami|uname|ifconfig|ipconfig|netstat|wget|curl|ncat|nc|nslookup|ping|dig|bash|sh|zsh|ksh|dash|perl|python[23]?|ruby|php|telnet|tftp|chmod|chown|ps|printenv|env|phpinfo|systeminfo|powershell|cmd|certutil|bitsadmin|rm|mv|cp|awk|sed|grep|xxd|base64|mkfifo|crontab|sudo|echo|sleep|type|dir)"
    };
}

mod command_injection;
mod cross_site_scripting;
mod path_traversal;
mod sql_injection;

use std::borrow::Cow;

use super::Rule;
use super::config::EVERYWHERE;
use crate::config::ConfigError;
use crate::engine::patterns::PatternSetBuilder;
use crate::engine::{RuleId, Score};
use crate::request::PlaceKind;

/// A class of attack.
struct Class {
    /// The first half of the rules' names.
    name: &'static str,
    /// Its number in the Common Weakness Enumeration.
    cwe: u16,
    rules: &'static [BuiltinRule],
}

/// A shipped rule.
struct BuiltinRule {
    /// The second half of its name.
    name: &'static str,
    /// What it recognises.
    regex: &'static str,
    places: &'static [PlaceKind],
    score: Score,
    /// What it found, in a sentence.
    message: &'static str,
}

/// Every place.
const ALL: &[PlaceKind] = &EVERYWHERE;

/// Everything but the body: where text of any length, written by people, is not expected.
const HEAD: &[PlaceKind] = &[
    PlaceKind::Path,
    PlaceKind::Query,
    PlaceKind::Headers,
    PlaceKind::Cookies,
];

/// The body.
const BODY: &[PlaceKind] = &[PlaceKind::Body];

/// A rule that refuses by itself, at the default threshold.
const fn rule(
    name: &'static str,
    places: &'static [PlaceKind],
    regex: &'static str,
    message: &'static str,
) -> BuiltinRule {
    BuiltinRule {
        name,
        regex,
        places,
        score: Score(5),
        message,
    }
}

/// A rule that refuses only together with another.
const fn hint(
    name: &'static str,
    places: &'static [PlaceKind],
    regex: &'static str,
    message: &'static str,
) -> BuiltinRule {
    BuiltinRule {
        name,
        regex,
        places,
        score: Score(3),
        message,
    }
}

const CLASSES: [Class; 4] = [
    sql_injection::CLASS,
    cross_site_scripting::CLASS,
    path_traversal::CLASS,
    command_injection::CLASS,
];

/// The names of all shipped rules.
pub(super) fn ids() -> impl Iterator<Item = String> {
    CLASSES.iter().flat_map(|class| {
        let rules = class.rules.iter();
        rules.map(|rule| format!("{}.{}", class.name, rule.name))
    })
}

/// Adds all shipped rules to a set, and returns them in the order of adding.
pub(super) fn add_to(builder: &mut PatternSetBuilder, errors: &mut Vec<ConfigError>) -> Vec<Rule> {
    let mut rules = Vec::new();
    for class in CLASSES {
        for rule in class.rules {
            if let Err(wrong) = builder.add([], [expression(rule).as_str()]) {
                errors.extend(wrong.into_iter().map(|error| {
                    ConfigError::new(format!("{}.{}: {}", class.name, rule.name, error.message))
                }));
            }
            rules.push(Rule {
                id: RuleId::new(&format!("{}.{}", class.name, rule.name)),
                message: Cow::Owned(format!(
                    "{} (CWE-{}).",
                    rule.message.trim_end_matches('.'),
                    class.cwe
                )),
                score: rule.score,
                places: rule.places.to_vec(),
            });
        }
    }
    rules
}

fn expression(rule: &BuiltinRule) -> String {
    format!("(?is-u){}", rule.regex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a rule must find, and what looks like it and is none.
    pub(super) type Case = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    );

    /// Holds each rule of a class to its cases, of which every rule has at least two on each side.
    pub(super) fn hold(class: &Class, cases: &[Case]) {
        assert_eq!(cases.len(), class.rules.len(), "{}", class.name);
        let mut wrong = Vec::new();
        for (rule, (name, fires, spares)) in class.rules.iter().zip(cases) {
            assert_eq!(rule.name, *name, "cases are in the order of the rules");
            assert!(fires.len() >= 2 && spares.len() >= 2, "{name}");
            let regex = regex::bytes::Regex::new(&expression(rule)).expect(name);
            let missed = fires.iter().filter(|text| !regex.is_match(text.as_bytes()));
            wrong.extend(missed.map(|text| format!("{name} must find {text:?}")));
            let found = spares.iter().filter(|text| regex.is_match(text.as_bytes()));
            wrong.extend(found.map(|text| format!("{name} must not find {text:?}")));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_rule_has_a_literal_a_sentence_and_a_name_of_its_own() {
        let mut builder = crate::engine::patterns::PatternSet::builder();
        let mut errors = Vec::new();
        let rules = add_to(&mut builder, &mut errors);
        assert_eq!(errors, []);
        let names: std::collections::BTreeSet<String> = ids().collect();
        assert_eq!(names.len(), rules.len());
        for rule in &rules {
            assert!(
                rule.message.contains(" (CWE-") && rule.message.ends_with(")."),
                "{}",
                rule.id
            );
        }
        let set = builder.build().expect("builds");
        let always: Vec<&str> = set
            .always_run()
            .filter_map(|index| Some(rules.get(index)?.id.as_str()))
            .collect();
        assert_eq!(always, [""; 0]);
    }
}
