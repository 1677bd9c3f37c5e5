//! What connects a shell to another machine, or runs what is loaded from there: told by itself, wherever it stands.

use std::ops::Range;
use std::sync::LazyLock;

use super::super::bytes::Texts;
use super::super::{Analyzer, Matches, Rule, Text};

static REMOTE: Rule = Rule {
    name: "remote_shell",
    score: 5,
    message: "A command connects a shell to another machine, or runs what it loads from there.",
};

pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    gates: &[
        r"/dev/(?:tcp|udp)/|certutil|bitsadmin|mshta |mkfifo |downloadstring\(|iex ?\(|base64 -d",
        r"\| ?(?:ba)?sh|bash -i",
        r"nc(?:at)? .* -e",
        r"python.*import socket",
        r"perl -e.*socket",
        r"php -r.*fsockopen",
        r"ruby -rsocket",
        r"powershell.* -e",
    ],
    rules: &[&REMOTE],
    analyze,
};

/// What connects shells or runs what is loaded, by itself.
static ALWAYS: [&[u8]; 14] = [
    b"/dev/tcp/",
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
];

/// Programs that do it, each with what it is given then.
static PAIRS: [[&[u8]; 2]; 9] = [
    [b"nc ", b" -e"],
    [b"ncat ", b" -e"],
    [b"mkfifo ", b"/tmp/"],
    [b"python", b"import socket"],
    [b"perl -e", b"socket"],
    [b"php -r", b"fsockopen"],
    [b"ruby -rsocket", b"-e"],
    [b"powershell", b" -e"],
    [b"mshta ", b"http"],
];

/// All of these, looked for at once.
static IDIOMS: LazyLock<Texts> =
    LazyLock::new(|| Texts::new(ALWAYS.iter().chain(PAIRS.iter().flatten()).copied()));

/// Looks for what connects shells or runs what is loaded, wherever it stands.
fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if text.is_document() {
        return;
    }
    // For each pair the place of its program, and whether its argument is there.
    let mut programs: [Option<Range<usize>>; PAIRS.len()] = Default::default();
    let mut arguments = [false; PAIRS.len()];
    for (nth, range) in IDIOMS.find(text.bytes) {
        if let Some(known) = ALWAYS.get(nth) {
            let behind = text.bytes.get(range.end);
            let is_whole =
                !known.ends_with(b"sh") || !behind.is_some_and(u8::is_ascii_alphanumeric);
            if is_whole {
                matches.add(&REMOTE, range);
            }
            continue;
        }
        let nth = nth - ALWAYS.len();
        if nth.is_multiple_of(2) {
            if let Some(program) = programs.get_mut(nth / 2) {
                program.get_or_insert(range);
            }
        } else if let Some(argument) = arguments.get_mut(nth / 2) {
            *argument = true;
        }
    }
    let whole = programs
        .into_iter()
        .zip(arguments)
        .filter(|(_, argument)| *argument);
    for range in whole.filter_map(|(program, _)| program) {
        matches.add(&REMOTE, range);
    }
}
