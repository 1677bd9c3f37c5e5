//! Values that begin with a separator and a command: whoever puts a value into a command line can go on with any program,
//! but no value that people type begins with `;`, `|` or `&` and a word right behind it.
//!
//! Next to nothing may stand before: quotes, a number, an address. What follows right behind the separator is a program by a
//! longer list than elsewhere (`history`, `mount`, `df -h`), or the path of a file to be run (`;/tmp/x`, `;. ./x`).

use std::sync::LazyLock;

use super::super::bytes::{Words, begins, blanks, rest, word};
use super::super::{Analyzer, Matches, Rule, Text};
use crate::request::PlaceKind;

static COMMAND: Rule = Rule {
    name: "begun_with_separator",
    score: 5,
    message: "A value begins with a separator of commands and a program or a path right behind it.",
};

pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "command_injection",
    cwe: 78,
    gates: &[r"^[;|&]"],
    rules: &[&COMMAND],
    longest: 4 << 10,
    analyze,
};

/// Programs of Unix and Windows, and what shells know themselves, words or not.
static BROAD: LazyLock<Words> = LazyLock::new(|| {
    Words::of(
        "history mount umount df free ip ss w last lastb true false test export unset cd su sudo alias jobs wait trap \
        docker kubectl aws gcloud az helm terraform git npm node deno go java javac gcc make cmake systemctl service \
        journalctl dmesg lsblk lsof blkid fdisk mkfs dd tar zip unzip gzip gunzip bzip2 xz 7z mail mutt sendmail \
        crontab at batch screen tmux nohup setsid chroot passwd useradd userdel usermod groupadd adduser visudo \
        iptables nft ufw firewall-cmd ifconfig ifup route arp host dig nslookup traceroute tracepath mtr whois \
        netstat tcpdump nmap nc ncat telnet ftp sftp ssh scp rsync curl wget lynx links aria2c \
        cat tac ls id ps rm mv cp ln sh bash dash zsh ksh who whoami env set head tail more less sort find echo printf \
        sleep ping kill killall pkill pgrep date type dir net hostname uname uptime pwd touch tee exec eval source cut \
        tr rev nl od xxd strings base64 base32 md5sum sha1sum sha256sum grep egrep fgrep awk sed perl python python3 \
        ruby php lua expr seq yes watch xargs stat file readlink realpath chmod chown chattr lsattr mkdir rmdir mktemp \
        apt apt-get yum dnf apk pip gem shutdown reboot halt poweroff init ver ipconfig systeminfo tasklist taskkill \
        wmic reg sc schtasks netsh nltest copy xcopy robocopy del erase ren attrib icacls cacls takeown certutil \
        bitsadmin powershell pwsh cmd start call findstr waitfor timeout vssadmin whoami getent locate which whereis",
    )
});

fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if text.is_key || text.is_document() {
        return;
    }
    let bytes = text.bytes;
    let Some(start) = begin(bytes) else {
        return;
    };
    let command = rest(bytes, start);
    let len = command
        .iter()
        .take(24)
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        .count();
    let name = command.get(..len).unwrap_or_default();
    let behind = rest(command, len);
    let is_alone = blanks(behind) == behind.len();
    let goes_on = matches!(
        behind,
        [
            b' ' | b'\t' | b'\n' | b';' | b'|' | b'&' | b'`' | b'\'' | b'"' | b'#' | 0,
            ..
        ]
    );
    // `&copy;` is a character of HTML.
    let is_reference = bytes.get(start - 1) == Some(&b'&') && behind.first() == Some(&b';');
    // `|name|date|` is the row of a table.
    let is_row = bytes.get(start - 1) == Some(&b'|') && behind.first() == Some(&b'|');
    // Noise has a letter or two behind a sign somewhere.
    let is_noise = text.place == PlaceKind::Body && len <= 2 && !behind.starts_with(b" -");
    let is_program = !is_noise && BROAD.has(name.strip_suffix(b".exe").unwrap_or(name));
    if is_program && (is_alone || goes_on) && !is_reference && !is_row || runs_file(command) {
        matches.add(&COMMAND, start - 1..start + len);
    }
}

/// Where the command begins right behind the separators that a value begins with, but for what may stand before.
fn begin(bytes: &[u8]) -> Option<usize> {
    const FARTHEST: usize = 32;
    let near = bytes.get(..FARTHEST.min(bytes.len())).unwrap_or_default();
    let separator = near
        .iter()
        .position(|byte| matches!(byte, b';' | b'|' | b'&'))?;
    let before = near.get(..separator).unwrap_or_default();
    let letters = before
        .iter()
        .filter(|byte| byte.is_ascii_alphabetic())
        .count();
    // A number, an address of a machine or of a person, or a letter that stands for anything.
    let is_value = !before.iter().any(u8::is_ascii_whitespace)
        && (letters <= 1 || before.iter().any(|byte| matches!(byte, b'.' | b'@')));
    let count = rest(near, separator)
        .iter()
        .take(2)
        .take_while(|byte| matches!(byte, b';' | b'|' | b'&'))
        .count();
    is_value.then_some(separator + count)
}

/// Whether a file is run by its path: `/tmp/x`, `./x.sh`, `. /tmp/x`, `~/x`.
fn runs_file(command: &[u8]) -> bool {
    let path = match command {
        [b'.', b' ', path @ ..] => path,
        _ => command,
    };
    let inner = match path {
        [b'/' | b'~', inner @ ..] => inner.strip_prefix(b"/").unwrap_or(inner),
        [b'.', b'/', inner @ ..] => inner,
        _ => return false,
    };
    let folders: [&[u8]; 8] = [
        b"tmp/", b"var/", b"home/", b"dev/", b"opt/", b"usr/", b"bin/", b"etc/",
    ];
    let is_file = !word(inner).is_empty();
    is_file && (!path.starts_with(b"/") || folders.iter().any(|folder| begins(inner, folder)))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{found, found_at};
    use super::*;

    #[test]
    fn values_that_begin_a_command_are_found() {
        for text in [
            ";history",
            ";df -h",
            "|mount",
            "&&ver",
            "127.0.0.1;w",
            "8.8.8.8&&free -m",
            "a@b.example|last",
            "x;true",
            ";/tmp/x",
            ";./x.sh",
            ";. /tmp/x",
            "';su -;'",
            "1|docker ps",
        ] {
            assert_eq!(found(&ANALYZER, text), ["begun_with_separator"], "{text}");
        }
        assert_eq!(
            found_at(&ANALYZER, b";mount", PlaceKind::Body),
            ["begun_with_separator"]
        );
    }

    #[test]
    fn other_values_are_not() {
        for text in [
            "&copy; 2024",
            "|name|date|",
            "|date|name|",
            "; history",
            "& more",
            "first;last",
            "R&D",
            "5; free shipping",
            ";-)",
            ";)",
            "|",
            "&nbsp;",
            "||",
            "a|b",
            "title;date;time",
            "&historic",
            "1;2;3",
            "e.g. this; mount it",
        ] {
            assert_eq!(found(&ANALYZER, text), [""; 0], "{text}");
        }
    }
}
