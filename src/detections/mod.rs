//! The detections that come with portcullis: one file or folder each, and this list.

pub mod ip_allowlist;
pub mod malicious_payload;
pub mod user_agent;

#[cfg(test)]
pub(crate) mod fixtures;

use crate::engine::Registry;

impl Default for Registry {
    /// Every detection that comes with portcullis, in the default order of the chain.
    fn default() -> Self {
        Self::empty()
            .with::<ip_allowlist::IpAllowlist>()
            .with::<user_agent::UserAgent>()
            .with::<malicious_payload::MaliciousPayload>()
    }
}
