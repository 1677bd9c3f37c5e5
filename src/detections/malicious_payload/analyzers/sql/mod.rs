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

mod further;
mod shapes;
mod statements;
mod tokens;

use super::bytes::{blanks, is_word, rest};
use super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;
use further::{clause, goes_on};
use shapes::{Behind, is_telling_call, value};
use statements::statement;
use tokens::{Kind, Token, Tokens};

static CONDITION_BEHIND_TEXT: Rule = Rule {
    name: "condition_behind_text",
    score: 5,
    message: "A value ends a text in a query and goes on with a condition.",
};

static CONDITION_BEHIND_NUMBER: Rule = Rule {
    name: "condition_behind_number",
    score: 5,
    message: "A value goes on with a condition behind what a query compares.",
};

static LIKELY_CONDITION: Rule = Rule {
    name: "likely_condition",
    score: 3,
    message: "A value ends a text and goes on as a condition of a query might.",
};

static UNION: Rule = Rule {
    name: "union_behind_value",
    score: 5,
    message: "A value adds the rows of another query to those of the one that it stands in.",
};

static FURTHER_STATEMENT: Rule = Rule {
    name: "further_statement",
    score: 5,
    message: "A value ends a statement and begins another.",
};

static WHOLE_STATEMENT: Rule = Rule {
    name: "whole_statement",
    score: 5,
    message: "A value is a statement of SQL.",
};

static STATEMENT_IN_BODY: Rule = Rule {
    name: "statement_in_body",
    score: 3,
    message: "A field of a body is a statement of SQL.",
};

static QUERY: Rule = Rule {
    name: "inner_query",
    score: 5,
    message: "A value carries a query in parentheses.",
};

static CALL: Rule = Rule {
    name: "telling_call",
    score: 5,
    message: "A value calls a function of a database that waits, or that tells something by an error.",
};

static CLAUSE: Rule = Rule {
    name: "clause",
    score: 5,
    message: "A value goes on with a clause of a query that sorts, groups or writes its rows.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "sql_injection",
    cwe: 89,
    gates: &[
        r"['\x22`].*(?:[=<>(|&;*^+]|--|#)",
        r"(?:or|and|xor)\W.*[=<>(]",
        r"(?:\|\||&&).*[=<>(]",
        r"union.*select",
        r";.*(?:select|drop|insert|update|delete|exec|waitfor|declare|create|alter|shutdown|copy|truncate|begin)",
        r"\(.*select",
        r"^\s*(?:select|drop|insert|update|delete|exec|waitfor|declare|create|alter|truncate|copy|grant|shutdown|call)\W",
        r"(?:order|group)\s+by\s+\d|having|procedure\s+analyse|into\s+(?:out|dump)file|limit\s+\d+\W|\Was\W.*where",
        r"(?:sleep|benchmark|extractvalue|updatexml|load_file|receive_message|randomblob|get_host_address|dbms_\w+\.\w+|utl_\w+\.\w+)\s*\(",
    ],
    rules: &[
        &CONDITION_BEHIND_TEXT,
        &CONDITION_BEHIND_NUMBER,
        &LIKELY_CONDITION,
        &UNION,
        &FURTHER_STATEMENT,
        &WHOLE_STATEMENT,
        &STATEMENT_IN_BODY,
        &QUERY,
        &CALL,
        &CLAUSE,
    ],
    analyze,
};

/// From behind how many quotes a text is read. A sender who needs more of them has used up what a query bears.
const QUOTES: usize = 12;

/// How many parentheses with queries are looked for.
const QUERIES: usize = 64;

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let whole = Tokens::read(bytes, 0);
    from_beginning(text, &whole, matches);
    calls(text, whole.as_slice(), matches);
    let quotes = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'\'' | b'"' | b'`'));
    let mut open = None;
    for (quote, mark) in quotes.take(QUOTES) {
        let tokens = Tokens::read(bytes, quote + 1);
        let is_own = open == Some(mark);
        open = if is_own { None } else { open.or(Some(mark)) };
        let stands = if is_own {
            Behind::OwnText
        } else {
            Behind::Text
        };
        behind_text(text, quote, &tokens, stands, matches);
    }
    inner_queries(text, matches);
}

/// Judges a value that stands where a number, a name or nothing is expected.
fn from_beginning(text: &Text<'_>, tokens: &Tokens<'_>, matches: &mut Matches) {
    let all = tokens.as_slice();
    let whole = || 0..all.last().map_or(0, |token| token.end);
    if statement(all) && !text.is_document() {
        let rule = if text.place == PlaceKind::Body {
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
        Kind::Operator if all.get(1).is_some_and(|token| token.kind == Kind::Number) => 2,
        Kind::Name if first.is_one_of(&["as", "where", "having", "order", "group", "union"]) => 0,
        Kind::Name if !is_connective(first) && first.text.len() <= 24 => {
            usize::from(is_plain(first.text))
        }
        _ => 0,
    });
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
        && !behind
            .first()
            .is_some_and(|token| token.kind == Kind::Connective || token.is("union"))
    {
        return;
    }
    goes_on(text, behind, tokens, Behind::Number, closed > 0, matches);
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
    // A quote between two letters is an apostrophe, unless a keyword stands by itself behind it.
    let is_in_word = quote
        .checked_sub(1)
        .and_then(|at| text.bytes.get(at))
        .is_some_and(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes
            .get(quote + 1)
            .is_some_and(|byte| byte.is_ascii_alphabetic());
    if is_in_word
        && text.bytes.get(quote) == Some(&b'\'')
        && !behind.first().is_some_and(is_connective)
    {
        return;
    }
    goes_on(text, behind, tokens, stands, closed > 0, matches);
}

fn is_connective(token: &Token<'_>) -> bool {
    token.kind == Kind::Connective || token.is_one_of(&["or", "and", "xor"])
}

fn is_plain(name: &[u8]) -> bool {
    name.iter().all(|byte| is_word(*byte))
}

/// Looks for queries in parentheses: `(select …`, with what a query has.
fn inner_queries(text: &Text<'_>, matches: &mut Matches) {
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
        let tokens = Tokens::read(text.bytes, open + 1);
        let all = tokens.as_slice();
        if !all.first().is_some_and(|token| token.is("select")) {
            continue;
        }
        let column = value(all.get(1..).unwrap_or_default());
        let behind = all.get(1 + column);
        // One that is longer than what is read of it is none that people write in a sentence.
        let is_cut_off = tokens.goes_on
            && all
                .iter()
                .any(|token| token.is_one_of(&["case", "from", "when"]));
        let is_query = is_cut_off
            || (column > 0
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

/// Looks for a value that is a call by itself, whatever it is put behind: `sleep(5)#`, `SLEEP(5)='`, `1-benchmark(…)`.
fn calls(text: &Text<'_>, all: &[Token<'_>], matches: &mut Matches) {
    if text.is_document() {
        return;
    }
    let waiting = [
        "sleep",
        "benchmark",
        "pg_sleep",
        "extractvalue",
        "updatexml",
        "load_file",
        "randomblob",
        "receive_message",
        "get_host_address",
        "generate_series",
    ];
    for (at, token) in all.iter().enumerate() {
        let rest = all.get(at + 1..).unwrap_or_default();
        let package = at.checked_sub(2).and_then(|package| all.get(package..at));
        let is_package = package.is_some_and(|words| matches!(words, [package, dot] if dot.text == b"." && (package.text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"dbms_")) || package.text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"utl_")))));
        if is_package && rest.first().is_some_and(|open| open.kind == Kind::Open) {
            matches.add(&CALL, token.start..token.end);
            return;
        }
        if !token.is_one_of(&waiting) || !rest.first().is_some_and(|open| open.kind == Kind::Open) {
            continue;
        }
        let argument = rest.get(1..).unwrap_or_default();
        let is_argument = argument.first().is_some_and(|token| {
            matches!(
                token.kind,
                Kind::Number | Kind::Text | Kind::Open | Kind::Variable
            ) || is_telling_call(argument)
        });
        let before = at.checked_sub(1).and_then(|before| all.get(before));
        // In a program it is a statement of its own, in a query a part of a condition.
        let after = rest
            .get(value(all.get(at..).unwrap_or_default()).saturating_sub(1)..)
            .unwrap_or_default();
        let in_query = before.is_some_and(|token| {
            matches!(
                token.kind,
                Kind::Operator
                    | Kind::Comparison
                    | Kind::Comma
                    | Kind::Open
                    | Kind::Connective
                    | Kind::Bit
            ) && token.text != b"."
        }) || after
            .first()
            .is_some_and(|token| matches!(token.kind, Kind::Cut | Kind::Comparison | Kind::Text))
            || before.is_some_and(|token| token.is_one_of(&["or", "and", "xor", "select", "by"]))
            || (before.is_none() && after.is_empty() && text.place != PlaceKind::Body);
        if is_argument && in_query {
            matches.add(
                &CALL,
                token.start..rest.first().map_or(token.end, |open| open.end),
            );
            return;
        }
    }
}

#[cfg(test)]
mod tests;
