//! The places of a text's values: a tree that a path leads through.

use std::collections::HashMap;
use std::ops::Range;

use super::Segment;

/// A value's place, and the places of what it holds.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Scalar,
    List(Vec<Node>),
    Map(Members),
}

/// The members of a map, in order and by key: going through them for each lookup would be quadratic.
#[derive(Debug, Default)]
pub(super) struct Members {
    list: Vec<Member>,
    by_key: HashMap<String, usize>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key_span: Range<usize>,
    value: Node,
}

/// Which part of a map's member a mistake is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Value,
}

// === impl Node ===

impl Node {
    /// The place that a path leads to, or the nearest one above it. A list or map is shown by its key, or by where it
    /// begins, since all of it would be too much.
    pub(super) fn find(&self, path: &[Segment], part: Part) -> Range<usize> {
        let mut node = self;
        let mut shown = self.start();
        for (at, segment) in path.iter().enumerate() {
            let is_last = at + 1 == path.len();
            match (&node.content, segment) {
                (Content::List(items), Segment::Item(index)) => {
                    let Some(item) = items.get(*index) else { break };
                    node = item;
                    shown = item.start();
                }
                (Content::Map(members), Segment::Key(key)) => {
                    let Some(member) = members.find(key) else {
                        break;
                    };
                    node = &member.value;
                    let by_key = (is_last && part == Part::Key) || !node.is_shown_by_itself();
                    shown = if by_key {
                        member.key_span.clone()
                    } else {
                        node.span.clone()
                    };
                }
                _ => break,
            }
        }
        shown
    }

    fn start(&self) -> Range<usize> {
        match &self.content {
            Content::Map(members) => members
                .list
                .first()
                .map_or(self.span.clone(), |first| first.key_span.clone()),
            Content::List(_) => self.span.start..self.span.start,
            Content::Scalar => self.span.clone(),
        }
    }

    fn is_shown_by_itself(&self) -> bool {
        matches!(self.content, Content::Scalar) && !self.span.is_empty()
    }
}

// === impl Members ===

impl Members {
    pub(super) fn find(&self, key: &str) -> Option<&Member> {
        self.list.get(*self.by_key.get(key)?)
    }

    /// Adds a member. A key that is there already keeps its first place.
    pub(super) fn add(&mut self, key: String, key_span: Range<usize>, value: Node) {
        self.by_key.entry(key).or_insert(self.list.len());
        self.list.push(Member { key_span, value });
    }
}
