//! What is one well-formed request: the checks between hyper's parser and the chain.
//!
//! This is the seam of the framing gate: today it judges the parsed head, so what hyper itself resolves (whitespace,
//! line ends, `Content-Length` beside `Transfer-Encoding`) is not seen here.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderValue, Method, Uri, Version};

use super::respond::Refusal;

/// Checks the parsed head, and turns an absolute-form target into origin form with the `Host` that it names
/// (RFC 9112, 3.2.2).
pub(super) fn check(head: &mut Parts) -> Result<(), Refusal> {
    if head.method == Method::CONNECT {
        return Err(Refusal::Method);
    }
    let mut hosts = head.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => {
            return Err(Refusal::Malformed("The request has several Host headers."));
        }
        (None, _) if head.version == Version::HTTP_11 && head.uri.authority().is_none() => {
            return Err(Refusal::Malformed("The request has no Host header."));
        }
        _ => {}
    }
    if head.headers.contains_key(TRANSFER_ENCODING) && head.headers.contains_key(CONTENT_LENGTH) {
        return Err(Refusal::Malformed(
            "The request has both Transfer-Encoding and Content-Length.",
        ));
    }
    if let Some(authority) = head.uri.authority() {
        let host = HeaderValue::from_str(authority.as_str())
            .map_err(|_| Refusal::Malformed("The request's target names no host."))?;
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
