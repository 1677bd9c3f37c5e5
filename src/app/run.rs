//! The running proxy: listeners, workers, signals, reload and drain.

use std::process::ExitCode;

use super::load::Source;
use crate::engine::Registry;

/// What `portcullis run` is told on its command line.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where the configuration comes from.
    pub config: Source,
    /// Whether nothing is refused by a detection, whatever the configuration says.
    pub monitor: bool,
}

/// Runs until told to stop.
///
/// # Errors
/// When it cannot start.
pub fn run(options: RunOptions, registry: Registry) -> anyhow::Result<ExitCode> {
    drop((options, registry));
    anyhow::bail!("not built yet")
}
