//! `portcullis run`, and `portcullis` alone.

use std::process::ExitCode;

use super::{Session, output};
use crate::app::run::{RunOptions, run};

/// Run the proxy; this is what happens without a verb, too
#[derive(Debug, Default, clap::Args)]
pub(super) struct Run {
    /// Only tell what would be refused, whatever the configuration says
    #[arg(long)]
    monitor: bool,
}

impl Run {
    pub(super) fn run(&self, session: Session) -> anyhow::Result<ExitCode> {
        output::note(&format!("Configuration: {}.", session.source));
        let options = RunOptions {
            config: session.source,
            monitor: self.monitor,
        };
        run(options, session.registry)
    }

    /// What either of two asks for.
    pub(super) const fn or(&self, other: Self) -> Self {
        Self {
            monitor: self.monitor || other.monitor,
        }
    }

    pub(super) const fn is_asked_for(&self) -> bool {
        self.monitor
    }
}
