//! What a regular expression cannot match without: a few *triggers*, at least one of which goes off in every text that it
//! matches.
//!
//! A trigger is a literal that lies in the match, and kinds of bytes of which the match has one each. They are found by
//! walking the expression's syntax tree. A sequence requires what any one of its parts requires, or what the rest of it
//! from some part on can begin with; of all these the choice falls on what is rarest in harmless text. Alternatives
//! require what each of them requires by itself, so `'\s*or|union\s+select` has a trigger with a quote and one without.
//!
//! Everything is searched without regard to ASCII case, so `(?i)select` and `select` both require `select`.

use regex_syntax::hir::literal::{ExtractKind, Extractor};
use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, ClassUnicode, ClassUnicodeRange};
use regex_syntax::hir::{Hir, HirKind, Repetition};

use super::{grams, rarity};
use crate::request::Marks;

/// What goes off in every text that holds a match of one way to match.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trigger {
    /// A text in ASCII lower case that each match contains; empty where there is none.
    pub(super) literal: Vec<u8>,
    /// Kinds of bytes of which each match has at least one each, the rarest first.
    pub(super) needs: Vec<Marks>,
}

/// The longest literal of an expression that is searched for. A longer one is cut: what begins it is required just as
/// well, and rare enough.
const MAX_LENGTH: usize = 8;

/// To how many bytes it is tried to cut literals, if that makes fewer of many.
const CUTS: [usize; 3] = [6, 5, 4];

/// The longest beginning of a word that is searched for.
const MAX_WORD: usize = 24;

/// The most needs that are asked of one trigger.
const MAX_NEEDS: usize = 6;

/// The most literals in place of which one expression is searched for.
const MAX_LITERALS: usize = 480;

/// The widest class that is written out member by member.
const MAX_CLASS: usize = 12;

/// The most repetitions that are written out.
const MAX_TIMES: u32 = 3;

/// The most parts of a sequence at which the search for what is required begins.
const MAX_STARTS: usize = 64;

/// The triggers of an expression. One of them is without literal and needs where nothing is required, as in `.*`.
pub(super) fn of(hir: &Hir) -> Vec<Trigger> {
    let mut triggers = walk(&folded(hir));
    triggers.sort_by(|a, b| a.literal.cmp(&b.literal));
    triggers.dedup();
    triggers
}

/// The trigger of a word.
pub(super) fn of_word(word: &str) -> Trigger {
    let mut literal = word.as_bytes().to_ascii_lowercase();
    literal.truncate(MAX_WORD);
    let mut trigger = Trigger::on(literal);
    trigger.tidy();
    trigger
}

/// The recursion is bounded by the parser, which refuses expressions nested deeper than 250 levels.
fn walk(hir: &Hir) -> Vec<Trigger> {
    let mut ways = vec![vec![Trigger::on(Vec::new())], beginnings(hir)];
    match hir.kind() {
        HirKind::Capture(capture) => ways.push(walk(&capture.sub)),
        HirKind::Repetition(repetition) if repetition.min > 0 => ways.push(walk(&repetition.sub)),
        HirKind::Alternation(branches) => ways.push(branches.iter().flat_map(walk).collect()),
        HirKind::Concat(parts) => {
            for at in 1..parts.len().min(MAX_STARTS) {
                let rest = parts.iter().skip(at).cloned().collect();
                ways.push(beginnings(&Hir::concat(rest)));
            }
            let compound = parts
                .iter()
                .take(MAX_STARTS)
                .filter(|part| is_compound(part));
            ways.extend(compound.map(walk));
        }
        _ => {}
    }
    let shorter: Vec<_> = CUTS
        .iter()
        .flat_map(|&length| ways.iter().map(move |way| cut(way, length)))
        .collect();
    ways.extend(shorter);
    let needs = needed(hir);
    for trigger in ways.iter_mut().flatten() {
        trigger.needs.extend(&needs);
        trigger.tidy();
    }
    let cost = |way: &Vec<Trigger>| way.iter().map(Trigger::cost).sum::<f64>();
    let best = ways.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
    best.unwrap_or_default()
}

fn is_compound(hir: &Hir) -> bool {
    matches!(
        hir.kind(),
        HirKind::Capture(_) | HirKind::Repetition(_) | HirKind::Alternation(_)
    )
}

/// A trigger for each of the texts that a match of `hir` begins with.
fn beginnings(hir: &Hir) -> Vec<Trigger> {
    let mut extractor = Extractor::new();
    extractor
        .kind(ExtractKind::Prefix)
        .limit_class(MAX_CLASS)
        .limit_literal_len(MAX_LENGTH)
        .limit_total(MAX_LITERALS);
    let mut literals: Vec<Vec<u8>> = match extractor.extract(hir).literals() {
        Some(literals) => literals
            .iter()
            .map(|literal| literal.as_bytes().to_vec())
            .collect(),
        None => vec![Vec::new()],
    };
    minimize(&mut literals);
    literals.into_iter().map(Trigger::on).collect()
}

/// The same triggers with literals of at most `length` bytes, which are often fewer.
fn cut(triggers: &[Trigger], length: usize) -> Vec<Trigger> {
    let mut triggers = triggers.to_vec();
    for trigger in &mut triggers {
        trigger.literal.truncate(length);
    }
    triggers.sort_by(|a, b| a.literal.cmp(&b.literal));
    triggers.dedup();
    triggers
}

/// Drops each literal that contains another: whoever looks for the shorter one has found the longer.
fn minimize(literals: &mut Vec<Vec<u8>>) {
    literals.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let mut kept: Vec<Vec<u8>> = Vec::with_capacity(literals.len());
    for literal in literals.drain(..) {
        if !kept
            .iter()
            .any(|shorter| memchr::memmem::find(&literal, shorter).is_some())
        {
            kept.push(literal);
        }
    }
    *literals = kept;
}

/// Kinds of bytes of which every match of `hir` has one each.
fn needed(hir: &Hir) -> Vec<Marks> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => literal.0.iter().map(|&byte| Marks::of_byte(byte)).collect(),
        HirKind::Class(class) => vec![of_class(class)],
        HirKind::Repetition(repetition) if repetition.min > 0 => needed(&repetition.sub),
        HirKind::Repetition(_) => Vec::new(),
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Concat(parts) => parts.iter().flat_map(needed).collect(),
        HirKind::Alternation(branches) => of_any(branches).into_iter().collect(),
    }
}

/// One need for all branches: the union of the rarest of each.
fn of_any(branches: &[Hir]) -> Option<Marks> {
    branches.iter().try_fold(Marks::default(), |union, branch| {
        let rarest = needed(branch)
            .into_iter()
            .min_by(|a, b| rarity::of_need(*a).total_cmp(&rarity::of_need(*b)))?;
        Some(union.or(rarest))
    })
}

fn of_class(class: &Class) -> Marks {
    let mut marks = Marks::default();
    let mut add = |start: u8, end: u8| {
        for byte in start..=end {
            marks = marks.or(Marks::of_byte(byte));
        }
    };
    match class {
        Class::Bytes(class) => class
            .ranges()
            .iter()
            .for_each(|range| add(range.start(), range.end())),
        Class::Unicode(class) => {
            for range in class.ranges() {
                if let Ok(start) = u8::try_from(range.start())
                    && start < 0x80
                {
                    add(start, u8::try_from(range.end()).unwrap_or(0x7f).min(0x7f));
                }
                if range.end() >= '\u{80}' {
                    add(0x80, 0xff);
                }
            }
        }
    }
    marks
}

// === impl Trigger ===

impl Trigger {
    /// Kinds of bytes of which one is in every text in which the trigger goes off: the rarest that is known.
    pub(super) fn mark(&self) -> Marks {
        let of_literal = self.literal.iter().map(|byte| Marks::of_byte(*byte));
        let all = self.needs.iter().copied().chain(of_literal);
        let share = |mark: &Marks| rarity::of_need(*mark);
        all.min_by(|a, b| share(a).total_cmp(&share(b)))
            .unwrap_or(Marks::ANY)
    }

    fn on(literal: Vec<u8>) -> Self {
        Self {
            literal,
            needs: Vec::new(),
        }
    }

    /// Whether it goes off in every text.
    pub(super) fn is_always(&self) -> bool {
        self.literal.is_empty() && self.needs.is_empty()
    }

    /// Whether the literal is looked for along with all others, not by itself.
    pub(super) fn is_long(&self) -> bool {
        match self.literal.len() {
            ..grams::MIN_LENGTH => false,
            // Expensive to enter: worth it only where most values would have to be looked at.
            grams::MIN_LENGTH => !self
                .literal
                .iter()
                .any(|&byte| rarity::of_need(Marks::of_byte(byte)) < rarity::RARE),
            _ => true,
        }
    }

    /// Whether it goes off in many harmless texts, having no literal.
    pub(super) fn is_usual(&self) -> bool {
        self.literal.is_empty() && self.cost() > rarity::RARE
    }

    /// How often it makes work in harmless text, in runs of an expression for each value; for comparing.
    fn cost(&self) -> f64 {
        let needs: f64 = self.needs.iter().copied().map(rarity::of_need).product();
        let goes_off = rarity::of_literal(&self.literal);
        let upkeep = if self.is_long() {
            rarity::UPKEEP
        } else {
            needs * rarity::SEARCH
        };
        needs * goes_off + upkeep
    }

    /// Leaves no need that the literal meets by itself or that nearly every text meets.
    fn tidy(&mut self) {
        let own = self.literal.iter().map(|&byte| Marks::of_byte(byte));
        if self.is_long() {
            let literal = own.fold(Marks::default(), Marks::or);
            self.needs.retain(|need| !need.meets(literal));
        } else {
            // Such a literal is searched for only in texts that have all its bytes.
            self.needs.extend(own);
        }
        self.needs
            .retain(|need| rarity::of_need(*need) < rarity::USUAL);
        self.needs.sort_by(|a, b| {
            rarity::of_need(*a)
                .total_cmp(&rarity::of_need(*b))
                .then(a.cmp(b))
        });
        self.needs.dedup();
        self.needs.truncate(MAX_NEEDS);
    }
}

/// The expression with every letter in ASCII lower case; where a class holds both cases of one letter, that letter alone.
fn folded(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => hir.clone(),
        HirKind::Literal(literal) => Hir::literal(literal.0.to_ascii_lowercase()),
        HirKind::Class(Class::Bytes(class)) => {
            let mut folded = ClassBytes::empty();
            for range in class.ranges() {
                for byte in range.start()..=range.end() {
                    let lower = byte.to_ascii_lowercase();
                    folded.push(ClassBytesRange::new(lower, lower));
                }
            }
            Hir::class(Class::Bytes(folded))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let upper = ClassUnicode::new([ClassUnicodeRange::new('A', 'Z')]);
            let mut folded = class.clone();
            folded.intersect(&upper);
            let lower: Vec<_> = folded
                .ranges()
                .iter()
                .map(|range| {
                    let lower = |character: char| character.to_ascii_lowercase();
                    ClassUnicodeRange::new(lower(range.start()), lower(range.end()))
                })
                .collect();
            let mut folded = class.clone();
            folded.difference(&upper);
            folded.union(&ClassUnicode::new(lower));
            Hir::class(Class::Unicode(folded))
        }
        HirKind::Repetition(repetition) => {
            let sub = folded(&repetition.sub);
            let (min, max) = (repetition.min, repetition.max);
            let rest = Hir::repetition(Repetition {
                min: 0,
                max: max.map(|max| max - min),
                greedy: repetition.greedy,
                sub: Box::new(sub.clone()),
            });
            // `a{2,}` as `aaa*`, because what may follow the first ones is better known then. Only where nothing grows
            // that may be repeated in turn.
            let is_single = matches!(sub.kind(), HirKind::Literal(_) | HirKind::Class(_));
            if is_single && (1..=MAX_TIMES).contains(&min) && max != Some(min) {
                let times = std::iter::repeat_n(sub, min as usize);
                Hir::concat(times.chain([rest]).collect())
            } else {
                Hir::repetition(Repetition {
                    sub: Box::new(sub),
                    ..repetition.clone()
                })
            }
        }
        HirKind::Capture(capture) => folded(&capture.sub),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(folded).collect()),
        HirKind::Alternation(branches) => Hir::alternation(branches.iter().map(folded).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triggers(regex: &str) -> Vec<Trigger> {
        let hir = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .build()
            .parse(regex)
            .expect(regex);
        of(&hir)
    }

    fn literals(regex: &str) -> Vec<String> {
        let triggers = triggers(regex).into_iter();
        triggers
            .map(|trigger| String::from_utf8_lossy(&trigger.literal).into_owned())
            .collect()
    }

    #[test]
    fn every_match_contains_one_of_the_literals() {
        let cases: [(&str, &[&str]); 12] = [
            ("Select", &["select"]),
            (r"(?i-u)a\s*(?:sleep|benchmark)\(", &["benchmar", "sleep("]),
            ("(?i)k", &["k", "\u{212a}"]),
            ("ab?c", &["abc", "ac"]),
            ("(?:xyz)+q", &["xyzq", "xyzxyz"]),
            ("(?:xyz)*q", &["q"]),
            ("[a-z]+", &[""]),
            ("a|[a-z]+", &[""]),
            ("", &[""]),
            ("a?", &[""]),
            ("^abc$|abcd", &["abc"]),
            (r"(?i-u)[;|]{1,2}(?:df|ps)\b", &[";df", ";ps", "|df", "|ps"]),
        ];
        for (regex, expected) in cases {
            assert_eq!(literals(regex), expected, "{regex}");
        }
    }

    fn goes_off(regex: &str, text: &str) -> bool {
        let marks = Marks::of(text.as_bytes());
        let lower = text.to_ascii_lowercase();
        triggers(regex).iter().any(|trigger| {
            trigger.needs.iter().all(|need| need.meets(marks))
                && (trigger.literal.is_empty()
                    || memchr::memmem::find(lower.as_bytes(), &trigger.literal).is_some())
        })
    }

    #[test]
    fn a_text_without_a_needed_byte_sets_nothing_off() {
        for (regex, text) in [
            (r#"['"]\s*or"#, "this or that"),
            ("(?i)a[;|]b", "ab AB"),
            ("(?:x;|y&)z", "xyz"),
            ("é", "e"),
            ("(?i)'or x|union;", "or union"),
        ] {
            assert!(!goes_off(regex, text), "{regex} {text}");
        }
        for (regex, text) in [
            (r#"['"]\s*or"#, "' or"),
            ("(?i)a[;|]b", "B|A a|b"),
            ("(?:x;|y)z", "zyz"),
            ("(?:;)*z", "z"),
            ("(?i)k", "\u{212a}"),
            ("[^a]", "é"),
            ("", ""),
        ] {
            assert!(goes_off(regex, text), "{regex} {text}");
        }
    }
}
