//! Commands whose names are spelled: letter by letter, by parts of variables, by variables that stand for all of them.

use std::ops::Range;

use super::super::bytes::{begins, blanks, find, is_one_of, rest, word, word_before};
use super::super::{Analyzer, Matches, Rule, Text};
use super::programs::program;

static SPELLED: Rule = Rule {
    name: "spelled_command",
    score: 5,
    message: "A command is spelled by escapes, carets or variables that a shell takes away.",
};

static CMDLET: Rule = Rule {
    name: "powershell_command",
    score: 5,
    message: "A value is a command of PowerShell that starts, loads or runs something.",
};

pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    gates: &[
        r"\$'\\",
        r"%comspec%|:~",
        r"[a-z]\^[a-z]\^[a-z]",
        r"[;|&]\s*\$[a-z_]+\$[a-z_]",
        r"(?:invoke|start|stop|get|new)-(?:expression|webrequest|restmethod|command|process|service|item|object|wmiobject|ciminstance)",
    ],
    rules: &[&SPELLED, &CMDLET],
    longest: usize::MAX,
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if text.is_document() {
        return;
    }
    let bytes = text.bytes;
    for find in [escapes, variables_of_windows, carets, assigned] {
        if let Some(range) = find(bytes) {
            return matches.add(&SPELLED, range);
        }
    }
    if let Some(range) = cmdlet(bytes) {
        matches.add(&CMDLET, range);
    }
}

/// `$'\x69\x64'`: a text of Bash with escapes of C.
fn escapes(bytes: &[u8]) -> Option<Range<usize>> {
    let at = memchr::memmem::find(bytes, b"$'\\")?;
    let is_coded = matches!(rest(bytes, at + 3), [b'x' | b'u' | b'U' | b'0'..=b'7', ..]);
    is_coded.then_some(at..at + 3)
}

/// `%COMSPEC%`, or letters cut out of another variable: `%PROGRAMDATA:~0,1%`.
fn variables_of_windows(bytes: &[u8]) -> Option<Range<usize>> {
    if let Some(at) = find(bytes, b"%comspec%", 0) {
        return Some(at..at + 9);
    }
    let cut = memchr::memmem::find(bytes, b":~")?;
    let name = word_before(bytes, cut).len();
    let begin = (cut - name).checked_sub(1)?;
    let number = rest(bytes, cut + 2);
    let digits = number
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b','))
        .count();
    let is_cut = name > 0 && digits > 0 && number.get(digits) == bytes.get(begin);
    (is_cut && matches!(bytes.get(begin), Some(b'%' | b'!'))).then_some(begin..cut + 2)
}

/// `w^h^o^a^m^i`: the escape of `cmd`, between the letters of a program.
fn carets(bytes: &[u8]) -> Option<Range<usize>> {
    let start = bytes
        .iter()
        .take(8)
        .take_while(|byte| !byte.is_ascii_alphabetic())
        .count();
    let spelled = rest(bytes, start);
    let len = spelled
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'^')
        .count();
    let spelled = spelled.get(..len)?;
    let name: Vec<u8> = spelled
        .iter()
        .copied()
        .filter(|byte| *byte != b'^')
        .collect();
    (len - name.len() >= 2 && program(&name).0).then_some(start..start + len)
}

/// `a=l;b=s;$a$b`: variables that are put together to a command behind where they are set.
fn assigned(bytes: &[u8]) -> Option<Range<usize>> {
    for sign in memchr::memchr_iter(b'$', bytes).take(64) {
        let first = word(rest(bytes, sign + 1));
        let second = rest(bytes, sign + 1 + first.len());
        let Some(second) = second.strip_prefix(b"$").map(word) else {
            continue;
        };
        let before = bytes.get(..sign)?.trim_ascii_end();
        let begins_command = matches!(before.last(), Some(b';' | b'|' | b'&'));
        let is_set = |name: &[u8]| {
            let mut at = 0;
            while let Some(found) = find(before, &name.to_ascii_lowercase(), at) {
                at = found + name.len();
                let starts = found
                    .checked_sub(1)
                    .and_then(|at| before.get(at))
                    .is_none_or(|byte| matches!(byte, b';' | b'&' | b'|' | b' '));
                if starts && before.get(at) == Some(&b'=') {
                    return true;
                }
            }
            false
        };
        if begins_command
            && !first.is_empty()
            && !second.is_empty()
            && is_set(first)
            && is_set(second)
        {
            return Some(sign..sign + 1 + first.len());
        }
    }
    None
}

/// A cmdlet that a value begins with, or a substitution or a separator.
fn cmdlet(bytes: &[u8]) -> Option<Range<usize>> {
    let start = bytes
        .iter()
        .take(8)
        .take_while(|byte| byte.is_ascii_whitespace() || b"'\";|&$({`".contains(byte))
        .count();
    let verb = word(rest(bytes, start));
    let behind = rest(bytes, start + verb.len()).strip_prefix(b"-")?;
    let noun = word(behind);
    let runs = is_one_of(verb, &["invoke"])
        && is_one_of(
            noun,
            &[
                "expression",
                "webrequest",
                "restmethod",
                "command",
                "wmimethod",
                "item",
            ],
        );
    let starts = is_one_of(verb, &["start", "stop", "new", "get"])
        && is_one_of(
            noun,
            &["process", "service", "wmiobject", "ciminstance", "object"],
        );
    let given = rest(behind, noun.len());
    let has_argument = matches!(
        rest(given, blanks(given)),
        [b'-' | b'"' | b'\'' | b'(' | b'$', ..]
    ) || begins(rest(given, blanks(given)), b"net.")
        || begins(rest(given, blanks(given)), b"http");
    let is_put_in = start > 0 && matches!(given.first(), None | Some(b')' | b';' | b'|' | b'\''));
    ((runs || starts) && (has_argument || is_put_in))
        .then(|| start..start + verb.len() + 1 + noun.len())
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::found;
    use super::*;

    #[test]
    fn spelled_commands_are_found() {
        for text in [
            "$'\\x69\\x64'",
            ";$'\\151\\144'",
            "%COMSPEC% /c whoami",
            "%PROGRAMDATA:~0,1%",
            "w^h^o^a^m^i",
            "& p^i^n^g -n 3 127.0.0.1",
            "a=l;b=s;$a$b",
            "a=w;b=hoami;$a$b",
        ] {
            assert_eq!(found(&ANALYZER, text), ["spelled_command"], "{text}");
        }
        for text in [
            "Invoke-Expression \"whoami\"",
            "Start-Process -FilePath calc",
            "$(Get-Process)",
            "; Invoke-WebRequest http://a.example/x",
        ] {
            assert_eq!(found(&ANALYZER, text), ["powershell_command"], "{text}");
        }
    }

    #[test]
    fn other_texts_are_not() {
        for text in [
            "x^2 + y^2",
            "a^b^c",
            "costs $'5",
            "100%:~5",
            "price: $a$b",
            "a=b;c=d",
            "Get-Process lists processes",
            "how to start-process things",
            "Invoke-WebRequest is slow",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }
}
