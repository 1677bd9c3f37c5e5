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
mod utf8;

use std::borrow::Cow;
use std::ops::Range;

use super::input::{DecodeStep, Form, Input, Oddities, Origin, Place, Source, Steps};
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
}

/// Takes one value apart: `raw` is the text of `source`, `range` the value's bytes in it.
#[must_use]
pub fn input<'a>(
    place: Place<'a>,
    source: Source,
    raw: &'a [u8],
    range: Range<usize>,
    syntax: Syntax,
) -> Input<'a> {
    let text = raw.get(range.clone()).unwrap_or_default();
    let form = Form::new(
        text.into(),
        Steps::default(),
        OffsetMap::identity(range.start),
    );
    let origin = Origin { source, range };
    if !form.marks.meets(SIGNS) {
        return Input::new(place, origin, form);
    }
    let mut oddities = Oddities::default();
    let form = first(&form, syntax, &mut oddities).unwrap_or(form);
    let mut input = Input::new(place, origin, form);
    input.oddities = oddities;
    further(&mut input, syntax);
    input
}

/// Takes apart a value whose first form is not to be had by a [`Syntax`]: bytes already decoded by `form`.
#[must_use]
pub(super) fn decoded<'a>(place: Place<'a>, origin: Origin, form: Form<'a>) -> Input<'a> {
    let mut input = Input::new(place, origin, form);
    further(&mut input, Syntax::Text);
    input
}

/// The one decoding that the place of a value demands; `None` where it changes nothing.
fn first<'a>(raw: &Form<'a>, syntax: Syntax, oddities: &mut Oddities) -> Option<Form<'a>> {
    let has = |marks| raw.marks.meets(marks);
    match syntax {
        Syntax::Path | Syntax::Cookie if has(PERCENT) => percent::decode(raw, false, oddities),
        Syntax::Form if has(PERCENT.or(PLUS)) => percent::decode(raw, true, oddities),
        Syntax::JsonString if has(BACKSLASH) => escape::json(raw),
        _ => None,
    }
}

/// A decoding that may be applied to any value, and the bytes without which it would change nothing.
type Decoder = (Marks, for<'a, 'f> fn(&'f Form<'a>) -> Option<Form<'a>>);

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
fn further(input: &mut Input<'_>, syntax: Syntax) {
    // Only the value as it came can have a plus that PHP reads as a space.
    let mut plus = (syntax == Syntax::Cookie).then_some(COOKIE_PLUS);
    // Every round but the last adds a form, so there are at most `MAX_FURTHER` and one more.
    loop {
        let before = input.more.len();
        for (marks, decoder) in plus.take().into_iter().chain(DECODERS) {
            if !input.last().marks.meets(marks) {
                continue;
            }
            if let Some(form) = decoder(input.last()) {
                if input.more.len() == MAX_FURTHER {
                    input.oddities.exhausted = true;
                    return;
                }
                input.more.push(form);
            }
        }
        if input.more.len() == before {
            return;
        }
    }
}

impl<'a> Form<'a> {
    pub(super) fn new(text: Cow<'a, [u8]>, steps: Steps, offsets: OffsetMap) -> Self {
        Self {
            marks: Marks::of(&text),
            text,
            steps,
            offsets,
        }
    }

    /// The form that follows this one by a decoding.
    fn next(&self, steps: &[DecodeStep], decoded: (Vec<u8>, OffsetMap)) -> Self {
        let (text, offsets) = decoded;
        Self::new(text.into(), self.steps.and(steps), offsets)
    }
}

#[cfg(test)]
mod tests;
