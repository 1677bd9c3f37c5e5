//! Decoding of one value: which decodings its place demands, and which further ones an application might apply.

use std::ops::Range;

use super::input::{Form, Input, OffsetMap, Origin, Place, Source};

/// How the application behind us reads the raw bytes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// A path segment: percent escapes, `+` is a plus.
    Path,
    /// A query or form key or value: percent escapes, `+` is a space.
    Form,
    /// A header value: taken as it is.
    Header,
    /// A cookie value: taken as it is, though many frameworks decode percent escapes.
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
    _syntax: Syntax,
) -> Input<'a> {
    let text = raw.get(range.clone()).unwrap_or(&[]);
    let form = Form {
        text: text.into(),
        steps: Vec::new(),
        offsets: OffsetMap::identity(range.start),
    };
    Input {
        place,
        origin: Origin { source, range },
        forms: vec![form],
    }
}
