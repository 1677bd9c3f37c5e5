//! The one place of the data plane that reads a clock; from here on, time is an argument.

use std::time::Instant;

/// The monotonic time.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// The time of day, UTC.
#[must_use]
pub fn time_of_day() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
