//! Directives that servers carry out in pages: server side includes and edge side includes (CWE-97).
//!
//! `<!--#exec cmd="id" -->` is a directive of Apache, nginx and IIS; `<esi:include src="…"/>` one of caches (W3C ESI 1.0).
//! Nobody but the author of a page has to write them. Comments of HTML and of editors (`<!-- wp:paragraph -->`) are none.

use super::bytes::{begins, blanks, find, is_one_of, rest, word};
use super::{Analyzer, Matches, Rule, Text};

static DIRECTIVE: Rule = Rule {
    name: "ssi_directive",
    score: 5,
    message: "A comment is a directive that makes a server run or show something.",
};

static EDGE: Rule = Rule {
    name: "esi_element",
    score: 5,
    message: "An element makes a cache between client and server fetch or show something.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "server_side_include",
    cwe: 97,
    gates: &[r"<!--\s*#", r"<esi:", r"<!--esi"],
    rules: &[&DIRECTIVE, &EDGE],
    longest: usize::MAX,
    analyze,
};

const DIRECTIVES: [&str; 11] = [
    "exec", "include", "echo", "config", "set", "printenv", "if", "fsize", "flastmod", "elif",
    "odbc",
];

const ELEMENTS: [&str; 12] = [
    "include", "inline", "remove", "vars", "try", "attempt", "except", "choose", "when", "debug",
    "assign", "eval",
];

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let mut at = 0;
    while let Some(start) = find(bytes, b"<", at) {
        at = start + 1;
        let inner = rest(bytes, at);
        if begins(inner, b"!--") {
            let inner = rest(inner, 3);
            let inner = rest(inner, blanks(rest(inner, 0)).min(16));
            let directive = inner
                .strip_prefix(b"#")
                .map(|inner| word(rest(inner, blanks(inner).min(16))));
            let end = start + 64.min(bytes.len() - start);
            if directive.is_some_and(|directive| is_one_of(directive, &DIRECTIVES)) {
                matches.add(&DIRECTIVE, start..end);
            } else if begins(inner, b"esi") {
                matches.add(&EDGE, start..end);
            }
        } else if begins(inner, b"esi:") {
            let name = word(rest(inner, 4));
            if is_one_of(name, &ELEMENTS) {
                matches.add(&EDGE, start..at + 4 + name.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn directives_are_found_and_comments_are_not() {
        for text in [
            "<!--#exec cmd=\"id\" -->",
            "x<!--#include virtual=\"/etc/passwd\"-->",
            "<!-- #echo var=\"DATE_LOCAL\" -->",
            "<!--#printenv -->",
            "<!--#config errmsg=\"x\"-->",
            "<!--#EXEC cmd='ls'-->",
        ] {
            assert_eq!(found(&ANALYZER, text), ["ssi_directive"], "{text}");
        }
        for text in [
            "<esi:include src=http://a.example/>",
            "x<ESI:vars>$(HTTP_COOKIE)</esi:vars>",
            "<!--esi $add_header('a','b') -->",
            "<esi:debug/>",
            "<esi:inline name=\"/a\">",
            "<esi:include src='//a.example'",
        ] {
            assert_eq!(found(&ANALYZER, text), ["esi_element"], "{text}");
        }
        for text in [
            "<!-- wp:paragraph -->",
            "<!-- # of items: 5 -->",
            "<!--more-->",
            "a <esi company> b",
            "#include <stdio.h>",
            "<!-- #region -->",
            "<p>esi:include</p>",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    /// Known miss: a directive of a server module of which nothing is known.
    #[test]
    fn unknown_directives_are_missed() {
        assert_eq!(found(&ANALYZER, "<!--#perl sub=\"x\"-->"), [""; 0]);
    }
}
