//! Statements of SQL, told by more than their first word: sentences begin with `drop`, `create` and `select` as well.

use super::super::bytes;
use super::shapes::{WAITING, is_telling_call, value};
use super::tokens::{Kind, Token};

/// What is created, changed and dropped.
const OBJECTS: [&str; 12] = [
    "table",
    "database",
    "user",
    "view",
    "procedure",
    "function",
    "schema",
    "index",
    "column",
    "login",
    "role",
    "trigger",
];

/// What follows the name of such an object.
const BEHIND_OBJECTS: [&str; 14] = [
    "if",
    "as",
    "add",
    "cascade",
    "restrict",
    "identified",
    "values",
    "with",
    "on",
    "modify",
    "rename",
    "drop",
    "set",
    "returns",
];

/// Whether words begin a statement.
pub(super) fn statement(tokens: &[Token<'_>]) -> bool {
    let Some(first) = tokens.first().filter(|token| token.kind == Kind::Name) else {
        return false;
    };
    first.is("select") && query(tokens)
        || of_rows(tokens)
        || of_objects(tokens)
        || of_programs(tokens)
        || of_copies(tokens)
        || of_conditions(tokens)
        || (first.is("select") && has(tokens, &["from"]) && is_hostile(tokens))
}

/// Statements that make no sense but behind another, and that no sentence behind a semicolon is: what a connection is told,
/// what a database shows of itself.
pub(super) fn further_statement(tokens: &[Token<'_>]) -> bool {
    let Some(first) = tokens.first().filter(|token| token.kind == Kind::Name) else {
        return false;
    };
    let name = |at: usize| kind(tokens, at) == Some(Kind::Name);
    match () {
        () if first.is_one_of(&["begin", "commit", "rollback", "shutdown"]) => ends(tokens, 1),
        () if first.is_one_of(&["show", "flush"]) => {
            is(
                tokens,
                1,
                &[
                    "tables",
                    "databases",
                    "columns",
                    "grants",
                    "variables",
                    "processlist",
                    "privileges",
                    "logs",
                    "hosts",
                    "status",
                ],
            ) && (ends(tokens, 2) || is(tokens, 2, &["from", "like", "where"]))
        }
        () if first.is_one_of(&["explain", "describe"]) => is(tokens, 1, &["select"]),
        () if first.is("use") => name(1) && ends(tokens, 2),
        () if first.is_one_of(&["lock", "rename"]) => {
            is(tokens, 1, &["table", "tables", "user"]) && name(2)
        }
        () if first.is("alter") => is(tokens, 1, &["user", "login", "role"]) && name(2),
        () if first.is("prepare") => name(1) && is(tokens, 2, &["from"]),
        () if first.is("do") => is_telling_call(tokens.get(1..).unwrap_or_default()),
        () if first.is("kill") => kind(tokens, 1) == Some(Kind::Number) && ends(tokens, 2),
        () => false,
    }
}

/// `backup database a to disk='…'`.
fn of_copies(tokens: &[Token<'_>]) -> bool {
    is(tokens, 0, &["backup", "restore"])
        && is(tokens, 1, &["database", "log"])
        && (is(tokens, 3, &["to", "from"]) || is(tokens, 2, &["to", "from"]))
        && tokens.iter().any(|token| token.text == b"=")
}

/// `if(1=1) select …`.
fn of_conditions(tokens: &[Token<'_>]) -> bool {
    is(tokens, 0, &["if"])
        && kind(tokens, 1) == Some(Kind::Open)
        && tokens.iter().any(|token| token.kind == Kind::Comparison)
        && has(tokens, &["select", "waitfor", "drop", "exec"])
}

fn is(tokens: &[Token<'_>], at: usize, words: &[&str]) -> bool {
    tokens.get(at).is_some_and(|token| token.is_one_of(words))
}

fn has(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens.iter().any(|token| token.is_one_of(words))
}

fn kind(tokens: &[Token<'_>], at: usize) -> Option<Kind> {
    tokens.get(at).map(|token| token.kind)
}

/// Whether nothing follows that belongs to the statement.
fn ends(tokens: &[Token<'_>], at: usize) -> bool {
    matches!(kind(tokens, at), None | Some(Kind::Cut | Kind::Semicolon))
}

/// Where databases keep what they know of themselves: schemas, and packages of them.
const CATALOGUES: [&str; 18] = [
    "information_schema",
    "pg_catalog",
    "pg_shadow",
    "pg_user",
    "sysibm",
    "syscat",
    "sysobjects",
    "syscolumns",
    "sysdatabases",
    "sysusers",
    "sqlite_master",
    "sqlite_schema",
    "msysobjects",
    "all_tables",
    "all_tab_columns",
    "user_tables",
    "dba_users",
    "rdb$relations",
];

/// Whether a name is that of such a place.
pub(super) fn is_catalogue(token: &Token<'_>) -> bool {
    token.is_one_of(&CATALOGUES)
}

/// Whether a statement is none that a report or a manual has: it reads what the database knows of itself, calls what tells
/// or waits, or starts a program.
pub(super) fn is_hostile(tokens: &[Token<'_>]) -> bool {
    let mut from = tokens.iter().zip(tokens.iter().skip(1));
    let reads = from.any(|(from, table)| from.is_one_of(&["from", "join"]) && is_catalogue(table));
    let starts = tokens.iter().any(|token| {
        let name = token.text;
        token.kind == Kind::Name && (bytes::begins(name, b"xp_") || bytes::begins(name, b"sp_oa"))
    });
    let calls = tokens
        .iter()
        .zip(tokens.iter().skip(1))
        .any(|(name, open)| open.kind == Kind::Open && name.is_one_of(&WAITING));
    let copies = is(tokens, 0, &["backup", "restore"]);
    // Nobody compares two numbers who asks for something.
    let tells = tokens.windows(3).any(|words| {
        matches!(words, [left, compares, right] if left.kind == Kind::Number
            && compares.kind == Kind::Comparison && right.kind == Kind::Number)
    });
    reads || starts || calls || copies || tells
}

/// `select` with columns as SQL has them.
fn query(tokens: &[Token<'_>]) -> bool {
    let columns = matches!(
        kind(tokens, 1),
        Some(Kind::Number | Kind::Text | Kind::Variable)
    ) || tokens.get(1).is_some_and(|token| token.text == b"*");
    let behind = tokens.get(1..).unwrap_or_default();
    let column = value(behind);
    let call = kind(tokens, 2) == Some(Kind::Open);
    let counted = call
        && column > 1
        && behind.get(column).is_none_or(|token| {
            token.is("from") || matches!(token.kind, Kind::Cut | Kind::Comma | Kind::Semicolon)
        });
    let cases = is(tokens, 1, &["case"]) && has(tokens, &["when", "then"]);
    let listed = has(tokens, &["from"])
        && has(tokens, &["where", "information_schema", "limit", "union"])
        && (kind(tokens, 2) == Some(Kind::Comma) || is(tokens, 2, &["from"]));
    counted
        || cases
        || listed
        || (columns && (reads_table(tokens) || has(tokens, &["into"]) || tokens.len() <= 3))
        || is_telling_call(behind)
}

/// Whether `from` is followed by a table, and not by what people select from.
fn reads_table(tokens: &[Token<'_>]) -> bool {
    const ARTICLES: [&str; 10] = [
        "the", "a", "an", "my", "our", "your", "this", "that", "these", "each",
    ];
    let from = tokens.iter().position(|token| token.is("from"));
    from.is_some_and(|from| !is(tokens, from + 1, &ARTICLES))
}

/// Statements that change rows.
fn of_rows(tokens: &[Token<'_>]) -> bool {
    let named = |at| kind(tokens, at) == Some(Kind::Name);
    match tokens.first() {
        Some(first) if first.is("insert") => {
            is(tokens, 1, &["into", "ignore"]) && has(tokens, &["values", "select", "set"])
        }
        Some(first) if first.is("update") => {
            named(1) && is(tokens, 2, &["set"]) && tokens.iter().any(|token| token.text == b"=")
        }
        Some(first) if first.is("delete") => {
            is(tokens, 1, &["from"]) && named(2) && (is(tokens, 3, &["where"]) || ends(tokens, 3))
        }
        Some(first) if first.is("merge") => is(tokens, 1, &["into"]) && has(tokens, &["using"]),
        Some(first) if first.is("replace") => {
            is(tokens, 1, &["into"]) && has(tokens, &["values", "select", "set"])
        }
        Some(first) if first.is("load") => {
            is(tokens, 1, &["data"]) && has(tokens, &["infile"]) && has(tokens, &["into"])
        }
        // To or from a file or program.
        Some(first) if first.is("copy") => {
            is(tokens, 2, &["to", "from"])
                && (matches!(kind(tokens, 3), Some(Kind::Text | Kind::Operator))
                    || is(tokens, 3, &["program", "stdin", "stdout"]))
        }
        _ => false,
    }
}

/// Statements that change tables, users and the like.
fn of_objects(tokens: &[Token<'_>]) -> bool {
    let Some(first) = tokens.first() else {
        return false;
    };
    if first.is("grant") {
        return has(tokens, &["on"]) && has(tokens, &["to"]);
    }
    let is_named = is(tokens, 1, &OBJECTS) && kind(tokens, 2) == Some(Kind::Name);
    let goes_on =
        is(tokens, 3, &BEHIND_OBJECTS) || matches!(kind(tokens, 3), Some(Kind::Open | Kind::Comma));
    match () {
        () if first.is_one_of(&["drop", "truncate"]) => {
            is_named && (goes_on || ends(tokens, 3))
                || (is(tokens, 1, &OBJECTS) && is(tokens, 2, &["if"]) && is(tokens, 3, &["exists"]))
        }
        () if first.is_one_of(&["create", "alter"]) => {
            (is(tokens, 1, &["user", "login"]) && has(tokens, &["identified"]))
                || (is_named && goes_on)
                || (is(tokens, 1, &["or"]) && is(tokens, 2, &["replace"]))
        }
        () => false,
    }
}

/// Statements that run something.
fn of_programs(tokens: &[Token<'_>]) -> bool {
    let Some(first) = tokens.first() else {
        return false;
    };
    let second = tokens.get(1);
    match () {
        () if first.is_one_of(&["exec", "execute"]) => {
            let procedures: [&[u8]; 2] = [b"xp_", b"sp_"];
            second.is_some_and(|token| {
                procedures
                    .iter()
                    .any(|start| token.text.len() > 3 && bytes::begins(token.text, start))
            }) || is(tokens, 1, &["master", "immediate"])
                || (kind(tokens, 1) == Some(Kind::Open) && kind(tokens, 2) == Some(Kind::Text))
        }
        () if first.is("waitfor") => {
            is(tokens, 1, &["delay", "time"]) && kind(tokens, 2) == Some(Kind::Text)
        }
        () if first.is("begin") => {
            has(tokens, &["end"])
                || kind(tokens, 2) == Some(Kind::Open)
                || tokens.get(2).is_some_and(|token| token.text == b".")
        }
        () if first.is("declare") => second.is_some_and(|token| token.text.starts_with(b"@")),
        () if first.is("attach") => {
            (is(tokens, 1, &["database"]) || kind(tokens, 1) == Some(Kind::Text))
                && has(tokens, &["as"])
        }
        () if first.is("pragma") => {
            matches!(kind(tokens, 2), Some(Kind::Open | Kind::Comparison))
        }
        () if first.is("set") => {
            kind(tokens, 1) == Some(Kind::Variable)
                && tokens.get(2).is_some_and(|token| token.text == b"=")
        }
        () if first.is("handler") => is(tokens, 2, &["open", "read"]),
        () if first.is("shutdown") => matches!(kind(tokens, 1), Some(Kind::Cut | Kind::Semicolon)),
        () if first.is("call") => {
            matches!(tokens, [_, name, open, argument, ..] if open.kind == Kind::Open && name.end == open.start
                && (matches!(argument.kind, Kind::Number | Kind::Text | Kind::Variable | Kind::Close)
                    || kind(tokens, 4) == Some(Kind::Open)))
        }
        () => false,
    }
}
