//! `rules.yaml` is the shipped default and the manual: it loads, it holds the defaults, and no key is missing from it.

mod support;

use portcullis::app::load::{EMBEDDED, Loaded, Source, load};
use portcullis::app::schema::{keys, schema};
use portcullis::config::environment::Process;
use portcullis::config::load::Shared;
use portcullis::engine::Registry;

fn load_source(source: &Source, registry: &Registry) -> Loaded {
    load(source, registry, &Shared::default(), &Process, 1)
        .unwrap_or_else(|report| panic!("{report}"))
}

fn load_text(text: &str, registry: &Registry) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, text).expect("a file");
    load_source(&Source::File(path), registry)
}

/// The lines of the manual that are about a key: its section, or its detection's item.
fn about(key: &str) -> Option<String> {
    let path: Vec<&str> = key.split('.').collect();
    let section = path.first()?.trim_end_matches("[]");
    let all: Vec<&str> = EMBEDDED.lines().collect();
    let begin = all
        .iter()
        .position(|line| line.starts_with(&format!("{section}:")))?;
    let (above, from) = all.split_at(begin);
    let comment = above
        .iter()
        .rev()
        .take_while(|line| line.starts_with('#'))
        .count();
    let is_next = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let length = from
        .iter()
        .skip(1)
        .position(is_next)
        .map_or(from.len(), |at| at + 1);
    let mut lines: Vec<&str> = all
        .iter()
        .skip(begin - comment)
        .take(comment + length)
        .copied()
        .collect();
    let detection = (section == "detections")
        .then(|| path.get(1).copied())
        .flatten();
    match detection {
        // What every detection has is told above the list.
        Some("*") => Some(
            EMBEDDED
                .split("\n# === Detections")
                .nth(1)?
                .split("\ndetections:")
                .next()?
                .into(),
        ),
        Some(detection) => {
            let item = format!("- {detection}:");
            let begin = lines.iter().position(|line| line.contains(&item))?;
            let item: Vec<&str> = lines.split_off(begin);
            let end = item
                .iter()
                .skip(1)
                .position(|line| line.starts_with("  - "))
                .map_or(item.len(), |at| at + 1);
            Some(item.get(..end)?.join("\n"))
        }
        None => Some(lines.join("\n")),
    }
}

#[test]
fn every_key_is_in_the_manual() {
    let keys = keys(&Registry::default());
    let missing: Vec<&String> = keys
        .iter()
        .filter(|key| {
            let last = key.rsplit('.').find(|part| *part != "*").unwrap_or(key);
            let name = last.trim_end_matches("[]");
            about(key).is_none_or(|text| {
                !text.contains(&format!("{name}:")) && !text.contains(&format!("`{name}`"))
            })
        })
        .collect();
    assert!(missing.is_empty(), "not in rules.yaml: {missing:#?}");
    assert!(keys.len() >= 34, "{keys:#?}");
}

#[test]
fn the_manual_loads_and_holds_the_defaults() {
    let registry = Registry::default();
    let manual = load_source(&Source::Embedded, &registry);
    let nothing = load_text("version: 1\n", &registry);
    assert_eq!(manual.effective(&registry), nothing.effective(&registry));
    if !registry.entries().is_empty() {
        assert_eq!(manual.warnings, [""; 0], "everything in the chain is known");
        let links = manual.compiled.policy.chain.links();
        let chain: Vec<&str> = links.iter().map(|link| &*link.name).collect();
        let names = registry.entries().iter().map(|entry| entry.name);
        let order: Vec<&str> = names.filter(|name| chain.contains(name)).collect();
        assert_eq!(chain, order, "the registry is in the order of the chain");
    }
}

#[test]
fn each_detection_of_the_manual_is_at_its_defaults() {
    let registry = Registry::default();
    let manual = load_source(&Source::Embedded, &registry);
    for section in &manual.settings.detections {
        let entry = registry.find(&section.name).expect("a known detection");
        let here = (entry.complete)(section.own.clone()).expect("a section in order");
        assert_eq!(here, (entry.default_config)(), "{}", section.name);
    }
}

#[test]
fn what_is_effective_can_be_loaded_and_is_the_same() {
    let registry = support::registry();
    let text = "listen: [{ address: 127.0.0.1:1, proxy_protocol: { from: [10.0.0.1] } }]\nclients: { trusted: [10.0.0.0/8], trusted_proxies: [10.0.0.1], identity: { header: X-A }, hosts: [{ host: b, identity: forwarded, trusted_proxies: [10.0.0.2] }], forward_identity_as: { header: X-C }, strip: [X-D] }\npolicy: { threshold: 9 }\ndetections: [words: { words: [{ id: a }], mode: monitor }, plain]\n";
    let first = load_text(text, &registry).effective(&registry);
    let again =
        load_text(&serde_yaml::to_string(&first).expect("YAML"), &registry).effective(&registry);
    assert_eq!(first, again);
    let says = |path: &[&str]| {
        path.iter()
            .try_fold(&first, |value, key| value.get(*key))
            .cloned()
    };
    assert_eq!(says(&["limits", "body"]), Some("1MiB".into()));
    let named = |section: &str| says(&["clients", section, "header"]);
    assert_eq!(named("identity"), Some("x-a".into()));
    assert_eq!(named("forward_identity_as"), Some("x-c".into()));
    assert_eq!(says(&["policy", "threshold"]), Some(9.into()));
    let words = first
        .get("detections")
        .and_then(|list| list.get(0)?.get("words"))
        .expect("words");
    assert_eq!(words.get("mode"), Some(&"monitor".into()));
    assert_eq!(words.get("status"), Some(&403.into()));
    assert_eq!(words.get("on_error"), Some(&"block".into()));
}

#[test]
fn the_keys_are_those_of_the_schema() {
    let keys = keys(&support::registry());
    for key in [
        "version",
        "listen",
        "listen[].address",
        "upstream",
        "upstream.servers[].url",
        "upstream.idle_timeout",
        "control.listen",
        "clients.trusted",
        "clients.identity",
        "limits.body",
        "policy.mode",
        "detections.*.mode",
        "detections.*.status",
        "detections.*.on_error",
        "detections.words.words[].id",
        "detections.words.token",
        "events.access_log",
    ] {
        assert!(keys.contains(key), "{key} is not in {keys:#?}");
    }
    for no_key in [
        "limits",
        "detections.plain.mode",
        "detections.words.words",
        "upstream.servers",
    ] {
        assert!(!keys.contains(no_key), "{no_key}");
    }
}

#[test]
fn every_key_of_the_schema_has_a_sentence() {
    let schema = schema(&Registry::default());
    let mut open = vec![("".to_owned(), &schema)];
    let mut silent = Vec::new();
    while let Some((at, node)) = open.pop() {
        if let Some(properties) = node
            .get("properties")
            .and_then(|properties| properties.as_object())
        {
            for (key, property) in properties {
                let refers = property.get("$ref").is_some();
                let chain = at.contains("/items/oneOf");
                if property.get("description").is_none() && !refers && !chain {
                    silent.push(format!("{at}/{key}"));
                }
            }
        }
        match node {
            serde_json::Value::Object(map) => {
                open.extend(map.iter().map(|(key, node)| (format!("{at}/{key}"), node)));
            }
            serde_json::Value::Array(items) => {
                open.extend(
                    items
                        .iter()
                        .enumerate()
                        .map(|(key, node)| (format!("{at}/{key}"), node)),
                );
            }
            _ => {}
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}
