//! `key=value` pairs between `&`: the syntax of queries and of URL-encoded forms (WHATWG URL, 5.1).
//!
//! Only `&` separates. Some old servers also split at `;`; for them a value holds the rest of the line, so nothing escapes
//! inspection, only the name is the earlier one.

use std::ops::Range;

use super::collector::Collector;
use super::decode::Syntax;
use super::names::NameRef;

/// The pairs of a text of this length find room without being counted first.
const USUAL_LENGTH: usize = 128;

/// Adds the key and the value of each pair in `range` of a text, repeats in order. A pair without `=` is a key; a key or
/// value without bytes is left out, for there is nothing to judge.
pub(super) fn inputs(range: Range<usize>, out: &mut Collector<'_>) {
    let full = out.full();
    let text = out.text(&range);
    if text.len() > USUAL_LENGTH {
        out.reserve(2 * (1 + memchr::memchr_iter(b'&', text).count()));
    }
    let mut start = range.start;
    while start < range.end {
        if out.len() >= full {
            out.note("too_many_values", start..range.end);
            out.value("", start..range.end, Syntax::Form);
            return;
        }
        let remaining = out.text(&(start..range.end));
        let len = memchr::memchr(b'&', remaining).unwrap_or(remaining.len());
        pair(start..start + len, out);
        start += len + 1;
    }
}

fn pair(range: Range<usize>, out: &mut Collector<'_>) {
    let text = out.text(&range);
    let equals = range.start + memchr::memchr(b'=', text).unwrap_or(text.len());
    let mut name = NameRef::NOTHING;
    if equals > range.start {
        name = out.field(NameRef::NOTHING, range.start..equals, Syntax::Form);
    }
    if equals + 1 < range.end {
        out.value(name, equals + 1..range.end, Syntax::Form);
    }
}
