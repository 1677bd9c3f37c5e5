//! What is to be told of one judgement. Everything in it is fit to be shown: secrets are masked, control characters
//! escaped, lengths bounded.

use std::net::IpAddr;
use std::ops::Range;

use serde::Serialize;

use crate::engine::Mode;
use crate::engine::decide::{Evaluation, Observation, Observed, Outcome};
use crate::engine::trace::Step;
use crate::event::secrets::{place_is_secret, presentable, presentable_part, printable};
use crate::request::{
    BodyKind, BodyView, DecodeStep, IdentitySource, Input, Origin, Place, PlaceKind, RequestView,
    Source, Standing,
};

/// One judgement.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    pub(super) configuration: String,
    pub(super) revision: String,
    pub(super) mode: Mode,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) client: Client,
    pub(super) body: Option<Body>,
    pub(super) inputs: Vec<Value>,
    pub(super) detections: Vec<Step>,
    pub(super) findings: Vec<Found>,
    pub(super) score: u32,
    pub(super) would_be_score: u32,
    pub(super) threshold: u32,
    pub(super) decision: Outcome,
    pub(super) refusal: Option<Refusal>,
}

#[derive(Debug, Serialize)]
pub(super) struct Client {
    pub(super) ip: IpAddr,
    pub(super) source: IdentitySource,
    pub(super) standing: Standing,
    pub(super) counted_as: IpAddr,
}

#[derive(Debug, Serialize)]
pub(super) struct Body {
    pub(super) bytes: usize,
    pub(super) read_as: BodyKind,
}

/// One value of the request.
#[derive(Debug, Serialize)]
pub(super) struct Value {
    pub(super) place: String,
    pub(super) origin: Origin,
    pub(super) raw: String,
    pub(super) forms: Vec<Form>,
}

#[derive(Debug, Serialize)]
pub(super) struct Form {
    pub(super) text: String,
    pub(super) steps: Vec<DecodeStep>,
}

/// One thing that was found, or that went wrong.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub(super) detection: String,
    pub(super) enforced: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) place: Option<String>,
    pub(super) message: String,
    /// Absent where the rule decides at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) score: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evidence: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<DecodeStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Origin>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raw: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Refusal {
    pub(super) detection: String,
    pub(super) status: u16,
}

/// The longest text that is shown of a value, in bytes.
const MAX_SHOWN: usize = 200;

/// The most values that are shown of a request.
const MAX_INPUTS: usize = 1000;

impl Explanation {
    pub(super) fn new(
        configuration: String,
        request: &RequestView<'_>,
        body: Option<&BodyView<'_>>,
        evaluation: &Evaluation,
    ) -> Self {
        let policy = evaluation.policy();
        let client = request.client();
        let of_head = request
            .inputs()
            .iter()
            .map(|input| value(input, request, body));
        let of_body = body.into_iter().flat_map(|view| {
            view.inputs()
                .iter()
                .map(|input| value(input, request, body))
        });
        Self {
            configuration,
            revision: policy.revision.to_string(),
            mode: policy.mode,
            method: request.method().to_string(),
            path: printable(request.path().as_bytes(), MAX_SHOWN),
            client: Client {
                ip: client.address,
                source: client.source,
                standing: client.standing,
                counted_as: client.counting_address(),
            },
            body: body.map(|body| Body {
                bytes: body.bytes().len(),
                read_as: body.kind(),
            }),
            inputs: of_head.chain(of_body).take(MAX_INPUTS).collect(),
            detections: evaluation.steps().to_vec(),
            findings: evaluation
                .observations()
                .iter()
                .map(|seen| found(seen, request, body))
                .collect(),
            score: evaluation.score().0,
            would_be_score: evaluation.would_be_score().0,
            threshold: policy.threshold.0,
            decision: evaluation.outcome(),
            refusal: evaluation.permit().err().map(|block| Refusal {
                detection: block.detection.to_string(),
                status: block.status.as_u16(),
            }),
        }
    }
}

fn value(input: Input<'_>, request: &RequestView<'_>, body: Option<&BodyView<'_>>) -> Value {
    let place = input.place();
    let origin = input.origin();
    let secret = is_secret(&place, input.value());
    Value {
        place: shown_place(&place),
        raw: show(slice(&origin, request, body), secret),
        origin,
        forms: input
            .forms()
            .map(|form| Form {
                text: show(form.text, secret),
                steps: form.steps.to_vec(),
            })
            .collect(),
    }
}

fn found(seen: &Observation, request: &RequestView<'_>, body: Option<&BodyView<'_>>) -> Found {
    let mut told = Found {
        detection: seen.detection.to_string(),
        enforced: seen.enforced,
        rule: None,
        place: None,
        message: String::new(),
        score: None,
        evidence: None,
        steps: Vec::new(),
        origin: None,
        raw: None,
    };
    match &seen.what {
        Observed::Exhausted(what) => told.message = format!("the request exhausts {what}"),
        Observed::Fault(what) => told.message = format!("the detection failed: {what}"),
        Observed::Finding(finding) => {
            told.rule = Some(finding.rule.to_string());
            told.place = Some(shown_place(&finding.place));
            told.message = finding.message.to_string();
            told.score = finding.weight.score().map(|score| score.0);
            told.evidence = Some(finding.evidence.text.clone());
            told.steps.clone_from(&finding.evidence.steps);
            told.origin.clone_from(&finding.evidence.origin);
            told.raw = finding.evidence.origin.as_ref().map(|origin| {
                let raw = slice(origin, request, body);
                let secret = is_secret(&finding.place, raw);
                show_part(source(origin, request, body), origin.range.clone(), secret)
            });
        }
    }
    told
}

fn slice<'v>(
    origin: &Origin,
    request: &'v RequestView<'_>,
    body: Option<&'v BodyView<'_>>,
) -> &'v [u8] {
    let bytes = match origin.source {
        Source::Body => body.and_then(|body| body.slice(origin)),
        Source::Target | Source::Header(_) => request.slice(origin),
    };
    bytes.unwrap_or_default()
}

/// The raw text that an origin points into.
fn source<'v>(
    origin: &Origin,
    request: &'v RequestView<'_>,
    body: Option<&'v BodyView<'_>>,
) -> &'v [u8] {
    let bytes = match origin.source {
        Source::Body => body.map(BodyView::bytes),
        Source::Target | Source::Header(_) => request.source(origin.source),
    };
    bytes.unwrap_or_default()
}

fn show(bytes: &[u8], secret: bool) -> String {
    if secret {
        format!("[masked, {} bytes]", bytes.len())
    } else {
        presentable(bytes, MAX_SHOWN)
    }
}

/// A raw piece of the request; what the text around it names as a secret is masked.
fn show_part(text: &[u8], part: Range<usize>, secret: bool) -> String {
    if secret {
        format!("[masked, {} bytes]", part.len())
    } else {
        presentable_part(text, part, MAX_SHOWN)
    }
}

/// Whether a value must not be shown. A body that could not be taken apart is one value without a name; whatever in it
/// looks like the name of a secret hides all of it.
fn is_secret(place: &Place<'_>, value: &[u8]) -> bool {
    let nameless = place.kind == PlaceKind::Body && place.name.is_empty();
    place_is_secret(place)
        || nameless
            && place_is_secret(&Place::value(
                PlaceKind::Body,
                String::from_utf8_lossy(value),
            ))
}

fn shown_place(place: &Place<'_>) -> String {
    printable(place.to_string().as_bytes(), MAX_SHOWN)
}
