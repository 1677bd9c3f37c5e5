//! As much of a request as its event keeps, so that it can be judged again: by `portcullis explain`, after a rule was
//! changed, or by somebody who wonders why.
//!
//! It is bounded, and holds no secret that can be known for one: what lies at a place of secrets is masked whole, and so is
//! what a text names one, in any of its forms. What is left stands as it was sent. So, unlike everything else in an event,
//! it is not fit to be shown as it is: control characters of outsiders are still in it. On a line of the log they are
//! escaped as JSON escapes them.

use std::ops::Range;

use http::header::COOKIE;
use serde::{Deserialize, Serialize};

use super::secrets::{self, MASK, Neighbours};
use crate::request::body::is_encoded;
use crate::request::coding::is_content_encoding;
use crate::request::{BodyKind, BodyView, Input, RequestView, Source};

/// A request, cut and masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The method.
    pub method: String,
    /// The request-target.
    pub target: String,
    /// The headers in their order, name and value.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body. Absent where there was none, and where it is no text that could be masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How long the body was that was judged.
    #[serde(default)]
    pub body_bytes: usize,
    /// What is not whole: `target`, `headers`, `body`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut: Vec<String>,
    /// How many pieces were masked.
    #[serde(default)]
    pub masked: usize,
}

/// A text in the making: what must not be shown of it, and how much is left of the bound.
struct Making<'v> {
    secrets: Vec<(Source, Range<usize>)>,
    excerpt: &'v mut Excerpt,
    left: usize,
    /// Where secrets were looked for ends; what is behind that in a text is not shown, however short masks made it.
    limit: usize,
}

impl Excerpt {
    /// The excerpt of a request, of at most `limit` bytes: the target has half of them, the headers half of what is left
    /// then, the body the rest. `None` where there is no room for anything.
    #[must_use]
    pub fn of(
        request: &RequestView<'_>,
        body: Option<&BodyView<'_>>,
        limit: usize,
    ) -> Option<Self> {
        if limit == 0 {
            return None;
        }
        let mut secrets = Vec::new();
        let inputs = request.inputs();
        let neighbours = Neighbours::among(inputs);
        for input in inputs.iter() {
            let raw = request.slice(&input.origin());
            note(&input, raw, limit, &neighbours, &mut secrets);
        }
        let body = body.filter(|body| !body.bytes().is_empty());
        let text = body.and_then(|body| text_of(request, body));
        if let (Some(body), true) = (body, text.is_some()) {
            let neighbours = Neighbours::among(body.inputs());
            for input in body.inputs().iter() {
                let raw = body.slice(&input.origin());
                note(&input, raw, limit, &neighbours, &mut secrets);
            }
        }
        let mut excerpt = Self {
            method: secrets::printable(request.method().as_str().as_bytes(), 32),
            target: String::new(),
            headers: Vec::new(),
            body: None,
            body_bytes: body.map_or(0, |body| body.bytes().len()),
            cut: Vec::new(),
            masked: 0,
        };
        let mut making = Making {
            secrets,
            excerpt: &mut excerpt,
            left: limit,
            limit,
        };
        making.target(request);
        let is_decoded = text.is_some() && body.is_some_and(is_decoded);
        making.headers(request, is_decoded);
        match text {
            Some(text) => making.body(text, body.map_or(0, BodyView::offset)),
            None if body.is_some() => making.cut("body"),
            None => {}
        }
        Some(excerpt)
    }
}

/// Notes where an input hides something, if that is within the first `limit` bytes.
fn note(
    input: &Input<'_>,
    raw: Option<&[u8]>,
    limit: usize,
    neighbours: &Neighbours,
    secrets: &mut Vec<(Source, Range<usize>)>,
) {
    let origin = input.origin();
    if origin.range.start < limit
        && !origin.range.is_empty()
        && hides(input, raw.unwrap_or_default(), limit, neighbours)
    {
        secrets.push((origin.source, origin.range));
    }
}

/// Whether a value is a secret, or names one only once it is decoded.
fn hides(input: &Input<'_>, raw: &[u8], limit: usize, neighbours: &Neighbours) -> bool {
    let place = input.place();
    if secrets::place_is_secret(&place) || neighbours.name(&place) {
        return true;
    }
    // Decoding hardly makes a text longer; what is cut off here is cut off in the excerpt.
    let most = limit.saturating_mul(4);
    let raw = raw.get(..most).unwrap_or(raw);
    input.forms().any(|form| {
        let decoded = form.text.get(..most).unwrap_or(form.text);
        !form.steps.is_empty() && secrets::names_more(decoded, raw)
    })
}

/// The body as text, where it is one: whatever else it is, nobody could say which of its bytes are secrets.
fn text_of<'v>(request: &RequestView<'_>, body: &'v BodyView<'_>) -> Option<&'v str> {
    if is_encoded(request.headers()) && !is_decoded(body)
        || body.kind() == BodyKind::Opaque
        || body.charsets().next().is_some()
    {
        return None;
    }
    let text = std::str::from_utf8(body.bytes()).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// Whether the content codings of a body were taken off; what is kept is what was in them, without saying that it is
/// encoded.
fn is_decoded(body: &BodyView<'_>) -> bool {
    body.codings().iter().next().is_some()
}

impl Making<'_> {
    fn target(&mut self, request: &RequestView<'_>) {
        let (text, is_cut) = self.masked(Source::Target, request.target(), self.left / 2);
        self.left = self.left.saturating_sub(text.len());
        self.excerpt.target = text;
        if is_cut {
            self.cut("target");
        }
    }

    fn headers(&mut self, request: &RequestView<'_>, is_decoded: bool) {
        let mut left = self.left / 2;
        let mut is_any_cut = false;
        for (index, (name, value)) in request.headers().iter().enumerate() {
            let Ok(index) = u16::try_from(index) else {
                break;
            };
            let source = Source::Header(index);
            if is_decoded && is_content_encoding(name) {
                continue;
            }
            let Ok(value) = std::str::from_utf8(value.as_bytes()) else {
                is_any_cut = true;
                continue;
            };
            if name == COOKIE {
                self.note_nameless_cookies(source, value);
            }
            if left <= name.as_str().len() {
                is_any_cut = true;
                break;
            }
            left -= name.as_str().len();
            let (text, is_cut) = self.masked(source, value, left);
            is_any_cut |= is_cut;
            left = left.saturating_sub(text.len());
            self.left = self.left.saturating_sub(name.as_str().len() + text.len());
            self.excerpt.headers.push((name.to_string(), text));
        }
        if is_any_cut {
            self.cut("headers");
        }
    }

    /// A cookie without a name is a value to browsers, and a name to others.
    fn note_nameless_cookies(&mut self, source: Source, cookies: &str) {
        let mut at = 0;
        for cookie in cookies.split(';') {
            if !cookie.contains('=') && !cookie.trim().is_empty() {
                self.secrets.push((source, at..at + cookie.len()));
            }
            at += cookie.len() + 1;
        }
    }

    /// A body, or a piece of one that begins at `offset`.
    fn body(&mut self, text: &str, offset: u64) {
        let (text, is_cut) = self.masked(Source::Body, text, self.left);
        self.excerpt.body = Some(text);
        if is_cut || offset > 0 {
            self.cut("body");
        }
    }

    fn cut(&mut self, what: &str) {
        self.excerpt.cut.push(what.into());
    }

    /// The first `most` bytes of a text with what it hides masked, and whether something was cut off. A mask is shorter
    /// than what it hides; so it ends where secrets were no longer looked for, too.
    fn masked(&mut self, source: Source, text: &str, most: usize) -> (String, bool) {
        let end = text.floor_char_boundary(self.limit);
        let of_source = self.secrets.iter().filter(|(of, _)| *of == source);
        let mut hidden: Vec<Range<usize>> = of_source.map(|(_, range)| range.clone()).collect();
        hidden.extend(named(text, end, &hidden));
        hidden.retain(|secret| secret.start < end);
        secrets::apart(&mut hidden);
        let mut shown = String::new();
        let mut at = 0;
        for secret in hidden {
            let is_cut = add(&mut shown, text, at..secret.start, most);
            if is_cut || shown.len() >= most {
                return (shown, true);
            }
            shown.push_str(MASK);
            self.excerpt.masked += 1;
            at = secret.end;
        }
        let is_cut = add(&mut shown, text, at..end, most);
        (shown, is_cut || at.max(end) < text.len())
    }
}

/// Adds a part of a text up to `most` bytes in all, and says whether some of it was left out.
fn add(shown: &mut String, text: &str, part: Range<usize>, most: usize) -> bool {
    let bytes = text.as_bytes().get(part).unwrap_or_default();
    // A range of an input begins and ends with a character; if one did not, its neighbour is not worth a panic.
    let part = String::from_utf8_lossy(bytes);
    let end = part.floor_char_boundary(most.saturating_sub(shown.len()));
    let (kept, left_out) = part.split_at_checked(end).unwrap_or((&part, ""));
    shown.push_str(kept);
    !left_out.is_empty()
}

/// Where a text itself names secrets, as far as `end`; not where that is masked already but for its quotes.
fn named(text: &str, end: usize, hidden: &[Range<usize>]) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let looked_at = secrets::AROUND.saturating_add(end);
    let found = secrets::named(bytes.get(..looked_at).unwrap_or(bytes));
    let is_quote = |range: Range<usize>| {
        let around = bytes.get(range).unwrap_or_default();
        around
            .iter()
            .all(|byte| matches!(byte, b'"' | b'\'' | b'\\'))
    };
    let is_masked = |secret: &Range<usize>| {
        hidden.iter().any(|inner| {
            let is_within = secret.start <= inner.start && inner.end <= secret.end;
            is_within && is_quote(secret.start..inner.start) && is_quote(inner.end..secret.end)
        })
    };
    let mut found = found;
    found.retain(|secret| !is_masked(secret));
    found
}

#[cfg(test)]
mod tests;
