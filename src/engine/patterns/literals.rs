//! What a regular expression cannot match without: a small set of byte strings, at least one of which lies in every
//! match.
//!
//! Found by walking the expression's syntax tree bottom up. Each node says either exactly which strings it matches (as
//! long as they are few) or at least what it requires. All strings are in ASCII lower case and are meant to be searched
//! without regard to ASCII case, so `(?i)select` and `select` both require `select`.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// Strings of which one must be there.
type Literals = Vec<Vec<u8>>;

/// The most literals that one expression contributes. More of them make the automaton larger than the selectivity is
/// worth.
const MAX_LITERALS: usize = 96;

/// The longest literal that is searched for. A longer one is cut: what begins it is required just as well.
pub(super) const MAX_LENGTH: usize = 24;

/// The most repetitions that are written out.
const MAX_TIMES: u32 = 4;

/// The widest class that is written out member by member.
const MAX_CLASS: usize = 6;

/// From this length on a literal is rare enough that fewer literals are worth more than longer ones.
const LONG_ENOUGH: usize = 6;

/// What is known about the matches of a node.
struct Known {
    /// All strings that it matches; `None` where they are too many.
    exact: Option<Literals>,
    /// Strings of which every match contains one; `None` where there are none such.
    required: Option<Literals>,
}

/// The literals of which every match of `hir` contains at least one; `None` where there are none, as in `\d+`.
pub(super) fn required(hir: &Hir) -> Option<Literals> {
    let known = walk(hir);
    let mut best = known.best()?;
    for literal in &mut best {
        literal.truncate(MAX_LENGTH);
    }
    minimize(&mut best);
    Some(best)
}

/// The recursion is bounded by the parser, which refuses expressions nested deeper than 250 levels.
fn walk(hir: &Hir) -> Known {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Known::exactly(vec![Vec::new()]),
        HirKind::Literal(literal) => Known::exactly(vec![literal.0.to_ascii_lowercase()]),
        HirKind::Class(class) => members(class).map_or(Known::NOTHING, Known::exactly),
        HirKind::Capture(capture) => walk(&capture.sub),
        HirKind::Repetition(repetition) => repeated(repetition),
        HirKind::Concat(parts) => in_sequence(parts),
        HirKind::Alternation(branches) => any_of(branches),
    }
}

impl Known {
    const NOTHING: Self = Self {
        exact: None,
        required: None,
    };

    const fn exactly(literals: Literals) -> Self {
        Self {
            exact: Some(literals),
            required: None,
        }
    }

    const fn at_least(required: Option<Literals>) -> Self {
        Self {
            exact: None,
            required,
        }
    }

    /// The better of both kinds of knowledge.
    fn best(self) -> Option<Literals> {
        better(self.exact, self.required)
    }
}

fn repeated(repetition: &Repetition) -> Known {
    let inner = walk(&repetition.sub);
    match (repetition.min, repetition.max) {
        (1, Some(1)) => inner,
        // An optional part stays exact, since `union(?: all)? select` is worth more in one piece.
        (0, Some(1)) => {
            let with_nothing = inner.exact.map(|mut literals| {
                literals.push(Vec::new());
                literals
            });
            with_nothing.map_or(Known::NOTHING, Known::exactly)
        }
        (0, _) => Known::NOTHING,
        // `[.]{3,}` requires three of them in a row.
        (times, _) => {
            let longer = inner.exact.as_ref().and_then(|exact| {
                (1..times.min(MAX_TIMES)).try_fold(exact.clone(), |run, _| product(&run, exact))
            });
            Known::at_least(better(longer, inner.best()))
        }
    }
}

fn in_sequence(parts: &[Hir]) -> Known {
    let mut run: Literals = vec![Vec::new()];
    let mut whole = true;
    let mut best = None;
    for part in parts {
        let known = walk(part);
        let product = known.exact.as_ref().and_then(|next| product(&run, next));
        if let Some(longer) = product {
            run = longer;
            continue;
        }
        // The run ends here: what it holds so far is required, and so is what the part requires by itself.
        whole = false;
        best = better(best, Some(std::mem::replace(&mut run, vec![Vec::new()])));
        best = better(best, known.required);
        if let Some(exact) = known.exact {
            run = exact;
        }
    }
    if whole {
        Known::exactly(run)
    } else {
        Known::at_least(better(best, Some(run)))
    }
}

fn any_of(branches: &[Hir]) -> Known {
    let mut exact = Some(Vec::new());
    let mut required = Some(Vec::new());
    for branch in branches {
        let known = walk(branch);
        exact = union(exact, known.exact.clone());
        required = union(required, known.best());
    }
    Known {
        exact,
        required: required.filter(is_useful),
    }
}

/// Each of `left` followed by each of `right`, unless they are too many.
fn product(left: &Literals, right: &Literals) -> Option<Literals> {
    if left.len().saturating_mul(right.len()) > MAX_LITERALS {
        return None;
    }
    let mut product: Literals = left
        .iter()
        .flat_map(|head| {
            right
                .iter()
                .map(move |tail| [head.as_slice(), tail].concat())
        })
        .collect();
    product.sort_unstable();
    product.dedup();
    Some(product)
}

fn union(left: Option<Literals>, right: Option<Literals>) -> Option<Literals> {
    let mut union = left?;
    union.extend(right?);
    union.sort_unstable();
    union.dedup();
    (union.len() <= MAX_LITERALS).then_some(union)
}

/// The set that is seen more rarely in harmless text: the one whose shortest literal is longer, then the smaller one.
fn better(left: Option<Literals>, right: Option<Literals>) -> Option<Literals> {
    let left = left.filter(is_useful);
    let right = right.filter(is_useful);
    match (left, right) {
        (Some(left), Some(right)) => Some(if rank(&right) > rank(&left) {
            right
        } else {
            left
        }),
        (left, right) => left.or(right),
    }
}

fn rank(literals: &Literals) -> (usize, std::cmp::Reverse<usize>, usize) {
    let shortest = literals.iter().map(Vec::len).min().unwrap_or(0);
    (
        shortest.min(LONG_ENOUGH),
        std::cmp::Reverse(literals.len()),
        shortest,
    )
}

/// A set that holds the empty string requires nothing.
fn is_useful(literals: &Literals) -> bool {
    !literals.is_empty() && literals.iter().all(|literal| !literal.is_empty())
}

/// Drops each literal that contains another: whoever looks for the shorter one has found the longer.
fn minimize(literals: &mut Literals) {
    literals.sort_unstable_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    let mut kept: Literals = Vec::with_capacity(literals.len());
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

/// The members of a class in lower case, unless they are too many.
fn members(class: &Class) -> Option<Literals> {
    let mut members: Literals = Vec::new();
    match class {
        Class::Unicode(class) => {
            for range in class.ranges() {
                if range.len() > 2 * MAX_CLASS {
                    return None;
                }
                for character in range.start()..=range.end() {
                    let lower = character.to_ascii_lowercase();
                    members.push(lower.encode_utf8(&mut [0; 4]).as_bytes().to_vec());
                }
            }
        }
        Class::Bytes(class) => {
            for range in class.ranges() {
                if range.len() > 2 * MAX_CLASS {
                    return None;
                }
                members.extend((range.start()..=range.end()).map(|b| vec![b.to_ascii_lowercase()]));
            }
        }
    }
    members.sort_unstable();
    members.dedup();
    (!members.is_empty() && members.len() <= MAX_CLASS).then_some(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(regex: &str) -> Option<Vec<String>> {
        let hir = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .build()
            .parse(regex)
            .expect(regex);
        let literals = required(&hir)?;
        Some(
            literals
                .iter()
                .map(|literal| String::from_utf8_lossy(literal).into_owned())
                .collect(),
        )
    }

    #[test]
    fn every_match_contains_one_of_the_literals() {
        let cases: [(&str, Option<&[&str]>); 14] = [
            ("Select", Some(&["select"])),
            (r"(?i-u)union\s+select", Some(&["select"])),
            (
                r"(?i-u)a\s*(?:sleep|benchmark)\(",
                Some(&["sleep(", "benchmark("]),
            ),
            (
                "(?i)mask",
                Some(&["mask", "ma\u{17f}k", "mas\u{212a}", "ma\u{17f}\u{212a}"]),
            ),
            ("ab?c", Some(&["ac", "abc"])),
            ("(?:xyz)+q", Some(&["xyz"])),
            ("(?:xyz)*q", Some(&["q"])),
            ("[0-9]+", None),
            ("a|[0-9]+", None),
            ("", None),
            ("a?", None),
            ("^abc$|abcd", Some(&["abc"])),
            (r"[<>]script", Some(&["<script", ">script"])),
            ("x{3}", Some(&["xxx"])),
        ];
        for (regex, expected) in cases {
            let expected = expected.map(|all| all.iter().map(ToString::to_string).collect());
            assert_eq!(of(regex), expected, "{regex}");
        }
    }
}
