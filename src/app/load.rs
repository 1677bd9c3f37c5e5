//! From a file to a policy: the one way, used by start, reload and `check` alike.

use std::fmt;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::checks;
use super::compile::Compiled;
use super::doubts::doubts;
use super::settings::{DetectionSection, Settings};
use crate::config::document::MAX_BYTES;
use crate::config::load::{Shared, read_regular};
use crate::config::{ConfigError, Document, Environment, Load, Report, Watched};
use crate::engine::Registry;
use crate::engine::policy::Revision;
use crate::event::config::EventLog;
use crate::proxy::config::{ServerUrl, UpstreamConfig};
use crate::proxy::upstream::Upstream;

/// The configuration that comes with portcullis, which is its manual, too.
pub const EMBEDDED: &str = include_str!("../../rules.yaml");

/// Where a configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The one that comes with portcullis.
    Embedded,
}

/// A configuration that is in order, and what became of it.
#[derive(Debug)]
pub struct Loaded {
    /// What it says, every key that it leaves out at its default.
    pub settings: Settings,
    /// What was made of it.
    pub compiled: Compiled,
    /// The file itself and all files that it names: a change in one of them calls for a reload.
    pub files: Watched,
    /// What is wrong but need not stop the start.
    pub warnings: Vec<String>,
    /// A hash of the file's text.
    pub text_hash: u64,
    /// The folder that relative paths in it start from.
    pub base: PathBuf,
    pub(crate) document: Document,
}

/// Reads a configuration and makes a policy of it. `number` counts the loadings, from 1.
///
/// # Errors
/// Everything that is wrong with it: all errors of syntax; or else the first mistake of structure in each section and
/// each detection, together with all mistakes of meaning in the others.
pub fn load(
    source: &Source,
    registry: &Registry,
    shared: &Shared,
    environment: &dyn Environment,
    number: u64,
) -> Result<Loaded, Report> {
    let name = source.to_string();
    let mut files = source.files();
    let text = source.text().map_err(|report| report.watching(&files))?;
    let base = source.base();
    let document = Document::parse(&name, &text, &base, environment)
        .map_err(|report| report.watching(&files))?;
    files.extend(document.files());
    let mut load = Load::new(&base, shared);
    let (mut settings, mut errors) = match source {
        Source::File(_) => Settings::read(&document, registry),
        Source::Embedded => default_settings(&document, registry, &mut load),
    };
    if document.section("detections").is_none() {
        settings.detections =
            default_chain(registry, &mut load).map_err(|report| report.watching(&files))?;
    }
    errors.extend(checks::mistakes(&settings, &document, &errors));
    let text_hash = hash(&text);
    let revision = Revision {
        number,
        hash: text_hash,
    };
    let compiled = Compiled::new(&settings, registry, &mut load, revision);
    let (named, mut warnings) = load.finish();
    warnings.extend(document.warnings(doubts(&settings, &base)));
    files.extend(&named);
    errors.extend(overwritten(&settings, &base, &files));
    let compiled = match compiled {
        Ok(compiled) if errors.is_empty() => compiled,
        Ok(_) => return Err(document.report(errors).watching(&files)),
        Err(more) => {
            errors.extend(more);
            return Err(document.report(errors).watching(&files));
        }
    };
    Ok(Loaded {
        settings,
        compiled,
        files,
        warnings: warnings
            .into_iter()
            .map(|warning| document.scrub(warning))
            .collect(),
        text_hash,
        base,
        document,
    })
}

/// The mistake of an event log that would be written into a file that the configuration is made of.
fn overwritten(settings: &Settings, base: &Path, files: &Watched) -> Option<ConfigError> {
    let EventLog::File(log) = &settings.events.log else {
        return None;
    };
    let whole = |path: &Path| std::fs::canonicalize(path).ok();
    let log = whole(&base.join(log))?;
    let is_log = |file: &Path| whole(file).is_some_and(|file| file == log);
    files.paths().any(is_log).then(|| {
        let wrong = ConfigError::new("events would be written into a file of the configuration")
            .help("write the path of a file of its own, as in `events.jsonl`");
        wrong.under("log").under("events")
    })
}

impl Loaded {
    /// Forwards to another server than the configuration says.
    pub fn forward_to(&mut self, url: ServerUrl) {
        self.settings.upstream = UpstreamConfig::to(url);
        self.compiled.upstream = Arc::new(Upstream::plain(&self.settings.upstream));
    }

    /// The document that the settings were read from.
    #[must_use]
    pub const fn document(&self) -> &Document {
        &self.document
    }
}

// === The default chain ===

/// The chain of the configuration that comes with portcullis.
fn default_chain(
    registry: &Registry,
    load: &mut Load<'_>,
) -> Result<Vec<DetectionSection>, Report> {
    let name = Source::Embedded.to_string();
    let document = Document::parse(&name, EMBEDDED, Path::new("."), &Nothing)?;
    let (settings, errors) = default_settings(&document, registry, load);
    if errors.is_empty() {
        Ok(settings.detections)
    } else {
        Err(document.report(errors))
    }
}

/// The settings that come with portcullis, as far as `registry` has their detections: a program with a registry of its
/// own need not have them all.
fn default_settings(
    document: &Document,
    registry: &Registry,
    load: &mut Load<'_>,
) -> (Settings, Vec<ConfigError>) {
    let (settings, mut errors) = Settings::read(document, registry);
    errors.retain(|error| {
        let absent = error.message.starts_with("there is no detection");
        if absent {
            load.warn(format!("{}, which the default chain names", error.message));
        }
        !absent
    });
    (settings, errors)
}

/// An environment with nothing in it.
struct Nothing;

impl Environment for Nothing {
    fn variable(&self, _: &str) -> Result<String, String> {
        Err("the defaults take nothing from the environment".into())
    }

    fn file(&self, _: &Path) -> Result<String, String> {
        Err("the defaults take nothing from files".into())
    }
}

// === impl Source ===

impl Source {
    fn text(&self) -> Result<String, Report> {
        let path = match self {
            Self::Embedded => return Ok(EMBEDDED.into()),
            Self::File(path) => path,
        };
        let refuse = |why: String, help: &str| Report::of(self.to_string(), why, Some(help.into()));
        let unreadable = |error: std::io::Error| {
            refuse(
                format!("the configuration cannot be read: {error}"),
                "name the file with `--config PATH` or PORTCULLIS_CONFIG",
            )
        };
        // One byte more than is allowed, so that the document itself says that it is too long.
        let most = u64::try_from(MAX_BYTES)
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let bytes = read_regular(path, most).map_err(unreadable)?;
        String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..at).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            refuse(
                format!("the file is no UTF-8: line {line} has a byte that begins no character"),
                "save it as UTF-8",
            )
        })
    }

    /// The folder that relative paths start from.
    #[must_use]
    pub fn base(&self) -> PathBuf {
        match self {
            Self::File(path) => path.parent().map_or_else(PathBuf::new, Path::to_path_buf),
            Self::Embedded => PathBuf::new(),
        }
    }

    /// The file itself, looked at now.
    fn files(&self) -> Watched {
        let mut files = Watched::default();
        if let Self::File(path) = self {
            files.look_at(path);
        }
        files
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Embedded => f.write_str("the built-in rules.yaml"),
        }
    }
}

/// Tells texts apart; nobody gains anything by making two that collide.
fn hash(text: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}
