//! `portcullis check`: is this configuration in order, and what does it say?

use std::fmt::Write;
use std::process::ExitCode;

use serde_json::json;

use super::{Format, Session, output};
use crate::app::Loaded;
use crate::engine::Mode;

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
        match (session.format, self.print_effective) {
            (Format::Text, true) => {
                let effective = loaded.effective(&session.registry);
                output::print(&serde_yaml::to_string(&effective)?)?;
                for warning in &loaded.warnings {
                    output::note(&format!("warning: {warning}"));
                }
            }
            (Format::Text, false) => output::print(&summary(&loaded, session)?)?,
            (Format::Json, _) => {
                let mut told = json!({
                    "ok": true,
                    "source": session.source.to_string(),
                    "revision": loaded.policy.revision.to_string(),
                    "mode": loaded.policy.mode,
                    "threshold": loaded.policy.threshold,
                    "detections": names(&loaded),
                    "files": loaded.files.paths().collect::<Vec<_>>(),
                    "warnings": loaded.warnings,
                });
                if self.print_effective
                    && let Some(told) = told.as_object_mut()
                {
                    let effective = serde_json::to_value(loaded.effective(&session.registry))?;
                    told.insert("effective".into(), effective);
                }
                output::print_json(&told)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn names(loaded: &Loaded) -> Vec<&str> {
    let links = loaded.policy.chain.links();
    links.iter().map(|link| &*link.name).collect()
}

fn summary(loaded: &Loaded, session: &Session) -> Result<String, std::fmt::Error> {
    let settings = &loaded.settings;
    let policy = &loaded.policy;
    let mut text = String::new();
    writeln!(text, "{} is in order.", session.source)?;
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
        .map(|server| loaded.document().scrub(server.url.to_string()))
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
    writeln!(text, "  revision    {}", policy.revision)?;
    for warning in &loaded.warnings {
        writeln!(text, "warning: {warning}")?;
    }
    Ok(text)
}
