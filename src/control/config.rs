//! The `control:` section.

use std::net::SocketAddr;

use crate::config::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The listener for operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ControlConfig {
    /// Address and port of `/livez` and `/readyz`; `null` turns the listener off.
    pub listen: Option<SocketAddr>,
    /// What every change takes, and from other machines everything but bare health: sent as `Authorization: Bearer TOKEN`, 16
    /// characters or more. `null`: the one in `control.token` in the state directory, which is made where it is missing.
    pub token: Option<Secret>,
    /// Names that the listener may be called by besides `localhost` and its own address.
    pub hosts: Vec<String>,
}

impl Default for ControlConfig {
    fn default() -> Self {
        Self {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 9090))),
            token: None,
            hosts: Vec::new(),
        }
    }
}
