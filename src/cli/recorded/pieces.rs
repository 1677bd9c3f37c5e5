//! A file taken apart into requests that are yet to be read.

use std::io::{BufRead, Read};
use std::path::Path;
use std::sync::Arc;

use super::{At, Format, Piece, Unreadable, har, http_file, line};

/// Why a file cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum FileError {
    /// The disk says so.
    #[error("cannot read {0}: {1}")]
    Io(Arc<str>, std::io::Error),
    /// It is in no format that is known.
    #[error(
        "{0} is no recording of requests: write JSON lines, a HAR, a request as it is sent, or a curl command line"
    )]
    Unknown(Arc<str>),
    /// It is in one, and broken.
    #[error(transparent)]
    Broken(#[from] Unreadable),
}

/// The pieces of a file, one after the other.
pub(in crate::cli) enum Pieces {
    /// All of them, found already.
    Found(std::vec::IntoIter<Piece>),
    /// A line each.
    Lines(Lines),
}

/// A file of lines while it is read.
pub(in crate::cli) struct Lines {
    file: Arc<str>,
    source: Box<dyn BufRead + Send>,
    number: usize,
    first: Option<Vec<u8>>,
}

/// A longer line, or a longer file that must be read as a whole, is not read: nothing that a proxy judges is as long.
const MAX_TEXT: u64 = 256 << 20;

impl Pieces {
    /// The requests of the file at `path`; `-` is standard input.
    ///
    /// # Errors
    /// When it cannot be opened, or is nothing that we know.
    pub(in crate::cli) fn open(path: &Path) -> Result<Self, FileError> {
        let file: Arc<str> = path.display().to_string().into();
        let source: Box<dyn Read + Send> = if path.as_os_str() == "-" {
            Box::new(std::io::stdin())
        } else {
            let opened = std::fs::File::open(path).and_then(|opened| {
                if opened.metadata()?.is_dir() {
                    return Err(std::io::ErrorKind::IsADirectory.into());
                }
                Ok(opened)
            });
            Box::new(opened.map_err(|error| FileError::Io(Arc::clone(&file), error))?)
        };
        Self::of(file, Box::new(std::io::BufReader::new(source)))
    }

    /// The requests of a text.
    pub(in crate::cli) fn of(
        file: Arc<str>,
        mut source: Box<dyn BufRead + Send>,
    ) -> Result<Self, FileError> {
        let (mut number, mut first) = (0, Vec::new());
        while first.trim_ascii().is_empty() {
            number += 1;
            first.clear();
            let read = read_line(&mut source, &mut first);
            if read.map_err(|error| FileError::Io(Arc::clone(&file), error))? == 0 {
                return Ok(Self::Found(Vec::new().into_iter()));
            }
            if let Some(rest) = first.strip_prefix(b"\xef\xbb\xbf") {
                first = rest.to_vec();
            }
        }
        let begins = first.trim_ascii_start();
        if begins.starts_with(b"{") && line::is_a_line(begins) {
            return Ok(Self::Lines(Lines {
                file,
                source,
                number: number - 1,
                first: Some(first),
            }));
        }
        let rest = read_all(&mut source);
        first.extend(rest.map_err(|error| FileError::Io(Arc::clone(&file), error))?);
        let at = At {
            file,
            line: number,
            column: 0,
        };
        whole(at, first)
    }

    /// The one request that is meant.
    ///
    /// # Errors
    /// When the file breaks off, when there is none, or no way to tell which.
    pub(in crate::cli) fn one(self, file: &str, which: &Which<'_>) -> Result<Piece, OneError> {
        let mut found = None;
        let mut count = 0;
        for piece in self {
            let piece = piece?;
            let is_meant = match which {
                Which::Only => true,
                Which::AtLine(line) => piece.at.line <= *line,
                Which::Called(id) => piece.is_called(id),
            };
            if is_meant {
                count += 1;
                found = Some(piece);
            }
        }
        match (found, which) {
            (Some(_), Which::Only) if count > 1 => Err(OneError::Many(file.into(), count)),
            (Some(piece), _) => Ok(piece),
            (None, Which::Only) => Err(OneError::Empty(file.into())),
            (None, Which::AtLine(line)) => {
                Err(OneError::None(file.into(), format!("at line {line}")))
            }
            (None, Which::Called(id)) => {
                let id = crate::event::secrets::printable(id.as_bytes(), 80);
                Err(OneError::None(file.into(), format!("with the id `{id}`")))
            }
        }
    }
}

/// Which request of a file is meant.
pub(in crate::cli) enum Which<'a> {
    /// The only one.
    Only,
    /// The one that this line is a part of.
    AtLine(usize),
    /// The one that its recording calls so.
    Called(&'a str),
}

/// Why there is not the one request that is meant.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum OneError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("there is no request in {0}: it is empty")]
    Empty(String),
    #[error("there is no request {1} in {0}")]
    None(String, String),
    #[error("there are {1} requests in {0}; choose one with `--line N` or `--id ID`")]
    Many(String, usize),
}

/// The pieces of a text that has to be looked at as a whole.
fn whole(at: At, text: Vec<u8>) -> Result<Pieces, FileError> {
    let begins = text.trim_ascii_start();
    let pieces = if begins.starts_with(b"{") && line::is_request(begins).unwrap_or(false) {
        // A request that somebody has laid out over several lines.
        vec![Piece {
            at,
            format: Format::Line,
            text,
        }]
    } else if begins.starts_with(b"{") {
        har::pieces(&at, &text)?
    } else if begins.starts_with(b"curl ") {
        vec![Piece {
            at,
            format: Format::Curl,
            text,
        }]
    } else if let Some(pieces) = http_file::pieces(&at, &text) {
        pieces
    } else {
        return Err(FileError::Unknown(at.file));
    };
    Ok(Pieces::Found(pieces.into_iter()))
}

impl Iterator for Pieces {
    type Item = Result<Piece, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Found(pieces) => pieces.next().map(Ok),
            Self::Lines(lines) => lines.next(),
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Piece, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut text = self.first.take().unwrap_or_default();
            self.number += 1;
            if text.is_empty() {
                match read_line(&mut self.source, &mut text) {
                    Ok(0) => return None,
                    Ok(_) => {}
                    Err(error) => {
                        return Some(Err(FileError::Io(Arc::clone(&self.file), error)));
                    }
                }
            }
            if !text.trim_ascii().is_empty() {
                let at = At {
                    file: Arc::clone(&self.file),
                    line: self.number,
                    column: 0,
                };
                return Some(Ok(Piece {
                    at,
                    format: Format::Line,
                    text,
                }));
            }
        }
    }
}

/// Everything that a source holds, within bounds.
pub(super) fn read_all(source: &mut dyn BufRead) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(MAX_TEXT + 1).read_to_end(&mut text)?;
    within_bounds(text.len())?;
    Ok(text)
}

fn read_line(source: &mut dyn BufRead, line: &mut Vec<u8>) -> std::io::Result<usize> {
    let length = source.take(MAX_TEXT + 1).read_until(b'\n', line)?;
    within_bounds(length)?;
    Ok(length)
}

fn within_bounds(length: usize) -> std::io::Result<()> {
    if length as u64 > MAX_TEXT {
        return Err(std::io::Error::other("it is longer than 256MiB"));
    }
    Ok(())
}
