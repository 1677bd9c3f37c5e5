//! All values of a head or a body: something to iterate over.

use super::marks::Marks;
use super::values::{Input, Parsed, Record, Texts};

/// The values of a head or a body, in order: something to iterate over.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'v> {
    parsed: &'v Parsed<'v>,
}

/// Goes through [`Inputs`].
#[derive(Clone, Debug)]
pub struct InputsIter<'v> {
    parsed: &'v Parsed<'v>,
    rest: std::iter::Enumerate<std::slice::Iter<'v, Record>>,
}

// === impl Inputs ===

impl<'a> Parsed<'a> {
    /// All values.
    pub(super) const fn inputs(&'a self) -> Inputs<'a> {
        Inputs { parsed: self }
    }
}

impl<'v> Inputs<'v> {
    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.parsed.values.records.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The body, and the marks of all values together that read as they are written in it ([`Input::is_plain`]): where these
    /// are so many that one look at the body is less than one at each.
    #[must_use]
    pub fn plain_text(self) -> Option<(&'v [u8], Marks)> {
        const FEWEST: usize = 6;
        let Texts::Body { raw, .. } = &self.parsed.texts else {
            return None;
        };
        let (mut marks, mut plain, mut bytes) = (Marks::default(), 0, 0);
        for record in self
            .parsed
            .values
            .records
            .iter()
            .filter(|record| record.is_plain())
        {
            marks = marks.or(record.marks);
            plain += 1;
            bytes += record.range().len();
        }
        (plain >= FEWEST && 2 * (bytes + 16 * plain) >= raw.len()).then_some((raw, marks))
    }

    /// One after the other.
    #[must_use]
    pub fn iter(self) -> InputsIter<'v> {
        InputsIter {
            parsed: self.parsed,
            rest: self.parsed.values.records.iter().enumerate(),
        }
    }

    /// The last one.
    #[must_use]
    pub fn last(self) -> Option<Input<'v>> {
        self.iter().next_back()
    }
}

impl<'v> IntoIterator for Inputs<'v> {
    type Item = Input<'v>;
    type IntoIter = InputsIter<'v>;

    fn into_iter(self) -> InputsIter<'v> {
        self.iter()
    }
}

impl<'v> InputsIter<'v> {
    fn input(parsed: &'v Parsed<'v>, (index, record): (usize, &'v Record)) -> Input<'v> {
        Input {
            parsed,
            record,
            index: u32::try_from(index).unwrap_or(u32::MAX),
        }
    }
}

impl<'v> Iterator for InputsIter<'v> {
    type Item = Input<'v>;

    fn next(&mut self) -> Option<Input<'v>> {
        let next = self.rest.next()?;
        Some(Self::input(self.parsed, next))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl DoubleEndedIterator for InputsIter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let next = self.rest.next_back()?;
        Some(Self::input(self.parsed, next))
    }
}

impl ExactSizeIterator for InputsIter<'_> {}
