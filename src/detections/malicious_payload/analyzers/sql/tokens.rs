//! The words of SQL, in any dialect: what MySQL, PostgreSQL, SQL Server, Oracle and SQLite read alike or each by itself.

use std::sync::LazyLock;

use super::super::bytes::{Words, blanks, is_one_of, is_word, rest};

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, maybe in backquotes or brackets; what else it is, [`Token::keyword`] tells.
    Name,
    Number,
    /// Text in quotes; one that nothing ends is one as well.
    Text,
    /// `@x`, `@@version`, `:x`, `$1`.
    Variable,
    /// A comparison: `=`, `<>`, `<=>`, `!=`, `~`.
    Comparison,
    /// What connects two values: `+`, `-`, `*`, `/`, `%`, `^`, `.`.
    Operator,
    /// `||`, `&&`: they connect conditions, or texts.
    Connective,
    /// `|`, `&`.
    Bit,
    Open,
    Close,
    Comma,
    Semicolon,
    /// A comment that goes to the end of the line or of the value, and so cuts off what follows.
    Cut,
    /// Anything else.
    Other,
}

/// All words that [`Token::is_one_of`] may be asked for. A name is looked up once, when it is read; most are none of these.
static KEYWORDS: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "rownum commit rollback show flush tables databases columns grants variables processlist privileges logs hosts status explain describe use lock prepare do kill \
        a add all all_tab_columns all_tables alter an analyse and as ascii attach backup begin benchmark between bin
            binary by call cascade case cast char chr coalesce column concat concat_ws convert copy create current_setting
            current_user data database dba_users declare delay delete distinct div drop dumpfile each elt end except exec
            execute exists exp extractvalue false floor from function generate_series get_host_address glob grant group
            group_concat handler having hex identified if ifnull ignore iif ilike immediate in index infile
            information_schema insert intersect into is isnull join json_keys len length like limit lo_import load
            load_extension load_file log login make_set master merge mid minus mod modify msysobjects my nchar not now null
            nvl offset on open or ord order our outfile pg_catalog pg_read_file pg_shadow pg_sleep pg_user pragma procedure
            program rand randomblob rdb$relations read receive_message regexp rename replace restore restrict returns rlike
            role row_count schema select session_user set shutdown sleep sounds sqlite_master sqlite_schema stdin stdout
            substr substring syscat syscolumns sysdatabases sysdate sysibm sysobjects system_user sysusers table that the
            then these this time to top trigger true truncate unhex union unknown update updatexml user user_tables using
            values version view waitfor when where with xmltype xor your
        ",
    )
});

/// A word and where it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    /// Whether it is a name that is one of [`KEYWORDS`].
    is_keyword: bool,
    pub(super) text: &'t [u8],
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The most words that are read from one place on. A shape that says something is shorter.
pub(super) const MOST: usize = 32;

/// The first words of a text.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'t> {
    tokens: [Token<'t>; MOST],
    len: usize,
    /// Whether the text goes on.
    pub(super) goes_on: bool,
}

impl Token<'_> {
    /// Whether a text is a short word, or none, behind a quote that nothing closes.
    pub(super) fn is_open_word(&self) -> bool {
        let inner = rest(self.text, 1);
        inner.len() <= 16 && inner.iter().all(|byte| is_word(*byte))
    }

    /// Whether the word is this keyword, in either case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.is_one_of(&[keyword])
    }

    /// Whether the word is one of these keywords.
    pub(super) fn is_one_of(&self, keywords: &[&str]) -> bool {
        debug_assert!(
            keywords
                .iter()
                .all(|keyword| KEYWORDS.has(keyword.as_bytes())),
            "{keywords:?} are keywords"
        );
        self.is_keyword && is_one_of(self.text, keywords)
    }
}

impl Token<'_> {
    /// Whether a query can go on with the word behind a value: names and values side by side say nothing.
    fn may_go_on(&self) -> bool {
        match self.kind {
            Kind::Name => self.is_keyword,
            Kind::Comparison
            | Kind::Operator
            | Kind::Connective
            | Kind::Bit
            | Kind::Semicolon
            | Kind::Cut => true,
            _ => false,
        }
    }
}

impl<'t> Tokens<'t> {
    /// No words yet.
    pub(super) const fn new() -> Self {
        const NOTHING: Token<'_> = Token {
            kind: Kind::Other,
            is_keyword: false,
            text: &[],
            start: 0,
            end: 0,
        };
        Self {
            tokens: [NOTHING; MOST],
            len: 0,
            goes_on: false,
        }
    }

    /// Reads the words of `text` from `at` on, in place of those that were read before.
    pub(super) fn read(&mut self, text: &'t [u8], at: usize) -> &Self {
        self.len = 0;
        self.goes_on = false;
        let mut reader = Reader { text, at };
        while let Some(token) = reader.next() {
            let Some(place) = self.tokens.get_mut(self.len) else {
                self.goes_on = true;
                break;
            };
            *place = token;
            self.len += 1;
        }
        self
    }

    /// Reads the words behind a text that has ended, in place of those that were read before: no further than to the first
    /// behind closing parentheses, if a query cannot go on with it.
    pub(super) fn read_behind(&mut self, text: &'t [u8], at: usize) -> &Self {
        let mut reader = Reader { text, at };
        loop {
            match reader.next() {
                Some(token) if token.kind == Kind::Close => {}
                Some(token) if token.may_go_on() => return self.read(text, at),
                _ => break,
            }
        }
        self.len = 0;
        self.goes_on = false;
        self
    }

    pub(super) fn as_slice(&self) -> &[Token<'t>] {
        self.tokens.get(..self.len).unwrap_or_default()
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<Token<'t>> {
        self.skip_blanks();
        let start = self.at;
        let left = rest(self.text, start);
        let (kind, len) = match left {
            [] => return None,
            [b'-', b'-', ..] => (Kind::Cut, line(left)),
            [b'#', ..] => (Kind::Cut, line(left)),
            // A comment that nothing ends.
            [b'/', b'*', ..] => (Kind::Cut, left.len()),
            [quote @ (b'\'' | b'"'), ..] => (Kind::Text, quoted(left, *quote)),
            [b'`', ..] => (Kind::Name, quoted(left, b'`')),
            [b'0'..=b'9', ..] => (Kind::Number, number(left)),
            [b'.', b'0'..=b'9', ..] => (Kind::Number, 1 + number(rest(left, 1))),
            [b'$', inner @ ..] if dollar_quoted(inner).is_some() => {
                (Kind::Text, 1 + dollar_quoted(inner).unwrap_or_default())
            }
            // What is asked of JSON (PostgreSQL): whether one contains another, or has a key.
            [b'@', b'>', ..] | [b'<', b'@', ..] => (Kind::Comparison, 2),
            [b'?', inner @ ..] if rest(inner, blanks(inner).min(4)).starts_with(b"'") => {
                (Kind::Comparison, 1)
            }
            // No value, to MySQL; what follows is a word of its own.
            [b'\\', b'N', ..] => (Kind::Number, 2),
            [b':', b'=', ..] => (Kind::Comparison, 2),
            [b'-', b'>', b'>', ..] => (Kind::Operator, 3),
            [b'-', b'>', ..] => (Kind::Operator, 2),
            [b'@' | b':' | b'$', ..] => (
                Kind::Variable,
                1 + left
                    .iter()
                    .skip(1)
                    .take_while(|byte| is_word(**byte) || **byte == b'@')
                    .count(),
            ),
            [b'<', b'=', b'>', ..] => (Kind::Comparison, 3),
            [b'<' | b'>' | b'!' | b'=', b'=' | b'<' | b'>', ..] => (Kind::Comparison, 2),
            [b'=' | b'<' | b'>' | b'~', ..] => (Kind::Comparison, 1),
            [b'|', b'|', ..] | [b'&', b'&', ..] => (Kind::Connective, 2),
            [b'|' | b'&', ..] => (Kind::Bit, 1),
            [b'+' | b'-' | b'*' | b'/' | b'%' | b'^' | b'.' | b'!', ..] => (Kind::Operator, 1),
            [b'(' | b'{', ..] => (Kind::Open, 1),
            [b')' | b'}', ..] => (Kind::Close, 1),
            [b',', ..] => (Kind::Comma, 1),
            [b';', ..] => (Kind::Semicolon, 1),
            [b'[', ..] => (
                Kind::Name,
                left.iter()
                    .take(64)
                    .position(|byte| *byte == b']')
                    .map_or(1, |end| end + 1),
            ),
            [byte, ..] if is_word(*byte) || *byte >= 0x80 => (
                Kind::Name,
                left.iter()
                    .take_while(|byte| is_word(**byte) || **byte >= 0x80)
                    .count(),
            ),
            _ => (Kind::Other, 1),
        };
        self.at = start + len;
        let text = left.get(..len)?;
        Some(Token {
            kind,
            is_keyword: kind == Kind::Name && KEYWORDS.has(text),
            text,
            start,
            end: self.at,
        })
    }

    /// Goes past blanks and comments between words. The inside of a comment of MySQL with a version is no comment there.
    fn skip_blanks(&mut self) {
        loop {
            let left = rest(self.text, self.at);
            match left {
                [b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c | 0 | 0xa0, ..] => self.at += 1,
                [b'/', b'*', b'!', inner @ ..] => {
                    self.at += 3 + inner
                        .iter()
                        .take(6)
                        .take_while(|byte| byte.is_ascii_digit())
                        .count();
                }
                [b'*', b'/', ..] => self.at += 2,
                [b':', b':', inner @ ..] if cast(inner) > 0 => self.at += 2 + cast(inner),
                [b'/', b'*', inner @ ..] => match memchr::memmem::find(inner, b"*/") {
                    Some(end) => self.at += 4 + end,
                    None => return,
                },
                _ => return,
            }
        }
    }
}

/// The length of the type that a value is cast to behind two colons (PostgreSQL): it changes nothing in what is compared.
fn cast(inner: &[u8]) -> usize {
    const TYPES: [&str; 22] = [
        "int", "int2", "int4", "int8", "integer", "bigint", "smallint", "numeric", "float",
        "float4", "float8", "text", "varchar", "char", "bool", "boolean", "date", "bytea", "json",
        "jsonb", "regclass", "name",
    ];
    let name = super::super::bytes::word(inner);
    if is_one_of(name, &TYPES) {
        name.len()
    } else {
        0
    }
}

/// The rest of a text in dollar quotes (PostgreSQL) behind the first sign: `$x$`, `tag$x$tag$`. One that nothing ends is none.
fn dollar_quoted(inner: &[u8]) -> Option<usize> {
    const LONGEST_TAG: usize = 16;
    let near = inner.get(..LONGEST_TAG).unwrap_or(inner);
    let tag = memchr::memchr(b'$', near)?;
    let delimiter = inner.get(..=tag)?;
    let is_name = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    if !delimiter.iter().take(tag).all(is_name) {
        return None;
    }
    // How far it is looked for, since a text may begin so a thousand times.
    const LONGEST: usize = 128;
    let content = rest(inner, tag + 1);
    let content = content.get(..LONGEST).unwrap_or(content);
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'$', rest(content, from)) {
        let dollar = from + found;
        if rest(content, dollar + 1).starts_with(delimiter) {
            return Some(tag + 1 + dollar + 1 + delimiter.len());
        }
        from = dollar + 1;
    }
    None
}

fn line(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).unwrap_or(text.len())
}

/// The length of a quoted text. A quote is written in it twice, or behind a backslash.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    // Nobody writes so many quotes into one text; what is read after them says nothing.
    let mut quotes = 0;
    while quotes < 64
        && let Some(found) = memchr::memchr2(quote, b'\\', rest(text, at))
    {
        at += found;
        quotes += 1;
        if text.get(at) == Some(&b'\\') || text.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a number: decimal, hexadecimal, with a fraction, with an exponent. What is glued to it is a word of its own.
fn number(text: &[u8]) -> usize {
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if matches!(text, [b'0', b'x' | b'X', next, ..] if next.is_ascii_hexdigit()) {
        return 2 + rest(text, 2)
            .iter()
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
    }
    let mut len = digits(text);
    match rest(text, len) {
        [b'.', next, ..] if next.is_ascii_digit() => len += 1 + digits(rest(text, len + 1)),
        // `1.union`: the point belongs to the number.
        [b'.', next, ..] if next.is_ascii_alphabetic() => len += 1,
        _ => {}
    }
    match rest(text, len) {
        [b'e' | b'E', b'0'..=b'9', ..] => len + 1 + digits(rest(text, len + 1)),
        [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..] => len + 2 + digits(rest(text, len + 2)),
        _ => len,
    }
}
