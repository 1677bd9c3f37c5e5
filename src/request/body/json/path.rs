//! Names of JSON values: `$.user.roles[0]`.

use std::fmt::Write as _;

use super::super::super::name;

/// The path to the value that is read.
///
/// It is kept as one text that grows and shrinks at its end, so that a value's name costs a copy of bounded length and not
/// a walk over its ancestors. Its own length is bounded by the depth bound times the bound of a name.
pub(super) struct Path(String);

impl Path {
    /// The longest name of a value.
    const MAX_NAME: usize = 128;

    /// The path of the outermost value.
    pub(super) fn root() -> Self {
        Self("$".to_owned())
    }

    /// The length to come back to by [`Self::back_to`].
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes off what was added since the path was `len` long.
    pub(super) fn back_to(&mut self, len: usize) {
        // Always a boundary, because lengths come from `len`; but a panic is not worth relying on that.
        if self.0.is_char_boundary(len) {
            self.0.truncate(len);
        }
    }

    /// Goes down to the value of a key.
    pub(super) fn key(&mut self, key: &[u8]) {
        self.0.push('.');
        name::push(&mut self.0, key);
    }

    /// Goes down to an element of a list.
    pub(super) fn element(&mut self, index: usize) {
        // Writing to a string does not fail.
        let _ = write!(self.0, "[{index}]");
    }

    /// The name of the value here. Of a long path the end is kept, because the last key tells most of what a value is
    /// (`….password`).
    pub(super) fn name(&self) -> String {
        let Some(cut) = self
            .0
            .len()
            .checked_sub(Self::MAX_NAME)
            .filter(|cut| *cut > 0)
        else {
            return self.0.clone();
        };
        let tail = self.0.get(self.0.ceil_char_boundary(cut)..);
        ["$…", tail.unwrap_or_default()].concat()
    }
}
