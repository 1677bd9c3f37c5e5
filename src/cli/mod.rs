//! The command line: one file per verb, and this list of them.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | all is well |
//! | 1 | something failed while running |
//! | 2 | the command line, or what it names, cannot be understood |
//! | 3 | `test`: a rate is below what `--min-tpr` or `--min-tnr` asks for |
//! | 78 | the configuration is wrong (`EX_CONFIG` of sysexits.h) |

mod bans;
mod check;
mod completions;
mod explain;
mod judge;
mod limit;
mod output;
mod recorded;
mod remote;
mod rules;
mod run;
mod schema;
mod status;
mod test;
mod version;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::app::{Loaded, Source, StartError, load};
use crate::config::environment::Process;
use crate::config::load::Shared;
use crate::config::{Environment, Report};
use crate::engine::Registry;
use limit::Limit;
use output::Color;

/// Inline security reverse proxy: judges every HTTP request by an ordered chain of threat detections.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 100)]
struct Cli {
    /// The configuration. Default: $PORTCULLIS_CONFIG; or else ./rules.yaml; or else the built-in one
    #[arg(short, long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,

    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,

    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t)]
    color: Color,

    #[command(flatten)]
    run: run::Run,

    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Run),
    Check(check::Check),
    Explain(explain::Explain),
    Test(test::Test),
    Rules(rules::Rules),
    Bans(bans::Bans),
    Status(status::Status),
    Reload(status::Reload),
    Schema(schema::PrintSchema),
    Version(version::Version),
    Completions(completions::Completions),
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// What every verb works with.
#[derive(Debug)]
struct Session {
    source: Source,
    format: Format,
    color: Color,
    registry: Registry,
}

/// Something that the command line names and that makes no sense: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

const EXIT_USAGE: u8 = 2;
const EXIT_FAILED: u8 = 3;
const EXIT_CONFIGURATION: u8 = 78;

/// Does what the command line `arguments` say, with the detections of `registry`.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>, registry: Registry) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are "errors", too, but not ones to fail for.
            drop(error.print());
            return if error.use_stderr() {
                ExitCode::from(EXIT_USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let (format, color) = (cli.format, cli.color);
    let session = Session {
        source: source(cli.config, &Process),
        format,
        color,
        registry,
    };
    let result = match cli.verb {
        None => cli.run.run(session),
        Some(Verb::Run(run)) => run.or(cli.run).run(session),
        Some(_) if cli.run.is_asked_for() => {
            Err(Usage("`--monitor` belongs to `portcullis run`".into()).into())
        }
        Some(Verb::Check(check)) => check.run(&session),
        Some(Verb::Explain(explain)) => explain.run(&session),
        Some(Verb::Test(test)) => test.run(&session),
        Some(Verb::Rules(rules)) => rules.run(&session),
        Some(Verb::Bans(bans)) => bans.run(&session),
        Some(Verb::Status(status)) => status.run(&session),
        Some(Verb::Reload(reload)) => reload.run(&session),
        Some(Verb::Schema(schema)) => schema.run(&session),
        Some(Verb::Version(version)) => version.run(&session),
        Some(Verb::Completions(completions)) => completions.run(&mut Cli::command()),
    };
    result.unwrap_or_else(|error| fail(&error, format, color))
}

/// Tells of an error where the format demands it, and gives its exit code.
fn fail(error: &anyhow::Error, format: Format, color: Color) -> ExitCode {
    if let Some(report) = error.downcast_ref::<Report>() {
        match format {
            Format::Text => {
                output::note(&report.draw(color.of_notes(&Process)));
                let count = report.problems().len();
                let s = if count == 1 { "" } else { "s" };
                output::note(&format!("\n{}: {count} mistake{s}", report.file()));
            }
            Format::Json => {
                let refusal = serde_json::json!({ "ok": false, "problems": report.to_json() });
                drop(output::print_json(&refusal));
            }
        }
        return ExitCode::from(EXIT_CONFIGURATION);
    }
    output::note(&format!("error: {error:#}"));
    if error.is::<Usage>() {
        ExitCode::from(EXIT_USAGE)
    } else if let Some(StartError::SelfTest(_)) = error.downcast_ref() {
        // As `check` says it: starting again will not help.
        ExitCode::from(EXIT_CONFIGURATION)
    } else {
        ExitCode::FAILURE
    }
}

/// Where the configuration comes from: the flag, the environment, the working directory, or what is built in.
fn source(flag: Option<PathBuf>, environment: &dyn Environment) -> Source {
    let named = flag.or_else(|| {
        let path = environment.variable("PORTCULLIS_CONFIG").ok()?;
        (!path.is_empty()).then(|| path.into())
    });
    let here = Path::new("rules.yaml");
    match named {
        Some(path) => Source::File(path),
        None if here.exists() => Source::File(here.into()),
        None => Source::Embedded,
    }
}

impl Session {
    fn load(&self) -> Result<Loaded, Report> {
        load(
            &self.source,
            &self.registry,
            &Shared::default(),
            &Process,
            1,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
