//! One configuration text: its values, their places, and what was put into it from outside.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde_yaml::Value;

use super::environment::Environment;
use super::marks::{Mistake, marks};
use super::places::Node;
use super::report::{Problem, Report, Spot};
use super::substitution::Substitutions;
use super::{ConfigError, Segment, Watched, phrase};

/// The largest text that is read.
pub const MAX_BYTES: usize = 4 << 20;

/// Mistakes after this many are only counted.
const MAX_PROBLEMS: usize = 50;

/// A configuration that is sound YAML and a map, with everything from outside put in. What it means is for others.
pub struct Document {
    name: String,
    text: String,
    marks: Node,
    value: Value,
    substitutions: Substitutions,
}

impl Document {
    /// Reads a text called `name`; paths in it start from the folder `base`.
    ///
    /// # Errors
    /// All errors of syntax and all references that stand for nothing.
    pub fn parse(
        name: &str,
        text: &str,
        base: &Path,
        environment: &dyn Environment,
    ) -> Result<Self, Report> {
        if text.len() > MAX_BYTES {
            return Err(Report::of(
                name,
                format!(
                    "the file has {} bytes; a configuration has at most 4MiB",
                    text.len()
                ),
                Some("keep long lists in files of their own, which a detection can name".into()),
            ));
        }
        // A byte order mark counts as a character in one parser and not in the other.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let marks = marks(text).map_err(|mistakes| {
            let problems = mistakes.into_iter().map(|wrong| wrong.drawn(text));
            Report::new(name, problems.collect())
        })?;
        let mut document = Self {
            name: name.into(),
            text: text.into(),
            marks,
            value: Value::Null,
            substitutions: Substitutions::default(),
        };
        document.value = serde_yaml::from_str(text).map_err(|error| document.syntax(&error))?;
        if !document.value.is_mapping() {
            // An empty file is more likely one that is being written, or was cut off, than one that asks for the defaults.
            let what = if document.value.is_null() {
                "this is empty"
            } else {
                "this is no map of sections"
            };
            let wrong = ConfigError::new(what).help("begin with a line like `version: 1`");
            return Err(document.report(vec![wrong]));
        }
        let mut value = std::mem::take(&mut document.value);
        let filled = document.substitutions.fill(&mut value, base, environment);
        document.value = value;
        match filled {
            Ok(()) => Ok(document),
            Err(errors) => Err(document.report(errors).watching(document.files())),
        }
    }

    /// The names of the sections, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let sections = self.value.as_mapping().into_iter().flatten();
        sections.map(|(key, _)| key.as_str().unwrap_or_default())
    }

    /// The value of a section; `None` where it is absent or has nothing in it.
    #[must_use]
    pub fn section(&self, key: &str) -> Option<&Value> {
        self.value.get(key).filter(|value| !value.is_null())
    }

    /// The text as it stands in the file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The files whose text was put in.
    #[must_use]
    pub const fn files(&self) -> &Watched {
        &self.substitutions.files
    }

    /// A text in which nothing from outside the file remains; the references to it stand there instead.
    #[must_use]
    pub fn scrub(&self, text: String) -> String {
        self.substitutions.scrub_all(text)
    }

    /// A value in which no text from outside the file remains.
    pub fn scrub_value(&self, value: &mut Value) {
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match value {
                Value::String(text) => *text = self.scrub(std::mem::take(text)),
                Value::Sequence(items) => open.extend(items),
                Value::Mapping(map) => open.extend(map.values_mut()),
                _ => {}
            }
        }
    }

    /// Every mistake at its place, in the order of the file. Values from outside the file are not shown.
    #[must_use]
    pub fn report(&self, errors: Vec<ConfigError>) -> Report {
        let mut placed: Vec<(Range<usize>, ConfigError)> = errors
            .into_iter()
            .map(|error| {
                (
                    self.marks.find(&error.path, phrase::part(&error.message)),
                    error,
                )
            })
            .collect();
        placed.sort_by_key(|(span, _)| span.start);
        placed.dedup_by(|a, b| a.0 == b.0 && a.1.message == b.1.message);
        let more = placed.len().saturating_sub(MAX_PROBLEMS);
        placed.truncate(MAX_PROBLEMS);
        let mut problems: Vec<Problem> = placed
            .into_iter()
            .map(|(span, error)| {
                let error = phrase::plain(self.substitutions.mask(error));
                Problem {
                    path: path_text(&error.path),
                    message: error.message,
                    help: error.help,
                    spot: Some(Spot::new(&self.text, span)),
                    other: None,
                }
            })
            .collect();
        if more > 0 {
            problems.push(Problem {
                path: String::new(),
                message: format!("{more} more mistakes are not shown"),
                help: None,
                spot: None,
                other: None,
            });
        }
        Report::new(&self.name, problems)
    }

    /// Every doubt with its place, in the order of the file, each on a line.
    #[must_use]
    pub fn warnings(&self, doubts: Vec<ConfigError>) -> Vec<String> {
        let report = self.report(doubts);
        let line = |problem: &Problem| {
            let Problem { path, message, .. } = problem;
            match &problem.spot {
                Some(Spot { line, column, .. }) => {
                    format!("{}:{line}:{column}: {path}: {message}", self.name)
                }
                None => format!("{}: {message}", self.name),
            }
        };
        report.problems().iter().map(line).collect()
    }

    /// An error of the parser that reads values, where the one that finds places saw none. They differ in a few corners
    /// of the language.
    fn syntax(&self, error: &serde_yaml::Error) -> Report {
        let at = error.location().map_or(0, |location| location.index());
        let message = error.to_string();
        let message = message
            .split_once(" at line ")
            .map_or(message.as_str(), |(message, _)| message);
        let wrong = Mistake {
            path: Vec::new(),
            span: at..at,
            message: format!("this is no YAML: {message}"),
            help: None,
            other: None,
        };
        Report::new(&self.name, vec![wrong.drawn(&self.text)])
    }
}

/// Not its values: secrets are among them.
impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Mistake {
    fn drawn(self, text: &str) -> Problem {
        Problem {
            path: path_text(&self.path),
            spot: Some(Spot::new(text, self.span)),
            message: self.message,
            help: self.help,
            other: self
                .other
                .map(|(span, what)| (Spot::new(text, span), what.to_owned())),
        }
    }
}

/// A path as people write it: `detections[2].rate_limit`.
fn path_text(path: &[Segment]) -> String {
    let text: String = path.iter().map(ToString::to_string).collect();
    text.trim_start_matches('.').to_owned()
}
