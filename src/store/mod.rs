//! What survives a restart.
//!
//! `state` is the small database of what must never be lost: bans, and what leads to them.

pub mod state;
