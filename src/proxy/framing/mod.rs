//! What is one well-formed request: the strict gate before hyper's parser.
//!
//! Everything that a client sends goes through [`Gate`] first (`stream.rs` puts it into the connection). It is no second
//! HTTP parser: it yields no values, only how far bytes may go on, and it lets through nothing that two parsers could
//! read as different requests. What hyper then parses is what the chain judges, and what is forwarded is written anew
//! from that; so the upstream gets one well-formed request or nothing.
//!
//! Where RFC 9112 leaves a choice, this is ours:
//!
//! * Only CRLF ends a line; one empty line is skipped before a request line, since some clients send one after a body.
//! * A method is upper case; CONNECT and TRACE are refused, and so is every version but 1.1 and 1.0: with 400 and not
//!   505, because what is refused here is the client's fault.
//! * `Content-Length` is one line with a plain number without leading zeros; `Transfer-Encoding` is one line saying
//!   `chunked`; never both, and never the latter in HTTP/1.0.
//! * A header whose name differs from one of these or from `Host` in punctuation alone is refused.
//! * `Host` is `host` or `host:port`. Where the target is a URL, its host takes the place of the header's (3.2.2).
//! * Chunk extensions are dropped; of a form that the RFC gives, without white space, and short.
//! * Trailers may not name what frames, routes or authenticates.
//! * A client that ends its side while it waits for an answer has gone, but for a moment: its request is abandoned.

pub(super) mod answer;
mod chunked;
mod deadline;
mod departs;
mod fault;
mod gate;
mod held;
mod lines;
mod linger;
mod mode;
mod refused;
mod stream;
mod target;
#[cfg(test)]
mod tests;
mod turns;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderValue, Uri};

pub(super) use self::departs::Departs;
pub use self::fault::{Class, Fault};
pub use self::gate::{Gate, GateLimits, Step, Stop};
pub(super) use self::linger::{LINGER, MOST_LINGERING};
pub(super) use self::refused::Refused;
pub(super) use self::stream::Gated;
pub(super) use self::turns::{Answer, Reading, Turn, Turns};
use super::respond::Refusal;

/// Turns a URL as the target into origin form with the `Host` that it names (RFC 9112, 3.2.2).
pub(super) fn check(head: &mut Parts) -> Result<(), Refusal> {
    if let Some(authority) = head.uri.authority() {
        // The gate has seen to it that this is a host; but what stands in a header is checked where it is made.
        let host = HeaderValue::from_str(authority.as_str())
            .ok()
            .filter(|host| target::is_host(host.as_bytes()));
        let host = host.ok_or(Refusal::Malformed("The request's target names no host."))?;
        head.headers.insert(HOST, host);
        let origin = head.uri.path_and_query().cloned();
        head.uri = origin.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    Ok(())
}

/// The request-target in origin form: raw path and raw query.
pub(super) fn target(uri: &Uri) -> &str {
    uri.path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
}
