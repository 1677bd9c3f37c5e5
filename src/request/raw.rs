//! A request written down as text, for `explain` and `test`: from a file, a paste, or the tail of a log.
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

/// Why a text is no request, and where: lines and columns count from 1, columns in bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {wrong}")]
pub struct RawRequestError {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
    /// What is wrong there.
    pub wrong: WrongRequest,
}

/// What is wrong with a text that should be a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WrongRequest {
    /// There is nothing.
    #[error("there is no request: the text is empty")]
    Empty,
    /// The first line does not read like one.
    #[error("this is no request line; write `GET /path HTTP/1.1`")]
    RequestLine,
    /// The method is none.
    #[error("`{0}` is no method")]
    Method(String),
    /// The target is none.
    #[error("`{0}` is no request target; write a path that begins with `/`, or a URL")]
    Target(String),
    /// The target holds what cannot be sent in one.
    #[error("a request target cannot hold {0}; write it percent-encoded")]
    InTarget(String),
    /// A header line is none.
    #[error("this is no header; write `Name: value`, and an empty line before the body")]
    Header,
    /// What should be the name of a header is none.
    #[error("`{0}` is no name of a header")]
    HeaderName(String),
    /// The value of a header holds what cannot be sent in one.
    #[error("the value of the header `{0}` cannot be sent: it holds a control character")]
    HeaderValue(String),
    /// There are more headers than can be held.
    #[error("there are too many headers")]
    TooManyHeaders,
}

impl RawRequest {
    /// A request of its parts, without headers and body. `target` is a path or a URL; a URL's host becomes the `Host`
    /// header.
    ///
    /// # Errors
    /// When the method or the target cannot be sent; the column is where in its text.
    pub fn new(method: &str, target: &str) -> Result<Self, RawRequestError> {
        let wrong = |column, wrong| RawRequestError {
            line: 1,
            column,
            wrong,
        };
        let no_target = || wrong(1, WrongRequest::Target(shown(target)));
        let mut headers = HeaderMap::new();
        let origin = match target.split_once("://") {
            Some(("http" | "https", rest)) => {
                let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
                let (host, path) = rest.split_at_checked(end).ok_or_else(no_target)?;
                // Who logs in by the URL is told by a header of its own, and no server learns it from the host.
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                let host = HeaderValue::from_str(host).map_err(|_| no_target())?;
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
        let unsendable = |c: char| c.is_whitespace() || c.is_control();
        if let Some((at, character)) = target.char_indices().find(|&(_, c)| unsendable(c)) {
            let what = if character == ' ' {
                "a space".into()
            } else {
                format!("`{}`", shown(character.encode_utf8(&mut [0; 4])))
            };
            return Err(wrong(at + 1, WrongRequest::InTarget(what)));
        }
        if !origin.starts_with('/') && origin != "*" {
            return Err(no_target());
        }
        Ok(Self {
            method: Method::from_bytes(method.as_bytes())
                .map_err(|_| wrong(1, WrongRequest::Method(shown(method))))?,
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
        let at = |line, column, wrong| RawRequestError {
            line,
            column,
            wrong,
        };
        if text.is_empty() {
            return Err(at(1, 1, WrongRequest::Empty));
        }
        let mut lines = Lines { rest: text };
        let first = lines.next().unwrap_or_default();
        let no_request_line = || at(1, 1, WrongRequest::RequestLine);
        let first = std::str::from_utf8(first).map_err(|_| no_request_line())?;
        let (method, rest) = first.split_once(' ').ok_or_else(no_request_line)?;
        let rest = match rest.rsplit_once(' ') {
            Some((target, version)) if version.starts_with("HTTP/") => target,
            _ => rest,
        };
        let target = rest.trim();
        let before = method.len() + 1 + rest.len().saturating_sub(rest.trim_start().len());
        let mut request = Self::new(method, target).map_err(|mut error| {
            if !matches!(error.wrong, WrongRequest::Method(_)) {
                error.column += before;
            }
            error
        })?;
        for (number, line) in (2..).zip(lines.by_ref()) {
            if line.is_empty() {
                break;
            }
            let added = request.add_header(line);
            added.map_err(|(column, wrong)| at(number, column, wrong))?;
        }
        request.body = request.cut_body(lines.rest).to_vec();
        Ok(request)
    }

    /// Adds a header as it is written in a request, `Name: value`.
    ///
    /// # Errors
    /// What is wrong with it, and the column at which.
    pub fn add_header(&mut self, line: &[u8]) -> Result<(), (usize, WrongRequest)> {
        let none = || (1, WrongRequest::Header);
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, rest) = colon
            .and_then(|colon| line.split_at_checked(colon))
            .ok_or_else(none)?;
        let value = rest.get(1..).unwrap_or_default().trim_ascii();
        self.append(name, value).map_err(|wrong| match wrong {
            // What stands before the colon may be a sentence as well.
            WrongRequest::HeaderName(_) => none(),
            WrongRequest::HeaderValue(_) => {
                let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
                (line.iter().position(is_control).unwrap_or(0) + 1, wrong)
            }
            _ => (1, wrong),
        })
    }

    /// Adds a header. The host of a URL gives way to one that is added.
    ///
    /// # Errors
    /// When it cannot be sent, or is one too many.
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<(), WrongRequest> {
        let parsed = HeaderName::from_bytes(name)
            .map_err(|_| WrongRequest::HeaderName(shown_bytes(name)))?;
        let value = HeaderValue::from_bytes(value.trim_ascii())
            .map_err(|_| WrongRequest::HeaderValue(parsed.to_string()))?;
        if parsed == http::header::HOST {
            self.headers.remove(&parsed);
        }
        match self.headers.try_append(parsed, value) {
            Ok(_) => Ok(()),
            Err(_) => Err(WrongRequest::TooManyHeaders),
        }
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
    shown_bytes(text.as_bytes())
}

fn shown_bytes(text: &[u8]) -> String {
    let mut shown = String::new();
    name::push(&mut shown, text);
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
        for (text, at, reason) in [
            ("", (1, 1), "empty"),
            ("GET", (1, 1), "no request line"),
            ("G@T / HTTP/1.1", (1, 1), "no method"),
            ("GET path HTTP/1.1", (1, 5), "`path` is no request target"),
            ("GET /a b HTTP/1.1", (1, 7), "cannot hold a space"),
            ("GET  /a\u{1b} HTTP/1.1", (1, 8), "cannot hold `\\u{1b}`"),
            ("GET / HTTP/1.1\nHost x", (2, 1), "no header"),
            ("GET / HTTP/1.1\nA: b\n folded", (3, 1), "no header"),
            ("GET / HTTP/1.1\nA b: c", (2, 1), "no header"),
            ("GET / HTTP/1.1\nA: b\u{1}", (2, 5), "the header `a`"),
        ] {
            let error = RawRequest::parse(text.as_bytes()).expect_err(text);
            assert_eq!((error.line, error.column), at, "{text}");
            assert!(error.to_string().contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn the_host_of_a_url_is_the_host_and_not_who_logs_in() {
        let request =
            RawRequest::new("GET", "http://joe:secret@shop.example:81?a#b").expect("a URL");
        assert_eq!(request.target, "/?a");
        assert_eq!(
            request.headers.get("host").expect("a host"),
            "shop.example:81"
        );
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
