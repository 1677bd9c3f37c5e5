//! Who is waited for must come on: a least rate over a span of waiting, and a longest pause.
//!
//! Only the time counts in which the other side is waited for, so that a client is never held to account for an upstream
//! that is slow to take what it sends, or slow to give what it is to read.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Watches over one direction of a transfer.
#[derive(Debug)]
pub(super) struct Pace {
    /// The longest pause, and how much waiting the rate is measured over.
    span: Duration,
    /// How many bytes a span of waiting must bring.
    least: u64,
    /// The waiting and the bytes of the span under way, without a pause that goes on.
    waited: Duration,
    bytes: u64,
    pause: Option<Waiting>,
}

/// A pause that goes on; its timer exists only while there is one.
#[derive(Debug)]
struct Waiting {
    began: Instant,
    /// Until when the waiting is counted in `waited`.
    counted: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Pace {
    /// At least `rate` bytes a second on average over `span` of waiting, and no pause of `span`.
    pub(super) fn new(span: Duration, rate: u64) -> Self {
        let least = u128::from(rate) * span.as_millis() / 1000;
        Self {
            span,
            least: u64::try_from(least).unwrap_or(u64::MAX),
            waited: Duration::ZERO,
            bytes: 0,
            pause: None,
        }
    }

    /// The other side is waited for; whether that takes too long. If not yet, the task is woken when it does.
    pub(super) fn is_too_slow(&mut self, context: &mut Context<'_>) -> bool {
        let Self {
            span,
            least,
            waited,
            bytes,
            pause,
        } = self;
        let waiting = pause.get_or_insert_with(|| {
            let now = Instant::now();
            Waiting {
                began: now,
                counted: now,
                timer: Box::pin(tokio::time::sleep_until(now + span.saturating_sub(*waited))),
            }
        });
        while waiting.timer.as_mut().poll(context).is_ready() {
            let now = waiting.timer.deadline();
            *waited += now.saturating_duration_since(waiting.counted);
            waiting.counted = now;
            let ends = waiting.began + *span;
            if now >= ends || (*waited >= *span && *bytes < *least) {
                return true;
            }
            if *waited >= *span {
                (*waited, *bytes) = (Duration::ZERO, 0);
            }
            let next = now + span.saturating_sub(*waited);
            waiting.timer.as_mut().reset(next.min(ends));
        }
        false
    }

    /// Bytes have come on.
    pub(super) fn came(&mut self, bytes: usize) {
        if let Some(waiting) = self.pause.take() {
            self.waited += Instant::now().saturating_duration_since(waiting.counted);
        }
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use tokio::time::{sleep, timeout};

    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    async fn too_slow(pace: &mut Pace) {
        std::future::poll_fn(|context| {
            if pace.is_too_slow(context) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Seconds until a sender is too slow that brings `bytes` after every `pause`; `None` if it is not within an hour.
    async fn lasts(rate: u64, pause: Duration, bytes: usize) -> Option<u64> {
        let (mut pace, began) = (Pace::new(SPAN, rate), Instant::now());
        let hour = Duration::from_secs(3600);
        while began.elapsed() < hour {
            if timeout(pause, too_slow(&mut pace)).await.is_ok() {
                return Some(began.elapsed().as_secs());
            }
            pace.came(bytes);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn a_trickle_ends_and_a_rate_that_is_kept_does_not() {
        let second = Duration::from_secs(1);
        assert_eq!(lasts(100, second, 1).await, Some(10));
        assert_eq!(lasts(100, second, 90).await, Some(10));
        assert_eq!(lasts(100, second, 120).await, None);
        assert_eq!(lasts(0, second, 1).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_ends_even_after_a_great_deal() {
        // A burst before the pause does not make it longer.
        let mut pace = Pace::new(SPAN, 100);
        assert!(
            timeout(Duration::from_secs(9), too_slow(&mut pace))
                .await
                .is_err()
        );
        pace.came(1_000_000);
        let began = Instant::now();
        too_slow(&mut pace).await;
        assert_eq!(began.elapsed(), SPAN);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_is_waited_for_does_not_count() {
        let mut pace = Pace::new(SPAN, 100);
        for _ in 0..100 {
            assert!(
                timeout(Duration::from_secs(4), too_slow(&mut pace))
                    .await
                    .is_err()
            );
            pace.came(500);
            sleep(Duration::from_secs(60)).await;
        }
    }
}
