//! Causes that many bans have, kept once: who attacks from a hundred thousand addresses does so by few rules.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::Cause;

/// The causes that were given lately.
#[derive(Debug, Default)]
pub(super) struct Causes(Mutex<HashSet<Arc<Cause>>>);

/// How many are kept; beyond it all are forgotten here, and stay with the bans that have them.
const MOST: usize = 1024;

impl Causes {
    /// The same cause, shared with the bans before that have it.
    pub(super) fn shared(&self, cause: &Arc<Cause>) -> Arc<Cause> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = known.get(cause) {
            return Arc::clone(same);
        }
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(Arc::clone(cause));
        Arc::clone(cause)
    }
}

#[cfg(test)]
mod tests {
    use super::super::BanSource;
    use super::*;

    fn cause(of: usize) -> Arc<Cause> {
        Arc::new(Cause {
            source: BanSource::Operator,
            detection: None,
            reason: format!("reason {of}").into(),
        })
    }

    #[test]
    fn equal_causes_are_one_and_few_are_kept() {
        let causes = Causes::default();
        let first = causes.shared(&cause(1));
        assert!(Arc::ptr_eq(&first, &causes.shared(&cause(1))));
        assert!(!Arc::ptr_eq(&first, &causes.shared(&cause(2))));
        for of in 0..5 * MOST {
            assert_eq!(causes.shared(&cause(of)), cause(of));
        }
        assert!(causes.0.lock().unwrap().len() <= MOST);
    }
}
