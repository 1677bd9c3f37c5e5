//! Pieces of scripts of the POSIX shell that stand in no sentence: control structures, arithmetic, lengths, functions.

use std::ops::Range;

use super::super::bytes::{blanks, find, is_boundary, is_word, rest, word};
use super::super::{Analyzer, Matches, Rule, Text};
use super::programs::program;
use crate::request::PlaceKind;

static CONTROL: Rule = Rule {
    name: "shell_control",
    score: 5,
    message: "A control structure of the shell.",
};

static ARITHMETIC: Rule = Rule {
    name: "computed_by_shell",
    score: 5,
    message: "A shell is to put a sum in place of a value, which tells an attacker that it runs what he sends.",
};

static FUNCTION: Rule = Rule {
    name: "function_import",
    score: 5,
    message: "A shell function in a value, as Shellshock (CVE-2014-6271, 6277, 6278, 7169) used.",
};

pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    gates: &[
        r"\(\s*\)\s*\{",
        r"\$\(\(",
        r"\$\{#",
        r"=\$\(",
        r"\bif\s+\[.*then",
        r";\s*then\W",
        r"[;&|]\s*(?:for|while)\s.*;\s*do\W",
    ],
    rules: &[&CONTROL, &ARITHMETIC, &FUNCTION],
    longest: usize::MAX,
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    if let Some(range) = function(text) {
        matches.add(&FUNCTION, range);
    }
    for dollar in memchr::memchr_iter(b'$', bytes) {
        let behind = rest(bytes, dollar + 1);
        if let Some(sum) = behind.strip_prefix(b"((")
            && is_sum(sum)
        {
            matches.add(&ARITHMETIC, dollar..dollar + 3);
        }
        let is_length = behind.strip_prefix(b"{#").is_some_and(|name| {
            let len = word(name).len();
            len > 0 && rest(name, len).starts_with(b"}")
        });
        let is_assigned = behind.starts_with(b"(") && is_assigned(bytes, dollar) && {
            let command = rest(behind, 1);
            program(word(rest(command, blanks(command)))).0
        };
        if is_length || is_assigned {
            matches.add(&CONTROL, dollar..dollar + 2);
        }
    }
    if let Some(range) = control(bytes) {
        matches.add(&CONTROL, range);
    }
}

/// Whether a name and a sign of equality stand before `at`.
fn is_assigned(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    matches!(before, [.., name, b'='] if is_word(*name))
}

/// `1+2))`: numbers and what connects them, to the end of the expression.
fn is_sum(inner: &[u8]) -> bool {
    const LONGEST: usize = 32;
    let near = inner.get(..LONGEST).unwrap_or(inner);
    let Some(end) = memchr::memmem::find(near, b"))") else {
        return false;
    };
    let sum = near.get(..end).unwrap_or_default();
    let is_part = |byte: &u8| {
        byte.is_ascii_digit() || byte.is_ascii_whitespace() || b"+-*/%()".contains(byte)
    };
    sum.iter().all(is_part)
        && sum.iter().any(u8::is_ascii_digit)
        && sum.iter().any(|byte| b"+-*/%".contains(byte))
}

/// Whether the word of a script stands at `at` by itself.
fn is_keyword(bytes: &[u8], at: usize, keyword: &[u8]) -> bool {
    is_boundary(bytes, at)
        && !rest(bytes, at + keyword.len())
            .first()
            .is_some_and(|byte| is_word(*byte))
}

/// Whether a separator of commands stands before `at`, with blanks between.
fn is_separated(bytes: &[u8], at: usize) -> bool {
    const FAR: usize = 16;
    let before = bytes.get(at.saturating_sub(FAR)..at).unwrap_or_default();
    matches!(before.trim_ascii_end(), [.., b';' | b'&' | b'|'])
}

/// Where a keyword stands behind a separator, from `from` on.
fn separated(bytes: &[u8], keyword: &[u8], from: usize) -> Option<usize> {
    let mut from = from;
    while let Some(at) = find(bytes, keyword, from) {
        if is_keyword(bytes, at, keyword) && is_separated(bytes, at) {
            return Some(at);
        }
        from = at + keyword.len();
    }
    None
}

/// `if [ … ]; then`, `; then …; fi`, `; while …; do`.
fn control(bytes: &[u8]) -> Option<Range<usize>> {
    if let Some(then) = separated(bytes, b"then", 0) {
        let before = bytes.get(..then).unwrap_or_default();
        let before = before.trim_ascii_end();
        let before = before.strip_suffix(b";").unwrap_or(before).trim_ascii_end();
        // A condition is a program of its own, with its last argument in place.
        let is_condition = before.ends_with(b"]") && {
            let open = memchr::memrchr(b'[', before).unwrap_or(before.len());
            let test = bytes.get(..open).unwrap_or_default().trim_ascii_end();
            test.ends_with(b"if") || test.ends_with(b"IF")
        };
        let ends = |keyword: &[u8]| separated(bytes, keyword, then + 4).is_some();
        if is_condition || ends(b"fi") {
            return Some(then..then + 4);
        }
    }
    let done = separated(bytes, b"do", 0)?;
    let before = bytes.get(..done).unwrap_or_default();
    let begins = |keyword: &[u8]| separated(before, keyword, 0);
    let begin = begins(b"for").or_else(|| begins(b"while"))?;
    Some(begin..done + 2)
}

/// Where a value has a function of the shell that is to be imported from the environment (CVE-2014-6271): the value begins
/// with it, or something follows what it is made of.
fn function(text: &Text<'_>) -> Option<Range<usize>> {
    let bytes = text.bytes;
    // Asked once: a value may have a thousand functions behind as many blanks.
    let first = blanks(bytes);
    let mut from = 0;
    while let Some(found) = memchr::memchr(b'(', rest(bytes, from)) {
        let open = from + found;
        from = open + 1;
        let Some(body) = body(bytes, open) else {
            continue;
        };
        let is_beginning = open == first;
        if is_beginning
            && text.place != PlaceKind::Body
            && rest(bytes, body)
                .iter()
                .any(|byte| !byte.is_ascii_whitespace())
        {
            return Some(open..body);
        }
        // `{ :;};`, `{ _;}>_[$($())]`, `{ (a)=>\`.
        const LONGEST: usize = 80;
        let inner = rest(bytes, body);
        let near = inner.get(..LONGEST).unwrap_or(inner);
        let Some(close) = memchr::memchr(b'}', near) else {
            if is_beginning && inner.trim_ascii_start().starts_with(b"(a)=>\\") {
                return Some(open..body);
            }
            continue;
        };
        let within = near.get(..close).unwrap_or_default().trim_ascii();
        let behind = rest(inner, close + 1);
        let behind = rest(behind, blanks(behind));
        let is_nothing = within.iter().all(|byte| b"_:; ".contains(byte));
        if (within.ends_with(b";") && behind.starts_with(b";"))
            || (is_nothing && behind.starts_with(b">_["))
        {
            return Some(open..body + close + 1);
        }
    }
    None
}

/// Where the inside of a function begins, if its parentheses are opened at `open`: `() {`.
fn body(bytes: &[u8], open: usize) -> Option<usize> {
    let inner = rest(bytes, open + 1);
    let gap = blanks(inner);
    let behind = rest(inner, gap).strip_prefix(b")")?;
    let second = blanks(behind);
    rest(behind, second)
        .starts_with(b"{")
        .then(|| open + 1 + gap + 1 + second + 1)
}
