//! The words of a JSON text, each with its place; tolerant of what lenient parsers tolerate.

use std::ops::Range;

use super::super::super::scan;

/// A word and where it is. The range of a string leaves out its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Colon,
    Comma,
    /// In double quotes.
    String,
    /// In single quotes, as JSON5 has it.
    SingleQuoted,
    /// A string that nothing ends.
    Unterminated,
    /// A whole number of a few digits, as every parser reads it.
    Number,
    /// A run of anything else: other numbers, `true`, `NaN`, rubbish.
    Literal,
    /// `// …`, `/* … */` or `# …`.
    Comment,
}

/// Cuts a text into words. Every byte is looked at a constant number of times.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
}

/// Whether a byte ends a literal.
static ENDS_LITERAL: [bool; 256] = {
    let mut ends = [false; 256];
    let mut rest = ends.as_mut_slice();
    let mut byte = 0u8;
    while let [first, others @ ..] = rest {
        *first = matches!(
            byte,
            b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'[' | b']' | b'{' | b'}' | b'"' | b'\''
        );
        byte = byte.wrapping_add(1);
        rest = others;
    }
    ends
};

fn ends_literal(byte: u8) -> bool {
    ENDS_LITERAL.get(usize::from(byte)).copied().unwrap_or(true)
}

// === impl Token ===

impl Token {
    pub(super) const fn range(&self) -> Range<usize> {
        self.start..self.end
    }
}

// === impl Lexer ===

impl<'t> Lexer<'t> {
    /// The words of `text` from `at` on.
    pub(super) const fn new(text: &'t [u8], at: usize) -> Self {
        Self { text, at }
    }

    #[inline]
    fn token(&mut self, kind: Kind, len: usize) -> Token {
        let start = self.at;
        self.at = (start + len).min(self.text.len());
        let end = self.at;
        Token { kind, start, end }
    }

    #[inline]
    fn string(&mut self, quote: u8) -> Token {
        let start = self.at + 1;
        let mut from = start;
        loop {
            let rest = self.text.get(from..).unwrap_or_default();
            let Some(end) = scan::find2(rest, quote, b'\\').map(|at| from + at) else {
                self.at = self.text.len();
                let (kind, end) = (Kind::Unterminated, self.at);
                return Token { kind, start, end };
            };
            if self.text.get(end) == Some(&quote) {
                self.at = end + 1;
                let kind = if quote == b'"' {
                    Kind::String
                } else {
                    Kind::SingleQuoted
                };
                return Token { kind, start, end };
            }
            from = end + 2;
        }
    }

    #[inline]
    fn number(&mut self, rest: &[u8]) -> Token {
        let digits = scan::digits(rest);
        let ends = rest.get(digits).copied().is_some_and(ends_literal);
        // One that begins with a zero is none to many parsers.
        if ends && (digits == 1 || rest.first() != Some(&b'0')) {
            return self.token(Kind::Number, digits);
        }
        self.literal(rest)
    }

    fn literal(&mut self, rest: &[u8]) -> Token {
        // The first byte begins nothing else, so the word has at least that.
        let others = rest.iter().skip(1);
        let len = 1 + others.take_while(|byte| !ends_literal(**byte)).count();
        self.token(Kind::Literal, len)
    }

    fn comment(&mut self, rest: &[u8]) -> Token {
        let until = |end: Option<usize>, len: usize| end.map_or(rest.len(), |at| at + len);
        let len = match rest {
            [b'/', b'*', inner @ ..] => until(memchr::memmem::find(inner, b"*/"), 4),
            _ => until(memchr::memchr(b'\n', rest), 1),
        };
        self.token(Kind::Comment, len)
    }

    /// Goes past `byte`, if it is the very next one.
    #[inline]
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// The rest of the text, from the next byte on that is no blank.
    #[inline]
    fn rest(&mut self) -> &'t [u8] {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            match rest {
                [b'\t' | b'\n' | b'\r', ..] => self.at += 1,
                // Where there is one space, there are often many.
                [b' ', ..] => self.at += scan::run(rest, b' '),
                _ => return rest,
            }
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    #[inline]
    fn next(&mut self) -> Option<Token> {
        let rest = self.rest();
        Some(match rest {
            [] => return None,
            [quote @ (b'"' | b'\''), ..] => self.string(*quote),
            [b'{', ..] => self.token(Kind::ObjectStart, 1),
            [b'}', ..] => self.token(Kind::ObjectEnd, 1),
            [b'[', ..] => self.token(Kind::ArrayStart, 1),
            [b']', ..] => self.token(Kind::ArrayEnd, 1),
            [b':', ..] => self.token(Kind::Colon, 1),
            [b',', ..] => self.token(Kind::Comma, 1),
            [b'0'..=b'9', ..] => self.number(rest),
            [b'/', b'/' | b'*', ..] | [b'#', ..] => self.comment(rest),
            _ => self.literal(rest),
        })
    }
}
