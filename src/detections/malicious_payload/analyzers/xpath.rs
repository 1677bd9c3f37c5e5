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
        r"(?:count|name|string|substring|contains|position|text|last|doc|node|with|matches|available)\s*\(",
        r"(?:ancestor|child|descendant|following|parent|preceding|self|attribute)(?:-[a-z-]+)?::",
        r"\| ?/[/*a-z]",
        r"(?:true|false)\(\)",
        r"document\s*\(",
        r"^//\*",
    ],
    rules: &[&QUERY],
    longest: usize::MAX,
    analyze,
};

/// Functions that are given a path, or that are compared in conditions on nodes.
static FUNCTIONS: [&[u8]; 12] = [
    b"ends-with(",
    b"matches(",
    b"doc-available(",
    b"unparsed-text(",
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

static CONDITIONS: [&[u8]; 7] = [
    b"true()",
    b"false()",
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

/// Whether what begins at `at` is connected to a text that ended just before: `' or `.
fn is_put_to_a_text(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let before = before.get(before.len().saturating_sub(16)..);
    let before = before.unwrap_or_default().trim_ascii_end();
    let connective = [&b"or"[..], b"and"].into_iter().find_map(|connective| {
        let begin = before.len().checked_sub(connective.len())?;
        begins(rest(before, begin), connective).then_some(begin)
    });
    let text = connective.and_then(|begin| before.get(..begin));
    text.is_some_and(|text| {
        let closed = text.iter().rev();
        let closed = closed.take_while(|byte| byte.is_ascii_whitespace() || **byte == b')');
        let ends = text.len() - closed.count();
        matches!(text.get(..ends), Some([.., b'\'' | b'"' | b']']))
    })
}

/// Functions first, then axes, then what conditions begin with.
static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    let texts = FUNCTIONS.iter().chain(&AXES).chain(&CONDITIONS);
    Texts::new(texts.copied())
});

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    // A document says what functions there are.
    if text.is_document() {
        return;
    }
    for (nth, range) in TEXTS.find(bytes) {
        let behind = rest(bytes, range.end);
        let breaks_out = || breaks_out(bytes, range.start);
        let is_query = if nth < FUNCTIONS.len() {
            is_boundary(bytes, range.start) && is_path(behind) && breaks_out()
        } else if nth < FUNCTIONS.len() + AXES.len() {
            is_boundary(bytes, range.start)
                && matches!(behind, [b'*' | b'a'..=b'z' | b'A'..=b'Z', ..])
                && (breaks_out()
                    || bytes.get(..range.start).is_some_and(|before| {
                        let is_given = |function: &&[u8]| {
                            let from = before.len().checked_sub(function.len());
                            from.is_some_and(|from| begins(rest(before, from), function))
                        };
                        before.ends_with(b"/") || FUNCTIONS.iter().any(is_given)
                    }))
        } else {
            let is_truth = bytes.get(range.end - 2..range.end) == Some(b"()");
            (is_truth && is_put_to_a_text(bytes, range.start))
                || (!is_truth && breaks_out())
                || memchr::memmem::find(bytes, b"//").is_some_and(|path| path < range.start)
        };
        if is_query {
            return matches.add(&QUERY, range);
        }
    }
    union(bytes, matches);
    documents(bytes, matches);
    if bytes == b"//*" || bytes.starts_with(b"//*[") {
        matches.add(&QUERY, 0..3);
    }
}

/// Adds a call by which a query reads another document: `document('http://…')`.
fn documents(bytes: &[u8], matches: &mut Matches) {
    let call = b"document(";
    let Some(at) = find(bytes, call, 0).filter(|at| is_boundary(bytes, *at)) else {
        return;
    };
    let argument = rest(bytes, at + call.len());
    if matches!(argument, [b'\'' | b'"', ..])
        && find(argument, b"://", 0).is_some_and(|scheme| scheme < 8)
    {
        matches.add(&QUERY, at..at + call.len());
    }
}

/// Whether a text is an address or a path in quotes, of which a document is read.
fn is_document(argument: &[u8]) -> bool {
    let inner = match argument {
        [b'\'' | b'"', inner @ ..] => inner,
        _ => return false,
    };
    inner.starts_with(b"/") || find(inner, b"://", 0).is_some_and(|scheme| scheme < 8)
}

/// Whether what a function is given begins a path, or is another function of one.
fn is_path(argument: &[u8]) -> bool {
    let argument = rest(argument, blanks(argument).min(8));
    matches!(
        argument,
        [b'/', b'/' | b'*' | b'@' | b'a'..=b'z' | b'A'..=b'Z', ..]
    ) || matches!(argument, [b'.', b'.' | b'/' | b',', ..] | [b'@', b'*', ..])
        || is_document(argument)
        || FUNCTIONS.iter().any(|inner| {
            let inside = rest(argument, inner.len());
            // The name of the node itself, without an argument.
            let is_own = inner.ends_with(b"name(") && inside.starts_with(b"),");
            begins(argument, inner) && (is_own || inside.first() == Some(&b'/'))
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
        let node = |at: usize| matches!(rest(behind, at), [b'*' | b'a'..=b'z' | b'A'..=b'Z', ..]);
        let is_path = behind.starts_with(b"//") && node(2);
        // Behind the end of a condition nothing else is a path either.
        let is_root = ends == Some(&b']') && behind.starts_with(b"/") && node(1);
        if (matches!(ends, Some(b']' | b'\'' | b'"' | b')')) && is_path) || is_root {
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
            "' or true() or '",
            "' or starts-with(name(),'a') or '",
            "x'] | /* | /foo[bar='",
            "document('http://a.example/')",
            "//*",
            "' or ends-with(.,'a') or '",
            "' or matches(.,'a') or '",
            "' or doc-available('http://a.example') or '",
            "1 or count(parent::*)=1",
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
            "it's or isn't; true() or false() in Excel",
            "a[0] | b",
            "the document('s) address is http://a.example",
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
