//! What the upstream learns of where a request came from: nothing that a client says of itself, and everything that is
//! known.
//!
//! Headers that tell of the way are written anew from what was believed, entry by entry; what stood in them before goes,
//! also what a trusted proxy passed on of its client's inventions. So an application that takes the first entry of a list
//! for the client is right. Of the headers beside the list only those go on that balancers write with it
//! ([`BESIDE_THE_LIST`]): any other `X-Forwarded-*` passes through most of them as their client wrote it.

use std::borrow::Cow;
use std::fmt::Write;
use std::net::IpAddr;

use bytes::{BufMut, BytesMut};
use http::header::{EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, VIA};

use super::clients_config::{BESIDE_THE_LIST, FieldName, ForwardIdentity, IdentityHeader};
use super::fields::{folded, is_end_to_end, is_forwarding, is_hop_by_hop};
use super::identity::{Trust, Way, X_FORWARDED_FOR, last_forwarded};
use crate::event::EventId;

/// `X-Request-Id`, which carries the id of the request to the upstream and back to a refused client.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// How many headers are added at most.
const OURS: usize = 8;

/// How long the text of what is written anew usually is, in bytes.
const USUAL_TEXT: usize = 192;

/// How proxies on the way call us.
const PSEUDONYM: &str = "1.1 portcullis";

/// The headers of a request as the upstream gets them: without what belongs to one connection, and without `Expect`, which
/// was met here; with who asked, for what, by which scheme, and under which id. Nothing else in them says any of that.
///
/// They are written in one pass over those that were `sent`: a head that is copied, then cut and then added to is taken
/// apart and put together three times.
pub(super) fn describe(
    sent: &HeaderMap,
    trust: &Trust,
    way: &Way<'_>,
    (scheme, id): (&'static str, EventId),
) -> HeaderMap {
    let mut headers = HeaderMap::try_with_capacity(sent.len() + OURS).unwrap_or_default();
    for (name, value) in sent {
        if goes_on(name, sent, trust, way) {
            headers.append(name, value.clone());
        }
    }
    if way.believed.is_some() {
        for name in [X_FORWARDED_PROTO, X_FORWARDED_HOST, X_REQUEST_ID] {
            // Of several lines one is a client's.
            if headers.get_all(&name).iter().nth(1).is_some() {
                headers.remove(name);
            }
        }
    }
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static(scheme));
    if let Some(host) = sent.get(HOST) {
        let entry = headers.entry(X_FORWARDED_HOST);
        entry.or_insert_with(|| host.clone());
    }
    headers.entry(X_REQUEST_ID).or_insert_with(|| id_value(id));
    name_client(&mut headers, sent, trust, way);
    if sent.contains_key(VIA) {
        continue_list(&mut headers, VIA, PSEUDONYM);
    } else {
        headers.insert(VIA, HeaderValue::from_static(PSEUDONYM));
    }
    headers
}

/// Says who asked, in the headers that are to say so.
fn name_client(headers: &mut HeaderMap, sent: &HeaderMap, trust: &Trust, way: &Way<'_>) {
    let mut text = BytesMut::with_capacity(USUAL_TEXT);
    let as_list = |headers: &mut HeaderMap, text: &mut BytesMut| {
        for (at, address) in way.addresses().enumerate() {
            separate(text, at);
            write_address(text, address);
        }
        insert(headers, X_FORWARDED_FOR, text);
    };
    let as_forwarded = |headers: &mut HeaderMap, text: &mut BytesMut| {
        write_forwarded(text, elements_of_forwarded(sent, way), way, headers);
        insert(headers, FORWARDED, text);
    };
    let by_name = |headers: &mut HeaderMap, text: &mut BytesMut, name: &HeaderName| {
        write_address(text, way.client);
        insert(headers, name.clone(), text);
    };
    match trust.forward_as() {
        ForwardIdentity::Both => {
            as_list(headers, &mut text);
            as_forwarded(headers, &mut text);
            if let (Some(IdentityHeader::Header(FieldName(name))), 1..) =
                (way.believed, way.entries)
            {
                by_name(headers, &mut text, name);
            }
        }
        ForwardIdentity::XForwardedFor => as_list(headers, &mut text),
        ForwardIdentity::Forwarded => as_forwarded(headers, &mut text),
        ForwardIdentity::Header(FieldName(name)) => by_name(headers, &mut text, name),
        ForwardIdentity::None => {}
    }
}

/// Whether a header that was `sent` goes on. Not every header that is ours to write or that `clients.strip` names, but for
/// what a believed peer writes beside the header that names the client; nor one whose name folds to one that matters
/// without being it.
fn goes_on(name: &HeaderName, sent: &HeaderMap, trust: &Trust, way: &Way<'_>) -> bool {
    let is_kept = || match (name.as_str(), way.believed) {
        ("via", _) | ("x-request-id", Some(_)) => true,
        ("x-forwarded-for" | "forwarded", _) => false,
        // Whoever writes the one list need not guard what belongs to the other; and `Forwarded` tells the scheme itself.
        (name, Some(IdentityHeader::XForwardedFor)) => BESIDE_THE_LIST.contains(&name),
        // Networks that name the client in a header of their own tell the scheme so.
        ("x-forwarded-proto", Some(IdentityHeader::Header(_))) => true,
        _ => false,
    };
    let folded = folded(name);
    let is_odd = matches!(folded, Cow::Owned(_));
    let is_spoofed = (is_forwarding(&folded) && (is_odd || !is_kept()))
        || trust.strips(&folded)
        || (is_odd && (is_end_to_end(&folded) || sent.contains_key(&*folded)));
    !is_spoofed && !is_hop_by_hop(&folded) && name != EXPECT
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
        element.map_or_else(
            || {
                let mut text = BytesMut::new();
                write_node(&mut text, address);
                String::from_utf8_lossy(&text).into_owned()
            },
            Into::into,
        )
    });
    Some(elements.collect())
}

/// `Forwarded`, element by element: what trusted proxies `told`, or what is known of the way, and our own. Who asked first
/// asked for what `headers` say, or we did.
fn write_forwarded(
    text: &mut BytesMut,
    told: Option<Vec<String>>,
    way: &Way<'_>,
    headers: &HeaderMap,
) {
    let Some(elements) = told else {
        for (at, address) in way.addresses().enumerate() {
            separate(text, at);
            write_node(text, address);
            if at == 0 {
                write_parameters(text, headers);
            }
        }
        return;
    };
    for element in elements {
        text.put_slice(element.as_bytes());
        text.put_slice(b", ");
    }
    write_node(text, way.peer);
    write_parameters(text, headers);
}

/// What stands between the element of a list at a place and the one before.
fn separate(text: &mut BytesMut, at: usize) {
    if at > 0 {
        text.put_slice(b", ");
    }
}

/// An address as `Forwarded` writes it (RFC 7239, 6).
fn write_node(text: &mut BytesMut, address: IpAddr) {
    text.put_slice(b"for=");
    let is_bare = address.is_ipv4();
    if !is_bare {
        text.put_slice(b"\"[");
    }
    write_address(text, address);
    if !is_bare {
        text.put_slice(b"]\"");
    }
}

fn write_address(text: &mut BytesMut, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            for (at, octet) in address.octets().into_iter().enumerate() {
                if at > 0 {
                    text.put_u8(b'.');
                }
                if octet > 99 {
                    text.put_u8(b'0' + octet / 100);
                }
                if octet > 9 {
                    text.put_u8(b'0' + octet / 10 % 10);
                }
                text.put_u8(b'0' + octet % 10);
            }
        }
        IpAddr::V6(address) => {
            // Nothing can go wrong: the buffer grows.
            let _ = write!(text, "{address}");
        }
    }
}

/// What `X-Forwarded-Host` and `X-Forwarded-Proto` say, as parameters of `Forwarded`; what cannot be quoted is left out.
fn write_parameters(text: &mut BytesMut, headers: &HeaderMap) {
    let value = |name: HeaderName| headers.get(name)?.to_str().ok();
    let is_plain = |text: &&str| !text.bytes().any(|byte| matches!(byte, b'"' | b'\\'));
    if let Some(host) = value(X_FORWARDED_HOST).filter(is_plain) {
        text.put_slice(b";host=\"");
        text.put_slice(host.as_bytes());
        text.put_u8(b'"');
    }
    let is_token = |text: &&str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let proto = value(X_FORWARDED_PROTO).filter(is_token).unwrap_or("http");
    text.put_slice(b";proto=");
    text.put_slice(proto.as_bytes());
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

/// Takes the value out of `text`, so that all values have one piece of memory.
fn insert(headers: &mut HeaderMap, name: HeaderName, text: &mut BytesMut) {
    if let Ok(value) = HeaderValue::from_maybe_shared(text.split().freeze()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
