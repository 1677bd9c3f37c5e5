//! `portcullis check`: is this configuration in order, and what does it say?

use std::fmt::Write;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::{Format, Session, output};
use crate::app::{Loaded, Settings, self_test};
use crate::config::{Document, Report};
use crate::engine::{Mode, Policy};

/// Say whether the configuration is in order; exit code 78 if not
#[derive(Debug, clap::Args)]
pub(super) struct Check {
    /// Print the configuration with every key at the value that holds, secrets masked
    #[arg(long)]
    print_effective: bool,
}

impl Check {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let loaded = session.load()?;
        let effective = loaded.effective(&session.registry);
        let Loaded {
            settings,
            compiled,
            files,
            mut warnings,
            document,
            ..
        } = loaded;
        let policy = Arc::new(compiled.policy);
        // What start would refuse is not in order.
        let test = self_test::measure_now(&policy)
            .passed()
            .map_err(|why| Report::of(session.source.to_string(), why, None))?;
        warnings.extend(test.warnings);
        match (session.format, self.print_effective) {
            (Format::Text, true) => {
                output::print(&serde_yaml::to_string(&effective)?)?;
                for warning in &warnings {
                    output::note(&format!("warning: {warning}"));
                }
            }
            (Format::Text, false) => {
                let mut text = format!("{} is in order.\n", session.source);
                summarise(&mut text, &settings, &policy, &document)?;
                for warning in &warnings {
                    writeln!(text, "warning: {warning}")?;
                }
                output::print(&text)?;
            }
            (Format::Json, _) => {
                let mut told = json!({
                    "ok": true,
                    "source": session.source.to_string(),
                    "revision": policy.revision.to_string(),
                    "mode": policy.mode,
                    "threshold": policy.threshold,
                    "detections": names(&policy),
                    "files": files.paths().collect::<Vec<_>>(),
                    "warnings": warnings,
                });
                if self.print_effective
                    && let Some(told) = told.as_object_mut()
                {
                    told.insert("effective".into(), serde_json::to_value(effective)?);
                }
                output::print_json(&told)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn names(policy: &Policy) -> Vec<&str> {
    let links = policy.chain.links();
    links.iter().map(|link| &*link.name).collect()
}

fn summarise(
    text: &mut String,
    settings: &Settings,
    policy: &Policy,
    document: &Document,
) -> std::fmt::Result {
    let listen: Vec<String> = settings
        .listen
        .0
        .iter()
        .map(|at| at.address.to_string())
        .collect();
    writeln!(text, "  listens on  {}", listen.join(", "))?;
    let servers: Vec<String> = settings
        .upstream
        .servers
        .iter()
        .map(|server| document.scrub(server.url.to_string()))
        .collect();
    writeln!(text, "  forwards to {}", servers.join(", "))?;
    let control = settings.control.listen;
    let control = control.map_or("off".into(), |address| address.to_string());
    writeln!(text, "  control     {control}")?;
    let mode = match policy.mode {
        Mode::Enforce => "enforce",
        Mode::Monitor => "monitor (nothing is refused by a detection)",
    };
    writeln!(
        text,
        "  policy      mode {mode}, threshold {}",
        policy.threshold.0
    )?;
    let names: Vec<String> = policy
        .chain
        .links()
        .iter()
        .map(|link| match link.mode {
            Some(mode) if mode != policy.mode => {
                let mode = if mode == Mode::Monitor {
                    "monitor"
                } else {
                    "enforce"
                };
                format!("{} ({mode})", link.name)
            }
            _ => link.name.to_string(),
        })
        .collect();
    let chain = if names.is_empty() {
        "empty: nothing is judged".into()
    } else {
        names.join(", ")
    };
    writeln!(text, "  chain       {chain}")?;
    writeln!(text, "  revision    {}", policy.revision)
}
