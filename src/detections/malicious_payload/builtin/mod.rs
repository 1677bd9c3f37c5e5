//! The shipped rules that are expressions: of commands, those that no analyzer judges by its grammar yet.
//!
//! Every rule is written from the grammar of shells and asks for what an attack cannot do without. Ordinary text is the harder half: each rule has look-alikes that it must
//! not find. Expressions are matched on bytes, without regard to ASCII case, `.` matching line ends too.

/// Programs that attackers start and whose names are no English words.
macro_rules! command {
    () => {
        r"(?:cat|tac|ls|id|pwd|whoami|uname|ifconfig|ipconfig|netstat|wget|curl|ncat|nc|nslookup|ping|dig|bash|sh|zsh|ksh|dash|perl|python[23]?|ruby|php|telnet|tftp|chmod|chown|ps|printenv|env|phpinfo|systeminfo|powershell|cmd|certutil|bitsadmin|rm|mv|cp|awk|sed|grep|xxd|base64|mkfifo|crontab|sudo|echo|sleep|type|dir)"
    };
}

mod command_injection;

use std::borrow::Cow;

use super::config::EVERYWHERE;
use super::rules::Rule;
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

const CLASSES: [Class; 1] = [command_injection::CLASS];

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
                is_shipped: true,
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
    use regex_automata::Input;
    use regex_automata::hybrid::dfa::DFA;
    use regex_automata::util::syntax;
    use regex_syntax::hir::{self, Hir, HirKind};

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
            assert!(rule.message.contains(" (CWE-"), "{}", rule.id);
            assert!(rule.message.ends_with(")."), "{}", rule.id);
        }
        let set = builder.build().expect("builds");
        let always: Vec<&str> = set
            .always_run()
            .filter_map(|index| Some(rules.get(index)?.id.as_str()))
            .collect();
        assert_eq!(always, [""; 0]);
    }

    /// Pieces of what an expression is made of: its texts, and of each of its classes the ends.
    fn pieces(hir: &Hir, all: &mut Vec<Vec<u8>>) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => all.push(literal.0.to_vec()),
            HirKind::Class(class) => {
                let class = match class {
                    hir::Class::Bytes(class) => Some(class.clone()),
                    hir::Class::Unicode(class) => class.to_byte_class(),
                };
                let class = class.expect("the rules are matched on bytes");
                let ends = |range: &hir::ClassBytesRange| [vec![range.start()], vec![range.end()]];
                all.extend(class.ranges().iter().flat_map(ends));
            }
            HirKind::Repetition(repetition) => pieces(&repetition.sub, all),
            HirKind::Capture(capture) => pieces(&capture.sub, all),
            HirKind::Concat(parts) | HirKind::Alternation(parts) => {
                parts.iter().for_each(|part| pieces(part, all));
            }
        }
    }

    /// How often an automaton has to be begun anew, for lack of room, on a text of the expression's own pieces without
    /// order.
    fn begun_anew(expression: &str) -> usize {
        let hir = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .build()
            .parse(expression)
            .expect(expression);
        let mut all = Vec::new();
        pieces(&hir, &mut all);
        all.sort();
        all.dedup();
        let dfa = DFA::builder()
            .syntax(syntax::Config::new().utf8(false))
            .build(expression)
            .expect(expression);
        let mut cache = dfa.create_cache();
        let (mut state, mut random) = (None, 0x2545_f491_4f6c_dd1d_u64);
        let mut length = 0;
        while length < 1 << 18 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let piece = &all[(random >> 33) as usize % all.len()];
            length += piece.len();
            for &byte in piece {
                let from = state.unwrap_or_else(|| {
                    dfa.start_state_forward(&mut cache, &Input::new(""))
                        .expect("starts")
                });
                let next = dfa.next_state(&mut cache, from, byte).expect("goes on");
                state = (!next.is_dead() && !next.is_match()).then_some(next);
            }
        }
        cache.clear_count()
    }

    /// An expression that counts, from many places at once, what may come between two of its parts has a state for each
    /// set of counts. A text that brings them all about costs hundreds of times what another costs.
    #[test]
    fn no_text_makes_the_automaton_of_a_rule_grow_without_end() {
        let counts_from_everywhere = begun_anew(r"(?is-u)[=;]\S{0,64}etc/");
        assert!(counts_from_everywhere > 3, "{counts_from_everywhere}");
        for class in CLASSES {
            for rule in class.rules {
                let times = begun_anew(&expression(rule));
                assert!(times == 0, "{}.{}: {times} times", class.name, rule.name);
            }
        }
    }
}
