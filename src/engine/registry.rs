//! Which detections there are: names, documentation, configuration and construction, in one table.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};

use super::detection::ThreatDetection;
use crate::config::{ConfigError, Load, Segment};

/// A detection that can be named in `rules.yaml`.
pub trait FromConfig: ThreatDetection + Sized + 'static {
    /// The name in `rules.yaml`: the attack, in words that read well after "detected …".
    const NAME: &'static str;

    /// Its configuration; the field docs are the operator's manual.
    type Config: DeserializeOwned + Serialize + JsonSchema + Default;

    /// Makes it. Everything that can be wrong or costs time happens here, once.
    ///
    /// # Errors
    /// Every mistake of meaning in the configuration, each at its path.
    fn from_config(config: Self::Config, load: &mut Load<'_>) -> Result<Self, Vec<ConfigError>>;

    /// Its documentation in Markdown, under the headings *What it detects*, *Why it matters*, *Example*, *Limits*;
    /// `portcullis rules show` prints it.
    fn documentation() -> String {
        String::new()
    }
}

/// The detections that a configuration can name. [`Registry::default`] holds those that come with portcullis.
#[derive(Debug, Clone)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// One registered detection.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name in `rules.yaml`.
    pub name: &'static str,
    /// Its documentation.
    pub documentation: fn() -> String,
    /// The JSON Schema of its configuration.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Its configuration with every key at its default.
    pub default_config: fn() -> serde_yaml::Value,
    /// Its section with every key that the section leaves out at its default, secrets masked.
    pub complete: fn(serde_yaml::Value) -> Result<serde_yaml::Value, ConfigError>,
    /// Makes it from its section (without the keys that every detection has).
    pub build: Build,
}

/// Makes a detection from its section.
pub type Build =
    fn(serde_yaml::Value, &mut Load<'_>) -> Result<Box<dyn ThreatDetection>, Vec<ConfigError>>;

impl Registry {
    /// A registry without any detection.
    #[must_use]
    pub const fn empty() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// The registry with one more detection; one of the same name is replaced.
    #[must_use]
    pub fn with<D: FromConfig>(mut self) -> Self {
        self.entries.retain(|entry| entry.name != D::NAME);
        self.entries.push(Entry {
            name: D::NAME,
            documentation: D::documentation,
            schema: D::Config::json_schema,
            default_config: || serde_yaml::to_value(D::Config::default()).unwrap_or_default(),
            complete: |section| {
                serde_yaml::to_value(read::<D::Config>(section)?)
                    .map_err(|error| ConfigError::new(error.to_string()))
            },
            build: |section, load| {
                let config = read::<D::Config>(section).map_err(|error| vec![error])?;
                D::from_config(config, load)
                    .map(|detection| Box::new(detection) as Box<dyn ThreatDetection>)
            },
        });
        self
    }

    /// All entries, in order of registration.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry of a name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

/// Reads a value into its type; an error carries the path to what is wrong. Nothing at all reads like `{}`.
///
/// # Errors
/// The first mistake of structure.
pub fn read<T: DeserializeOwned>(value: serde_yaml::Value) -> Result<T, ConfigError> {
    let value = if value.is_null() {
        serde_yaml::Value::Mapping(serde_yaml::Mapping::new())
    } else {
        value
    };
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().iter().filter_map(segment).collect();
        ConfigError {
            path,
            message: error.into_inner().to_string(),
            help: None,
        }
    })
}

fn segment(segment: &serde_path_to_error::Segment) -> Option<Segment> {
    match segment {
        serde_path_to_error::Segment::Seq { index } => Some(Segment::Item(*index)),
        serde_path_to_error::Segment::Map { key } => Some(Segment::Key(key.clone())),
        _ => None,
    }
}

/// The documentation at the head of a source file: its `//!` lines. For use with `include_str!`.
#[must_use]
pub fn module_documentation(source: &str) -> String {
    let mut text = String::new();
    for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
        text.push_str(line.strip_prefix(' ').unwrap_or(line));
        text.push('\n');
    }
    text
}
