//! The judgement: an ordered chain of detections, a policy over what they find, and one decision.
//!
//! Synchronous, without I/O and without a clock: what a detection may know is in its arguments, and the only thing that
//! it may change is [`Facts`](crate::clients::Facts).

pub mod ban_rule;
pub mod chain;
pub mod decide;
pub mod detection;
pub mod finding;
mod glob;
pub mod patterns;
pub mod policy;
pub mod registry;
pub mod trace;

pub use ban_rule::{BanConfig, BanRule};
pub use chain::{Chain, Link};
pub use decide::{Evaluation, Outcome};
pub use detection::{BodyNeed, Canary, Context, DetectionError, Phase, ThreatDetection, Verdict};
pub use finding::{Evidence, Finding, RuleId, RuleInfo, Score, Weight};
pub use glob::glob;
pub use policy::{Block, Mode, OnError, Permit, Policy, PolicyConfig, Sensitivity};
pub use registry::{FromConfig, Registry};
