//! `portcullis rules`: which detections and rules there are, and what they are for.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::{Format, Session, Usage, output};
use crate::config::Load;
use crate::config::load::Shared;
use crate::config::phrase::suggest;
use crate::engine::registry::Entry;
use crate::engine::{Mode, Policy, RuleInfo};

/// List the detections and their rules, or show one
#[derive(Debug, clap::Args)]
pub(super) struct Rules {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List every detection and rule with score and places
    List,
    /// Show the documentation of a detection, or one rule
    Show {
        /// A detection (`rate_limit`), a rule (`sql_injection.union_behind_value`), or a group of rules (`sql_injection`)
        name: String,
    },
}

/// A detection as it is listed.
#[derive(Debug, Serialize)]
struct Listed {
    detection: &'static str,
    state: State,
    status: Option<u16>,
    rules: Vec<RuleInfo>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Enforce,
    Monitor,
    Off,
}

impl Rules {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let policy = session.load()?.compiled.policy;
        match &self.verb {
            Verb::List => list(session, &policy)?,
            Verb::Show { name } => show(session, &policy, name)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn list(session: &Session, policy: &Policy) -> anyhow::Result<()> {
    let listed = listed(session, policy);
    if session.format == Format::Json {
        return output::print_json(&listed);
    }
    let mut text = format!("Configuration: {}\n", session.source);
    for detection in &listed {
        let state = match detection.state {
            State::Enforce => "enforce",
            State::Monitor => "monitor",
            State::Off => "off",
        };
        let status = detection
            .status
            .map_or(String::new(), |status| format!(", status {status}"));
        writeln!(text, "\n{} ({state}{status})", detection.detection)?;
        for rule in &detection.rules {
            writeln!(text, "  {}", line(rule))?;
        }
    }
    Ok(output::print(&text)?)
}

/// The detections of the chain in its order, then those that are off.
fn listed(session: &Session, policy: &Policy) -> Vec<Listed> {
    let links = policy.chain.links();
    let on = links.iter().filter_map(|link| {
        Some(Listed {
            detection: session.registry.find(&link.name)?.name,
            state: match link.mode.unwrap_or(policy.mode) {
                Mode::Enforce => State::Enforce,
                Mode::Monitor => State::Monitor,
            },
            status: Some(link.status.as_u16()),
            rules: link.detection.rules(),
        })
    });
    let is_off = |entry: &&Entry| !links.iter().any(|link| *link.name == *entry.name);
    let off = session
        .registry
        .entries()
        .iter()
        .filter(is_off)
        .map(|entry| Listed {
            detection: entry.name,
            state: State::Off,
            status: None,
            rules: default_rules(entry),
        });
    on.chain(off).collect()
}

/// The rules that a detection has before it is configured.
fn default_rules(entry: &Entry) -> Vec<RuleInfo> {
    let shared = Shared::default();
    let mut load = Load::new(Path::new(""), &shared);
    (entry.build)(serde_yaml::Value::Null, &mut load)
        .map(|detection| detection.rules())
        .unwrap_or_default()
}

fn line(rule: &RuleInfo) -> String {
    let score = rule
        .score
        .map_or("decides".into(), |score| format!("score {}", score.0));
    let places: Vec<&str> = rule.places.iter().map(|place| place.as_str()).collect();
    format!(
        "{:<36} {score:<9} {:<28} {}",
        rule.id.as_str(),
        places.join(","),
        rule.message
    )
}

fn show(session: &Session, policy: &Policy, name: &str) -> anyhow::Result<()> {
    if let Some(entry) = session.registry.find(name) {
        let documentation = (entry.documentation)();
        return match session.format {
            Format::Text => Ok(output::print(&format!("{}\n", documentation.trim_end()))?),
            Format::Json => output::print_json(&serde_json::json!({
                "detection": entry.name,
                "documentation": documentation,
                "defaults": (entry.default_config)(),
            })),
        };
    }
    let listed = listed(session, policy);
    let rules = || {
        listed
            .iter()
            .flat_map(|of| of.rules.iter().map(move |rule| (of, rule)))
    };
    let qualified = |of: &Listed, rule: &RuleInfo| format!("{}.{}", of.detection, rule.id);
    let found = rules().find(|(of, rule)| rule.id.as_str() == name || qualified(of, rule) == name);
    let group: Vec<_> = rules()
        .filter(|(_, rule)| rule.id.as_str().split('.').next() == Some(name))
        .collect();
    if found.is_none() && !group.is_empty() {
        return show_group(session, name, &group);
    }
    let Some((of, rule)) = found else {
        let names: Vec<&str> = listed
            .iter()
            .map(|of| of.detection)
            .chain(rules().map(|(_, rule)| rule.id.as_str()))
            .collect();
        let name = crate::event::secrets::printable(name.as_bytes(), 80);
        let help = suggest(&name, &names, "there are");
        return Err(Usage(format!("there is no detection or rule `{name}`; {help}")).into());
    };
    match session.format {
        Format::Json => output::print_json(&serde_json::json!({
            "detection": of.detection, "state": of.state, "rule": rule,
        })),
        Format::Text => {
            let places: Vec<&str> = rule.places.iter().map(|place| place.as_str()).collect();
            let score = rule
                .score
                .map_or("decides at once".into(), |score| score.0.to_string());
            Ok(output::print(&format!(
                "{}\n  detection {}\n  score     {score}\n  places    {}\n  {}\n",
                rule.id,
                of.detection,
                places.join(", "),
                rule.message,
            ))?)
        }
    }
}

/// The rules whose names begin alike, as `sql_injection.union_behind_value` and its siblings.
fn show_group(session: &Session, name: &str, group: &[(&Listed, &RuleInfo)]) -> anyhow::Result<()> {
    if session.format == Format::Json {
        let rules = group.iter().map(|(of, rule)| {
            serde_json::json!({ "detection": of.detection, "state": of.state, "rule": rule })
        });
        return output::print_json(&rules.collect::<Vec<_>>());
    }
    let detection = group.first().map_or("", |(of, _)| of.detection);
    let mut text = format!("{name}: {} rules of {detection}\n", group.len());
    for (_, rule) in group {
        writeln!(text, "  {}", line(rule))?;
    }
    Ok(output::print(&text)?)
}
