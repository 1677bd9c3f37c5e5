//! Percent escapes, `%u` escapes, and `+` for a space.

use super::super::input::{DecodeStep, Form, Oddities};
use super::super::offsets::Rewrite;
use super::Decoded;
use super::utf8::{Units, encode};

/// `%41` → `A`, and in forms `+` → space; each escape once, as a conforming application does.
///
/// A `%` that begins no escape stays what it is and is noted: some servers refuse it, some drop it.
pub(super) fn decode(form: &Form<'_>, plus: bool, oddities: &mut Oddities) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    let mut seen = Seen::default();
    let mut visit = |at: usize| match text.get(at) {
        Some(b'%') => match byte_at(text, at) {
            Some(byte) => {
                rewrite.replace(at, 3, &[byte]);
                seen.percent = true;
            }
            None => oddities.invalid_percent = true,
        },
        _ => {
            rewrite.replace(at, 1, b" ");
            seen.plus = true;
        }
    };
    // An escape contains neither sign again, so every hit of the search begins one or stands alone.
    if plus {
        memchr::memchr2_iter(b'%', b'+', text).for_each(&mut visit);
    } else {
        memchr::memchr_iter(b'%', text).for_each(&mut visit);
    }
    Some(form.next(seen.steps(), rewrite.finish()?))
}

/// The decoding of one who decodes what is decoded already: `%41` and `%u0041`, while `+` stays what it is.
pub(super) fn decode_again(form: &Form<'_>) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    let mut seen = Seen::default();
    for at in memchr::memchr_iter(b'%', text) {
        if at < rewrite.done() {
            continue;
        }
        if let Some(byte) = byte_at(text, at) {
            rewrite.replace(at, 3, &[byte]);
            seen.percent = true;
        } else if let Some((character, len)) = Units::read(text, at, unit_at) {
            rewrite.replace(at, len, encode(character, &mut [0; 4]));
            seen.unicode = true;
        }
    }
    Some(form.next(seen.steps(), rewrite.finish()?))
}

/// `+` → space, for a cookie that PHP reads.
pub(super) fn plus(form: &Form<'_>) -> Option<Decoded> {
    let mut rewrite = Rewrite::new(form.text, form.offsets);
    memchr::memchr_iter(b'+', form.text).for_each(|at| rewrite.replace(at, 1, b" "));
    Some(form.next(&[DecodeStep::Plus], rewrite.finish()?))
}

/// The byte that an escape at `at` stands for.
pub(super) fn byte_at(text: &[u8], at: usize) -> Option<u8> {
    match *text.get(at..)?.first_chunk()? {
        [b'%', high, low] => Some(hex_digit(high)? << 4 | hex_digit(low)?),
        _ => None,
    }
}

/// The UTF-16 unit that `%u0041` at `at` stands for, and the length of the escape.
pub(super) fn unit_at(text: &[u8], at: usize) -> Option<(u16, usize)> {
    match *text.get(at..)?.first_chunk()? {
        [b'%', b'u' | b'U', a, b, c, d] => Some((hex_unit([a, b, c, d])?, 6)),
        _ => None,
    }
}

/// The number that four hexadecimal digits write.
pub(in super::super) fn hex_unit(digits: [u8; 4]) -> Option<u16> {
    digits.iter().try_fold(0, |unit, &digit| {
        Some(unit << 4 | u16::from(hex_digit(digit)?))
    })
}

/// The number that a hexadecimal digit writes.
pub(in super::super) const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Which escapes a pass has met.
#[derive(Default)]
struct Seen {
    plus: bool,
    percent: bool,
    unicode: bool,
}

impl Seen {
    const fn steps(&self) -> &'static [DecodeStep] {
        use DecodeStep::{Percent, PercentU, Plus};
        match (self.plus, self.percent, self.unicode) {
            (true, true, _) => &[Plus, Percent],
            (true, false, _) => &[Plus],
            (_, true, true) => &[Percent, PercentU],
            (_, false, true) => &[PercentU],
            _ => &[Percent],
        }
    }
}
