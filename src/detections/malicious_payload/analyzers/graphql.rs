//! GraphQL documents that ask for more than anybody needs (CWE-770): fields within fields, one field under many names,
//! directives and operations without end. A short text can so keep a server busy for long, or try a thousand passwords in
//! one request.
//!
//! What is asked for is counted as the October 2021 specification has it, section 2. Limits are several times what tools
//! write: the question that clients put to learn a schema is 13 selections deep. Of the documents of one request, that one
//! is found which stands too far down the list.

use super::{Analyzer, Matches, Rule, Text};
use crate::request::body::GraphqlShape;

static DEPTH: Rule = Rule {
    name: "deep_selection",
    score: 5,
    message: "A GraphQL document selects fields within more than 24 others.",
};

static ALIASES: Rule = Rule {
    name: "many_aliases",
    score: 5,
    message: "A GraphQL document asks for fields under more than 64 names of its own.",
};

static DIRECTIVES: Rule = Rule {
    name: "many_directives",
    score: 5,
    message: "A GraphQL document has more than 64 directives.",
};

static OPERATIONS: Rule = Rule {
    name: "many_operations",
    score: 5,
    message: "A GraphQL document has more than 24 operations.",
};

static BATCH: Rule = Rule {
    name: "large_batch",
    score: 5,
    message: "A request carries more than 32 GraphQL documents.",
};

/// How many documents a request may carry. Clients that put questions together send ten, or as many as a page has parts.
const MOST_DOCUMENTS: usize = 32;

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "graphql_abuse",
    cwe: 770,
    gates: &[
        r"\{[^{]{0,64}\{[^{]{0,64}\{[^{]{0,64}\{[^{]{0,64}\{[^{]{0,64}\{",
        r"\{[^{}]*:[^{}]*:[^{}]*:[^{}]*:",
        r"@[a-z]+\s*@[a-z]+",
        r"\}\s*(?:query|mutation|subscription)",
        r"\{\s*\w.*\}$",
    ],
    rules: &[&DEPTH, &ALIASES, &DIRECTIVES, &OPERATIONS, &BATCH],
    longest: usize::MAX,
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if !begins_document(text.bytes) {
        return;
    }
    if is_far_down(&text.name()) {
        matches.add(&BATCH, 0..text.bytes.len());
    }
    let shape = GraphqlShape::of(text.bytes);
    for (count, most, rule) in [
        (shape.depth, 24, &DEPTH),
        (shape.aliases, 64, &ALIASES),
        (shape.directives, 64, &DIRECTIVES),
        (shape.operations, 24, &OPERATIONS),
    ] {
        if count > most {
            matches.add(rule, 0..text.bytes.len());
        }
    }
}

/// Whether a name is that of the document in an object that is not among the first of a list: `$[32].query`.
fn is_far_down(name: &str) -> bool {
    let inner = name
        .strip_prefix("$[")
        .and_then(|inner| inner.strip_suffix("].query"));
    let number = inner.and_then(|number| number.parse::<usize>().ok());
    number.is_some_and(|number| number >= MOST_DOCUMENTS)
}

/// Whether a text begins as a document does; an object of JSON has a quote behind its bracket.
fn begins_document(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    match text {
        [b'{', inner @ ..] => {
            let inner = inner.trim_ascii_start();
            inner.first().is_some_and(|byte| {
                byte.is_ascii_alphabetic() || matches!(*byte, b'_' | b'.' | b'#')
            })
        }
        _ => ["query", "mutation", "subscription", "fragment"]
            .iter()
            .any(|word| {
                text.strip_prefix(word.as_bytes())
                    .and_then(|behind| behind.first())
                    .is_some_and(|byte| {
                        byte.is_ascii_whitespace() || matches!(*byte, b'{' | b'(' | b'@')
                    })
            }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, named};
    use super::*;
    use crate::request::PlaceKind;

    #[test]
    fn a_batch_is_found_by_what_is_far_down() {
        let found = |name: &str| {
            named(
                &ANALYZER,
                name,
                b"mutation { login(p: 1) { ok } }",
                PlaceKind::Body,
                false,
            )
        };
        assert_eq!(found("$[32].query"), ["large_batch"]);
        for name in [
            "$[31].query",
            "$.items[40].query",
            "$[40].text",
            "$[x].query",
            "query",
        ] {
            assert_eq!(found(name), [""; 0], "{name}");
        }
    }

    #[test]
    fn documents_that_ask_for_too_much_are_found() {
        for (document, rule) in [
            (
                format!("query {}{}", "{ a ".repeat(25), "}".repeat(25)),
                "deep_selection",
            ),
            (
                format!("{{ {} }}", "a: login(p: 1) { ok } ".repeat(65)),
                "many_aliases",
            ),
            (
                format!("query {{ a {} }}", "@include(if: true) ".repeat(65)),
                "many_directives",
            ),
            ("query A { a } ".repeat(25), "many_operations"),
        ] {
            assert_eq!(found(&ANALYZER, &document), [rule]);
        }
    }

    #[test]
    fn documents_as_clients_write_them_and_other_texts_are_spared() {
        let of_type = format!("{}kind{}", "ofType { ".repeat(8), " }".repeat(8));
        for document in [
            format!("query {{ __schema {{ types {{ fields {{ type {{ {of_type} }} }} }} }} }}"),
            format!("{{ {} }}", "a: user(id: 1) { name } ".repeat(30)),
            format!("body {{ {} }}", "color: red; ".repeat(100)),
            format!("{{{}}}", "\"a\": 1, ".repeat(100)),
            "{".repeat(100),
        ] {
            assert_eq!(found(&ANALYZER, &document), [""; 0], "{document:.60}");
        }
    }
}
