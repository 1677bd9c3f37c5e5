//! Calls that wait, tell or spell something, and what a database knows of itself, wherever a value has them.

use super::super::{Matches, Text};
use super::rules::{CALL, CATALOGUE};
use super::shapes::{WAITING, is_telling_call, value};
use super::statements::is_catalogue;
use super::tokens::{Kind, Token};
use crate::request::PlaceKind;

/// Whether a value goes on a list with a call that tells something, or is one with a condition in it: `,version()`,
/// `make_set(1=1,1)`.
fn is_listed_call(all: &[Token<'_>]) -> bool {
    let listed = match all {
        [comma, call @ ..] if comma.kind == Kind::Comma => call,
        _ => return is_conditional_call(all),
    };
    let has_call = listed.iter().skip(2).zip(listed.iter().skip(3));
    is_telling_call(listed)
        && has_call
            .into_iter()
            .any(|(name, open)| open.kind == Kind::Open && name.kind == Kind::Name)
}

/// Whether a text is spelled by its characters, or something is chosen by a condition: `char(65,66,67)`, `chr(65)||chr(66)`,
/// `concat(0x7e,…`, `case when 1=1 then …`, `if(1=1,…`.
fn is_spelled(all: &[Token<'_>]) -> bool {
    let kind = |at: usize| all.get(at).map(|token| token.kind);
    let is = |at: usize, words: &[&str]| all.get(at).is_some_and(|token| token.is_one_of(words));
    (0..all.len()).any(|at| {
        let opens = kind(at + 1) == Some(Kind::Open);
        let number = |at| kind(at) == Some(Kind::Number);
        let characters = is(at, &["char", "chr", "nchar"]) && opens && number(at + 2);
        (characters
            && kind(at + 3) == Some(Kind::Comma)
            && number(at + 4)
            && kind(at + 5) == Some(Kind::Comma))
            || (characters
                && kind(at + 4) == Some(Kind::Connective)
                && is(at + 5, &["char", "chr", "nchar"]))
            || (is(at, &["concat", "concat_ws"])
                && opens
                && all
                    .get(at + 2)
                    .is_some_and(|token| token.text.starts_with(b"0x")))
            || (is(at, &["if", "iif"])
                && opens
                && number(at + 2)
                && kind(at + 3) == Some(Kind::Comparison)
                && number(at + 4))
            || (is(at, &["case"])
                && is(at + 1, &["when"])
                && all
                    .iter()
                    .skip(at)
                    .any(|token| token.kind == Kind::Comparison)
                && all.iter().skip(at).any(|token| token.is("then")))
    })
}

/// Looks for what a database knows of itself: `from information_schema.tables`, `@@version`.
fn catalogues(all: &[Token<'_>], matches: &mut Matches) {
    const VARIABLES: [&[u8]; 12] = [
        b"@@version",
        b"@@datadir",
        b"@@hostname",
        b"@@basedir",
        b"@@global",
        b"@@tmpdir",
        b"@@servername",
        b"@@plugin_dir",
        b"@@secure_file_priv",
        b"@@version_compile_os",
        b"@@innodb_version",
        b"@@session",
    ];
    for (at, token) in all.iter().enumerate() {
        let table = || {
            let mut behind = all.iter().skip(at + 1);
            behind.find(|token| token.kind != Kind::Open)
        };
        let reads = token.is_one_of(&["from", "join"]) && table().is_some_and(is_catalogue);
        let asks = token.kind == Kind::Variable
            && VARIABLES
                .iter()
                .any(|name| token.text.eq_ignore_ascii_case(name));
        if reads || asks {
            matches.add(
                &CATALOGUE,
                token.start..table().map_or(token.end, |table| table.end.max(token.end)),
            );
            return;
        }
    }
}

fn is_conditional_call(all: &[Token<'_>]) -> bool {
    matches!(all, [_, _, left, compares, right, ..]
        if is_telling_call(all)
            && left.kind == Kind::Number
            && compares.kind == Kind::Comparison
            && right.kind == Kind::Number)
}

/// Looks for a value that is a call by itself, whatever it is put behind: `sleep(5)#`, `SLEEP(5)='`, `1-benchmark(…)`.
pub(super) fn calls(text: &Text<'_>, all: &[Token<'_>], matches: &mut Matches) {
    if text.is_document() {
        return;
    }
    catalogues(all, matches);
    let is_case = |token: &Token<'_>| token.is("case");
    if !all
        .iter()
        .any(|token| token.kind == Kind::Open || is_case(token))
    {
        return;
    }
    if is_listed_call(all) || is_spelled(all) {
        let end = all.last().map_or(0, |token| token.end);
        matches.add(&CALL, 0..end);
        return;
    }
    for (at, token) in all.iter().enumerate() {
        let rest = all.get(at + 1..).unwrap_or_default();
        let package = at.checked_sub(2).and_then(|package| all.get(package..at));
        let is_package = package.is_some_and(|words| matches!(words, [package, dot] if dot.text == b"." && (package.text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"dbms_")) || package.text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"utl_")))));
        if is_package && rest.first().is_some_and(|open| open.kind == Kind::Open) {
            matches.add(&CALL, token.start..token.end);
            return;
        }
        let waits = token.is_one_of(&WAITING) || token.is("generate_series");
        if !waits || !rest.first().is_some_and(|open| open.kind == Kind::Open) {
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
            || (before.is_none()
                && after.is_empty()
                && (text.place != PlaceKind::Body
                    || !token.is_one_of(&["sleep", "generate_series"])));
        if is_argument && in_query {
            matches.add(
                &CALL,
                token.start..rest.first().map_or(token.end, |open| open.end),
            );
            return;
        }
    }
}
