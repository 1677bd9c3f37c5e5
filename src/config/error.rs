//! What is wrong with a configuration, and where.

use std::fmt;

/// One mistake in a configuration, at a path inside the value that was read.
///
/// The place in the file (line, column, caret) is found from the path when the error is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Leads from the value that was read to the one that is wrong; empty for that value itself.
    pub path: Vec<Segment>,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// One step of a path into a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// The value under a key.
    Key(String),
    /// The n-th item of a list, counted from 0.
    Item(usize),
}

impl ConfigError {
    /// A mistake in the value at hand.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
            help: None,
        }
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same mistake, seen from the map that holds the value under `key`.
    #[must_use]
    pub fn under(mut self, key: impl Into<String>) -> Self {
        self.path.insert(0, Segment::Key(key.into()));
        self
    }

    /// The same mistake, seen from the list that holds the value at `index`.
    #[must_use]
    pub fn item(mut self, index: usize) -> Self {
        self.path.insert(0, Segment::Item(index));
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.path {
            write!(f, "{segment}")?;
        }
        if !self.path.is_empty() {
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        self.help
            .as_ref()
            .map_or(Ok(()), |help| write!(f, " ({help})"))
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, ".{key}"),
            Self::Item(index) => write!(f, "[{index}]"),
        }
    }
}
