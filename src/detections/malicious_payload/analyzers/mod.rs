//! Analyzers: each knows one language that attacks are written in, and judges a value by its grammar.
//!
//! An analyzer is asked only of values that get through its gates: what an attack cannot do without. All gates are parts of
//! the one automaton that reads each value once, so that an innocent value costs one look. What an analyzer is given is
//! one form of one value; decoding is done. It is linear in the value, and keeps nothing.

mod bytes;
mod deserialization;
mod files;
mod graphql;
mod headers;
mod hosts;
mod html;
mod includes;
mod ldap;
mod lookups;
mod nosql;
mod paths;
mod php;
mod prototypes;
mod shell;
mod sql;
mod templates;
mod uploads;
mod xpath;
mod xxe;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;

use crate::engine::Score;
use crate::request::{Input, PlaceKind};

/// A value in one of its forms, as analyzers see it.
#[derive(Debug)]
pub(super) struct Text<'t> {
    /// The decoded bytes.
    pub(super) bytes: &'t [u8],
    /// Where the value sits.
    pub(super) place: PlaceKind,
    /// Whether the value is itself a name: a query key, a JSON key, a file name.
    pub(super) is_key: bool,
    /// Whether it is the name of a file.
    pub(super) is_file_name: bool,
    /// How the value is called; asked for by [`Text::name`].
    name: Name<'t>,
    /// What [`Text::is_document`] has found.
    is_document: OnceCell<bool>,
}

/// The name of a value, put together when somebody asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name<'t> {
    /// That of an input.
    Of(Input<'t>),
    /// One that is known.
    Known(&'t str),
}

/// One thing that an analyzer recognises.
#[derive(Debug)]
pub(super) struct Rule {
    /// The second half of its id: `union_behind_value` of `sql_injection.union_behind_value`.
    pub(super) name: &'static str,
    /// How sure it is: 5 refuses by itself at the default threshold; 4 and 3 are likely attacks, 2 a hint. The scores of
    /// different rules of a request add up.
    pub(super) score: u32,
    /// What it found, in a sentence that a developer understands.
    pub(super) message: &'static str,
}

/// What an analyzer found in a text.
#[derive(Debug, Default)]
pub(super) struct Matches {
    pub(super) found: Vec<(&'static Rule, Range<usize>)>,
}

/// Knows one class of attack.
pub(super) struct Analyzer {
    /// The first half of its rules' ids.
    pub(super) class: &'static str,
    /// Its number in the Common Weakness Enumeration.
    pub(super) cwe: u16,
    /// Only texts that match one of these regular expressions, on bytes and without regard to ASCII case, are sure to be
    /// analysed. They are never run: the fixed texts and rare bytes that each cannot match without are looked for.
    pub(super) gates: &'static [&'static str],
    /// All that it may find.
    pub(super) rules: &'static [&'static Rule],
    /// Longer texts are none of its business: it looks at what a value is as a whole.
    pub(super) longest: usize,
    /// Adds what is found in a text.
    pub(super) analyze: fn(&Text<'_>, &mut Matches),
}

/// Every analyzer, in the order in which they are listed and asked.
pub(super) static ALL: &[&Analyzer] = &[
    &sql::ANALYZER,
    &shell::ANALYZER,
    &shell::ALONE,
    &shell::BEGUN,
    &shell::CALLS,
    &shell::INVOCATIONS,
    &shell::SCRIPTS,
    &shell::SPELLED,
    &html::ANALYZER,
    &paths::ANALYZER,
    &paths::WHOLE,
    &lookups::ANALYZER,
    &templates::ANALYZER,
    &includes::ANALYZER,
    &php::ANALYZER,
    &deserialization::ANALYZER,
    &nosql::ANALYZER,
    &ldap::ANALYZER,
    &xpath::ANALYZER,
    &prototypes::ANALYZER,
    &graphql::ANALYZER,
    &headers::ANALYZER,
    &hosts::ANALYZER,
    &hosts::INCLUSION,
    &hosts::NOTICING,
    &xxe::ANALYZER,
    &files::ANALYZER,
    &files::TOOLS,
    &uploads::ANALYZER,
];

/// The ids of all rules.
pub(super) fn ids() -> impl Iterator<Item = String> {
    ALL.iter()
        .flat_map(|analyzer| analyzer.rules.iter().map(|rule| analyzer.id(rule)))
}

/// Makes what analyzers make at their first use, tables and automata, so that no request waits for it.
pub(super) fn prepare() {
    const LOOKED_AT: &[u8] =
        b"'a' or \"1\"=`1` <b c=d> ${e} {{f}} /etc/g.h <?i $_GET[0] j(k) | l & m; n: o\\p @q #r";
    for analyzer in ALL {
        for place in [PlaceKind::Query, PlaceKind::Path, PlaceKind::Headers] {
            let text = Text::new(LOOKED_AT, place, false, Name::Known("user-agent"));
            (analyzer.analyze)(&text, &mut Matches::default());
        }
    }
}

// === impl Text ===

impl<'t> Text<'t> {
    /// The bytes of a value at a place, which is itself a name or not, and is called so.
    pub(super) const fn new(
        bytes: &'t [u8],
        place: PlaceKind,
        is_key: bool,
        name: Name<'t>,
    ) -> Self {
        Self {
            bytes,
            place,
            is_key,
            is_file_name: false,
            name,
            is_document: OnceCell::new(),
        }
    }

    /// The name of the value in its place: a header, a query key, a JSON path.
    pub(super) fn name(&self) -> Cow<'t, str> {
        match self.name {
            Name::Of(input) => input.name(),
            Name::Known(name) => name.into(),
        }
    }

    /// Whether the value is a text of some length in a body, in which people write about programs, and may show them. It is
    /// told by its words and lines: blanks, line ends and long words are padding to whoever has to hide an attack. Looked for
    /// once, for some texts have a thousand places at which it matters.
    pub(super) fn is_document(&self) -> bool {
        *self.is_document.get_or_init(|| self.has_many_words())
    }

    fn has_many_words(&self) -> bool {
        const WORDS: usize = 50;
        const LINES: usize = 3;
        if self.place != PlaceKind::Body {
            return false;
        }
        // So many words fit only into a longer line.
        if self.bytes.len() < 2 * WORDS - 1 && memchr::memchr(b'\n', self.bytes).is_none() {
            return false;
        }
        let mut lines = self.bytes.split(|byte| *byte == b'\n');
        let (mut words, mut written) = (0, 0);
        lines.any(|line| {
            let before = words;
            words += line
                .split(u8::is_ascii_whitespace)
                .filter(|word| {
                    word.iter()
                        .any(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii())
                })
                .take(WORDS)
                .count();
            written += usize::from(words > before);
            words >= WORDS || written >= LINES
        })
    }
}

// === impl Matches ===

impl Matches {
    /// Adds a match of a rule, the first one of each.
    pub(super) fn add(&mut self, rule: &'static Rule, range: Range<usize>) {
        let mut found = self.found.iter();
        if !found.any(|(known, _)| std::ptr::eq(*known, rule)) {
            self.found.push((rule, range));
        }
    }
}

// === impl Analyzer ===

impl Analyzer {
    /// The id of one of its rules.
    pub(super) fn id(&self, rule: &Rule) -> String {
        format!("{}.{}", self.class, rule.name)
    }
}

impl fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analyzer")
            .field("class", &self.class)
            .finish_non_exhaustive()
    }
}

// === impl Rule ===

impl Rule {
    /// The message with the number of the weakness.
    pub(super) fn told(&self, cwe: u16) -> String {
        format!("{} (CWE-{cwe}).", self.message.trim_end_matches('.'))
    }

    pub(super) const fn score(&self) -> Score {
        Score(self.score)
    }
}

#[cfg(test)]
pub(super) mod tests;
