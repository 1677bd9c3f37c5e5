//! What may stand between the words of a language and says nothing: comments, unusual blanks, characters that are not seen.

use memchr::memmem;

use super::super::input::{DecodeStep, Form};
use super::super::marks::Marks;
use super::super::name::is_unprintable;
use super::super::offsets::Rewrite;
use super::utf8::character_at;
use super::{Decoded, NON_ASCII};

const CONTROL: Marks = Marks::of_byte(0).or(Marks::of_byte(1));

/// Some of these are in every text that has filler.
pub(super) const SIGNS: Marks = CONTROL
    .or(NON_ASCII)
    .or(Marks::of_byte(b'*'))
    .or(Marks::of_byte(b'!'))
    .or(Marks::of_byte(b'\n'));

/// Whether a text of these marks may have any filler.
pub(super) fn may_be_in(text: &[u8], marks: Marks) -> bool {
    let has = |byte| marks.meets(Marks::of_byte(byte));
    marks.meets(CONTROL.or(NON_ASCII))
        || (has(b'*') && has(b'/') && has_comment(text))
        || (has(b'!') && has(b'<') && has(b'-'))
        || (has(b'\n') && (has(b'#') || has(b'-')))
}

/// Whether a text has a comment of C's kind that ends, or one that MySQL runs. Every `Accept` has the signs of one.
fn has_comment(text: &[u8]) -> bool {
    let mut is_open = false;
    for at in memchr::memchr_iter(b'*', text) {
        let behind = text.get(at + 1);
        if is_open && behind == Some(&b'/') {
            return true;
        }
        if at.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'/') {
            if behind == Some(&b'!') {
                return true;
            }
            is_open = true;
        }
    }
    false
}

/// Comments and unusual blanks → one space, what is not seen → nothing; of what runs in a comment of MySQL, only the signs
/// around it. Line ends, tabs and spaces are left as they are, since whoever looks for blanks knows them.
pub(super) fn decode(form: &Form<'_>) -> Option<Decoded> {
    let text = form.text;
    let mut pass = Pass {
        text,
        rewrite: Rewrite::new(text, form.offsets),
        next: 0,
        seen: Seen::default(),
        is_open: false,
        ends: [true; 2],
    };
    for (at, byte) in text.iter().enumerate() {
        if may_begin(*byte) && at >= pass.next {
            pass.visit(at);
        }
    }
    Some(form.next(pass.seen.steps(), pass.rewrite.finish()?))
}

/// Whether a byte may begin filler.
const fn may_begin(byte: u8) -> bool {
    matches!(
        byte,
        b'/' | b'*' | b'<' | b'-' | b'#' | 0xa0 | 0xc2 | 0xe1..=0xe3 | 0xef | 0xf3
    ) || is_control(byte)
}

/// Control characters but those that end lines or fill columns.
const fn is_control(byte: u8) -> bool {
    matches!(byte, 0..=8 | 11 | 12 | 14..=31)
}

struct Pass<'t> {
    text: &'t [u8],
    rewrite: Rewrite<'t>,
    /// Up to where the text is dealt with, replaced or not.
    next: usize,
    seen: Seen,
    /// Whether a comment of MySQL that runs is open.
    is_open: bool,
    /// Whether a comment of each kind may end further on: to look for the end of each in vain would take long.
    ends: [bool; 2],
}

impl Pass<'_> {
    fn visit(&mut self, at: usize) {
        match self.text.get(at..).unwrap_or_default() {
            [b'/', b'*', b'!', version @ ..] => {
                let digits = version.iter().take_while(|byte| byte.is_ascii_digit());
                self.comment(at, 3 + digits.take(6).count(), b" ");
                self.is_open = true;
            }
            [b'*', b'/', ..] if self.is_open => {
                self.comment(at, 2, b" ");
                self.is_open = false;
            }
            [b'/', b'*', ..] => self.comment_until(0, at, 2, b"*/", b" "),
            [b'<', b'!', b'-', b'-', ..] => self.comment_until(1, at, 4, b"-->", b""),
            [b'-', b'-', rest @ ..] if self.before(at) != Some(b'-') => self.line(at, 2, rest),
            [b'#', rest @ ..] => self.line(at, 1, rest),
            [b'/' | b'*' | b'<' | b'-', ..] => {}
            _ => self.unseen(at),
        }
    }

    fn comment(&mut self, at: usize, len: usize, by: &[u8]) {
        self.seen.comment = true;
        self.replace(at, len, by);
    }

    fn comment_until(&mut self, kind: usize, at: usize, sign: usize, end: &[u8], by: &[u8]) {
        let Some(ends) = self.ends.get_mut(kind).filter(|ends| **ends) else {
            return;
        };
        let inside = self.text.get(at + sign..).unwrap_or_default();
        match memmem::find(inside, end) {
            Some(len) => self.comment(at, sign + len + end.len(), by),
            None => *ends = false,
        }
    }

    /// A comment up to the end of its line: as tools write it in place of a blank, one word long, with more behind it.
    fn line(&mut self, at: usize, sign: usize, rest: &[u8]) {
        const LONGEST: usize = 64;
        let word = rest
            .iter()
            .take(LONGEST)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        let line_end = match rest.get(word..) {
            Some([b'\r', b'\n', _, ..]) => 2,
            Some([b'\n', _, ..]) => 1,
            _ => return,
        };
        if self.before(at).is_some_and(|byte| byte != b'\n') {
            self.comment(at, sign + word + line_end, b" ");
        }
    }

    /// A blank or a character that is not seen.
    fn unseen(&mut self, at: usize) {
        let Some((is_blank, mut len)) = unseen_at(self.text, at) else {
            return;
        };
        while let Some((is_blank_too, more)) = unseen_at(self.text, at + len)
            && is_blank_too == is_blank
        {
            len += more;
        }
        self.next = at + len;
        let is_word = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_graphic());
        if is_blank {
            self.seen.blank = true;
            self.replace(at, len, b" ");
        } else if is_word(self.before(at)) && is_word(self.text.get(at + len).copied()) {
            // Elsewhere it may belong to a script that needs it, or to a picture made of several.
            self.seen.invisible = true;
            self.replace(at, len, b"");
        }
    }

    fn before(&self, at: usize) -> Option<u8> {
        self.text.get(at.checked_sub(1)?).copied()
    }

    fn replace(&mut self, at: usize, len: usize, by: &[u8]) {
        self.rewrite.replace(at, len, by);
        self.next = at + len;
    }
}

/// Whether there is a blank (`true`) or a character that is not seen (`false`) at `at`, and how long it is. Some databases
/// take every control character for a blank.
fn unseen_at(text: &[u8], at: usize) -> Option<(bool, usize)> {
    match *text.get(at)? {
        0 => Some((false, 1)),
        byte if is_control(byte) => Some((true, 1)),
        byte if byte.is_ascii() => None,
        // The no-break space of Latin-1.
        0xa0 => {
            let before = at.checked_sub(1).and_then(|before| text.get(before));
            before.is_none_or(u8::is_ascii).then_some((true, 1))
        }
        _ if !may_be_unseen(text.get(at..)?) => None,
        _ => {
            let character = character_at(text, at)?;
            let is_blank = character.is_whitespace();
            (is_blank || is_unprintable(character)).then(|| (is_blank, character.len_utf8()))
        }
    }
}

/// Whether characters that begin like this may be blanks or not seen: a text in another script is full of those that are
/// neither.
const fn may_be_unseen(text: &[u8]) -> bool {
    matches!(
        text,
        [0xc2 | 0xd8, ..]
            | [0xe1, 0x85 | 0x9a | 0xa0, ..]
            | [0xe2, 0x80 | 0x81, ..]
            | [0xe3, 0x80 | 0x85, ..]
            | [0xef, 0xbb | 0xbe | 0xbf, ..]
            | [0xf3, 0xa0, ..]
    )
}

/// Which kinds of filler a pass has met.
#[derive(Default)]
struct Seen {
    comment: bool,
    blank: bool,
    invisible: bool,
}

impl Seen {
    const fn steps(&self) -> &'static [DecodeStep] {
        use DecodeStep::{Comment, Invisible, Whitespace};
        match (self.comment, self.blank, self.invisible) {
            (true, false, false) => &[Comment],
            (false, true, false) => &[Whitespace],
            (false, false, _) => &[Invisible],
            (true, true, false) => &[Comment, Whitespace],
            (true, false, true) => &[Comment, Invisible],
            (false, true, true) => &[Whitespace, Invisible],
            (true, true, true) => &[Comment, Whitespace, Invisible],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_is_not_seen_is_overlooked() {
        for character in '\u{80}'..=char::MAX {
            let is_unseen = character.is_whitespace() || is_unprintable(character);
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).as_bytes();
            assert!(!is_unseen || may_be_unseen(bytes), "{character:?}");
        }
    }
}
