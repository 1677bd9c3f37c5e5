//! A request written down as text, for `explain`: from a file, a paste, or the tail of a log.
//!
//! This is no parser for the network. It forgives what editors do to files (bare line feeds, a missing version, a
//! newline after the body) and says clearly what it cannot read.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::name;

/// A request with an owner for each of its parts.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// The method.
    pub method: Method,
    /// The request-target: raw path and query.
    pub target: String,
    /// The headers in order, repeats included.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Vec<u8>,
}

/// Why a text is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RawRequestError {
    /// There is nothing.
    #[error("there is no request: the text is empty")]
    Empty,
    /// The first line does not read like one.
    #[error("line 1 is no request line; write `GET /path HTTP/1.1`")]
    RequestLine,
    /// The method is none.
    #[error("`{0}` is no method")]
    Method(String),
    /// The target is none.
    #[error("`{0}` is no request target; write a path that begins with `/`, or a URL")]
    Target(String),
    /// A header line is none.
    #[error("line {0} is no header; write `Name: value`, and an empty line before the body")]
    Header(usize),
    /// There are more headers than can be held.
    #[error("there are too many headers")]
    TooManyHeaders,
}

impl RawRequest {
    /// A request of its parts, without headers and body. `target` is a path or a URL; a URL's host becomes the `Host`
    /// header.
    ///
    /// # Errors
    /// When the method or the target cannot be sent.
    pub fn new(method: &str, target: &str) -> Result<Self, RawRequestError> {
        let wrong = || RawRequestError::Target(shown(target));
        let mut headers = HeaderMap::new();
        let origin = match target.split_once("://") {
            Some(("http" | "https", rest)) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (host, path) = rest.split_at_checked(end).ok_or_else(wrong)?;
                let host = HeaderValue::from_str(host).map_err(|_| wrong())?;
                headers.insert(http::header::HOST, host);
                if path.starts_with('/') {
                    path.to_owned()
                } else {
                    format!("/{path}")
                }
            }
            _ => target.to_owned(),
        };
        // A fragment never leaves the browser (RFC 9110, 4.2.5).
        let origin = origin.split('#').next().unwrap_or_default();
        let is_sendable = origin.starts_with('/') || origin == "*";
        if !is_sendable || origin.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(wrong());
        }
        Ok(Self {
            method: Method::from_bytes(method.as_bytes())
                .map_err(|_| RawRequestError::Method(shown(method)))?,
            target: origin.to_owned(),
            headers,
            body: Vec::new(),
        })
    }

    /// Reads a request as it would be sent: request line, headers, an empty line, body.
    ///
    /// # Errors
    /// The first line that cannot be read.
    pub fn parse(text: &[u8]) -> Result<Self, RawRequestError> {
        if text.is_empty() {
            return Err(RawRequestError::Empty);
        }
        let mut lines = Lines { rest: text };
        let first = lines.next().unwrap_or_default();
        let first = std::str::from_utf8(first).map_err(|_| RawRequestError::RequestLine)?;
        let (method, target) = first.split_once(' ').ok_or(RawRequestError::RequestLine)?;
        let target = match target.rsplit_once(' ') {
            Some((target, version)) if version.starts_with("HTTP/") => target,
            _ => target,
        };
        let mut request = Self::new(method, target.trim())?;
        let mut number = 1;
        for line in lines.by_ref() {
            number += 1;
            if line.is_empty() {
                break;
            }
            request
                .add_header(line)
                .ok_or(RawRequestError::Header(number))??;
        }
        request.body = request.cut_body(lines.rest).to_vec();
        Ok(request)
    }

    /// Adds a header as it is written in a request, `Name: value`. `None` when it is none.
    pub fn add_header(&mut self, line: &[u8]) -> Option<Result<(), RawRequestError>> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        let value = HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?;
        if name == http::header::HOST {
            // The host of a URL gives way to one that is written out.
            self.headers.remove(&name);
        }
        Some(match self.headers.try_append(name, value) {
            Ok(_) => Ok(()),
            Err(_) => Err(RawRequestError::TooManyHeaders),
        })
    }

    /// The body without what an editor put behind it, where `Content-Length` says how long it is.
    fn cut_body<'b>(&self, body: &'b [u8]) -> &'b [u8] {
        let length = self
            .headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        length.and_then(|length| body.get(..length)).unwrap_or(body)
    }
}

/// The lines of a head, each without its ending.
struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = match memchr::memchr(b'\n', self.rest) {
            Some(end) => (self.rest.get(..end)?, self.rest.get(end + 1..)?),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

/// A part of the text as an error shows it.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    name::push(&mut shown, text.as_bytes());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_however_its_lines_end() {
        for text in [
            "POST /a?b=c HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 3\r\n\r\nd=e\r\n",
            "POST /a?b=c HTTP/1.1\nHost: x\nX-A:1\nX-A:2 \nContent-Length: 3\n\nd=e\n",
            "POST /a?b=c\nHost: x\nX-A: 1\nX-A: 2\n\nd=e",
            "POST http://y/a?b=c HTTP/1.1\nHost: x\nX-A: 1\nX-A: 2\n\nd=e",
        ] {
            let request = RawRequest::parse(text.as_bytes()).expect(text);
            assert_eq!(request.method, Method::POST);
            assert_eq!(request.target, "/a?b=c");
            assert_eq!(request.headers.get("host").expect("a host"), "x");
            assert_eq!(request.headers.get_all("x-a").iter().count(), 2);
            assert_eq!(request.body, b"d=e", "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_request_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("GET", "line 1"),
            ("G@T / HTTP/1.1", "no method"),
            ("GET path HTTP/1.1", "`path` is no request target"),
            ("GET /a b HTTP/1.1", "no request target"),
            ("GET / HTTP/1.1\nHost x", "line 2"),
            ("GET / HTTP/1.1\nA: b\n folded", "line 3"),
            ("GET / HTTP/1.1\nA b: c", "line 2"),
        ] {
            let error = RawRequest::parse(text.as_bytes()).expect_err(text);
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            drop(RawRequest::parse(&bytes));
            let mut text = b"GET / HTTP/1.1\n".to_vec();
            text.extend(bytes);
            drop(RawRequest::parse(&text));
        }
    }
}
