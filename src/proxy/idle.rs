//! Connections without a request on them: for how long they are kept, and how they make room for others.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::AcquireError;
use tokio::time::{Instant, interval, sleep_until};

use super::Proxy;
use super::activity::{Activity, End};
use super::slots::{Slot, Slots};
use super::tally::{self, Kind};

/// How often who waits for a slot looks for a connection that idles by now.
const LOOK: Duration = Duration::from_millis(50);

/// How long a connection idles before its buffers are given back.
const REST: Duration = Duration::from_millis(100);

/// Waits until the connection idles for too long, or is asked to end and can: it idles, or is within a head.
pub(super) async fn too_long(proxy: &Proxy, activity: &Activity) -> End {
    loop {
        let now = Instant::now();
        let longest = {
            let limits = &proxy.serving.load().limits;
            // Before its first request a connection is there for a head that has not begun.
            if activity.was_used() {
                limits.idle_time
            } else {
                limits.header_time
            }
        };
        let since = activity.idle_since();
        let due = since.unwrap_or(now) + longest.get();
        if since.is_some() && due <= now {
            return End::Idle;
        }
        // Where it does not idle now, it cannot have idled for too long before `due`.
        tokio::select! {
            () = sleep_until(due) => {}
            end = activity.asked_to_end() => {
                if let Some(end) = end {
                    return end;
                }
            }
        }
    }
}

/// Wakes the connections of one core that idle, all of them at once. Each with a timer of its own would wake the core's
/// driver when it sets that, which costs each new connection two system calls.
#[derive(Debug, Default)]
pub(super) struct Rests(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    tasks: Vec<Waker>,
    /// When they are woken, if there are any.
    until: Option<Instant>,
}

impl Rests {
    /// Wakes a task at the time that is given back, [`REST`] from now at the latest.
    fn wake(self: &Arc<Self>, waker: &Waker, now: Instant) -> Instant {
        let mut waiting = self.waiting();
        waiting.tasks.push(waker.clone());
        *waiting.until.get_or_insert_with(|| {
            let (this, until) = (Arc::clone(self), now + REST);
            tokio::spawn(async move {
                sleep_until(until).await;
                let all = std::mem::take(&mut *this.waiting());
                all.tasks.into_iter().for_each(Waker::wake);
            });
            until
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits until the connection has idled for [`REST`], and up to twice that. Only looks when its task is woken for another
/// reason, or when all that idle are: it is to be polled after whatever may make the connection idle.
pub(super) async fn rests(rests: &Arc<Rests>, activity: &Activity) {
    // Until when there is no need to ask to be woken again.
    let mut asked: Option<Instant> = None;
    std::future::poll_fn(|context| {
        let Some(since) = activity.idle_since() else {
            return Poll::Pending;
        };
        let now = Instant::now();
        if now >= since + REST {
            return Poll::Ready(());
        }
        if asked.is_none_or(|until| now >= until) {
            asked = Some(rests.wake(context.waker(), now));
        }
        Poll::Pending
    })
    .await;
}

/// A slot for a connection from `peer`. Where all are taken, connections that idle make room, or else such as have a part
/// of a head, and this one waits.
pub(super) async fn slot(
    proxy: &Proxy,
    slots: &Arc<Slots>,
    peer: IpAddr,
) -> Result<Slot, AcquireError> {
    match slots.take_free() {
        Some(slot) => Ok(slot),
        // Boxed like all that not every connection goes through.
        None => Box::pin(next_slot(proxy, slots, peer)).await,
    }
}

async fn next_slot(proxy: &Proxy, slots: &Arc<Slots>, peer: IpAddr) -> Result<Slot, AcquireError> {
    let mut slot = std::pin::pin!(slots.take());
    let mut look = interval(LOOK);
    let mut told = false;
    loop {
        tokio::select! {
            biased;
            slot = &mut slot => return slot,
            _ = look.tick() => {}
        }
        if !told {
            tally::tell(proxy, Kind::Connections, peer);
            told = true;
        }
        proxy.connections.make_room();
    }
}
