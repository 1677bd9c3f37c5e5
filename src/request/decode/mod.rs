//! Decoding of one value: which decoding its place demands, and which further ones an application might apply.
//!
//! The first form of a value is the value as a conforming application reads it. Each further form decodes the one before
//! it once more, if that changes anything: attackers write `%2527` for an application that decodes twice, `&#39;` for one
//! that renders HTML, `\u0027` for one that hands the value to a script. The decodings are tried in a fixed order, in
//! rounds, each on the latest form; forms are a chain and not a tree, so the work is a small multiple of the value's length.
//! A value that would take more than [`MAX_FURTHER`] further decodings is marked as exhausted, and a detection may
//! refuse it for that.

mod entity;
mod escape;
mod percent;
mod transfer;
mod utf8;

use super::input::{DecodeStep, Form, Oddities, Steps};
use super::marks::Marks;
use super::offsets::OffsetMap;

pub(super) use percent::{hex_digit, hex_unit};
pub(super) use utf8::{from_utf16, overlong_at};

/// How many forms a value has at most beside its first.
pub const MAX_FURTHER: usize = 4;

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
    /// Text in UTF-16, most significant byte first or not.
    Utf16 {
        /// Whether the most significant byte comes first.
        big_endian: bool,
    },
}

/// What decoding makes of a value that is not the same however it is read.
#[derive(Debug, Default)]
pub struct Forms {
    /// The value as its place demands it; `None` where that is the bytes as they are.
    pub first: Option<Decoded>,
    /// One form for each further decoding that changed something; at most [`MAX_FURTHER`].
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

/// Every form of a value that consists of bytes of these `marks`; `None` where it reads as it is written, which nearly
/// every value does.
#[must_use]
#[inline]
pub fn forms(text: &[u8], marks: Marks, syntax: Syntax) -> Option<Forms> {
    if marks.meets(SIGNS) || syntax.is_encoding() {
        search(text, marks, syntax)
    } else {
        None
    }
}

#[cold]
fn search(text: &[u8], marks: Marks, syntax: Syntax) -> Option<Forms> {
    let mut forms = Forms::default();
    let raw = Form::raw(text, marks);
    forms.first = first(&raw, syntax, &mut forms.oddities);
    further(&raw, &mut forms, syntax);
    let is_plain =
        forms.first.is_none() && forms.more.is_empty() && forms.oddities == Oddities::default();
    (!is_plain).then_some(forms)
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
        Syntax::Utf16 { big_endian } => {
            Some(raw.next(&[DecodeStep::Utf16], from_utf16(raw.text, big_endian)))
        }
        _ => None,
    }
}

/// A decoding that may be applied to any value, and the bytes without which it would change nothing.
type Decoder = (Marks, fn(&Form<'_>) -> Option<Decoded>);

const DECODERS: [Decoder; 4] = [
    (PERCENT, percent::decode_again),
    (Marks::OVERLONG, utf8::overlong),
    (AMPERSAND, entity::decode),
    (BACKSLASH, escape::javascript),
];

/// In the value of a cookie, the first decoder of all.
const COOKIE_PLUS: Decoder = (PLUS, percent::plus);

const PERCENT: Marks = Marks::of_byte(b'%');
const PLUS: Marks = Marks::of_byte(b'+');
const AMPERSAND: Marks = Marks::of_byte(b'&');
const BACKSLASH: Marks = Marks::of_byte(b'\\');

/// The bytes that begin an escape. Nearly all values have none, so asking for them must cost next to nothing.
const SIGNS: Marks = PERCENT
    .or(PLUS)
    .or(AMPERSAND)
    .or(BACKSLASH)
    .or(Marks::OVERLONG);

/// Adds the further forms.
fn further(raw: &Form<'_>, forms: &mut Forms, syntax: Syntax) {
    // Only the value as it came can have a plus that PHP reads as a space.
    let mut plus = (syntax == Syntax::Cookie).then_some(COOKIE_PLUS);
    // Every round but the last adds a form, so there are at most `MAX_FURTHER` and one more.
    loop {
        let before = forms.more.len();
        for (marks, decoder) in plus.take().into_iter().chain(DECODERS) {
            let last = forms.last(raw);
            if !last.marks.meets(marks) {
                continue;
            }
            if let Some(form) = decoder(&last) {
                if forms.more.len() == MAX_FURTHER {
                    forms.oddities.exhausted = true;
                    return;
                }
                forms.more.push(form);
            }
        }
        if forms.more.len() == before {
            return;
        }
    }
}

impl Syntax {
    /// Whether nothing of the text is to be read as it stands.
    const fn is_encoding(self) -> bool {
        matches!(
            self,
            Self::Base64 | Self::QuotedPrintable | Self::Utf16 { .. }
        )
    }
}

impl Forms {
    fn last<'f>(&'f self, raw: &Form<'f>) -> Form<'f> {
        let last = self.more.last().or(self.first.as_ref());
        last.map_or(*raw, Decoded::form)
    }
}

impl Decoded {
    /// The form that this is.
    #[must_use]
    pub const fn form(&self) -> Form<'_> {
        Form {
            text: self.text.as_slice(),
            marks: self.marks,
            steps: self.steps,
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
