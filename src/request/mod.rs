//! What a detection may look at: the request as it arrived, taken apart and decoded once, every value with its way back
//! to the raw bytes.
//!
//! Nothing here judges, refuses or throws. What two parsers could read differently is recorded as an [`Ambiguity`] and
//! left to a detection. All work is bounded: by the limits on what arrives, and by the depth and size bounds beside each
//! decoder. Nothing recurses on input.

pub mod ambiguity;
pub mod body;
pub mod coding;
mod collector;
pub mod cookies;
pub mod decode;
mod encryption;
mod forms;
pub mod identity;
pub mod input;
mod inputs;
pub mod marks;
pub mod name;
mod names;
mod normalize;
mod offsets;
mod pairs;
pub mod raw;
mod scan;
pub mod target;
mod values;
pub mod work;

use std::cell::OnceCell;
use std::ops::Range;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

pub use body::{BodyKind, BodyView};
pub use coding::{Coding, Codings};
pub use encryption::Encryption;
pub use forms::FormsIter;
pub use identity::{ClientIdentity, IdentitySource, Standing};
pub use input::{Ambiguity, DecodeStep, Form, Oddities, Origin, Place, PlaceKind, Source, Steps};
pub use inputs::{Inputs, InputsIter};
pub use marks::Marks;
pub use offsets::OffsetMap;
pub use values::Input;
pub use work::Work;

use collector::Collector;
use decode::Syntax;
use names::NameRef;
use values::{Header, Parsed, Texts, Values};

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
    path_readings: OnceCell<target::Readings>,
    parsed: OnceCell<Parsed<'a>>,
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
            path_readings: OnceCell::new(),
            parsed: OnceCell::new(),
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

    /// The other paths that some server may read this one as (see [`target::readings`]); computed once.
    #[must_use]
    pub fn path_readings(&self) -> &target::Readings {
        self.path_readings
            .get_or_init(|| target::readings(self.path()))
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

    /// Every value of the head: path, query keys and values, then header values and cookies in the order of the header map;
    /// each decoded once. The body's values are in [`BodyView::inputs`].
    #[must_use]
    pub fn inputs(&self) -> Inputs<'_> {
        self.parsed().inputs()
    }

    /// What two parsers would read differently in the head.
    #[must_use]
    pub fn ambiguities(&self) -> &[Ambiguity] {
        &self.parsed().values.ambiguities
    }

    /// What is left of the work that the head may make.
    #[must_use]
    pub fn work(&self) -> &Work {
        &self.parsed().values.work
    }

    fn parsed(&self) -> &Parsed<'_> {
        self.parsed.get_or_init(|| self.parse())
    }

    fn parse(&self) -> Parsed<'a> {
        // A path, a few parameters, a few cookies.
        const USUAL_OTHERS: usize = 16;
        let target = self.target.as_bytes();
        let mut headers = Vec::with_capacity(self.headers.len());
        let mut values = Values::new(Work::for_head());
        values.records.reserve(self.headers.len() + USUAL_OTHERS);
        target::inputs(target, &mut values);
        for (index, (name, value)) in (0..u16::MAX).zip(self.headers) {
            let header = Header {
                name: name.as_str(),
                value: value.as_bytes(),
            };
            headers.push(header);
            header_inputs(name, header.value, Source::Header(index), &mut values);
        }
        Parsed {
            texts: Texts::Head { target, headers },
            values,
        }
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

/// Adds the value of a header, or the name and value of each cookie in it.
fn header_inputs(name: &HeaderName, value: &[u8], source: Source, values: &mut Values) {
    if name == http::header::COOKIE {
        let mut out = Collector::new(value, PlaceKind::Cookies, source, values);
        cookies::inputs(&mut out);
    } else {
        let mut out = Collector::new(value, PlaceKind::Headers, source, values);
        out.value(NameRef::HEADER, 0..value.len(), Syntax::Header);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_head_is_its_path_its_query_and_its_headers() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("cookie", HeaderValue::from_static("c=%2541"));
        headers.append("x-a", HeaderValue::from_static("2"));
        let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
        let view = RequestView::new(&Method::GET, "/p/?q=%zz", &headers, &client);
        let values: Vec<_> = view
            .inputs()
            .iter()
            .map(|input| format!("{}={}", input.place(), input.value().escape_ascii()))
            .collect();
        assert_eq!(
            values,
            [
                "path=/p/",
                "query.q (name)=q",
                "query.q=%zz",
                "headers.x-a=1",
                "headers.x-a=2",
                "cookies.c (name)=c",
                "cookies.c=%41",
            ]
        );
        let [ambiguity] = view.ambiguities() else {
            panic!("one ambiguity");
        };
        assert_eq!(ambiguity.kind, "invalid_percent");
        assert_eq!(view.slice(&ambiguity.origin), Some(&b"%zz"[..]));
        let cookie = view.inputs().last().unwrap();
        let last = cookie.forms().last().unwrap();
        let raw = view.slice(&cookie.origin_of(&last, 0..1));
        assert_eq!((last.text, raw), (&b"A"[..], Some(&b"%2541"[..])));
        assert_eq!(view.normalized_path(), "/p");
    }

    proptest! {
        /// No head breaks anything, and every form of every value leads to bytes that are there.
        #[test]
        fn every_value_of_a_head_leads_back(
            target in "/(\\PC|[%&=+;?\\\\]|%[0-9a-f]{2}){0,30}",
            cookie in proptest::collection::vec(any::<u8>(), 0..40),
            agent in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in [("cookie", cookie), ("user-agent", agent)] {
                if let Ok(value) = HeaderValue::from_bytes(&value) {
                    headers.append(name, value);
                }
            }
            let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
            let view = RequestView::new(&Method::GET, &target, &headers, &client);
            for input in view.inputs() {
                for form in input.forms() {
                    let origin = input.origin_of(&form, 0..form.text.len());
                    let whole = input.origin();
                    prop_assert_eq!(origin.source, whole.source);
                    prop_assert!(whole.range.start <= origin.range.start && origin.range.end <= whole.range.end);
                    prop_assert!(view.slice(&origin).is_some());
                }
            }
            prop_assert!(view.normalized_path().starts_with('/'));
        }
    }
}
