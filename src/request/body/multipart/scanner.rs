//! Where the parts of a multipart body begin and end, found piece by piece (RFC 2046, 5.1).
//!
//! The scanner keeps no bytes. It is shown what is unread, and says what the first of it is; whoever asks keeps the rest
//! and shows it again with more behind it. Every byte of a body becomes part of exactly one token, so offsets are sums of
//! lengths, and a body that comes byte by byte has the same tokens as one that comes whole, but for how its content is
//! cut. What is kept back is bounded: a head by [`MAX_HEAD`], anything else by the length of a delimiter.
//!
//! It reads what lenient parsers read (line feeds without carriage returns, blanks behind a delimiter) and notes each
//! deviation, so that nothing that some parser takes for a part is taken for nothing here.

use memchr::memmem::Finder;

/// The longest head of a part. No honest one is near it.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// The most blanks behind a delimiter. They have no use but that gateways once added them (RFC 2046, 5.1.1).
const MAX_PADDING: usize = 64;

/// Finds the parts that one boundary makes.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The boundary and the dashes before it.
    finder: Finder<'static>,
    place: Where,
    /// What stands before the unread bytes.
    start: Start,
    /// How many of the unread bytes are known to hold nothing that is looked for.
    looked: usize,
    /// In a head, where the line that is being looked at begins.
    line: usize,
}

/// What the unread bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// No part: before the first delimiter, or behind the last.
    Outside,
    /// The headers of a part.
    Head,
    /// The content of a part.
    Content,
}

/// What stands before the unread bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// A byte that ends no line.
    Midline,
    /// The end of a line, or nothing.
    Line,
    /// The empty line that ends a head.
    EmptyLine,
}

/// The first of the unread bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// How many bytes it has.
    pub(super) length: usize,
    /// What is odd about it, as the name of an ambiguity.
    pub(super) note: Option<&'static str>,
}

/// What bytes of a multipart body are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A piece of what belongs to no part.
    Outside,
    /// A delimiter, the line end before it included, and the one behind.
    Delimiter {
        /// Whether it says that no part follows.
        is_last: bool,
    },
    /// All headers of a part, the empty line behind them included.
    Head,
    /// A piece of a part's content.
    Content,
}

/// What a boundary behind two dashes at the beginning of a line is.
enum Tail {
    /// It cannot be told yet.
    Unknown,
    /// The beginning of a longer line.
    Longer,
    /// A delimiter: how many bytes follow the boundary, whether it is the last one, and what is odd about it.
    Delimiter {
        length: usize,
        is_last: bool,
        ends_line: bool,
        note: Option<&'static str>,
    },
}

impl Scanner {
    /// A scanner for a body, or for a piece of one that begins with a delimiter or outside of all parts.
    pub(super) fn new(boundary: &[u8]) -> Self {
        let line = [b"--", boundary].concat();
        Self {
            finder: Finder::new(&line).into_owned(),
            place: Where::Outside,
            start: Start::Line,
            looked: 0,
            line: 0,
        }
    }

    /// The first token of what is unread; `None` where it takes more bytes to know, or where there are none. With
    /// `is_end` no more will come.
    pub(super) fn next(&mut self, unread: &[u8], is_end: bool) -> Option<Token> {
        let token = match self.place {
            Where::Head => self.head(unread, is_end)?,
            Where::Outside | Where::Content => self.content(unread, is_end)?,
        };
        self.looked = self.looked.saturating_sub(token.length);
        self.line = 0;
        Some(token)
    }

    /// The next token outside of heads.
    fn content(&mut self, unread: &[u8], is_end: bool) -> Option<Token> {
        let Some(at) = self.find(unread) else {
            // Of a delimiter that has not come wholly, the line end before it must still be there when it has.
            let kept = if is_end { 0 } else { self.dashes() + 1 };
            return self.piece(unread.len().saturating_sub(kept), None);
        };
        let behind = at + self.dashes();
        let Some((before, is_bare)) = self.line_end_before(unread, at) else {
            return self.piece(behind, Some("multipart_boundary_inline"));
        };
        if before > 0 {
            return self.piece(before, None);
        }
        match tail(unread.get(behind..).unwrap_or_default(), is_end) {
            Tail::Unknown => None,
            // With a byte of what makes it longer, so that it is none where it is looked at alone.
            Tail::Longer => self.piece(behind + 1, Some("multipart_boundary_prefix")),
            Tail::Delimiter {
                length,
                is_last,
                ends_line,
                note,
            } => {
                let missing =
                    (at == 0 && self.start == Start::EmptyLine).then_some("multipart_missing_crlf");
                let bare = is_bare.then_some("multipart_bare_lf");
                self.place = if is_last { Where::Outside } else { Where::Head };
                self.start = if ends_line {
                    Start::Line
                } else {
                    Start::Midline
                };
                // Found again otherwise, it would be looked for within itself.
                self.looked = behind + length;
                Some(Token {
                    kind: TokenKind::Delimiter { is_last },
                    length: behind + length,
                    note: bare.or(note).or(missing),
                })
            }
        }
    }

    /// A piece of content, or of what is outside; `None` if it has no bytes.
    fn piece(&mut self, length: usize, note: Option<&'static str>) -> Option<Token> {
        if length == 0 {
            return None;
        }
        self.start = Start::Midline;
        let kind = if self.place == Where::Outside {
            TokenKind::Outside
        } else {
            TokenKind::Content
        };
        Some(Token { kind, length, note })
    }

    /// The next token where a head is: the head, up to the empty line that ends it, or to the delimiter that cuts it off.
    fn head(&mut self, unread: &[u8], is_end: bool) -> Option<Token> {
        // What is beyond decides nothing, since it may not be there yet.
        let is_full = unread.len() >= MAX_HEAD;
        let unread = unread.get(..MAX_HEAD).unwrap_or(unread);
        loop {
            let rest = unread.get(self.looked..).unwrap_or_default();
            let Some(feed) = memchr::memchr(b'\n', rest) else {
                break;
            };
            let end = self.looked + feed + 1;
            let line = unread.get(self.line..end).unwrap_or_default();
            if matches!(line, b"\r\n" | b"\n") {
                self.place = Where::Content;
                self.start = Start::EmptyLine;
                self.looked = end;
                return Some(Token {
                    kind: TokenKind::Head,
                    length: end,
                    note: None,
                });
            }
            if self.is_delimiter(line) {
                return self.broken_head(self.line, "multipart_no_content");
            }
            (self.line, self.looked) = (end, end);
        }
        self.looked = unread.len();
        let line = unread.get(self.line..).unwrap_or_default();
        if is_full {
            let length = if self.line == 0 { MAX_HEAD } else { self.line };
            self.broken_head(length, "multipart_long_head")
        } else if !is_end {
            None
        } else if self.is_delimiter(line) {
            self.broken_head(self.line, "multipart_no_content")
        } else {
            self.broken_head(unread.len(), "multipart_no_content")
        }
    }

    /// A head that no empty line ends. What follows is content.
    fn broken_head(&mut self, length: usize, note: &'static str) -> Option<Token> {
        self.place = Where::Content;
        self.start = if length == self.line {
            Start::Line
        } else {
            Start::Midline
        };
        self.looked = length;
        Some(Token {
            kind: TokenKind::Head,
            length,
            note: Some(note),
        })
    }

    /// Whether a line is a delimiter.
    fn is_delimiter(&self, line: &[u8]) -> bool {
        line.strip_prefix(self.finder.needle())
            .is_some_and(|rest| matches!(tail(rest, true), Tail::Delimiter { .. }))
    }

    /// Where the boundary behind its dashes is.
    fn find(&mut self, unread: &[u8]) -> Option<usize> {
        let rest = unread.get(self.looked..).unwrap_or_default();
        let found = self.finder.find(rest);
        self.looked = match found {
            Some(at) => self.looked + at,
            None => self
                .looked
                .max((unread.len() + 1).saturating_sub(self.dashes())),
        };
        found.map(|_| self.looked)
    }

    /// Where the line end before a delimiter at `at` begins, and whether it is a line feed alone; `None` if the line begins
    /// earlier.
    fn line_end_before(&self, unread: &[u8], at: usize) -> Option<(usize, bool)> {
        match unread.get(..at).unwrap_or_default() {
            [] => (self.start != Start::Midline).then_some((0, false)),
            [.., b'\r', b'\n'] => Some((at - 2, false)),
            [.., b'\n'] => Some((at - 1, true)),
            _ => None,
        }
    }

    /// How long the boundary is with the dashes before it.
    fn dashes(&self) -> usize {
        self.finder.needle().len()
    }
}

/// What the bytes behind a boundary make of it.
fn tail(behind: &[u8], is_end: bool) -> Tail {
    let is_last = behind.starts_with(b"--");
    if !is_end && !is_last && matches!(behind, [] | [b'-']) {
        return Tail::Unknown;
    }
    let dashes = if is_last { 2 } else { 0 };
    let rest = behind.get(dashes..).unwrap_or_default();
    let is_blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    let blanks = rest
        .iter()
        .take(MAX_PADDING + 1)
        .take_while(is_blank)
        .count();
    let padded = (blanks > 0).then_some("multipart_boundary_padding");
    let is_longer = blanks > MAX_PADDING;
    let (line_end, note) = match rest.get(blanks..).unwrap_or_default() {
        _ if is_longer && is_last => (0, Some("multipart_boundary_prefix")),
        _ if is_longer => return Tail::Longer,
        [b'\r', b'\n', ..] => (2, padded),
        [b'\n', ..] => (1, Some("multipart_bare_lf")),
        [] | [b'\r'] if !is_end => return Tail::Unknown,
        [] => (0, padded),
        _ if is_last => (0, Some("multipart_boundary_prefix")),
        _ => return Tail::Longer,
    };
    Tail::Delimiter {
        length: dashes + blanks + line_end,
        is_last,
        ends_line: line_end > 0,
        note,
    }
}
