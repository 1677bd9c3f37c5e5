//! Where everything in a YAML text is: a tree of byte ranges, made before any value is read.
//!
//! This pass also refuses what the reading of values would accept or choke on: a key given twice, nesting without
//! bound, several documents, tags, and anchors with their aliases (a few lines of which can stand for gigabytes).
//! Its work is linear in the text, and nothing in it recurses.

use std::ops::Range;

use saphyr_parser::{Event, Parser, Span};

use super::Segment;
use super::chars::Chars;
use super::places::{Content, Members, Node};

/// The deepest nesting of lists and maps.
const MAX_DEPTH: usize = 64;

/// Mistakes after this many are not looked for.
const MAX_MISTAKES: usize = 20;

/// Something that the text must not say.
#[derive(Debug)]
pub(super) struct Mistake {
    pub(super) path: Vec<Segment>,
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// A second place that the mistake is about, and what it is.
    pub(super) other: Option<(Range<usize>, &'static str)>,
}

/// The places of a text's values.
///
/// # Errors
/// Whatever the text must not say, in order; a text without errors of syntax is looked through to its end.
pub(super) fn marks(text: &str) -> Result<Node, Vec<Mistake>> {
    if let Some((at, wrong)) = text
        .char_indices()
        .find(|(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}'))
    {
        return Err(vec![Mistake::new(
            at..at + wrong.len_utf8(),
            format!("a control character (U+{:04X})", u32::from(wrong)),
            "remove it, or write it as an escape in double quotes: `\"\\x07\"`",
        )]);
    }
    let mut builder = Builder::new(text);
    for event in Parser::new_from_str(text) {
        let taken = match event {
            Ok((event, span)) => {
                let span = builder.bytes(span);
                builder.take(event, span)
            }
            Err(error) => {
                let at = builder.chars.byte(error.marker().index());
                Err(Mistake {
                    help: syntax_help(error.info()).map(Into::into),
                    ..Mistake::new(at..at, format!("this is no YAML: {}", error.info()), "")
                })
            }
        };
        if let Err(mistake) = taken {
            builder.mistakes.push(mistake);
            break;
        }
        if builder.mistakes.len() >= MAX_MISTAKES {
            break;
        }
    }
    if builder.mistakes.is_empty() {
        Ok(builder.root.unwrap_or(Node {
            span: 0..0,
            content: Content::Scalar,
        }))
    } else {
        Err(builder.mistakes)
    }
}

/// What to write instead, for the mistakes of syntax that people make most.
fn syntax_help(info: &str) -> Option<&'static str> {
    let info = info.to_ascii_lowercase();
    if info.contains("tab") {
        Some("indent with spaces; YAML allows no tabs there")
    } else if info.contains("quoted scalar") {
        Some("close the quote on the line that it was opened on")
    } else if info.contains("mapping values") || info.contains("simple key") {
        Some(
            "look for a missing space after a `:`, a text with `: ` in it that wants quotes, or a wrong indentation",
        )
    } else if info.contains("recursion") {
        Some("lists and maps may be nested 64 deep")
    } else {
        None
    }
}

impl Mistake {
    fn new(span: Range<usize>, message: impl Into<String>, help: &str) -> Self {
        Self {
            path: Vec::new(),
            span,
            message: message.into(),
            help: (!help.is_empty()).then(|| help.into()),
            other: None,
        }
    }
}

// === Building the tree ===

struct Builder {
    chars: Chars,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    mistakes: Vec<Mistake>,
}

/// A list or map that has begun and not ended.
enum Open {
    List {
        start: usize,
        items: Vec<Node>,
    },
    Map {
        start: usize,
        members: Members,
        /// A key that still wants its value.
        key: Option<(String, Range<usize>)>,
    },
}

impl Builder {
    fn new(text: &str) -> Self {
        Self {
            chars: Chars::new(text),
            open: Vec::new(),
            root: None,
            documents: 0,
            mistakes: Vec::new(),
        }
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let start = self.chars.byte(span.start.index());
        start..self.chars.byte(span.end.index()).max(start)
    }

    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Mistake> {
        match event {
            Event::DocumentStart(_) => self.begin_document(span),
            Event::Alias(_) => Err(no_anchors(span)),
            Event::Scalar(_, _, anchor, tag) if anchor != 0 || tag.is_some() => {
                Err(no_anchor_or_tag(anchor, span))
            }
            Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag)
                if anchor != 0 || tag.is_some() =>
            {
                Err(no_anchor_or_tag(anchor, span))
            }
            Event::Scalar(text, ..) => self.scalar(text.into_owned(), span),
            Event::SequenceStart(..) => {
                let start = span.start;
                self.begin(
                    span,
                    Open::List {
                        start,
                        items: Vec::new(),
                    },
                )
            }
            Event::MappingStart(..) => {
                let start = span.start;
                self.begin(
                    span,
                    Open::Map {
                        start,
                        members: Members::default(),
                        key: None,
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn begin_document(&mut self, span: Range<usize>) -> Result<(), Mistake> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        Err(Mistake::new(
            span,
            "a second document begins here",
            "a configuration is one document; remove the `---`",
        ))
    }

    fn begin(&mut self, span: Range<usize>, open: Open) -> Result<(), Mistake> {
        let shown = span.start..span.start;
        if self.open.len() >= MAX_DEPTH {
            return Err(Mistake {
                path: self.path(),
                ..Mistake::new(
                    shown,
                    format!("lists and maps are nested more than {MAX_DEPTH} deep"),
                    "nothing in this file needs to be nested so deep",
                )
            });
        }
        if let Some(Open::Map { key: None, .. }) = self.open.last() {
            return Err(Mistake {
                path: self.path(),
                ..Mistake::new(
                    shown,
                    "a key must be a text, not a list or a map",
                    "put a word before the `:`",
                )
            });
        }
        self.open.push(open);
        Ok(())
    }

    fn scalar(&mut self, text: String, span: Range<usize>) -> Result<(), Mistake> {
        let Some(Open::Map { members, key, .. }) = self
            .open
            .last_mut()
            .filter(|open| matches!(open, Open::Map { key: None, .. }))
        else {
            return self.place(Node {
                span,
                content: Content::Scalar,
            });
        };
        let first = members.find(&text).map(|first| first.key_span.clone());
        *key = Some((text.clone(), span.clone()));
        if let Some(first) = first {
            self.mistakes.push(Mistake {
                path: self.path(),
                other: Some((first, "it is here for the first time")),
                ..Mistake::new(
                    span,
                    format!("the key `{text}` is here for the second time"),
                    "keep one of the two",
                )
            });
        }
        Ok(())
    }

    fn end(&mut self, span: Range<usize>) -> Result<(), Mistake> {
        match self.open.pop() {
            Some(Open::List { start, items }) => self.place(Node {
                span: start..span.end.max(start),
                content: Content::List(items),
            }),
            Some(Open::Map { start, members, .. }) => self.place(Node {
                span: start..span.end.max(start),
                content: Content::Map(members),
            }),
            None => Ok(()),
        }
    }

    fn place(&mut self, node: Node) -> Result<(), Mistake> {
        match self.open.last_mut() {
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { members, key, .. }) => {
                if let Some((key, key_span)) = key.take() {
                    members.add(key, key_span, node);
                }
            }
            None => self.root = Some(node),
        }
        Ok(())
    }

    /// The path of the value that comes next; at most [`MAX_DEPTH`] long.
    fn path(&self) -> Vec<Segment> {
        self.open
            .iter()
            .filter_map(|open| match open {
                Open::List { items, .. } => Some(Segment::Item(items.len())),
                Open::Map { key, .. } => key.as_ref().map(|(key, _)| Segment::Key(key.clone())),
            })
            .collect()
    }
}

fn no_anchor_or_tag(anchor: usize, span: Range<usize>) -> Mistake {
    if anchor == 0 {
        Mistake::new(
            span,
            "a tag (`!…`)",
            "tags mean nothing here; remove it, or put the text in quotes",
        )
    } else {
        no_anchors(span)
    }
}

fn no_anchors(span: Range<usize>) -> Mistake {
    Mistake::new(
        span,
        "an anchor or an alias (`&…`, `*…`)",
        "write the value out at each place, or put the text in quotes if it only begins with `&` or `*`",
    )
}
