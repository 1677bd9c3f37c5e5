//! `key=value` pairs between `&`: the syntax of queries and of URL-encoded forms (WHATWG URL, 5.1).
//!
//! Only `&` separates. Some old servers also split at `;`; for them a value holds the rest of the line, so nothing escapes
//! inspection, only the name is the earlier one.

use std::ops::Range;

use super::collector::Collector;
use super::decode::Syntax;
use super::names::NameRef;
use super::scan;

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
        start = pair(start..range.end, out) + 1;
    }
}

/// Adds the pair that begins a range, and tells where it ends.
#[inline(always)]
fn pair(range: Range<usize>, out: &mut Collector<'_>) -> usize {
    let find = |from: usize, a, b| {
        let rest = out.text(&(from..range.end));
        from + scan::find2(rest, a, b).unwrap_or(rest.len())
    };
    let key = range.start..find(range.start, b'=', b'&');
    let value = match out.bytes.get(key.end) {
        Some(b'=') if key.end < range.end => key.end + 1..find(key.end + 1, b'&', b'&'),
        _ => key.end..key.end,
    };
    let mut name = NameRef::NOTHING;
    if !key.is_empty() {
        name = out.field(NameRef::NOTHING, key, Syntax::Form);
    }
    let end = value.end;
    if !value.is_empty() {
        out.own_value(name, value, Syntax::Form);
    }
    end
}
