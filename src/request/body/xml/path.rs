//! Names of XML values: `/order/item[2]/@id`.

use std::fmt::Write as _;

use super::super::super::name;

/// The path to the element that is read; empty outside of all.
///
/// It is kept as one text that grows and shrinks at its end, so that a value's name costs a copy of bounded length. Its own
/// length is bounded by the depth bound times the bound of a name.
#[derive(Debug, Default)]
pub(super) struct Path(String);

impl Path {
    /// The longest name of a value.
    const MAX_NAME: usize = 128;

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

    /// Goes down to the n-th child of its name.
    pub(super) fn element(&mut self, element: &[u8], nth: u32) {
        self.0.push('/');
        name::push(&mut self.0, element);
        if nth > 1 {
            // Writing to a string does not fail.
            let _ = write!(self.0, "[{nth}]");
        }
    }

    /// The name of an attribute here.
    pub(super) fn attribute(&self, attribute: &[u8]) -> String {
        let mut own = "@".to_owned();
        name::push(&mut own, attribute);
        self.child(&own)
    }

    /// The name of what is called `own` here.
    pub(super) fn child(&self, own: &str) -> String {
        let mut name = self.name();
        name.push('/');
        name.push_str(own);
        name
    }

    /// The name of the text here.
    pub(super) fn name(&self) -> String {
        name::end_of_path(&self.0, Self::MAX_NAME)
    }
}
