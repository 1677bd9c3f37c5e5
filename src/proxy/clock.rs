//! The one place of the data plane that reads a clock; from here on, time is an argument.

use std::time::Instant;

/// The monotonic time.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, UTC.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the edge")]
pub fn timestamp() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
