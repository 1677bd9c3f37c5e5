//! The gate itself: an incremental scan of a stream of requests, which yields no values, only how far bytes may go on.
//!
//! A head goes on whole, once it is complete and nothing in it is amiss; a body goes on as it comes. The gate keeps no
//! bytes: what it does not pass it is shown again with more behind it. It says where each message ends, and that has to be
//! where hyper sees it end; that it is so, is tested on streams of any bytes.

use std::ops::Range;

use super::chunked::{ChunkFault, Chunked, TrailerLimits};
use super::fault::Fault;
use super::lines::{self, Field, Line};
use super::target;
use crate::proxy::config::LimitsConfig;

/// How much of a head the gate takes.
#[derive(Clone, Copy, Debug)]
pub struct GateLimits {
    /// The longest head in bytes, the empty line at its end included.
    pub head: usize,
    /// The most header lines.
    pub headers: usize,
    /// The longest target.
    pub uri: usize,
}

impl From<&LimitsConfig> for GateLimits {
    fn from(limits: &LimitsConfig) -> Self {
        Self {
            head: limits.head.as_usize(),
            headers: limits.headers,
            uri: limits.uri.as_usize(),
        }
    }
}

/// What is to be done with the bytes that were shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many of them may go on: at least one, none beyond the end of a message.
    Pass(usize),
    /// So many of them mean nothing and go nowhere: the empty line that some clients send after a body.
    Skip(usize),
    /// None, before there are more.
    Wait,
}

/// Why a stream goes no further, and which of the bytes that were shown are to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// What is wrong.
    pub fault: Fault,
    /// The line or the part of it that is wrong.
    pub part: Range<usize>,
}

/// The scan of one connection's stream of requests.
#[derive(Clone, Debug)]
pub struct Gate {
    limits: GateLimits,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Head(Head),
    /// A body of known length; so much is to come.
    Length(u64),
    Chunked(Chunked),
    /// Something was wrong.
    Stopped(Fault),
}

/// A head as far as it has been read.
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    /// Whether an empty line was skipped before it.
    has_skipped: bool,
    /// Where the line begins that has not ended, and how far it was searched for its end; counted from the head's beginning.
    line: usize,
    searched: usize,
    is_begun: bool,
    is_1_0: bool,
    fields: usize,
    has_host: bool,
    is_chunked: bool,
    length: Option<u64>,
}

impl Gate {
    /// The gate of a new connection.
    #[must_use]
    pub fn new(limits: GateLimits) -> Self {
        Self {
            limits,
            state: State::Head(Head::default()),
        }
    }

    /// Whether it stands between two messages, or within a head of which nothing has gone on.
    #[must_use]
    pub const fn is_between(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// Looks at the bytes that follow those which went on or were skipped.
    ///
    /// # Errors
    /// When they are no well-formed request, or not within the limits. Nothing goes on then, nor later.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Step, Stop> {
        let scanned = match &mut self.state {
            State::Stopped(fault) => Err(Stop {
                fault: *fault,
                part: 0..0,
            }),
            _ if bytes.is_empty() => Ok(Step::Wait),
            State::Head(head) => head.scan(bytes, self.limits),
            State::Length(left) => {
                let here = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left -= here as u64;
                Ok(Step::Pass(here))
            }
            State::Chunked(chunked) => match chunked.scan(bytes) {
                Ok(0) => Ok(Step::Wait),
                // What is in order goes on before what is not is refused.
                Ok(passed)
                | Err(ChunkFault {
                    at: passed @ 1.., ..
                }) => Ok(Step::Pass(passed)),
                Err(ChunkFault { fault, at }) => Err(Stop {
                    fault,
                    part: at..line_end(bytes, at),
                }),
            },
        };
        match &scanned {
            Ok(Step::Pass(_)) => self.state = self.after(),
            Ok(_) => {}
            Err(stop) => self.state = State::Stopped(stop.fault),
        }
        scanned
    }

    /// What comes after bytes that went on.
    fn after(&self) -> State {
        match self.state {
            State::Head(Head {
                is_chunked: true, ..
            }) => State::Chunked(Chunked::new(TrailerLimits {
                bytes: self.limits.head,
                lines: self.limits.headers,
            })),
            State::Head(Head {
                length: Some(length @ 1..),
                ..
            }) => State::Length(length),
            State::Chunked(chunked) if !chunked.has_ended() => self.state,
            State::Length(1..) => self.state,
            _ => State::Head(Head::default()),
        }
    }
}

impl Head {
    fn scan(&mut self, bytes: &[u8], limits: GateLimits) -> Result<Step, Stop> {
        loop {
            let rest = bytes.get(self.line..).unwrap_or_default();
            let searched = self.searched.saturating_sub(self.line);
            let begin = self.line;
            let stop = |fault| Stop {
                fault,
                part: begin..line_end(bytes, begin),
            };
            let Some(line) = lines::line(rest, searched).map_err(stop)? else {
                return self.unfinished(rest, searched, limits).map_err(stop);
            };
            if !self.is_begun && !self.has_skipped && line.text.is_empty() {
                self.has_skipped = true;
                return Ok(Step::Skip(line.length));
            }
            let end = self.line + line.length;
            if end > limits.head {
                return Err(stop(Fault::HeadTooLarge));
            }
            let is_last = self.is_begun && line.text.is_empty();
            self.take(line, is_last, limits).map_err(stop)?;
            (self.line, self.searched) = (end, end);
            if is_last {
                return Ok(Step::Pass(end));
            }
        }
    }

    /// A line that has not ended: that it still can become one.
    fn unfinished(
        &mut self,
        rest: &[u8],
        searched: usize,
        limits: GateLimits,
    ) -> Result<Step, Fault> {
        let may_be_long = !self.is_begun && rest.len() > limits.uri;
        if may_be_long && lines::target_so_far(rest).len() > limits.uri {
            return Err(Fault::TargetTooLong);
        }
        if self.line + rest.len() >= limits.head {
            return Err(Fault::HeadTooLarge);
        }
        let checked = lines::unfinished(rest, searched)?;
        // What does not begin as a method will not become a request: another protocol, or the rest of a body.
        if !self.is_begun && rest != b"\r" && !lines::may_begin(rest) {
            return Err(Fault::StartLine);
        }
        self.searched = self.line + checked;
        Ok(Step::Wait)
    }

    /// Takes one whole line in.
    fn take(&mut self, line: Line<'_>, is_last: bool, limits: GateLimits) -> Result<(), Fault> {
        if is_last {
            return self.end();
        }
        if !self.is_begun {
            let request = lines::request_line(line.text)?;
            if request.target.len() > limits.uri {
                return Err(Fault::TargetTooLong);
            }
            (self.is_begun, self.is_1_0) = (true, request.is_1_0);
            return Ok(());
        }
        self.fields += 1;
        if self.fields > limits.headers {
            return Err(Fault::TooManyFields);
        }
        self.field(&lines::field(line.text)?)
    }

    /// Takes in what a header says about the framing and the way of its message.
    fn field(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        match field.name.len() {
            4 if field.is("host") => {
                if self.has_host {
                    return Err(Fault::Hosts);
                }
                if !target::is_host(field.value) {
                    return Err(Fault::Host);
                }
                self.has_host = true;
            }
            6 if field.is("expect") && !field.value.eq_ignore_ascii_case(b"100-continue") => {
                return Err(Fault::Expectation);
            }
            14 if field.is("content-length") => {
                if self.length.is_some() {
                    return Err(Fault::ContentLengths);
                }
                self.length = Some(lines::content_length(field.value)?);
            }
            17 if field.is("transfer-encoding") => {
                if self.is_chunked {
                    return Err(Fault::TransferEncodings);
                }
                if self.is_1_0 {
                    return Err(Fault::TransferEncodingIn10);
                }
                lines::transfer_encoding(field.value)?;
                self.is_chunked = true;
            }
            _ => return Ok(()),
        }
        if self.is_chunked && self.length.is_some() {
            return Err(Fault::BothFramings);
        }
        Ok(())
    }

    const fn end(&self) -> Result<(), Fault> {
        if self.has_host || self.is_1_0 {
            Ok(())
        } else {
            Err(Fault::NoHost)
        }
    }
}

/// Where the line that begins at `start` ends, or the bytes do.
fn line_end(bytes: &[u8], start: usize) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    memchr::memchr(b'\n', rest).map_or(bytes.len(), |at| start + at)
}
