//! SQL in values (CWE-89): queries that a value ends, goes on with, or is.
//!
//! A value may stand in a query between quotes, as a number, or in parentheses, and nobody but the application knows. So it
//! is read as SQL from every place where it could leave its context: from its beginning, from behind a number or name that
//! it begins with, and from behind each of the first quotes. What is read is judged by its shape: a connective and a
//! condition, a union, a further statement, a query in parentheses, a function that waits or tells. Texts and names with
//! quotes (`O'Brien`, `it's here or there`) are followed by words that make no such shape.
//!
//! Limits: a condition on names alone (`a or b > c`) is one of many query languages, and left alone in a number's place; a
//! whole `SELECT` counts less in a body, where documents and reports have them.

mod calls;
mod further;
mod rules;
mod shapes;
mod statements;
mod tokens;

use super::bytes::{blanks, is_one_of, is_word, rest, word};
use super::{Analyzer, Matches, Text};
use crate::request::PlaceKind;
use calls::calls;
use further::{SETS, clause, goes_on};
use rules::{
    COMMENT_ENDS_VALUE, CONDITION_BEHIND_NUMBER, FURTHER_STATEMENT, QUERY, STATEMENT_IN_BODY,
    WHOLE_STATEMENT,
};
use shapes::{Behind, value};
use statements::{is_hostile, statement};
use tokens::{Kind, Token, Tokens};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "sql_injection",
    cwe: 89,
    gates: &[
        r"['\x22`].*(?:[=<>(|&;*^+]|--|#)",
        r"(?:or|and|xor)\W.*[=<>(]",
        r"(?:\|\||&&).*[=<>(]",
        r"union[^a-z]",
        r"intersect.*select",
        r"(?:except|minus)\W.*select",
        r"[0-9][ \t\n]+(?:or|and|xor)[ \t\n]+(?:[0-9]|true)",
        r"like\W+[\d'\x22]",
        r";.*(?:select|drop|insert|update|delete|exec|waitfor|declare)",
        r";.*(?:create|alter|shutdown|copy|truncate|begin|call|backup)",
        r"; ?(?:begin|commit|rollback|show |flush |explain |describe |use |lock |prepare |kill \d|do sleep|do bench)",
        r"\\N|@[a-z]*:=",
        r";.*(?:merge|attach|pragma|handler|load data|replace|rename)",
        r";\s*(?:if|set)[^a-z]*[(@]",
        r"\(.*select",
        r"^\s*(?:select|drop|insert|update|delete|exec|waitfor|declare|create|alter|truncate|copy|grant|shutdown|call|backup|restore)\W",
        r"(?:order|group)\s+by\W|having|procedure\s+analyse|into\s+(?:out|dump)file|into\s+@|limit\s+\d+\W|\Was\W.*where",
        r"(?:from|join)[^\w]+(?:information_schema|pg_|sysibm|syscat|sys[a-z]+|sqlite_|msys|all_t|user_t|dba_|rdb\$)",
        r"@@[a-z]",
        r"(?:char|chr)\s*\(\s*\d+\s*[,)]",
        r"concat\w*\s*\(\s*0x",
        r"case\s+when",
        r"if\s*\(\s*\d+\s*=",
        r"^\W*(?:cast|convert|make_set|elt|exp|char|chr|concat)\W*\(",
        r"(?:sleep|benchmark|extractvalue|updatexml|load_file|receive_message|randomblob|get_host_address|dbms_\w+\.\w+|utl_\w+\.\w+)\s*\(",
    ],
    rules: rules::ALL,
    longest: usize::MAX,
    analyze,
};

/// From behind how many quotes a text is read. A sender who needs more of them has used up what a query bears.
const QUOTES: usize = 12;

/// How many parentheses with queries are looked for.
const QUERIES: usize = 64;

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let start = if text.place == PlaceKind::Path {
        segment(bytes)
    } else {
        0
    };
    // Kept for all that is read: a row of words is long, to be made anew for each.
    let mut tokens = Tokens::new();
    let whole = tokens.read(bytes, start);
    from_beginning(text, whole, matches);
    calls(text, whole.as_slice(), matches);
    let quotes = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'\'' | b'"' | b'`'));
    let mut open = None;
    for (quote, mark) in quotes.take(QUOTES) {
        let is_own = open == Some(mark);
        open = if is_own { None } else { open.or(Some(mark)) };
        // Markdown puts names between backquotes.
        if is_apostrophe(bytes, quote) || (*mark == b'`' && text.is_document()) {
            continue;
        }
        let read = tokens.read_behind(bytes, quote + 1);
        let stands = if is_own {
            Behind::OwnText
        } else {
            Behind::Text
        };
        behind_text(text, quote, read, stands, matches);
    }
    inner_queries(text, &mut tokens, matches);
}

/// Where the segment of a path begins that goes on as no path does.
fn segment(path: &[u8]) -> usize {
    let odd = |byte: &u8| {
        matches!(
            *byte,
            b' ' | b'\'' | b'"' | b'(' | b')' | b';' | b'=' | b','
        )
    };
    let before = path
        .iter()
        .position(odd)
        .and_then(|odd| path.get(..odd))
        .unwrap_or_default();
    memchr::memrchr(b'/', before).map_or(0, |slash| slash + 1)
}

/// Judges a value that stands where a number, a name or nothing is expected.
fn from_beginning(text: &Text<'_>, tokens: &Tokens<'_>, matches: &mut Matches) {
    let all = tokens.as_slice();
    let whole =
        || all.first().map_or(0, |token| token.start)..all.last().map_or(0, |token| token.end);
    if statement(all) && !text.is_document() {
        let rule = if text.place == PlaceKind::Body && !is_hostile(all) {
            &STATEMENT_IN_BODY
        } else {
            &WHOLE_STATEMENT
        };
        matches.add(rule, whole());
        let several = all.iter().position(|token| token.kind == Kind::Semicolon);
        if several.is_some_and(|at| statement(all.get(at + 1..).unwrap_or_default())) {
            matches.add(&FURTHER_STATEMENT, whole());
        }
    }
    // What the query compares: a number, a text, a short name, or nothing, and the end of parentheses.
    let compared = all.first().map_or(0, |first| match first.kind {
        Kind::Number => 1,
        Kind::Text if first.text.starts_with(b"$") => 1,
        Kind::Operator if all.get(1).is_some_and(|token| token.kind == Kind::Number) => 2,
        Kind::Name
            if first.is_one_of(&[
                "as",
                "where",
                "having",
                "order",
                "group",
                "union",
                "into",
                "procedure",
            ]) =>
        {
            0
        }
        Kind::Name if !is_connective(first) && first.text.len() <= 24 => {
            usize::from(is_plain(first.text))
        }
        _ => 0,
    });
    // `id=1 group by 1`.
    let compared = match all {
        [name, equals, number, ..]
            if name.kind == Kind::Name && equals.text == b"=" && number.kind == Kind::Number =>
        {
            3
        }
        _ => compared,
    };
    let behind = all.get(compared..).unwrap_or_default();
    let closed = behind
        .iter()
        .take_while(|token| token.kind == Kind::Close)
        .count();
    let behind = behind.get(closed..).unwrap_or_default();
    let is_number = compared == 0 || all.first().is_some_and(|first| first.kind != Kind::Name);
    if !is_number
        && closed == 0
        && !clause(behind)
        && !behind.first().is_some_and(|token| {
            token.kind == Kind::Connective
                || token.is_one_of(&SETS)
                || (compared == 3 && is_connective(token))
        })
    {
        return;
    }
    if let [number, connective, same] = all
        && number.kind == Kind::Number
        && is_connective(connective)
        && ((same.kind == Kind::Number && same.text == number.text) || same.is("true"))
    {
        matches.add(&CONDITION_BEHIND_NUMBER, number.start..same.end);
    }
    goes_on(text, behind, tokens, Behind::Number, closed > 0, matches);
}

/// The words that connect conditions.
const CONNECTIVES: [&str; 3] = ["or", "and", "xor"];

/// Whether a quote is an apostrophe: between two letters it is one, unless a keyword stands by itself behind it.
fn is_apostrophe(bytes: &[u8], quote: usize) -> bool {
    let before = quote.checked_sub(1).and_then(|at| bytes.get(at));
    let behind = rest(bytes, quote + 1);
    bytes.get(quote) == Some(&b'\'')
        && before.is_some_and(u8::is_ascii_alphabetic)
        && behind.first().is_some_and(u8::is_ascii_alphabetic)
        && !is_one_of(word(behind), &CONNECTIVES)
}

/// Judges what stands behind a quote: the text that the value stood in has ended there.
fn behind_text(
    text: &Text<'_>,
    quote: usize,
    tokens: &Tokens<'_>,
    stands: Behind,
    matches: &mut Matches,
) {
    let all = tokens.as_slice();
    let closed = all
        .iter()
        .take_while(|token| token.kind == Kind::Close)
        .count();
    let behind = all.get(closed..).unwrap_or_default();
    let before = text.bytes.get(..quote).unwrap_or_default();
    // Noise has a quote and a sign somewhere; a value begins with a word.
    let is_short = quote < 64
        && before.iter().all(|byte| matches!(byte, b' '..=b'~'))
        && text.bytes.get(quote) != Some(&b'`')
        && !text.is_document();
    if let Some(cut) = behind.first()
        && stands == Behind::Text
        && is_short
        && is_bare_comment(cut)
    {
        matches.add(&COMMENT_ENDS_VALUE, quote..cut.end);
    }
    goes_on(text, behind, tokens, stands, closed > 0, matches);
}

/// Whether a comment is begun for what follows the value, and says nothing itself.
fn is_bare_comment(token: &Token<'_>) -> bool {
    let inner = match token.text {
        [b'-', b'-', inner @ ..] | [b'/', b'*', inner @ ..] | [b'#', inner @ ..] => inner,
        _ => return false,
    };
    token.kind == Kind::Cut
        && inner
            .iter()
            .all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'-' | b'+'))
}

fn is_connective(token: &Token<'_>) -> bool {
    token.kind == Kind::Connective || token.is_one_of(&CONNECTIVES)
}

fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|byte| is_word(*byte))
}

/// Looks for queries in parentheses: `(select …`, with what a query has.
fn inner_queries<'t>(text: &Text<'t>, tokens: &mut Tokens<'t>, matches: &mut Matches) {
    if text.is_document() {
        return;
    }
    for open in memchr::memchr_iter(b'(', text.bytes).take(QUERIES) {
        let behind = rest(text.bytes, open + 1);
        let behind = rest(behind, blanks(behind).min(16));
        // What is between may be comments, so that only the first letter is asked for.
        if !matches!(behind, [b's' | b'S' | b'/', ..]) {
            continue;
        }
        let tokens = tokens.read(text.bytes, open + 1);
        let all = tokens.as_slice();
        if !all.first().is_some_and(|token| token.is("select")) {
            continue;
        }
        let first = 1 + limits(all);
        let column = value(all.get(first..).unwrap_or_default());
        let behind = all.get(first + column);
        // One that is longer than what is read of it is none that people write in a sentence.
        let is_cut_off = tokens.goes_on
            && all
                .iter()
                .any(|token| token.is_one_of(&["case", "from", "when"]));
        let is_query = is_cut_off
            || (column > 0
                // `(select below)`.
                && !(column == 1 && all.get(first).is_some_and(|token| token.kind == Kind::Name)
                    && behind.is_some_and(|token| token.kind == Kind::Close))
                && behind.is_some_and(|token| {
                    matches!(token.kind, Kind::Close | Kind::Comma | Kind::Comparison)
                        || token.is_one_of(&["from", "where", "union", "limit"])
                }))
            || all.get(1).is_some_and(|token| token.text == b"*");
        if is_query {
            matches.add(&QUERY, open..all.last().map_or(open + 1, |token| token.end));
            return;
        }
    }
}

/// How many words behind `select` say which rows are wanted: `top 1`, `distinct`.
fn limits(all: &[Token<'_>]) -> usize {
    match all {
        [_, top, number, ..] if top.is("top") && number.kind == Kind::Number => 2,
        [_, top, _, number, _, ..] if top.is("top") && number.kind == Kind::Number => 4,
        [_, distinct, ..] if distinct.is_one_of(&["distinct", "all"]) => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
