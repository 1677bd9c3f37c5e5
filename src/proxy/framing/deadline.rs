//! A deadline that is set for every request and hardly ever met: the timer behind it is moved only when it fires.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// How long something may take, again and again.
#[derive(Debug)]
pub(super) struct Deadline {
    longest: Duration,
    at: Option<Instant>,
    /// Fires at the deadline or at an earlier one that was met.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    pub(super) const fn new(longest: Duration) -> Self {
        Self {
            longest,
            at: None,
            timer: None,
        }
    }

    /// It was met; the next begins when it is asked for.
    pub(super) const fn stop(&mut self) {
        self.at = None;
    }

    /// Whether it has passed. If none is running, it begins now; the task is woken when it passes.
    pub(super) fn has_passed(&mut self, context: &mut Context<'_>) -> bool {
        let longest = self.longest;
        let at = *self.at.get_or_insert_with(|| Instant::now() + longest);
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
        loop {
            if timer.as_mut().poll(context).is_pending() {
                return false;
            }
            if timer.deadline() >= at {
                return true;
            }
            timer.as_mut().reset(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::task::Poll;

    #[tokio::test(start_paused = true)]
    async fn each_deadline_is_counted_from_its_own_beginning() {
        let mut deadline = Deadline::new(Duration::from_secs(10));
        for _ in 0..3 {
            assert!(!poll_fn(|context| Poll::Ready(deadline.has_passed(context))).await);
            tokio::time::advance(Duration::from_secs(9)).await;
            assert!(!poll_fn(|context| Poll::Ready(deadline.has_passed(context))).await);
            deadline.stop();
        }
        let begun = Instant::now();
        poll_fn(|context| {
            if deadline.has_passed(context) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
    }
}
