//! `portcullis schema`.

use std::process::ExitCode;

use super::{Session, output};

/// Print the JSON Schema of rules.yaml, for editors
#[derive(Debug, clap::Args)]
pub(super) struct PrintSchema {}

impl PrintSchema {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        output::print_json(&crate::app::schema::schema(&session.registry))?;
        Ok(ExitCode::SUCCESS)
    }
}
