//! All requests of a corpus, read and judged on as many cores as there are. What comes out does not depend on who judged
//! what: everything that is listed is sorted by where it was read.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Named;
use super::part::Part;
use super::rates::{Rates, RuleCount};
use super::report::Wrongly;
use crate::cli::judge::Judge;
use crate::cli::recorded::{FileError, Label, Piece, Pieces, Recorded, Unreadable};
use crate::engine::decide::Observed;
use crate::engine::{Evaluation, Outcome};
use crate::proxy::clock;

/// Which requests are judged, and as what.
pub(super) struct Choice<'a> {
    pub(super) label: Label,
    pub(super) only: &'a [String],
    pub(super) skip: &'a [String],
    pub(super) parts: &'a [Part],
}

/// What came of it.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) attacks: Rates,
    pub(super) legit: Rates,
    pub(super) misses: Vec<(Order, Wrongly)>,
    pub(super) false_alarms: Vec<(Order, Wrongly)>,
    pub(super) rules: BTreeMap<String, RuleCount>,
    /// How many requests each detection refused.
    pub(super) refused_by: BTreeMap<String, usize>,
    /// Requests that pass, and would not if detections in monitor mode were enforced.
    pub(super) would_block: usize,
    /// Requests that a detection failed to judge.
    pub(super) faults: usize,
    pub(super) left_out: usize,
    /// Requests of which a header was left out, since it cannot be sent.
    pub(super) unsendable: usize,
    pub(super) unreadable: Vec<(Order, Unreadable)>,
    /// Files of folders that hold no requests.
    pub(super) passed_over: Vec<String>,
    /// How long it took to judge all of them, one after the other, and the one that took longest.
    pub(super) judging: Duration,
    pub(super) longest: Duration,
    pub(super) took: Duration,
    pub(super) threads: usize,
}

/// The place of a request among all: the file's, and its own in there.
pub(super) type Order = (usize, usize);

/// How many pieces are handed out at a time.
const BATCH: usize = 32;

pub(super) fn measure(
    judge: &Judge,
    files: &[Named],
    choice: &Choice<'_>,
) -> Result<Measured, FileError> {
    let began = clock::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let source = Mutex::new(Source {
        files,
        index: 0,
        open: None,
        count: 0,
        passed_over: Vec::new(),
        broken: Vec::new(),
        failed: None,
    });
    let mut measured = std::thread::scope(|scope| {
        let work = || judge_all(judge, &source, choice);
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut measured = work();
        for other in others {
            match other.join() {
                Ok(more) => measured.merge(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        measured
    });
    let source = source.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(failed) = source.failed {
        return Err(failed);
    }
    measured.passed_over = source.passed_over;
    measured.unreadable.extend(source.broken);
    measured.unreadable.sort_by_key(|(order, _)| *order);
    measured.misses.sort_by_key(|(order, _)| *order);
    measured.false_alarms.sort_by_key(|(order, _)| *order);
    measured.attacks.finish();
    measured.legit.finish();
    measured.took = clock::now().saturating_duration_since(began);
    measured.threads = threads;
    Ok(measured)
}

/// The files while they are read, one after the other.
struct Source<'a> {
    files: &'a [Named],
    index: usize,
    open: Option<Pieces>,
    count: usize,
    passed_over: Vec<String>,
    broken: Vec<(Order, Unreadable)>,
    failed: Option<FileError>,
}

impl Source<'_> {
    /// The next pieces; none at the end.
    fn batch(&mut self) -> Vec<(Order, Piece)> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH && self.failed.is_none() {
            let Some(named) = self.files.get(self.index) else {
                break;
            };
            let open = self.open.take();
            let mut pieces = match open.map_or_else(|| Pieces::open(&named.path), Ok) {
                Ok(pieces) => pieces,
                Err(error) => {
                    self.give_up(named, error);
                    continue;
                }
            };
            match pieces.next() {
                Some(Ok(piece)) => {
                    batch.push(((self.index, self.count), piece));
                    self.count += 1;
                    self.open = Some(pieces);
                }
                Some(Err(error)) => self.give_up(named, error),
                None => self.index += 1,
            }
        }
        batch
    }

    /// Goes on with the next file where this one is only no recording; a file that cannot be read ends everything.
    fn give_up(&mut self, named: &Named, error: FileError) {
        match error {
            FileError::Unknown(file) if named.is_found => self.passed_over.push(file.to_string()),
            FileError::Unknown(_) | FileError::Io(..) => self.failed = Some(error),
            FileError::Broken(unreadable) => {
                self.broken.push(((self.index, self.count), unreadable));
            }
        }
        self.index += 1;
    }
}

fn judge_all(judge: &Judge, source: &Mutex<Source<'_>>, choice: &Choice<'_>) -> Measured {
    let mut measured = Measured::default();
    loop {
        let batch = source
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .batch();
        if batch.is_empty() {
            return measured;
        }
        for (order, piece) in batch {
            match piece.read() {
                Ok(recorded) => measured.judge(judge, order, &piece, &recorded, choice),
                Err(unreadable) => measured.unreadable.push((order, unreadable)),
            }
        }
    }
}

impl Measured {
    fn judge(
        &mut self,
        judge: &Judge,
        order: Order,
        piece: &Piece,
        recorded: &Recorded,
        choice: &Choice<'_>,
    ) {
        let category = recorded.category.as_deref().unwrap_or("recorded");
        if !choice.takes(&recorded.id, category) {
            self.left_out += 1;
            return;
        }
        self.unsendable += usize::from(!recorded.unsendable.is_empty());
        let label = recorded.label.unwrap_or(choice.label);
        judge.judge(&recorded.request, |judged| {
            let (request, evaluation) = (judged.request, judged.evaluation);
            self.judging += judged.took;
            self.longest = self.longest.max(judged.took);
            // A body that is too long, or whose content coding is broken, never gets as far as the chain.
            let is_unasked = judged.refusal().is_some();
            let is_refused = is_unasked || evaluation.outcome() == Outcome::Block;
            if is_unasked {
                *self.refused_by.entry("proxy".into()).or_default() += 1;
            }
            self.count(label, is_refused, evaluation);
            let is_right = is_refused == (label == Label::Malicious);
            let (rates, wrong) = match label {
                Label::Malicious => (&mut self.attacks, &mut self.misses),
                Label::Legit => (&mut self.legit, &mut self.false_alarms),
            };
            let source = recorded.source.as_deref().unwrap_or(&piece.at.file);
            let placement = recorded.placement.as_deref().unwrap_or("unknown");
            rates.add(is_right, category, source, placement);
            if !is_right {
                let wrongly = Wrongly::new(piece, recorded, category, request, evaluation);
                wrong.push((order, wrongly));
            }
        });
    }

    fn count(&mut self, label: Label, is_refused: bool, evaluation: &Evaluation) {
        self.would_block += usize::from(evaluation.outcome() == Outcome::WouldBlock);
        if let Err(block) = evaluation.permit() {
            *self
                .refused_by
                .entry(block.detection.to_string())
                .or_default() += 1;
        }
        let observations = evaluation.observations();
        let is_fault = |what: &Observed| matches!(what, Observed::Fault(_));
        self.faults += usize::from(observations.iter().any(|seen| is_fault(&seen.what)));
        let mut rules: Vec<String> = observations
            .iter()
            .map(|seen| rule(&seen.detection, &seen.what))
            .collect();
        rules.sort_unstable();
        // A rule that found several things in a request counts once.
        rules.dedup();
        for rule in rules {
            self.rules.entry(rule).or_default().add(label, is_refused);
        }
    }

    fn merge(&mut self, other: Self) {
        self.attacks.merge(other.attacks);
        self.legit.merge(other.legit);
        self.misses.extend(other.misses);
        self.false_alarms.extend(other.false_alarms);
        for (rule, count) in other.rules {
            self.rules.entry(rule).or_default().merge(count);
        }
        for (detection, count) in other.refused_by {
            *self.refused_by.entry(detection).or_default() += count;
        }
        self.judging += other.judging;
        self.longest = self.longest.max(other.longest);
        self.would_block += other.would_block;
        self.faults += other.faults;
        self.left_out += other.left_out;
        self.unsendable += other.unsendable;
        self.unreadable.extend(other.unreadable);
    }
}

/// What saw something: the rule, or the detection where it only failed.
pub(super) fn rule(detection: &str, what: &Observed) -> String {
    match what {
        Observed::Finding(finding) => finding.rule.to_string(),
        Observed::Exhausted(_) => format!("{detection} (exhausted)"),
        Observed::Fault(_) => format!("{detection} (failed)"),
    }
}

impl Choice<'_> {
    fn takes(&self, id: &str, category: &str) -> bool {
        let is_one_of =
            |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, category));
        (self.only.is_empty() || is_one_of(self.only))
            && !is_one_of(self.skip)
            && (self.parts.is_empty() || self.parts.iter().any(|part| part.holds(id)))
    }
}

/// Whether a name is a pattern; the first `*` in it stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .split_once('*')
        .map_or(pattern == name, |(head, tail)| {
            name.len() >= head.len() + tail.len() && name.starts_with(head) && name.ends_with(tail)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_category_is_chosen_by_a_pattern() {
        for (pattern, name, expected) in [
            ("sqli", "sqli", true),
            ("sqli", "nosqli", false),
            ("*sqli", "nosqli", true),
            ("*-hard", "code-hard", true),
            ("*-hard", "-har", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
