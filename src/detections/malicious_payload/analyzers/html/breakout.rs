//! Values that close what they are put into.

use super::super::Matches;
use super::super::bytes::{begins, blanks, is_one_of, rest, word};
use super::rules::MARKUP_BREAKOUT;

/// A value that closes what it was put into, and goes on as markup.
pub(super) fn breakouts(bytes: &[u8], matches: &mut Matches) {
    const FARTHEST: usize = 64;
    const TEXTS: [&str; 11] = [
        "textarea",
        "title",
        "style",
        "script",
        "noscript",
        "xmp",
        "iframe",
        "select",
        "option",
        "comment",
        "plaintext",
    ];
    let beginning = bytes.get(..FARTHEST).unwrap_or(bytes);
    let opens = |at: usize| {
        matches!(
            rest(bytes, at),
            [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'!' | b'/' | b'?', ..]
        )
    };
    let gap = |at: usize| at + blanks(rest(bytes, at)).min(32);
    // `"><b`: nothing but a word before the quote.
    if let Some(quote) = beginning
        .iter()
        .position(|byte| matches!(*byte, b'"' | b'\'' | b'`'))
    {
        let before = bytes.get(..quote).unwrap_or_default();
        let is_word = !before
            .iter()
            .any(|byte| matches!(*byte, b'<' | b'>') || byte.is_ascii_whitespace());
        let quotes = rest(beginning, quote)
            .iter()
            .take_while(|byte| matches!(**byte, b'"' | b'\'' | b'`'));
        let mut at = gap(quote + quotes.count());
        at += usize::from(bytes.get(at) == Some(&b'/'));
        if is_word && bytes.get(at) == Some(&b'>') && opens(gap(at + 1)) {
            matches.add(&MARKUP_BREAKOUT, quote..gap(at + 1) + 1);
        }
    }
    // `</title><b`: an element of text is closed that was not begun.
    let is_filler = |byte: &&u8| !byte.is_ascii_alphanumeric() && **byte != b'<';
    let filler = bytes.iter().take(16).take_while(is_filler).count();
    if let Some(inner) = rest(bytes, filler).strip_prefix(b"</") {
        let name = word(inner);
        let end = filler + 2 + name.len();
        if is_one_of(name, &TEXTS)
            && let Some(close) =
                memchr::memchr(b'>', rest(bytes, end).get(..16).unwrap_or(rest(bytes, end)))
            && opens(gap(end + close + 1))
        {
            matches.add(&MARKUP_BREAKOUT, filler..end + close + 1);
        }
    }
    for at in memchr::memmem::find_iter(bytes, b"-->") {
        let behind = rest(bytes, gap(at + 3));
        if ["<img", "<svg", "<script", "<iframe", "<input", "<body"]
            .iter()
            .any(|element| begins(behind, element.as_bytes()))
        {
            matches.add(&MARKUP_BREAKOUT, at..at + 3);
            break;
        }
    }
}
