//! A command line of curl, and the request that curl would send for it: with the headers that curl adds by itself, since
//! they are judged as well.

mod options;

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, REFERER, USER_AGENT};

use super::har::{BOUNDARY, Part, escaped, multipart};
use super::shell::{self, Word};
use super::{Recorded, Wrong};
use crate::request::raw::{RawRequest, WrongRequest};
use options::{Means, OPTIONS};

/// What the options say, in the making.
#[derive(Default)]
struct Command {
    url: Option<Word>,
    method: Option<Word>,
    /// Header lines, and where they are written.
    headers: Vec<Word>,
    /// What options other than `-H` say of headers; `-H` has the last word.
    implied: Vec<(HeaderName, String)>,
    data: Option<Vec<u8>>,
    parts: Vec<Part>,
    is_json: bool,
    data_in_query: bool,
    head_only: bool,
    path_as_is: bool,
}

/// The request that a command line of curl sends.
pub(in crate::cli) fn parse(text: &str) -> Result<Recorded, Wrong> {
    let mut words = shell::words(text)?.into_iter();
    if words.next().is_none_or(|first| first.text != "curl") {
        return Err(Wrong::new(
            1,
            1,
            "this is no command line of curl; write `curl …`",
        ));
    }
    let mut command = Command::default();
    while let Some(word) = words.next() {
        command.take(word, &mut words)?;
    }
    command.into_request()
}

impl Command {
    /// Takes one word, and the value behind it where it is an option that has one.
    fn take(&mut self, word: Word, words: &mut impl Iterator<Item = Word>) -> Result<(), Wrong> {
        if let Some(long) = word.text.strip_prefix("--") {
            let means = OPTIONS.iter().find(|(name, ..)| *name == long);
            let (_, _, means) = means.ok_or_else(|| unknown(&word))?;
            let value = if means.has_value() {
                Some(
                    words
                        .next()
                        .ok_or_else(|| at(&word, "this option wants a value"))?,
                )
            } else {
                None
            };
            return self.apply(*means, value.unwrap_or(word));
        }
        if word.text.len() < 2 || !word.text.starts_with('-') {
            return self.apply(Means::Url, word);
        }
        // `-sXPOST`: letters without a value may stand before one, whose value is the rest or the next word.
        for (index, letter) in word.text.char_indices().skip(1) {
            let means = OPTIONS.iter().find(|(_, short, _)| *short == Some(letter));
            let (_, _, means) = means.ok_or_else(|| unknown(&word))?;
            let here = |text: String, column| Word {
                text,
                column,
                line: word.line,
            };
            if !means.has_value() {
                self.apply(*means, here(String::new(), word.column))?;
                continue;
            }
            let rest = word.text.get(index + 1..).unwrap_or_default();
            let value = if rest.is_empty() {
                words
                    .next()
                    .ok_or_else(|| at(&word, "this option wants a value"))?
            } else {
                here(rest.to_owned(), word.column + index + 1)
            };
            return self.apply(*means, value);
        }
        Ok(())
    }

    fn apply(&mut self, means: Means, value: Word) -> Result<(), Wrong> {
        match means {
            Means::Url => {
                if self.url.is_some() {
                    return Err(at(&value, "there is a second URL; one request is read"));
                }
                self.url = Some(value);
            }
            Means::Method => self.method = Some(value),
            Means::Header => self.headers.push(value),
            Means::Data | Means::DataRaw | Means::DataBinary | Means::Json => {
                let data = match value.text.strip_prefix('@') {
                    Some(path) if means != Means::DataRaw => {
                        let mut data = read(path, &value)?;
                        // `-d` takes the line ends out of a file; `--data-binary` and `--json` do not.
                        data.retain(|byte| {
                            means != Means::Data || !matches!(byte, b'\n' | b'\r' | 0)
                        });
                        data
                    }
                    _ => value.text.into_bytes(),
                };
                self.is_json |= means == Means::Json;
                self.add_data(&data, means == Means::Json);
            }
            Means::DataUrlencode => {
                let data = urlencoded(&value)?;
                self.add_data(data.as_bytes(), false);
            }
            Means::Form => self.parts.push(part(&value)?),
            Means::FormString => {
                let (name, text) = value.text.split_once('=').unwrap_or((&value.text, ""));
                self.parts.push(Part::new(name, text.into()));
            }
            Means::UserAgent => self.implied.push((USER_AGENT, value.text)),
            Means::Referer => self.implied.push((REFERER, value.text)),
            Means::Cookie if value.text.contains('=') => self.implied.push((COOKIE, value.text)),
            Means::Cookie => {
                return Err(at(
                    &value,
                    "a file of cookies is not read; write `-b 'name=value'`",
                ));
            }
            Means::User => {
                let credentials = format!("Basic {}", STANDARD.encode(value.text));
                self.implied.push((AUTHORIZATION, credentials));
            }
            Means::Bearer => self
                .implied
                .push((AUTHORIZATION, format!("Bearer {}", value.text))),
            Means::Compressed => {
                let codings = "deflate, gzip, br, zstd".to_owned();
                self.implied.push((http::header::ACCEPT_ENCODING, codings));
            }
            Means::Get => self.data_in_query = true,
            Means::Head => self.head_only = true,
            Means::PathAsIs => self.path_as_is = true,
            Means::Nothing | Means::NothingOfValue => {}
        }
        Ok(())
    }

    /// Several `-d` are one body, joined by `&`; several `--json` are joined as they are.
    fn add_data(&mut self, data: &[u8], is_json: bool) {
        match &mut self.data {
            None => self.data = Some(data.to_vec()),
            Some(all) => {
                if !is_json {
                    all.push(b'&');
                }
                all.extend_from_slice(data);
            }
        }
    }

    fn into_request(mut self) -> Result<Recorded, Wrong> {
        let url = self.url.take();
        let url = url.ok_or_else(|| Wrong::new(1, 1, "the command names no URL"))?;
        let mut address = url.text.clone();
        if !address.contains("://") {
            address.insert_str(0, "http://");
        }
        if self.data_in_query
            && let Some(data) = self.data.take()
        {
            let sign = if address.contains('?') { '&' } else { '?' };
            let (before, _) = address.split_once('#').unwrap_or((&address, ""));
            address = format!("{before}{sign}{}", String::from_utf8_lossy(&data));
        }
        let usual = match (
            self.head_only,
            self.data.is_some() || !self.parts.is_empty(),
        ) {
            (true, _) => "HEAD",
            (false, true) => "POST",
            (false, false) => "GET",
        };
        let method = self.method.as_ref().map_or(usual, |method| &method.text);
        let mut request = RawRequest::new(method, &address).map_err(|error| {
            let word = match (&error.wrong, &self.method) {
                (WrongRequest::Method(_), Some(method)) => method,
                _ => &url,
            };
            at(word, &error.wrong.to_string())
        })?;
        let mut notes = Vec::new();
        if !self.path_as_is
            && let Some(path) = without_dots(&request.target)
        {
            notes.push(
                "Without `--path-as-is` curl takes `.` and `..` out of the path before it sends it."
                    .into(),
            );
            request.target = path;
        }
        self.add_headers(&mut request)?;
        request.body = if self.parts.is_empty() {
            self.data.unwrap_or_default()
        } else {
            multipart(&self.parts, BOUNDARY)
        };
        let mut recorded = Recorded::from(request);
        recorded.notes = notes;
        Ok(recorded)
    }

    fn add_headers(&self, request: &mut RawRequest) -> Result<(), Wrong> {
        for line in &self.headers {
            // `-H 'Name:'` takes a header away that curl adds by itself; `-H 'Name;'` sends it empty.
            let (name, value) = match (line.text.split_once(':'), line.text.strip_suffix(';')) {
                (Some((name, value)), _) => (name, value.trim()),
                (None, Some(name)) => (name, ""),
                (None, None) => return Err(at(line, &WrongRequest::Header.to_string())),
            };
            if !value.is_empty() || !line.text.contains(':') {
                let added = request.append(name.trim().as_bytes(), value.as_bytes());
                added.map_err(|wrong| at(line, &wrong.to_string()))?;
            }
        }
        let mut implied = self.implied.clone();
        if self.is_json {
            implied.push((CONTENT_TYPE, "application/json".into()));
            implied.push((ACCEPT, "application/json".into()));
        } else if !self.parts.is_empty() {
            let kind = format!("multipart/form-data; boundary={BOUNDARY}");
            implied.push((CONTENT_TYPE, kind));
        } else if self.data.is_some() {
            implied.push((CONTENT_TYPE, "application/x-www-form-urlencoded".into()));
        }
        implied.push((USER_AGENT, "curl/8.0".into()));
        implied.push((ACCEPT, "*/*".into()));
        for (name, value) in implied {
            let is_written = self.headers.iter().any(|line| {
                let name_of = line.text.split([':', ';']).next().unwrap_or_default();
                name_of.trim().eq_ignore_ascii_case(name.as_str())
            });
            let is_there = request.headers.contains_key(&name) && name != COOKIE;
            // An empty agent is how one is left out: `-A ''`.
            if !is_written && !is_there && !value.is_empty() {
                let added = request.append(name.as_str().as_bytes(), value.as_bytes());
                added.map_err(|wrong| Wrong::new(1, 1, wrong.to_string()))?;
            }
        }
        Ok(())
    }
}

fn at(word: &Word, message: &str) -> Wrong {
    Wrong::new(word.line, word.column, message)
}

fn unknown(word: &Word) -> Wrong {
    let shown = crate::event::secrets::printable(word.text.as_bytes(), 40);
    at(
        word,
        &format!("the option `{shown}` of curl is not known here; leave it out"),
    )
}

/// The bytes of a file that the command names, as curl would read them.
fn read(path: &str, word: &Word) -> Result<Vec<u8>, Wrong> {
    std::fs::File::open(path)
        .and_then(|file| super::pieces::read_all(&mut std::io::BufReader::new(file)))
        .map_err(|error| at(word, &format!("cannot read {path}: {error}")))
}

/// `content`, `=content`, `name=content`, `@file` or `name@file`: what stands for the content is escaped.
fn urlencoded(value: &Word) -> Result<String, Wrong> {
    let text = &value.text;
    let Some(sign) = text.find(['=', '@']) else {
        return Ok(escaped(text.as_bytes()));
    };
    let (name, rest) = text.split_at_checked(sign).unwrap_or((text, ""));
    let content = rest.get(1..).unwrap_or_default();
    let content = if rest.starts_with('@') {
        escaped(&read(content, value)?)
    } else {
        escaped(content.as_bytes())
    };
    Ok(if name.is_empty() {
        content
    } else {
        format!("{name}={content}")
    })
}

/// `name=value`, `name=@file` (sent as a file) or `name=<file` (sent as text), with `;type=` and `;filename=` behind.
fn part(value: &Word) -> Result<Part, Wrong> {
    let (name, rest) = value
        .text
        .split_once('=')
        .ok_or_else(|| at(value, "write `-F name=value`"))?;
    let mut fields = rest.split(';');
    let content = fields.next().unwrap_or_default();
    let mut part = match content.split_at_checked(1) {
        Some(("@", path)) => {
            let mut part = Part::new(name, read(path, value)?);
            let file = Path::new(path).file_name();
            part.file_name = file.map(|file| file.to_string_lossy().into_owned());
            part.content_type = Some("application/octet-stream".into());
            part
        }
        Some(("<", path)) => Part::new(name, read(path, value)?),
        _ => Part::new(name, content.into()),
    };
    for field in fields {
        match field.trim().split_once('=') {
            Some(("type", kind)) => part.content_type = Some(kind.into()),
            Some(("filename", file)) => part.file_name = Some(file.trim_matches('"').into()),
            _ => {
                // A `;` of the value itself.
                part.value.push(b';');
                part.value.extend_from_slice(field.as_bytes());
            }
        }
    }
    Ok(part)
}

/// A target whose path has no segment `.` or `..` any more (RFC 3986, 5.2.4); `None` when it had none.
fn without_dots(target: &str) -> Option<String> {
    let (path, query) = match target.find('?') {
        Some(at) => target.split_at_checked(at)?,
        None => (target, ""),
    };
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    if !path.split('/').any(is_dots) {
        return None;
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    if path.rsplit('/').next().is_some_and(is_dots) {
        kept.push("");
    }
    Some(format!("/{}{query}", kept.join("/")))
}

#[cfg(test)]
mod tests;
