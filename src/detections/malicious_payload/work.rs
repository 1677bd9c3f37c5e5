//! How much work one head or body may make.
//!
//! What a sender chooses must not choose how long a core is busy. Work is counted, not timed, so that the same request is
//! judged the same on every machine: a unit is one byte looked at by one expression, about a nanosecond.

/// What is left of the work that the inputs of one head or body may make.
#[derive(Debug)]
pub(super) struct Work {
    left: u64,
}

/// Units for each byte of what is judged. A long text with the signs of every attack makes some 45 for each form that it
/// has; ordinary text makes 20.
const FOR_EACH_BYTE: u64 = 92;

/// What is judged may make as much work as if it were at least this long. No head, and no body shorter than an eighth of
/// this, can make more, whatever is in it.
const AT_LEAST: u64 = 1 << 20;

/// What it costs to find out which expressions are to be run, in units for each byte of a form.
const FOR_EACH_FORM: u64 = 16;

impl Work {
    /// The work that `bytes` of raw input may make.
    pub(super) fn for_input(bytes: usize) -> Self {
        Self {
            left: AT_LEAST.max(bytes as u64).saturating_mul(FOR_EACH_BYTE),
        }
    }

    /// Takes the work of looking at a form of `bytes`; whether there was enough left.
    pub(super) fn take_form(&mut self, bytes: usize) -> bool {
        self.take((bytes as u64).saturating_mul(FOR_EACH_FORM))
    }

    /// Takes the work of running an expression on `bytes`; whether there was enough left.
    pub(super) fn take_run(&mut self, bytes: usize) -> bool {
        self.take(bytes as u64)
    }

    /// Whether more was asked for than there was.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.left == 0
    }

    fn take(&mut self, units: u64) -> bool {
        // What is not enough is gone as well, so that nothing is judged by halves.
        self.left = self.left.saturating_sub(units);
        !self.is_exhausted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_and_stays_ended() {
        let mut work = Work::for_input(10 << 20);
        for _ in 0..91 {
            assert!(work.take_run(10 << 20));
        }
        assert!(!work.take_run(10 << 20));
        assert!(work.is_exhausted());
        assert!(!work.take_form(0));
        let mut short = Work::for_input(1);
        assert!((0..5).all(|_| short.take_form(1 << 20)));
        assert!(!short.take_form(1 << 20));
    }
}
