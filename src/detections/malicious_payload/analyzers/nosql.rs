//! Queries of document databases (CWE-943): operators where a value is expected, and JavaScript that the server runs.
//!
//! A form field `user[$ne]=` or a JSON key `$ne` makes of a comparison with a value one that anything fulfils. Where a
//! string is parsed again, the operator comes within it: `{"$gt": ""}`. `$where` and stored scripts take JavaScript.
//! Keys that begin with `$` and are no operators of queries (`$ref`, `$schema`, `$id`) are left alone.

use super::bytes::{begins, blanks, find, is_boundary, is_one_of, rest, word};
use super::{Analyzer, Matches, Rule, Text};

static OPERATOR_KEY: Rule = Rule {
    name: "operator_key",
    score: 5,
    message: "The name of a field is an operator of a database query.",
};

static OPERATOR: Rule = Rule {
    name: "operator_in_value",
    score: 5,
    message: "A value is an object with an operator of a database query.",
};

static SCRIPT: Rule = Rule {
    name: "script",
    score: 5,
    message: "A value carries JavaScript for a database to run.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "nosql_injection",
    cwe: 943,
    gates: &[
        r"\$(?:ne|gte?|lte?|eq|n?in|not|n?or|and|regex|where|exists|expr|func|elem|size|mod|all|json|type|lookup|graphlookup|unionwith)",
        r"\bdb\.",
        r"new\s+date",
        r"return",
        r"this\.",
        r"['\x22]\s*(?:\|\||&&).*==",
        r"['\x22]\s*;\s*(?:while\s*\(|for\s*\(|sleep\s*\(|do\s*\{|(?:var|let|const)\s[^=]*=)",
        r"^\W*function",
    ],
    rules: &[&OPERATOR_KEY, &OPERATOR, &SCRIPT],
    longest: usize::MAX,
    analyze,
};

const OPERATORS: [&str; 27] = [
    "func",
    "lookup",
    "graphlookup",
    "unionwith",
    "ne",
    "gt",
    "gte",
    "lt",
    "lte",
    "eq",
    "in",
    "nin",
    "not",
    "nor",
    "or",
    "and",
    "regex",
    "where",
    "exists",
    "expr",
    "function",
    "elemMatch",
    "size",
    "mod",
    "all",
    "jsonSchema",
    "accumulator",
];

/// What a collection is asked to do.
const METHODS: [&str; 14] = [
    "find",
    "findOne",
    "insert",
    "insertOne",
    "update",
    "updateOne",
    "remove",
    "deleteOne",
    "deleteMany",
    "drop",
    "save",
    "count",
    "aggregate",
    "mapReduce",
];

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let mut at = 0;
    while let Some(sign) = find(bytes, b"$", at) {
        at = sign + 1;
        let name = word(rest(bytes, at));
        if !is_one_of(name, &OPERATORS) {
            continue;
        }
        let end = at + name.len();
        if text.is_key && is_key(bytes, sign, end) {
            matches.add(&OPERATOR_KEY, sign..end);
        } else if is_in_object(bytes, sign, end) {
            matches.add(&OPERATOR, sign..end);
        }
    }
    // Documents show scripts.
    if !text.is_document() {
        breakouts(bytes, matches);
    }
    script(bytes, matches);
}

/// Whether an operator is a name by itself, or in the brackets at the end of one: `$ne`, `user[$ne]`, `a.$ne`.
fn is_key(bytes: &[u8], sign: usize, end: usize) -> bool {
    let before = sign.checked_sub(1).and_then(|before| bytes.get(before));
    let after = bytes.get(end);
    matches!(before, None | Some(b'[' | b'.')) && matches!(after, None | Some(b']' | b'.'))
}

/// Whether an operator begins an object or stands where a query would have it: `{"$ne":`, `$where:`.
fn is_in_object(bytes: &[u8], sign: usize, end: usize) -> bool {
    let quoted = |byte: Option<&u8>| matches!(byte, Some(b'"' | b'\''));
    let is_quoted = quoted(bytes.get(end));
    let behind = rest(bytes, end + usize::from(is_quoted));
    if rest(behind, blanks(behind)).first() != Some(&b':') {
        return false;
    }
    let before = bytes.get(..sign).unwrap_or_default();
    let before = if is_quoted {
        before
            .get(..before.len().saturating_sub(1))
            .unwrap_or_default()
    } else {
        before
    };
    let opens = before
        .iter()
        .rev()
        .take(16)
        .find(|byte| !byte.is_ascii_whitespace());
    let value = rest(behind, blanks(behind) + 1);
    let value = rest(value, blanks(value));
    match opens {
        Some(b'{') => true,
        // GraphQL declares its variables in the same way, but their types have no quotes.
        Some(b',') => is_quoted || bytes.first() == Some(&b'{'),
        None => begins(value, b"function") || matches!(value, [b'\'' | b'"', ..]),
        _ => false,
    }
}

/// Adds JavaScript that makes sense to a database only, or ends what a query begins with.
fn script(bytes: &[u8], matches: &mut Matches) {
    let mut at = 0;
    while let Some(start) = find(bytes, b"db.", at) {
        at = start + 3;
        let collection = word(rest(bytes, at));
        let method = rest(bytes, at + collection.len())
            .strip_prefix(b".")
            .map(word);
        if let Some(method) = method.filter(|_| is_boundary(bytes, start) && !collection.is_empty())
        {
            let end = at + collection.len() + 1 + method.len();
            if is_one_of(method, &METHODS) && bytes.get(end) == Some(&b'(') {
                matches.add(&SCRIPT, start..end);
            }
        }
        // What the database itself is asked.
        const ASKED: [&str; 7] = [
            "dropdatabase",
            "getcollection",
            "getcollectionnames",
            "admincommand",
            "runcommand",
            "createuser",
            "shutdownserver",
        ];
        let end = at + collection.len();
        if is_boundary(bytes, start)
            && is_one_of(collection, &ASKED)
            && bytes.get(end) == Some(&b'(')
        {
            matches.add(&SCRIPT, start..end);
        }
    }
    // A loop until some time has passed.
    if let Some(date) = find(bytes, b"new date", 0)
        && let Some(again) = find(bytes, b"while(", 0).or_else(|| find(bytes, b"while (", 0))
        && let Some(second) = find(bytes, b"new date", date + 8)
    {
        matches.add(&SCRIPT, date.min(again)..second + 8);
    }
    if bytes.len() < LONGEST_CONDITION && is_condition(bytes) {
        matches.add(&SCRIPT, 0..bytes.len());
    }
}

/// Adds what a string is broken out of to: `'; return true; var a='`, `' || this.password == '`. The quote is one that the
/// value has not begun itself.
fn breakouts(bytes: &[u8], matches: &mut Matches) {
    let mut own = [false; 2];
    for (quote, mark) in bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'\'' | b'"'))
        .take(64)
    {
        let [single, double] = &mut own;
        let is_begun = if *mark == b'"' { double } else { single };
        let is_own = std::mem::replace(is_begun, !*is_begun);
        if is_own {
            continue;
        }
        let behind = rest(bytes, quote + 1);
        let behind = rest(behind, blanks(behind).min(8));
        if let Some(statement) = behind.strip_prefix(b";") {
            if is_statement(rest(statement, blanks(statement).min(8))) {
                matches.add(&SCRIPT, quote..quote + 1);
            }
        } else if behind.starts_with(b"||") || behind.starts_with(b"&&") {
            let condition = rest(behind, 2);
            let condition = rest(condition, blanks(condition).min(8));
            if begins(condition, b"this.") || is_same(condition) {
                matches.add(&SCRIPT, quote..quote + 1);
            }
        }
    }
}

/// A value that is a condition for each document is no longer than this.
const LONGEST_CONDITION: usize = 256;

/// Whether a whole value is what `$where` is given: a function that returns something at once, a comparison of a field by a
/// method, or a value that ends a statement and returns for the document.
fn is_condition(bytes: &[u8]) -> bool {
    let begin = rest(bytes, blanks(bytes));
    if begins(begin, b"this.") {
        let field = rest(begin, 5);
        return begins(rest(field, word(field).len()), b".match(/");
    }
    if let Some(behind) = begins(begin, b"function").then(|| rest(begin, 8)) {
        let behind = rest(behind, blanks(behind));
        let body = behind.strip_prefix(b"()").unwrap_or_default();
        let body = rest(body, blanks(body)).strip_prefix(b"{");
        return body.is_some_and(|body| is_return(rest(body, blanks(body))));
    }
    let value = word(begin);
    let behind = rest(begin, value.len());
    let behind = rest(behind, blanks(behind)).strip_prefix(b";");
    !value.is_empty() && behind.is_some_and(|behind| is_return(rest(behind, blanks(behind))))
}

/// Whether a statement returns the same for every document, or a field of it.
fn is_return(statement: &[u8]) -> bool {
    let value = rest(statement, 6);
    let gap = blanks(value);
    let value = rest(value, gap);
    begins(statement, b"return")
        && gap > 0
        && (is_one_of(word(value), &["true", "this", "1"]) || is_same(value))
}

/// Whether a text begins with a statement of JavaScript that makes sense behind any other: it returns, waits, repeats, or
/// begins another text by which the rest of the query is taken in.
fn is_statement(text: &[u8]) -> bool {
    let name = word(text);
    let behind = rest(text, name.len());
    let gap = blanks(behind);
    let behind = rest(behind, gap);
    match name {
        b"return" => true,
        b"while" | b"for" | b"sleep" => behind.starts_with(b"("),
        b"do" => behind.starts_with(b"{"),
        b"var" | b"let" | b"const" => {
            let behind = rest(behind, word(behind).len());
            gap > 0 && rest(behind, blanks(behind)).starts_with(b"=")
        }
        _ => false,
    }
}

/// Whether a text begins with two values without names that are compared as JavaScript compares them: `1==1`, `'a'=='a`.
fn is_same(text: &[u8]) -> bool {
    let literal = |text: &[u8]| -> usize {
        let quote = usize::from(matches!(text, [b'\'' | b'"', ..]));
        let inner = rest(text, quote);
        let len = word(inner).len();
        let is_number = inner.first().is_some_and(u8::is_ascii_digit);
        let closes = usize::from(quote > 0 && matches!(rest(inner, len), [b'\'' | b'"', ..]));
        match (quote, is_number) {
            (0, false) => 0,
            _ => quote + len + closes,
        }
    };
    let left = literal(text);
    let behind = rest(text, left);
    let behind = rest(behind, blanks(behind).min(8));
    let Some(right) = behind.strip_prefix(b"==") else {
        return false;
    };
    let right = right.strip_prefix(b"=").unwrap_or(right);
    left > 0 && literal(rest(right, blanks(right).min(8))) > 0
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, named};
    use super::*;
    use crate::request::PlaceKind;

    #[test]
    fn operators_in_names_are_found() {
        for key in [
            "user[$ne]",
            "$where",
            "filter[age][$gt]",
            "a.$regex",
            "$nin",
            "q[$exists]",
        ] {
            let found = named(&ANALYZER, key, key.as_bytes(), PlaceKind::Query, true);
            assert_eq!(found, ["operator_key"], "{key}");
        }
        for key in [
            "$ref",
            "$schema",
            "$id",
            "price$",
            "user[name]",
            "$input",
            "cost_$in_euro",
            "$filter",
            "$orderby",
        ] {
            let found = named(&ANALYZER, key, key.as_bytes(), PlaceKind::Query, true);
            assert_eq!(found, [""; 0], "{key}");
        }
    }

    #[test]
    fn operators_and_scripts_in_values_are_found() {
        for text in [
            "{\"$ne\": null}",
            "{$gt: ''}",
            "{ '$regex' : '.*' }",
            "$where: '1 == 1'",
            "{\"a\":1,\"$or\":[{}]}",
            "{$nin:[\"admin\"]}",
        ] {
            assert_eq!(found(&ANALYZER, text), ["operator_in_value"], "{text}");
        }
        for text in [
            "db.users.find({a:1})",
            "db.dropDatabase()",
            "0;var d=new Date();do{c=new Date();}while(c-d<10000);",
            "'; return true; var a='",
            "' || this.password == 'x",
            "\" && this.a.match(/.*/)",
            "x'; return 1 == 1; //",
            "' || 1==1//",
            "' && 'a'=='a",
            "';sleep(5000);'",
            "';while(1);'",
            "a'; var b = '",
            "1; return true",
            "this.password.match(/^a/)",
            "function() { return true }",
        ] {
            assert_eq!(found(&ANALYZER, text), ["script"], "{text}");
        }
    }

    #[test]
    fn honest_texts_are_not() {
        for text in [
            "costs $in total: 5",
            "{\"$ref\": \"#/definitions/a\"}",
            "it's in the db. users find it",
            "const d = new Date();",
            "query($in: Input) { a }",
            "query($a: A, $where: WhereInput) { a }",
            "$where: WhereInput",
            "Price: $5, or: more",
            "don't; return it",
            "this.value || 'x'",
            "function() { return formatter(x) }",
            "function add(a, b) { return a + b; }",
            "it's 5; for us, that's late = bad",
            "'a'; do it (now)",
            "x; return to sender",
            "size == 'a' && colour == 'b'",
            "let a = \"b\"; let c = \"d\";",
            "x = 'a'; return y",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    /// Known miss: an operator of a database that is not known here.
    #[test]
    fn unknown_operators_are_missed() {
        assert_eq!(found(&ANALYZER, "{\"$geoWithin\": 1}"), [""; 0]);
    }
}
