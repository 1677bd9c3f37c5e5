//! What the upstream learns of where a request came from: nothing that a client says of itself, and everything that is
//! known.
//!
//! Headers that tell of the way are written anew from what was believed, entry by entry; what stood in them before goes,
//! also what a trusted proxy passed on of its client's inventions. So an application that takes the first entry of a list
//! for the client is right. Of the headers beside the list only those go on that balancers write with it
//! ([`BESIDE_THE_LIST`]): any other `X-Forwarded-*` passes through most of them as their client wrote it.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, VIA};

use super::clients_config::{BESIDE_THE_LIST, FieldName, ForwardIdentity, IdentityHeader};
use super::fields::{folded, is_end_to_end, is_forwarding};
use super::identity::{Trust, Way, X_FORWARDED_FOR, last_forwarded};
use crate::event::EventId;

/// `X-Request-Id`, which carries the id of the request to the upstream and back to a refused client.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Tells the upstream who asked, for what, by which scheme, and under which id. Nothing else in `headers` says any of it
/// afterwards.
pub(super) fn describe(
    headers: &mut HeaderMap,
    trust: &Trust,
    way: &Way<'_>,
    (scheme, id): (&'static str, EventId),
) {
    let told = elements_of_forwarded(headers, way);
    strip_spoofed(headers, trust, way);
    for name in [X_FORWARDED_PROTO, X_FORWARDED_HOST, X_REQUEST_ID] {
        // Of several lines one is a client's.
        if headers.get_all(&name).iter().nth(1).is_some() {
            headers.remove(name);
        }
    }
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static(scheme));
    if let Some(host) = headers.get(HOST).cloned() {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    headers.entry(X_REQUEST_ID).or_insert_with(|| id_value(id));
    let as_list = |headers: &mut HeaderMap| {
        let addresses: Vec<_> = way.addresses().map(|address| address.to_string()).collect();
        insert(headers, X_FORWARDED_FOR, &addresses.join(", "));
    };
    let as_forwarded = |headers: &mut HeaderMap| {
        let elements = forwarded(told, way, &parameters(headers));
        insert(headers, FORWARDED, &elements.join(", "));
    };
    match trust.forward_as() {
        ForwardIdentity::Both => {
            as_list(headers);
            as_forwarded(headers);
            if let (Some(IdentityHeader::Header(FieldName(name))), 1..) =
                (way.believed, way.entries)
            {
                insert(headers, name.clone(), &way.client.to_string());
            }
        }
        ForwardIdentity::XForwardedFor => as_list(headers),
        ForwardIdentity::Forwarded => as_forwarded(headers),
        ForwardIdentity::Header(FieldName(name)) => {
            insert(headers, name.clone(), &way.client.to_string());
        }
        ForwardIdentity::None => {}
    }
    continue_list(headers, VIA, "1.1 portcullis");
}

/// Removes every header that is ours to write or that `clients.strip` names, but for what a believed peer writes beside
/// the header that names the client; and every header whose name folds to one that matters without being it.
fn strip_spoofed(headers: &mut HeaderMap, trust: &Trust, way: &Way<'_>) {
    let is_kept = |name: &HeaderName| match (name.as_str(), way.believed) {
        ("via", _) | ("x-request-id", Some(_)) => true,
        ("x-forwarded-for" | "forwarded", _) => false,
        // Whoever writes the one list need not guard what belongs to the other; and `Forwarded` tells the scheme itself.
        (name, Some(IdentityHeader::XForwardedFor)) => BESIDE_THE_LIST.contains(&name),
        // Networks that name the client in a header of their own tell the scheme so.
        ("x-forwarded-proto", Some(IdentityHeader::Header(_))) => true,
        _ => false,
    };
    let is_spoofed = |name: &HeaderName| {
        let folded = folded(name);
        let is_odd = folded != name.as_str();
        (is_forwarding(&folded) && (is_odd || !is_kept(name)))
            || trust.strips(&folded)
            || (is_odd && (is_end_to_end(&folded) || headers.contains_key(&*folded)))
    };
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_spoofed(name))
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
}

impl Way<'_> {
    /// Everybody on the way, the client first.
    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let client = (self.entries > 0).then_some(self.client);
        client
            .into_iter()
            .chain(self.via.iter().copied())
            .chain([self.peer])
    }
}

/// The elements of a `Forwarded` that was believed: each as it was written, unless a quote in it is open.
fn elements_of_forwarded(headers: &HeaderMap, way: &Way<'_>) -> Option<Vec<String>> {
    if way.believed != Some(&IdentityHeader::Forwarded) {
        return None;
    }
    let written = last_forwarded(headers, way.entries);
    let is_closed =
        |text: &&str| !text.contains('\\') && text.matches('"').count().is_multiple_of(2);
    let elements = written.into_iter().zip(way.addresses());
    let elements = elements.map(|(element, address)| {
        let element = std::str::from_utf8(element).ok().filter(is_closed);
        element.map_or_else(|| node(address), Into::into)
    });
    Some(elements.collect())
}

/// `Forwarded`, element by element: what trusted proxies `told`, or what is known of the way, and our own.
fn forwarded(told: Option<Vec<String>>, way: &Way<'_>, parameters: &str) -> Vec<String> {
    let Some(mut elements) = told else {
        let mut known: Vec<_> = way.addresses().map(node).collect();
        if let Some(first) = known.first_mut() {
            first.push_str(parameters);
        }
        return known;
    };
    elements.push(node(way.peer) + parameters);
    elements
}

/// An address as `Forwarded` writes it (RFC 7239, 6).
fn node(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("for={address}"),
        IpAddr::V6(address) => format!("for=\"[{address}]\""),
    }
}

/// What `X-Forwarded-Host` and `X-Forwarded-Proto` say, as parameters of `Forwarded`; what cannot be quoted is left out.
fn parameters(headers: &HeaderMap) -> String {
    let plain = |name: HeaderName| {
        let text = headers.get(name)?.to_str().ok()?;
        (!text.contains(['"', '\\'])).then_some(text)
    };
    let host = plain(X_FORWARDED_HOST)
        .map(|host| format!(";host=\"{host}\""))
        .unwrap_or_default();
    let is_token = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let proto = plain(X_FORWARDED_PROTO).filter(is_token).unwrap_or("http");
    format!("{host};proto={proto}")
}

/// The id as a header value.
pub(super) fn id_value(id: EventId) -> HeaderValue {
    HeaderValue::from_str(id.encode(&mut [0; 36])).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Adds an element at the right end of a list header, all its lines joined into one.
fn continue_list(headers: &mut HeaderMap, name: HeaderName, element: &str) {
    let mut list = Vec::new();
    for line in headers.get_all(&name) {
        list.extend_from_slice(line.as_bytes());
        list.extend_from_slice(b", ");
    }
    list.extend_from_slice(element.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&list) {
        headers.insert(name, value);
    }
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
