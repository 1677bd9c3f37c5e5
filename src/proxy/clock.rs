//! The one place where a clock is read. Everything else is given the time, so that it can be tested at any.

use std::time::Instant;

/// The time for judging and measuring: it never goes back.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge at which time enters"
)]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day for events and answers, UTC.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the edge at which time enters"
)]
pub fn timestamp() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// A time of day as [`IdSource::next`](crate::event::id::IdSource::next) takes it; 0 for times before 1970.
#[must_use]
pub fn unix_milliseconds(time: jiff::Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or(0)
}
