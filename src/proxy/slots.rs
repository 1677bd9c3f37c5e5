//! How many connections may be open at a time: each holds a slot, and who finds none waits.
//!
//! A reload may change the number. Connections that are open stay; where there are too many, those that end give their
//! slot back to nobody until the number is right.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// The slots of all cores.
#[derive(Debug)]
pub struct Slots {
    free: Arc<Semaphore>,
    number: Mutex<Number>,
}

#[derive(Debug)]
struct Number {
    limit: usize,
    /// Slots that are held beyond the limit.
    excess: usize,
}

/// The slot of one connection, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Slots {
    /// As many slots.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit)),
            number: Mutex::new(Number { limit, excess: 0 }),
        }
    }

    /// Changes how many there are.
    pub fn resize(&self, limit: usize) {
        let mut number = self.number.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(more) = limit.checked_sub(number.limit) {
            let held = more.min(number.excess);
            number.excess -= held;
            self.free.add_permits(more - held);
        } else {
            let fewer = number.limit - limit;
            number.excess += fewer - self.free.forget_permits(fewer);
        }
        number.limit = limit;
    }

    /// A slot, as soon as one is free. Who came first is first.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Slot, AcquireError> {
        let permit = Arc::clone(&self.free).acquire_owned().await?;
        Ok(self.slot(permit))
    }

    /// A slot, if one is free. Where somebody waits, none is.
    pub(super) fn take_free(self: &Arc<Self>) -> Option<Slot> {
        let permit = Arc::clone(&self.free).try_acquire_owned().ok()?;
        Some(self.slot(permit))
    }

    fn slot(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Slot {
        Slot {
            slots: Arc::clone(self),
            permit: Some(permit),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let number = self.slots.number.lock();
        let mut number = number.unwrap_or_else(PoisonError::into_inner);
        if let Some(less) = number.excess.checked_sub(1) {
            number.excess = less;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A slot, if one is free now.
    fn taken(slots: &Arc<Slots>) -> Option<Slot> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(slots.take()).poll(&mut context) {
            Poll::Ready(slot) => slot.ok(),
            Poll::Pending => None,
        }
    }

    #[test]
    fn there_are_as_many_as_the_last_number_says() {
        let slots = Arc::new(Slots::new(3));
        let mut held: Vec<_> = (0..3).filter_map(|_| taken(&slots)).collect();
        assert_eq!(held.len(), 3);
        assert!(taken(&slots).is_none());
        // Two too many: the first two that end leave no room.
        slots.resize(1);
        held.truncate(1);
        assert!(taken(&slots).is_none());
        held.clear();
        let one = taken(&slots).expect("the only slot");
        assert!(taken(&slots).is_none());
        // More again, while one too many is held.
        slots.resize(4);
        let more: Vec<_> = (0..9).filter_map(|_| taken(&slots)).collect();
        assert_eq!(more.len(), 3);
        slots.resize(2);
        slots.resize(3);
        drop(one);
        assert!(taken(&slots).is_none());
        drop(more);
        let all: Vec<_> = (0..9).filter_map(|_| taken(&slots)).collect();
        assert_eq!(all.len(), 3);
    }

    #[test]
    fn free_slots_go_at_once() {
        let slots = Arc::new(Slots::new(5));
        slots.resize(2);
        let held: Vec<_> = (0..9).filter_map(|_| taken(&slots)).collect();
        assert_eq!(held.len(), 2);
    }
}
