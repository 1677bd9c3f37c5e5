//! What is told: one [`Event`] for every refusal, would-be refusal, fault, reload and upstream failure; and, where the
//! operator wants it, one [`AccessRecord`] for every request.
//!
//! A request hands its event to the [`EventBus`] and goes on; it never waits for a disk or a pipe. What cannot be told is
//! counted, and the count is told as soon as something can be told again.

pub mod access;
pub mod bus;
pub mod config;
mod evidence;
mod excerpt;
pub mod id;
mod json;
mod log;
mod queue;
pub mod secrets;
mod sink;

use std::net::IpAddr;

use serde::Serialize;

pub use access::AccessRecord;
pub use bus::EventBus;
pub use evidence::Evidence;
pub use excerpt::Excerpt;
pub use id::EventId;

use crate::request::IdentitySource;

/// One thing that happened. Serialised as one flat JSON object; `schema` names the version of its fields.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// The version of the fields: 1.
    pub schema: u32,
    /// The same id as in the client's answer and in `X-Request-Id`.
    pub id: EventId,
    /// When it happened, UTC.
    pub time: jiff::Timestamp,
    /// What happened.
    pub kind: EventKind,
    /// Who caused it, where somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client: Option<EventClient>,
    /// The request's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The request's path, without the query, escaped and bounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The detection that decided; for other refusals the part of portcullis that did (`limits`, `upstream`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection: Option<String>,
    /// The rule that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Where the rule found what it found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What it found: bounded, escaped, secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// The score of the request when it was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<u32>,
    /// What was done.
    pub decision: Decision,
    /// The status that the client got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A sentence for a person.
    pub message: String,
    /// Everything else that was found in the same request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<EventFinding>,
    /// The ban that was made, lifted, or that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ban: Option<Box<EventBan>>,
    /// As much of the request as `events.excerpt` keeps of one that a detection found something in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Box<Excerpt>>,
    /// How long the judgement took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_us: Option<u64>,
    /// How many happenings this event stands for.
    pub count: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A detection found a threat.
    Threat,
    /// A request was malformed or over a hard limit.
    Refused,
    /// A body went on that was not, or not wholly, judged.
    Unjudged,
    /// A detection failed.
    Fault,
    /// The upstream could not be reached, was silent, or broke off.
    Upstream,
    /// The configuration was read again, or refused.
    Reload,
    /// The proxy started or stopped.
    Lifecycle,
    /// A client was banned, or let in again, or was not banned though the policy asked for it.
    Ban,
    /// Somebody changed something through the control listener.
    Audit,
    /// What should survive a restart cannot be stored, or can be stored again.
    State,
    /// Events could not be told; `count` says how many.
    Dropped,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// The request was refused.
    Block,
    /// The request was refused when its beginning had been forwarded; the upstream never got the end of it.
    Aborted,
    /// The request was forwarded; it would have been refused in enforce mode.
    WouldBlock,
    /// The request was forwarded.
    Pass,
    /// There was nothing to decide.
    None,
}

/// A client, as an event names it.
#[derive(Clone, Debug, Serialize)]
pub struct EventClient {
    /// The client's address.
    pub ip: IpAddr,
    /// Where the address was taken from.
    pub source: IdentitySource,
    /// The connection's other end.
    pub peer: IpAddr,
}

/// A ban, as an event tells of it.
#[derive(Clone, Debug, Serialize)]
pub struct EventBan {
    /// Who: an address, or a block of them.
    pub client: String,
    /// Who banned him: `policy`, `detection` or `operator`.
    pub source: String,
    /// Until when, UTC; absent where it is until it is lifted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<jiff::Timestamp>,
    /// How many bans in a row this is; 0 for one that does not count.
    pub level: u8,
}

/// One finding, as an event lists it.
#[derive(Clone, Debug, Serialize)]
pub struct EventFinding {
    /// The detection.
    pub detection: String,
    /// The rule.
    pub rule: String,
    /// The place.
    pub place: String,
    /// The evidence.
    pub evidence: Evidence,
    /// The score; absent where the rule decides at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<u32>,
    /// Whether it counted; false in monitor mode.
    pub enforced: bool,
    /// A sentence for a person.
    pub message: String,
}

impl Event {
    /// An event of a kind at a time, with nothing else known yet.
    #[must_use]
    pub fn new(
        id: EventId,
        time: jiff::Timestamp,
        kind: EventKind,
        message: impl Into<String>,
    ) -> Self {
        Self {
            schema: 1,
            id,
            time,
            kind,
            client: None,
            method: None,
            path: None,
            detection: None,
            rule: None,
            place: None,
            evidence: None,
            score: None,
            decision: Decision::None,
            status: None,
            message: message.into(),
            findings: Vec::new(),
            ban: None,
            request: None,
            duration_us: None,
            count: 1,
        }
    }
}
