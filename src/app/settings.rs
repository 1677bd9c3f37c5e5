//! The whole of `rules.yaml`, section by section, read into the types of the sections' owners.

use std::collections::BTreeSet;
use std::fmt;

use http::StatusCode;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use crate::config::phrase::suggest;
use crate::config::{ConfigError, Document};
use crate::control::config::ControlConfig;
use crate::engine::registry::read;
use crate::engine::{Mode, OnError, PolicyConfig, Registry};
use crate::event::config::EventsConfig;
use crate::proxy::config::{ClientsConfig, LimitsConfig, Listen, UpstreamConfig};
use crate::proxy::headers::HeadersConfig;
use crate::proxy::routes::config::RouteConfig;
use crate::store::state::StateConfig;

/// The sections of `rules.yaml`, in the order of the manual.
pub const SECTIONS: [&str; 12] = [
    "version",
    "listen",
    "upstream",
    "control",
    "state",
    "clients",
    "limits",
    "policy",
    "detections",
    "headers",
    "routes",
    "events",
];

/// The only version of the format so far.
pub const VERSION: u32 = 1;

/// A configuration, every key that it leaves out at its default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The version of the format: 1.
    pub version: u32,
    /// The addresses to listen on.
    pub listen: Listen,
    /// The application behind us.
    pub upstream: UpstreamConfig,
    /// The listener for operators.
    pub control: ControlConfig,
    /// What survives a restart.
    pub state: StateConfig,
    /// Who clients are.
    pub clients: ClientsConfig,
    /// Hard limits.
    pub limits: LimitsConfig,
    /// What is done about findings.
    pub policy: PolicyConfig,
    /// The chain, in the order of evaluation.
    pub detections: Vec<DetectionSection>,
    /// What is done to headers.
    pub headers: HeadersConfig,
    /// What holds for some hosts and paths and not for others.
    pub routes: Vec<Route>,
    /// Where events go.
    pub events: EventsConfig,
}

/// One item of `routes:`.
#[derive(Clone, Debug)]
pub struct Route {
    /// What it says.
    pub config: RouteConfig,
    /// The chain of its own, if it has one.
    pub detections: Option<Vec<DetectionSection>>,
}

/// One item of `detections:`.
#[derive(Clone)]
pub struct DetectionSection {
    /// The name of the detection.
    pub name: String,
    /// Its place in the list, counted from 0.
    pub index: usize,
    /// The settings that every detection has.
    pub common: Common,
    /// The settings of its own, not looked into yet.
    pub own: Value,
}

/// The settings that every detection has, beside its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Common {
    /// `enforce` or `monitor`, for this detection alone. Without it `policy.mode` holds.
    pub mode: Option<Mode>,
    /// The status of its refusals, 400 to 599. Default 403.
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<u16>,
    /// What happens when it fails to judge: `block` or `allow`. Without it `policy.on_error` holds.
    pub on_error: Option<OnError>,
    /// Rules whose findings are told as if the mode were `monitor`, and not acted upon; `*` stands for anything, as in
    /// `sql_injection.*`.
    pub monitor: Vec<String>,
}

impl Default for Settings {
    /// Everything at its default, and no detection.
    fn default() -> Self {
        Self {
            version: VERSION,
            listen: Listen::default(),
            upstream: UpstreamConfig::default(),
            control: ControlConfig::default(),
            state: StateConfig::default(),
            clients: ClientsConfig::default(),
            limits: LimitsConfig::default(),
            policy: PolicyConfig::default(),
            detections: Vec::new(),
            headers: HeadersConfig::default(),
            routes: Vec::new(),
            events: EventsConfig::default(),
        }
    }
}

impl Settings {
    /// Reads every section of a document. A section with a mistake is at its default in what is returned, so that the
    /// others can still be looked into. An absent `detections` is an empty chain here; `load` puts the default one there.
    #[must_use]
    pub fn read(document: &Document, registry: &Registry) -> (Self, Vec<ConfigError>) {
        let mut errors = unknown_sections(document);
        let settings = Self {
            version: section(document, "version", VERSION, &mut errors),
            listen: section(document, "listen", Listen::default(), &mut errors),
            upstream: section(document, "upstream", UpstreamConfig::default(), &mut errors),
            control: section(document, "control", ControlConfig::default(), &mut errors),
            state: section(document, "state", StateConfig::default(), &mut errors),
            clients: section(document, "clients", ClientsConfig::default(), &mut errors),
            limits: section(document, "limits", LimitsConfig::default(), &mut errors),
            policy: section(document, "policy", PolicyConfig::default(), &mut errors),
            detections: detections(document.section("detections"), registry, &mut errors),
            headers: section(document, "headers", HeadersConfig::default(), &mut errors),
            routes: routes(document.section("routes"), registry, &mut errors),
            events: section(document, "events", EventsConfig::default(), &mut errors),
        };
        (settings, errors)
    }
}

fn unknown_sections(document: &Document) -> Vec<ConfigError> {
    document
        .keys()
        .filter(|key| !SECTIONS.contains(key))
        .map(|key| {
            // In serde's words, so that all unknown keys are told of in the same way.
            let sections = SECTIONS.join("`, `");
            ConfigError::new(format!(
                "unknown field `{key}`, expected one of `{sections}`"
            ))
            .under(key)
        })
        .collect()
}

fn section<T: DeserializeOwned>(
    document: &Document,
    key: &str,
    default: T,
    errors: &mut Vec<ConfigError>,
) -> T {
    let Some(value) = document.section(key) else {
        return default;
    };
    read(value.clone()).unwrap_or_else(|error| {
        errors.push(error.under(key));
        default
    })
}

// === The list of routes ===

fn routes(list: Option<&Value>, registry: &Registry, errors: &mut Vec<ConfigError>) -> Vec<Route> {
    let items = match list {
        None => return Vec::new(),
        Some(Value::Sequence(items)) => items,
        Some(_) => {
            let wrong = ConfigError::new("the routes are a list");
            errors.push(
                wrong
                    .help("write `- { host: example.com, upstream: http://127.0.0.1:5001 }`")
                    .under("routes"),
            );
            return Vec::new();
        }
    };
    let mut routes = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = |error: ConfigError| error.item(index).under("routes");
        let config: RouteConfig = match read(item.clone()) {
            Ok(config) => config,
            Err(error) => {
                errors.push(at(error));
                continue;
            }
        };
        let mut wrong = Vec::new();
        let own = config.detections.as_ref();
        let detections = own.map(|list| detections(Some(list), registry, &mut wrong));
        errors.extend(wrong.into_iter().map(at));
        routes.push(Route { config, detections });
    }
    routes
}

// === The list of detections ===

fn detections(
    list: Option<&Value>,
    registry: &Registry,
    errors: &mut Vec<ConfigError>,
) -> Vec<DetectionSection> {
    let items = match list {
        None => return Vec::new(),
        Some(Value::Sequence(items)) => items,
        Some(_) => {
            let wrong = ConfigError::new("the detections are no list")
                .help("begin each with `- `, as in `- rate_limit: {}`; an empty list `[]` switches all off");
            errors.push(wrong.under("detections"));
            return Vec::new();
        }
    };
    let mut seen = BTreeSet::new();
    let mut sections = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        match detection(index, item, registry) {
            Ok(section) if !seen.insert(section.name.clone()) => {
                let wrong = ConfigError::new("this detection is in the list for the second time")
                    .help("put everything under one; a detection has one place in the chain");
                errors.push(wrong.under(section.name).item(index).under("detections"));
            }
            Ok(section) => sections.push(section),
            Err(error) => errors.push(error.item(index).under("detections")),
        }
    }
    sections
}

fn detection(
    index: usize,
    item: &Value,
    registry: &Registry,
) -> Result<DetectionSection, ConfigError> {
    let shape = || {
        ConfigError::new("an item of this list is one detection")
            .help("write `- NAME: { … }` or `- NAME`, with a `- ` before each name and its keys indented below it")
    };
    let (name, settings) = match item {
        Value::String(name) => (name, None),
        Value::Mapping(map) if map.len() == 1 => match map.iter().next() {
            Some((Value::String(name), settings)) => (name, Some(settings)),
            _ => return Err(shape()),
        },
        _ => return Err(shape()),
    };
    // Where the name stands alone, it is itself the value that is wrong.
    let at_name = |error: ConfigError| match settings {
        Some(_) => error.under(name),
        None => error,
    };
    if registry.find(name).is_none() {
        let names: Vec<&str> = registry.entries().iter().map(|entry| entry.name).collect();
        return Err(at_name(
            ConfigError::new(format!("there is no detection `{name}`")).help(suggest(
                name,
                &names,
                "the detections are",
            )),
        ));
    }
    let mut own = match settings {
        None | Some(Value::Null) => serde_yaml::Mapping::new(),
        Some(Value::Mapping(settings)) => settings.clone(),
        Some(_) => {
            return Err(at_name(
                ConfigError::new("the settings of a detection are no map")
                    .help(format!("write `- {name}: {{ key: value }}`")),
            ));
        }
    };
    let common = common(&mut own).map_err(at_name)?;
    Ok(DetectionSection {
        name: name.clone(),
        index,
        common,
        own: Value::Mapping(own),
    })
}

/// Takes the settings that every detection has out of a section.
fn common(settings: &mut serde_yaml::Mapping) -> Result<Common, ConfigError> {
    let mut taken = serde_yaml::Mapping::new();
    for key in Common::KEYS {
        if let Some(value) = settings.shift_remove(key) {
            taken.insert(key.into(), value);
        }
    }
    let common: Common = read(Value::Mapping(taken))?;
    match common.status {
        Some(status) if !(400..600).contains(&status) => Err(ConfigError::new(format!(
            "{status} is no status of a refusal"
        ))
        .help("write a status from 400 to 599, as in `403` or `429`")
        .under("status")),
        _ => Ok(common),
    }
}

/// Not the detection's own settings: secrets may be among them.
impl fmt::Debug for DetectionSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetectionSection")
            .field("name", &self.name)
            .field("common", &self.common)
            .finish_non_exhaustive()
    }
}

impl Common {
    /// Their keys.
    pub const KEYS: [&'static str; 4] = ["mode", "status", "on_error", "monitor"];

    /// The status of refusals.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
            .and_then(|status| StatusCode::from_u16(status).ok())
            .unwrap_or(StatusCode::FORBIDDEN)
    }
}
