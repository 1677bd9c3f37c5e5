//! Queries of XML documents (CWE-643, XPath 1.0): functions and axes of XPath behind what ends a string or a condition.

use std::sync::LazyLock;

use super::bytes::{Texts, begins, blanks, find, is_boundary, rest};
use super::{Analyzer, Matches, Rule, Text};

static QUERY: Rule = Rule {
    name: "query",
    score: 5,
    message: "A value carries a part of a query of an XML document.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "xpath_injection",
    cwe: 643,
    gates: &[
        r"(?:count|name|string|substring|contains|position|text|last|doc|node)\s*\(",
        r"(?:ancestor|child|descendant|following|parent|preceding|self|attribute)(?:-[a-z-]+)?::",
        r"\|\s*//",
    ],
    rules: &[&QUERY],
    analyze,
};

/// Functions that are given a path, or that are compared in conditions on nodes.
static FUNCTIONS: [&[u8]; 8] = [
    b"count(",
    b"name(",
    b"local-name(",
    b"string-length(",
    b"substring(",
    b"contains(",
    b"doc(",
    b"starts-with(",
];

static AXES: [&[u8]; 12] = [
    b"ancestor::",
    b"ancestor-or-self::",
    b"child::",
    b"descendant::",
    b"descendant-or-self::",
    b"following::",
    b"following-sibling::",
    b"parent::",
    b"preceding::",
    b"preceding-sibling::",
    b"self::",
    b"attribute::",
];

static CONDITIONS: [&[u8]; 5] = [
    b"position()=",
    b"text()=",
    b"last()=",
    b"position()<",
    b"node()=",
];

/// What ends the string or condition that a value stands in.
fn breaks_out(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let near = before
        .get(before.len().saturating_sub(64)..)
        .unwrap_or_default();
    near.iter().any(|byte| matches!(byte, b'\'' | b'"' | b']'))
        && (find(near, b"or ", 0).is_some()
            || find(near, b"and ", 0).is_some()
            || near.contains(&b'|'))
}

/// Functions first, then axes, then what conditions begin with.
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    let texts = FUNCTIONS.iter().chain(&AXES).chain(&CONDITIONS);
    Texts::new(texts.copied())
});

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    for (nth, range) in TEXTS.find(bytes) {
        let behind = rest(bytes, range.end);
        let breaks_out = || breaks_out(bytes, range.start);
        let is_query = if nth < FUNCTIONS.len() {
            is_boundary(bytes, range.start) && is_path(behind) && breaks_out()
        } else if nth < FUNCTIONS.len() + AXES.len() {
            is_boundary(bytes, range.start)
                && matches!(behind, [b'*' | b'a'..=b'z' | b'A'..=b'Z', ..])
                && (breaks_out()
                    || bytes
                        .get(..range.start)
                        .is_some_and(|before| before.ends_with(b"/")))
        } else {
            breaks_out()
                || memchr::memmem::find(bytes, b"//").is_some_and(|path| path < range.start)
        };
        if is_query {
            return matches.add(&QUERY, range);
        }
    }
    union(bytes, matches);
}

/// Whether what a function is given begins a path, or is another function of one.
fn is_path(argument: &[u8]) -> bool {
    let argument = rest(argument, blanks(argument).min(8));
    matches!(
        argument,
        [b'/', b'/' | b'*' | b'@' | b'a'..=b'z' | b'A'..=b'Z', ..]
    ) || matches!(argument, [b'.', b'.' | b'/', ..] | [b'@', b'*', ..])
        || FUNCTIONS.iter().any(|inner| {
            let inside = rest(argument, inner.len());
            begins(argument, inner) && inside.first() == Some(&b'/')
        })
}

/// Adds a union with all nodes of some name, behind a condition: `'] | //user/*[`, `x]|//*`.
fn union(bytes: &[u8], matches: &mut Matches) {
    for bar in memchr::memchr_iter(b'|', bytes).take(64) {
        let before = bytes.get(..bar).unwrap_or_default();
        let ends = before
            .iter()
            .rev()
            .take(8)
            .find(|byte| !byte.is_ascii_whitespace());
        let behind = rest(bytes, bar + 1);
        let behind = rest(behind, blanks(behind).min(8));
        if matches!(ends, Some(b']' | b'\'' | b'"' | b')'))
            && behind.starts_with(b"//")
            && matches!(rest(behind, 2), [b'*' | b'a'..=b'z' | b'A'..=b'Z', ..])
        {
            return matches.add(&QUERY, bar..bar + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn queries_are_found() {
        for text in [
            "' or count(/*)=1 or '",
            "' or string-length(name(/*[1]))=5 or '",
            "x' and substring(name(/*[1]),1,1)='a",
            "'] | //user/*[contains(.,'a') or '",
            "' or //user[position()=1]/name or '",
            "\" or count(//child::node()) or \"",
            "a/ancestor::*",
            "' or doc('x')/a or count(../*)=1 or '",
        ] {
            assert_eq!(found(&ANALYZER, text), ["query"], "{text}");
        }
    }

    #[test]
    fn other_texts_are_not() {
        for text in [
            "count(*) of rows",
            "the self::method of PHP",
            "parent::__construct()",
            "document.querySelector('a') || //comment",
            "name(s) of the child",
            "text() returns the text",
            "a | b || //c",
            "contains(name, 'x') and price gt 5",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    /// Known miss: a condition that SQL has as well is left to that.
    #[test]
    fn plain_conditions_are_left_to_sql() {
        assert_eq!(found(&ANALYZER, "' or '1'='1"), [""; 0]);
    }
}
