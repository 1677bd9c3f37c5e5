//! Filters of directories (CWE-90, RFC 4515): a value that closes the parenthesis it stands in and goes on with another.
//!
//! A filter is written in parentheses: `(&(uid=VALUE)(active=1))`. A value can only change its meaning by a parenthesis
//! that closes what it did not open, followed by one that opens a further condition, or by an end that cuts the rest off.

use super::bytes::{blanks, find, rest};
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

static ANYBODY: Rule = Rule {
    name: "filter_for_anybody",
    score: 5,
    message: "A value is a whole filter of a directory that every entry fulfils, or that asks for a password.",
};

static SIGNS: Rule = Rule {
    name: "signs",
    score: 5,
    message: "A value is nothing but signs of a directory's filter, to find out whether one is broken by them.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "ldap_injection",
    cwe: 90,
    gates: &[
        r"\)\s*\(",
        r"\(\s*[|&!]\s*\(",
        r"\*\s*\)",
        r"\)\(\|\(",
        r"\*\(\)|\(\*|\*[|&]\(|[|&]\*\(",
    ],
    rules: &[&BREAKS_OUT, &FILTER, &ANYBODY, &SIGNS],
    longest: usize::MAX,
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let begins_filter = rest(bytes, blanks(bytes));
    if is_combination(begins_filter)
        && begins_filter.ends_with(b")")
        && !begins_filter.contains(&b'\n')
    {
        let is_wide = begins_filter.starts_with(b"(|") && find(bytes, b"=*)", 0).is_some();
        let rule = if is_wide || find(bytes, b"userpassword=", 0).is_some() {
            &ANYBODY
        } else {
            &FILTER
        };
        matches.add(rule, 0..bytes.len());
    }
    if let Some(rule) = condition_alone(begins_filter) {
        matches.add(rule, 0..bytes.len());
    }
    if is_signs(bytes) {
        matches.add(&SIGNS, 0..bytes.len());
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
                let cuts = star
                    && (matches!(next, [b')' | 0, ..])
                        || (next.is_empty() && !bytes.iter().any(u8::is_ascii_whitespace)));
                if is_combination(next) || is_condition(next) || is_empty(next) || cuts {
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

/// A condition that a value is, and that every entry fulfils: `(objectClass=*)`; or one that goes on with another that
/// nothing closes: `(cn=*)(|(cn=*`.
fn condition_alone(text: &[u8]) -> Option<&'static Rule> {
    if !is_condition(text) {
        return None;
    }
    let close = memchr::memchr(b')', text)?;
    let behind = rest(text, close + 1);
    let is_any = text
        .get(..close)
        .is_some_and(|condition| condition.ends_with(b"=*"));
    match behind {
        [] if is_any => Some(&ANYBODY),
        _ if is_combination(behind) && !behind.ends_with(b"))") => Some(&BREAKS_OUT),
        _ => None,
    }
}

/// Whether a text begins with a combination of nothing, which is always true or false (RFC 4526): `(&)`, `(|` at the end.
fn is_empty(text: &[u8]) -> bool {
    matches!(text, [b'(', b'&' | b'|'] | [b'(', b'&' | b'|', b')', ..])
}

/// Whether a value has no letters, and signs of several kinds that a filter has.
fn is_signs(text: &[u8]) -> bool {
    let all = |byte: &u8| b"*()|&!=\\'\"".contains(byte);
    let has = |sign: u8| text.contains(&sign);
    (4..=16).contains(&text.len())
        && text.iter().all(all)
        && has(b'*')
        && has(b'(')
        && has(b')')
        && (has(b'|') || has(b'&'))
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
            "*)(&",
            "*)(|(mail=*))",
            "admin)(!(&(1=0",
            "x)(cn~=a",
            "*))%00",
            "a)(objectClass=*)",
            "*)",
            "admin*)((|userpassword=*)",
        ] {
            assert!(found(&ANALYZER, text).contains(&"filter_break"), "{text}");
        }
        for text in [
            "(&(uid=admin)(password=*))",
            "(|(mail=a)(cn=a))",
            "(!(a=b))",
        ] {
            assert_eq!(found(&ANALYZER, text), ["whole_filter"], "{text}");
        }
        assert_eq!(found(&ANALYZER, "(cn=*)(|(cn=*"), ["filter_break"]);
        for text in [
            "(|(uid=*)(cn=*))",
            "(&(cn=a)(userPassword=b*))",
            "(objectClass=*)",
        ] {
            assert_eq!(found(&ANALYZER, text), ["filter_for_anybody"], "{text}");
        }
        assert_eq!(found(&ANALYZER, "*()|&'"), ["signs"]);
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
            "or any of them, see *)",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    /// Known miss: a wildcard alone, which a search is given as well.
    #[test]
    fn wildcards_alone_are_missed() {
        assert_eq!(found(&ANALYZER, "adm*"), [""; 0]);
    }
}
