//! A HAR (HTTP Archive 1.2), as the tools of browsers save what they sent: `log.entries[].request`.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::line::{Headers, head};
use super::{At, Format, Piece, Recorded, Unreadable, Wrong};
use crate::request::raw::RawRequest;

#[derive(Deserialize)]
struct Har<'t> {
    #[serde(borrow)]
    log: Log<'t>,
}

#[derive(Deserialize)]
struct Log<'t> {
    #[serde(borrow)]
    entries: Vec<&'t RawValue>,
}

#[derive(Deserialize)]
struct Entry {
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    #[serde(default)]
    cookies: Vec<Pair>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    params: Vec<Param>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Param {
    name: String,
    #[serde(default)]
    value: String,
    file_name: Option<String>,
    content_type: Option<String>,
}

/// One part of a form with files.
pub(super) struct Part {
    pub(super) name: String,
    pub(super) value: Vec<u8>,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
}

impl Part {
    /// A field.
    pub(super) fn new(name: &str, value: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            value,
            file_name: None,
            content_type: None,
        }
    }
}

/// One piece for each entry that went over HTTP; a page also holds `data:` and `blob:` addresses, which nobody sends.
pub(super) fn pieces(at: &At, text: &[u8]) -> Result<Vec<Piece>, Unreadable> {
    let har: Har<'_> = serde_json::from_slice(text).map_err(|error| {
        let mut wrong = Wrong::of_json(&error);
        wrong.message = format!("this is neither JSON lines nor a HAR: {}", wrong.message);
        wrong.within(at)
    })?;
    let mut lines = LineCount::new(text, at.line);
    let entries = har.log.entries.iter();
    let pieces = entries.map(|entry| {
        let (line, column) = lines.at(entry.get());
        Piece {
            at: At {
                file: Arc::clone(&at.file),
                line,
                column,
            },
            format: Format::Har,
            text: entry.get().as_bytes().to_vec(),
        }
    });
    Ok(pieces.filter(|piece| went_over_http(&piece.text)).collect())
}

/// Whether an entry has an address of HTTP. One that cannot be read counts as one that has, so that it is told of.
fn went_over_http(text: &[u8]) -> bool {
    serde_json::from_slice::<Entry>(text).map_or(true, |entry| {
        let url = &entry.request.url;
        !url.contains(':')
            || ["http:", "https:"]
                .iter()
                .any(|scheme| url.starts_with(scheme))
    })
}

pub(super) fn read(text: &[u8]) -> Result<Recorded, Wrong> {
    let entry: Entry = serde_json::from_slice(text).map_err(|error| Wrong::of_json(&error))?;
    let sent = entry.request;
    let mut headers = Vec::new();
    for Pair { name, value } in sent.headers {
        // Pseudo-headers of HTTP/2, and what belongs to one connection or to a body that may have been written anew.
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            ":authority" => headers.push(("Host".to_owned(), value)),
            "content-length" | "transfer-encoding" | "connection" => {}
            _ if name.starts_with(':') => {}
            _ => headers.push((name, value)),
        }
    }
    let has = |wanted: &str| {
        let mut names = headers.iter().map(|(name, _)| name);
        names.any(|name| name.eq_ignore_ascii_case(wanted))
    };
    if !has("cookie") && !sent.cookies.is_empty() {
        let cookies = sent.cookies.iter();
        let cookies: Vec<_> = cookies
            .map(|pair| format!("{}={}", pair.name, pair.value))
            .collect();
        headers.push(("Cookie".into(), cookies.join("; ")));
    }
    let mut recorded = head(&sent.method, &sent.url, &Headers(headers))?;
    if let Some(data) = sent.post_data {
        add_body(&mut recorded.request, data)?;
    }
    Ok(recorded)
}

fn add_body(request: &mut RawRequest, data: PostData) -> Result<(), Wrong> {
    let mut mime_type = data.mime_type;
    if !data.text.is_empty() {
        request.body = data.text.into_bytes();
    } else if mime_type.to_ascii_lowercase().starts_with("multipart/") {
        if !mime_type.contains("boundary=") {
            mime_type = format!("{mime_type}; boundary={BOUNDARY}");
        }
        let named = mime_type.split("boundary=").nth(1).unwrap_or(BOUNDARY);
        let boundary = named.split(';').next().unwrap_or(named).trim_matches('"');
        let parts = data.params.into_iter().map(|param| Part {
            file_name: param.file_name,
            content_type: param.content_type,
            ..Part::new(&param.name, param.value.into())
        });
        request.body = multipart(&parts.collect::<Vec<_>>(), boundary);
    } else {
        request.body = form(&data.params);
    }
    let is_typed = request.headers.contains_key(http::header::CONTENT_TYPE);
    if !is_typed && !mime_type.is_empty() {
        let added = request.append(b"Content-Type", mime_type.as_bytes());
        added.map_err(|wrong| Wrong::new(1, 0, wrong.to_string()))?;
    }
    Ok(())
}

/// A boundary of our own, where none is given.
pub(super) const BOUNDARY: &str = "portcullis-boundary";

/// A form as a browser sends it: `a=b&c=d`.
fn form(params: &[Param]) -> Vec<u8> {
    let pairs = params.iter();
    let pairs: Vec<String> = pairs
        .map(|param| {
            format!(
                "{}={}",
                escaped(param.name.as_bytes()),
                escaped(param.value.as_bytes())
            )
        })
        .collect();
    pairs.join("&").into_bytes()
}

/// What is no letter and no digit as `%41`, a space as `+` (WHATWG URL, 5.2).
pub(super) fn escaped(text: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'*' | b'-' | b'.' | b'_' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            b' ' => escaped.push('+'),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// A form with files, part by part (RFC 7578).
pub(super) fn multipart(parts: &[Part], boundary: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let quoted = |text: &str| text.replace('"', "%22").replace(['\r', '\n'], " ");
    for part in parts {
        let mut head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"",
            quoted(&part.name)
        );
        if let Some(file) = &part.file_name {
            head.push_str(&format!("; filename=\"{}\"", quoted(file)));
        }
        if let Some(kind) = &part.content_type {
            head.push_str(&format!("\r\nContent-Type: {}", quoted(kind)));
        }
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

/// Where parts of a text are, asked for in their order.
struct LineCount<'t> {
    text: &'t [u8],
    counted: usize,
    line: usize,
    line_begins: usize,
}

impl<'t> LineCount<'t> {
    const fn new(text: &'t [u8], line: usize) -> Self {
        Self {
            text,
            counted: 0,
            line,
            line_begins: 0,
        }
    }

    /// The line and column at which `part`, a part of the text, begins.
    fn at(&mut self, part: &str) -> (usize, usize) {
        let offset = part
            .as_ptr()
            .addr()
            .saturating_sub(self.text.as_ptr().addr());
        let between = self.text.get(self.counted..offset).unwrap_or_default();
        for at in memchr::memchr_iter(b'\n', between) {
            self.line += 1;
            self.line_begins = self.counted + at + 1;
        }
        self.counted = self.counted.max(offset);
        (self.line, offset.saturating_sub(self.line_begins) + 1)
    }
}
