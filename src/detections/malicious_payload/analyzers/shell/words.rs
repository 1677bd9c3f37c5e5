//! A word as a shell reads it: without quotes, backslashes and variables that are not set.

use super::super::bytes::{find, is_word, rest};

/// What a shell reads of a word.
pub(super) struct Word {
    text: [u8; 32],
    pub(super) len: usize,
    /// Where the word ends in the text.
    pub(super) end: usize,
    /// Quotes, backslashes or variables were within it.
    pub(super) is_split: bool,
    pub(super) has_wildcard: bool,
    /// `$IFS` ended it.
    pub(super) ends_by_variable: bool,
}

impl Word {
    pub(super) fn text(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }

    /// The name of the program, without the folder that it is in.
    pub(super) fn name(&self) -> &[u8] {
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

/// Reads a word as a shell does.
pub(super) fn read(bytes: &[u8], start: usize) -> Word {
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
            // A class of one character stands for it.
            b'[' if matches!(rest(bytes, at), [_, letter, b']', ..] if letter.is_ascii_alphanumeric()) =>
            {
                let letter = bytes.get(at + 1).copied().unwrap_or_default();
                let Some(place) = word.text.get_mut(word.len) else {
                    word.len = 0;
                    return word;
                };
                *place = letter;
                word.is_split = true;
                word.len += 1;
                at += 3;
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
            .take_while(|byte| is_word(**byte))
            .count(),
    };
    behind.get(..len).unwrap_or_default()
}
