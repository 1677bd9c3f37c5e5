//! The traffic listener: accepting, identifying, judging and forwarding requests.

pub mod clock;
pub mod config;
