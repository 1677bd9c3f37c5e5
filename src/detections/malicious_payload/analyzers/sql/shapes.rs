//! What rows of words are in SQL: a value, a condition.

use super::super::bytes::is_one_of;
use super::tokens::{Kind, Token};

/// Functions by which an attacker waits, reads, or makes errors that tell something, and whose names say so.
pub(super) const WAITING: [&str; 13] = [
    "sleep",
    "benchmark",
    "pg_sleep",
    "extractvalue",
    "updatexml",
    "load_file",
    "randomblob",
    "load_extension",
    "current_setting",
    "pg_read_file",
    "lo_import",
    "receive_message",
    "get_host_address",
];

/// Others that serve that, and have names that are used elsewhere. Nobody gives them in other texts what they are given.
const TELLING: [&str; 47] = [
    "typeof",
    "name_const",
    "json_length",
    "json_extract",
    "json_valid",
    "json_type",
    "json_depth",
    "json_contains",
    "json_array_length",
    "xmltype",
    "char",
    "chr",
    "concat",
    "concat_ws",
    "group_concat",
    "ascii",
    "substring",
    "substr",
    "mid",
    "hex",
    "unhex",
    "version",
    "database",
    "schema",
    "user",
    "current_user",
    "system_user",
    "session_user",
    "sysdate",
    "isnull",
    "ifnull",
    "nvl",
    "coalesce",
    "exp",
    "elt",
    "make_set",
    "row_count",
    "length",
    "len",
    "bin",
    "ord",
    "cast",
    "convert",
    "rand",
    "floor",
    "now",
    "json_keys",
];

/// How many words from the beginning are one value: a number, a text, a name, a call, what is in parentheses; with signs
/// before it and operators between. 0 where there is none.
pub(super) fn value(tokens: &[Token<'_>]) -> usize {
    let mut at = 0;
    for _ in 0..8 {
        at += signs(tokens.get(at..).unwrap_or_default());
        let len = single(tokens.get(at..).unwrap_or_default());
        if len == 0 {
            return 0;
        }
        at += len;
        let next = tokens.get(at).map(|token| token.kind);
        if !matches!(next, Some(Kind::Operator | Kind::Bit)) {
            return at;
        }
        // An operator that nothing follows belongs to what comes behind the value that is broken out of.
        if tokens.get(at + 1).is_none() {
            return at;
        }
        at += 1;
    }
    at
}

fn signs(tokens: &[Token<'_>]) -> usize {
    let is_sign = |token: &&Token<'_>| {
        (token.kind == Kind::Operator && matches!(token.text, b"+" | b"-" | b"!"))
            || token.text == b"~"
            || token.is_one_of(&["not", "binary", "distinct", "all"])
    };
    tokens.iter().take(4).take_while(is_sign).count()
}

fn single(tokens: &[Token<'_>]) -> usize {
    let Some(first) = tokens.first() else {
        return 0;
    };
    match first.kind {
        Kind::Number | Kind::Text | Kind::Variable => 1,
        Kind::Open => parentheses(tokens),
        Kind::Name
            if first.is_one_of(&[
                "or", "and", "select", "union", "from", "where", "like", "is", "in",
            ]) =>
        {
            0
        }
        Kind::Name if first.is("case") => tokens
            .iter()
            .position(|token| token.is("end"))
            .map_or(tokens.len(), |end| end + 1),
        Kind::Name => {
            let behind = tokens.get(1..).unwrap_or_default();
            match behind.first().map(|token| token.kind) {
                Some(Kind::Open) => 1 + parentheses(behind),
                _ => 1,
            }
        }
        _ => 0,
    }
}

/// How many words the parentheses are that are opened first. Those that nothing closes go to the end.
fn parentheses(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Whether a value is one that only SQL or an attacker writes there: a literal, a call, a query, a variable of the server.
pub(super) fn is_literal(tokens: &[Token<'_>]) -> bool {
    let tokens = tokens.get(signs(tokens)..).unwrap_or_default();
    match tokens {
        [first, ..] if matches!(first.kind, Kind::Number | Kind::Text | Kind::Open) => true,
        [first, ..] if first.kind == Kind::Variable => first.text.starts_with(b"@"),
        [name, open, ..] if open.kind == Kind::Open => name.kind == Kind::Name,
        [name, ..] => name.is_one_of(&["true", "false", "null", "case", "unknown"]),
        [] => false,
    }
}

/// Whether words begin with a call of a function that tells an attacker something, and the argument is one of SQL.
pub(super) fn is_telling_call(tokens: &[Token<'_>]) -> bool {
    let tells = |name: &Token<'_>| {
        let package: [&[u8]; 3] = [b"pg_", b"dbms_", b"utl_"];
        is_one_of(name.text, &WAITING)
            || is_one_of(name.text, &TELLING)
            || package
                .iter()
                .any(|package| super::super::bytes::begins(name.text, package))
    };
    let opened = tokens.iter().take_while(|token| token.kind == Kind::Open);
    let tokens = tokens.get(opened.take(4).count()..).unwrap_or_default();
    match tokens {
        // The one or one that it is given.
        [name, open, ..] if open.kind == Kind::Open && name.kind == Kind::Name => {
            let within = tokens.iter().enumerate().take(8).zip(tokens.iter().skip(1));
            within.into_iter().any(|((at, name), open)| {
                let after = tokens.get(at + 2);
                // `user (optional)` is what people write.
                let is_called = name.end == open.start
                    || !matches!(after.map(|token| token.kind), Some(Kind::Name));
                open.kind == Kind::Open && name.kind == Kind::Name && is_called && tells(name)
            })
        }
        [package, dot, name, open, ..] => {
            dot.text == b"." && name.kind == Kind::Name && open.kind == Kind::Open && tells(package)
        }
        _ => false,
    }
}

/// What stands before words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behind {
    /// A number or nothing: a sentence could go on like that.
    Number,
    /// A text of the query that the value has broken out of.
    Text,
    /// A text that the value has begun and ended itself, as conditions of other languages have, too.
    OwnText,
}

/// How sure it is that words are a condition that is put to one that stands before: 0 if they are none.
pub(super) fn condition(tokens: &[Token<'_>], stands: Behind, goes_on: bool) -> u32 {
    further(tokens, stands, goes_on, 3)
}

fn further(tokens: &[Token<'_>], stands: Behind, goes_on: bool, rounds: u8) -> u32 {
    let is_behind_text = stands != Behind::Number;
    let tokens = inside(tokens.get(signs(tokens)..).unwrap_or_default());
    let left = value(tokens);
    if matches!(tokens, [exists, open, ..] if exists.is("exists") && open.kind == Kind::Open) {
        return 5;
    }
    if left == 0 {
        let is_query = || {
            let column = value(tokens.get(1..).unwrap_or_default());
            let next = tokens.get(1 + column).filter(|_| column > 0);
            let is_star = tokens.get(1).is_some_and(|token| token.text == b"*");
            is_star
                || next.is_some_and(|next| {
                    next.is("from") || matches!(next.kind, Kind::Comma | Kind::Close | Kind::Cut)
                })
        };
        let exists = tokens
            .first()
            .is_some_and(|token| token.is("exists") || (token.is("select") && is_query()));
        return if exists { 5 } else { 0 };
    }
    let left_value = tokens.get(..left).unwrap_or_default();
    let behind = tokens.get(left..).unwrap_or_default();
    let ends = |tokens: &[Token<'_>]| match tokens.first() {
        None => !goes_on,
        Some(token) => {
            matches!(token.kind, Kind::Cut | Kind::Semicolon)
                || (token.kind == Kind::Close && is_behind_text)
        }
    };
    let (operator, right) = comparison(behind);
    if operator == 0 {
        // One value alone is a condition if the rest is cut off, or the text goes on where it was broken out of.
        let is_cut = behind.first().is_some_and(|token| token.kind == Kind::Cut);
        let is_call = is_telling_call(left_value);
        if is_call && is_behind_text {
            return 5;
        }
        // What follows may be the condition: `(1=1)*5 and 'a'='a`.
        if behind.first().is_some_and(|token| {
            token.kind == Kind::Connective || token.is_one_of(&["or", "and", "xor"])
        }) && is_literal(left_value)
            && rounds > 0
        {
            // A number alone is true to most databases: `' or 1 or '`.
            let is_number = matches!(left_value, [number] if number.kind == Kind::Number);
            if stands == Behind::Text && is_number {
                return 5;
            }
            return further(
                behind.get(1..).unwrap_or_default(),
                stands,
                goes_on,
                rounds - 1,
            );
        }
        return match () {
            () if is_call && ends(behind) => 5,
            // `' or ''^'`: a calculation with texts, which only MySQL makes.
            () if stands == Behind::Text
                && ends(behind)
                && matches!(left_value, [text, operator, ..]
                    if text.kind == Kind::Text && matches!(operator.kind, Kind::Operator | Kind::Bit)
                        && operator.text != b".") =>
            {
                5
            }
            () if is_cut && (is_literal(left_value) || is_behind_text) => 5,
            // A text beside a text is what people write: `'a' or 'b'`.
            () if is_behind_text
                && ends(behind)
                && is_literal(left_value)
                && !left_value.iter().any(|token| token.kind == Kind::Text) =>
            {
                4
            }
            () => 0,
        };
    }
    let right_len = value(right);
    let right_value = right.get(..right_len).unwrap_or_default();
    // `(1)` is `1`.
    let both = |tokens: &[Token<'_>]| {
        let is = |token: &Token<'_>| matches!(token.kind, Kind::Number | Kind::Text);
        match tokens {
            [open, inner, close] if open.kind == Kind::Open && close.kind == Kind::Close => {
                is(inner)
            }
            [first, ..] => is(first),
            [] => false,
        }
    };
    let is_list = behind.get(operator - 1).is_some_and(|token| token.is("in"));
    let is_spoken = behind.first().is_some_and(|token| token.is("is"));
    let is_null = |tokens: &[Token<'_>]| {
        is_spoken
            && matches!(tokens, [null] if null.is_one_of(&["null", "true", "false", "unknown"]))
    };
    let same = left == 1 && right_len == 1 && same_text(left_value, right_value);
    let after = right.get(right_len..).unwrap_or_default();
    let is_cut = after.first().is_some_and(|token| token.kind == Kind::Cut);
    let is_plain_name = |tokens: &[Token<'_>]| matches!(tokens, [name] if name.kind == Kind::Name);
    match () {
        // `"a" or "b" in the list` is a sentence.
        () if is_list && !matches!(right_value, [open, ..] if open.kind == Kind::Open) => 0,
        () if right_len == 0 => u32::from(is_behind_text && is_literal(left_value)) * 3,
        // `2 and 2 is 4` is what people write.
        () if same || (both(left_value) && both(right_value) && !is_spoken) => 5,
        () if both(left_value) && is_null(right_value) => 5,
        () if is_telling_call(left_value) || is_telling_call(right_value) => 5,
        // Nobody but SQL compares what it has just set.
        () if matches!(left_value, [set] if set.kind == Kind::Variable && set.text.starts_with(b"@"))
            && is_literal(right_value) =>
        {
            5
        }
        // A column that every row of Oracle has.
        () if matches!(left_value, [name] if name.is("rownum")) && both(right_value) => 5,
        () if is_behind_text && is_literal(left_value) => 5,
        () if stands == Behind::Text && is_literal(right_value) => 5,
        () if is_cut && (is_literal(right_value) || is_behind_text) => 5,
        // `a = b` and `price > 5` are conditions of query languages as well.
        () if is_behind_text && is_plain_name(left_value) && is_plain_name(right_value) => 3,
        () => 0,
    }
}

/// What is in parentheses that are all there is, or that nothing closes: `(1=1)`, `((1=1`.
fn inside<'a, 't>(mut tokens: &'a [Token<'t>]) -> &'a [Token<'t>] {
    for _ in 0..4 {
        let Some(Kind::Open) = tokens.first().map(|token| token.kind) else {
            break;
        };
        let len = parentheses(tokens);
        let after = tokens.get(len).map(|token| token.kind);
        let is_query = tokens.get(1).is_some_and(|token| token.is("select"));
        if is_query
            || !matches!(
                after,
                None | Some(Kind::Cut | Kind::Close | Kind::Semicolon)
            )
        {
            break;
        }
        tokens = tokens.get(1..).unwrap_or_default();
    }
    tokens
}

fn same_text(left: &[Token<'_>], right: &[Token<'_>]) -> bool {
    matches!((left, right), ([left], [right]) if left.text.eq_ignore_ascii_case(right.text) && left.text.len() < 24)
}

/// How many words a comparison is, and what follows it.
fn comparison<'a, 't>(tokens: &'a [Token<'t>]) -> (usize, &'a [Token<'t>]) {
    let mut at = 0;
    for token in tokens.iter().take(3) {
        let compares = token.kind == Kind::Comparison
            || token.is_one_of(&[
                "like", "rlike", "regexp", "ilike", "between", "in", "is", "sounds", "glob", "div",
                "mod",
            ])
            || (at > 0 && token.is("not"))
            || (at == 0
                && token.is("not")
                && tokens
                    .get(1)
                    .is_some_and(|next| next.is_one_of(&["like", "in", "between", "regexp"])));
        if !compares {
            break;
        }
        at += 1;
    }
    (at, tokens.get(at..).unwrap_or_default())
}
