//! All that is wrong with a configuration, each mistake drawn at its place.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::Watched;

/// What is wrong with one configuration. Never empty.
///
/// It holds the lines that it shows as they stand in the file: what stands for a secret there is never resolved here.
#[derive(Debug, Clone)]
pub struct Report {
    file: String,
    problems: Vec<Problem>,
    watched: Watched,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The path of the value, as in `limits.body` or `detections[2].rate_limit`; empty for the whole file.
    pub path: String,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Where it is.
    pub spot: Option<Spot>,
    /// A second place that it is about, and what is there.
    pub other: Option<(Spot, String)>,
}

/// A place in a file, and the line that it is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in characters.
    pub column: usize,
    /// The line's text; of a very long line only what surrounds the place.
    excerpt: String,
    /// The place within the excerpt.
    marked: Range<usize>,
}

impl Report {
    /// A report on the file called `file`.
    #[must_use]
    pub fn new(file: impl Into<String>, problems: Vec<Problem>) -> Self {
        Self {
            file: file.into(),
            problems,
            watched: Watched::default(),
        }
    }

    /// Notes files that the configuration names: a change in one of them may mend it.
    #[must_use]
    pub fn watching(mut self, files: &Watched) -> Self {
        self.watched.extend(files);
        self
    }

    /// The files that the configuration names, as far as it could be read.
    #[must_use]
    pub const fn watched(&self) -> &Watched {
        &self.watched
    }

    /// A report of one mistake that has no place in the file.
    #[must_use]
    pub fn of(file: impl Into<String>, message: impl Into<String>, help: Option<String>) -> Self {
        let problem = Problem {
            path: String::new(),
            message: message.into(),
            help,
            spot: None,
            other: None,
        };
        Self::new(file, vec![problem])
    }

    /// The mistakes, in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The file's name as it was given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Every mistake as `file:line:column`, the line, a caret below it, and what to write instead.
    #[must_use]
    pub fn draw(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let drawn: Vec<String> = self
            .problems
            .iter()
            .map(|problem| renderer.render(&problem.groups(&self.file)))
            .collect();
        drawn.join("\n\n")
    }

    /// The same for machines: a list of `{file, line, column, path, message, help}`.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        #[derive(Serialize)]
        struct Item<'a> {
            file: &'a str,
            line: Option<usize>,
            column: Option<usize>,
            path: &'a str,
            message: &'a str,
            help: Option<&'a str>,
        }
        let items: Vec<Item<'_>> = self
            .problems
            .iter()
            .map(|problem| Item {
                file: &self.file,
                line: problem.spot.as_ref().map(|spot| spot.line),
                column: problem.spot.as_ref().map(|spot| spot.column),
                path: &problem.path,
                message: &problem.message,
                help: problem.help.as_deref(),
            })
            .collect();
        serde_json::to_value(items).unwrap_or_default()
    }
}

impl Problem {
    fn groups<'a>(&'a self, file: &'a str) -> Vec<Group<'a>> {
        let mut first = Group::with_title(Level::ERROR.primary_title(self.message.as_str()));
        first = match &self.spot {
            Some(spot) => spot.draw(first, file, AnnotationKind::Primary),
            None => first.element(Origin::path(file)),
        };
        if let Some(help) = &self.help {
            first = first.element(Level::HELP.message(help.as_str()));
        }
        let mut groups = vec![first];
        if let Some((spot, what)) = &self.other {
            let note = Group::with_title(Level::NOTE.secondary_title(what.as_str()));
            groups.push(spot.draw(note, file, AnnotationKind::Context));
        }
        groups
    }
}

impl Spot {
    /// A longer line is shown in part.
    const MAX_LINE: usize = 240;

    /// The place of `span` in `text`; of several lines the first one.
    #[must_use]
    pub fn new(text: &str, span: Range<usize>) -> Self {
        let start = floor(text, span.start);
        let (before, after) = text.split_at_checked(start).unwrap_or((text, ""));
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = start + after.find(['\n', '\r']).unwrap_or(after.len());
        let (from, to) = if line_end - line_start > Self::MAX_LINE {
            let from = line_start.max(start.saturating_sub(Self::MAX_LINE / 3));
            let to = line_end.min(from + Self::MAX_LINE);
            (floor(text, from), floor(text, to).max(start))
        } else {
            (line_start, line_end)
        };
        let end = floor(text, span.end).clamp(start, to);
        Self {
            line: before.matches('\n').count() + 1,
            column: text
                .get(line_start..start)
                .map_or(1, |before| before.chars().count() + 1),
            excerpt: text.get(from..to).unwrap_or_default().to_owned(),
            marked: start - from..end - from,
        }
    }

    fn draw<'a>(&'a self, group: Group<'a>, file: &'a str, kind: AnnotationKind) -> Group<'a> {
        let snippet = Snippet::source(self.excerpt.as_str())
            .line_start(self.line)
            .fold(false)
            .annotation(kind.span(self.marked.clone()));
        let before = self.excerpt.get(..self.marked.start).unwrap_or_default();
        if before.chars().count() + 1 == self.column {
            return group.element(snippet.path(file));
        }
        // The excerpt begins within the line, so its columns are not those of the file.
        let origin = Origin::path(file).line(self.line).char_column(self.column);
        group.element(origin).element(snippet)
    }
}

/// The nearest boundary of a character at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.draw(false))
    }
}

impl std::error::Error for Report {}
