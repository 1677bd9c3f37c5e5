//! What a client may cost, and for how long: memory, work, and the time of slow ones.

mod memory;

/// How much of a long test is run: 1 is all of it.
#[expect(dead_code, reason = "to come")]
fn share() -> f64 {
    let share = std::env::var("PORTCULLIS_SOAK").ok();
    share
        .and_then(|share| share.parse::<f64>().ok())
        .unwrap_or(0.1)
        .clamp(0.01, 1.0)
}
