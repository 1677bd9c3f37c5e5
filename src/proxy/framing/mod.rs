//! What is one well-formed request: the strict gate before hyper's parser, and the checks behind it.

pub(super) mod answer;
mod chunked;
mod fault;
mod gate;
mod lines;
mod target;

pub use self::fault::{Class, Fault};
pub use self::gate::{Gate, GateLimits, Step, Stop};

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Uri, Version};

use super::respond::Refusal;

/// Checks the parsed head, and turns an absolute-form target into origin form with the `Host` that it names
/// (RFC 9112, 3.2.2).
pub(super) fn check(head: &mut Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::Method);
    }
    check_host(head)?;
    if head.headers.contains_key(TRANSFER_ENCODING) && head.headers.contains_key(CONTENT_LENGTH) {
        return Err(Refusal::Malformed(
            "The request has both Transfer-Encoding and Content-Length.",
        ));
    }
    if head.uri.path() == "*" && head.method != Method::OPTIONS {
        return Err(Refusal::Malformed(
            "The target `*` belongs to OPTIONS alone.",
        ));
    }
    if head
        .uri
        .scheme()
        .is_some_and(|scheme| *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS)
    {
        return Err(Refusal::Malformed("The request's target is no HTTP URL."));
    }
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str())
            .ok()
            .filter(is_host);
        let host = host.ok_or(Refusal::Malformed(
            "The request's target names no host, or carries credentials.",
        ))?;
        head.headers.insert(HOST, host);
        let origin = head.uri.path_and_query().cloned();
        head.uri = origin.map_or_else(|| Uri::from_static("/"), Uri::from);
    }
    Ok(())
}

/// One `Host`, well formed; none only where HTTP/1.0 or an absolute target allows it (RFC 9112, 3.2).
fn check_host(head: &Parts) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(Refusal::Malformed("The request has several Host headers.")),
        (Some(host), None) if !is_host(host) => {
            Err(Refusal::Malformed("The Host header names no host."))
        }
        (None, _) if head.version == Version::HTTP_11 && head.uri.authority().is_none() => {
            Err(Refusal::Malformed("The request has no Host header."))
        }
        _ => Ok(()),
    }
}

/// Whether a value is `host[:port]` (RFC 9110, 7.2), without credentials before it.
fn is_host(value: &HeaderValue) -> bool {
    let authority = value
        .to_str()
        .ok()
        .and_then(|text| text.parse::<Authority>().ok());
    authority
        .is_some_and(|authority| !authority.as_str().contains('@') && !authority.host().is_empty())
}

/// The request-target in origin form: raw path and raw query.
pub(super) fn target(uri: &Uri) -> &str {
    uri.path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str)
}
