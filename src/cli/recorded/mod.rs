//! Requests written down: what `explain` and `test` read.
//!
//! A format is told by its content, never by the name of its file:
//!
//! | begins with | is |
//! |---|---|
//! | a JSON object on each line | requests of a corpus, or lines of the event log |
//! | one JSON object with `log.entries` | a HAR, as browsers save it |
//! | `GET /path` | requests as they are sent; a line `###` stands between two, as in the `.http` files of editors |
//! | `curl ` | a command line of curl |
//!
//! A file becomes [`Piece`]s, one for each request, each with the place where it begins. A piece that cannot be read is an
//! [`Unreadable`] of its own, and those after it are read nevertheless.

mod curl;
mod har;
mod http_file;
mod line;
mod pieces;
mod shell;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::request::raw::{RawRequest, RawRequestError};

pub(super) use curl::parse as curl;
pub(super) use pieces::{FileError, OneError, Pieces, Which};

/// A request, and what its recording says of it.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) request: RawRequest,
    /// The name that its recording gives it; empty where it gives none.
    pub(super) id: String,
    pub(super) label: Option<Label>,
    pub(super) category: Option<String>,
    pub(super) source: Option<String>,
    pub(super) placement: Option<String>,
    /// Who sent it, where that is known.
    pub(super) client: Option<IpAddr>,
    /// Headers that were left out, since they cannot be sent: why, each.
    pub(super) unsendable: Vec<String>,
    /// What a reader must know to understand an outcome that differs from the original's, a sentence each.
    pub(super) notes: Vec<String>,
}

/// What a request is known to be.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Deserialize,
    serde::Serialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub(super) enum Label {
    /// It must be refused
    Malicious,
    /// It must pass
    Legit,
}

/// Where something is in a file. Lines and columns count from 1; a column counts bytes, and 0 is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At {
    pub(super) file: Arc<str>,
    pub(super) line: usize,
    pub(super) column: usize,
}

/// One request of a file, not read yet.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) at: At,
    format: Format,
    text: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Line,
    Har,
    Http,
    Curl,
}

/// Why a piece is no request.
#[derive(Debug, thiserror::Error)]
#[error("{at}: {message}")]
pub(super) struct Unreadable {
    pub(super) at: At,
    pub(super) message: String,
}

/// What is wrong with a text, by the line and column in it.
#[derive(Debug)]
pub(super) struct Wrong {
    line: usize,
    column: usize,
    message: String,
}

impl Piece {
    /// Reads it.
    ///
    /// # Errors
    /// Where it cannot be read, and why.
    pub(super) fn read(&self) -> Result<Recorded, Unreadable> {
        let read = match self.format {
            Format::Line => line::read(&self.text),
            Format::Har => har::read(&self.text),
            Format::Http => RawRequest::parse(&self.text)
                .map(Recorded::from)
                .map_err(Wrong::from),
            Format::Curl => curl::parse(&String::from_utf8_lossy(&self.text)),
        };
        read.map_err(|wrong| wrong.within(&self.at))
    }

    /// Whether its recording calls it `id`.
    fn is_called(&self, id: &str) -> bool {
        self.format == Format::Line && line::is_called(&self.text, id)
    }
}

impl Wrong {
    fn new(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self {
            line,
            column,
            message: message.into(),
        }
    }

    /// What serde says, without the position that it puts behind.
    fn of_json(error: &serde_json::Error) -> Self {
        let said = error.to_string();
        let (line, column) = (error.line(), error.column());
        let place = format!(" at line {line} column {column}");
        Self::new(line, column, said.strip_suffix(&place).unwrap_or(&said))
    }

    /// The same as a place in the file.
    fn within(self, at: &At) -> Unreadable {
        let column = match (self.line, self.column) {
            (0 | 1, 0) => at.column,
            (0 | 1, column) => at.column.max(1) + column - 1,
            (_, column) => column,
        };
        Unreadable {
            at: At {
                file: Arc::clone(&at.file),
                line: at.line + self.line.saturating_sub(1),
                column,
            },
            message: self.message,
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match (self.line, self.column) {
            (0 | 1, 0) => Ok(()),
            (0 | 1, column) => write!(f, ", at column {column}"),
            (line, column) => write!(f, ", at line {line}, column {column}"),
        }
    }
}

impl From<RawRequestError> for Wrong {
    fn from(error: RawRequestError) -> Self {
        Self::new(error.line, error.column, error.wrong.to_string())
    }
}

impl From<RawRequest> for Recorded {
    fn from(request: RawRequest) -> Self {
        Self {
            request,
            id: String::new(),
            label: None,
            category: None,
            source: None,
            placement: None,
            client: None,
            unsendable: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
