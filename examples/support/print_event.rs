//! An event as one line for a person, coloured where somebody looks.

use std::fmt::Write;

use portcullis::event::{Decision, Event, EventKind};

/// `12:00:00.000  BLOCK  192.0.2.7  GET /path  detection.rule  in query q  "evidence"`.
///
/// What outsiders wrote is escaped in the event already, so that it can neither break the line nor colour it.
pub(crate) fn line(event: &Event, colour: bool) -> String {
    let (word, code) = decision(event);
    let paint = |code: &str, text: &str| {
        if colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    let time = event.time.strftime("%H:%M:%S%.3f").to_string();
    let mut line = format!(
        "{}  {}",
        paint("2", &time),
        paint(code, &format!("{word:<11}"))
    );
    let mut add = |text: &str| {
        let _ = write!(line, "  {text}");
    };
    if let Some(client) = &event.client {
        add(&client.ip.to_string());
    }
    if let (Some(method), Some(path)) = (&event.method, &event.path) {
        add(&paint("1", &format!("{method} {path}")));
    }
    match (&event.detection, &event.rule) {
        (Some(detection), Some(rule)) => add(&paint("36", &format!("{detection}.{rule}"))),
        (Some(detection), None) => add(&paint("36", detection)),
        _ => {}
    }
    if let Some(place) = &event.place {
        add(&format!("in {place}"));
    }
    match &event.evidence {
        Some(evidence) => add(&paint("33", &format!("“{}”", evidence.text))),
        None => add(&event.message),
    }
    line
}

/// The word and the colour for what was done, or for what happened where there was nothing to decide.
const fn decision(event: &Event) -> (&'static str, &'static str) {
    match (event.decision, event.kind) {
        (Decision::Block, _) => ("BLOCK", "1;31"),
        (Decision::Aborted, _) => ("ABORTED", "1;31"),
        (Decision::WouldBlock, _) => ("WOULD BLOCK", "1;35"),
        (_, EventKind::Upstream) => ("UPSTREAM", "1;31"),
        (_, EventKind::Fault) => ("FAULT", "1;31"),
        (_, EventKind::Dropped) => ("DROPPED", "1;31"),
        (_, EventKind::Refused) => ("REFUSED", "1;31"),
        (_, EventKind::Reload) => ("RELOAD", "1;34"),
        (_, EventKind::Lifecycle) => ("LIFECYCLE", "1;34"),
        (_, EventKind::Ban) => ("BAN", "1;31"),
        (_, EventKind::Audit) => ("AUDIT", "1;34"),
        (_, EventKind::State) => ("STATE", "1;31"),
        (Decision::Pass, _) => ("PASS", "1;32"),
        (Decision::None, EventKind::Unjudged) => ("UNJUDGED", "1;33"),
        (Decision::None, EventKind::Threat) => ("THREAT", "1;33"),
    }
}
