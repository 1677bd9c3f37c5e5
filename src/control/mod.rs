//! The second listener: health for machines, and later the API and pages for people. Never on the traffic port.
//!
//! It trusts nobody, not even on loopback, since a browser on the same machine carries requests of any site there: it
//! answers to its own names only, refuses pages of other origins, and reads no bodies. It says nothing of clients or
//! their requests.

mod answer;
pub mod config;
pub mod health;
mod listener;

pub use config::ControlConfig;
pub use health::{CanaryReport, ControlState, Effective, PolicyHealth};
pub use listener::serve;
