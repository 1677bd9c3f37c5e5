//! The values of a request as they are told: each form with the decodings that led to it and the raw bytes it came from.

use std::cmp::Reverse;

use serde::Serialize;

use super::explanation::Seen;
use crate::event::secrets::{names_more, names_secret};
use crate::request::{DecodeStep, Input, Origin};

/// One value of the request.
#[derive(Debug, Serialize)]
pub(super) struct Value {
    pub(super) place: String,
    pub(super) origin: Origin,
    pub(super) raw: String,
    pub(super) forms: Vec<Form>,
    /// Whether a detection found something in it.
    pub(super) found_in: bool,
}

/// A value after some decodings.
#[derive(Debug, Serialize)]
pub(super) struct Form {
    pub(super) text: String,
    pub(super) steps: Vec<DecodeStep>,
    /// The raw bytes that it came from, where they are not those of the whole value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Origin>,
}

/// The values that are told, and how many there are.
#[derive(Debug, Serialize)]
pub(super) struct Values {
    #[serde(rename = "inputs_count")]
    pub(super) count: usize,
    #[serde(rename = "inputs")]
    pub(super) shown: Vec<Value>,
}

impl Values {
    /// At most `most` values in their order. Where there are more, those go first in which nothing was found and nothing
    /// decoded.
    pub(super) fn of(seen: &Seen<'_, '_, '_, '_>, found: &[Origin], most: usize) -> Self {
        let head = seen.judged.request.inputs();
        let of_body = seen.judged.body.map(|body| body.inputs());
        let all = || {
            head.iter()
                .chain(of_body.iter().flat_map(|inputs| inputs.iter()))
        };
        let mut chosen: Vec<(Reverse<u8>, usize)> = all()
            .enumerate()
            .map(|(index, input)| (Reverse(interest(&input, found)), index))
            .collect();
        let count = chosen.len();
        if count > most {
            chosen.sort_unstable();
            chosen.truncate(most);
        }
        let mut chosen: Vec<usize> = chosen.into_iter().map(|(_, index)| index).collect();
        chosen.sort_unstable();
        let mut chosen = chosen.into_iter().peekable();
        let shown = all()
            .enumerate()
            .filter(|(index, _)| chosen.next_if_eq(index).is_some());
        Self {
            count,
            shown: shown.map(|(_, input)| value(&input, seen, found)).collect(),
        }
    }
}

/// How much a reader wants to see a value.
fn interest(input: &Input<'_>, found: &[Origin]) -> u8 {
    if is_found_in(input, found) {
        return 2;
    }
    u8::from(input.forms().any(|form| !form.steps.is_empty()))
}

fn is_found_in(input: &Input<'_>, found: &[Origin]) -> bool {
    let own = input.origin();
    found.iter().any(|of| {
        of.source == own.source
            && own.range.start <= of.range.start
            && of.range.end <= own.range.end
    })
}

fn value(input: &Input<'_>, seen: &Seen<'_, '_, '_, '_>, found: &[Origin]) -> Value {
    let place = input.place();
    let origin = input.origin();
    let raw = seen.slice(&origin);
    // A secret that only a decoding names is no less secret before it.
    let is_secret = seen.is_secret(&place, input.value());
    let hides = is_secret || input.forms().any(|form| names_more(form.text, raw));
    let forms = input.forms().map(|form| {
        let whole = input.origin_of(&form, 0..form.text.len());
        Form {
            text: seen.show(form.text, hides && (is_secret || !names_secret(form.text))),
            steps: form.steps.to_vec(),
            origin: (whole != origin).then_some(whole),
        }
    });
    Value {
        place: seen.place(&place),
        raw: seen.show(raw, hides),
        forms: forms.collect(),
        found_in: is_found_in(input, found),
        origin,
    }
}
