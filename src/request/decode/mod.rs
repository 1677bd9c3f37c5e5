//! Decoding of one value: which decoding its place demands, and which further ones an application might apply.
//!
//! The first form of a value is the value as a conforming application reads it. Further forms are what it leads to:
//! attackers write `%2527` for an application that decodes twice, `&#39;` for one that renders HTML, `\u0027` for one that
//! hands the value to a script, base64 for one that takes a token apart. Which of them are made, and how many at most, is
//! decided in `search.rs`; one file each knows one decoding. All are linear in the value's length, and nearly all values
//! need none: those are told by one look at their marks and a glance at their longest runs of letters.

mod base64;
mod compatibility;
mod css;
mod entity;
mod escape;
mod filler;
mod hex;
mod long;
mod member;
mod percent;
mod search;
mod token;
mod transfer;
mod utf7;
mod utf8;
mod xml;

use super::input::{DecodeStep, Form, Oddities, Steps};
use super::marks::Marks;
use super::offsets::{OffsetMap, Rewrite};
use super::work::Work;
use long::Further;

pub(super) use percent::{hex_digit, hex_unit};
pub use search::{MAX_DEPTH, MAX_FURTHER};
pub(super) use utf8::{from_utf16, overlong_at};

/// How the application behind us reads the raw bytes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// A path segment: percent escapes, `+` is a plus.
    Path,
    /// A query or form key or value: percent escapes, `+` is a space.
    Form,
    /// A header value: taken as it is.
    Header,
    /// A cookie name or value: percent escapes, as most frameworks read them. PHP reads `+` as a space, too: that is a
    /// further form.
    Cookie,
    /// The inside of a JSON string: backslash escapes.
    JsonString,
    /// Text taken as it is.
    Text,
    /// Text in base64, as mail writes it.
    Base64,
    /// Text in quoted-printable.
    QuotedPrintable,
    /// Text in which there may be encoded words, as in headers of mail.
    EncodedWords,
    /// Text in UTF-16, most significant byte first or not.
    Utf16 {
        /// Whether the most significant byte comes first.
        big_endian: bool,
    },
    /// The text of an XML element or attribute, in the pieces that the document is made of.
    Xml,
}

/// What decoding makes of a value that is not the same however it is read.
#[derive(Debug, Default)]
pub struct Forms {
    /// The value as its place demands it; `None` where that is the bytes as they are.
    pub first: Option<Decoded>,
    /// What that leads to, by further decodings; at most [`MAX_FURTHER`] of a value, or of each window of a long one.
    pub more: Vec<Decoded>,
    /// What is odd about the way the value is written.
    pub oddities: Oddities,
}

/// A text that some decodings have made. Its offsets lead to the value as it was written.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The decoded bytes.
    pub text: Vec<u8>,
    /// Which kinds of bytes `text` is made of.
    pub marks: Marks,
    /// The decodings, first applied first.
    pub steps: Steps,
    /// The way back.
    pub offsets: OffsetMap,
}

/// Every form of a value that consists of bytes of these `marks`, as far as `work` allows for it; `None` where it reads as it
/// is written, which nearly every value does.
#[must_use]
#[inline]
pub fn forms(text: &[u8], marks: Marks, syntax: Syntax, work: &Work) -> Option<Forms> {
    let may_change = (syntax == Syntax::Xml && marks.meets(LESS))
        || syntax.is_encoding()
        || may_lead_on(text, marks, syntax.has_plus());
    if may_change {
        search(text, marks, syntax, work)
    } else {
        None
    }
}

/// The first form of a value by itself; `None` where it reads as it is written.
pub(super) fn first_form(text: &[u8], syntax: Syntax) -> Option<Decoded> {
    let raw = Form::raw(text, Marks::of(text));
    first(&raw, syntax, &mut Oddities::default())
}

/// Whether there may be anything to be decoded in a text of these `marks`, in which a plus may be a space or not.
#[inline]
fn may_lead_on(text: &[u8], marks: Marks, has_plus: bool) -> bool {
    (marks.meets(SIGNS.or(filler::SIGNS))
        && (marks.meets(ESCAPES)
            || (marks.meets(AMPERSAND) && entity::may_be_in(text))
            || (marks.meets(PLUS) && (has_plus || utf7::may_be_in(text)))
            || filler::may_be_in(text, marks)))
        || token::may_hide(text)
        || member::may_be_in(text)
}

#[cold]
fn search(text: &[u8], marks: Marks, syntax: Syntax, work: &Work) -> Option<Forms> {
    let raw = Form::raw(text, marks);
    let mut oddities = Oddities::default();
    let first = first(&raw, syntax, &mut oddities);
    work.take(read(text.len()));
    if let Some(first) = &first {
        work.take(written(first, text.len()));
    }
    let begin = first.as_ref().map_or(raw, Decoded::form);
    let further = Further::of(begin, syntax == Syntax::Cookie, work);
    oddities.exhausted = further.is_exhausted;
    let more = further.forms;
    let is_plain = first.is_none() && more.is_empty() && oddities == Oddities::default();
    (!is_plain).then_some(Forms {
        first,
        more,
        oddities,
    })
}

/// Units of work of a decoder that reads so many bytes: most look for one of them only.
const fn read(bytes: usize) -> usize {
    50 + bytes / 4
}

/// Units of work of the decoder that has made a form of a text of `before` bytes. What is undone makes a text shorter;
/// backslashes can be the shortest escapes of all.
fn written(form: &Decoded, before: usize) -> usize {
    let (for_byte, for_undone) = match form.steps.last() {
        Some(DecodeStep::JsonEscape | DecodeStep::CssEscape) => (1, 14),
        // Three bytes, or one, at a time.
        Some(DecodeStep::Base64 | DecodeStep::Hex) => (10, 0),
        _ => (1, 4),
    };
    let undone = before.saturating_sub(form.text.len());
    200 + for_byte * form.text.len() + for_undone * undone
}

/// The one decoding that the place of a value demands; `None` where it changes nothing.
fn first(raw: &Form<'_>, syntax: Syntax, oddities: &mut Oddities) -> Option<Decoded> {
    let has = |marks| raw.marks.meets(marks);
    match syntax {
        Syntax::Path | Syntax::Cookie if has(PERCENT) => percent::decode(raw, false, oddities),
        Syntax::Form if has(PERCENT.or(PLUS)) => percent::decode(raw, true, oddities),
        Syntax::JsonString if has(BACKSLASH) => escape::json(raw),
        Syntax::Base64 => transfer::base64(raw),
        Syntax::QuotedPrintable => transfer::quoted_printable(raw),
        Syntax::EncodedWords => transfer::encoded_words(raw),
        Syntax::Utf16 { big_endian } => {
            Some(raw.next(&[DecodeStep::Utf16], from_utf16(raw.text, big_endian)))
        }
        Syntax::Xml if has(AMPERSAND.or(LESS)) => xml::decode(raw),
        _ => None,
    }
}

const PERCENT: Marks = Marks::of_byte(b'%');
const PLUS: Marks = Marks::of_byte(b'+');
const AMPERSAND: Marks = Marks::of_byte(b'&');
const LESS: Marks = Marks::of_byte(b'<');
const BACKSLASH: Marks = Marks::of_byte(b'\\');

/// Everything beyond ASCII.
const NON_ASCII: Marks = Marks::of_byte(0x80).or(Marks::OVERLONG);

/// The bytes that begin an escape. Nearly all values have none, so asking for them must cost next to nothing.
const SIGNS: Marks = ESCAPES.or(AMPERSAND).or(PLUS);

/// Those of them that begin nothing else in most values that have them.
const ESCAPES: Marks = PERCENT.or(BACKSLASH).or(Marks::OVERLONG);

impl Syntax {
    /// Whether a plus may stand for a space.
    const fn has_plus(self) -> bool {
        matches!(self, Self::Form | Self::Cookie)
    }

    /// Whether nothing of the text is to be read as it stands.
    const fn is_encoding(self) -> bool {
        matches!(
            self,
            Self::Base64 | Self::QuotedPrintable | Self::EncodedWords | Self::Utf16 { .. }
        )
    }
}

impl Decoded {
    /// The form that this is.
    #[must_use]
    pub const fn form(&self) -> Form<'_> {
        Form {
            text: self.text.as_slice(),
            marks: self.marks,
            steps: &self.steps,
            offsets: &self.offsets,
        }
    }
}

impl Form<'_> {
    /// The form that follows this one by a decoding.
    fn next(&self, steps: &[DecodeStep], decoded: (Vec<u8>, OffsetMap)) -> Decoded {
        let (text, offsets) = decoded;
        Decoded {
            marks: Marks::of(&text),
            text,
            steps: self.steps.and(steps),
            offsets,
        }
    }
}

#[cfg(test)]
mod tests;
