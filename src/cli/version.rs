//! `portcullis version`.

use std::process::ExitCode;

use super::{Format, Session, output};

/// Print the version
#[derive(Debug, clap::Args)]
pub(super) struct Version {}

impl Version {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        match session.format {
            Format::Text => output::print(&format!("{name} {version}\n"))?,
            Format::Json => {
                output::print_json(&serde_json::json!({ "name": name, "version": version }))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
