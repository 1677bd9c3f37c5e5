//! A ban, and what it is made of.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A ban, as it is listed, stored and told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// Who is kept out: an address, or a block of them.
    #[serde(serialize_with = "as_client")]
    pub client: IpNet,
    /// Who banned him, and for what.
    #[serde(flatten)]
    pub cause: Arc<Cause>,
    /// Since when, UTC.
    pub since: jiff::Timestamp,
    /// Until when, UTC; `None` until it is lifted.
    pub until: Option<jiff::Timestamp>,
    /// How many bans in a row this is: 1 for the first; 0 for one that does not count.
    pub level: u8,
    /// How many requests it has refused.
    pub hits: u64,
}

/// Who banned a client, and for what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// Who banned him.
    pub source: BanSource,
    /// The detection whose finding led to it, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detection: Option<Arc<str>>,
    /// Why, in a sentence.
    pub reason: Arc<str>,
}

/// Who banned a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanSource {
    /// `policy.ban`: too many refused requests.
    Policy,
    /// A detection with a rule of its own for it, as `enumeration` has.
    Detection,
    /// Somebody who may, by `portcullis bans` or the control listener.
    Operator,
}

/// A ban that is to be.
#[derive(Clone, Debug)]
pub struct BanOrder {
    /// Who asks for it, and why.
    pub cause: Arc<Cause>,
    /// For how long; `None` until it is lifted.
    pub span: Option<Duration>,
}

/// A ban that refuses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Who is kept out.
    pub client: IpNet,
    /// Who banned him, and for what.
    pub cause: Arc<Cause>,
    /// For how long he is still kept out; `None` until it is lifted.
    pub left: Option<Duration>,
}

/// Why there is no ban.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotBanned {
    /// There are as many bans as `clients.max_keys` allows.
    #[error("there are as many bans as there may be")]
    Full,
}

impl std::fmt::Display for BanSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Detection => "detection",
            Self::Operator => "operator",
        })
    }
}

/// A block as people write it: one address without its length.
#[must_use]
pub fn client_text(client: IpNet) -> String {
    if client.prefix_len() == client.max_prefix_len() {
        client.addr().to_string()
    } else {
        client.to_string()
    }
}

fn as_client<S: serde::Serializer>(client: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&client_text(*client))
}
