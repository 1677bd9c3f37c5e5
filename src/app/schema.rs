//! The JSON Schema of `rules.yaml`, for editors; and the list of all its keys, for the tests that hold the manual and
//! the keys' effects to it.

use std::collections::BTreeSet;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::settings::{Common, VERSION};
use crate::control::config::ControlConfig;
use crate::engine::registry::Entry;
use crate::engine::{PolicyConfig, Registry};
use crate::event::config::EventsConfig;
use crate::proxy::config::{ClientsConfig, LimitsConfig, Listen, UpstreamConfig};
use crate::proxy::headers::HeadersConfig;
use crate::proxy::routes::config::RouteConfig;
use crate::store::state::StateConfig;

/// The JSON Schema (2020-12) of a configuration that may name the detections of `registry`.
#[must_use]
pub fn schema(registry: &Registry) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let detections: Vec<Value> = registry
        .entries()
        .iter()
        .map(|entry| item(entry, &mut generator))
        .collect();
    let names: Vec<&str> = registry.entries().iter().map(|entry| entry.name).collect();
    let mut alternatives = vec![
        json!({ "enum": names, "description": "A detection with all its keys at their defaults." }),
    ];
    alternatives.extend(detections);
    let properties = json!({
        "version": { "const": VERSION, "description": "The version of this format." },
        "listen": section::<Listen>(&mut generator),
        "upstream": section::<UpstreamConfig>(&mut generator),
        "control": section::<ControlConfig>(&mut generator),
        "state": section::<StateConfig>(&mut generator),
        "clients": section::<ClientsConfig>(&mut generator),
        "limits": section::<LimitsConfig>(&mut generator),
        "policy": section::<PolicyConfig>(&mut generator),
        "detections": {
            "type": "array",
            "description": "The chain: its order is the order of evaluation, and a detection that is not in it is off.",
            "items": { "oneOf": alternatives },
        },
        "headers": section::<HeadersConfig>(&mut generator),
        "routes": {
            "type": "array",
            "description": "What holds for some hosts and paths and not for others.",
            "items": section::<RouteConfig>(&mut generator),
        },
        "events": section::<EventsConfig>(&mut generator),
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "rules.yaml of portcullis",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "$defs": generator.take_definitions(true),
    })
}

fn section<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

/// The single-key map of one detection: the keys of its own, and those that every detection has.
fn item(entry: &Entry, generator: &mut SchemaGenerator) -> Value {
    let mut settings = (entry.schema)(generator).to_value();
    let common = Common::json_schema(generator).to_value();
    if let Some(settings) = settings.as_object_mut() {
        let properties = settings
            .entry("properties")
            .or_insert_with(|| Value::Object(Map::new()));
        if let (Some(properties), Some(common)) = (
            properties.as_object_mut(),
            common.get("properties").and_then(Value::as_object),
        ) {
            properties.extend(common.clone());
        }
        settings.remove("$schema");
        settings.insert("type".into(), json!(["object", "null"]));
    }
    json!({
        "type": "object",
        "properties": { entry.name: settings },
        "required": [entry.name],
        "additionalProperties": false,
    })
}

// === The keys ===

/// Every key of a configuration that holds a value, as in `limits.body` or `detections.rate_limit.limits[].per`. The keys
/// that every detection has are there once, as in `detections.*.mode`.
#[must_use]
pub fn keys(registry: &Registry) -> BTreeSet<String> {
    let schema = schema(registry);
    let mut keys = BTreeSet::new();
    let mut open = vec![(String::new(), &schema, 0)];
    while let Some((path, node, depth)) = open.pop() {
        // Types that hold themselves would go on for ever; nobody nests a configuration so deep.
        if depth > MAX_DEPTH {
            continue;
        }
        for shape in shapes(node, &schema) {
            let inner = inner(&path, shape);
            if inner.is_empty() && !is_null(shape) {
                keys.insert(path.trim_end_matches("[]").to_owned());
            }
            open.extend(
                inner
                    .into_iter()
                    .map(|(path, node)| (path, node, depth + 1)),
            );
        }
    }
    keys.into_iter().map(|key| shared(key, registry)).collect()
}

const MAX_DEPTH: usize = 16;

/// What a schema allows, alternatives and references resolved.
fn shapes<'s>(node: &'s Value, root: &'s Value) -> Vec<&'s Value> {
    let mut shapes = Vec::new();
    let mut open = vec![(node, 0)];
    while let Some((node, depth)) = open.pop() {
        if depth > MAX_DEPTH {
            continue;
        }
        let alternatives: Vec<&Value> = ["anyOf", "oneOf", "allOf"]
            .iter()
            .filter_map(|word| node.get(word)?.as_array())
            .flatten()
            .collect();
        let referred = node
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|place| root.pointer(place.strip_prefix('#')?));
        if alternatives.is_empty() && referred.is_none() {
            shapes.push(node);
        }
        open.extend(
            alternatives
                .into_iter()
                .chain(referred)
                .map(|node| (node, depth + 1)),
        );
    }
    shapes
}

/// The paths and schemas of what a value of this shape holds.
fn inner<'s>(path: &str, shape: &'s Value) -> Vec<(String, &'s Value)> {
    if let Some(properties) = shape.get("properties").and_then(Value::as_object) {
        let dot = if path.is_empty() { "" } else { "." };
        return properties
            .iter()
            .map(|(key, node)| (format!("{path}{dot}{key}"), node))
            .collect();
    }
    if let Some(items) = shape.get("items") {
        // The items of `detections` are told apart by their names.
        let path = if path == "detections" {
            path.into()
        } else {
            format!("{path}[]")
        };
        return vec![(path, items)];
    }
    match shape.get("additionalProperties") {
        Some(node) if node.is_object() => vec![(format!("{path}.*"), node)],
        _ => Vec::new(),
    }
}

fn is_null(shape: &Value) -> bool {
    shape.get("type").is_some_and(|kind| kind == "null")
}

/// A key that every detection has, without the name of one; a section within a route, without its keys.
fn shared(key: String, registry: &Registry) -> String {
    // What a route says of another section is that section, key by key.
    if let Some(section) = key
        .strip_prefix("routes[].")
        .and_then(|rest| rest.split(['.', '[']).next())
    {
        return format!("routes[].{section}");
    }
    let common = key.strip_prefix("detections.").and_then(|rest| {
        let (name, key) = rest.split_once('.')?;
        (registry.find(name).is_some() && Common::KEYS.contains(&key)).then_some(key)
    });
    common.map_or_else(|| key.clone(), |common| format!("detections.*.{common}"))
}
