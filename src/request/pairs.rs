//! `key=value` pairs between `&`: the syntax of queries and of URL-encoded forms (WHATWG URL, 5.1).
//!
//! Only `&` separates. Some old servers also split at `;`; for them a value holds the rest of the line, so nothing escapes
//! inspection, only the name is the earlier one.

use std::borrow::Cow;
use std::ops::Range;

use super::decode::{self, Syntax};
use super::input::{Ambiguity, Input, Origin, Parsed, Place, PlaceKind, Source};
use super::name;

/// How many values of one text are kept apart. What follows is judged as one value, and said to be: no form is that long,
/// but a sender could make each of two bytes cost us a hundred.
pub(super) const MAX_VALUES: usize = 10_000;

/// The pairs of a text of this length find room without being counted first.
const USUAL_LENGTH: usize = 128;

/// Adds the key and the value of each pair in `range` of a text, repeats in order. A pair without `=` is a key; a key or
/// value without bytes is left out, for there is nothing to judge.
pub(super) fn inputs<'a>(
    kind: PlaceKind,
    source: Source,
    raw: &'a [u8],
    range: Range<usize>,
    parsed: &mut Parsed<'a>,
) {
    let full = parsed.inputs.len().saturating_add(MAX_VALUES);
    let text = raw.get(range.clone()).unwrap_or_default();
    if text.len() > USUAL_LENGTH {
        let pieces = 2 * (1 + memchr::memchr_iter(b'&', text).count());
        parsed.inputs.reserve(pieces.min(MAX_VALUES));
    }
    let input = |place, range| decode::input(place, source, raw, range, Syntax::Form);
    let mut start = range.start;
    while start < range.end {
        if parsed.inputs.len() >= full {
            let rest = start..range.end;
            parsed.ambiguities.push(Ambiguity {
                kind: "too_many_values",
                origin: Origin {
                    source,
                    range: rest.clone(),
                },
            });
            parsed.inputs.push(input(Place::value(kind, ""), rest));
            return;
        }
        let remaining = raw.get(start..range.end).unwrap_or_default();
        let len = memchr::memchr(b'&', remaining).unwrap_or(remaining.len());
        let pair = remaining.get(..len).unwrap_or_default();
        push_pair(start, pair, kind, &input, &mut parsed.inputs);
        start += len + 1;
    }
}

fn push_pair<'a>(
    start: usize,
    pair: &'a [u8],
    kind: PlaceKind,
    input: &impl Fn(Place<'a>, Range<usize>) -> Input<'a>,
    inputs: &mut Vec<Input<'a>>,
) {
    let key_len = memchr::memchr(b'=', pair).unwrap_or(pair.len());
    let mut value_name = Cow::Borrowed("");
    if key_len > 0 {
        let mut key = input(Place::key(kind, ""), start..start + key_len);
        value_name = name::of(key.first());
        key.place.name = value_name.clone();
        inputs.push(key);
    }
    if key_len + 1 < pair.len() {
        let value = start + key_len + 1..start + pair.len();
        inputs.push(input(Place::value(kind, value_name), value));
    }
}
