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

use std::ops::Range;

use super::input::{DecodeStep, Form, Input, Oddities, Origin, Place, Source};
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
    let form = Form {
        text: raw.get(range.clone()).unwrap_or_default().into(),
        steps: Vec::new(),
        offsets: OffsetMap::identity(range.start),
    };
    let origin = Origin { source, range };
    let signs = Signs::of(&form.text);
    if !signs.any() {
        return Input::new(place, origin, form);
    }
    let mut oddities = Oddities::default();
    let form = first(&form, signs, syntax, &mut oddities).unwrap_or(form);
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
fn first<'a>(
    raw: &Form<'a>,
    signs: Signs,
    syntax: Syntax,
    oddities: &mut Oddities,
) -> Option<Form<'a>> {
    match syntax {
        Syntax::Path | Syntax::Cookie if signs.has(Signs::PERCENT) => {
            percent::decode(raw, false, oddities)
        }
        Syntax::Form if signs.has(Signs::PERCENT | Signs::PLUS) => {
            percent::decode(raw, true, oddities)
        }
        Syntax::JsonString if signs.has(Signs::BACKSLASH) => escape::json(raw),
        _ => None,
    }
}

/// A decoding that may be applied to any value, and the signs without which it would change nothing.
type Decoder = (u8, for<'a, 'f> fn(&'f Form<'a>) -> Option<Form<'a>>);

const DECODERS: [Decoder; 5] = [
    (Signs::COOKIE_PLUS, percent::plus),
    (Signs::PERCENT, percent::decode_again),
    (Signs::OVERLONG, utf8::overlong),
    (Signs::AMPERSAND, entity::decode),
    (Signs::BACKSLASH, escape::javascript),
];

/// Adds the further forms.
fn further(input: &mut Input<'_>, syntax: Syntax) {
    let mut signs = Signs::of(input.value());
    if syntax == Syntax::Cookie && signs.has(Signs::PLUS) {
        signs.0 |= Signs::COOKIE_PLUS;
    }
    // Every round but the last adds a form, so there are at most `MAX_FURTHER` and one more.
    loop {
        let before = input.more.len();
        for (sign, decoder) in DECODERS {
            if !signs.has(sign) {
                continue;
            }
            if let Some(form) = decoder(input.last()) {
                if input.more.len() == MAX_FURTHER {
                    input.oddities.exhausted = true;
                    return;
                }
                signs = Signs::of(&form.text);
                input.more.push(form);
            }
        }
        if input.more.len() == before {
            return;
        }
    }
}

impl<'a> Form<'a> {
    /// The form that follows this one by a decoding.
    fn next(&self, steps: &[DecodeStep], decoded: (Vec<u8>, OffsetMap)) -> Form<'a> {
        let (text, offsets) = decoded;
        Form {
            text: text.into(),
            steps: [self.steps.as_slice(), steps].concat(),
            offsets,
        }
    }
}

/// Which bytes that begin an escape occur in a value. Nearly all values have none, so looking for them must cost next to
/// nothing.
#[derive(Clone, Copy)]
struct Signs(u8);

impl Signs {
    const PERCENT: u8 = 1;
    const PLUS: u8 = 2;
    const AMPERSAND: u8 = 4;
    const BACKSLASH: u8 = 8;
    const OVERLONG: u8 = 16;
    const COOKIE_PLUS: u8 = 32;

    /// Long texts are looked at in blocks without branches, which compiles to vector instructions; what remains, and the
    /// short values that most are, by a table.
    fn of(text: &[u8]) -> Self {
        const BLOCK: usize = 32;
        let (blocks, rest) = text.as_chunks::<BLOCK>();
        let mut seen = [0; BLOCK];
        for block in blocks {
            for (seen, byte) in seen.iter_mut().zip(block) {
                *seen |= Self::of_byte(*byte);
            }
        }
        let in_blocks = seen.iter().fold(0, |all, signs| all | signs);
        Self(rest.iter().fold(in_blocks, |all, byte| {
            all | SIGNS.get(usize::from(*byte)).copied().unwrap_or(0)
        }))
    }

    #[inline]
    const fn of_byte(byte: u8) -> u8 {
        ((byte == b'%') as u8 * Self::PERCENT)
            | ((byte == b'+') as u8 * Self::PLUS)
            | ((byte == b'&') as u8 * Self::AMPERSAND)
            | ((byte == b'\\') as u8 * Self::BACKSLASH)
            | (matches!(byte, 0xc0 | 0xc1 | 0xe0 | 0xf0) as u8 * Self::OVERLONG)
    }

    const fn any(self) -> bool {
        self.0 != 0
    }

    const fn has(self, signs: u8) -> bool {
        self.0 & signs != 0
    }
}

/// [`Signs::of_byte`] of every byte.
static SIGNS: [u8; 256] = {
    let mut signs = [0; 256];
    let mut rest = signs.as_mut_slice();
    let mut byte = 0;
    while let [first, others @ ..] = rest {
        *first = Signs::of_byte(byte);
        byte = byte.wrapping_add(1);
        rest = others;
    }
    signs
};

#[cfg(test)]
mod tests;
