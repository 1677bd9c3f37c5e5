//! What a detection may look at: the request as it arrived, taken apart and decoded once, every value with its way back
//! to the raw bytes.
//!
//! Nothing here judges, refuses or throws. What two parsers could read differently is recorded as an [`Ambiguity`] and
//! left to a detection. All work is bounded: by the limits on what arrives, and by the depth and size bounds beside each
//! decoder. Nothing recurses on input.

pub mod body;
pub mod cookies;
pub mod decode;
pub mod identity;
pub mod input;
pub mod raw;
pub mod target;

use std::cell::OnceCell;
use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

pub use body::{BodyKind, BodyView};
pub use identity::{ClientIdentity, IdentitySource, Standing};
pub use input::{Ambiguity, DecodeStep, Form, Input, OffsetMap, Origin, Place, PlaceKind, Source};

/// The head of a request, seen by every detection; made once per request.
///
/// It borrows from the parsed request and decodes on demand: a chain in which nobody looks at the values of a request
/// never pays for taking them apart.
#[derive(Debug)]
pub struct RequestView<'a> {
    method: &'a Method,
    target: &'a str,
    headers: &'a HeaderMap,
    client: &'a ClientIdentity,
    normalized_path: OnceCell<std::borrow::Cow<'a, str>>,
    inputs: OnceCell<Vec<Input<'a>>>,
}

/// The head of the upstream's answer, seen in the response phase.
#[derive(Debug)]
pub struct ResponseView<'a> {
    /// The status that the upstream chose.
    pub status: http::StatusCode,
    /// The headers as the upstream sent them.
    pub headers: &'a HeaderMap,
}

impl<'a> RequestView<'a> {
    /// A view of one request. `target` is the request-target as it arrived: raw path and raw query.
    #[must_use]
    pub const fn new(
        method: &'a Method,
        target: &'a str,
        headers: &'a HeaderMap,
        client: &'a ClientIdentity,
    ) -> Self {
        Self {
            method,
            target,
            headers,
            client,
            normalized_path: OnceCell::new(),
            inputs: OnceCell::new(),
        }
    }

    /// The method as sent.
    #[must_use]
    pub const fn method(&self) -> &'a Method {
        self.method
    }

    /// The request-target as sent: raw path, and `?` with the raw query where there is one.
    #[must_use]
    pub const fn target(&self) -> &'a str {
        self.target
    }

    /// The raw path, without the query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target
            .split_once('?')
            .map_or(self.target, |(path, _)| path)
    }

    /// The raw query without its `?`; `None` where the target has no `?`.
    #[must_use]
    pub fn query(&self) -> Option<&'a str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The path that every spelling of it shares (see [`target::normalize`]); computed once.
    #[must_use]
    pub fn normalized_path(&self) -> &str {
        self.normalized_path
            .get_or_init(|| target::normalize(self.path()))
    }

    /// All headers, repeats included.
    #[must_use]
    pub const fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&'a HeaderValue> {
        self.headers.get(name)
    }

    /// The first value of a cookie by its exact name (RFC 6265, 5.4).
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<&'a [u8]> {
        cookies::find(self.headers, name)
    }

    /// Who sent the request.
    #[must_use]
    pub const fn client(&self) -> &'a ClientIdentity {
        self.client
    }

    /// Every value of the head: path segments, query keys and values, header values, cookies; in the order of arrival,
    /// each decoded once. The body's values are in [`BodyView::inputs`].
    #[must_use]
    pub fn inputs(&self) -> &[Input<'a>] {
        self.inputs.get_or_init(|| {
            let mut inputs = Vec::with_capacity(16);
            target::inputs(self.target, &mut inputs);
            input::header_inputs(self.headers, &mut inputs);
            inputs
        })
    }

    /// The raw bytes that an [`Origin`] of the head points into; `None` for a body origin or a header that is not there.
    #[must_use]
    pub fn source(&self, source: Source) -> Option<&'a [u8]> {
        match source {
            Source::Target => Some(self.target.as_bytes()),
            Source::Header(index) => self
                .headers
                .iter()
                .nth(usize::from(index))
                .map(|(_, value)| value.as_bytes()),
            Source::Body => None,
        }
    }

    /// The raw bytes of an [`Origin`] of the head.
    #[must_use]
    pub fn slice(&self, origin: &Origin) -> Option<&'a [u8]> {
        self.source(origin.source)?.get(Range::clone(&origin.range))
    }
}
