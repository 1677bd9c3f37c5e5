//! The look through the values of a head or a body.

use std::ops::Range;

use super::analyzers::{Matches, Name, Text};
use super::exclusion::Spot;
use super::rules::Pattern;
use super::{MAX_FINDINGS, MaliciousPayload};
use crate::engine::{DetectionError, Evidence, Finding, Weight};
use crate::request::{Form, Input, Inputs, PlaceKind, RequestView, Work};

/// Units of work for each form of a value, beside those of searching it.
const FOR_EACH_FORM: usize = 100;

/// Units of work for each byte that was searched before, or is searched to be remembered: the same for both, or the same
/// request would not always be judged the same.
const FOR_EACH_BYTE_AGAIN: usize = 64;

/// How a value is searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Not at all: no application reads it as a value, so that a match in it is chance.
    None,
    /// It says the same in most requests of a client, and no secret. The number is that of the header.
    Again(u32),
    /// Like any other.
    Usual,
}

/// The headers that say the same in most requests of a client.
const AGAIN: [&str; 10] = [
    "user-agent",
    "accept",
    "accept-encoding",
    "accept-language",
    "host",
    "referer",
    "origin",
    "content-type",
    "cache-control",
    "via",
];

impl Look {
    fn at(input: Input<'_>) -> Self {
        if input.kind() != PlaceKind::Headers {
            return Self::Usual;
        }
        let name = &*input.name();
        if matches!(
            name,
            "connection"
                | "content-length"
                | "keep-alive"
                | "sec-websocket-key"
                | "te"
                | "transfer-encoding"
                | "upgrade"
        ) {
            return Self::None;
        }
        let place = (0..).zip(AGAIN).find(|(_, header)| *header == name);
        match place {
            Some((place, _)) => Self::Again(place),
            // These say of a browser what its user agent says, and are one place to all rules.
            None if name.starts_with("sec-") => Self::Again(u32::MAX),
            None => Self::Usual,
        }
    }
}

/// One look through the inputs of a head or body.
pub(super) struct Scan<'s, 'r> {
    detection: &'s MaliciousPayload,
    request: &'s RequestView<'r>,
    work: &'s Work,
    findings: Vec<Finding>,
}

impl<'s, 'r> Scan<'s, 'r> {
    /// A look that may make no more than this `work`.
    pub(super) const fn new(
        detection: &'s MaliciousPayload,
        request: &'s RequestView<'r>,
        work: &'s Work,
    ) -> Self {
        Self {
            detection,
            request,
            work,
            findings: Vec::new(),
        }
    }

    /// What the rules find in `inputs`.
    ///
    /// What makes more work than it may is refused whatever was found, since not all of it was looked at.
    pub(super) fn run(mut self, inputs: Inputs<'_>) -> Result<Vec<Finding>, DetectionError> {
        let set = &self.detection.rules.set;
        let screen = inputs
            .plain_text()
            .and_then(|(text, marks)| set.screen(text, marks, self.work));
        let passes = |input: Input<'_>| {
            screen.is_none_or(|screen| !input.is_plain() || screen.lets_pass(input.marks()))
        };
        for input in inputs {
            if !passes(input) {
                self.work.take(FOR_EACH_FORM);
                continue;
            }
            let look = Look::at(input);
            if look == Look::None {
                continue;
            }
            for form in input.forms() {
                self.form(input, look, &form);
                if self.findings.len() >= MAX_FINDINGS {
                    return Ok(self.findings);
                }
            }
        }
        if !self.work.is_exhausted() {
            return Ok(self.findings);
        }
        let exhausted = "the work that its length allows for";
        let rules: Vec<_> = self
            .findings
            .iter()
            .map(|found| found.rule.as_str())
            .collect();
        Err(DetectionError::Exhausted(match *rules {
            [] => exhausted.into(),
            _ => format!("{exhausted}; found until then: {}", rules.join(", ")).into(),
        }))
    }

    fn form(&mut self, input: Input<'_>, look: Look, form: &Form<'_>) {
        if !self.work.take(FOR_EACH_FORM) {
            return;
        }
        let rules = &self.detection.rules;
        // Asked before an expression is run: most candidates are words that the rule does not look for here.
        let looks_here = |index: usize| match rules.patterns.get(index) {
            Some(Pattern::Rule(rule)) => rules
                .rules
                .get(*rule)
                .is_some_and(|rule| rule.places.contains(&input.kind())),
            Some(Pattern::Analyzer { analyzer, .. }) => form.text.len() <= analyzer.longest,
            None => false,
        };
        let findings = &mut self.findings;
        let found = Found {
            detection: self.detection,
            request: self.request,
            input,
            form,
        };
        if let Look::Again(place) = look {
            // Searched to the end, since what is found in half of it is not what is remembered.
            self.work.take(form.text.len() * FOR_EACH_BYTE_AGAIN);
            let found = |index, range| found.by(index, range, findings);
            let text = (place, form.text);
            rules.set.find_again(text, form.marks, looks_here, found);
        } else {
            // Once is enough of what a rule finds; an analyzer may find more.
            let known: Vec<_> = match findings.is_empty() {
                true => Vec::new(),
                false => findings.iter().map(|found| found.rule.clone()).collect(),
            };
            let wanted =
                |index| looks_here(index) && (known.is_empty() || !rules.is_one_of(index, &known));
            let found = |index, range| {
                found.by(index, range, findings);
            };
            rules
                .set
                .find_where(form.text, form.marks, self.work, wanted, found);
        }
    }
}

/// Where something was found.
struct Found<'s, 'r, 'i> {
    detection: &'s MaliciousPayload,
    request: &'s RequestView<'r>,
    input: Input<'i>,
    form: &'s Form<'i>,
}

impl Found<'_, '_, '_> {
    /// Adds what a pattern stands for that was found, and tells whether it was anything.
    fn by(&self, index: usize, range: Range<usize>, findings: &mut Vec<Finding>) -> bool {
        match self.detection.rules.patterns.get(index) {
            Some(Pattern::Rule(rule)) => {
                self.add(*rule, range, findings);
                true
            }
            Some(Pattern::Analyzer { analyzer, first }) => {
                let mut matches = Matches::default();
                let (place, is_key) = (self.input.kind(), self.input.is_key());
                let mut text = Text::new(self.form.text, place, is_key, Name::Of(self.input));
                text.is_file_name = self.input.is_file_name();
                (analyzer.analyze)(&text, &mut matches);
                let is_any = !matches.found.is_empty();
                for (rule, range) in matches.found {
                    let mut rules = analyzer.rules.iter();
                    if let Some(nth) = rules.position(|known| std::ptr::eq(*known, rule)) {
                        self.add(first + nth, range, findings);
                    }
                }
                is_any
            }
            None => false,
        }
    }

    fn add(&self, rule: usize, range: Range<usize>, findings: &mut Vec<Finding>) {
        let (detection, input, form) = (self.detection, self.input, self.form);
        let Some(rule) = detection.rules.rules.get(rule) else {
            return;
        };
        let id = rule.id.as_str();
        let class = id.split_once('.').map_or(id, |(class, _)| class);
        if findings.len() >= MAX_FINDINGS
            || findings.iter().any(|finding| finding.rule == rule.id)
            || detection.excludes(id, Spot::Value(input), self.request)
            || (rule.is_shipped && detection.fields.expect(class, input, self.request))
        {
            return;
        }
        let origin = input.origin_of(form, range.clone());
        let steps = form.steps.to_vec();
        let place = input.place();
        findings.push(Finding {
            rule: rule.id.clone(),
            weight: Weight::Score(rule.score),
            evidence: Evidence::part(&place, form.text, range, origin, steps),
            place: place.into_owned(),
            message: rule.message.clone(),
        });
    }
}
