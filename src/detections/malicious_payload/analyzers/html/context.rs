//! What stands before a name in a script: whether it is code, and whether a value breaks out into it.

use super::super::bytes::{is_one_of, is_word, rest, without_comments, word_before};
use super::script::OBJECTS;

/// What stands before a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing: the value begins with it.
    Start,
    /// A quote that is closed, with what joins the code to it or without.
    Breakout,
    /// Something of a program.
    Operator,
    /// A word, or the end of something.
    Word,
}

/// What stands before a name at `at`.
pub(super) fn before(text: &[u8], at: usize) -> Before {
    /// The most objects of which one is a member of the next.
    const DEEPEST: usize = 4;
    within(text, at, DEEPEST)
}

/// What stands before a name; of a member, what stands before its object.
fn within(text: &[u8], at: usize, depth: usize) -> Before {
    let end = skip_back(text, at);
    let Some(last) = end.checked_sub(1) else {
        return Before::Start;
    };
    match text.get(last) {
        None => Before::Start,
        Some(b'"' | b'\'' | b'`')
            if last.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'[') =>
        {
            object_before(text, last - 1, depth)
        }
        Some(b'"' | b'\'' | b'`') if end == at => {
            // A quote is closed just before it, or opened; by people, behind a word: `say "alert (1)"`.
            match text.get(..last).unwrap_or_default().last() {
                None => Before::Breakout,
                Some(byte) if is_word(*byte) || byte.is_ascii_whitespace() => Before::Word,
                Some(_) => Before::Operator,
            }
        }
        Some(b'.' | b'[') => object_before(text, last, depth),
        Some(
            b';' | b',' | b'+' | b'-' | b'*' | b'/' | b'|' | b'&' | b'^' | b'%' | b'?' | b':'
            | b'=' | b'(' | b'{' | b'!' | b'~' | b'<' | b'>' | b'}',
        ) => {
            if is_broken_out(text, last) {
                Before::Breakout
            } else {
                Before::Operator
            }
        }
        Some(_) => {
            let from = text.get(..end).unwrap_or_default();
            let len = from
                .iter()
                .rev()
                .take(16)
                .take_while(|byte| is_word(**byte))
                .count();
            let word = rest(from, end - len);
            // It may be one of a language that people speak, unless a program stands before it.
            if depth > 0 && is_one_of(word, &KEYWORDS) {
                within(text, end - len, depth - 1)
            } else {
                Before::Word
            }
        }
    }
}

/// Words that an expression follows.
const KEYWORDS: [&str; 14] = [
    "new",
    "throw",
    "return",
    "void",
    "typeof",
    "delete",
    "in",
    "instanceof",
    "yield",
    "await",
    "else",
    "do",
    "case",
    "var",
];

/// What stands before the object of which something is a member.
fn object_before(text: &[u8], dot: usize, depth: usize) -> Before {
    let object = text.get(..dot).unwrap_or_default();
    let object = object.strip_suffix(b"?").unwrap_or(object);
    // `frames[0].alert`.
    let object = match object {
        [object @ .., b'[', b'0'..=b'9', b']'] => object,
        _ => object,
    };
    // `$.getScript`.
    if let Some(before) = object.strip_suffix(b"$")
        && depth > 0
        && !before.last().is_some_and(|byte| is_word(*byte))
    {
        return within(text, before.len(), depth - 1);
    }
    let word = word_before(object, object.len());
    let len = word.len();
    if depth > 0 && is_one_of(word, &OBJECTS) {
        within(text, object.len() - len, depth - 1)
    } else {
        Before::Word
    }
}

/// Where what stands before `at` ends, without blanks and comments.
fn skip_back(text: &[u8], at: usize) -> usize {
    const MOST: usize = 64;
    let from = at.saturating_sub(MOST);
    from + without_comments(text.get(from..at).unwrap_or_default()).len()
}

/// Whether the operators that end at `last` follow a quote that they close, or the beginning.
fn is_broken_out(text: &[u8], last: usize) -> bool {
    const MOST: usize = 40;
    let from = (last + 1).saturating_sub(MOST);
    let is_joint = |byte: &u8| {
        !is_word(*byte) && !matches!(*byte, b'"' | b'\'' | b'`' | b'$' | b'#' | b'@' | 0x80..)
    };
    let joints = text.get(from..=last).unwrap_or_default();
    let mut before = joints;
    loop {
        before = without_comments(before);
        match before.split_last() {
            Some((byte, others)) if is_joint(byte) => before = others,
            Some((byte, others)) => {
                return matches!(*byte, b'"' | b'\'' | b'`') && !is_opened(joints, others.len());
            }
            None => return from == 0,
        }
    }
}

/// Whether the quote at `at` begins a text rather than ends one: an operator or a comma stands before it, and a further
/// quote behind.
fn is_opened(text: &[u8], at: usize) -> bool {
    let behind = rest(text, at + 1);
    // `", "` separates two texts.
    matches!(behind.trim_ascii_start().first(), None | Some(b'.' | b':'))
}
