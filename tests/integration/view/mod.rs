//! One word through every place of a request, in every encoding, under every type of body and quirk of parsers: it is
//! found where it was put, and the raw bytes that are shown for it are exactly those that write it. Each case has an
//! innocent twin that differs by one letter, in which nothing is found.

mod carriers;
mod encodings;
mod long;

use portcullis::request::{Input, PlaceKind};

use crate::judge::Request;
use carriers::{CARRIERS, Carrier};
use encodings::{ENCODINGS, Encoding};

/// What is looked for, with signs that every encoding has to do with.
const WORD: &str = "<mark id='zq7' on=x(y)>";

/// What is not.
const TWIN: &str = "<mark id='zq8' on=x(y)>";

/// Where a word was found.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    kind: PlaceKind,
    name: String,
    is_key: bool,
    raw: Vec<u8>,
    steps: String,
}

/// Everywhere that `word` is in a form of a value.
fn find(request: &Request, word: &str) -> Vec<Found> {
    let mut all = Vec::new();
    let mut look =
        |input: Input<'_>, slice: &dyn Fn(&portcullis::request::Origin) -> Option<Vec<u8>>| {
            for form in input.forms() {
                let Some(at) = memchr::memmem::find(form.text, word.as_bytes()) else {
                    continue;
                };
                let origin = input.origin_of(&form, at..at + word.len());
                let place = input.place();
                all.push(Found {
                    kind: place.kind,
                    name: place.name.into_owned(),
                    is_key: place.is_key,
                    raw: slice(&origin).expect("evidence is in the request"),
                    steps: format!("{:?}", form.steps),
                });
            }
        };
    request.seen(|head, body| {
        for input in head.inputs() {
            look(input, &|origin| head.slice(origin).map(<[u8]>::to_vec));
        }
        if let Some(body) = body {
            for input in body.inputs() {
                look(input, &|origin| body.slice(origin).map(<[u8]>::to_vec));
            }
        }
    });
    all
}

/// A request that carries `word` in an encoding, and the raw bytes that write the word in it; `None` where a carrier
/// cannot hold what the encoding writes.
fn case(carrier: &Carrier, encoding: &Encoding, word: &str) -> Option<(Request, Vec<u8>)> {
    let spelled = (encoding.encode)(word);
    let raw = (carrier.escape)(&spelled)?;
    let around = |text: &str| (carrier.escape)(text.as_bytes());
    let value = [
        around(encoding.before)?,
        raw.clone(),
        around(encoding.behind)?,
    ]
    .concat();
    Some(((carrier.request)(&value), raw))
}

#[test]
fn a_word_is_found_wherever_and_however_it_is_written() {
    let mut number = 0;
    let mut wrong = Vec::new();
    for carrier in CARRIERS {
        for encoding in ENCODINGS {
            let Some((request, raw)) = case(carrier, encoding, WORD) else {
                continue;
            };
            let shown = format!("{} in {}", encoding.name, carrier.name);
            number += 1;
            let found = find(&request, WORD);
            let is_there = |found: &Found| {
                (found.kind, found.is_key) == (carrier.kind, carrier.is_key)
                    && found.raw == raw
                    && found.steps.contains(encoding.step)
                    && carrier.value_name.is_none_or(|name| found.name == name)
            };
            if !found.iter().any(is_there) {
                wrong.push(format!(
                    "{shown}: {} in {request:?}: {found:?}",
                    raw.escape_ascii()
                ));
            }
            let (twin, _) =
                case(carrier, encoding, TWIN).expect("what carries the word carries its twin");
            let found = find(&twin, WORD);
            if !found.is_empty() {
                wrong.push(format!("{shown}, innocent: {found:?}"));
            }
        }
    }
    let shown: Vec<_> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} of {number}: {shown:#?}", wrong.len());
    assert_eq!((CARRIERS.len(), ENCODINGS.len(), number), (47, 36, 1669));
}
