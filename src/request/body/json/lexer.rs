//! The words of a JSON text, each with its place; tolerant of what lenient parsers tolerate.

use std::ops::Range;

/// A word and where it is. The range of a string leaves out its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
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
    /// A run of anything else: a number, `true`, `NaN`, rubbish.
    Literal,
    /// `// …`, `/* … */` or `# …`.
    Comment,
}

/// Cuts a text into words. Every byte is looked at a constant number of times.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Lexer<'t> {
    /// The words of `text` from `at` on.
    pub(super) const fn new(text: &'t [u8], at: usize) -> Self {
        Self { text, at }
    }

    fn token(&mut self, kind: Kind, len: usize) -> Token {
        let range = self.at..(self.at + len).min(self.text.len());
        self.at = range.end;
        Token { kind, range }
    }

    fn string(&mut self, quote: u8) -> Token {
        let start = self.at + 1;
        let mut from = start;
        loop {
            let rest = self.text.get(from..).unwrap_or_default();
            let Some(found) = memchr::memchr2(quote, b'\\', rest).map(|at| from + at) else {
                self.at = self.text.len();
                return Token {
                    kind: Kind::Unterminated,
                    range: start..self.at,
                };
            };
            if self.text.get(found) == Some(&quote) {
                self.at = found + 1;
                let kind = if quote == b'"' {
                    Kind::String
                } else {
                    Kind::SingleQuoted
                };
                return Token {
                    kind,
                    range: start..found,
                };
            }
            from = found + 2;
        }
    }

    fn literal(&mut self, rest: &[u8]) -> Token {
        let is_part = |byte: &u8| {
            !matches!(
                byte,
                b' ' | b'\t'
                    | b'\n'
                    | b'\r'
                    | b','
                    | b':'
                    | b'['
                    | b']'
                    | b'{'
                    | b'}'
                    | b'"'
                    | b'\''
            )
        };
        // The first byte begins nothing else, so the word has at least that.
        let len = 1 + rest.iter().skip(1).take_while(|byte| is_part(byte)).count();
        self.token(Kind::Literal, len)
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let rest = self.text.get(self.at..)?;
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
        self.at += blanks;
        let rest = rest.get(blanks..)?;
        let until = |end: Option<usize>, len: usize| end.map_or(rest.len(), |at| at + len);
        Some(match rest {
            [] => return None,
            [b'{', ..] => self.token(Kind::ObjectStart, 1),
            [b'}', ..] => self.token(Kind::ObjectEnd, 1),
            [b'[', ..] => self.token(Kind::ArrayStart, 1),
            [b']', ..] => self.token(Kind::ArrayEnd, 1),
            [b':', ..] => self.token(Kind::Colon, 1),
            [b',', ..] => self.token(Kind::Comma, 1),
            [quote @ (b'"' | b'\''), ..] => self.string(*quote),
            [b'/', b'/', ..] | [b'#', ..] => {
                let line = until(memchr::memchr(b'\n', rest), 1);
                self.token(Kind::Comment, line)
            }
            [b'/', b'*', inner @ ..] => {
                let comment = until(memchr::memmem::find(inner, b"*/"), 4);
                self.token(Kind::Comment, comment)
            }
            _ => self.literal(rest),
        })
    }
}
