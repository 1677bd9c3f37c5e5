//! Commands of shells in values (CWE-78): POSIX shells, `cmd` and PowerShell.
//!
//! A value that an application puts into a command line begins a command of its own behind a separator (`;`, `|`, `&`, a line
//! end) or within a substitution (`$(…)`, backquotes). The word there is read as a shell reads it: quotes, backslashes and
//! variables that are not set vanish (`c'a't`, `w\ho$@ami`), `$IFS` is a blank, a glob stands for a path (`/???/c?t`). It is a
//! command if it is a program that attackers start, followed by what such a program is given: an option, a path, an
//! address, nothing more. Sentences go on otherwise: `dogs; cats`, `Q&A`, `find & replace`.
//!
//! Limits: documents show commands, so that in long texts only a word that hides what it is counts.

mod alone;
mod arguments;
mod around;
mod begun;
mod calls;
mod invocations;
mod programs;
mod scripts;
mod spelled;
mod words;

use std::cell::OnceCell;

use super::bytes::{blanks, rest};
use super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;
pub(super) use alone::ANALYZER as ALONE;
use arguments::{has_arguments, is_given_file};
use around::{
    ends_command, ends_reference, ends_value, is_all, is_begun_with, is_between_words, is_close,
    is_first, is_in_prose, is_put_in, is_sure_split, is_told,
};
pub(super) use begun::ANALYZER as BEGUN;
pub(super) use calls::ANALYZER as CALLS;
pub(super) use invocations::ANALYZER as INVOCATIONS;
use programs::{program, stands_for_program, tells_alone};
pub(super) use scripts::ANALYZER as SCRIPTS;
pub(super) use spelled::ANALYZER as SPELLED;
use words::read;

static COMMAND: Rule = Rule {
    name: "further_command",
    score: 5,
    message: "A separator of commands is followed by a program with its arguments.",
};

static SUBSTITUTION: Rule = Rule {
    name: "run_and_replaced",
    score: 5,
    message: "A command is to be run and replaced by what it prints.",
};

static QUOTED_IN_TEXT: Rule = Rule {
    name: "command_in_backquotes",
    score: 2,
    message: "A text has a command in backquotes, which a shell would run and Markdown shows.",
};

static HIDDEN: Rule = Rule {
    name: "hidden_command",
    score: 5,
    message: "The name of a program is split by quotes, variables or wildcards that a shell takes away.",
};

static BLANK: Rule = Rule {
    name: "variable_for_blank",
    score: 5,
    message: "A variable or braces stand for the blank between a command and its argument.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    // The names of the programs behind a separator; what can split such a name behind one, or at the beginning of a value
    // that has a path as well.
    gates: &[
        r"[;|&`\n$(].*(?:whoami|openssl|findstr|xargs|iwr|rsync|mysqldump|sqlite3|nohup|uname|ifconfig|ipconfig|netstat|nslookup|wget|curl|ncat|netcat|bash|zsh|ksh|dash|csh|tcsh|ash|fish|busybox|perl|python|python2|python3|ruby|php|nodejs|lua|gcc|tftp|chmod|chown|chattr|printenv|phpinfo|systeminfo|powershell|pwsh|cmd|certutil|bitsadmin|mshta|rundll32|regsvr32|wmic|cscript|wscript|tasklist|schtasks|icacls|xxd|base64|mkfifo|crontab|sudo|traceroute|tracert|hostname|lsof|lsblk|dmesg|passwd|adduser|useradd|usermod|iptables|systemctl|docker|kubectl|nltest|vssadmin|bcdedit|takeown|netsh|xcopy|robocopy|ntdsutil|psexec|ssh|scp|sftp|ftp|telnet|socat|nmap|awk|gawk|sed|grep|egrep|rmdir|mkdir|unlink|pwd|uptime|ipcs|getent|arp|cat|tac|who|env|set|head|tail|more|less|sort|find|echo|printf|sleep|ping|ping6|dig|host|kill|date|type|dir|net|route|time|strings|touch|tee|exec|eval|source|reboot|poweroff)",
        r"[;|&`$(]\S{0,24}(?:ls|id|nc|ps|rm|mv|cp|ln|dd|sh|nl|od)",
        r"[;|&`$(]\s*\S*['\x22\\^$?*]",
        r"^\W*\w+['\x22\\$^?*].*[/$]",
        r"^/\S*[?*]",
        r"/\S*\[[a-z]\]",
        r"[;|&`]\s*(?:expr \d|halt)",
        r"\$\{?ifs|\{[a-z]{2,7},[^}\s]+\}",
    ],
    rules: &[&COMMAND, &SUBSTITUTION, &QUOTED_IN_TEXT, &HIDDEN, &BLANK],
    longest: usize::MAX,
    analyze,
};

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let is_document = text.is_document();
    // What a value begins with is a command only if it hides that it is one.
    let start = blanks(bytes)
        + rest(bytes, blanks(bytes))
            .iter()
            .take(2)
            .take_while(|byte| matches!(byte, b'\'' | b'"' | b')'))
            .count();
    begins_command(text, start, None, is_document, matches);
    let separators = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b';' | b'|' | b'&' | b'\n' | b'`' | b'('));
    for (at, byte) in separators {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let separator = match byte {
            b'(' if matches!(before, Some(b'$' | b'<' | b'>')) => b'$',
            b'(' => continue,
            b';' if ends_reference(bytes, at) => continue,
            other => *other,
        };
        begins_command(text, at + 1, Some(separator), is_document, matches);
    }
}

/// Judges what stands where a command can begin.
fn begins_command(
    text: &Text<'_>,
    start: usize,
    separator: Option<u8>,
    is_document: bool,
    matches: &mut Matches,
) {
    let bytes = text.bytes;
    let start = start
        + rest(bytes, start)
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'{' | b'+'))
            .count();
    let behind_blank = start + blank_variable(rest(bytes, start));
    let is_behind_blank = behind_blank > start;
    let start = behind_blank;
    let first = start;
    let start = match separator {
        Some(_) => behind_prefixes(bytes, start),
        None => start,
    };
    // Nobody puts a word of a shell before a name in a list.
    let is_led = start > first;
    let word = read(bytes, start);
    if word.len == 0 {
        return;
    }
    let name = word.name();
    let (is_known, is_program) = program(name);
    let is_word = is_known && !is_program;
    if !is_known && !word.has_wildcard {
        return;
    }
    let range = start.saturating_sub(1)..word.end;
    let has_folder = word.len > name.len();
    let has_blank = word.ends_by_variable || is_behind_blank || is_expanded(bytes, start, word.end);
    if has_blank && is_known {
        matches.add(&BLANK, range);
        return;
    }
    // Steps up are a path, whatever stands between them.
    let is_path = memchr::memmem::find(word.text(), b"..").is_some();
    let hides = !is_path && (word.is_split && (is_program || (is_word && name.len() > 1)))
        || (word.has_wildcard && has_folder && stands_for_program(word.text()));
    let is_argued = OnceCell::new();
    let is_argued = || *is_argued.get_or_init(|| has_arguments(bytes, &word, is_program));
    if hides
        && (separator.is_some() || is_argued() || ends_command(bytes, word.end))
        && (!is_document
            || (name.len() > 2 && is_sure_split(bytes, start, word.end) && is_argued()))
    {
        matches.add(&HIDDEN, range);
        return;
    }
    let Some(separator) = separator.filter(|_| (is_program || is_word) && !is_document) else {
        return;
    };
    let argued = is_argued() || (has_folder && word.text().starts_with(b"/"));
    let ends = ends_command(bytes, word.end);
    match separator {
        b'`' if is_in_prose(bytes, first)
            || (text.place == PlaceKind::Body && !is_put_in(bytes, first)) =>
        {
            matches.add(&QUOTED_IN_TEXT, range);
        }
        b'$' if text.place == PlaceKind::Body && is_between_words(bytes, first) => {
            matches.add(&QUOTED_IN_TEXT, range);
        }
        b'`' | b'$' if argued || ends => matches.add(&SUBSTITUTION, range),
        // `$(printf 'id')`: what is called with a blank behind its name is no function of a script.
        b'$' if rest(bytes, word.end).starts_with(b" ") => matches.add(&SUBSTITUTION, range),
        b';' | b'|' | b'&'
            if argued
                || (ends && (tells_alone(name) || is_led || is_close(bytes, start)))
                || is_begun_with(bytes, first, name)
                || (is_program && is_first(bytes, first))
                || (is_told(bytes, first, name)
                    && is_all(bytes, first, separator)
                    && ends_value(bytes, word.end)) =>
        {
            matches.add(&COMMAND, range)
        }
        b'\n'
            if argued
                && (text.place != PlaceKind::Body
                    || is_given_file(bytes, &word)
                    || (has_folder && word.text().starts_with(b"/"))) =>
        {
            matches.add(&COMMAND, range);
        }
        b'\n'
            if is_told(bytes, first, name)
                && is_all(bytes, first, b'\n')
                && ends_value(bytes, word.end) =>
        {
            matches.add(&COMMAND, range);
        }
        _ => {}
    }
}

/// How long a variable is that stands for a blank before a command: `$IFS`, `${IFS}`.
fn blank_variable(here: &[u8]) -> usize {
    const SPELLINGS: [&[u8]; 3] = [b"${ifs}", b"$ifs$9", b"$ifs"];
    let spelled = SPELLINGS
        .iter()
        .find(|spelling| super::bytes::begins(here, spelling));
    spelled.map_or(0, |spelling| spelling.len())
}

/// Whether braces make a command and its arguments of a word: `{cat,/etc/passwd}`.
fn is_expanded(bytes: &[u8], start: usize, end: usize) -> bool {
    const LONGEST: usize = 128;
    let before = start.checked_sub(1).and_then(|before| bytes.get(before));
    let arguments = rest(bytes, end);
    let near = arguments.get(..LONGEST).unwrap_or(arguments);
    let close = near
        .iter()
        .position(|byte| *byte == b'}' || byte.is_ascii_whitespace());
    before == Some(&b'{')
        && arguments.starts_with(b",")
        && close.is_some_and(|close| close > 1 && near.get(close) == Some(&b'}'))
}

/// Where the command begins behind what a shell takes before one: `!`, assignments, and programs that run another.
fn behind_prefixes(bytes: &[u8], mut start: usize) -> usize {
    const MOST: usize = 4;
    const RUNNERS: [&str; 7] = [
        "nohup", "setsid", "command", "builtin", "exec", "time", "nice",
    ];
    for _ in 0..MOST {
        let here = rest(bytes, start);
        let name = super::bytes::word(here);
        let behind = rest(here, name.len());
        let len = match behind {
            [b'!', ..] if name.is_empty() => 1,
            // A variable that is not set is nothing.
            [b'$', variable @ ..]
                if name.is_empty() && !super::bytes::word(variable).is_empty() =>
            {
                1 + super::bytes::word(variable).len()
            }
            [b' ' | b'\t', ..] if super::bytes::is_one_of(name, &RUNNERS) => name.len(),
            [b'=', value @ ..] if name.first().is_some_and(|byte| !byte.is_ascii_digit()) => {
                let is_value = |byte: &&u8| byte.is_ascii_alphanumeric() || b"/._:-".contains(byte);
                name.len() + 1 + value.iter().take(64).take_while(is_value).count()
            }
            _ => return start,
        };
        let gap = rest(here, len);
        let gap = gap
            .iter()
            .take(16)
            .take_while(|byte| matches!(byte, b' ' | b'\t'))
            .count();
        if gap == 0 {
            return start;
        }
        start += len + gap;
    }
    start
}

#[cfg(test)]
mod tests;
