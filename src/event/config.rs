//! The `events:` section.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::ByteSize;

/// Where events go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventsConfig {
    /// Where events are written, one JSON object a line: `stdout`, `none`, or the path of a file.
    pub log: EventLog,
    /// The size that the log file does not grow beyond: it is rotated before, `events.jsonl` becomes `events.jsonl.1`,
    /// and so on. `0B` never rotates.
    pub rotate: ByteSize,
    /// How many rotated files are kept beside the log file; older ones are deleted.
    pub keep: usize,
    /// Whether each request is written as a line of its own, too.
    pub access_log: bool,
    /// How much of a request its event keeps, so that it can be judged again (`portcullis explain events.jsonl --id ID`):
    /// target, headers and the beginning of the body, secrets masked. `0B` keeps nothing.
    pub excerpt: ByteSize,
    /// How many events may wait to be written. More are dropped and counted; a request never waits.
    #[schemars(range(min = 1))]
    pub queue: usize,
}

/// Where events are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "String", into = "String")]
pub enum EventLog {
    /// Standard output.
    Stdout,
    /// Nowhere.
    None,
    /// A file; a relative path starts from the folder of `rules.yaml`.
    File(PathBuf),
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            log: EventLog::Stdout,
            rotate: ByteSize::mib(100),
            keep: 5,
            access_log: false,
            excerpt: ByteSize::kib(2),
            queue: 8192,
        }
    }
}

impl From<String> for EventLog {
    fn from(text: String) -> Self {
        match text.as_str() {
            "stdout" => Self::Stdout,
            "none" => Self::None,
            _ => Self::File(text.into()),
        }
    }
}

impl From<EventLog> for String {
    fn from(log: EventLog) -> Self {
        match log {
            EventLog::Stdout => "stdout".into(),
            EventLog::None => "none".into(),
            EventLog::File(path) => path.display().to_string(),
        }
    }
}
