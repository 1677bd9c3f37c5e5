//! Values that are a command and nothing else.

use std::ops::Range;

use super::super::bytes::{begins, is_one_of, rest};
use super::super::{Analyzer, Matches, Rule, Text};
use super::programs::program;

static COMMAND: Rule = Rule {
    name: "value_is_command",
    score: 5,
    message: "The value is a command, or begins with the path of a program.",
};

pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    gates: &[
        r"whoami|ifconfig|ipconfig|systeminfo|tasklist|uname|phpinfo",
        r"(?:cat|type|sleep|wget|nslookup|chmod)\s",
        r"net\s+user|ps\s+-?aux|set\s+/a|sh\s+-c|dir\s+[a-z]:|(?:ping|netstat)\.exe\s|nc\s[a-z\d.-]+\s\d",
        r"(?:ls|ping|perl|rm|netstat)\s+-",
        r"s?bin/",
    ],
    rules: &[&COMMAND],
    longest: usize::MAX,
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    // A field may be called `tasklist`.
    let is_name = text.is_key && text.bytes.iter().all(u8::is_ascii_alphanumeric);
    if let Some(range) = command(text.bytes).filter(|_| !is_name) {
        matches.add(&COMMAND, range);
    }
}

/// What may stand around a command that a value is put into: quotes, separators, substitutions.
fn is_wrapping(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"'\"`;|&$(){}\\".contains(&byte)
}

/// How much may stand before it.
const MOST_BEFORE: usize = 8;

/// The longest value that is looked at.
const LONGEST: usize = 256;

/// Where a value is a command by itself, or begins with the path of a program.
fn command(bytes: &[u8]) -> Option<Range<usize>> {
    let before = bytes.iter().take(MOST_BEFORE + 1);
    let before = before.take_while(|byte| is_wrapping(**byte)).count();
    if before > MOST_BEFORE {
        return None;
    }
    let value = rest(bytes, before);
    if let Some(len) = program_path(value) {
        return Some(before..before + len);
    }
    if value.len() > LONGEST {
        return None;
    }
    let is_end = |byte: &u8| is_wrapping(*byte) || matches!(*byte, b'#' | b'/' | b'*' | 0);
    let len = value.len() - value.iter().rev().take_while(|byte| is_end(byte)).count();
    // What ends the last argument belongs to it.
    let mut whole = value.split(|byte| matches!(*byte, b'`' | b'|' | b'#' | 0));
    let whole = whole.next().unwrap_or_default();
    let is_all = whole.len() >= len;
    (is_all && is_command(whole)).then(|| before..before + len)
}

/// How long the path of a program is that a value begins with: `/bin/cat`, `usr/local/bin/wget`.
fn program_path(value: &[u8]) -> Option<usize> {
    let mut path = value.strip_prefix(b"/").unwrap_or(value);
    for folder in [&b"usr/"[..], b"local/"] {
        if begins(path, folder) {
            path = rest(path, folder.len());
        }
    }
    let path = match path {
        [b's' | b'S', inner @ ..] if begins(inner, b"bin/") => inner,
        _ => path,
    };
    let name = path
        .get(..4)
        .filter(|folder| folder.eq_ignore_ascii_case(b"bin/"));
    name?;
    let name = super::super::bytes::word(rest(path, 4));
    let behind = rest(path, 4 + name.len());
    let is_started = program(name).0 || is_one_of(name, &["nice", "timeout"]);
    // `/usr/bin/env python` names the interpreter of a file.
    let is_interpreter = name.eq_ignore_ascii_case(b"env") && behind.first() == Some(&b' ');
    (is_started && !is_interpreter).then(|| value.len() - behind.len())
}

/// Whether words are a command with the arguments that it is given.
fn is_command(whole: &[u8]) -> bool {
    const MOST: usize = 8;
    let is_blank = |byte: &u8| byte.is_ascii_whitespace();
    let words: Vec<&[u8]> = whole
        .split(is_blank)
        .filter(|word| !word.is_empty())
        .take(MOST)
        .collect();
    let Some((name, arguments)) = words.split_first() else {
        return false;
    };
    let is_wrapped = |byte: &u8| is_wrapping(*byte);
    let end = name.len()
        - name
            .iter()
            .rev()
            .take_while(|byte| is_wrapped(byte))
            .count();
    let is_called = rest(name, end).starts_with(b"()");
    let name = name.get(..end).unwrap_or_default();
    let stem = name.len().saturating_sub(4);
    let name = if rest(name, stem).eq_ignore_ascii_case(b".exe") {
        name.get(..stem).unwrap_or_default()
    } else {
        name
    };
    if !program(name).0 {
        return false;
    }
    let is = |names: &[&str]| is_one_of(name, names);
    let begins_with =
        |word: &[u8], signs: &[u8]| word.first().is_some_and(|byte| signs.contains(byte));
    let is_option =
        |word: &[u8]| matches!(word, [b'-', letter, ..] if letter.is_ascii_alphabetic());
    match arguments {
        [] if is(&["phpinfo"]) => is_called,
        [] => is(&[
            "whoami",
            "uname",
            "ifconfig",
            "ipconfig",
            "systeminfo",
            "tasklist",
        ]),
        [only] if is(&["cat"]) => begins_with(only, b"/~.$*"),
        [only] if is(&["dir"]) => {
            matches!(only, [drive, b':', b'\\', ..] if drive.is_ascii_alphabetic())
        }
        [only] if is(&["type"]) => begins_with(only, b"%\\"),
        [only] if is(&["sleep"]) => {
            let digits = only.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (1..=4).contains(&digits) && rest(only, digits).iter().all(is_wrapped)
        }
        [_] if is(&["wget", "nslookup"]) => true,
        [only] if is(&["net"]) => begins(only, b"user"),
        [option, ..] if is(&["bash", "sh", "zsh"]) => option.starts_with(b"-c"),
        [host, port] if is(&["nc"]) => {
            host.contains(&b'.')
                && port
                    .iter()
                    .all(|byte| byte.is_ascii_digit() || is_wrapped(byte))
        }
        [slash, _, ..] if is(&["set"]) => slash.eq_ignore_ascii_case(b"/a"),
        [only] if is(&["ipconfig"]) => begins(only, b"/all"),
        [only] if is(&["ps"]) => {
            begins(only, b"aux") || begins(only, b"-aux") || begins(only, b"-ef")
        }
        [option] if is(&["uname", "netstat", "ls"]) => is_option(option),
        [option, path] if is(&["ls"]) => is_option(option) && begins_with(path, b"/~.*"),
        [option, _] | [option, _, _] if is(&["ping"]) => is_option(option),
        [option, ..] if is(&["perl"]) => is_option(option),
        [mode, _] if is(&["chmod"]) => mode
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'-'),
        [option, _] if is(&["rm"]) => is_option(option),
        _ => false,
    }
}
