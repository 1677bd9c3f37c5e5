//! An explanation for people: the decision first, then why, then everything that was looked at.

use std::fmt::{Error, Write};

use serde::Serialize;

use super::explanation::{Body, Explanation, Found, Odd};
use super::inputs::{Value, Values};
use crate::cli::output::{Paint, Role};
use crate::engine::decide::Outcome;
use crate::engine::trace::Answer;
use crate::request::body::Word;
use crate::request::{DecodeStep, Origin, Source};

/// The whole explanation.
pub(super) fn text(told: &Explanation, paint: Paint) -> Result<String, Error> {
    let mut text = String::new();
    decision(told, paint, &mut text)?;
    head(told, paint, &mut text)?;
    if !told.findings.is_empty() {
        title("findings", paint, &mut text)?;
    }
    for finding in &told.findings {
        found(finding, paint, &mut text)?;
    }
    if !told.ambiguities.is_empty() {
        title("what two parsers would read differently", paint, &mut text)?;
    }
    for of in &told.ambiguities {
        ambiguity(of, paint, &mut text)?;
    }
    inputs(&told.inputs, paint, &mut text)?;
    detections(told, paint, &mut text)?;
    writeln!(
        text,
        "\nconfiguration  {}, revision {}, mode {}",
        told.configuration,
        told.revision,
        word(&told.mode)
    )?;
    Ok(text)
}

fn title(title: &str, paint: Paint, text: &mut String) -> Result<(), Error> {
    writeln!(text, "\n{}", paint.of(Role::Title, title))
}

fn decision(told: &Explanation, paint: Paint, text: &mut String) -> Result<(), Error> {
    let (role, decision) = match (told.decision, &told.refusal) {
        (Outcome::Block, Some(refusal)) => (
            Role::Bad,
            format!("block: {} by {}", refusal.status, refusal.detection),
        ),
        (Outcome::Block, None) => (Role::Bad, "block".into()),
        (Outcome::Pass, _) => (Role::Good, "pass".into()),
        (Outcome::Exempt, _) => (
            Role::Good,
            "pass: the client is trusted and is not judged".into(),
        ),
        (Outcome::WouldBlock, _) => (
            Role::Odd,
            "pass, but would block if everything were enforced".into(),
        ),
    };
    writeln!(text, "decision       {}", paint.of(role, &decision))?;
    write!(text, "score          {} of {}", told.score, told.threshold)?;
    if told.would_be_score > 0 {
        write!(text, ", and {} in monitor mode", told.would_be_score)?;
    }
    text.push('\n');
    Ok(())
}

fn head(told: &Explanation, paint: Paint, text: &mut String) -> Result<(), Error> {
    let client = &told.client;
    writeln!(text, "request        {} {}", told.method, told.path)?;
    write!(
        text,
        "client         {} ({}), {}",
        client.ip,
        word(&client.source),
        word(&client.standing)
    )?;
    if client.counted_as == client.ip {
        text.push('\n');
    } else {
        writeln!(text, ", counted as {}", client.counted_as)?;
    }
    if let Some(of) = &told.body {
        body(of, text)?;
    }
    for note in &told.notes {
        writeln!(text, "{}           {note}", paint.of(Role::Odd, "note"))?;
    }
    Ok(())
}

/// What the body is, and why each of its readings.
fn body(body: &Body, text: &mut String) -> Result<(), Error> {
    let declared = if body.declared.is_empty() {
        "without a Content-Type".into()
    } else {
        format!("declared as `{}`", body.declared.join("` and `"))
    };
    writeln!(text, "body           {} bytes, {declared}", body.bytes)?;
    for coding in body.codings.iter().rev() {
        writeln!(text, "  decoded from {}", word(coding))?;
    }
    for ground in &body.grounds {
        let why = match ground.on {
            Word::TypeAndLook => "its type says so, and its bytes look so",
            Word::Type => "its type says so, though its bytes do not look so",
            Word::Look => "its bytes look so, whatever its type says",
            Word::NoType => "its type does not say how it is built",
            Word::Otherwise => "the other readings leave something over",
        };
        writeln!(text, "  read as {:<12} {why}", word(&ground.read_as))?;
    }
    for charset in &body.charsets {
        writeln!(text, "  read in {charset:<12} beside the bytes as they are")?;
    }
    Ok(())
}

fn inputs(values: &Values, paint: Paint, text: &mut String) -> Result<(), Error> {
    let what = "where each is, its raw bytes, and what decodings make of them";
    title(&format!("values ({}): {what}", values.count), paint, text)?;
    let longest = values.shown.iter().map(|of| of.place.chars().count()).max();
    let width = longest.unwrap_or(0).clamp(28, WIDEST_PLACE);
    for of in &values.shown {
        value(of, width, paint, text)?;
    }
    let more = values.count - values.shown.len();
    if values.count == 0 {
        text.push_str("  none\n");
    } else if more > 0 {
        let is_plain =
            |of: &Value| !of.found_in && of.forms.iter().all(|form| form.steps.is_empty());
        let what = if values.shown.iter().any(is_plain) || values.shown.is_empty() {
            ", in which nothing was found or decoded"
        } else {
            ""
        };
        writeln!(text, "  … and {more} more{what}: `--limit all`")?;
    }
    Ok(())
}

/// How wide the column of places may be; few are longer.
const WIDEST_PLACE: usize = 48;

fn value(value: &Value, width: usize, paint: Paint, text: &mut String) -> Result<(), Error> {
    let role = if value.found_in {
        Role::Bad
    } else {
        Role::Name
    };
    let place = format!("{:<width$}", value.place);
    let at = format!("{:<18}", origin(&value.origin));
    writeln!(
        text,
        "  {} {} {}",
        paint.of(role, &place),
        paint.of(Role::Aside, &at),
        value.raw
    )?;
    for form in value.forms.iter().filter(|form| !form.steps.is_empty()) {
        let steps = format!("    {:<1$}", steps(&form.steps), width - 4);
        let at = form.origin.as_ref().map(origin).unwrap_or_default();
        let at = format!("{at:<18}");
        writeln!(
            text,
            "  {} {} {}",
            paint.of(Role::Odd, &steps),
            paint.of(Role::Aside, &at),
            form.text
        )?;
    }
    Ok(())
}

fn ambiguity(odd: &Odd, paint: Paint, text: &mut String) -> Result<(), Error> {
    writeln!(text, "  {}", paint.of(Role::Odd, odd.kind))?;
    writeln!(text, "    {}", odd.message)?;
    match &odd.raw {
        Some(raw) => writeln!(text, "    raw       {raw}  {}", origin(&odd.origin)),
        None => Ok(()),
    }
}

fn detections(told: &Explanation, paint: Paint, text: &mut String) -> Result<(), Error> {
    title("detections", paint, text)?;
    for step in &told.detections {
        let answer = match &step.answer {
            Answer::Pass => "pass".into(),
            Answer::Threat(1) => paint.of(Role::Bad, "1 finding"),
            Answer::Threat(count) => paint.of(Role::Bad, &format!("{count} findings")),
            Answer::Fault(why) => paint.of(Role::Bad, &format!("failed: {why}")),
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
    Ok(())
}

fn found(finding: &Found, paint: Paint, text: &mut String) -> Result<(), Error> {
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
        "  {:<20} {}  {}{score}{monitored}",
        finding.detection,
        paint.of(Role::Bad, rule),
        paint.of(Role::Name, place)
    )?;
    writeln!(text, "    {}", finding.message)?;
    if let Some(evidence) = finding.evidence.as_ref().filter(|text| !text.is_empty()) {
        writeln!(text, "    evidence  {evidence}")?;
    }
    if let (Some(at), Some(raw)) = (&finding.origin, &finding.raw)
        && !at.range.is_empty()
    {
        let decoded = if finding.steps.is_empty() {
            String::new()
        } else {
            format!("  ({})", steps(&finding.steps))
        };
        writeln!(text, "    raw       {raw}  {}{decoded}", origin(at))?;
    }
    Ok(())
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
