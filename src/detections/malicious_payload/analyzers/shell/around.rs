//! What stands around a command: whether it is put into something, is all of a value, or is one word of a sentence.

use super::super::bytes::{blanks, is_one_of, rest, word};
use super::programs::tells_alone;

/// Whether a semicolon ends a numeric reference of HTML (`&#32;`): to a shell, what is behind its `&` is a comment.
pub(super) fn ends_reference(bytes: &[u8], semicolon: usize) -> bool {
    const LONGEST: usize = 10;
    let before = bytes.get(semicolon.saturating_sub(LONGEST)..semicolon);
    let before = before.unwrap_or_default();
    let digits = before
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_hexdigit());
    let begin = before
        .get(..before.len() - digits.count())
        .unwrap_or_default();
    let begin = match begin {
        [begin @ .., b'x' | b'X'] => begin,
        _ => begin,
    };
    begin.ends_with(b"&#")
}

/// Whether a word stands right behind a separator that stands behind no word: lists of names are separated like that.
pub(super) fn is_close(bytes: &[u8], start: usize) -> bool {
    let before = bytes.get(..start).unwrap_or_default();
    match before {
        [.., before, b';' | b'|' | b'&'] => {
            !before.is_ascii_alphabetic() || before == &b'|' || before == &b'&'
        }
        [b';' | b'|' | b'&'] => true,
        _ => false,
    }
}

/// Whether a command that begins at `start` in backquotes is put into something that is no sentence: it is all of the value,
/// or the backquote stands behind a sign and no blank.
pub(super) fn is_put_in(bytes: &[u8], start: usize) -> bool {
    let before = bytes.get(..start).unwrap_or_default().trim_ascii_end();
    match before.strip_suffix(b"`").unwrap_or_default() {
        [] => {
            let behind = rest(bytes, start).trim_ascii_end();
            memchr::memchr(b'`', behind).is_some_and(|end| end + 1 == behind.len())
        }
        [.., sign] if b";|=&'\"$.".contains(sign) => true,
        // All of the value is one word with a command at its end, which is no sentence.
        before => {
            let behind = rest(bytes, start).trim_ascii_end();
            let ends = memchr::memchr(b'`', behind).is_some_and(|end| end + 1 == behind.len());
            ends && before.len() < 64
                && before.len() + 1 == start
                && !before.iter().any(u8::is_ascii_whitespace)
        }
    }
}

/// Whether a program is one that is tried first, because it tells something and needs no argument. Those that are words
/// stand right behind the separator.
pub(super) fn is_told(bytes: &[u8], start: usize, name: &[u8]) -> bool {
    const WORDS: [&str; 5] = ["who", "date", "set", "env", "time"];
    const FIRST: [&str; 3] = ["reboot", "halt", "poweroff"];
    const OTHERS: [&str; 6] = ["id", "ls", "pwd", "ps", "dir", "uptime"];
    let before = start.checked_sub(1).and_then(|before| bytes.get(before));
    let is_close = before.is_some_and(|byte| !byte.is_ascii_whitespace());
    tells_alone(name)
        || is_one_of(name, &OTHERS)
        || ((is_close || begins_value(bytes, start)) && is_one_of(name, &WORDS))
        || (begins_value(bytes, start) && start > 0 && is_one_of(name, &FIRST))
}

/// Whether a value begins with a separator, behind quotes at most, and a command that is given any words: no sentence does.
pub(super) fn is_begun_with(bytes: &[u8], start: usize, name: &[u8]) -> bool {
    const GIVEN_WORDS: [&str; 6] = ["echo", "printf", "find", "tee", "exec", "eval"];
    is_one_of(name, &GIVEN_WORDS)
        && (begins_value(bytes, start) || is_marked_echo(bytes, start, name))
}

/// Whether `echo` right behind a separator is given one word that no language has, as a mark to look for: `a;echo abc123`.
fn is_marked_echo(bytes: &[u8], start: usize, name: &[u8]) -> bool {
    let before = start.checked_sub(1).and_then(|at| bytes.get(at));
    let argument = rest(bytes, start + name.len());
    let gap = blanks(argument);
    let mark = word(rest(argument, gap));
    is_one_of(name, &["echo"])
        && matches!(before, Some(b';' | b'|' | b'&'))
        && gap > 0
        && mark.len() >= 4
        && mark.iter().any(u8::is_ascii_digit)
        && mark.iter().any(u8::is_ascii_alphabetic)
        && ends_command(argument, gap + mark.len())
}

/// Whether a value begins with a separator, and what begins at `start` is behind it.
pub(super) fn is_first(bytes: &[u8], start: usize) -> bool {
    start > 0 && begins_value(bytes, start)
}

/// Whether nothing stands before `start` but quotes and separators of commands.
fn begins_value(bytes: &[u8], start: usize) -> bool {
    let before = bytes.get(..start).unwrap_or_default();
    let is_nothing = |byte: &u8| byte.is_ascii_whitespace() || b"'\");|&".contains(byte);
    start <= 8 && before.iter().all(is_nothing)
}

/// Whether the backquotes around what begins at `start` stand between words of a sentence, as Markdown has them.
pub(super) fn is_in_prose(bytes: &[u8], start: usize) -> bool {
    const LONGEST: usize = 64;
    let before = bytes.get(..start).unwrap_or_default();
    let before = before
        .trim_ascii_end()
        .strip_suffix(b"`")
        .unwrap_or_default();
    let behind = rest(bytes, start);
    let near = behind.get(..LONGEST).unwrap_or(behind);
    let Some(close) = memchr::memchr(b'`', near) else {
        return false;
    };
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic();
    let behind = rest(behind, close + 1);
    let behind = behind.strip_prefix(b",").unwrap_or(behind);
    matches!(before, [.., a, b, b' '] if is_letter(a) && is_letter(b))
        && matches!(behind, [b' ', a, b, ..] if is_letter(a) && is_letter(b))
}

/// Whether a substitution that begins at `start` stands between words of a sentence: several before it, and some behind.
pub(super) fn is_between_words(bytes: &[u8], start: usize) -> bool {
    const LONGEST: usize = 64;
    const WORDS: usize = 3;
    let before = bytes.get(..start).unwrap_or_default();
    let Some(before) = before.strip_suffix(b" $(") else {
        return false;
    };
    let before = before.get(before.len().saturating_sub(LONGEST)..);
    let is_word = |word: &&[u8]| word.len() > 1 && word.iter().all(u8::is_ascii_alphabetic);
    let words = before.unwrap_or_default().split(|byte| *byte == b' ');
    let behind = rest(bytes, start);
    let near = behind.get(..LONGEST).unwrap_or(behind);
    let close = memchr::memchr(b')', near).map_or(&[][..], |close| rest(near, close + 1));
    words.rev().take_while(is_word).count() >= WORDS
        && matches!(close, [b' ', a, b, ..] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic())
}

/// Whether next to nothing stands before a separator behind which a command begins at `start`: a short word, which is none of
/// a list (`time & date`, `name|id`).
pub(super) fn is_all(bytes: &[u8], start: usize, separator: u8) -> bool {
    const LONGEST: usize = 24;
    let before = bytes.get(..start).unwrap_or_default();
    let is_separator = |byte: &u8| byte.is_ascii_whitespace() || *byte == separator;
    let len = before
        .iter()
        .rposition(|byte| !is_separator(byte))
        .map_or(0, |at| at + 1);
    // What is longer is not looked at, or a thousand separators would each look at all that stands before.
    let Some(word) = before.get(..len).filter(|word| word.len() <= LONGEST) else {
        return false;
    };
    let is_listed = separator != b';' && word.len() > 1 && word.iter().all(u8::is_ascii_alphabetic);
    !is_listed
        && (separator != b'\n' || !word.iter().any(u8::is_ascii_alphabetic))
        && !word
            .iter()
            .any(|byte| byte.is_ascii_whitespace() || b";|&`$".contains(byte))
}

/// Whether a value ends at `end`, but for an option and what ends commands.
pub(super) fn ends_value(bytes: &[u8], end: usize) -> bool {
    let behind = rest(bytes, end);
    let option = rest(behind, blanks(behind));
    let behind = match option {
        [b'-', letter, ..] if letter.is_ascii_alphabetic() => {
            rest(option, 1 + word(rest(option, 1)).len())
        }
        _ => behind,
    };
    let behind = behind.strip_suffix(b"\\n").unwrap_or(behind);
    behind
        .iter()
        .all(|byte| byte.is_ascii_whitespace() || b"'\");|&`#\\/".contains(byte))
}

/// Whether quotes split a word in a way that no apostrophe or emphasis does: twice, or by variables.
pub(super) fn is_sure_split(bytes: &[u8], start: usize, end: usize) -> bool {
    let word = bytes.get(start..end).unwrap_or_default();
    word.iter()
        .filter(|byte| matches!(byte, b'\'' | b'"' | b'\\' | b'$'))
        .count()
        >= 2
}

/// Whether a command ends at `end`: the text does, or another begins, or a quote or comment follows.
pub(super) fn ends_command(bytes: &[u8], end: usize) -> bool {
    let behind = rest(bytes, end);
    let gap = blanks(behind);
    match rest(behind, gap) {
        [] | [b';' | b'|' | b'&' | b'`' | b'#' | 0, ..] => true,
        [b')' | b'\'' | b'"' | b'}', ..] => gap == 0,
        _ => false,
    }
}
