//! Headers between client and upstream: what belongs to one connection stays on it, and the upstream learns where the
//! request came from.

use std::net::IpAddr;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    COOKIE, EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, RANGE, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

use super::config::IdentityHeader;
use super::identity::X_FORWARDED_FOR;
use crate::event::EventId;
use crate::request::ClientIdentity;

/// `X-Request-Id`, which carries the id of the request to the upstream and back to a refused client.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Headers that belong to one connection (RFC 9110, 7.6.1), and those that only ever meant one (`Proxy-Connection`) or
/// turn into an environment variable behind us (`Proxy`, CVE-2016-5385).
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("proxy"),
    HeaderName::from_static("http2-settings"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Removes what belongs to one connection: the headers above, and those that `Connection` names. `Host` and
/// `Content-Length` stay even if they are named: without them the message would be another one.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .filter(|name| name != HOST && name != CONTENT_LENGTH)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Tells the upstream who asked, for what, and under which id.
///
/// `believed` is the header that names the client where the peer is a trusted proxy, `None` where it is not. That header
/// is continued; every other one is made anew from what is known, since whoever writes the one need not guard the others.
pub(super) fn describe(
    headers: &mut HeaderMap,
    client: &ClientIdentity,
    believed: Option<IdentityHeader>,
    id: EventId,
) {
    let host = headers.get(HOST).cloned();
    let continues_list = believed == Some(IdentityHeader::XForwardedFor);
    let continues_forwarded = believed == Some(IdentityHeader::Forwarded);
    if !continues_list {
        for name in [X_FORWARDED_FOR, X_FORWARDED_PROTO, X_FORWARDED_HOST] {
            headers.remove(name);
        }
    }
    if !continues_forwarded {
        headers.remove(FORWARDED);
    }
    if believed.is_none() {
        headers.remove(X_REQUEST_ID);
    }
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    headers.entry(X_REQUEST_ID).or_insert_with(|| id_value(id));
    let is_behind_peer = client.address != client.peer;
    if is_behind_peer && !continues_list {
        continue_list(headers, X_FORWARDED_FOR, &client.address.to_string());
    }
    continue_list(headers, X_FORWARDED_FOR, &client.peer.to_string());
    let parameters = parameters(headers);
    if is_behind_peer && !continues_forwarded {
        let client = format!(
            "{}{parameters}, {}",
            node(client.address),
            node(client.peer)
        );
        continue_list(headers, FORWARDED, &client);
    } else {
        continue_list(
            headers,
            FORWARDED,
            &format!("{}{parameters}", node(client.peer)),
        );
    }
    continue_list(headers, VIA, "1.1 portcullis");
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

/// Removes from trailers what would have been removed, replaced or relied upon in the head (RFC 9110, 6.5.1).
pub(super) fn strip_trailers(trailers: &mut HeaderMap) {
    const UNSAFE: [HeaderName; 17] = [
        AUTHORIZATION,
        COOKIE,
        SET_COOKIE,
        HOST,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        CONTENT_ENCODING,
        CONTENT_RANGE,
        TRAILER,
        EXPECT,
        RANGE,
        X_FORWARDED_FOR,
        X_FORWARDED_PROTO,
        X_FORWARDED_HOST,
        FORWARDED,
        X_REQUEST_ID,
        VIA,
    ];
    strip_hop_by_hop(trailers);
    for name in &UNSAFE {
        trailers.remove(name);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::id::IdSource;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::try_from(*name).expect("a name"),
                value.parse().expect("a value"),
            );
        }
        headers
    }

    fn described(
        client: &str,
        peer: &str,
        believed: Option<IdentityHeader>,
        lines: &[(&str, &str)],
    ) -> HeaderMap {
        let mut headers = headers(lines);
        let mut identity = ClientIdentity::from_peer(peer.parse().expect("an address"));
        identity.address = client.parse().expect("an address");
        describe(
            &mut headers,
            &identity,
            believed,
            IdSource::new().expect("randomness").next(0),
        );
        headers
    }

    #[test]
    fn what_belongs_to_a_connection_stays_on_it() {
        let mut headers = headers(&[
            ("connection", "close, X-Foo"),
            ("connection", "x-bar , host, content-length"),
            ("x-foo", "1"),
            ("x-bar", "2"),
            ("x-kept", "3"),
            ("host", "example.org"),
            ("content-length", "0"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("proxy", "http://attacker"),
            ("transfer-encoding", "chunked"),
        ]);
        strip_hop_by_hop(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-kept"]);
    }

    #[test]
    fn a_stranger_cannot_say_who_he_is() {
        let sent = [
            ("host", "example.org"),
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil"),
            ("forwarded", "for=9.9.9.9"),
            ("x-request-id", "mine"),
        ];
        let seen = described("198.51.100.1", "198.51.100.1", None, &sent);
        let all = |name: &str| {
            seen.get_all(name)
                .iter()
                .map(|v| v.to_str().expect("ASCII"))
                .collect::<Vec<_>>()
        };
        assert_eq!(all("x-forwarded-for"), ["198.51.100.1"]);
        assert_eq!(all("x-forwarded-proto"), ["http"]);
        assert_eq!(all("x-forwarded-host"), ["example.org"]);
        assert_eq!(
            all("forwarded"),
            ["for=198.51.100.1;host=\"example.org\";proto=http"]
        );
        assert_eq!(all("via"), ["1.1 portcullis"]);
        assert_eq!(all("x-request-id").first().map(|id| id.len()), Some(36));
    }

    #[test]
    fn the_believed_header_is_continued_and_the_others_follow_it() {
        let sent = [
            ("host", "inner"),
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-for", "8.8.8.8"),
            ("x-forwarded-proto", "https"),
            ("forwarded", "for=6.6.6.6"),
            ("x-request-id", "theirs"),
            ("via", "1.1 front"),
        ];
        let list = described(
            "8.8.8.8",
            "2001:db8::1",
            Some(IdentityHeader::XForwardedFor),
            &sent,
        );
        let forwarded = described(
            "6.6.6.6",
            "2001:db8::1",
            Some(IdentityHeader::Forwarded),
            &sent,
        );
        let peer = described(
            "2001:db8::1",
            "2001:db8::1",
            Some(IdentityHeader::Peer),
            &sent,
        );
        let all = [&list, &forwarded, &peer];
        let each = |name: &str| {
            all.map(|seen| {
                seen.get(name)
                    .and_then(|v| v.to_str().ok())
                    .unwrap_or("none")
            })
        };
        assert_eq!(
            each("x-forwarded-for"),
            [
                "9.9.9.9, 8.8.8.8, 2001:db8::1",
                "6.6.6.6, 2001:db8::1",
                "2001:db8::1"
            ]
        );
        assert_eq!(each("x-forwarded-proto"), ["https", "http", "http"]);
        assert_eq!(
            each("forwarded"),
            [
                "for=8.8.8.8;host=\"inner\";proto=https, for=\"[2001:db8::1]\"",
                "for=6.6.6.6, for=\"[2001:db8::1]\";host=\"inner\";proto=http",
                "for=\"[2001:db8::1]\";host=\"inner\";proto=http",
            ]
        );
        assert_eq!(each("x-request-id"), ["theirs"; 3]);
        assert_eq!(each("via"), ["1.1 front, 1.1 portcullis"; 3]);
    }

    #[test]
    fn trailers_cannot_say_what_the_head_may_not() {
        let mut trailers = headers(&[
            ("x-sum", "5"),
            ("x-forwarded-for", "1.1.1.1"),
            ("authorization", "x"),
            ("te", "x"),
        ]);
        strip_trailers(&mut trailers);
        assert_eq!(
            trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-sum"]
        );
    }
}
