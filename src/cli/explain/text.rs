//! An explanation for people.

use std::fmt::{Error, Write};

use serde::Serialize;

use super::explanation::{Explanation, Found, Value};
use crate::engine::decide::Outcome;
use crate::engine::trace::Answer;
use crate::request::{DecodeStep, Origin, Source};

/// The whole explanation.
pub(super) fn text(told: &Explanation) -> Result<String, Error> {
    let mut text = String::new();
    head(told, &mut text)?;
    text.push_str("\ninputs\n");
    for input in &told.inputs {
        value(input, &mut text)?;
    }
    if told.inputs.is_empty() {
        text.push_str("  none\n");
    }
    text.push_str("\ndetections\n");
    for step in &told.detections {
        let answer = match &step.answer {
            Answer::Pass => "pass".into(),
            Answer::Threat(1) => "1 finding".into(),
            Answer::Threat(count) => format!("{count} findings"),
            Answer::Fault(why) => format!("failed: {why}"),
            Answer::Skipped => "not asked, the decision had fallen".into(),
        };
        writeln!(
            text,
            "  {:<20} {:<18} {answer}",
            step.detection,
            word(&step.phase)
        )?;
    }
    if told.detections.is_empty() {
        text.push_str(if told.decision == Outcome::Exempt {
            "  none: the client is in clients.trusted\n"
        } else {
            "  none: the chain is empty, or nothing in it looks at this request\n"
        });
    }
    if !told.findings.is_empty() {
        text.push_str("\nfindings\n");
    }
    for finding in &told.findings {
        found(finding, &mut text)?;
    }
    decision(told, &mut text)?;
    Ok(text)
}

fn head(told: &Explanation, text: &mut String) -> Result<(), Error> {
    let client = &told.client;
    writeln!(
        text,
        "configuration  {}, revision {}, mode {}",
        told.configuration,
        told.revision,
        word(&told.mode)
    )?;
    writeln!(text, "request        {} {}", told.method, told.path)?;
    if let Some(body) = &told.body {
        writeln!(
            text,
            "body           {} bytes, read as {}",
            body.bytes,
            word(&body.read_as)
        )?;
    }
    write!(
        text,
        "client         {} ({}), {}",
        client.ip,
        word(&client.source),
        word(&client.standing)
    )?;
    if client.counted_as == client.ip {
        text.push('\n');
        Ok(())
    } else {
        writeln!(text, ", counted as {}", client.counted_as)
    }
}

fn value(value: &Value, text: &mut String) -> Result<(), Error> {
    writeln!(
        text,
        "  {:<28} {:<18} {}",
        value.place,
        origin(&value.origin),
        value.raw
    )?;
    for form in value.forms.iter().filter(|form| !form.steps.is_empty()) {
        writeln!(
            text,
            "  {:<28} {:<18} {}",
            "",
            steps(&form.steps),
            form.text
        )?;
    }
    Ok(())
}

fn found(finding: &Found, text: &mut String) -> Result<(), Error> {
    let score = match (&finding.rule, finding.score) {
        (Some(_), Some(score)) => format!("  score {score}"),
        (Some(_), None) => "  decides at once".into(),
        (None, _) => String::new(),
    };
    let monitored = if finding.enforced {
        ""
    } else {
        "  (monitor: does not count)"
    };
    let rule = finding.rule.as_deref().unwrap_or("-");
    let place = finding.place.as_deref().unwrap_or("-");
    writeln!(
        text,
        "  {:<20} {rule}  {place}{score}{monitored}",
        finding.detection
    )?;
    writeln!(text, "    {}", finding.message)?;
    if let Some(evidence) = &finding.evidence {
        writeln!(text, "    evidence  {evidence}")?;
    }
    if let (Some(at), Some(raw)) = (&finding.origin, &finding.raw) {
        let decoded = if finding.steps.is_empty() {
            String::new()
        } else {
            format!("  ({})", steps(&finding.steps))
        };
        writeln!(text, "    raw       {raw}  {}{decoded}", origin(at))?;
    }
    Ok(())
}

fn decision(told: &Explanation, text: &mut String) -> Result<(), Error> {
    write!(
        text,
        "\nscore          {} of {}",
        told.score, told.threshold
    )?;
    if told.would_be_score > 0 {
        write!(text, ", and {} in monitor mode", told.would_be_score)?;
    }
    let decision = match (told.decision, &told.refusal) {
        (Outcome::Block, Some(refusal)) => {
            format!("block: {} by {}", refusal.status, refusal.detection)
        }
        (Outcome::Block, None) => "block".into(),
        (Outcome::Pass, _) => "pass".into(),
        (Outcome::Exempt, _) => "pass: the client is trusted and is not judged".into(),
        (Outcome::WouldBlock, _) => "pass, but would block if everything were enforced".into(),
    };
    writeln!(text, "\ndecision       {decision}")
}

fn origin(origin: &Origin) -> String {
    let (start, end) = (origin.range.start, origin.range.end);
    match origin.source {
        Source::Target => format!("target[{start}..{end}]"),
        Source::Header(index) => format!("header {index}[{start}..{end}]"),
        Source::Body => format!("body[{start}..{end}]"),
    }
}

fn steps(steps: &[DecodeStep]) -> String {
    let words: Vec<String> = steps.iter().map(word).collect();
    words.join(" → ")
}

/// The word that the same thing has in JSON.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
