//! The way back from a decoded text to the raw bytes it came from.

/// Leads offsets of a decoded text to offsets of what it was decoded from; the identity where nothing was decoded.
///
/// Between two marks the texts run in step. A mark is written wherever they get out of step, so the map costs nothing
/// for a value without escapes, and at most one mark for each escape.
///
/// It promises: for a decoded piece `[s, e)` that does not cut a decoded character in two, the raw bytes from `raw(s)` to
/// `raw(e)` are the raw spelling of the piece. For any other offset it promises only that `raw` never decreases.
/// Offsets are kept in 32 bits: a text is far smaller than 4 GiB, because everything that is decoded has been buffered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetMap {
    marks: Vec<(u32, u32)>,
}

impl OffsetMap {
    /// The map of a text that is its own raw source.
    #[must_use]
    pub const fn identity() -> Self {
        Self { marks: Vec::new() }
    }

    /// Records that from `decoded` on, the texts run in step with the raw text at `raw`.
    /// Marks are added in ascending order of `decoded`, and `raw` must not decrease either.
    pub fn mark(&mut self, decoded: usize, raw: usize) {
        let (Ok(decoded), Ok(raw)) = (u32::try_from(decoded), u32::try_from(raw)) else {
            return;
        };
        match self.marks.last_mut() {
            Some(last) if last.0 == decoded => last.1 = raw,
            Some(last) if decoded.checked_sub(last.0) == raw.checked_sub(last.1) => {}
            None if decoded == raw => {}
            _ => self.marks.push((decoded, raw)),
        }
    }

    /// The raw offset that a decoded offset came from.
    #[must_use]
    pub fn raw(&self, decoded: usize) -> usize {
        let after = self
            .marks
            .partition_point(|mark| mark.0 as usize <= decoded);
        self.in_step(decoded, after)
    }

    /// The raw offset, `after` being the index of the first mark beyond `decoded`.
    fn in_step(&self, decoded: usize, after: usize) -> usize {
        let raw = match after.checked_sub(1).and_then(|index| self.marks.get(index)) {
            Some(&(from, raw)) => raw as usize + (decoded - from as usize),
            None => decoded,
        };
        // Within a character that is longer than its spelling (`&nGg;` is 5 bytes, its meaning 6), counting in step would
        // run past the end of the spelling.
        match self.marks.get(after) {
            Some(next) => raw.min(next.1 as usize),
            None => raw,
        }
    }
}

/// A text that is copied while some of its pieces are replaced, its offset map kept right all along.
///
/// Every decoder is a search for escapes that calls [`Self::replace`]; nothing is allocated before the first call. The map
/// that results leads to the raw source directly, however many decodings lie between: marks of the map so far are
/// carried over, so nothing has to be composed afterwards.
pub(super) struct Rewrite<'t> {
    text: &'t [u8],
    map: &'t OffsetMap,
    /// The index of the first mark of `map` beyond what is done.
    cursor: usize,
    /// How much of `text` is in `written`.
    done: usize,
    written: Vec<u8>,
    offsets: OffsetMap,
}

impl<'t> Rewrite<'t> {
    /// A rewrite of `text`, whose own offsets lead to the raw source by `map`.
    pub(super) fn new(text: &'t [u8], map: &'t OffsetMap) -> Self {
        Self {
            text,
            map,
            cursor: 0,
            done: 0,
            written: Vec::new(),
            offsets: OffsetMap::identity(),
        }
    }

    /// Up to where the text is dealt with; the next replacement begins here or later.
    pub(super) const fn done(&self) -> usize {
        self.done
    }

    /// Writes `by` in place of the `len` bytes at `start`, after everything that precedes them. A piece that overlaps an
    /// earlier one, or the end, is left alone.
    pub(super) fn replace(&mut self, start: usize, len: usize, by: &[u8]) {
        let Some(end) = start
            .checked_add(len)
            .filter(|end| start >= self.done && *end <= self.text.len())
        else {
            return;
        };
        if self.done == 0 && self.written.is_empty() {
            self.written.reserve(self.text.len());
        }
        self.copy_until(start);
        self.written.extend_from_slice(by);
        self.done = end;
        while self.mark_at_cursor().is_some_and(|mark| mark.0 <= end) {
            self.cursor += 1;
        }
        self.offsets
            .mark(self.written.len(), self.map.in_step(end, self.cursor));
    }

    /// The new text and its map; `None` where nothing was replaced.
    pub(super) fn finish(mut self) -> Option<(Vec<u8>, OffsetMap)> {
        if self.done == 0 {
            return None;
        }
        self.copy_until(self.text.len());
        Some((self.written, self.offsets))
    }

    fn copy_until(&mut self, end: usize) {
        let base = self.written.len();
        self.written
            .extend_from_slice(self.text.get(self.done..end).unwrap_or_default());
        while let Some((decoded, raw)) = self.mark_at_cursor().filter(|mark| mark.0 <= end) {
            self.offsets.mark(base + (decoded - self.done), raw);
            self.cursor += 1;
        }
        self.done = end;
    }

    fn mark_at_cursor(&self) -> Option<(usize, usize)> {
        let &(decoded, raw) = self.map.marks.get(self.cursor)?;
        Some((decoded as usize, raw as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_map_leads_back_through_escapes() {
        // raw `a%41b%42` → decoded `aAbB`
        let mut map = OffsetMap::identity();
        map.mark(2, 4);
        map.mark(4, 8);
        assert_eq!([0, 1, 2, 3, 4].map(|at| map.raw(at)), [0, 1, 4, 5, 8]);
    }

    #[test]
    fn a_rewrite_of_a_rewrite_leads_all_the_way_back() {
        // raw `x%2541y` → `x%41y` → `xAy`
        let raw = OffsetMap::identity();
        let mut outer = Rewrite::new(b"x%2541y", &raw);
        outer.replace(1, 3, b"%");
        let (text, map) = outer.finish().unwrap();
        assert_eq!(text, b"x%41y");
        let mut inner = Rewrite::new(&text, &map);
        inner.replace(1, 3, b"A");
        let (text, map) = inner.finish().unwrap();
        assert_eq!(text, b"xAy");
        assert_eq!([0, 1, 2, 3].map(|at| map.raw(at)), [0, 1, 6, 7]);
    }

    #[test]
    fn a_character_longer_than_its_spelling_does_not_run_past_it() {
        let raw = OffsetMap::identity();
        let mut rewrite = Rewrite::new(b"ab", &raw);
        rewrite.replace(0, 1, b"1234");
        let (_, map) = rewrite.finish().unwrap();
        assert_eq!([0, 1, 2, 3, 4, 5].map(|at| map.raw(at)), [0, 1, 1, 1, 1, 2]);
    }

    #[test]
    fn nothing_replaced_is_nothing_written_and_nonsense_is_refused() {
        let raw = OffsetMap::identity();
        assert!(Rewrite::new(b"ab", &raw).finish().is_none());
        let mut rewrite = Rewrite::new(b"abc", &raw);
        rewrite.replace(1, 1, b"x");
        rewrite.replace(0, 1, b"y");
        rewrite.replace(2, usize::MAX, b"z");
        assert_eq!(rewrite.finish().unwrap().0, b"axc");
    }
}
