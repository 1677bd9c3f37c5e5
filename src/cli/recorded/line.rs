//! A request as one line of JSON: of a corpus, or of the event log, which keeps an excerpt of it.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

use super::{Label, Recorded, Wrong};
use crate::event::Excerpt;
use crate::event::secrets::printable;
use crate::request::raw::{RawRequest, WrongRequest};

/// A line of a corpus. What is not named here is ignored.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: String,
    label: Option<Label>,
    category: Option<String>,
    source: Option<String>,
    placement: Option<String>,
    method: Option<String>,
    #[serde(alias = "target", alias = "url")]
    path: Option<String>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    body: String,
    body_b64: Option<Base64>,
    /// Of events only.
    kind: Option<String>,
    request: Option<Excerpt>,
    client: Option<Client>,
    decision: Option<String>,
    rule: Option<String>,
}

#[derive(Deserialize)]
struct Client {
    ip: IpAddr,
}

/// Headers in order: a list of `[name, value]`, or an object.
#[derive(Default)]
pub(super) struct Headers(pub(super) Vec<(String, String)>);

/// Bytes that are written in base64.
pub(super) struct Base64(Vec<u8>);

/// Whether the first line of a file is a JSON object by itself, or else begins one that is no HAR: a corpus whose first
/// line is broken is a corpus nevertheless.
pub(super) fn is_a_line(first: &[u8]) -> bool {
    match is_request(first) {
        Ok(is_request) => is_request,
        Err(error) => !error.is_eof(),
    }
}

/// Whether a JSON object is one request, and no HAR.
pub(super) fn is_request(text: &[u8]) -> Result<bool, serde_json::Error> {
    #[derive(Deserialize)]
    struct Log {
        log: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Log>(text).map(|object| object.log.is_none())
}

/// Whether the line has the id `id`.
pub(super) fn is_called(text: &[u8], id: &str) -> bool {
    #[derive(Deserialize)]
    struct Id {
        id: String,
    }
    serde_json::from_slice::<Id>(text).is_ok_and(|line| line.id == id)
}

pub(super) fn read(text: &[u8]) -> Result<Recorded, Wrong> {
    // Without its end, so that what is missing is missed on this line.
    let line: Line =
        serde_json::from_slice(text.trim_ascii_end()).map_err(|error| Wrong::of_json(&error))?;
    if let Some(kind) = &line.kind {
        return event(&line, kind);
    }
    let has_body = !line.body.is_empty() || line.body_b64.is_some();
    let usual = if has_body { "POST" } else { "GET" };
    let method = line.method.as_deref().unwrap_or(usual);
    let path = line.path.as_deref();
    let path = path.ok_or_else(|| Wrong::new(1, 0, "missing field `path`"))?;
    let mut recorded = head(method, path, &line.headers)?;
    recorded.request.body = match line.body_b64 {
        Some(body) => body.0,
        None => line.body.into_bytes(),
    };
    Ok(Recorded {
        id: line.id,
        label: line.label,
        category: line.category,
        source: line.source,
        placement: line.placement,
        ..recorded
    })
}

/// The request that an event keeps an excerpt of.
fn event(line: &Line, kind: &str) -> Result<Recorded, Wrong> {
    let Some(excerpt) = &line.request else {
        let why = if kind == "access" {
            "this is a line of the access log, which keeps nothing of the request"
        } else {
            "this event keeps nothing of its request: either `events.excerpt` was 0B, or it is not about one in which \
             something was found"
        };
        return Err(Wrong::new(1, 0, why));
    };
    let headers = Headers(excerpt.headers.clone());
    let mut recorded = head(&excerpt.method, &excerpt.target, &headers)?;
    recorded.request.body = excerpt.body.clone().unwrap_or_default().into_bytes();
    recorded.id.clone_from(&line.id);
    recorded.client = line.client.as_ref().map(|client| client.ip);
    let shown = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or("nothing");
        printable(text.as_bytes(), 80)
    };
    recorded.notes.push(format!(
        "This is an event: its decision was {} by {}.",
        shown(&line.decision),
        shown(&line.rule)
    ));
    if !excerpt.cut.is_empty() {
        let cut = excerpt
            .cut
            .iter()
            .map(|what| printable(what.as_bytes(), 20));
        recorded.notes.push(format!(
            "Not all of the request is kept (`events.excerpt`): {} cut, of a body of {} bytes. What lies beyond is not judged.",
            cut.collect::<Vec<_>>().join(" and "),
            excerpt.body_bytes
        ));
    }
    if excerpt.masked > 0 {
        recorded.notes.push(format!(
            "Secrets were masked in {} places, and what may have been found in them is not found again.",
            excerpt.masked
        ));
    }
    Ok(recorded)
}

/// The head of a request from its parts. What is written down as a header and cannot be sent as one is left out, as no
/// server would have got it; the saved traffic of browsers has such, and is worth judging nevertheless.
pub(super) fn head(method: &str, target: &str, headers: &Headers) -> Result<Recorded, Wrong> {
    let request = RawRequest::new(method, target)
        .map_err(|error| Wrong::new(1, 0, error.wrong.to_string()))?;
    let mut recorded = Recorded::from(request);
    for (name, value) in &headers.0 {
        match recorded.request.append(name.as_bytes(), value.as_bytes()) {
            Ok(()) => {}
            Err(wrong @ WrongRequest::TooManyHeaders) => {
                return Err(Wrong::new(1, 0, wrong.to_string()));
            }
            Err(wrong) => recorded.unsendable.push(wrong.to_string()),
        }
    }
    Ok(recorded)
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of [name, value], or an object")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(pair) = pairs.next_element()? {
                    headers.push(pair);
                }
                Ok(Headers(headers))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some(pair) = pairs.next_entry()? {
                    headers.push(pair);
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_any(Pairs)
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Padding says nothing that the length does not.
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let text = String::deserialize(deserializer)?;
        LENIENT
            .decode(text)
            .map(Self)
            .map_err(|error| serde::de::Error::custom(format!("no base64: {error}")))
    }
}
