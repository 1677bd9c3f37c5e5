//! JSON: every key, string and number at any depth, with its path and its bytes.
//!
//! Our own reader, because the usual ones keep one of two equal keys, tell no offsets, and stop at what another parser
//! tolerates. It tolerates what any of them does and notes it: a comment, a trailing comma, a second document. It keeps
//! its own stack, so depth costs memory and never the program's stack.

mod lexer;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use super::super::decode::Syntax;
use super::super::names::NameRef;
use super::collector::Collector;
use lexer::{Kind, Lexer, Token};

/// How deep values are taken apart; what lies deeper is judged as text. Most parsers stop here, too.
const MAX_DEPTH: usize = 128;

/// Adds what is in `range` of the body. `false` if it is no JSON even to the most tolerant; what precedes the mistake has
/// been added then.
pub(super) fn inputs(range: Range<usize>, out: &mut Collector<'_>) -> bool {
    let text = out.text(&(0..range.end));
    let mut start = range.start;
    if out.text(&range).starts_with(b"\xef\xbb\xbf") {
        out.note("json_bom", start..start + 3);
        start += 3;
    }
    // A value for every sixteen bytes is usual; what a sender makes of it beyond a thousand grows by itself.
    out.reserve((range.len() / 16).min(1024));
    let mut reader = Reader {
        full: out.full(),
        out,
        name: NameRef::ROOT,
        stack: Vec::new(),
        expected: Expected::Value,
        objects: 0,
        keys: HashSet::new(),
        hasher: RandomState::new(),
    };
    for token in Lexer::new(text, start) {
        match reader.read(&token) {
            Ok(()) => {}
            Err(Stop::Invalid) => return false,
            Err(Stop::Exhausted(reason)) => {
                reader.out.rest(reason, token.range.start..range.end);
                return true;
            }
        }
    }
    reader.stack.is_empty() && reader.expected == Expected::Nothing
}

/// Reads words, and knows which ones may follow.
struct Reader<'c, 'a> {
    out: &'c mut Collector<'a>,
    /// What the value that is read is called.
    name: NameRef,
    stack: Vec<Frame>,
    expected: Expected,
    /// How many objects have begun.
    objects: usize,
    /// Hashes of the keys so far, each with the number of its object. A keyed hash of 64 bits stands for the key: two keys
    /// that share one by chance make a needless note once in an age.
    keys: HashSet<u64>,
    hasher: RandomState,
    full: usize,
}

/// A list or object that has begun and not ended.
struct Frame {
    /// The number of an object, or how many elements a list has had.
    kind: Container,
    /// What the values within are called by.
    within: NameRef,
}

#[derive(Clone, Copy)]
enum Container {
    Object(usize),
    Array(u32),
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// A value, behind a colon or at the very beginning.
    Value,
    /// An element or the end of the list.
    FirstElement,
    /// An element, behind a comma.
    Element,
    /// A key or the end of the object.
    FirstKey,
    /// A key, behind a comma.
    Key,
    Colon,
    /// A comma or the end of the list or object.
    Separator,
    /// The outermost value has ended.
    Nothing,
}

/// Why reading ends early.
enum Stop {
    /// No parser reads on here.
    Invalid,
    /// We do not, for the reason named.
    Exhausted(&'static str),
}

impl Reader<'_, '_> {
    fn read(&mut self, token: &Token) -> Result<(), Stop> {
        match token.kind {
            Kind::Comment => self.note("json_comment", token),
            Kind::ObjectStart | Kind::ArrayStart => {
                self.begin_value(token)?;
                self.open(token.kind)?;
            }
            Kind::ObjectEnd | Kind::ArrayEnd => self.close(token)?,
            Kind::Colon if self.expected == Expected::Colon => self.expected = Expected::Value,
            Kind::Comma if self.expected == Expected::Separator => {
                self.expected = match self.stack.last().map(|frame| frame.kind) {
                    Some(Container::Object(_)) => Expected::Key,
                    _ => Expected::Element,
                };
            }
            Kind::Colon | Kind::Comma => return Err(Stop::Invalid),
            Kind::String | Kind::SingleQuoted | Kind::Unterminated | Kind::Literal => {
                if matches!(self.expected, Expected::FirstKey | Expected::Key) {
                    self.key(token)?;
                } else {
                    self.begin_value(token)?;
                    self.leaf(token)?;
                }
                if token.kind == Kind::Unterminated {
                    return Err(Stop::Invalid);
                }
            }
        }
        Ok(())
    }

    /// Checks that a value may begin here, and leads the path to it.
    fn begin_value(&mut self, token: &Token) -> Result<(), Stop> {
        match self.expected {
            Expected::Value | Expected::FirstElement | Expected::Element => {}
            Expected::Nothing => {
                self.note("json_several_values", token);
                self.name = NameRef::ROOT;
            }
            _ => return Err(Stop::Invalid),
        }
        if let Some(Frame {
            kind: Container::Array(elements),
            within,
        }) = self.stack.last_mut()
        {
            self.name = within.element(*elements);
            *elements += 1;
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<(), Stop> {
        if self.stack.len() == MAX_DEPTH {
            return Err(Stop::Exhausted("too_deep"));
        }
        let (kind, expected) = if kind == Kind::ObjectStart {
            self.objects += 1;
            (Container::Object(self.objects), Expected::FirstKey)
        } else {
            (Container::Array(0), Expected::FirstElement)
        };
        let within = self.out.within(self.name);
        self.stack.push(Frame { kind, within });
        self.expected = expected;
        Ok(())
    }

    fn close(&mut self, token: &Token) -> Result<(), Stop> {
        let frame = self.stack.pop().ok_or(Stop::Invalid)?;
        match (frame.kind, token.kind, self.expected) {
            (Container::Object(_), Kind::ObjectEnd, Expected::FirstKey | Expected::Separator)
            | (Container::Array(_), Kind::ArrayEnd, Expected::FirstElement | Expected::Separator) =>
                {}
            (Container::Object(_), Kind::ObjectEnd, Expected::Key)
            | (Container::Array(_), Kind::ArrayEnd, Expected::Element) => {
                self.note("json_trailing_comma", token);
            }
            _ => return Err(Stop::Invalid),
        }
        self.end_value();
        Ok(())
    }

    fn end_value(&mut self) {
        self.expected = if self.stack.is_empty() {
            Expected::Nothing
        } else {
            Expected::Separator
        };
    }

    fn key(&mut self, token: &Token) -> Result<(), Stop> {
        self.check_room()?;
        self.note_spelling(token);
        if token.kind == Kind::Literal {
            self.note("json_bare_key", token);
        }
        if let Some(Frame {
            kind: Container::Object(number),
            within,
        }) = self.stack.last()
        {
            let range = token.range.clone();
            self.name = self.out.field(*within, range, Syntax::JsonString);
            let hash = self.hasher.hash_one((number, self.out.last()));
            if !self.keys.insert(hash) {
                self.note("duplicate_key", token);
            }
        }
        self.expected = Expected::Colon;
        Ok(())
    }

    fn leaf(&mut self, token: &Token) -> Result<(), Stop> {
        self.end_value();
        let text = self.out.text(&token.range);
        if token.kind == Kind::Literal {
            if matches!(text, b"true" | b"false" | b"null") {
                return Ok(());
            }
            if !is_number(text) {
                self.note("json_literal", token);
            }
        }
        self.check_room()?;
        self.note_spelling(token);
        let range = token.range.clone();
        self.out.value(self.name, range, Syntax::JsonString);
        // Any other word is no value to anybody; the words behind it must not be torn apart then.
        if token.kind == Kind::Literal && !is_lenient_literal(text) {
            return Err(Stop::Invalid);
        }
        Ok(())
    }

    fn check_room(&self) -> Result<(), Stop> {
        if self.out.len() < self.full {
            Ok(())
        } else {
            Err(Stop::Exhausted("too_many_values"))
        }
    }

    fn note_spelling(&mut self, token: &Token) {
        if token.kind == Kind::SingleQuoted {
            self.note("json_single_quotes", token);
        }
        let text = self.out.text(&token.range);
        // Without an early end, so that the search compiles to vector instructions.
        if text
            .iter()
            .fold(false, |found, byte| found | (*byte < b' '))
        {
            self.note("json_control_character", token);
        }
    }

    fn note(&mut self, kind: &'static str, token: &Token) {
        self.out.note(kind, token.range.clone());
    }
}

/// Whether a word is a value to some parser: a number of sorts, or what JavaScript and Python print.
fn is_lenient_literal(word: &[u8]) -> bool {
    matches!(
        word,
        [b'0'..=b'9' | b'-' | b'+' | b'.', ..]
            | b"NaN"
            | b"Infinity"
            | b"undefined"
            | b"None"
            | b"True"
            | b"False"
    )
}

/// Whether a word is a number to every parser (RFC 8259, 6).
fn is_number(word: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let whole = digits(word);
    if whole == 0 || (whole > 1 && word.starts_with(b"0")) {
        return false;
    }
    let mut rest = word.get(whole..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix(b".") {
        let len = digits(fraction);
        if len == 0 {
            return false;
        }
        rest = fraction.get(len..).unwrap_or_default();
    }
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            !exponent.is_empty() && digits(exponent) == exponent.len()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
