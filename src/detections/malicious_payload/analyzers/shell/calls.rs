//! Interpreters that are told to start a program: calls of functions of PHP, Python, Perl, Ruby, Java and JavaScript that
//! hand a text to a shell, with what attackers hand over.

use std::ops::Range;
use std::sync::LazyLock;

use super::super::bytes::{Texts, begins, blanks, is_boundary, is_word, rest, word};
use super::super::{Analyzer, Matches, Rule, Text};
use super::programs::program;

static CALL: Rule = Rule {
    name: "interpreter_call",
    score: 5,
    message: "An interpreter is told to start a command.",
};

pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    gates: &[
        r"(?:system|exec|passthru|popen|proc_open|assert|eval|print|execfile|spawn)[^\w]{0,8}\(",
        r"phpinfo",
        r"os\.(?:system|popen)",
        r"subprocess\.",
        r"getruntime",
        r"child_process",
        r"global\.process|process\.binding",
        r"['\x22]\.execute\(",
        r"write18\{|[=+]cmd\|'",
        r"__import__",
        r"\$\{\s*(?:print|system|exec|popen)",
    ],
    rules: &[&CALL],
    longest: usize::MAX,
    analyze,
};

/// Functions that run a text, or show what one has given.
const FUNCTIONS: [&str; 13] = [
    "system",
    "exec",
    "shell_exec",
    "passthru",
    "proc_open",
    "popen",
    "pcntl_exec",
    "assert",
    "eval",
    "print",
    "execfile",
    "spawn",
    "phpinfo",
];

/// What starts programs and has no other use, with what follows it.
const ALWAYS: [&str; 14] = [
    "\\write18{",
    "=cmd|'",
    "+cmd|'",
    "\".execute()",
    "'.execute()",
    "global.process.",
    "process.binding(",
    "os.system(",
    "os.popen(",
    "subprocess.",
    "runtime.getruntime(",
    "child_process",
    "__import__('os",
    "__import__(\"os",
];

static NAMES: LazyLock<Texts> = LazyLock::new(|| {
    let all = FUNCTIONS.iter().chain(&ALWAYS);
    Texts::new(all.map(|name| name.as_bytes()))
});

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    for (nth, range) in NAMES.find(bytes) {
        let is_call = match ALWAYS.get(nth.wrapping_sub(FUNCTIONS.len())) {
            // Of Groovy, a method of a text.
            Some(name) => {
                (name.starts_with(['\'', '"', '\\', '=', '+']) || is_boundary(bytes, range.start))
                    && starts(bytes, &range, name)
            }
            None => is_boundary(bytes, range.start) && runs(bytes, &range),
        };
        if is_call {
            matches.add(&CALL, range);
            return;
        }
    }
}

/// Whether what is named is used to start something.
fn starts(bytes: &[u8], range: &Range<usize>, name: &str) -> bool {
    let behind = rest(bytes, range.end);
    match name {
        // `subprocess.run(["id"])`.
        "subprocess." => {
            let call = rest(behind, word(behind).len());
            let call = rest(call, blanks(call));
            let argument = call
                .strip_prefix(b"(")
                .map(|inner| rest(inner, blanks(inner)));
            let argument = argument.map(|inner| inner.strip_prefix(b"[").unwrap_or(inner));
            argument.is_some_and(|inner| matches!(inner, [b'\'' | b'"', ..]))
        }
        // Loaded, or called: a list of modules names it.
        "child_process" => {
            let before = bytes.get(range.start.saturating_sub(12)..range.start);
            let is_loaded = before.is_some_and(|before| before.contains(&b'('));
            is_loaded && !behind.first().is_some_and(|byte| is_word(*byte))
                || matches!(behind, [b'.', letter, ..] if letter.is_ascii_alphabetic())
        }
        _ => true,
    }
}

/// Whether a function is called with what an attack hands it.
fn runs(bytes: &[u8], range: &Range<usize>) -> bool {
    let name = bytes.get(range.clone()).unwrap_or_default();
    let behind = rest(bytes, range.end);
    let open = rest(behind, blanks(behind));
    let opened = open
        .iter()
        .take(4)
        .take_while(|byte| **byte == b'(')
        .count();
    let inner = rest(open, opened);
    let inner = rest(inner, blanks(inner));
    if opened == 0 {
        return false;
    }
    let is_named = |known: &[u8]| name.eq_ignore_ascii_case(known);
    if is_named(b"phpinfo") {
        // `phpinfo() shows settings` is a sentence.
        return matches!(inner, [b')', behind @ ..] if !matches!(behind, [b' ', letter, ..] if letter.is_ascii_alphabetic()));
    }
    let before = bytes
        .get(..range.start)
        .unwrap_or_default()
        .trim_ascii_end();
    if before.ends_with(b"${") && !is_named(b"assert") && !is_named(b"eval") {
        return true;
    }
    match inner {
        [b'`', ..] | [b'$', b'(', ..] => true,
        [b'$', b'_', global @ ..] => {
            let global = word(global);
            [&b"get"[..], b"post", b"request", b"cookie", b"server"]
                .iter()
                .any(|known| global.eq_ignore_ascii_case(known))
        }
        [b'\'' | b'"', command @ ..] => begins_with_program(command),
        _ => begins(inner, b"base64_decode") || is_print(inner),
    }
}

/// `print(` as an argument.
fn is_print(inner: &[u8]) -> bool {
    let behind = rest(inner, 5);
    begins(inner, b"print") && rest(behind, blanks(behind)).starts_with(b"(")
}

/// Whether a text begins with the name of a program, or the path of one.
fn begins_with_program(text: &[u8]) -> bool {
    let text = rest(text, blanks(text));
    let text = text.strip_prefix(b"/").unwrap_or(text);
    let text = if begins(text, b"usr/") {
        rest(text, 4)
    } else {
        text
    };
    let text = if begins(text, b"bin/") {
        rest(text, 4)
    } else {
        text
    };
    let name = word(text);
    program(name).0 && !rest(text, name.len()).starts_with(b"=")
}
