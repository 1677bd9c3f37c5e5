//! The words of a GraphQL document, each with its place (GraphQL, October 2021, 2.1). What is ignored between words is left
//! out, comments are not.

use std::ops::Range;

/// A word and where it is. The range of a string leaves out its quotes, that of a comment its sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of `! $ & ( ) : = @ [ ] { | }`.
    Sign(u8),
    /// `...`.
    Spread,
    Name,
    Number,
    /// In quotes, on one line.
    String,
    /// In three quotes.
    Block,
    /// A string that nothing ends.
    Unterminated,
    Comment,
    /// Anything that is in no document.
    Other,
}

/// Cuts a text into words. Every byte is looked at a constant number of times.
pub(super) struct Lexer<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(super) const fn new(text: &'t [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn token(&mut self, kind: Kind, len: usize) -> Token {
        let range = self.at..(self.at + len).min(self.text.len());
        self.at = range.end;
        Token { kind, range }
    }

    fn run(&mut self, kind: Kind, rest: &[u8], is_part: fn(&u8) -> bool) -> Token {
        // The first byte has been looked at.
        let len = 1 + rest.iter().skip(1).take_while(|byte| is_part(byte)).count();
        self.token(kind, len)
    }

    fn comment(&mut self, rest: &[u8]) -> Token {
        let len = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let mut token = self.token(Kind::Comment, len);
        token.range.start += 1;
        token
    }

    fn string(&mut self, rest: &[u8]) -> Token {
        let start = self.at + 1;
        let mut len = 1;
        loop {
            let tail = rest.get(len..).unwrap_or_default();
            let found = tail
                .iter()
                .position(|byte| matches!(byte, b'"' | b'\\' | b'\n' | b'\r'));
            let Some(found) = found else {
                self.at = self.text.len();
                return Token {
                    kind: Kind::Unterminated,
                    range: start.min(self.at)..self.at,
                };
            };
            len += found;
            let (kind, taken) = match rest.get(len) {
                Some(b'\\') => {
                    len += 2;
                    continue;
                }
                Some(b'"') => (Kind::String, len + 1),
                _ => (Kind::Unterminated, len),
            };
            let end = self.at + len;
            self.at += taken;
            return Token {
                kind,
                range: start..end,
            };
        }
    }

    fn block(&mut self, rest: &[u8]) -> Token {
        const QUOTES: &[u8] = b"\"\"\"";
        let start = self.at + QUOTES.len();
        let mut len = QUOTES.len();
        loop {
            let tail = rest.get(len..).unwrap_or_default();
            let Some(found) = memchr::memmem::find(tail, QUOTES) else {
                self.at = self.text.len();
                return Token {
                    kind: Kind::Unterminated,
                    range: start..self.at,
                };
            };
            let end = len + found;
            len = end + QUOTES.len();
            // `\"""` is the only escape of a block.
            if rest.get(end - 1) != Some(&b'\\') {
                let range = start..self.at + end;
                self.at += len;
                let kind = Kind::Block;
                return Token { kind, range };
            }
        }
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let text = self.text;
        let mut rest = text.get(self.at..)?;
        loop {
            let blanks = rest.iter().take_while(|byte| is_ignored(byte)).count();
            self.at += blanks;
            rest = rest.get(blanks..)?;
            match rest.strip_prefix(b"\xef\xbb\xbf") {
                Some(behind) => {
                    self.at += 3;
                    rest = behind;
                }
                None => break,
            }
        }
        Some(match rest {
            [] => return None,
            [b'.', b'.', b'.', ..] => self.token(Kind::Spread, 3),
            [
                sign @ (b'!' | b'$' | b'&' | b'(' | b')' | b':' | b'=' | b'@' | b'[' | b']' | b'{'
                | b'|' | b'}'),
                ..,
            ] => self.token(Kind::Sign(*sign), 1),
            [b'#', ..] => self.comment(rest),
            [b'"', b'"', b'"', ..] => self.block(rest),
            [b'"', ..] => self.string(rest),
            [b'_' | b'A'..=b'Z' | b'a'..=b'z', ..] => self.run(Kind::Name, rest, |byte| {
                byte.is_ascii_alphanumeric() || *byte == b'_'
            }),
            [b'-' | b'0'..=b'9', ..] => self.run(Kind::Number, rest, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-')
            }),
            _ => self.run(Kind::Other, rest, |byte| !byte.is_ascii()),
        })
    }
}

const fn is_ignored(byte: &u8) -> bool {
    matches!(*byte, b' ' | b'\t' | b'\n' | b'\r' | b',')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(Kind, &str)> {
        Lexer::new(text.as_bytes())
            .map(|token| (token.kind, text.get(token.range).unwrap()))
            .collect()
    }

    #[test]
    fn a_document_is_cut_into_its_words() {
        use Kind::{Block, Comment, Name, Number, Other, Sign, Spread, String, Unterminated};
        for (text, expected) in [
            ("\u{feff} ,\t\r\n", &[][..]),
            ("{a}", &[(Sign(b'{'), "{"), (Name, "a"), (Sign(b'}'), "}")]),
            ("...on a1_", &[(Spread, "..."), (Name, "on"), (Name, "a1_")]),
            ("a#b\"\nc", &[(Name, "a"), (Comment, "b\""), (Name, "c")]),
            ("-1.5e+3 0", &[(Number, "-1.5e+3"), (Number, "0")]),
            ("\"\" \"a\\\"b\"", &[(String, ""), (String, "a\\\"b")]),
            ("\"a\nb", &[(Unterminated, "a"), (Name, "b")]),
            ("\"a\\", &[(Unterminated, "a\\")]),
            ("\"", &[(Unterminated, "")]),
            (
                "\"\"\"a\"b\n\\\"\"\"c\"\"\"d",
                &[(Block, "a\"b\n\\\"\"\"c"), (Name, "d")],
            ),
            ("\"\"\"\"\"\"", &[(Block, "")]),
            ("\"\"\"a", &[(Unterminated, "a")]),
            ("a;ü?", &[(Name, "a"), (Other, ";ü"), (Other, "?")]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }
}
