//! What goes on with a query behind the place where a value leaves its context.

use std::ops::Range;

use super::super::{Matches, Text};
use super::is_connective;
use super::rules::{
    CLAUSE, CONDITION_BEHIND_NUMBER, CONDITION_BEHIND_TEXT, FURTHER_STATEMENT, LIKELY_CONDITION,
    UNION,
};
use super::shapes::{Behind, condition, is_literal, is_telling_call, value};
use super::statements::{further_statement, statement};
use super::tokens::{Kind, Token, Tokens};

/// Judges words that go on with a query, behind a text or not.
pub(super) fn goes_on(
    text: &Text<'_>,
    behind: &[Token<'_>],
    tokens: &Tokens<'_>,
    stands: Behind,
    is_closed: bool,
    matches: &mut Matches,
) {
    let is_behind_text = stands != Behind::Number;
    let Some(first) = behind.first() else {
        return;
    };
    let range = first.start..behind.last().map_or(first.end, |token| token.end);
    let next = behind.get(1..).unwrap_or_default();
    // `admin'||'1`: two texts that are one to the query, or a condition to MySQL.
    if first.kind == Kind::Connective
        && stands == Behind::Text
        && !text.is_document()
        && matches!(next, [word] if word.kind == Kind::Text && word.start == first.end && word.is_open_word())
    {
        return matches.add(&CONDITION_BEHIND_TEXT, range);
    }
    if is_connective(first) {
        // Two texts side by side are no condition: `'a' or 'b'`.
        let stands = if is_closed && stands == Behind::Number {
            Behind::Text
        } else {
            stands
        };
        let sure = condition(next, stands, tokens.goes_on);
        let in_words = first.kind == Kind::Name && !is_behind_text && text.is_document();
        match sure {
            5 if is_behind_text && !in_words => matches.add(&CONDITION_BEHIND_TEXT, range),
            5 if !in_words => matches.add(&CONDITION_BEHIND_NUMBER, range),
            3 | 4 => matches.add(&LIKELY_CONDITION, range),
            _ => {}
        }
    } else if first.is_one_of(&SETS) {
        let at = next
            .iter()
            .take(4)
            .take_while(|token| token.is_one_of(&["all", "distinct"]) || token.kind == Kind::Open)
            .count();
        let select = next.get(at..).unwrap_or_default();
        let is_select = select
            .first()
            .is_some_and(|token| token.is_one_of(&["select", "values", "table"]));
        let column = value(select.get(1..).unwrap_or_default());
        let behind = select.get(1 + column);
        let is_query = column > 0
            && behind.is_none_or(|token| {
                matches!(
                    token.kind,
                    Kind::Comma | Kind::Cut | Kind::Close | Kind::Semicolon | Kind::Connective
                ) || token.is("from")
            });
        let is_star = select.get(1).is_some_and(|token| token.text == b"*");
        if is_select && (is_query || is_star) {
            matches.add(&UNION, range);
        }
    } else if first.kind == Kind::Semicolon {
        if (statement(next) || further_statement(next)) && (is_behind_text || !text.is_document()) {
            matches.add(&FURTHER_STATEMENT, range);
        }
    } else if clause(behind) && (is_behind_text || is_closed || !text.is_document()) {
        matches.add(&CLAUSE, range);
    } else if is_behind_text {
        compared(behind, tokens, range, matches);
    } else if first.is_one_of(&["between", "like", "rlike", "regexp", "in", "div", "mod"])
        && !text.is_document()
        && (is_condition_behind(next, tokens.goes_on) || is_telling_call(next))
    {
        matches.add(&CONDITION_BEHIND_NUMBER, range);
    }
}

/// Whether what a number is compared with by a word is followed by a condition: `1 between 0 and 2 or 1=1`.
fn is_condition_behind(next: &[Token<'_>], goes_on: bool) -> bool {
    let mut at = value(next);
    // The second one of `between`.
    for _ in 0..2 {
        let Some(connective) = next.get(at).filter(|_| at > 0) else {
            return false;
        };
        let behind = next.get(at + 1..).unwrap_or_default();
        if !is_connective(connective) {
            return false;
        }
        if condition(behind, Behind::Number, goes_on) == 5 {
            return true;
        }
        at += 1 + value(behind);
    }
    false
}

/// What puts the rows of two queries together.
pub(super) const SETS: [&str; 4] = ["union", "intersect", "except", "minus"];

/// Judges a comparison or calculation that goes on with the text itself: `'='`, `'-0#`, `'+sleep(5)+'`.
fn compared(behind: &[Token<'_>], tokens: &Tokens<'_>, range: Range<usize>, matches: &mut Matches) {
    let operators = behind
        .iter()
        .take(2)
        .take_while(|token| {
            matches!(token.kind, Kind::Comparison | Kind::Operator | Kind::Bit)
                || token.is_one_of(&["like", "rlike", "regexp", "div", "mod", "between"])
        })
        .count();
    let next = behind.get(operators..).unwrap_or_default();
    if operators == 0 {
        return;
    }
    let len = value(next);
    let after = next.get(len..).unwrap_or_default();
    let is_cut = after.first().is_some_and(|token| token.kind == Kind::Cut);
    let behind_connective = after.get(1..).unwrap_or_default();
    // `'=''or'` compares two texts and is true if they differ.
    let is_text =
        |tokens: &[Token<'_>]| tokens.first().is_some_and(|token| token.kind == Kind::Text);
    let is_condition = || {
        after.first().is_some_and(is_connective)
            && (condition(behind_connective, Behind::Text, tokens.goes_on) == 5
                || (is_text(next) && is_text(behind_connective)))
    };
    // Noise has a quote, a sign, a letter and a `#` somewhere.
    let is_cut_value = len > 0
        && is_cut
        && is_literal(next)
        && after.first().is_some_and(|token| token.text.len() <= 4);
    // `1'='1`: what the value has broken out of goes on behind it.
    let is_open = |tokens: &[Token<'_>]| matches!(tokens, [text] if text.kind == Kind::Text && text.is_open_word());
    let is_comparison = behind
        .first()
        .is_some_and(|token| token.kind == Kind::Comparison);
    let goes_around = (is_comparison && is_open(next))
        || (after.first().is_some_and(is_connective) && is_open(behind_connective));
    if is_telling_call(next) || is_cut_value || is_condition() || (goes_around && !tokens.goes_on) {
        matches.add(&CONDITION_BEHIND_TEXT, range);
    }
}

/// Whether what rows are ordered by is worked out, and the rest is cut off: `order by (case when …) --`.
fn is_cut_off(tokens: &[Token<'_>]) -> bool {
    let ordered = tokens.get(2..).unwrap_or_default();
    let len = value(ordered);
    let is_worked_out = ordered
        .first()
        .is_some_and(|first| matches!(first.kind, Kind::Open | Kind::Number) || first.is("case"));
    let behind = ordered.get(len).filter(|_| len > 0);
    is_worked_out && behind.is_some_and(|token| token.kind == Kind::Cut)
}

/// Whether words are a clause that follows conditions.
pub(super) fn clause(tokens: &[Token<'_>]) -> bool {
    let is = |at: usize, words: &[&str]| tokens.get(at).is_some_and(|token| token.is_one_of(words));
    let number = |at: usize| {
        tokens
            .get(at)
            .is_some_and(|token| token.kind == Kind::Number)
    };
    let ends = |at: usize| {
        tokens
            .get(at)
            .is_none_or(|token| matches!(token.kind, Kind::Cut | Kind::Comma | Kind::Semicolon))
    };
    (is(0, &["order", "group"]) && is(1, &["by"]) && number(2) && ends(3))
        || (is(0, &["group"]) && is(1, &["by"]) && is(3, &["union", "having"]))
        || (is(0, &["having"])
            && condition(tokens.get(1..).unwrap_or_default(), Behind::Text, false) == 5)
        || (is(0, &["procedure"]) && is(1, &["analyse"]))
        || (is(0, &["into"]) && is(1, &["outfile", "dumpfile"]))
        || (is(0, &["into"])
            && tokens
                .get(1)
                .is_some_and(|token| token.kind == Kind::Variable && token.text.starts_with(b"@")))
        || (is(0, &["order", "group"]) && is(1, &["by"]) && is_cut_off(tokens))
        || (is(0, &["limit"])
            && number(1)
            && tokens.get(2).is_some_and(|token| {
                token.kind == Kind::Comma
                    || token.is_one_of(&["offset", "into", "union", "procedure"])
            })
            && number(3))
        || (is(0, &["limit"]) && number(1) && is(2, &["procedure"]) && is(3, &["analyse"]))
        || (is(0, &["where"])
            && condition(tokens.get(1..).unwrap_or_default(), Behind::Text, false) == 5)
        || (is(0, &["as"])
            && is(2, &["where"])
            && condition(tokens.get(3..).unwrap_or_default(), Behind::Text, false) == 5)
        || (is(0, &["waitfor"]) && is(1, &["delay"]))
}
