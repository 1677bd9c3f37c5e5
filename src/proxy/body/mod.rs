//! Bodies under way: a request's body to the upstream, an answer's body to the client.
//!
//! Both stream piece by piece in constant memory; tiny chunks of a request that come together go on together. A pause
//! longer than allowed, a length beyond its limit, a break, or a part that the chain refuses ends the stream with an error, which makes hyper close the
//! connection: a cut body is never presented whole.

mod answer;
mod arriving;
mod client_request;
mod gather;
mod judged;
mod request;
mod spool;

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use tokio::time::{Instant, Sleep};

pub(super) use self::answer::{ClientBody, Meter, Mishap};
pub(super) use self::client_request::ClientRequest;
pub(super) use self::judged::{Form, JudgeUnit};
pub(super) use self::request::{Progress, UpstreamBody};
pub(super) use self::spool::{HoldError, hold};

/// Why a body ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is longer than its limit")]
    TooLarge,
    #[error("the sender paused for too long")]
    Paused,
    #[error("the sender broke off")]
    Broken,
    #[error("the chain refused a part of the body, with {0}")]
    Denied(StatusCode),
    #[error("too many bodies wait to be judged")]
    Overloaded,
    #[error("too much is held of bodies that are to be judged")]
    Full,
    #[error("what is held on disk cannot be read")]
    Unreadable,
}

/// A frame as it may go on: trailers as `strip` leaves them.
fn stripped(frame: Frame<Bytes>, strip: impl FnOnce(&mut HeaderMap)) -> Frame<Bytes> {
    match frame.into_trailers() {
        Ok(mut trailers) => {
            strip(&mut trailers);
            Frame::trailers(trailers)
        }
        Err(frame) => frame,
    }
}

/// The longest allowed pause of a sender; its timer exists only while there is one.
struct Pause {
    longest: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pause {
    const fn new(longest: Duration) -> Self {
        Self {
            longest,
            timer: None,
        }
    }

    /// Whether the pause that goes on is too long; wakes the task when it is.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let longest = self.longest;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + longest)));
        timer.as_mut().poll(context).is_ready()
    }

    fn reset(&mut self) {
        self.timer = None;
    }
}
