//! `portcullis test`: how much of recorded traffic the configuration judges rightly.
//!
//! Each request is judged by itself (see [`Judge`]): by the chain, and by the limits of bodies, but without the proxy's
//! framing gate, which would refuse some of the attacks before any detection is asked. A request is *refused* if the chain would
//! refuse it in `enforce` mode, so that a configuration can be measured before it is enforced.

mod bound;
mod measure;
mod part;
mod rates;
mod report;
mod text;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::judge::Judge;
use super::recorded::{FileError, Label};
use super::{EXIT_FAILED, EXIT_USAGE, Format, Limit, Session, Usage, output};
use crate::engine::Mode;
use crate::request::Standing;
use bound::Bound;
use measure::{Choice, measure};
use part::Part;
use report::Report;

/// Judge recorded requests, and say how many attacks are refused and how many legitimate requests pass
#[derive(Debug, clap::Args)]
pub(super) struct Test {
    /// Files or folders of requests: JSON lines, HAR, or requests as they are sent; `-` is standard input
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    corpus: Vec<PathBuf>,

    /// What requests are that do not say so themselves
    #[arg(long, value_enum, default_value_t = Label::Legit)]
    label: Label,

    /// Judge only the requests of this category; `*` stands for anything, as in `sqli*`. May be repeated
    #[arg(long, value_name = "CATEGORY")]
    only: Vec<String>,

    /// Leave out the requests of this category. May be repeated
    #[arg(long, value_name = "CATEGORY")]
    skip: Vec<String>,

    /// Judge only this part of the requests, chosen by their ids: `1/3` is the first of three. May be repeated. Tune rules on
    /// some parts, and see by the others whether they hold elsewhere
    #[arg(long, value_name = "N/M")]
    part: Vec<Part>,

    /// Who sends them
    #[arg(long, value_name = "IP", default_value = "192.0.2.1")]
    client: IpAddr,

    /// Fail with 3 if fewer of the attacks are refused: percent (`90`, `90%`) or a fraction (`0.9`)
    #[arg(long, value_name = "RATE")]
    min_tpr: Option<Bound>,

    /// Fail with 3 if fewer of the legitimate requests pass
    #[arg(long, value_name = "RATE")]
    min_tnr: Option<Bound>,

    /// Also print how many requests each rule found something in
    #[arg(long)]
    rules: bool,

    /// How many misses and false alarms are listed: a number, or `all`. JSON has them all
    #[arg(long, value_name = "COUNT", default_value = "20")]
    limit: Limit,
}

impl Test {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let mut loaded = session.load()?;
        let settings = &mut loaded.settings;
        let was = std::mem::replace(&mut settings.policy.mode, Mode::Enforce);
        loaded.compiled.policy.mode = Mode::Enforce;
        for route in &mut settings.routes {
            route.config.policy.mode = None;
        }
        let judge = Judge::new(loaded, self.client);
        if judge.client().standing == Standing::Trusted {
            let why = format!(
                "nothing would be judged: {} is in `clients.trusted`; name another with `--client`",
                self.client
            );
            return Err(Usage(why).into());
        }
        let choice = Choice {
            label: self.label,
            only: &self.only,
            skip: &self.skip,
            parts: &self.part,
        };
        let mut notes = Vec::new();
        if was == Mode::Monitor {
            notes.push(
                "`policy.mode` is `monitor`: this is what would be refused in `enforce` mode."
                    .into(),
            );
        }
        let files = files(&self.corpus, &mut notes)?;
        let measured = measure(&judge, &files, &choice).map_err(|error| match error {
            FileError::Io(..) => anyhow::Error::from(error),
            error => Usage(error.to_string()).into(),
        })?;
        let report = Report::new(session.source.to_string(), &judge, measured, notes, self);
        if report.requests() == 0 && report.unreadable.is_empty() {
            return Err(Usage("there is no request in what `--corpus` names".into()).into());
        }
        match session.format {
            Format::Text => output::print(&text::text(&report, self.limit, self.rules)?)?,
            Format::Json => output::print_json(&report)?,
        }
        for unreadable in &report.unreadable {
            output::note(&format!("error: {unreadable}"));
        }
        for failure in &report.failures {
            output::note(&format!("error: {failure}"));
        }
        // What was not read was not judged, so the rates are not those of the corpus.
        Ok(if !report.unreadable.is_empty() {
            ExitCode::from(EXIT_USAGE)
        } else if !report.failures.is_empty() {
            ExitCode::from(EXIT_FAILED)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// A file to be read.
struct Named {
    path: PathBuf,
    /// Whether it was found in a folder, and may be something else than requests.
    is_found: bool,
}

/// The files that are named, and those in the folders that are, whole trees, sorted.
fn files(named: &[PathBuf], notes: &mut Vec<String>) -> anyhow::Result<Vec<Named>> {
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(Named {
                path: path.clone(),
                is_found: false,
            });
            continue;
        }
        let mut found = Vec::new();
        let mut folders = vec![path.clone()];
        while let Some(folder) = folders.pop() {
            list(&folder, &mut found, &mut folders)?;
        }
        if found.is_empty() {
            notes.push(format!("There is no file in {}.", path.display()));
        }
        found.sort();
        files.extend(found.into_iter().map(|path| Named {
            path,
            is_found: true,
        }));
    }
    Ok(files)
}

/// What a folder holds. Hidden files and links are left alone: links may go round in circles.
fn list(folder: &Path, files: &mut Vec<PathBuf>, folders: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let failed = |error| anyhow::anyhow!("cannot read {}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() {
            folders.push(entry.path());
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
