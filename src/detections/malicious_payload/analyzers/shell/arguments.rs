//! What programs are given: options, paths, addresses, numbers.

use super::super::bytes::{begins, blanks, find, rest};
use super::around::ends_command;
use super::programs::{program, runs_another, takes_host, takes_lines, takes_number, takes_word};
use super::words::Word;

/// Whether what follows is what a program is given: an option, a path, an address, a variable, a redirection.
pub(super) fn has_arguments(bytes: &[u8], word: &Word, is_program: bool) -> bool {
    let behind = rest(bytes, word.end);
    let gap = behind
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'+' | b','))
        .count();
    let argument = rest(behind, gap);
    match argument {
        [b'<' | b'>', ..] => true,
        _ if gap == 0 => false,
        [b'-', b'a'..=b'z' | b'A'..=b'Z' | b'-', ..] | [b'$', ..] => true,
        [b'-', b'0'..=b'9', lines @ ..] if takes_lines(word.name()) => {
            let file = rest(
                lines,
                lines
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count(),
            );
            let gap = blanks(file);
            gap > 0 && matches!(rest(file, gap), [b'/' | b'.' | b'~' | b'$', ..])
        }
        [b'-', b'0'..=b'9', ..] => is_program || takes_number(word.name()),
        // The root, with an option behind it.
        [b'/', b' ', b'-', letter, ..] => letter.is_ascii_alphabetic(),
        [b'/', letter, ..] => letter.is_ascii_alphanumeric() || matches!(letter, b'?' | b'*'),
        [b'~'] => true,
        [b'.', b'.' | b'/', ..] | [b'~', b'/', ..] | [b'%', _, ..] | [b'*', ..] => true,
        [b'a'..=b'z' | b'A'..=b'Z', b':', b'\\' | b'/', ..] => true,
        [b'0'..=b'9', ..] => {
            // A delay, or the address of a machine; what else a number follows is a sum, a date or a version.
            let number = argument
                .iter()
                .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
                .count();
            let dots = argument
                .iter()
                .take(number)
                .filter(|byte| **byte == b'.')
                .count();
            // An address may be followed by a port.
            let behind = rest(argument, number);
            let gap = blanks(behind);
            let is_sum = || {
                matches!(
                    rest(behind, gap),
                    [b'+' | b'-' | b'*' | b'/' | b'%', b' ', ..]
                )
            };
            if word.name().eq_ignore_ascii_case(b"expr") && gap > 0 && is_sum() {
                return true;
            }
            let port = rest(behind, gap)
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            let port = if dots == 3 && gap > 0 {
                gap + port.count()
            } else {
                0
            };
            let unit = usize::from(
                dots == 0
                    && matches!(
                        rest(argument, number),
                        [b's' | b'm' | b'h' | b'd']
                            | [
                                b's' | b'm' | b'h' | b'd',
                                b' ' | b';' | b'|' | b'&' | b'`' | b')',
                                ..
                            ]
                    ),
            );
            let number = number + unit;
            (dots == 3 || takes_number(word.name()))
                && (ends_command(argument, number)
                    || (port > gap && ends_command(argument, number + port)))
        }
        [quote @ (b'\'' | b'"'), inner @ ..] => {
            is_program && inner.iter().take(256).skip(2).any(|byte| byte == quote)
        }
        _ => {
            let len = argument
                .iter()
                .take(64)
                .take_while(|byte| !byte.is_ascii_whitespace())
                .count();
            let argument = argument.get(..len).unwrap_or_default();
            let is_host = (is_program || takes_host(word.name())) && argument.windows(3).any(|three| matches!(three, [before, b'.', behind] if before.is_ascii_alphanumeric() && behind.is_ascii_alphabetic()));
            // `openssl s_client -connect …`.
            let further = rest(behind, gap + len);
            let is_option = matches!(rest(further, blanks(further)), [b'-', letter, ..] if letter.is_ascii_alphabetic());
            is_host
                || (takes_word(word.name(), argument) && ends_command(behind, gap + len))
                || (is_program && is_option)
                || (runs_another(word.name()) && program(super::super::bytes::word(argument)).0)
                || argument.contains(&b'/')
                || is_given_system_file(behind)
                || find(argument, b".txt", 0).is_some()
                || find(argument, b".php", 0).is_some()
        }
    }
}

/// Whether a file of the system's settings is among the arguments, up to the next command: `grep root /etc/passwd`.
fn is_given_system_file(behind: &[u8]) -> bool {
    const LONGEST: usize = 128;
    let near = behind.get(..LONGEST).unwrap_or(behind);
    let end = near
        .iter()
        .position(|byte| matches!(byte, b';' | b'|' | b'&' | b'\n' | b'`'))
        .unwrap_or(near.len());
    let arguments = near.get(..end).unwrap_or_default();
    memchr::memchr_iter(b'/', arguments).any(|slash| {
        let before = arguments.get(..slash).unwrap_or_default();
        let folder = rest(arguments, slash);
        before.ends_with(b" ") && (begins(folder, b"/etc/") || begins(folder, b"/proc/"))
    })
}

/// Whether a program is given a file of the system's settings or processes, and nothing stands between.
pub(super) fn is_given_file(bytes: &[u8], word: &Word) -> bool {
    let argument = rest(bytes, word.end);
    let argument = rest(argument, blanks(argument));
    argument.starts_with(b"/etc/") || argument.starts_with(b"/proc/")
}
