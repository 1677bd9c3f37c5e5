//! The head of a request as it becomes HTTP/1.1 for the upstream, looked at by the gate that looks at those which come so.
//!
//! Pseudo-headers, names, values and `Content-Length` are held to the same rules as in HTTP/1.1 because they are put into
//! its form and scanned: nothing can be smuggled by the translation that could not be written directly (RFC 9113, 10.3).
//! What makes a request malformed by RFC 9113 itself (upper case, headers of a connection, pseudo-headers that are
//! missing or repeated) never gets here: hyper ends its stream.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{COOKIE, HOST, HeaderMap, HeaderValue, SEC_WEBSOCKET_KEY};
use http::request::Parts;
use http::{Method, Uri, Version};
use hyper::ext::Protocol;

use crate::proxy::framing::{Fault, Gate, GateLimits, Refused, Step, Stop, target};
use crate::proxy::tunnel::upgrade;

/// Gives a request the form that it has in HTTP/1.1: the authority in `Host`, one `Cookie`, a target in origin form.
///
/// # Errors
/// What the gate has against it.
pub(super) fn translate(head: &mut Parts, limits: GateLimits) -> Result<(), Box<Refused>> {
    ask_for_websocket(head);
    let authority = head.uri.authority().map(|authority| authority.as_str());
    let text = written(head, authority);
    let stopped = match Gate::new(limits).scan(&text) {
        Ok(_) if head.method == "PRI" => Some(Fault::Method),
        // The upstream does not learn of it; but who asks for another scheme asks somebody else.
        Ok(_) if !matches!(head.uri.scheme_str(), None | Some("http" | "https")) => {
            Some(Fault::TargetForm)
        }
        Ok(Step::Pass(length)) if length == text.len() => None,
        // There is an end of a head within what became of it, or none at its end.
        Ok(_) => Some(Fault::StartLine),
        Err(stop) => return Err(Box::new(Refused::head(&stop, &text))),
    };
    if let Some(fault) = stopped {
        let part = 0..text.len();
        return Err(Box::new(Refused::head(&Stop { fault, part }, &text)));
    }
    if let Some(host) = authority.and_then(|host| HeaderValue::from_str(host).ok()) {
        head.headers.insert(HOST, host);
    }
    join_cookies(&mut head.headers);
    let origin = head.uri.path_and_query().cloned();
    head.uri = origin.map_or_else(|| Uri::from_static("/"), Uri::from);
    head.version = Version::HTTP_2;
    Ok(())
}

/// Makes of a CONNECT for a WebSocket (RFC 8441, 5) the handshake that it is in HTTP/1.1. Any other CONNECT is left for the
/// gate to refuse. Only so can the headers of an upgrade be here: hyper ends the stream of a client that sends them.
fn ask_for_websocket(head: &mut Parts) {
    let protocol = head.extensions.get::<Protocol>();
    if head.method != Method::CONNECT
        || protocol.is_none_or(|protocol| protocol.as_str() != "websocket")
    {
        return;
    }
    let mut key = [0; 16];
    // Without randomness there is no key, and the handshake is refused as one that has none.
    if getrandom::fill(&mut key).is_ok()
        && let Ok(key) = HeaderValue::from_str(&STANDARD.encode(key))
    {
        head.headers.insert(SEC_WEBSOCKET_KEY, key);
    }
    head.method = Method::GET;
    upgrade(&mut head.headers);
}

/// Whether a request came as a CONNECT for a tunnel.
pub(in crate::proxy) fn asked_for_tunnel(head: &Parts) -> bool {
    head.version == Version::HTTP_2 && head.extensions.get::<Protocol>().is_some()
}

/// What a translation makes of a head, for who tests it: the head as the upstream would read it.
///
/// # Errors
/// The fault that it is refused for.
pub fn translated(mut head: Parts, limits: GateLimits) -> Result<Vec<u8>, Fault> {
    translate(&mut head, limits).map_err(|refused| refused.fault)?;
    Ok(written(&head, None))
}

/// The head as HTTP/1.1 writes it. A `Host` that is not the authority stands beside it, and so is one too many (RFC 9113,
/// 8.3.1).
fn written(head: &Parts, authority: Option<&str>) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(head.method.as_str().as_bytes());
    text.push(b' ');
    text.extend_from_slice(target(&head.uri).as_bytes());
    text.extend_from_slice(b" HTTP/1.1\r\n");
    let mut line = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            text.extend_from_slice(part);
        }
    };
    if let Some(authority) = authority {
        line("host", authority.as_bytes());
    }
    for (name, value) in &head.headers {
        let is_authority = name == HOST
            && authority.is_some_and(|authority| {
                value.as_bytes().eq_ignore_ascii_case(authority.as_bytes())
            });
        if !is_authority {
            line(name.as_str(), value.as_bytes());
        }
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// Joins cookies that came in several fields, which HTTP/2 allows for compression, before anybody sees them (RFC 9113,
/// 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let mut joined = Vec::new();
    for (at, part) in headers.get_all(COOKIE).iter().enumerate() {
        if at > 0 {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(part.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests;
