//! The programs that attackers start.

use std::sync::LazyLock;

use super::super::bytes::{Words, is_one_of, rest};

/// Programs whose names are no words of a language that people write.
pub(super) const PROGRAMS: [&str; 105] = [
    "nltest",
    "vssadmin",
    "bcdedit",
    "icacls",
    "takeown",
    "netsh",
    "xcopy",
    "robocopy",
    "ntdsutil",
    "psexec",
    "openssl",
    "findstr",
    "xargs",
    "iwr",
    "rsync",
    "mysqldump",
    "sqlite3",
    "nohup",
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
pub(super) const WORDS: [&str; 48] = [
    "expr", "reboot", "halt", "poweroff", "timeout", "cat", "tac", "ls", "id", "nc", "ps", "rm",
    "mv", "cp", "ln", "dd", "sh", "who", "env", "set", "head", "tail", "more", "less", "sort",
    "find", "echo", "printf", "sleep", "ping", "ping6", "dig", "host", "kill", "date", "type",
    "dir", "net", "route", "time", "nl", "od", "strings", "touch", "tee", "exec", "eval", "source",
];

/// Those that tell an attacker something by themselves, and that nobody names in a list of languages or things.
const TELLING: [&str; 14] = [
    "whoami",
    "ifconfig",
    "ipconfig",
    "netstat",
    "systeminfo",
    "uname",
    "printenv",
    "tasklist",
    "lsof",
    "lsblk",
    "dmesg",
    "getent",
    "phpinfo",
    "ipcs",
];

/// Whether a program is one that attackers start without any argument.
pub(super) fn tells_alone(name: &[u8]) -> bool {
    is_one_of(name, &TELLING)
}

/// Whether a program is given a number: how long, or how often.
pub(super) fn takes_number(name: &[u8]) -> bool {
    is_one_of(name, &["sleep", "ping", "ping6", "timeout", "kill"])
}

/// Whether a program is given the name of a machine.
pub(super) fn takes_host(name: &[u8]) -> bool {
    is_one_of(name, &["nc", "ping", "ping6", "dig"])
}

/// Whether a program is given a word that it alone knows: what to list, or what to tell.
pub(super) fn takes_word(name: &[u8], word: &[u8]) -> bool {
    let (program, words): (&str, &[&str]) = match name.len() {
        2 => ("ps", &["aux", "auxw", "auxww", "ef"]),
        _ => (
            "net",
            &["user", "view", "localgroup", "group", "accounts", "share"],
        ),
    };
    is_one_of(name, &[program]) && is_one_of(word, words)
}

/// Whether a program is given how many lines it shows of a file.
pub(super) fn takes_lines(name: &[u8]) -> bool {
    is_one_of(name, &["head", "tail"])
}

/// Whether a program runs another one, which it is given.
pub(super) fn runs_another(name: &[u8]) -> bool {
    is_one_of(name, &["busybox", "sudo", "xargs", "env", "nohup"])
}

/// All of them, and the words among them.
static NAMES: LazyLock<[Words; 2]> = LazyLock::new(|| {
    [
        Words::from_words(PROGRAMS.into_iter().chain(WORDS)),
        Words::from_words(WORDS),
    ]
});

/// Whether a name is one of a program, and whether it is no word besides.
pub(super) fn program(name: &[u8]) -> (bool, bool) {
    let [all, words] = &*NAMES;
    let is_known = all.has(name);
    (is_known, is_known && !words.has(name))
}

/// Whether a path with wildcards can stand for a program: in a folder of programs, three letters or less given.
pub(super) fn stands_for_program(text: &[u8]) -> bool {
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
