//! What is to be told of one judgement. Everything in it is fit to be shown: secrets are masked, control characters
//! escaped, lengths bounded.

use std::net::IpAddr;

use serde::Serialize;

use super::inputs::Values;
use crate::cli::judge::Judged;
use crate::engine::Mode;
use crate::engine::decide::{Evaluation, Observation, Observed, Outcome};
use crate::engine::trace::Step;
use crate::event::secrets::{
    Neighbours, place_is_secret, presentable, presentable_part, printable,
};
use crate::request::ambiguity::kind;
use crate::request::body::Ground;
use crate::request::{
    Ambiguity, BodyKind, BodyView, Coding, DecodeStep, IdentitySource, Origin, Place, PlaceKind,
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
    pub(super) decision: Outcome,
    pub(super) refusal: Option<Refusal>,
    pub(super) score: u32,
    pub(super) would_be_score: u32,
    pub(super) threshold: u32,
    pub(super) findings: Vec<Found>,
    pub(super) ambiguities: Vec<Odd>,
    pub(super) detections: Vec<Step>,
    #[serde(flatten)]
    pub(super) inputs: Values,
    /// What a reader must know of the recording to understand the outcome.
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Client {
    pub(super) ip: IpAddr,
    pub(super) source: IdentitySource,
    pub(super) standing: Standing,
    pub(super) counted_as: IpAddr,
}

/// What a body is, and why it is taken for that.
#[derive(Debug, Serialize)]
pub(super) struct Body {
    pub(super) bytes: usize,
    pub(super) read_as: BodyKind,
    /// The types that the sender declares.
    pub(super) declared: Vec<String>,
    pub(super) grounds: Vec<Ground>,
    /// The content codings that were taken off before, first applied first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) codings: Vec<Coding>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) charsets: Vec<&'static str>,
}

/// Something that two parsers would read differently.
#[derive(Debug, Serialize)]
pub(super) struct Odd {
    pub(super) kind: &'static str,
    pub(super) message: &'static str,
    pub(super) origin: Origin,
    /// Absent where it is about all of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) raw: Option<String>,
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

/// How much is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The most values.
    pub(super) inputs: usize,
    /// The longest text of a value, in bytes.
    pub(super) text: usize,
}

/// A request that was judged, and how much of it is told.
pub(super) struct Seen<'s, 'v, 'r, 'b> {
    pub(super) judged: &'s Judged<'v, 'r, 'b>,
    pub(super) bounds: Bounds,
    /// What names secrets beside them, in the head and in the body.
    neighbours: [Neighbours; 2],
}

impl Explanation {
    pub(super) fn new(
        configuration: String,
        seen: &Seen<'_, '_, '_, '_>,
        mut notes: Vec<String>,
    ) -> Self {
        let evaluation = seen.judged.evaluation;
        let policy = evaluation.policy();
        let refused = seen.judged.refusal();
        notes.extend(seen.judged.notes());
        let (request, client) = (seen.judged.request, seen.judged.request.client());
        let observations = evaluation.observations();
        let of_body = seen
            .judged
            .body
            .map(BodyView::ambiguities)
            .unwrap_or_default();
        let ambiguities = request.ambiguities().iter().chain(of_body);
        let findings: Vec<Found> = observations
            .iter()
            .enumerate()
            .map(|(index, of)| found(of, seen, seen.judged.elsewhere.contains(&index)))
            .collect();
        let origins: Vec<Origin> = findings.iter().filter_map(|of| of.origin.clone()).collect();
        Self {
            configuration,
            revision: policy.revision.to_string(),
            mode: policy.mode,
            method: request.method().to_string(),
            path: presentable(request.path().as_bytes(), seen.bounds.text),
            client: Client {
                ip: client.address,
                source: client.source,
                standing: client.standing,
                counted_as: client.counting_address(),
            },
            body: seen.judged.body.map(|body| Body {
                bytes: body.bytes().len(),
                read_as: body.kind(),
                declared: declared(seen),
                grounds: body.grounds(),
                codings: body.codings().iter().collect(),
                charsets: body.charsets().collect(),
            }),
            inputs: Values::of(seen, &origins, seen.bounds.inputs),
            detections: evaluation.steps().to_vec(),
            findings,
            ambiguities: ambiguities.map(|of| odd(of, seen)).collect(),
            score: evaluation.score().0,
            would_be_score: evaluation.would_be_score().0,
            threshold: policy.threshold.0,
            decision: refused.map_or_else(|| evaluation.outcome(), |_| Outcome::Block),
            refusal: refusal(evaluation, refused),
            notes,
        }
    }
}

/// Who refuses the request: the chain, or the proxy by itself, with this status.
fn refusal(evaluation: &Evaluation, by_proxy: Option<u16>) -> Option<Refusal> {
    if let Some(status) = by_proxy {
        let detection = "proxy".into();
        return Some(Refusal { detection, status });
    }
    evaluation.permit().err().map(|block| Refusal {
        detection: block.detection.to_string(),
        status: block.status.as_u16(),
    })
}

fn declared(seen: &Seen<'_, '_, '_, '_>) -> Vec<String> {
    let types = seen
        .judged
        .request
        .headers()
        .get_all(http::header::CONTENT_TYPE);
    let shown = types
        .iter()
        .map(|value| printable(value.as_bytes(), seen.bounds.text));
    shown.collect()
}

fn odd(ambiguity: &Ambiguity, seen: &Seen<'_, '_, '_, '_>) -> Odd {
    let range = &ambiguity.origin.range;
    let is_whole = range.is_empty() || *range == (0..seen.source(&ambiguity.origin).len());
    let raw = (!is_whole)
        .then(|| seen.show_part(&ambiguity.origin, seen.is_in_secret(&ambiguity.origin)));
    Odd {
        kind: ambiguity.kind,
        message: kind(ambiguity.kind).map_or("", |kind| kind.message),
        origin: ambiguity.origin.clone(),
        raw,
    }
}

/// An observation; without its bytes where it was made `elsewhere` than in the reading of the body that is shown.
fn found(observation: &Observation, seen: &Seen<'_, '_, '_, '_>, elsewhere: bool) -> Found {
    let mut told = Found {
        detection: observation.detection.to_string(),
        enforced: observation.enforced,
        rule: None,
        place: None,
        message: String::new(),
        score: None,
        evidence: None,
        steps: Vec::new(),
        origin: None,
        raw: None,
    };
    match &observation.what {
        Observed::Exhausted(what) => told.message = format!("the request exhausts {what}"),
        Observed::Fault(what) => told.message = format!("the detection failed: {what}"),
        Observed::Finding(finding) => {
            told.rule = Some(finding.rule.to_string());
            told.place = Some(seen.place(&finding.place));
            told.message = finding.message.to_string();
            told.score = finding.weight.score().map(|score| score.0);
            told.evidence = Some(finding.evidence.text.clone());
            told.steps.clone_from(&finding.evidence.steps);
            if elsewhere {
                return told;
            }
            told.origin.clone_from(&finding.evidence.origin);
            told.raw = finding.evidence.origin.as_ref().map(|origin| {
                let secret = seen.is_secret(&finding.place, seen.slice(origin));
                seen.show_part(origin, secret || seen.is_in_secret(origin))
            });
        }
    }
    told
}

// === impl Seen ===

impl<'s, 'v, 'r, 'b> Seen<'s, 'v, 'r, 'b> {
    pub(super) fn new(judged: &'s Judged<'v, 'r, 'b>, bounds: Bounds) -> Self {
        let of_body = judged.body.map(|body| Neighbours::among(body.inputs()));
        Self {
            judged,
            bounds,
            neighbours: [
                Neighbours::among(judged.request.inputs()),
                of_body.unwrap_or_default(),
            ],
        }
    }

    pub(super) fn slice(&self, origin: &Origin) -> &[u8] {
        self.source(origin)
            .get(origin.range.clone())
            .unwrap_or_default()
    }

    /// The raw text that an origin points into.
    fn source(&self, origin: &Origin) -> &[u8] {
        let bytes = match origin.source {
            Source::Body => self.judged.body.map(BodyView::bytes),
            Source::Target | Source::Header(_) => self.judged.request.source(origin.source),
        };
        bytes.unwrap_or_default()
    }

    /// Whether a value must not be shown. A body that could not be taken apart is one value without a name; whatever in it
    /// looks like the name of a secret hides all of it.
    pub(super) fn is_secret(&self, place: &Place<'_>, value: &[u8]) -> bool {
        let nameless = place.kind == PlaceKind::Body && place.name.is_empty();
        let as_name = || Place::value(PlaceKind::Body, String::from_utf8_lossy(value));
        self.place_is_secret(place) || nameless && place_is_secret(&as_name())
    }

    fn place_is_secret(&self, place: &Place<'_>) -> bool {
        place_is_secret(place) || self.neighbours.iter().any(|beside| beside.name(place))
    }

    /// Whether bytes lie in a value that must not be shown.
    fn is_in_secret(&self, origin: &Origin) -> bool {
        let of_body = self.judged.body.map(BodyView::inputs);
        let all = self.judged.request.inputs();
        let mut all = all
            .iter()
            .chain(of_body.iter().flat_map(|inputs| inputs.iter()));
        all.any(|input| {
            let own = input.origin();
            own.source == origin.source
                && own.range.start < origin.range.end
                && origin.range.start < own.range.end
                && self.place_is_secret(&input.place())
        })
    }

    pub(super) fn show(&self, bytes: &[u8], secret: bool) -> String {
        if secret {
            format!("[masked, {} bytes]", bytes.len())
        } else {
            presentable(bytes, self.bounds.text)
        }
    }

    /// A raw piece of the request; what the text around it names as a secret is masked.
    fn show_part(&self, origin: &Origin, secret: bool) -> String {
        if secret {
            format!("[masked, {} bytes]", origin.range.len())
        } else {
            presentable_part(self.source(origin), origin.range.clone(), self.bounds.text)
        }
    }

    pub(super) fn place(&self, place: &Place<'_>) -> String {
        printable(place.to_string().as_bytes(), self.bounds.text)
    }
}
