//! GraphQL: every string, name and comment of a document, with its path and its bytes.
//!
//! A document comes as a body of its own, or as the string `query` of JSON, alone or in a batch, of a form, or of a query.
//! There it is encoded once more: what is found in it leads to the raw bytes all the same. Every document is
//! also judged as the one string that it is; this is for the values in it, which an application hands on by themselves.
//!
//! The words are read by our own lexer: the usual parsers want UTF-8 and no mistake, and give up otherwise. We keep
//! no tree. What an application refuses is noted, and read on.

mod lexer;
mod shape;

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::super::collector::Collector;
use super::super::decode::{self, Syntax};
use super::super::name;
use super::super::offsets::OffsetMap;
use lexer::{Kind, Lexer};

pub use shape::Shape;

/// How deep a document is taken apart; what lies deeper is judged as part of the whole.
const MAX_DEPTH: usize = 128;

/// How many documents of one body are taken apart.
const MAX_DOCUMENTS: usize = 128;

/// Adds what is in `range` of the body, which is a document. `false` if it is none.
pub(super) fn inputs(range: Range<usize>, out: &mut Collector<'_>) -> bool {
    let text = out.text(&range);
    let start = range.start;
    document("query", text, out.full_of_names(), out, |range| {
        let raw = start + range.start..start + range.end;
        (raw, Syntax::JsonString)
    })
}

/// Adds what is in the documents that are strings `query` in the JSON text at `range`, at any depth.
pub(super) fn in_json(range: Range<usize>, out: &mut Collector<'_>) {
    let text = out.text(&(0..range.end));
    documents(strings(text, range.start), Syntax::JsonString, out);
}

/// Adds what is in the documents that are values `query` of the pairs at `range`.
pub(in super::super) fn in_pairs(range: Range<usize>, out: &mut Collector<'_>) {
    let text = out.text(&range);
    let found = QUERY.find_iter(text);
    let starts = found.filter(|at| *at == 0 || text.get(at - 1) == Some(&b'&'));
    let values = starts.map(|at| {
        let value = at + QUERY.needle().len();
        let rest = text.get(value..).unwrap_or_default();
        let len = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        range.start + value..range.start + value + len
    });
    documents(values, Syntax::Form, out);
}

/// The key of a document, with its sign.
static QUERY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"query="));

/// Adds what is in those values that are documents.
fn documents(values: impl Iterator<Item = Range<usize>>, syntax: Syntax, out: &mut Collector<'_>) {
    let full = out.full_of_names();
    let mut found = 0;
    for value in values {
        if found == MAX_DOCUMENTS {
            return;
        }
        let (text, offsets) = decoded(out.text(&value), syntax);
        if !looks_like_document(&text) {
            continue;
        }
        let name = match found {
            0 => "query".to_owned(),
            nth => format!("query[{nth}]"),
        };
        found += 1;
        document(&name, &text, full, out, |piece| {
            let raw = offsets.raw(piece.start)..offsets.raw(piece.end);
            (value.start + raw.start..value.start + raw.end, syntax)
        });
    }
}

/// What a text asks for that is a document.
pub(super) fn shape(text: &[u8], shape: &mut Shape) {
    if looks_like_document(text) {
        shape.add(text);
    }
}

/// What the documents of a JSON text ask for.
pub(super) fn shape_in_json(text: &[u8], shape: &mut Shape) {
    for string in strings(text, 0) {
        let string = text.get(string).unwrap_or_default();
        let (text, _) = decoded(string, Syntax::JsonString);
        if looks_like_document(&text) {
            shape.add(&text);
        }
    }
}

/// The strings that are called `query` in a JSON text from `start` on.
///
/// They are looked for by the spelling that every client writes. Under a key with escapes in it a document is judged as
/// the string that it is, and no more.
fn strings(text: &[u8], start: usize) -> impl Iterator<Item = Range<usize>> {
    const KEY: &[u8] = b"\"query\"";
    let keys = memchr::memmem::find_iter(text.get(start..).unwrap_or_default(), KEY);
    keys.filter_map(move |at| string_behind(text, start + at + KEY.len()))
}

/// A value as its place demands it, and the way back to its bytes.
fn decoded(text: &[u8], syntax: Syntax) -> (Cow<'_, [u8]>, OffsetMap) {
    match decode::first_form(text, syntax) {
        Some(first) => (Cow::Owned(first.text), first.offsets),
        None => (Cow::Borrowed(text), OffsetMap::identity()),
    }
}

/// The JSON string behind a colon at or behind `at`, without its quotes.
fn string_behind(text: &[u8], at: usize) -> Option<Range<usize>> {
    let blanks = |at: usize| {
        let rest = text.get(at..).unwrap_or_default();
        at + rest
            .iter()
            .take_while(|byte| byte.is_ascii_whitespace())
            .count()
    };
    let colon = blanks(at);
    let quote = blanks(colon + 1);
    if text.get(colon) != Some(&b':') || text.get(quote) != Some(&b'"') {
        return None;
    }
    let start = quote + 1;
    let mut end = start;
    loop {
        end += memchr::memchr2(b'"', b'\\', text.get(end..)?)?;
        if text.get(end) == Some(&b'"') {
            return Some(start..end);
        }
        end += 2;
    }
}

/// Whether a text begins as a document does: with a selection, an operation or a fragment.
pub(super) fn looks_like_document(text: &[u8]) -> bool {
    let mut words = Lexer::new(text).filter(|token| token.kind != Kind::Comment);
    let Some(first) = words.next() else {
        return false;
    };
    let second = words.next().map(|token| token.kind);
    match (first.kind, text.get(first.range).unwrap_or_default()) {
        (Kind::Sign(b'{'), _) => matches!(second, Some(Kind::Name | Kind::Spread)),
        (Kind::Name, b"query" | b"mutation" | b"subscription") => match second {
            Some(Kind::Sign(b'{' | b'(' | b'@')) => true,
            Some(Kind::Name) => matches!(
                words.next().map(|token| token.kind),
                Some(Kind::Sign(b'{' | b'(' | b'@'))
            ),
            _ => false,
        },
        (Kind::Name, b"fragment") => second == Some(Kind::Name),
        _ => false,
    }
}

/// Adds the values of a document, until there are `full`. `raw` tells where a piece of it is written, and how.
fn document(
    name: &str,
    text: &[u8],
    full: usize,
    out: &mut Collector<'_>,
    raw: impl Fn(Range<usize>) -> (Range<usize>, Syntax),
) -> bool {
    let mut path = Path {
        text: name.to_owned(),
        levels: Vec::new(),
        before: None,
    };
    let hasher = RandomState::new();
    let mut names = HashSet::new();
    let mut is_document = true;
    for token in Lexer::new(text) {
        let word = text.get(token.range.clone()).unwrap_or_default();
        if path.levels.len() > MAX_DEPTH || out.len() >= full {
            let kind = if out.len() >= full {
                "too_many_values"
            } else {
                "too_deep"
            };
            out.note(kind, raw(token.range).0);
            return true;
        }
        let is_new = match token.kind {
            Kind::Name => names.insert(hasher.hash_one(word)),
            Kind::Number | Kind::Spread | Kind::Sign(_) => false,
            Kind::Unterminated | Kind::Other => {
                is_document = false;
                true
            }
            Kind::String | Kind::Block | Kind::Comment => true,
        };
        path.read(token.kind, word);
        if is_new && !word.is_empty() {
            let (range, syntax) = raw(token.range);
            let called = path.name();
            match token.kind {
                Kind::Name => out.key(called, range, syntax),
                _ => out.value(called, range, syntax),
            }
        }
    }
    is_document && path.levels.is_empty()
}

/// The way to the word that is read: fields, arguments and keys of input objects, as in `query.user(filter.name)`.
struct Path {
    text: String,
    levels: Vec<Level>,
    before: Option<u8>,
}

/// What has begun and not ended.
struct Level {
    sign: u8,
    /// The length of the path within.
    path: usize,
}

impl Path {
    /// The longest name of a value.
    const MAX_NAME: usize = 128;

    fn read(&mut self, kind: Kind, word: &[u8]) {
        let sign = match kind {
            Kind::Sign(sign) => sign,
            Kind::Comment => return,
            Kind::Name => {
                self.name_word(word);
                b'a'
            }
            _ => 0,
        };
        match sign {
            b'{' | b'(' | b'[' => {
                let path = self.text.len();
                self.levels.push(Level { sign, path });
            }
            b'}' | b')' | b']' => {
                if let Some(level) = self.levels.pop() {
                    self.back_to(level.path);
                }
            }
            _ => {}
        }
        self.before = Some(sign);
    }

    /// A name that stands where names of values do: not a type, a value, a directive, or at the outermost level.
    fn name_word(&mut self, word: &[u8]) {
        let Some(level) = self.levels.last() else {
            return;
        };
        let (sign, path) = (level.sign, level.path);
        let is_argument = self.levels.iter().any(|level| level.sign == b'(');
        let is_value = self.before == Some(b':') && is_argument;
        if is_value || sign == b'[' || self.before == Some(b'@') {
            return;
        }
        self.back_to(path);
        self.text.push('.');
        name::push(&mut self.text, word);
    }

    fn back_to(&mut self, len: usize) {
        if self.text.is_char_boundary(len) {
            self.text.truncate(len);
        }
    }

    /// The name of the value here.
    fn name(&self) -> String {
        name::end_of_path(&self.text, Self::MAX_NAME)
    }
}

#[cfg(test)]
mod tests;
