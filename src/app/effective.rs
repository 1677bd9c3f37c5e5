//! What holds, key by key: the file's settings and the defaults of everything that it leaves out.

use serde::Serialize;
use serde_yaml::{Mapping, Value};

use super::load::Loaded;
use super::settings::DetectionSection;
use crate::control::config::ControlConfig;
use crate::engine::{PolicyConfig, Registry};
use crate::event::config::EventsConfig;
use crate::proxy::config::{ClientsConfig, LimitsConfig, ListenAddress, UpstreamConfig};
use crate::proxy::headers::HeadersConfig;
use crate::proxy::routes::config::RouteConfig;
use crate::store::state::StateConfig;

/// The sections in the order of the manual.
#[derive(Serialize)]
struct Effective<'a> {
    version: u32,
    listen: &'a [ListenAddress],
    upstream: &'a UpstreamConfig,
    control: &'a ControlConfig,
    state: &'a StateConfig,
    clients: &'a ClientsConfig,
    limits: &'a LimitsConfig,
    policy: &'a PolicyConfig,
    detections: Vec<Value>,
    headers: &'a HeadersConfig,
    routes: Vec<&'a RouteConfig>,
    events: &'a EventsConfig,
}

impl Loaded {
    /// A configuration that means the same and leaves no key out. Secrets are masked, and what comes from outside the
    /// file stands there by its reference, `${NAME}`.
    #[must_use]
    pub fn effective(&self, registry: &Registry) -> Value {
        let settings = &self.settings;
        let effective = Effective {
            version: settings.version,
            listen: &settings.listen.0,
            upstream: &settings.upstream,
            control: &settings.control,
            state: &settings.state,
            clients: &settings.clients,
            limits: &settings.limits,
            policy: &settings.policy,
            detections: settings
                .detections
                .iter()
                .map(|section| self.detection(section, registry))
                .collect(),
            headers: &settings.headers,
            routes: settings.routes.iter().map(|route| &route.config).collect(),
            events: &settings.events,
        };
        let mut value = serde_yaml::to_value(effective).unwrap_or_default();
        self.document().scrub_value(&mut value);
        value
    }

    fn detection(&self, section: &DetectionSection, registry: &Registry) -> Value {
        let own = registry
            .find(&section.name)
            .and_then(|entry| (entry.complete)(section.own.clone()).ok());
        let policy = &self.settings.policy;
        let text = |value: Result<Value, serde_yaml::Error>| value.unwrap_or_default();
        let mut settings = Mapping::new();
        settings.insert(
            "mode".into(),
            text(serde_yaml::to_value(
                section.common.mode.unwrap_or(policy.mode),
            )),
        );
        settings.insert("status".into(), section.common.status().as_u16().into());
        settings.insert(
            "on_error".into(),
            text(serde_yaml::to_value(
                section.common.on_error.unwrap_or(policy.on_error),
            )),
        );
        settings.insert(
            "monitor".into(),
            text(serde_yaml::to_value(&section.common.monitor)),
        );
        if let Some(Value::Mapping(own)) = own {
            settings.extend(own);
        }
        let mut item = Mapping::new();
        item.insert(section.name.as_str().into(), Value::Mapping(settings));
        Value::Mapping(item)
    }
}
