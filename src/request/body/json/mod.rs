//! JSON: every key, string and number at any depth, with its path and its bytes.
//!
//! Our own reader, because the usual ones keep one of two equal keys, tell no offsets, and stop at what another parser
//! tolerates. It tolerates what any of them does and notes it: a comment, a trailing comma, a second document. It keeps
//! its own stack, so depth costs memory and never the program's stack.

mod keys;
mod lexer;

use std::ops::Range;

use super::super::decode::Syntax;
use super::super::marks::Marks;
use super::super::names::NameRef;
use super::collector::{Collector, Progress};
use keys::{Keys, Object};
use lexer::{Kind, Lexer, Token};

/// How deep values are taken apart; what lies deeper is judged as text. Most parsers stop here, too.
const MAX_DEPTH: usize = 128;

/// Adds what is in `range` of the body. `false` if it is no JSON even to the most tolerant; what precedes the mistake has
/// been added then.
pub(super) fn inputs(range: Range<usize>, out: &mut Collector<'_>) -> bool {
    let mut start = range.start;
    if out.text(&range).starts_with(b"\xef\xbb\xbf") {
        out.note("json_bom", start..start + 3);
        start += 3;
    }
    let full = out.full();
    document(NameRef::ROOT, start..range.end, full, out)
}

/// Adds what is in `range`, which is the n-th document of many, until there are `full` values.
pub(super) fn element(nth: u32, range: Range<usize>, full: usize, out: &mut Collector<'_>) -> bool {
    document(NameRef::ROOT.element(nth), range, full, out)
}

fn document(root: NameRef, range: Range<usize>, full: usize, out: &mut Collector<'_>) -> bool {
    let text = out.text(&(0..range.end));
    // A key or value for every dozen bytes is usual. What is not written to costs nothing.
    out.reserve(range.len() / 12);
    let mut reader = Reader {
        full,
        words: Lexer::new(text, range.start),
        root,
        name: root,
        inner: Frame::document(out),
        outer: Vec::new(),
        expected: Expected::Value,
        keys: Keys::default(),
        out,
    };
    while let Some(token) = reader.words.next() {
        match reader.read(&token) {
            Ok(()) => {}
            Err(Stop::Invalid) => return false,
            Err(Stop::TooDeep) => {
                reader.out.rest("too_deep", token.start..range.end);
                return true;
            }
            Err(Stop::TooMany) => {
                reader.out.rest("too_many_values", token.start..range.end);
                return true;
            }
        }
    }
    reader.outer.is_empty() && reader.expected == Expected::Nothing
}

/// Reads words, and knows which ones may follow.
struct Reader<'c, 'a> {
    out: &'c mut Collector<'a>,
    words: Lexer<'a>,
    /// What the outermost value is called.
    root: NameRef,
    /// What the value that is read is called.
    name: NameRef,
    /// What is read at present, and what that lies in, the document first.
    inner: Frame,
    outer: Vec<Frame>,
    expected: Expected,
    keys: Keys,
    full: usize,
}

/// A list or object that has begun and not ended.
#[derive(Clone, Copy)]
struct Frame {
    kind: Container,
    /// What the values within are called by.
    within: NameRef,
    begun: Progress,
}

#[derive(Clone, Copy)]
enum Container {
    /// What has no end of its own.
    Document,
    Object(Object),
    /// How many elements it has had.
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
    /// We do not, because of the depth.
    TooDeep,
    /// We do not, because of the number of values.
    TooMany,
}

impl Frame {
    fn document(out: &Collector<'_>) -> Self {
        Self {
            kind: Container::Document,
            within: NameRef::ROOT,
            begun: out.progress(),
        }
    }
}

impl Reader<'_, '_> {
    #[inline(always)]
    fn read(&mut self, token: &Token) -> Result<(), Stop> {
        match token.kind {
            Kind::String | Kind::Number | Kind::SingleQuoted | Kind::Literal => self.word(token),
            Kind::ObjectStart | Kind::ArrayStart => {
                self.begin_value(token)?;
                self.open(token.kind)
            }
            Kind::ObjectEnd | Kind::ArrayEnd => self.close(token),
            Kind::Colon if self.expected == Expected::Colon => {
                self.expected = Expected::Value;
                Ok(())
            }
            Kind::Comma if self.expected == Expected::Separator => {
                self.expected = self.behind_comma();
                Ok(())
            }
            Kind::Comment => {
                self.check_room()?;
                self.out.rest("json_comment", token.range());
                Ok(())
            }
            Kind::Unterminated => self.word(token).and(Err(Stop::Invalid)),
            Kind::Colon | Kind::Comma => Err(Stop::Invalid),
        }
    }

    #[inline(always)]
    fn word(&mut self, token: &Token) -> Result<(), Stop> {
        if matches!(self.expected, Expected::FirstKey | Expected::Key) {
            return self.key(token);
        }
        self.begin_value(token)?;
        self.leaf(token)
    }

    /// Checks that a value may begin here, and leads the name to it.
    #[inline]
    fn begin_value(&mut self, token: &Token) -> Result<(), Stop> {
        match self.expected {
            Expected::Value | Expected::FirstElement | Expected::Element => {}
            Expected::Nothing => {
                self.note("json_several_values", token);
                self.name = self.root;
            }
            _ => return Err(Stop::Invalid),
        }
        if let Container::Array(elements) = &mut self.inner.kind {
            self.name = self.inner.within.element(*elements);
            *elements += 1;
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind) -> Result<(), Stop> {
        if self.outer.len() == MAX_DEPTH {
            return Err(Stop::TooDeep);
        }
        let (kind, expected) = if kind == Kind::ObjectStart {
            (Container::Object(self.keys.open()), Expected::FirstKey)
        } else {
            (Container::Array(0), Expected::FirstElement)
        };
        self.outer.push(self.inner);
        self.inner = Frame {
            kind,
            begun: self.out.progress(),
            within: self.out.within(self.name),
        };
        self.expected = expected;
        Ok(())
    }

    fn close(&mut self, token: &Token) -> Result<(), Stop> {
        match (self.inner.kind, token.kind, self.expected) {
            (Container::Object(_), Kind::ObjectEnd, Expected::FirstKey | Expected::Separator)
            | (Container::Array(_), Kind::ArrayEnd, Expected::FirstElement | Expected::Separator) =>
                {}
            (Container::Object(_), Kind::ObjectEnd, Expected::Key)
            | (Container::Array(_), Kind::ArrayEnd, Expected::Element) => {
                self.note("json_trailing_comma", token);
            }
            _ => return Err(Stop::Invalid),
        }
        if let Container::Object(object) = self.inner.kind {
            self.keys.close(object);
        }
        self.out.forget_names(self.inner.begun);
        self.inner = self.outer.pop().ok_or(Stop::Invalid)?;
        self.end_value();
        Ok(())
    }

    /// Nearly always, what follows is a comma, or the end of what the value lies in.
    #[inline]
    fn end_value(&mut self) {
        self.expected = match self.inner.kind {
            Container::Document => Expected::Nothing,
            _ if self.words.eat(b',') => self.behind_comma(),
            _ => Expected::Separator,
        };
    }

    #[inline]
    const fn behind_comma(&self) -> Expected {
        match self.inner.kind {
            Container::Object(_) => Expected::Key,
            _ => Expected::Element,
        }
    }

    #[inline]
    fn key(&mut self, token: &Token) -> Result<(), Stop> {
        self.check_room()?;
        if matches!(token.kind, Kind::Literal | Kind::Number) {
            self.note("json_bare_key", token);
        }
        let (within, range) = (self.inner.within, token.range());
        let (name, index, marks) = self.out.own_key(within, range, Syntax::JsonString);
        self.name = name;
        if let Container::Object(object) = &mut self.inner.kind {
            let out = &*self.out;
            let key = if marks.meets(Marks::of_byte(b'\\')) {
                out.first(index)
            } else {
                out.text(&token.range())
            };
            if self
                .keys
                .is_repeated(object, index, key, |key| out.first(key))
            {
                self.note("duplicate_key", token);
            }
        }
        self.note_spelling(token, marks);
        self.expected = if self.words.eat(b':') {
            Expected::Value
        } else {
            Expected::Colon
        };
        Ok(())
    }

    #[inline(always)]
    fn leaf(&mut self, token: &Token) -> Result<(), Stop> {
        if token.kind == Kind::Literal {
            return self.literal(token);
        }
        self.value(token)?;
        self.end_value();
        Ok(())
    }

    #[inline(never)]
    fn literal(&mut self, token: &Token) -> Result<(), Stop> {
        let text = self.out.text(&token.range());
        if !matches!(text, b"true" | b"false" | b"null") {
            if !is_number(text) {
                self.note("json_literal", token);
            }
            self.value(token)?;
            // Any other word is no value to anybody; the words behind it must not be torn apart then.
            if !is_lenient_literal(text) {
                return Err(Stop::Invalid);
            }
        }
        self.end_value();
        Ok(())
    }

    #[inline(always)]
    fn value(&mut self, token: &Token) -> Result<(), Stop> {
        self.check_room()?;
        let range = token.range();
        let marks = self.out.own_value(self.name, range, Syntax::JsonString);
        self.note_spelling(token, marks);
        Ok(())
    }

    #[inline]
    fn check_room(&self) -> Result<(), Stop> {
        if self.out.len() < self.full {
            Ok(())
        } else {
            Err(Stop::TooMany)
        }
    }

    /// Notes what is odd about a string of bytes of these `marks`.
    #[inline]
    fn note_spelling(&mut self, token: &Token, marks: Marks) {
        if token.kind == Kind::SingleQuoted {
            self.note("json_single_quotes", token);
        }
        if marks.meets(Marks::CONTROL)
            && self
                .out
                .text(&token.range())
                .iter()
                .any(|byte| *byte < b' ')
        {
            self.note("json_control_character", token);
        }
    }

    #[cold]
    fn note(&mut self, kind: &'static str, token: &Token) {
        self.out.note(kind, token.range());
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
