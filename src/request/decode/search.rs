//! The search for what a value may be decoded to.
//!
//! Escapes are undone in a fixed order, each decoding applied to the form that the one before it made: a chain. That is
//! enough for all escapes that do not get into each other's way, however they are nested, and it is the work that must be
//! done: a value whose chain does not end is refused. Beside the chain are branches, for decodings of which an
//! application makes one or the other: escapes of style sheets instead of scripts, a text hidden in letters and digits,
//! characters that stand for others, filler between words; last of all, escapes in another order. Each branch is a chain
//! again.
//!
//! Everything is bounded: how deep a form may lie, how many there are, and how much work it is to find them. What is made
//! already is not made again. A form that is not made because there are too many, or because it is too much work, may be
//! the one that an application sees: nothing is believed of such a value, or a sender could hide that form behind others.

use super::super::input::Form;
use super::super::marks::Marks;
use super::super::work::Work;
use super::{
    AMPERSAND, BACKSLASH, Decoded, NON_ASCII, PERCENT, PLUS, compatibility, css, entity, escape,
    filler, member, percent, read, token, utf7, utf8, written,
};

/// How many decodings beyond the first one a form may have.
pub const MAX_DEPTH: u8 = 5;

/// How many forms a value has at most beside its first: twice as many as the oddest of honest texts.
pub const MAX_FURTHER: usize = 32;

/// How many documents of one value are taken apart, and how many forms there may be before one is: each text of a document is
/// a form, and may lead to others.
const MAX_DOCUMENTS: u8 = 2;
const MOST_BEFORE_DOCUMENT: usize = 12;

/// Units of work for each byte of a text in which characters beyond ASCII are looked up.
const FOR_EACH_FOREIGN: usize = 5;

/// A decoding of a form; `None` where it changes nothing.
type Decode = fn(&Form<'_>) -> Option<Decoded>;

/// A decoding of escapes, and the bytes without which it would change nothing.
struct Decoder {
    needs: Marks,
    decode: Decode,
    /// Whether what it would change in a text hides anything.
    hides: fn(&[u8]) -> bool,
}

/// Those that the chain tries, in this order.
const DECODERS: [Decoder; 5] = [
    Decoder::new(PERCENT, percent::decode_again),
    Decoder::new(Marks::OVERLONG, utf8::overlong),
    Decoder::new(AMPERSAND, entity::decode),
    Decoder {
        hides: escape::hides,
        ..Decoder::new(BACKSLASH, escape::javascript)
    },
    Decoder::new(PLUS, utf7::decode),
];

/// Stands for the decoding that is made of cookies only.
const COOKIE_PLUS: usize = DECODERS.len();

/// The one of which the escapes of style sheets are the other reading.
const SCRIPT: usize = 3;

/// The first form of a value and those that it leads to.
pub(super) struct Search<'t> {
    first: Form<'t>,
    further: Vec<Decoded>,
    /// How each form came about, the first form's included.
    made: [Made; 1 + MAX_FURTHER],
    /// More escapes could be undone than are, or more forms made.
    exhausted: bool,
    /// What is left of the work that all values together may make.
    work: &'t Work,
    /// How many of the forms are the chain that begins at the first one.
    chain_end: usize,
    /// How many forms were documents that have been taken apart.
    documents: u8,
    /// How many bytes were read by decoders.
    #[cfg(test)]
    read: usize,
}

/// How a form came about, and how its chain goes on.
#[derive(Clone, Copy, Default)]
struct Made {
    depth: u8,
    /// The decoder that makes the next form of the chain; `None` where no escape is left.
    by: Option<usize>,
}

/// Which chain it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    /// The one that begins at the first form.
    Main,
    /// That of a branch.
    Branch,
    /// The same, of escapes in another order. It may be longer, and nothing follows from that.
    Reordered,
}

impl Decoder {
    const fn new(needs: Marks, decode: Decode) -> Self {
        Self {
            needs,
            decode,
            hides: |_| true,
        }
    }
}

impl<'t> Search<'t> {
    /// Searches all forms that `first`, which lies so deep, leads to. `as_cookie` if PHP may read a plus in it as a space,
    /// which it does before all else.
    pub(super) fn run(first: Form<'t>, as_cookie: bool, depth: u8, work: &'t Work) -> Self {
        let mut search = Self::new(first, depth, work);
        let begin = search.begin(as_cookie);
        search.chain(begin, Chain::Main);
        search.chain_end = search.further.len();
        let mut at = search.branches(0);
        let mut reordered = 0;
        while reordered < at {
            search.reorder(reordered);
            at = search.branches(at);
            reordered += 1;
        }
        search
    }

    /// Undoes the escapes of a text and no more, but for the filler that comes to light.
    pub(super) fn chain_only(first: Form<'t>, as_cookie: bool, depth: u8, work: &'t Work) -> Self {
        let mut search = Self::new(first, depth, work);
        let begin = search.begin(as_cookie);
        search.chain(begin, Chain::Main);
        let end = search.further.len();
        if filler::may_be_in(search.form(end).text, search.form(end).marks) {
            search.take_characters(end);
            search.add_branch(end, filler::decode, Chain::Branch);
        }
        search
    }

    fn new(first: Form<'t>, depth: u8, work: &'t Work) -> Self {
        let mut search = Self {
            first,
            further: Vec::new(),
            made: [Made::default(); 1 + MAX_FURTHER],
            exhausted: false,
            work,
            #[cfg(test)]
            read: 0,
            chain_end: 0,
            documents: 0,
        };
        let [made, ..] = &mut search.made;
        made.depth = depth;
        search
    }

    /// The same without the forms of the chain that begins at the first form.
    pub(super) fn without_chain(mut self) -> Self {
        self.further.drain(..self.chain_end);
        self
    }

    /// The further forms, and whether there would be more.
    pub(super) fn finish(self) -> (Vec<Decoded>, bool) {
        (self.further, self.exhausted)
    }

    /// How many bytes were read by decoders, and how many they wrote.
    #[cfg(test)]
    pub(super) fn work(&self) -> (usize, usize) {
        let written = self.further.iter().map(|form| form.text.len()).sum();
        (self.read, written)
    }

    /// The form that the chain begins at.
    fn begin(&mut self, as_cookie: bool) -> usize {
        if !as_cookie || !self.first.marks.meets(PLUS) {
            return 0;
        }
        // Another reading of the same decoding, not one deeper.
        let plus = self.apply(0, percent::plus);
        let depth = self.made(0).depth;
        let begin = plus.and_then(|form| self.push(form, depth)).unwrap_or(0);
        let [first, ..] = &mut self.made;
        first.by = (begin > 0).then_some(COOKIE_PLUS);
        begin
    }

    /// Undoes the escapes of a form, and those that come to light by it, until none are left.
    fn chain(&mut self, mut at: usize, chain: Chain) {
        loop {
            let depth = self.made(at).depth;
            if depth == MAX_DEPTH {
                self.exhausted |= chain != Chain::Reordered && self.hides_more(at);
                return;
            }
            let Some((decoder, form)) = self.undo(at) else {
                return;
            };
            if let Some(made) = self.made.get_mut(at) {
                made.by = Some(decoder);
            }
            match self.push(form, depth + 1) {
                Some(next) => at = next,
                None => return,
            }
        }
    }

    /// The first decoder that undoes anything in a form, and what it makes.
    fn undo(&mut self, at: usize) -> Option<(usize, Decoded)> {
        let marks = self.form(at).marks;
        let mut decoders = DECODERS.iter().enumerate();
        decoders.find_map(|(index, decoder)| {
            let form = marks
                .meets(decoder.needs)
                .then(|| self.apply(at, decoder.decode))?;
            Some((index, form?))
        })
    }

    /// Whether undoing more escapes would bring anything to light in a form.
    fn hides_more(&mut self, at: usize) -> bool {
        let marks = self.form(at).marks;
        DECODERS.iter().any(|decoder| {
            marks.meets(decoder.needs)
                && self.apply(at, decoder.decode).is_some()
                && (decoder.hides)(self.form(at).text)
        })
    }

    /// Adds the branches that begin at the forms from `at` on, and at those that are added thereby: where that list ends.
    fn branches(&mut self, mut at: usize) -> usize {
        while at <= self.further.len() {
            self.branch(at);
            at += 1;
        }
        at
    }

    fn branch(&mut self, at: usize) {
        let Made { depth, by } = self.made(at);
        if depth == MAX_DEPTH {
            return;
        }
        let marks = self.form(at).marks;
        let only_script_is_left = by.is_none_or(|decoder| decoder == SCRIPT);
        if only_script_is_left && marks.meets(BACKSLASH) {
            self.add_branch(at, css::decode, Chain::Branch);
        }
        if only_script_is_left && member::may_be_in(self.form(at).text) {
            self.members(at);
        }
        if only_script_is_left && marks.meets(NON_ASCII) {
            self.take_characters(at);
            self.add_branch(at, compatibility::decode, Chain::Branch);
        }
        if by.is_none() && filler::may_be_in(self.form(at).text, marks) {
            self.take_characters(at);
            self.add_branch(at, filler::decode, Chain::Branch);
        }
        // Last, since a sender can have as many of them as he likes.
        self.tokens(at);
    }

    /// Adds what becomes of a form if another escape is undone first than in its chain.
    fn reorder(&mut self, at: usize) {
        let Made { depth, by } = self.made(at);
        let Some(first) = by.filter(|_| depth < MAX_DEPTH) else {
            return;
        };
        let marks = self.form(at).marks;
        let tried = if first == COOKIE_PLUS { 0 } else { first + 1 };
        for decoder in DECODERS.iter().skip(tried) {
            if marks.meets(decoder.needs) {
                self.add_branch(at, decoder.decode, Chain::Reordered);
            }
        }
        if first != SCRIPT && marks.meets(BACKSLASH) {
            self.add_branch(at, css::decode, Chain::Reordered);
        }
    }

    fn add_branch(&mut self, at: usize, decode: Decode, chain: Chain) {
        if let Some(form) = self.apply(at, decode) {
            self.begin_branch(at, form, chain);
        }
    }

    /// Adds the texts of a form that is a document.
    fn members(&mut self, at: usize) {
        if self.documents == MAX_DOCUMENTS
            || self.further.len() > MOST_BEFORE_DOCUMENT
            || !self.take(self.form(at).text.len())
        {
            return;
        }
        let members = member::decode(&self.form(at));
        self.documents += u8::from(!members.is_empty());
        for form in members {
            self.exhausted |= !self.work.take(written(&form, 0));
            self.begin_branch(at, form, Chain::Branch);
        }
    }

    /// Adds what letters and digits of a form hide.
    fn tokens(&mut self, at: usize) {
        if !self.take(self.form(at).text.len()) {
            return;
        }
        // They are made before any is added, since they are read from the list that is added to.
        let hidden: Vec<Decoded> = token::decode(&self.form(at)).collect();
        for form in hidden {
            self.exhausted |= !self.work.take(written(&form, 0));
            self.begin_branch(at, form, Chain::Branch);
        }
    }

    fn begin_branch(&mut self, at: usize, form: Decoded, chain: Chain) {
        let depth = self.made(at).depth + 1;
        if let Some(begins_at) = self.push(form, depth) {
            self.chain(begins_at, chain);
        }
    }

    /// Takes the work of looking at each character of a form that is none of ASCII, which is more than looking for a byte.
    fn take_characters(&mut self, at: usize) {
        let form = self.form(at);
        if form.marks.meets(NON_ASCII) {
            let is_left = self.work.take(FOR_EACH_FOREIGN * form.text.len());
            self.exhausted |= !is_left;
        }
    }

    /// Takes the work of a decoder that reads so many bytes, if there is enough left.
    fn take(&mut self, bytes: usize) -> bool {
        #[cfg(test)]
        {
            self.read += bytes;
        }
        let is_left = self.work.take(read(bytes));
        self.exhausted |= !is_left;
        is_left
    }

    /// Adds a form, unless nothing is left in it or it is there already: its index. Where there are too many, that is all that
    /// is known of the value.
    fn push(&mut self, form: Decoded, depth: u8) -> Option<usize> {
        let mut others = self.further.iter();
        if form.text.is_empty()
            || self.first.text == form.text
            || others.any(|other| other.text == form.text)
        {
            return None;
        }
        let at = 1 + self.further.len();
        let Some(made) = self.made.get_mut(at) else {
            self.exhausted = true;
            return None;
        };
        made.depth = depth;
        self.further.push(form);
        Some(at)
    }

    fn apply(&mut self, at: usize, decode: Decode) -> Option<Decoded> {
        let before = self.form(at).text.len();
        if !self.take(before) {
            return None;
        }
        let form = decode(&self.form(at))?;
        let is_left = self.work.take(written(&form, before));
        self.exhausted |= !is_left;
        is_left.then_some(form)
    }

    fn form(&self, at: usize) -> Form<'_> {
        let further = at.checked_sub(1).and_then(|at| self.further.get(at));
        further.map_or(self.first, Decoded::form)
    }

    fn made(&self, at: usize) -> Made {
        self.made.get(at).copied().unwrap_or_default()
    }
}
