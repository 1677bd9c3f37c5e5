//! What two readers would read differently, as findings of their own.
//!
//! The table of [`crate::request::ambiguity`] says how heavy each kind weighs; each is a rule, `ambiguity.` and its name, that
//! exclusions know like any other. What cannot be read at all is refused whether or not the shipped rules are used: a word
//! of the user's own is not found in it either.

use std::borrow::Cow;

use super::config::Doctype;
use super::exclusion::Spot;
use crate::engine::{Evidence, Finding, RuleId, RuleInfo, Score, Weight};
use crate::request::ambiguity::{AmbiguityKind, AmbiguityWeight, KINDS, kind};
use crate::request::{Ambiguity, Inputs, Origin, PlaceKind, Source};

/// The first half of the rules' names.
const CLASS: &str = "ambiguity";

/// How many values are looked at, all in all, to give findings of one head or body the names of their values.
const MOST_LOOKED_AT: usize = 1 << 21;

/// Which ambiguities are findings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ambiguities {
    pub(super) builtin: bool,
    pub(super) doctype: Doctype,
}

/// Where ambiguities were seen: a head or a body.
pub(super) struct Seen<'s> {
    pub(super) ambiguities: &'s [Ambiguity],
    pub(super) inputs: Inputs<'s>,
    /// How long the path is, which begins the target.
    pub(super) path: usize,
}

impl Ambiguities {
    /// The rules for `portcullis rules list`.
    pub(super) fn rules(self) -> impl Iterator<Item = RuleInfo> {
        let kinds = KINDS.iter().filter(move |kind| self.counts(kind));
        kinds.map(|kind| RuleInfo {
            id: id(kind),
            message: Cow::Borrowed(kind.message),
            score: match kind.weight {
                AmbiguityWeight::Suspicious(score) => Some(Score(score)),
                AmbiguityWeight::Noted | AmbiguityWeight::Unreadable => None,
            },
            places: kind.places.to_vec(),
        })
    }

    /// What is to be found of what was seen, each kind once, at its first place that is not excluded. `source` gives the raw
    /// text of an origin.
    pub(super) fn find<'b>(
        self,
        seen: &Seen<'_>,
        source: impl Fn(Source) -> Option<&'b [u8]>,
        is_excluded: impl Fn(&str, Spot<'_>) -> bool,
    ) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        // A body can have more values than it is worth looking for a name among, time and again.
        let mut searches = MOST_LOOKED_AT / seen.inputs.len().max(1);
        for ambiguity in seen.ambiguities {
            let Some(kind) = kind(ambiguity.kind).filter(|kind| self.counts(kind)) else {
                continue;
            };
            let weight = match kind.weight {
                AmbiguityWeight::Noted => continue,
                AmbiguityWeight::Suspicious(score) => Weight::Score(Score(score)),
                AmbiguityWeight::Unreadable => Weight::Unreadable,
            };
            let rule = id(kind);
            if findings.iter().any(|finding| finding.rule == rule) {
                continue;
            }
            let spot = seen.spot(&ambiguity.origin, searches > 0);
            searches = searches.saturating_sub(1);
            if is_excluded(rule.as_str(), spot) {
                continue;
            }
            let place = spot.place();
            let origin = ambiguity.origin.clone();
            let text = source(origin.source).unwrap_or_default();
            findings.push(Finding {
                rule,
                weight,
                evidence: Evidence::part(&place, text, origin.range.clone(), origin, Vec::new()),
                place: place.into_owned(),
                message: Cow::Borrowed(kind.message),
            });
        }
        findings
    }

    fn counts(self, kind: &AmbiguityKind) -> bool {
        match kind.weight {
            AmbiguityWeight::Noted => false,
            AmbiguityWeight::Unreadable => true,
            AmbiguityWeight::Suspicious(_) => {
                let is_allowed = kind.name == "xml_doctype" && self.doctype == Doctype::Allow;
                self.builtin && !is_allowed
            }
        }
    }
}

impl<'s> Seen<'s> {
    /// Where an origin is: in the value that is written there, if there is one and it may be searched for.
    fn spot(&self, origin: &Origin, may_search: bool) -> Spot<'s> {
        let mut values = self.inputs.iter().filter(|_| may_search);
        if let Some(value) = values.find(|input| input.origin() == *origin) {
            return Spot::Value(value);
        }
        Spot::Part(match origin.source {
            Source::Target if origin.range.start < self.path => PlaceKind::Path,
            Source::Target => PlaceKind::Query,
            Source::Header(_) => PlaceKind::Headers,
            Source::Body => PlaceKind::Body,
        })
    }
}

/// The names of all rules.
pub(super) fn ids() -> impl Iterator<Item = String> {
    KINDS.iter().map(|kind| format!("{CLASS}.{}", kind.name))
}

fn id(kind: &AmbiguityKind) -> RuleId {
    RuleId::new(&format!("{CLASS}.{}", kind.name))
}
