//! Prototypes of JavaScript objects (CWE-1321): names by which a merge of objects reaches what all objects inherit from.

use super::bytes::{blanks, find, is_boundary, rest};
use super::{Analyzer, Matches, Rule, Text};

static NAME: Rule = Rule {
    name: "prototype_name",
    score: 5,
    message: "The name of a field leads to the prototype of all objects.",
};

static VALUE: Rule = Rule {
    name: "prototype_in_value",
    score: 5,
    message: "A value is an object with a field that leads to the prototype of all objects.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "prototype_pollution",
    cwe: 1321,
    gates: &[
        r"__proto__",
        r"constructor[\[.\]\\x22']{1,4}prototype",
        r"constructor\W{1,12}prototype",
        r"^prototype$",
    ],
    rules: &[&NAME, &VALUE],
    longest: usize::MAX,
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    // `{"constructor":{"prototype":…}}`: a name below another.
    if text.is_key
        && bytes.eq_ignore_ascii_case(b"prototype")
        && find(text.name().as_bytes(), b"constructor", 0).is_some()
    {
        return matches.add(&NAME, 0..bytes.len());
    }
    let found = find(bytes, b"__proto__", 0)
        .map(|at| at..at + 9)
        .or_else(|| constructor(bytes));
    let Some(range) = found.filter(|range| is_boundary(bytes, range.start)) else {
        return;
    };
    let behind = rest(bytes, range.end);
    // `a[__proto__][b]`.
    let behind = match behind {
        [b']', inner @ ..] => inner,
        _ => behind,
    };
    if text.is_key {
        matches.add(&NAME, range);
        return;
    }
    // In a value it is a member of an object or of a path, and no mention of it.
    let closes = behind
        .strip_prefix(b"\"")
        .or_else(|| behind.strip_prefix(b"'"));
    let member =
        closes.is_some_and(|behind| rest(behind, blanks(behind).min(8)).first() == Some(&b':'));
    let path = matches!(behind, [b'[', ..] | [b'.', b'a'..=b'z' | b'A'..=b'Z', ..])
        && (find(behind, b"=", 0).is_some_and(|at| at < 64) || bytes.len() < 64);
    if member || path {
        matches.add(&VALUE, range);
    }
}

/// `constructor.prototype` in any spelling of a path: `[constructor][prototype]`, `"constructor":{"prototype":`.
fn constructor(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let mut at = 0;
    while let Some(start) = find(bytes, b"constructor", at) {
        at = start + 11;
        let between = rest(bytes, at).iter().take(12).take_while(|byte| {
            matches!(byte, b'[' | b']' | b'.' | b'"' | b'\'' | b':' | b'{' | b' ')
        });
        let between = between.count();
        if between > 0 && super::bytes::begins(rest(bytes, at + between), b"prototype") {
            return Some(start..at + between + 9);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, named};
    use super::*;
    use crate::request::PlaceKind;

    #[test]
    fn names_and_objects_are_found() {
        for key in [
            "__proto__",
            "__proto__[admin]",
            "a.__proto__.b",
            "constructor[prototype][x]",
            "constructor.prototype.y",
            "x[__proto__]",
        ] {
            let found = named(&ANALYZER, key, key.as_bytes(), PlaceKind::Query, true);
            assert_eq!(found, ["prototype_name"], "{key}");
        }
        let below = |name| named(&ANALYZER, name, b"prototype", PlaceKind::Body, true);
        assert_eq!(below("$.constructor.prototype"), ["prototype_name"]);
        assert_eq!(below("$.car.prototype"), [""; 0]);
        for text in [
            "{\"__proto__\":{\"admin\":true}}",
            "{'__proto__' : 1}",
            "{\"constructor\":{\"prototype\":{\"a\":1}}}",
            "__proto__[a]=b",
            "__proto__.a=b",
            "x&constructor.prototype.a=b",
            "constructor[prototype][admin]=1",
            "a[__proto__][b]=1",
        ] {
            assert_eq!(found(&ANALYZER, text), ["prototype_in_value"], "{text}");
        }
    }

    #[test]
    fn mentions_are_not() {
        for text in [
            "What is __proto__ in JavaScript?",
            "the constructor and its prototype",
            "constructors prototype",
            "my__proto__ = 1",
            "Set `__proto__` never",
            "a constructor: prototypes",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    /// Known miss: the constructor alone leads there, too, and is the name of many a field.
    #[test]
    fn a_constructor_alone_is_missed() {
        assert_eq!(found(&ANALYZER, "{\"constructor\":{\"a\":1}}"), [""; 0]);
    }
}
