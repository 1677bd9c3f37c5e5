//! The way back from a decoded text to the raw bytes it came from.

/// Leads offsets of a decoded text to offsets of what it was decoded from; the identity where nothing was decoded.
///
/// Between two marks the texts run in step. A mark is written wherever they get out of step, so the map costs nothing
/// for a value without escapes, and at most one mark for each escape. Where several characters share their raw spelling
/// (three bytes are four letters of base64), a mark says so, and there the raw text up to the next mark is one piece.
///
/// It promises: for a decoded piece `[s, e)` that does not cut a decoded character in two, the raw bytes from `raw(s)` to
/// `raw_end(e)` are the raw spelling of the piece, together with what shares a spelling with its ends. For any other
/// offset it promises only that neither ever decreases.
/// Offsets are kept in 31 bits: a text is far smaller than 2 GiB, because everything that is decoded has been buffered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OffsetMap {
    marks: Vec<Mark>,
}

/// From `decoded` on the texts run in step with the raw text at `raw`, or are one piece up to the next mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    decoded: u32,
    raw: u32,
}

/// How the texts run on from a mark; kept in the highest bits of its offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// In step.
    InStep,
    /// What is between this mark and the next is one piece.
    Piece,
    /// The same, and this mark lies within the piece: what ends here has the whole piece for its raw spelling.
    Within,
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
        self.add(decoded, raw, Run::InStep);
    }

    fn add(&mut self, decoded: usize, raw: usize, run: Run) {
        let Some(mark) = Mark::new(decoded, raw, run) else {
            return;
        };
        let last = self.marks.last_mut();
        let goes_on = run == Run::InStep
            && match last.as_deref() {
                Some(last) => {
                    last.run() == Run::InStep
                        && decoded.checked_sub(last.decoded()) == raw.checked_sub(last.raw())
                }
                None => decoded == raw,
            };
        match last {
            Some(last) if last.decoded() == decoded => *last = mark,
            _ if goes_on => {}
            _ => self.marks.push(mark),
        }
    }

    /// The raw offset at which the spelling of what begins at a decoded offset begins.
    #[must_use]
    pub fn raw(&self, decoded: usize) -> usize {
        self.begin(decoded, self.after(decoded))
    }

    /// The raw offset at which the spelling of what ends at a decoded offset ends.
    #[must_use]
    pub fn raw_end(&self, decoded: usize) -> usize {
        self.end(decoded, self.after(decoded))
    }

    /// The map of what is left of a text without its first `len` bytes.
    pub(super) fn without(&self, len: usize) -> Self {
        let after = self.after(len);
        let mut left = Self::identity();
        left.add(0, self.begin(len, after), self.run(len, after));
        for mark in self.marks.iter().skip(after) {
            left.add(mark.decoded() - len, mark.raw(), mark.run());
        }
        left
    }

    /// The index of the first mark beyond `decoded`.
    fn after(&self, decoded: usize) -> usize {
        self.marks.partition_point(|mark| mark.decoded() <= decoded)
    }

    /// The mark before the one at `index`.
    fn before(&self, index: usize) -> Option<Mark> {
        self.marks.get(index.checked_sub(1)?).copied()
    }

    /// [`Self::raw`], `after` being the index of the first mark beyond `decoded`.
    fn begin(&self, decoded: usize, after: usize) -> usize {
        let raw = match self.before(after) {
            Some(mark) if mark.run() == Run::InStep => mark.raw() + (decoded - mark.decoded()),
            Some(mark) => mark.raw(),
            None => decoded,
        };
        // Within a character that is longer than its spelling (`&nGg;` is 5 bytes, its meaning 6), counting in step would
        // run past the end of the spelling.
        match self.marks.get(after) {
            Some(next) => raw.min(next.raw()),
            None => raw,
        }
    }

    /// [`Self::raw_end`], `after` being the index of the first mark beyond `decoded`.
    fn end(&self, decoded: usize, after: usize) -> usize {
        let is_within_piece = self.before(after).is_some_and(|mark| match mark.run() {
            Run::InStep => false,
            Run::Piece => mark.decoded() < decoded,
            Run::Within => true,
        });
        if !is_within_piece {
            return self.begin(decoded, after);
        }
        let behind = self.marks.iter().skip(after);
        behind
            .map(|mark| (mark.run(), mark.raw()))
            .find(|(run, _)| *run != Run::Within)
            .map_or_else(|| self.begin(decoded, after), |(_, raw)| raw)
    }

    /// How the texts run on from `decoded`, `after` being the index of the first mark beyond.
    fn run(&self, decoded: usize, after: usize) -> Run {
        match self.before(after) {
            None => Run::InStep,
            Some(mark) if mark.run() == Run::Piece && mark.decoded() < decoded => Run::Within,
            Some(mark) => mark.run(),
        }
    }
}

impl Mark {
    const FLAG: u32 = 1 << 31;

    /// `None` for offsets too large to be kept.
    fn new(decoded: usize, raw: usize, run: Run) -> Option<Self> {
        let fits = |offset: usize| u32::try_from(offset).ok().filter(|at| at & Self::FLAG == 0);
        let flag = |is_set: bool| if is_set { Self::FLAG } else { 0 };
        Some(Self {
            decoded: fits(decoded)? | flag(run != Run::InStep),
            raw: fits(raw)? | flag(run == Run::Within),
        })
    }

    const fn decoded(self) -> usize {
        (self.decoded & !Self::FLAG) as usize
    }

    const fn raw(self) -> usize {
        (self.raw & !Self::FLAG) as usize
    }

    const fn run(self) -> Run {
        match (self.decoded & Self::FLAG != 0, self.raw & Self::FLAG != 0) {
            (false, _) => Run::InStep,
            (true, false) => Run::Piece,
            (true, true) => Run::Within,
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

    /// A rewrite of what `text` holds from `start` on, for `len` bytes or so; what is before is left out.
    pub(super) fn excerpt(text: &'t [u8], map: &'t OffsetMap, start: usize, len: usize) -> Self {
        let mut rewrite = Self::new(text, map);
        rewrite.written.reserve(len);
        rewrite.replace(0, start, &[]);
        rewrite
    }

    /// What `text` holds in a range, as a text of its own. Where it is cut stands a letter, so that nobody takes that for where
    /// the text begins or ends.
    pub(super) fn window(
        text: &'t [u8],
        map: &'t OffsetMap,
        range: std::ops::Range<usize>,
    ) -> (Vec<u8>, OffsetMap) {
        let mut rewrite = Self::new(text, map);
        rewrite.written.reserve(range.len() + 4);
        rewrite.cursor = map.after(range.start);
        rewrite.end(range.start);
        if range.start > 0 {
            // And none for where a line begins, nor the other way round.
            let before = text.get(range.start - 1);
            let by = if before == Some(&b'\n') {
                b"a\n"
            } else {
                b"a "
            };
            rewrite.replace(range.start, 0, by);
        }
        if range.end < text.len() {
            rewrite.replace(range.end, 0, b" a");
        } else {
            rewrite.copy_until(range.end);
        }
        rewrite.cut()
    }

    /// Up to where the text is dealt with; the next replacement begins here or later.
    pub(super) const fn done(&self) -> usize {
        self.done
    }

    /// Writes `by` in place of the `len` bytes at `start`, after everything that precedes them. A piece that overlaps an
    /// earlier one, or the end, is left alone.
    pub(super) fn replace(&mut self, start: usize, len: usize, by: &[u8]) {
        if let Some(end) = self.begin(start, len) {
            self.written.extend_from_slice(by);
            self.end(end);
        }
    }

    /// Like [`replace`](Self::replace) where the bytes of `by` are several characters that are spelled together.
    pub(super) fn replace_piece(&mut self, start: usize, len: usize, by: &[u8]) {
        if let Some(end) = self.begin(start, len) {
            self.pass(start);
            let raw = self.map.begin(start, self.cursor);
            let here = self.written.len();
            // The piece before this one ends beyond where this one begins if both are in one piece of the map so far.
            let shares = |last: &Mark| last.decoded() == here && last.raw() > raw;
            let run = if self.offsets.marks.last().is_some_and(shares) {
                Run::Within
            } else {
                Run::Piece
            };
            self.offsets.add(here, raw, run);
            self.written.extend_from_slice(by);
            self.end(end);
        }
    }

    /// The new text and its map; `None` where nothing was replaced.
    pub(super) fn finish(mut self) -> Option<(Vec<u8>, OffsetMap)> {
        if self.done == 0 {
            return None;
        }
        self.copy_until(self.text.len());
        Some(self.cut())
    }

    /// The new text and its map up to the last replacement; what is behind is left out.
    pub(super) fn cut(self) -> (Vec<u8>, OffsetMap) {
        (self.written, self.offsets)
    }

    /// Copies what is before `start`; the end of the piece, or `None` if it cannot be replaced.
    fn begin(&mut self, start: usize, len: usize) -> Option<usize> {
        let end = start
            .checked_add(len)
            .filter(|end| start >= self.done && *end <= self.text.len())?;
        if self.done == 0 && self.written.capacity() == 0 {
            self.written.reserve(self.text.len());
        }
        self.copy_until(start);
        Some(end)
    }

    /// Goes on behind a replaced piece.
    fn end(&mut self, end: usize) {
        self.done = end;
        // Most texts were never decoded before.
        if self.map.marks.is_empty() {
            return self.offsets.add(self.written.len(), end, Run::InStep);
        }
        self.pass(end);
        // What is left of a piece has its beginning in common with what was replaced.
        let raw = self.map.begin(end, self.cursor);
        let run = self.map.run(end, self.cursor);
        self.offsets.add(self.written.len(), raw, run);
    }

    /// Leaves the marks up to `at` behind.
    fn pass(&mut self, at: usize) {
        while self
            .mark_at_cursor()
            .is_some_and(|mark| mark.decoded() <= at)
        {
            self.cursor += 1;
        }
    }

    fn copy_until(&mut self, end: usize) {
        let base = self.written.len();
        self.written
            .extend_from_slice(self.text.get(self.done..end).unwrap_or_default());
        while let Some(mark) = self.mark_at_cursor().filter(|mark| mark.decoded() <= end) {
            let at = base + (mark.decoded() - self.done);
            self.offsets.add(at, mark.raw(), mark.run());
            self.cursor += 1;
        }
        self.done = end;
    }

    fn mark_at_cursor(&self) -> Option<Mark> {
        self.map.marks.get(self.cursor).copied()
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
    fn characters_that_share_their_spelling_lead_to_all_of_it() {
        // raw `x:YWJjZGVm!` → decoded `x:abcdef!`
        let raw = OffsetMap::identity();
        let mut rewrite = Rewrite::new(b"x:YWJjZGVm!", &raw);
        rewrite.replace_piece(2, 4, b"abc");
        rewrite.replace_piece(6, 4, b"def");
        let (text, map) = rewrite.finish().unwrap();
        assert_eq!(text, b"x:abcdef!");
        let piece = |start, end| map.raw(start)..map.raw_end(end);
        assert_eq!(piece(0, 2), 0..2);
        assert_eq!(piece(2, 5), 2..6);
        assert_eq!(piece(3, 4), 2..6);
        assert_eq!(piece(4, 6), 2..10);
        assert_eq!(piece(5, 8), 6..10);
        assert_eq!(piece(7, 9), 6..11);
        // `bcd` → `B`: what is left of both pieces still leads to them, if not to them alone.
        let mut inner = Rewrite::new(&text, &map);
        inner.replace(3, 3, b"B");
        let (text, map) = inner.finish().unwrap();
        assert_eq!(text, b"x:aBef!");
        let piece = |start, end| map.raw(start)..map.raw_end(end);
        assert_eq!(piece(2, 3), 2..10);
        assert_eq!(piece(3, 4), 2..10);
        assert_eq!(piece(4, 5), 6..10);
        assert_eq!(piece(6, 7), 10..11);
    }

    #[test]
    fn an_excerpt_leads_back_as_well() {
        let raw = OffsetMap::identity();
        let mut rewrite = Rewrite::excerpt(b"to YWJj, too", &raw, 3, 3);
        rewrite.replace_piece(3, 4, b"abc");
        let (text, map) = rewrite.cut();
        assert_eq!(text, b"abc");
        assert_eq!((map.raw(0), map.raw_end(3)), (3, 7));
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
