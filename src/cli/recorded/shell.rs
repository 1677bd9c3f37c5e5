//! A command line taken apart into words as a POSIX shell does, and as bash does for `$'…'`: what browsers copy as curl.
//!
//! Nothing is expanded or run. What only a shell can know (a variable, a substitution, a second command) is refused.

use super::Wrong;

/// A word, and the column at which it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// The words of a command line.
pub(super) fn words(text: &str) -> Result<Vec<Word>, Wrong> {
    let mut shell = Shell {
        rest: text.chars().peekable(),
        line: 1,
        column: 0,
    };
    let mut words = Vec::new();
    while let Some(word) = shell.word()? {
        words.push(word);
    }
    Ok(words)
}

struct Shell<'t> {
    rest: std::iter::Peekable<std::str::Chars<'t>>,
    line: usize,
    column: usize,
}

impl Shell<'_> {
    fn next(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        if character == '\n' {
            (self.line, self.column) = (self.line + 1, 0);
        } else {
            self.column += character.len_utf8();
        }
        Some(character)
    }

    fn wrong(&self, message: &str) -> Wrong {
        Wrong::new(self.line, self.column.max(1), message)
    }

    /// The next word; `None` at the end.
    fn word(&mut self) -> Result<Option<Word>, Wrong> {
        self.skip_space();
        let (line, column) = (self.line, self.column + 1);
        let mut text = String::new();
        let mut is_word = false;
        while let Some(&character) = self.rest.peek() {
            if character.is_whitespace() {
                break;
            }
            self.next();
            is_word = true;
            match character {
                '\'' => self.quoted(&mut text)?,
                '"' => self.double_quoted(&mut text)?,
                '$' if self.rest.peek() == Some(&'\'') => {
                    self.next();
                    self.escaped(&mut text)?;
                }
                '$' if self.begins_name() => return Err(self.variable()),
                '`' => return Err(self.wrong("a command within the command is not run")),
                '|' | ';' | '<' | '>' | '(' | ')' => {
                    return Err(self.wrong("one command of curl is read, and nothing around it"));
                }
                '&' => return Err(self.wrong("put the URL into quotes: a bare `&` ends a command")),
                '\\' => match self.next() {
                    Some('\n') => is_word = !text.is_empty(),
                    Some(character) => text.push(character),
                    None => text.push('\\'),
                },
                _ => text.push(character),
            }
        }
        Ok(is_word.then_some(Word { text, line, column }))
    }

    /// Skips white space, and the ends of lines that are continued.
    fn skip_space(&mut self) {
        while let Some(&character) = self.rest.peek() {
            let is_continuation = character == '\\' && {
                let mut ahead = self.rest.clone();
                ahead.next();
                matches!(ahead.next(), Some('\n' | '\r'))
            };
            if is_continuation {
                self.next();
            } else if !character.is_whitespace() {
                return;
            }
            self.next();
        }
    }

    fn quoted(&mut self, text: &mut String) -> Result<(), Wrong> {
        let open = self.wrong("this quote is not closed");
        loop {
            match self.next().ok_or(()) {
                Ok('\'') => return Ok(()),
                Ok(character) => text.push(character),
                Err(()) => return Err(open),
            }
        }
    }

    fn double_quoted(&mut self, text: &mut String) -> Result<(), Wrong> {
        let open = self.wrong("this quote is not closed");
        loop {
            match self.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.next() {
                    Some('\n') => {}
                    Some(character @ ('"' | '\\' | '$' | '`' | '!')) => text.push(character),
                    Some(character) => text.extend(['\\', character]),
                    None => return Err(open),
                },
                Some('$') if self.begins_name() => return Err(self.variable()),
                Some('`') => return Err(self.wrong("a command within the command is not run")),
                Some(character) => text.push(character),
                None => return Err(open),
            }
        }
    }

    /// The inside of `$'…'`.
    fn escaped(&mut self, text: &mut String) -> Result<(), Wrong> {
        let open = self.wrong("this quote is not closed");
        loop {
            match self.next() {
                Some('\'') => return Ok(()),
                Some('\\') => {
                    let Some(character) = self.next() else {
                        return Err(open);
                    };
                    let code = match character {
                        'n' => Some('\n'),
                        'r' => Some('\r'),
                        't' => Some('\t'),
                        'x' => self.number(16, 2),
                        'u' => self.number(16, 4),
                        'U' => self.number(16, 8),
                        '0' => self.number(8, 3),
                        'a' => Some('\u{7}'),
                        'b' => Some('\u{8}'),
                        'e' => Some('\u{1b}'),
                        'f' => Some('\u{c}'),
                        'v' => Some('\u{b}'),
                        _ => Some(character),
                    };
                    let no_code = || self.wrong("this escape stands for no character");
                    text.push(code.ok_or_else(no_code)?);
                }
                Some(character) => text.push(character),
                None => return Err(open),
            }
        }
    }

    fn number(&mut self, radix: u32, digits: usize) -> Option<char> {
        let mut code = 0_u32;
        for _ in 0..digits {
            let Some(digit) = self.rest.peek().and_then(|next| next.to_digit(radix)) else {
                break;
            };
            self.next();
            code = code.saturating_mul(radix).saturating_add(digit);
        }
        char::from_u32(code)
    }

    fn begins_name(&mut self) -> bool {
        let next = self.rest.peek();
        next.is_some_and(|next| next.is_alphanumeric() || matches!(next, '_' | '{' | '(' | '@'))
    }

    fn variable(&self) -> Wrong {
        self.wrong("a variable of the shell is not known here; write what it stands for")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_a_shell_makes_of_them() {
        for (line, expected) in [
            ("curl  a\tb\n", &["curl", "a", "b"][..]),
            ("curl 'a b'\"c d\"e", &["curl", "a bc de"]),
            (r#"curl "a\"b\\c\d" 'a\b'"#, &["curl", r#"a"b\c\d"#, r"a\b"]),
            (
                "curl \\\n  -H 'a: b' \\\r\n c",
                &["curl", "-H", "a: b", "c"],
            ),
            ("curl ''", &["curl", ""]),
            (r"curl $'a\'b\n\x41\u00e9\\'", &["curl", "a'b\nA\u{e9}\\"]),
            (r"curl a\ b 5$ '$x'", &["curl", "a b", "5$", "$x"]),
            ("", &[]),
        ] {
            let words = words(line).expect(line);
            let texts: Vec<_> = words.iter().map(|word| &*word.text).collect();
            assert_eq!(texts, expected, "{line}");
        }
    }

    #[test]
    fn what_only_a_shell_can_know_is_refused_by_its_place() {
        for (line, at) in [
            ("curl 'a", (1, 6)),
            ("curl \\\n \"a", (2, 2)),
            ("curl $HOME", (1, 6)),
            ("curl \"a$(id)\"", (1, 8)),
            ("curl `id`", (1, 6)),
            ("curl a?b&c", (1, 9)),
            ("curl a | sh", (1, 8)),
            (r"curl $'\ud800'", (1, 13)),
        ] {
            let wrong = words(line).expect_err(line);
            assert_eq!((wrong.line, wrong.column), at, "{line}: {wrong}");
        }
    }
}
