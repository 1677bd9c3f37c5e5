//! An encoded body as an application takes it apart that knows nothing of content codings, and takes the bytes for the form
//! that their type says they are.
//!
//! Most of what it finds in compressed bytes is noise, in which every rule finds something sooner or later. So only pieces
//! are looked at in which there is text, and nothing is odd about any of it: it was not written as what it is taken for.

use super::runs::has_text;
use crate::request::collector::Collector;
use crate::request::decode::Syntax;
use crate::request::pairs;

/// So many letters in a row occur in a hundredth of the pieces of noise, and in every attack that is known.
const TEXT: usize = 8;

/// Adds what is found in bytes that look binary by somebody who takes them for a form.
pub(super) fn form(out: &mut Collector<'_>) {
    let full = out.full();
    let mut start = 0;
    while start < out.bytes.len() && out.len() < full {
        let rest = out.text(&(start..out.bytes.len()));
        let length = memchr::memchr2(b'&', 0, rest).unwrap_or(rest.len());
        let piece = start..start + length;
        start = piece.end + 1;
        if has_text(out.text(&piece), TEXT) {
            pairs::inputs(piece, out);
        }
    }
    if start < out.bytes.len() {
        out.value("", start..out.bytes.len(), Syntax::Form);
    }
}
