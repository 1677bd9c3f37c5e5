//! Whether the other end has gone, where what it sent before is not read.

use std::task::Context;
use std::time::Duration;

use super::deadline::Deadline;

/// A stream that knows, without reading what came, whether the other end has ended its side.
pub(in crate::proxy) trait Departs {
    /// Whether the other end will send nothing more. What it sent before may be unread.
    fn has_departed(&self, context: &mut Context<'_>) -> bool;
}

/// Looks now and then whether a client has gone from which no more is read.
#[derive(Debug)]
pub(super) struct Watch(Deadline);

impl Default for Watch {
    fn default() -> Self {
        Self(Deadline::new(Duration::from_millis(250)))
    }
}

impl Watch {
    /// Whether it was time to look, and the client has gone; the task is woken when it is time again.
    pub(super) fn sees_the_end(
        &mut self,
        stream: &impl Departs,
        context: &mut Context<'_>,
    ) -> bool {
        while self.0.has_passed(context) {
            self.0.stop();
            if stream.has_departed(context) {
                return true;
            }
        }
        false
    }
}
