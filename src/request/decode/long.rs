//! What a long text may be decoded to.
//!
//! A document of a mebibyte has escapes of every kind somewhere, and would have a dozen forms as long as itself. But an
//! application of which one decoding is made and not another reads an attack where the attack is. So only the chain of
//! all escapes is undone in all of a long text; the branches are made of windows of it, each of what it has escapes for.
//! A window overlaps the next by more than nearly any attack is long. What letters and digits hide is taken out in one
//! piece, however long it is.

use super::search::{MAX_DEPTH, Search};
use super::{Decoded, Form, Marks, Rewrite, Work, may_lead_on, read, token, written};

/// From how many bytes on a text is long.
pub(super) const LONG: usize = 64 << 10;

/// How far it is from the beginning of a window to that of the next.
const WINDOW: usize = 48 << 10;

/// How much of a window is in the next one, too.
const OVERLAP: usize = 4 << 10;

/// The forms that one text leads to.
pub(super) struct Further<'w> {
    pub(super) forms: Vec<Decoded>,
    /// There would be more.
    pub(super) is_exhausted: bool,
    work: &'w Work,
}

impl<'w> Further<'w> {
    /// The forms that `first` leads to. `as_cookie` if PHP may read a plus in it as a space.
    pub(super) fn of(first: Form<'_>, as_cookie: bool, work: &'w Work) -> Self {
        let mut further = Self {
            forms: Vec::new(),
            is_exhausted: false,
            work,
        };
        if first.text.len() < LONG {
            further.add(Search::run(first, as_cookie, 0, work));
            return further;
        }
        let mut hidden = further.hidden(&first, 1);
        further.long(first, as_cookie, 0);
        while let Some((form, depth)) = hidden.pop() {
            if depth < MAX_DEPTH {
                hidden.extend(further.hidden(&form.form(), depth + 1));
            }
            if form.text.len() < LONG {
                further.add(Search::run(form.form(), false, depth, work));
            } else {
                further.long(form.form(), false, depth);
            }
            further.forms.push(form);
        }
        further
    }

    fn add(&mut self, search: Search<'_>) {
        let (forms, is_exhausted) = search.finish();
        self.forms.extend(forms);
        self.is_exhausted |= is_exhausted;
    }

    /// Adds the chain of a text, and the branches of its windows.
    fn long(&mut self, text: Form<'_>, as_cookie: bool, depth: u8) {
        self.add(Search::chain_only(text, as_cookie, depth, self.work));
        let mut start = 0;
        while start < text.text.len() && !self.is_exhausted {
            let end = text.text.len().min(start + WINDOW + OVERLAP);
            self.window(&text, line(text.text, start)..end, as_cookie, depth);
            if end == text.text.len() {
                return;
            }
            start += WINDOW;
        }
    }

    fn window(
        &mut self,
        text: &Form<'_>,
        range: std::ops::Range<usize>,
        as_cookie: bool,
        depth: u8,
    ) {
        let window = text.text.get(range.clone()).unwrap_or_default();
        self.is_exhausted |= !self.work.take(read(window.len()));
        if !may_lead_on(window, Marks::of(window), as_cookie) {
            return;
        }
        let window = text.next(&[], Rewrite::window(text.text, text.offsets, range));
        let search = Search::run(window.form(), as_cookie, depth, self.work);
        self.add(search.without_chain());
    }

    /// What a text hides in tokens that need not fit into a window, each with its depth.
    fn hidden(&mut self, text: &Form<'_>, depth: u8) -> Vec<(Decoded, u8)> {
        self.is_exhausted |= !self.work.take(read(text.text.len()));
        let mut hidden = Vec::new();
        for form in token::decode_long(text, OVERLAP) {
            self.is_exhausted |= !self.work.take(written(&form, 0));
            if self.is_exhausted {
                break;
            }
            hidden.push((form, depth));
        }
        hidden
    }
}

/// Where the line begins in which `at` is, if that is near.
fn line(text: &[u8], at: usize) -> usize {
    const NEAR: usize = 1 << 10;
    let near = at.saturating_sub(NEAR);
    let before = text.get(near..at).unwrap_or_default();
    memchr::memrchr(b'\n', before).map_or(at, |found| near + found + 1)
}
