//! What values are called, in a few bytes each; the text is made only when somebody asks for it.
//!
//! Of the values of a request nearly none is ever called by its name: an event does it, and an exclusion that could hold.
//! So a name is kept as the way to it: the key before the value, the list around it, the header that it is.

use std::borrow::Cow;

use super::name;
use super::values::{Parsed, Values};

/// A name, or the beginning of the names of what lies within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameRef {
    base: u32,
    /// The number of a value within a list; [`Self::WHOLE`] for one that is in none.
    element: u32,
}

/// What a name begins with.
enum Base {
    /// It is empty.
    Nothing,
    /// `$`, the outermost value of a document.
    Root,
    /// The name of the header that the value is.
    Header,
    /// The key that is the n-th value.
    Key(u32),
    /// The n-th node.
    Node(u32),
}

/// A part of names that is no key.
#[derive(Debug)]
pub(super) enum Node {
    /// A list or object within a list.
    Within(NameRef),
    /// A text made by a parser.
    Text(Box<str>),
    /// A text that parsers know beforehand.
    Static(&'static str),
}

/// A name as parsers give it.
#[derive(Debug)]
pub(super) enum Name {
    /// One that is there already.
    Ref(NameRef),
    /// One that is always the same.
    Static(&'static str),
    /// One that was made for this value.
    Text(String),
}

/// The longest name of a value within a document; of a longer one the end is kept, because the last key tells most of what
/// a value is (`$….password`).
const MAX_PATH: usize = 128;

// === impl NameRef ===

impl NameRef {
    const WHOLE: u32 = u32::MAX;

    /// No name, as of a body that is one text.
    pub(super) const NOTHING: Self = Self::new(Base::Nothing);
    /// The outermost value of a document.
    pub(super) const ROOT: Self = Self::new(Base::Root);
    /// The header that the value is.
    pub(super) const HEADER: Self = Self::new(Base::Header);

    /// The numbers below 4 are names of their own; from there on keys and nodes take turns.
    const fn new(base: Base) -> Self {
        let base = match base {
            Base::Nothing => 0,
            Base::Root => 1,
            Base::Header => 2,
            Base::Key(index) => index.saturating_mul(2).saturating_add(4),
            Base::Node(index) => index.saturating_mul(2).saturating_add(5),
        };
        Self {
            base,
            element: Self::WHOLE,
        }
    }

    /// The value of the key that is the n-th value.
    pub(super) const fn of_key(index: u32) -> Self {
        Self::new(Base::Key(index))
    }

    /// The n-th element of the list that this names.
    pub(super) const fn element(self, number: u32) -> Self {
        Self {
            base: self.base,
            element: number,
        }
    }

    /// Whether it is an element of a list.
    pub(super) const fn is_element(self) -> bool {
        self.element != Self::WHOLE
    }

    const fn base(self) -> Base {
        match self.base {
            0 => Base::Nothing,
            1 => Base::Root,
            2 | 3 => Base::Header,
            base if base.is_multiple_of(2) => Base::Key((base - 4) / 2),
            base => Base::Node((base - 5) / 2),
        }
    }
}

impl Default for NameRef {
    fn default() -> Self {
        Self::NOTHING
    }
}

impl From<NameRef> for Name {
    fn from(name: NameRef) -> Self {
        Self::Ref(name)
    }
}

impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self::Static(name)
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        Self::Text(name)
    }
}

// === Names as they are kept ===

impl Values {
    /// Keeps a name that a parser gives. In line, since most are there already and need nothing then.
    #[inline(always)]
    pub(super) fn name(&mut self, name: impl Into<Name>) -> NameRef {
        match name.into() {
            Name::Ref(name) => name,
            Name::Static(text) => self.text(text.is_empty(), || Node::Static(text)),
            Name::Text(text) => self.text(text.is_empty(), || Node::Text(text.into())),
        }
    }

    fn text(&mut self, is_empty: bool, node: impl FnOnce() -> Node) -> NameRef {
        if is_empty {
            NameRef::NOTHING
        } else {
            self.node(node())
        }
    }

    /// The beginning of the names of what lies within a value called `name`.
    pub(super) fn within(&mut self, name: NameRef) -> NameRef {
        if name.is_element() {
            self.node(Node::Within(name))
        } else {
            name
        }
    }

    fn node(&mut self, node: Node) -> NameRef {
        let index = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        self.nodes.push(node);
        NameRef::new(Base::Node(index))
    }
}

// === Names as they are shown ===

impl Parsed<'_> {
    /// The text of a name of a value in the `text`-th text.
    pub(super) fn name_text(&self, name: NameRef, text: u16) -> Cow<'_, str> {
        if name.is_element() {
            return self.path(name).into();
        }
        match name.base() {
            Base::Nothing => "".into(),
            Base::Root => "$".into(),
            Base::Header => self.header_name(text).into(),
            Base::Node(index) => match self.values.nodes.get(index as usize) {
                Some(Node::Text(text)) => (&**text).into(),
                Some(Node::Static(text)) => (*text).into(),
                _ => self.path(name).into(),
            },
            Base::Key(index) => match self.values.records.get(index as usize) {
                Some(key) if key.name == NameRef::NOTHING => name::of_bytes(self.first_text(key)),
                _ => self.path(name).into(),
            },
        }
    }

    /// A name of several parts, walked from its end. Every step but the last adds to its length, so the walk ends even
    /// where documents are deep.
    fn path(&self, name: NameRef) -> String {
        let mut parts: Vec<Cow<'_, str>> = Vec::new();
        let mut length = 0;
        let mut next = Some(name);
        while let Some(name) = next.filter(|_| length <= MAX_PATH) {
            if name.is_element() {
                let number = format!("[{}]", name.element);
                length += number.len();
                parts.push(number.into());
            }
            let (part, before) = self.part(name);
            length += part.len();
            parts.push(part);
            next = before;
        }
        parts.reverse();
        let path = parts.concat();
        match path.len().checked_sub(MAX_PATH).filter(|cut| *cut > 0) {
            None => path,
            Some(cut) => {
                let tail = path.get(path.ceil_char_boundary(cut)..);
                ["$…", tail.unwrap_or_default()].concat()
            }
        }
    }

    /// The last part of a name, its number in a list aside, and the name before it.
    fn part(&self, name: NameRef) -> (Cow<'_, str>, Option<NameRef>) {
        match name.base() {
            Base::Nothing | Base::Header => ("".into(), None),
            Base::Root => ("$".into(), None),
            Base::Node(index) => match self.values.nodes.get(index as usize) {
                Some(Node::Within(name)) => ("".into(), Some(*name)),
                Some(Node::Text(text)) => ((&**text).into(), None),
                Some(Node::Static(text)) => ((*text).into(), None),
                None => ("".into(), None),
            },
            Base::Key(index) => {
                let Some(key) = self.values.records.get(index as usize) else {
                    return ("".into(), None);
                };
                let mut text = String::new();
                if key.name != NameRef::NOTHING {
                    text.push('.');
                }
                name::push(&mut text, self.first_text(key));
                (text.into(), Some(key.name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bases_are_kept_apart() {
        let names = [
            NameRef::NOTHING,
            NameRef::ROOT,
            NameRef::HEADER,
            NameRef::new(Base::Key(0)),
            NameRef::new(Base::Node(0)),
            NameRef::new(Base::Key(77)),
            NameRef::new(Base::Node(77)),
        ];
        for (at, name) in names.iter().enumerate() {
            assert_eq!(NameRef::new(name.base()), *name);
            assert!(!names[..at].contains(name));
            assert!(!name.is_element() && name.element(0).is_element());
        }
    }
}
