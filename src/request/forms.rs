//! The forms of a value, one after the other.

use super::decode::Decoded;
use super::input::Form;

/// The forms of one [`Input`](super::Input), the first one first.
#[derive(Clone, Debug)]
pub struct FormsIter<'v> {
    first: Option<Form<'v>>,
    more: std::slice::Iter<'v, Decoded>,
}

impl<'v> FormsIter<'v> {
    pub(super) fn new(first: Form<'v>, more: &'v [Decoded]) -> Self {
        Self {
            first: Some(first),
            more: more.iter(),
        }
    }
}

impl<'v> Iterator for FormsIter<'v> {
    type Item = Form<'v>;

    #[inline]
    fn next(&mut self) -> Option<Form<'v>> {
        self.first
            .take()
            .or_else(|| self.more.next().map(Decoded::form))
    }
}
