//! Programs that are started with what says why: a shell that is connected to another machine, what is fetched from there
//! and run, accounts that are made. Told wherever they stand, but in documents, which show commands.

use std::ops::Range;
use std::sync::LazyLock;

use super::super::bytes::{Texts, begins, blanks, find, is_boundary, is_word, rest};
use super::super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;

static REMOTE: Rule = Rule {
    name: "remote_shell",
    score: 5,
    message: "A command connects a shell to another machine, or runs what it loads from there.",
};

static WINDOWS: Rule = Rule {
    name: "windows_command",
    score: 5,
    message: "A command of Windows that starts others, changes accounts or loads what is elsewhere.",
};

static DOWNLOAD: Rule = Rule {
    name: "download",
    score: 5,
    message: "A program is fetched from an address.",
};

static REDIRECTION: Rule = Rule {
    name: "redirection",
    score: 5,
    message: "The input or output of a command is redirected.",
};

pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    gates: &[
        r"/dev/(?:tcp|udp)/|downloadstring|iex ?\(|base64 -d|use socket;|socket\.socket|fsockopen|wscript\.shell|new-object",
        r"nc(?:at)?(?:\.exe)?\s+-",
        r"bash\s+-i",
        r"\s-[ec] (?:/bin|/usr|cmd|powershell)",
        r"mkfifo\s|socat\s|mshta\s|certutil|bitsadmin|powershell",
        r"(?:python[23]?|perl|ruby|php|lua)\s+-",
        r"cmd(?:\.exe)?\s*/[ckrv]",
        r"net\s+(?:user|localgroup|view|share)",
        r"reg\s+(?:add|query)",
        r"(?:wget|curl|fetch|tftp|lwp-download)\s",
        r"\| ?(?:ba)?sh|\|\s*(?:nc|xxd|tee|base64)",
        r">{1,2}\s*/(?:tmp|dev|var|etc)/",
        r"<+\s*/(?:etc|tmp|var|proc|home|bin|dev)|<\(\s*[a-z]",
        r">&[0-9]",
    ],
    rules: &[&REMOTE, &WINDOWS, &DOWNLOAD, &REDIRECTION],
    longest: usize::MAX,
    analyze,
};

/// What says it all.
const ALWAYS: [&str; 12] = [
    "/dev/tcp/",
    "/dev/udp/",
    "| base64 -d",
    "|base64 -d",
    "iex(",
    "iex (",
    "downloadstring(",
    "use socket;",
    "fsockopen(",
    "socket.socket(",
    "wscript.shell",
    "new-object net.",
];

const PROGRAMS: [&str; 25] = [
    "nc",
    "ncat",
    "bash",
    "sh",
    "python",
    "python2",
    "python3",
    "perl",
    "ruby",
    "php",
    "lua",
    "cmd",
    "powershell",
    "net",
    "certutil",
    "bitsadmin",
    "reg",
    "mkfifo",
    "socat",
    "mshta",
    "wget",
    "curl",
    "fetch",
    "lwp-download",
    "tftp",
];

static NAMES: LazyLock<Texts> = LazyLock::new(|| {
    let all = ALWAYS.iter().chain(&PROGRAMS);
    Texts::new(all.map(|name| name.as_bytes()))
});

/// How much of the arguments is looked at.
const LONGEST: usize = 256;

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if text.is_document() {
        return;
    }
    let bytes = text.bytes;
    for (nth, range) in NAMES.find(bytes) {
        let Some(name) = PROGRAMS.get(nth.wrapping_sub(ALWAYS.len())) else {
            matches.add(&REMOTE, range);
            continue;
        };
        if !is_boundary(bytes, range.start)
            || bytes.get(range.end).is_some_and(|byte| is_word(*byte))
        {
            continue;
        }
        let behind = rest(bytes, range.end);
        let behind = if begins(behind, b".exe") {
            rest(behind, 4)
        } else {
            behind
        };
        let behind = behind.get(..LONGEST).unwrap_or(behind);
        let is_piped = is_piped(bytes, range.start);
        if let Some(rule) = invocation(name, behind, is_piped) {
            let is_head = text.place != PlaceKind::Body;
            if is_head || !std::ptr::eq(rule, &raw const DOWNLOAD) {
                matches.add(rule, range);
            }
        }
    }
    if text.place != PlaceKind::Body
        && let Some(range) = redirection(bytes)
    {
        matches.add(&REDIRECTION, range);
    }
}

/// Whether a pipe leads to what begins at `at`.
fn is_piped(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(at.saturating_sub(4)..at).unwrap_or_default();
    before.trim_ascii_end().ends_with(b"|") && !before.trim_ascii_end().ends_with(b"||")
}

/// The rule for a program that is given such arguments.
fn invocation(name: &str, behind: &[u8], is_piped: bool) -> Option<&'static Rule> {
    let gap = blanks(behind);
    let arguments = rest(behind, gap);
    let has = |needle: &[u8]| find(behind, needle, 0).is_some();
    let begin = |words: &[&[u8]]| gap > 0 && words.iter().any(|word| begins(arguments, word));
    let found = match name {
        "nc" | "ncat" => options(arguments, b"elc") && gap > 0,
        "bash" | "sh" => is_piped || (begin(&[b"-i"]) && is_end(arguments, 2)),
        "python" | "python2" | "python3" | "perl" | "ruby" | "php" | "lua" => {
            gap > 0 && runs_text(arguments)
        }
        "mkfifo" => begin(&[b"/tmp"]),
        "socat" => gap > 0 && has(b"exec:"),
        "mshta" => begin(&[b"http", b"javascript", b"vbscript"]),
        "cmd" => return (matches!(arguments, [b'/', letter, b' ' | b'\t', ..] if b"ckrCKR".contains(letter))
            || matches!(arguments, [b'/', b'v' | b'V', b':', ..])).then_some(&WINDOWS),
        "powershell" => {
            let is_option = matches!(arguments, [b'-', letter, ..] if letter.is_ascii_alphabetic());
            return (gap > 0 && (is_option || begin(&[b"(new-", b"( new-", b"iex", b"invoke-"])))
                .then_some(&WINDOWS);
        }
        "net" => return (begin(&[b"user", b"localgroup", b"view", b"share"]) && has(b" /")).then_some(&WINDOWS),
        "certutil" => return begin(&[b"-urlcache"]).then_some(&WINDOWS),
        "bitsadmin" => return begin(&[b"/transfer"]).then_some(&WINDOWS),
        "reg" => return (begin(&[b"add hk", b"query hk"])).then_some(&WINDOWS),
        _ => return (gap > 0 && is_address(behind)).then_some(&DOWNLOAD),
    };
    found.then_some(&REMOTE)
}

/// Whether one of the options that come first has one of these letters: `-lvp 4444 -e`.
fn options(mut arguments: &[u8], letters: &[u8]) -> bool {
    const MOST: usize = 4;
    for _ in 0..MOST {
        let Some(option) = arguments.strip_prefix(b"-") else {
            // `nc 192.0.2.1 4444 -e /bin/sh`.
            return find(arguments, b" -e", 0).is_some_and(|at| is_end(arguments, at + 3));
        };
        let len = option.iter().take_while(|byte| is_word(**byte)).count();
        let has = option
            .iter()
            .take(len)
            .any(|byte| letters.contains(&byte.to_ascii_lowercase()));
        let behind = rest(option, len);
        if has && behind.first().is_some_and(u8::is_ascii_whitespace) {
            return true;
        }
        arguments = rest(behind, blanks(behind));
    }
    false
}

/// Whether a program is given its own source: `-c 'import …`, `-e "…`, `-rsocket -e '…`.
fn runs_text(arguments: &[u8]) -> bool {
    let behind = match arguments {
        [b'-', b'c' | b'e' | b'r' | b'C' | b'E' | b'R', behind @ ..]
            if !begins(behind, b"socket") =>
        {
            behind
        }
        _ if begins(arguments, b"-rsocket") => match find(arguments, b"-e", 0) {
            Some(at) => rest(arguments, at + 2),
            None => return false,
        },
        _ => return false,
    };
    matches!(rest(behind, blanks(behind)), [b'\'' | b'"', ..])
}

/// Whether a word ends at `at`.
fn is_end(bytes: &[u8], at: usize) -> bool {
    bytes
        .get(at)
        .is_none_or(|byte| !is_word(*byte) && *byte != b'-')
}

/// Whether arguments have an address to load from: `-s https://…`, `203.0.113.7`.
fn is_address(behind: &[u8]) -> bool {
    let mut words = behind
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    words
        .by_ref()
        .find(|word| !word.starts_with(b"-"))
        .is_some_and(|word| {
            let word = word
                .strip_prefix(b"'")
                .or(word.strip_prefix(b"\""))
                .unwrap_or(word);
            let numbers = word.split(|byte| *byte == b'.').take(4);
            let is_number = |part: &&[u8]| part.first().is_some_and(u8::is_ascii_digit);
            begins(word, b"http://")
                || begins(word, b"https://")
                || begins(word, b"ftp://")
                || numbers.filter(is_number).count() == 4
        })
}

/// Where input or output is redirected: `cat</etc/passwd`, `>/tmp/x`, `2>&1`, `| tee`, `<(id)`.
fn redirection(bytes: &[u8]) -> Option<Range<usize>> {
    const FOLDERS: [&[u8]; 8] = [
        b"etc/", b"tmp/", b"var/", b"proc/", b"home/", b"bin/", b"dev/", b"usr/",
    ];
    let leads = |behind: &[u8]| {
        let path = rest(behind, blanks(behind)).strip_prefix(b"/");
        path.is_some_and(|path| FOLDERS.iter().any(|folder| begins(path, folder)))
    };
    for (at, byte) in bytes.iter().enumerate() {
        let behind = rest(bytes, at + 1);
        let before = bytes.get(..at).unwrap_or_default();
        let is_it = match byte {
            b'<' if behind.starts_with(b"(") => {
                let inner = rest(behind, 1);
                rest(inner, blanks(inner))
                    .first()
                    .is_some_and(u8::is_ascii_alphabetic)
            }
            b'<' => leads(behind) && ends_with_reader(before.trim_ascii_end()),
            b'>' => {
                let first = before.last().copied().unwrap_or(b' ');
                let number = matches!(behind, [b'&', digit, ..] if digit.is_ascii_digit() && is_end(behind, 2));
                number || (first != b'<' && !before.is_empty() && leads(behind))
            }
            b'|' => {
                let program = rest(behind, blanks(behind));
                let name = super::super::bytes::word(program);
                super::super::bytes::is_one_of(name, &["bash", "sh", "nc", "xxd", "tee", "base64"])
            }
            _ => false,
        };
        if is_it {
            return Some(at..at + 1);
        }
    }
    None
}

/// Whether a program that reads what is redirected to it comes last.
fn ends_with_reader(before: &[u8]) -> bool {
    let start = before
        .iter()
        .rposition(|byte| !is_word(*byte))
        .map_or(0, |at| at + 1);
    let name = rest(before, start);
    super::super::bytes::is_one_of(
        name,
        &[
            "cat", "sh", "bash", "tee", "more", "nc", "less", "head", "tail", "sort",
        ],
    )
}
