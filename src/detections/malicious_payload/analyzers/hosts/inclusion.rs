//! Scripts on other machines that are to be included (CWE-98).

use super::super::bytes::{find, is_one_of, rest};
use super::super::{Analyzer, Matches, Rule, Text};
use super::{address, is_of_routing, starts, url};

static SCRIPT: Rule = Rule {
    name: "remote_script",
    score: 5,
    message: "An address leads to a script on another machine that is to be included.",
};

/// The same addresses, where they lead to a script.
pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "remote_file_inclusion",
    cwe: 98,
    gates: &[
        r"[a-z]{3,5}:/.*(?:\.txt|\.php|\?|\.inc|\x00|\.jsp|\.asp|\.gif|\.sh|\.py|\.exe|\.ps1|\.elf)",
        r"//\d+\.\d+\.\d+\.\d+/.*\.(?:php|txt|sh|exe)",
        r"//.*/(?:c99|r57|b374k|shell|cmd|backdoor|webshell|wso|c100|alfa)",
    ],
    rules: &[&SCRIPT],
    longest: usize::MAX,
    analyze,
};

/// Names of parameters that are given what is to be included.
const INCLUDING: [&str; 14] = [
    "file", "page", "include", "inc", "path", "template", "tpl", "load", "module", "lang", "cmd",
    "document", "folder", "root",
];

/// Files whose names say that they are there to be run by somebody else's server.
const KNOWN: [&str; 11] = [
    "c99", "c100", "r57", "b374k", "shell", "webshell", "cmd", "backdoor", "wso", "alfa", "evil",
];

const ENDS: [&[u8]; 10] = [
    b".php", b".txt", b".inc", b".phtml", b".php5", b".jsp", b".asp", b".aspx", b".cgi", b".pl",
];

/// Ends of programs, which no web server includes, and a command fetches.
const PROGRAMS: [&[u8]; 6] = [b".sh", b".py", b".ps1", b".exe", b".elf", b".bat"];

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if text.is_key || is_of_routing(text) {
        return;
    }
    let mut starts = starts(text);
    while let Some((start, _)) = starts.next(text.bytes) {
        let Some(url) = url(rest(text.bytes, start)) else {
            continue;
        };
        if !url.scheme.is_empty() && !is_one_of(url.scheme, &["http", "https", "ftp", "ftps"]) {
            continue;
        }
        let path_len = url
            .rest
            .iter()
            .take_while(|byte| !matches!(byte, b'?' | b'#' | b' ' | 0))
            .count();
        let path = url.rest.get(..path_len).unwrap_or_default();
        let behind = rest(url.rest, path_len);
        let ends = |end: &&[u8]| {
            path.len() > end.len() && rest(path, path.len() - end.len()).eq_ignore_ascii_case(end)
        };
        let is_page = ENDS.iter().any(ends);
        let is_script = is_page || PROGRAMS.iter().any(ends);
        let is_cut = matches!(behind, [b'?' | 0] | [0, ..])
            || find(behind, b"%00", 0).is_some_and(|at| at < 2);
        let is_ip = address::read(url.host).is_some();
        let name = text.name();
        let last = name
            .rsplit(['.', '[', ']'])
            .find(|part| !part.is_empty())
            .unwrap_or_default();
        let includes = is_one_of(last.as_bytes(), &INCLUDING);
        let file = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let stem = file.split(|byte| *byte == b'.').next().unwrap_or_default();
        // What runs commands is given one: `x.jpg?cmd=id`.
        let is_given = ["?cmd=", "?exec="].iter().any(|given| {
            super::super::bytes::begins(behind, given.as_bytes()) && !path.ends_with(b"/")
        });
        if (is_page && is_one_of(stem, &KNOWN)) || (is_given && path.contains(&b'.')) {
            return matches.add(&SCRIPT, start..start + url.len);
        }
        let count = [is_script, is_cut, is_ip, includes]
            .into_iter()
            .filter(|sign| *sign)
            .count();
        if count >= 2
            && (is_script || is_cut)
            && !(includes && is_script && !is_ip && !is_cut && url.scheme.len() == 5)
        {
            matches.add(&SCRIPT, start..start + url.len);
        }
    }
}
