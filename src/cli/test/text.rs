//! A report for people.

use std::collections::BTreeMap;
use std::fmt::{Error, Write};

use super::rates::{Rate, Rates, RuleCount};
use super::report::{Report, Wrongly};
use crate::cli::limit::Limit;

pub(super) fn text(report: &Report, limit: Limit, with_rules: bool) -> Result<String, Error> {
    let mut text = String::new();
    head(report, &mut text)?;
    for (dimension, attacks, legit) in [
        (
            "category",
            &report.true_positive.by_category,
            &report.true_negative.by_category,
        ),
        (
            "source",
            &report.true_positive.by_source,
            &report.true_negative.by_source,
        ),
        (
            "placement",
            &report.true_positive.by_placement,
            &report.true_negative.by_placement,
        ),
    ] {
        table(
            &format!("attacks refused, by {dimension}"),
            attacks,
            &mut text,
        )?;
        table(
            &format!("legitimate passed, by {dimension}"),
            legit,
            &mut text,
        )?;
    }
    if with_rules {
        rules(&report.rules, &mut text)?;
    }
    list(
        "misses: attacks that pass",
        &report.misses,
        limit,
        &mut text,
    )?;
    list(
        "false alarms: legitimate requests that are refused",
        &report.false_alarms,
        limit,
        &mut text,
    )?;
    foot(report, &mut text)?;
    Ok(text)
}

fn head(report: &Report, text: &mut String) -> Result<(), Error> {
    writeln!(
        text,
        "configuration       {}, revision {}, threshold {}",
        report.configuration, report.revision, report.threshold
    )?;
    writeln!(
        text,
        "judged              {} requests as {}, in {:.1} s ({:.0} a second on {} threads)",
        report.requests(),
        report.client,
        report.seconds,
        report.requests_per_second,
        report.threads
    )?;
    writeln!(
        text,
        "judging             {:.1} µs a request on average, {:.1} ms the longest",
        report.mean_microseconds,
        report.longest_microseconds / 1e3
    )?;
    let mut rate = |name: &str, rates: &Rates, what: &str| {
        let Some(balanced) = rates.balanced else {
            return writeln!(text, "{name}  none was judged");
        };
        writeln!(
            text,
            "{name}  {}  {} of {} {what}; {:.2} % as the mean over {} categories",
            percent(rates.overall),
            rates.overall.right,
            rates.overall.all,
            100.0 * balanced,
            rates.by_category.len()
        )
    };
    rate(
        "true positive rate",
        &report.true_positive,
        "attacks refused",
    )?;
    rate(
        "true negative rate",
        &report.true_negative,
        "legitimate requests passed",
    )
}

fn table(title: &str, rates: &BTreeMap<String, Rate>, text: &mut String) -> Result<(), Error> {
    // One row would say what the head has said.
    if rates.len() < 2 {
        return Ok(());
    }
    writeln!(text, "\n{title}")?;
    for (name, rate) in rates {
        let name = crate::event::secrets::printable(name.as_bytes(), 60);
        writeln!(
            text,
            "  {name:<30} {}  {} of {}",
            percent(*rate),
            rate.right,
            rate.all
        )?;
    }
    Ok(())
}

fn rules(rules: &BTreeMap<String, RuleCount>, text: &mut String) -> Result<(), Error> {
    text.push_str("\nrules: requests in which they found something\n");
    if rules.is_empty() {
        text.push_str("  none\n");
        return Ok(());
    }
    writeln!(
        text,
        "  {:<44} {:>8} {:>12} {:>8}",
        "", "refused", "false alarms", "passed"
    )?;
    for (rule, count) in rules {
        writeln!(
            text,
            "  {rule:<44} {:>8} {:>12} {:>8}",
            count.hits, count.false_alarms, count.passed
        )?;
    }
    Ok(())
}

fn list(title: &str, wrong: &[Wrongly], limit: Limit, text: &mut String) -> Result<(), Error> {
    if wrong.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n{title} ({})", wrong.len())?;
    for of in wrong.iter().take(limit.0) {
        let id = if of.id.is_empty() {
            String::new()
        } else {
            format!("  {}", of.id)
        };
        let placement = of
            .placement
            .as_ref()
            .map_or(String::new(), |at| format!(" in {at}"));
        writeln!(
            text,
            "  {}{id}  {}{placement}, score {}",
            of.at, of.category, of.score
        )?;
        writeln!(text, "      {} {}", of.method, of.target)?;
        if !of.body.is_empty() {
            writeln!(text, "      {}", of.body)?;
        }
        for found in &of.found {
            writeln!(
                text,
                "      {}  {}: {}",
                found.rule, found.place, found.evidence
            )?;
        }
    }
    let more = wrong.len().saturating_sub(limit.0);
    if more > 0 {
        writeln!(
            text,
            "  … and {more} more: `--limit all`, or `--format json`"
        )?;
    }
    Ok(())
}

fn foot(report: &Report, text: &mut String) -> Result<(), Error> {
    let mut notes = report.notes.clone();
    if report.left_out > 0 {
        notes.push(format!(
            "Requests of not chosen, left out: {}.",
            report.left_out
        ));
    }
    for file in &report.passed_over {
        notes.push(format!(
            "{file} was passed over: it is no recording of requests."
        ));
    }
    if !report.unreadable.is_empty() {
        notes.push(format!(
            "Requests that could not be read, listed on standard error: {}.",
            report.unreadable.len()
        ));
    }
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        writeln!(text, "note: {note}")?;
    }
    Ok(())
}

fn percent(rate: Rate) -> String {
    rate.fraction().map_or_else(
        || "       -".into(),
        |fraction| format!("{:6.2} %", 100.0 * fraction),
    )
}
