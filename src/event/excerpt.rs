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
mod tests {
    use std::net::Ipv4Addr;

    use http::header::CONTENT_ENCODING;
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::*;
    use crate::request::ClientIdentity;
    use crate::request::coding::{Budget, Codings, decode};

    fn excerpt(target: &str, headers: &[(&str, &[u8])], body: &[u8], limit: usize) -> Excerpt {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
        let request = RequestView::new(&Method::POST, target, &map, &client);
        let body = BodyView::new(&map, body);
        Excerpt::of(&request, Some(&body), limit).expect("an excerpt")
    }

    #[test]
    fn what_is_kept_stands_as_it_was_sent() {
        let kept = excerpt(
            "/a?b=%27",
            &[("x-a", b"1"), ("x-a", b"\xc3\xa9\t2")],
            b"{\"a\": \"<\\u0041>\"}",
            2048,
        );
        assert_eq!(
            kept,
            Excerpt {
                method: "POST".into(),
                target: "/a?b=%27".into(),
                headers: vec![
                    ("x-a".into(), "1".into()),
                    ("x-a".into(), "\u{e9}\t2".into())
                ],
                body: Some("{\"a\": \"<\\u0041>\"}".into()),
                body_bytes: 17,
                cut: Vec::new(),
                masked: 0,
            }
        );
    }

    #[test]
    fn secrets_are_masked_where_a_place_or_a_name_tells_of_them() {
        let json = ("content-type", &b"application/json"[..]);
        for (target, header, body, shown) in [
            ("/?token=hunter2&a=b", json, "", "/?token=[masked]&a=b"),
            ("/?to%6ben=hunter2", json, "", "/?to%6ben=[masked]"),
            ("/?q=%70assword%3Dhunter2", json, "", "/?q=[masked]"),
            (
                "/",
                ("cookie", b"a=hunter2; hunter2; b=c"),
                "",
                "a=[masked];[masked]; b=[masked]",
            ),
            ("/", ("authorization", b"Bearer hunter2"), "", "[masked]"),
            (
                "/",
                ("referer", b"http://joe:hunter2@h/?token=hunter2"),
                "",
                "http://joe:[masked]@h/?token=[masked]",
            ),
            (
                "/",
                json,
                r#"{"password":"hunter2","a":1}"#,
                r#"{"password":"[masked]","a":1}"#,
            ),
            (
                "/",
                json,
                r#"{"pass\u0077ord":"hunter2"}"#,
                r#"{"pass\u0077ord":"[masked]"}"#,
            ),
            (
                "/",
                json,
                r#"[{"name":"password","value":"hunter2"},{"name":"a","value":"b"}]"#,
                r#"[{"name":"password","value":"[masked]"},{"name":"a","value":"b"}]"#,
            ),
            (
                "/reset/token/hunter2?name=pin&a=b&value=hunter2",
                json,
                "",
                "/reset/token/[masked]?name=pin&a=b&value=[masked]",
            ),
            ("/reset/%74oken/hunter2?a=b", json, "", "[masked]?a=b"),
            ("/", ("x-auth", b"hunter2"), "", "[masked]"),
            (
                "/",
                ("content-type", b"text/plain"),
                "a: b\npassword: correct hunter2, and so on\nc: d",
                "a: b\npassword: [masked]\nc: d",
            ),
            (
                "/",
                json,
                r#"{"q":"password=hunter2&a"}"#,
                r#"{"q":"password=[masked]&a"}"#,
            ),
            ("/", json, r#"{"pin":"hunter2" broken"#, r#"[masked]"#),
            (
                "/",
                ("content-type", b"multipart/form-data; boundary=x"),
                "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--x--\r\n",
                "name=\"password\"\r\n\r\n[masked]\r\n--x--",
            ),
        ] {
            let kept = excerpt(target, &[header], body.as_bytes(), 2048);
            let all = format!(
                "{kept:?}\n{}\n{:?}\n{}",
                kept.target,
                kept.headers,
                kept.body.clone().unwrap_or_default()
            );
            assert!(!all.contains("hunter2"), "{all}");
            assert!(all.contains(shown), "{shown}: {all}");
            assert!(kept.masked > 0, "{all}");
        }
        // What only looks like it is shown.
        let kept = excerpt(
            "/docs/token/ring?name=shipping&value=fast",
            &[json, ("x-author", b"joe")],
            br#"[{"name":"Password manager","value":"19.99"}]"#,
            2048,
        );
        assert_eq!(kept.masked, 0, "{kept:?}");
        // Of a broken text so much is masked that this is checked by itself.
        let kept = excerpt("/?a=password", &[json], b"{\"a\":\"pin\"}", 2048);
        assert_eq!(kept.masked, 0, "{kept:?}");
    }

    /// A mask is shorter than what it hides, and must not draw what is behind into what is shown.
    #[test]
    fn nothing_is_shown_from_beyond_where_secrets_were_looked_for() {
        let long = |length: usize| "x".repeat(length);
        let form = ("content-type", "application/x-www-form-urlencoded");
        let plain = ("content-type", "text/plain");
        for (header, body, shown) in [
            (
                ("cookie", format!("a={}; remember_me=hunter2", long(3000))),
                String::new(),
                "a=[masked]",
            ),
            (
                ("referer", format!("http://h/?token={}hunter2", long(7000))),
                String::new(),
                "http://h/?token=[masked]",
            ),
            (
                (form.0, form.1.into()),
                format!("q=<script>&token={}&password=hunter2", long(7000)),
                "q=<script>&token=[masked]",
            ),
            (
                (plain.0, plain.1.into()),
                format!("token: {}hunter2", long(8000)),
                "token: [masked]",
            ),
            (
                (plain.0, plain.1.into()),
                format!("token: {}\nhunter2", long(2100)),
                "token: [masked]",
            ),
        ] {
            let is_body = !body.is_empty();
            let kept = excerpt(
                "/",
                &[(header.0, header.1.as_bytes())],
                body.as_bytes(),
                2048,
            );
            assert!(!format!("{kept:?}").contains("hunter2"), "{kept:?}");
            let (text, cut) = if is_body {
                (kept.body.as_deref().unwrap_or_default(), "body")
            } else {
                (kept.headers[0].1.as_str(), "headers")
            };
            assert_eq!(text, shown);
            assert!(kept.masked > 0, "{kept:?}");
            assert_eq!(kept.cut, [cut], "{kept:?}");
        }
        // What is masked to its end is whole, and what is short enough goes on behind a mask.
        for (body, shown) in [
            (format!("a=b&token={}", long(3000)), "a=b&token=[masked]"),
            (format!("token={}&a=b", long(1000)), "token=[masked]&a=b"),
        ] {
            let kept = excerpt("/", &[(form.0, form.1.as_bytes())], body.as_bytes(), 2048);
            assert_eq!(kept.body.as_deref(), Some(shown));
            assert!(kept.cut.is_empty(), "{kept:?}");
        }
    }

    #[test]
    fn it_is_bounded_and_says_what_was_cut() {
        let long = vec![b'x'; 5000];
        let target = format!("/{}", "y".repeat(5000));
        for limit in [1, 16, 100, 2048] {
            let kept = excerpt(&target, &[("x-a", &long), ("x-b", &long)], &long, limit);
            let headers: usize = kept.headers.iter().map(|(a, b)| a.len() + b.len()).sum();
            let all = kept.target.len() + headers + kept.body.as_ref().map_or(0, String::len);
            assert!(all <= limit, "{all} of {limit}");
            assert_eq!(kept.cut, ["target", "headers", "body"]);
            assert_eq!(kept.body_bytes, 5000);
        }
        let kept = excerpt("/", &[("x-a", b"1")], &long, 2048);
        assert_eq!(kept.cut, ["body"]);
        assert!(kept.body.is_some_and(|body| body.len() > 2000));
        let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
        let headers = HeaderMap::new();
        let request = RequestView::new(&Method::GET, "/", &headers, &client);
        assert_eq!(Excerpt::of(&request, None, 0), None);
    }

    #[test]
    fn what_is_no_text_is_left_out() {
        let png = ("content-type", &b"image/png"[..]);
        let gzip = ("content-encoding", &b"gzip"[..]);
        let folds = ("content_encoding", &b"gzip"[..]);
        let utf16 = ("content-type", &b"text/plain; charset=utf-16le"[..]);
        for (headers, body) in [
            (vec![png], &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..]),
            (vec![gzip], b"a=b"),
            (vec![folds], b"a=b"),
            (vec![utf16], b"a\0=\0b\0"),
            (vec![], b"a=\xff"),
        ] {
            let kept = excerpt("/", &headers, body, 2048);
            assert_eq!((kept.body, &kept.cut[..]), (None, &["body".into()][..]));
            assert_eq!(kept.body_bytes, body.len());
        }
        let kept = excerpt("/", &[("x-a", b"\xff"), ("x-b", b"1")], b"", 2048);
        assert_eq!(kept.headers, [("x-b".into(), "1".into())]);
        assert_eq!(kept.cut, ["headers"]);
    }

    /// What was judged is what was in it, and that is what can be judged again.
    #[test]
    fn a_compressed_body_is_kept_as_what_is_in_it() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut packed, b"a=b&password=hunter2").expect("written");
        let packed = packed.finish().expect("packed");
        let folds = HeaderName::from_static("content_encoding");
        for name in [CONTENT_ENCODING, folds] {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("gzip"));
            headers.insert("x-a", HeaderValue::from_static("1"));
            let budget = Budget {
                output: 1000,
                ratio: 100,
                is_prefix: false,
            };
            let codings = Codings::of(&headers).expect("known");
            let decoded = decode(codings, &packed, budget).expect("in order");
            let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
            let request = RequestView::new(&Method::POST, "/", &headers, &client);
            let body = BodyView::decoded(&headers, &decoded);
            let kept = Excerpt::of(&request, Some(&body), 2048).expect("an excerpt");
            assert_eq!(kept.body.as_deref(), Some("a=b&password=[masked]"));
            assert_eq!(kept.headers, [("x-a".into(), "1".into())]);
            assert!(kept.cut.is_empty(), "{kept:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_request_breaks_it(
            target in "/(\\PC|[%&=+;?]|%[0-9a-f]{2}|password=){0,20}",
            cookie in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
            body in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
            text in "(\\PC|[{}\",:=&;\\\\]|password|token){0,30}",
            limit in 1_usize..200,
        ) {
            let cookie: Vec<u8> = cookie.into_iter().filter(|byte| *byte >= b' ' && *byte != 127).collect();
            for body in [&body[..], text.as_bytes()] {
                let kept = excerpt(&target, &[("cookie", &cookie)], body, limit);
                // A mask may stand where less than itself was left.
                proptest::prop_assert!(kept.target.len() <= limit / 2 + MASK.len());
            }
        }
    }
}
