//! The detections that come with portcullis: one file or folder each, and this list.

pub mod enumeration;
#[cfg(test)]
mod harness;
pub mod path_pattern;
pub mod rate_limit;

use crate::engine::Registry;

impl Default for Registry {
    /// Every detection that comes with portcullis, in the default order of the chain.
    fn default() -> Self {
        Self::empty()
            .with::<rate_limit::RateLimit>()
            .with::<enumeration::Enumeration>()
    }
}
