//! The head of an answer (RFC 9112, 4 and 5), and what body follows it (6.3).

use super::super::{Fault, lines};
use super::{MAX_FIELDS, MAX_HEAD, MAX_INTERIM, Wrong};

/// A head that is being scanned, line by line as the lines arrive.
#[derive(Debug)]
pub(super) struct Head {
    to_head: bool,
    /// Whether another protocol was asked for.
    to_upgrade: bool,
    interim: usize,
    /// Where the line begins that is not whole yet, and how many of its bytes hold no line end.
    line: usize,
    searched: usize,
    fields: usize,
    status: Option<Status>,
    length: Option<u64>,
    chunked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Status {
    code: u16,
    is_old: bool,
}

/// What follows a head.
#[derive(Debug)]
pub(super) enum Body {
    /// The head of another answer: this one was interim.
    Interim(Head),
    /// So many bytes.
    Counted(u64),
    /// Chunks.
    Chunked,
    /// Everything until the connection ends.
    UntilClose,
}

impl Head {
    /// A head of which nothing has come, in answer to a HEAD or to another method.
    pub(super) const fn new(to_head: bool) -> Self {
        Self::after(to_head, false, 0)
    }

    /// The same in answer to a request that asks for another protocol.
    pub(super) const fn of_upgrade() -> Self {
        Self::after(false, true, 0)
    }

    const fn after(to_head: bool, to_upgrade: bool, interim: usize) -> Self {
        Self {
            to_head,
            to_upgrade,
            interim,
            line: 0,
            searched: 0,
            fields: 0,
            status: None,
            length: None,
            chunked: false,
        }
    }

    /// Scans on; `bytes` begin with this head, and are those of the last call with more behind them. The length of the
    /// head and what follows it, once it is whole.
    pub(super) fn scan(&mut self, bytes: &[u8]) -> Result<Option<(usize, Body)>, Wrong> {
        loop {
            let rest = bytes.get(self.line..).unwrap_or_default();
            let Some(line) = lines::line(rest, self.searched)? else {
                self.searched = lines::unfinished(rest, self.searched)?;
                return if bytes.len() < MAX_HEAD {
                    Ok(None)
                } else {
                    Err(TOO_LONG)
                };
            };
            (self.line, self.searched) = (self.line + line.length, 0);
            if self.line > MAX_HEAD {
                return Err(TOO_LONG);
            }
            match self.status {
                None => self.status = Some(status_line(line.text)?),
                Some(status) if line.text.is_empty() => {
                    return Ok(Some((self.line, self.body(status)?)));
                }
                Some(_) => self.field(line.text)?,
            }
        }
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Wrong> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err("The head has more than 256 lines.");
        }
        let field = lines::field(line)?;
        if field.is("content-length") {
            if self.length.is_some() {
                return Err(Fault::ContentLengths.message());
            }
            self.length = Some(lines::content_length(field.value)?);
        } else if field.is("transfer-encoding") {
            if self.chunked {
                return Err(Fault::TransferEncodings.message());
            }
            lines::transfer_encoding(field.value)?;
            self.chunked = true;
        }
        Ok(())
    }

    /// What follows this head (RFC 9112, 6.3).
    fn body(&self, status: Status) -> Result<Body, Wrong> {
        if self.chunked && self.length.is_some() {
            return Err(Fault::BothFramings.message());
        }
        if self.chunked && status.is_old {
            return Err(Fault::TransferEncodingIn10.message());
        }
        // A length of nothing does no harm where none may be, and many send it.
        let claims_body = self.chunked || self.length.is_some_and(|length| length > 0);
        match status.code {
            101 if self.to_upgrade && !claims_body => Ok(Body::UntilClose),
            101 => Err("101 Switching Protocols came, which nobody asked for."),
            100..=199 if claims_body => Err("An interim answer claims a body."),
            100..=199 if self.interim >= MAX_INTERIM => {
                Err("There are more than 16 interim answers.")
            }
            100..=199 => Ok(Body::Interim(Self::after(
                self.to_head,
                self.to_upgrade,
                self.interim + 1,
            ))),
            204 if claims_body => Err("204 No Content claims a body."),
            204 | 304 => Ok(Body::Counted(0)),
            _ if self.to_head => Ok(Body::Counted(0)),
            _ if self.chunked => Ok(Body::Chunked),
            _ => Ok(self.length.map_or(Body::UntilClose, Body::Counted)),
        }
    }
}

const TOO_LONG: Wrong = "The head is longer than 64 KiB.";

/// `HTTP/1.1 200 OK`; the reason may be missing, and the space before it with it.
fn status_line(line: &[u8]) -> Result<Status, Wrong> {
    let (is_old, rest) = match line.split_at_checked(9) {
        Some((b"HTTP/1.1 ", rest)) => (false, rest),
        Some((b"HTTP/1.0 ", rest)) => (true, rest),
        _ => return Err("It does not begin like an answer in HTTP/1.1 or HTTP/1.0."),
    };
    let (code, reason) = match rest {
        [
            a @ b'1'..=b'5',
            b @ b'0'..=b'9',
            c @ b'0'..=b'9',
            reason @ ..,
        ] => {
            let digits = [a, b, c].map(|digit| u16::from(digit - b'0'));
            (
                digits.iter().fold(0, |code, digit| code * 10 + digit),
                reason,
            )
        }
        _ => return Err("The status is no number from 100 to 599."),
    };
    if reason.first().is_some_and(|first| *first != b' ') {
        return Err("Something sticks to the status.");
    }
    if !lines::is_value(reason) {
        return Err(Fault::Control.message());
    }
    Ok(Status { code, is_old })
}
