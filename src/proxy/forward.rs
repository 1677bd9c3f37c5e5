//! Headers between client and upstream: what belongs to one connection stays on it, and the upstream learns where the
//! request came from.

use http::header::{
    CONNECTION, CONTENT_LENGTH, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};

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

/// Tells the upstream who asked, for what, and under which id. What a trusted proxy already said is kept and continued;
/// what anybody else said of it is replaced.
pub(super) fn describe(
    headers: &mut HeaderMap,
    client: &ClientIdentity,
    peer_is_proxy: bool,
    id: EventId,
) {
    let host = headers.get(HOST).cloned();
    let peer = client.peer.to_string();
    if !peer_is_proxy {
        for name in [
            X_FORWARDED_FOR,
            X_FORWARDED_PROTO,
            X_FORWARDED_HOST,
            FORWARDED,
            X_REQUEST_ID,
        ] {
            headers.remove(name);
        }
    }
    continue_list(headers, X_FORWARDED_FOR, &peer);
    let node = if client.peer.is_ipv6() {
        format!("for=\"[{peer}]\"")
    } else {
        format!("for={peer}")
    };
    let element = match host
        .as_ref()
        .and_then(|host| host.to_str().ok())
        .filter(|host| !host.contains(['"', '\\']))
    {
        Some(host) => format!("{node};host=\"{host}\";proto=http"),
        None => format!("{node};proto=http"),
    };
    continue_list(headers, FORWARDED, &element);
    headers
        .entry(X_FORWARDED_PROTO)
        .or_insert(HeaderValue::from_static("http"));
    if let Some(host) = host {
        headers.entry(X_FORWARDED_HOST).or_insert(host);
    }
    headers.entry(X_REQUEST_ID).or_insert_with(|| id_value(id));
    continue_list(headers, VIA, "1.1 portcullis");
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

    fn described(peer: &str, peer_is_proxy: bool, lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = headers(lines);
        let client = ClientIdentity::from_peer(peer.parse().expect("an address"));
        describe(
            &mut headers,
            &client,
            peer_is_proxy,
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
        let seen = described("198.51.100.1", false, &sent);
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
    fn a_trusted_proxy_is_continued() {
        let sent = [
            ("x-forwarded-for", "9.9.9.9"),
            ("x-forwarded-for", "8.8.8.8"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "theirs"),
            ("via", "1.1 front"),
        ];
        let seen = described("2001:db8::1", true, &sent);
        let one = |name: &str| seen.get(name).and_then(|v| v.to_str().ok());
        assert_eq!(
            one("x-forwarded-for"),
            Some("9.9.9.9, 8.8.8.8, 2001:db8::1")
        );
        assert_eq!(one("x-forwarded-proto"), Some("https"));
        assert_eq!(one("forwarded"), Some("for=\"[2001:db8::1]\";proto=http"));
        assert_eq!(one("x-request-id"), Some("theirs"));
        assert_eq!(one("via"), Some("1.1 front, 1.1 portcullis"));
    }
}
