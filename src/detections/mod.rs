//! The detections that come with portcullis: one file or folder each, and this list.

pub mod ban;
pub mod enumeration;
pub mod ip_allowlist;
pub mod malicious_payload;
pub mod path_pattern;
pub mod rate_limit;
pub mod user_agent;
pub mod weak_encryption;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod harness;

use crate::engine::Registry;

impl Default for Registry {
    /// Every detection that comes with portcullis, in the default order of the chain.
    fn default() -> Self {
        Self::empty()
            .with::<ban::Ban>()
            .with::<ip_allowlist::IpAllowlist>()
            .with::<weak_encryption::WeakEncryption>()
            .with::<user_agent::UserAgent>()
            .with::<rate_limit::RateLimit>()
            .with::<malicious_payload::MaliciousPayload>()
            .with::<enumeration::Enumeration>()
    }
}
