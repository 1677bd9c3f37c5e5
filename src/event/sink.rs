//! Where lines end up: nowhere, a stream, or a file that is rotated by size.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::config::{EventLog, EventsConfig};

/// A place for lines. It is given whole lines, and keeps them whole: what a failed write left half is taken back, or at
/// least ended.
pub(super) struct Sink {
    out: Out,
    /// Whether the last byte that went out did not end a line.
    torn: bool,
}

enum Out {
    Nowhere,
    Stream(Box<dyn Write + Send>),
    File(LogFile),
}

/// A file that grows up to a size, and then becomes `.1` while what was `.1` becomes `.2`, and so on.
struct LogFile {
    path: PathBuf,
    file: File,
    len: u64,
    /// The length that the file is not to grow beyond; `u64::MAX` where it is never rotated.
    full_at: u64,
    rotate: u64,
    keep: usize,
}

/// What became of some lines.
#[derive(Debug)]
pub(super) struct Written {
    /// How many of the bytes are out, all of them whole lines.
    pub(super) bytes: usize,
    /// Why not all of them are.
    pub(super) result: io::Result<()>,
}

// === impl Sink ===

impl Sink {
    /// The place that the configuration names; a relative path starts from `base`.
    pub(super) fn open(config: &EventsConfig, base: &Path) -> io::Result<Self> {
        match &config.log {
            EventLog::None => Ok(Self::new(Out::Nowhere)),
            EventLog::Stdout => Ok(Self::stream(Box::new(io::stdout()))),
            EventLog::File(path) => {
                let path = base.join(path);
                let torn = ends_within_a_line(&path);
                let file = LogFile::open(path, config.rotate.get(), config.keep)?;
                Ok(Self {
                    out: Out::File(file),
                    torn,
                })
            }
        }
    }

    /// A stream, such as standard output.
    pub(super) fn stream(stream: Box<dyn Write + Send>) -> Self {
        Self::new(Out::Stream(stream))
    }

    const fn new(out: Out) -> Self {
        Self { out, torn: false }
    }

    /// Whether a line of `bytes` is one too many after `before` bytes that are still to be written, so that the sink
    /// should be rotated between. A file holds at least one line, however long that is.
    pub(super) const fn is_full(&self, before: usize, bytes: usize) -> bool {
        match &self.out {
            Out::File(log) => {
                let len = log.len.saturating_add(before as u64);
                len > 0 && len.saturating_add(bytes as u64) > log.full_at
            }
            Out::Nowhere | Out::Stream(_) => false,
        }
    }

    /// Makes room; without effect on anything but files.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        let Out::File(log) = &mut self.out else {
            return Ok(());
        };
        log.rotate()?;
        self.torn = false;
        Ok(())
    }

    /// Opens the file again, because somebody moved it away; without effect on anything but files.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let Out::File(log) = &mut self.out else {
            return Ok(());
        };
        let torn = ends_within_a_line(&log.path);
        *log = LogFile::open(log.path.clone(), log.rotate, log.keep)?;
        self.torn = torn;
        Ok(())
    }

    /// Writes whole lines, as many as go.
    pub(super) fn write(&mut self, lines: &[u8]) -> Written {
        if self.torn {
            let ended = self.put(b"\n");
            if ended.result.is_err() {
                return Written { bytes: 0, ..ended };
            }
        }
        let put = self.put(lines);
        let out = lines.get(..put.bytes).unwrap_or(lines);
        let whole = memchr::memrchr(b'\n', out).map_or(0, |at| at.saturating_add(1));
        self.torn = whole < put.bytes && !self.take_back(put.bytes.saturating_sub(whole));
        Written {
            bytes: whole,
            result: put.result,
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Written {
        match &mut self.out {
            Out::Nowhere => Written {
                bytes: bytes.len(),
                result: Ok(()),
            },
            Out::Stream(stream) => {
                let mut written = write_counted(stream, bytes);
                written.result = written.result.and_then(|()| stream.flush());
                written
            }
            Out::File(log) => {
                let written = write_counted(&mut log.file, bytes);
                log.len = log.len.saturating_add(written.bytes as u64);
                written
            }
        }
    }

    /// Removes the last bytes of the file again; whether that was possible.
    fn take_back(&mut self, bytes: usize) -> bool {
        let Out::File(log) = &mut self.out else {
            return false;
        };
        // Somebody may have cut the file meanwhile; then its length is not ours to set.
        let ours = log.file.metadata().is_ok_and(|meta| meta.len() == log.len);
        let len = log.len.saturating_sub(bytes as u64);
        let done = ours && log.file.set_len(len).is_ok();
        if done {
            log.len = len;
        }
        done
    }
}

// === impl LogFile ===

impl LogFile {
    fn open(path: PathBuf, rotate: u64, keep: usize) -> io::Result<Self> {
        // Events name clients and what they sent: not for everybody on the machine.
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(&path)
            .map_err(|error| {
                io::Error::new(
                    error.kind(),
                    format!("cannot open `{}`: {error}", path.display()),
                )
            })?;
        let meta = file.metadata()?;
        let rotates = meta.is_file() && rotate > 0;
        Ok(Self {
            path,
            file,
            len: if meta.is_file() { meta.len() } else { 0 },
            full_at: if rotates { rotate } else { u64::MAX },
            rotate,
            keep,
        })
    }

    /// Moves every file one number up and begins a new one. When that fails, the file grows by as much again before it
    /// is tried again.
    fn rotate(&mut self) -> io::Result<()> {
        let moved = self.move_away();
        let opened = moved.and_then(|()| Self::open(self.path.clone(), self.rotate, self.keep));
        match opened {
            Ok(file) => {
                *self = file;
                Ok(())
            }
            Err(error) => {
                self.full_at = self.len.saturating_add(self.rotate);
                Err(error)
            }
        }
    }

    fn move_away(&self) -> io::Result<()> {
        // Also those beyond `keep`, which were kept when `keep` was greater.
        let mut beyond = self.keep.max(1);
        while fs::remove_file(self.numbered(beyond)).is_ok() {
            beyond = beyond.saturating_add(1);
        }
        if self.keep == 0 {
            return unless_gone(fs::remove_file(&self.path));
        }
        // Only as far as files exist, whatever number `keep` is.
        let last = (1..self.keep)
            .take_while(|&number| self.numbered(number).exists())
            .count();
        for number in (1..=last).rev() {
            fs::rename(
                self.numbered(number),
                self.numbered(number.saturating_add(1)),
            )?;
        }
        unless_gone(fs::rename(&self.path, self.numbered(1)))
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }
}

/// A file that somebody else moved away needs no moving.
fn unless_gone(moved: io::Result<()>) -> io::Result<()> {
    moved.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// Writes all bytes, and in any case says how many went out.
fn write_counted(out: &mut impl Write, bytes: &[u8]) -> Written {
    let mut rest = bytes;
    let result = loop {
        if rest.is_empty() {
            break Ok(());
        }
        match out.write(rest) {
            Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    Written {
        bytes: bytes.len().saturating_sub(rest.len()),
        result,
    }
}

/// Whether a file ends within a line, as after a power cut.
fn ends_within_a_line(path: &Path) -> bool {
    let last_byte = || {
        if !fs::metadata(path)?.is_file() {
            return Ok(b'\n');
        }
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        let mut byte = [0];
        file.read_exact(&mut byte).map(|()| byte[0])
    };
    last_byte().is_ok_and(|byte: u8| byte != b'\n')
        && fs::metadata(path).is_ok_and(|meta| meta.len() > 0)
}

// === impl fmt::Debug, fmt::Display ===

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({self})")
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.out {
            Out::Nowhere => f.write_str("nowhere"),
            Out::Stream(_) => f.write_str("standard output"),
            Out::File(log) => log.path.display().fmt(f),
        }
    }
}
