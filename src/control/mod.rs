//! The second listener: health for machines, and the API for operators. Never on the traffic port.
//!
//! It trusts nobody, not even on loopback, since a browser on the same machine carries requests of any site there: it
//! answers to its own names only, refuses pages of other origins, and takes a token for every change, and for everything
//! but bare health from other machines.

mod answer;
mod bans;
pub mod config;
mod guard;
pub mod health;
mod listener;
mod operations;
pub mod token;

pub use config::ControlConfig;
pub use health::{CanaryReport, ControlState, Effective, PolicyHealth, StateHealth};
pub use listener::serve;
pub use operations::{DetectionReport, Later, Operations, SiteReport, Stored};
