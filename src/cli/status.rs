//! `portcullis status` and `portcullis reload`: how a running one is, and telling it to read its configuration again.

use std::fmt::Write;
use std::process::ExitCode;

use http::Method;
use serde_json::Value;

use super::remote::Remote;
use super::{Format, Session, output};

/// Say how a running portcullis is; exit code 1 unless it serves requests
#[derive(Debug, clap::Args)]
pub(super) struct Status {
    #[command(flatten)]
    remote: Remote,
}

/// Make a running portcullis read its configuration again; exit code 1 if it is refused
#[derive(Debug, clap::Args)]
pub(super) struct Reload {
    #[command(flatten)]
    remote: Remote,
}

impl Status {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let answered = self
            .remote
            .control(session)?
            .ask(Method::GET, "/readyz", None)?;
        match session.format {
            Format::Json => output::print_json(&answered.body)?,
            Format::Text => output::print(&summary(&answered.body))?,
        }
        Ok(if answered.status.is_success() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

impl Reload {
    pub(super) fn run(&self, session: &Session) -> anyhow::Result<ExitCode> {
        let control = self.remote.control(session)?;
        let answered = control.ask(Method::POST, "/api/v1/reload", None)?;
        match session.format {
            Format::Json => output::print_json(&answered.body)?,
            Format::Text => {
                let revision = answered.body.get("revision").and_then(Value::as_str);
                let revision = revision.unwrap_or("unknown");
                output::print(&format!("Policy {revision} is in force.\n"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn summary(body: &Value) -> String {
    let at = |pointer: &str| match body.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "none".to_owned(),
        Some(other) => other.to_string(),
    };
    let mut text = String::new();
    let mut line = |name: &str, told: String| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name:<12}{told}");
    };
    line("status", at("/status"));
    line(
        "policy",
        format!(
            "{}, since {}",
            at("/policy/revision"),
            at("/policy/loaded_at")
        ),
    );
    line(
        "mode",
        format!(
            "{} (measured: {})",
            at("/mode/configured"),
            at("/mode/effective")
        ),
    );
    line("bans", at("/bans"));
    let error = body.pointer("/state/error").and_then(Value::as_str);
    line(
        "state",
        error.map_or_else(|| at("/state/status"), |error| format!("failing: {error}")),
    );
    line("dropped", format!("{} events", at("/events_dropped")));
    if let Some(error) = body.pointer("/last_reload_error").and_then(Value::as_str) {
        line("reload", format!("the last one was refused:\n{error}"));
    }
    text
}
