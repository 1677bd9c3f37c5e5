//! What the control listener asks of the rest of the program.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Instant;

use ipnet::IpNet;
use serde::Serialize;

use crate::engine::Mode;

/// An answer that takes its time.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What the control listener asks of the rest of the program.
pub trait Operations: fmt::Debug + Send + Sync {
    /// Reads the configuration again: its revision, or what is wrong with it, drawn for a person.
    fn reload(&self) -> Later<Result<String, String>>;

    /// Why a block must not be banned; `None` where it may be.
    fn protects(&self, client: IpNet) -> Option<&'static str>;

    /// Whether any chain in force refuses banned clients.
    fn obeys_bans(&self) -> bool;

    /// Whether the change of this number is stored: waits until it was dealt with.
    fn stored(&self, sequence: u64) -> Later<Stored>;

    /// Tells that somebody at `peer` did something: "banned 192.0.2.1".
    fn audit(&self, peer: IpAddr, deed: String);

    /// The time for judging.
    fn now(&self) -> Instant;

    /// The sites that requests are served under.
    fn sites(&self) -> Vec<SiteReport>;
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stored {
    /// It is on the disk.
    OnDisk,
    /// It is in memory, as the configuration wants it.
    InMemory,
    /// It should be on the disk, and is not.
    Failed,
}

/// The policy of a route, or of requests on none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SiteReport {
    /// The host of the route; absent where it is for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The path that it begins with; absent where it is for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The mode that holds where a detection has none of its own.
    pub mode: Mode,
    /// The detections in their order, each with whether what it finds is acted upon.
    pub detections: Vec<DetectionReport>,
}

/// A detection of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DetectionReport {
    /// Its name.
    pub name: String,
    /// Whether what it finds is acted upon.
    pub mode: Mode,
}
