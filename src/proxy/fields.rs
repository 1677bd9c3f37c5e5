//! Header fields by whom they are for: one connection, everybody on the way, or us; and what only looks like them.
//!
//! Names are compared *folded*, as applications behind a gateway interface see them: `X_Forwarded_For`,
//! `X.Forwarded.For` and `X-Forwarded-For` all become `HTTP_X_FORWARDED_FOR` there (RFC 3875, 4.1.18). So a name that is
//! no hop-by-hop field itself, but folds to one, is treated as one.
//!
//! `Connection` may name fields that belong to one connection, and those go. It may not name what is for the recipient
//! or what we write (RFC 9110, 7.6.1, forbids the first): such a naming is ignored, for else a client could take away
//! what tells the upstream who it is, or what a request means. Everything that `Connection` does take away is gone before
//! the chain judges, which so sees what the upstream will.

use std::borrow::Cow;

use http::header::{CONNECTION, HeaderMap, HeaderName};

use super::clients_config::STRIPPED;

/// A name as gateway interfaces see it: whatever is neither letter nor digit is `-`. Borrowed where it is so already.
pub(super) fn folded(name: &HeaderName) -> Cow<'_, str> {
    // Names are held in small letters.
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let name = name.as_str();
    if name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let fold = |byte: u8| if is_plain(byte) { byte } else { b'-' };
    Cow::Owned(name.bytes().map(fold).map(char::from).collect())
}

/// Whether a field belongs to one connection (RFC 9110, 7.6.1), only ever meant one (`Proxy-Connection`), or turns into
/// an environment variable behind us (`Proxy`, CVE-2016-5385).
pub(super) fn is_hop_by_hop(folded: &str) -> bool {
    // Most names end here: it is asked of every header of every message.
    if !folded.starts_with(['c', 'h', 'k', 'p', 't', 'u']) {
        return false;
    }
    folded.starts_with("proxy-")
        || matches!(
            folded,
            "connection"
                | "keep-alive"
                | "proxy"
                | "http2-settings"
                | "te"
                | "transfer-encoding"
                | "upgrade"
        )
}

/// Whether a field tells of the way of a request, which is ours to write.
pub(super) fn is_forwarding(folded: &str) -> bool {
    folded.starts_with("x-forwarded-") || matches!(folded, "forwarded" | "via" | "x-request-id")
}

/// Whether a field is for the recipient by definition, so that a message without it would mean something else.
pub(super) fn is_end_to_end(folded: &str) -> bool {
    const BEGINNINGS: [&str; 6] = [
        "accept",
        "access-control-",
        "content-",
        "cross-origin-",
        "if-",
        "sec-",
    ];
    const NAMES: [&str; 31] = [
        "age",
        "allow",
        "authentication-info",
        "authorization",
        "cache-control",
        "cookie",
        "date",
        "etag",
        "expect",
        "expires",
        "host",
        "last-modified",
        "link",
        "location",
        "max-forwards",
        "origin",
        "pragma",
        "range",
        "referer",
        "referrer-policy",
        "refresh",
        "retry-after",
        "server",
        "set-cookie",
        "strict-transport-security",
        "trailer",
        "user-agent",
        "vary",
        "www-authenticate",
        "x-content-type-options",
        "x-frame-options",
    ];
    NAMES.contains(&folded) || BEGINNINGS.iter().any(|begin| folded.starts_with(begin))
}

/// Removes what `Connection` names where it may. `is_ours` says of a folded name whether it is one that we write or rely
/// on beside those that everybody does. What belongs to one connection by definition is left for [`strip_hop_by_hop`].
pub(super) fn strip_named(headers: &mut HeaderMap, is_ours: impl Fn(&str) -> bool) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let is_lasting = |folded: &str| {
        is_end_to_end(folded) || is_forwarding(folded) || is_hop_by_hop(folded) || is_ours(folded)
    };
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !is_lasting(&folded(name)))
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Removes what belongs to one connection by definition. What `Connection` names has to be gone.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let gone: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_hop_by_hop(&folded(name)))
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
}

/// Removes from trailers what would have been removed, replaced or relied upon in the head (RFC 9110, 6.5.1): whoever
/// merges them with the head would take it for that. `is_ours` says of a folded name whether the head would lose it beside
/// what every head does.
pub(super) fn strip_trailers(trailers: &mut HeaderMap, is_ours: impl Fn(&str) -> bool) {
    // Sums over the body, which cannot be known before it.
    const USUAL: [&str; 3] = ["etag", "content-md5", "content-digest"];
    strip_named(trailers, &is_ours);
    strip_hop_by_hop(trailers);
    let is_unsafe = |name: &HeaderName| {
        let folded = folded(name);
        let is_known =
            || is_end_to_end(&folded) || is_forwarding(&folded) || STRIPPED.contains(&&*folded);
        let hides_another = || folded != name.as_str() && trailers.contains_key(&*folded);
        is_ours(&folded) || (!USUAL.contains(&&*folded) && is_known()) || hides_another()
    };
    let gone: Vec<HeaderName> = trailers
        .keys()
        .filter(|name| is_unsafe(name))
        .cloned()
        .collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// The same of a request's trailers, which come when the chain has judged what stands before them, and maybe when that has
/// gone on: only those go on whose values could be no attack on anybody, as sums, signatures and counts are. A recipient
/// may discard any of them (RFC 9110, 6.5.1).
pub(super) fn strip_unjudged_trailers(trailers: &mut HeaderMap, is_ours: impl Fn(&str) -> bool) {
    strip_trailers(trailers, is_ours);
    let gone: Vec<HeaderName> = trailers
        .iter()
        .filter(|(_, value)| !is_sum_or_word(value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in gone {
        trailers.remove(name);
    }
}

/// Whether a value is a word, a number, or a sum as RFC 9530 and its like write it: `crc32c=AAAAAA==`,
/// `sha-256=:…:`, `"etag"`. Nothing in it ends a text, calls, chains, climbs a path or names a host.
fn is_sum_or_word(value: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+/=:.,\"".contains(byte);
    let is_within_quotes = !value.contains(&b'"')
        || matches!(value, [b'"', inner @ .., b'"'] if !inner.contains(&b'"'));
    value.iter().all(is_plain)
        && is_within_quotes
        && !value.starts_with(b"/")
        && !value
            .windows(2)
            .any(|two| matches!(two, b".." | b"//" | b"./" | b":/"))
}

#[cfg(test)]
mod tests {
    use super::*;

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

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_a_connection_stays_on_it() {
        let mut headers = headers(&[
            ("connection", "close, X-Foo"),
            (
                "connection",
                "x-bar , host, content-length,,\"x-kept\", x kept",
            ),
            ("x-foo", "1"),
            ("x-bar", "2"),
            ("x-kept", "3"),
            ("host", "example.org"),
            ("content-length", "0"),
            ("keep-alive", "timeout=5"),
            ("keep_alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
            ("http2_settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
            ("proxy-connection", "keep-alive"),
            ("proxy_connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("proxy-anything", "x"),
            ("proxy", "http://attacker"),
            ("transfer-encoding", "chunked"),
            ("transfer_encoding", "chunked"),
            ("transfer.encoding", "chunked"),
        ]);
        strip_named(&mut headers, |_| false);
        strip_hop_by_hop(&mut headers);
        assert_eq!(names(&headers), ["content-length", "host", "x-kept"]);
    }

    #[test]
    fn connection_cannot_name_what_is_for_the_recipient_or_ours() {
        const KEPT: [&str; 19] = [
            "accept-encoding",
            "authorization",
            "cache-control",
            "cf-connecting-ip",
            "content-encoding",
            "content-length",
            "content-type",
            "cookie",
            "expect",
            "forwarded",
            "host",
            "if-match",
            "origin",
            "range",
            "sec-fetch-site",
            "user-agent",
            "via",
            "x-forwarded-for",
            "x-request-id",
        ];
        let all = KEPT.map(|name| (name, "1"));
        let mut headers = headers(&all);
        let list = KEPT.join(", ").to_ascii_uppercase();
        headers.insert(CONNECTION, list.parse().expect("a value"));
        strip_named(&mut headers, |name| name == "cf-connecting-ip");
        strip_hop_by_hop(&mut headers);
        assert_eq!(names(&headers), KEPT);
    }

    #[test]
    fn trailers_cannot_say_what_the_head_may_not() {
        let mut trailers = headers(&[
            ("x-sum", "5"),
            ("etag", "\"5\""),
            ("grpc-status", "0"),
            ("server-timing", "a"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x_forwarded_for", "1.1.1.1"),
            ("x-forwarded-prefix", "/"),
            ("x-real-ip", "1.1.1.1"),
            ("true_client_ip", "1.1.1.1"),
            ("x-request-id", "1"),
            ("authorization", "x"),
            ("cookie", "x"),
            ("set-cookie", "x"),
            ("set_cookie", "x"),
            ("content-length", "5"),
            ("content-encoding", "gzip"),
            ("content-type", "x"),
            ("content_type", "x"),
            ("host", "x"),
            ("te", "x"),
            ("trailer", "x"),
            ("transfer-encoding", "chunked"),
            ("cache-control", "x"),
            ("location", "/"),
            ("if-match", "x"),
            ("max-forwards", "0"),
            ("proxy-authorization", "x"),
            ("connection", "x-named"),
            ("x-named", "1"),
            ("x_sum", "6"),
            ("x-ours", "1"),
            ("x.ours", "1"),
        ]);
        strip_trailers(&mut trailers, |name| name == "x-ours");
        assert_eq!(
            names(&trailers),
            ["etag", "grpc-status", "server-timing", "x-sum"]
        );
    }

    #[test]
    fn trailers_go_on_unjudged_only_if_they_could_be_no_attack() {
        for value in [
            "5",
            "yes",
            "\"33a64df5\"",
            "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
            "crc32c=AAAAAA==,sha1=/w+8",
            "0.25",
        ] {
            let mut trailers = headers(&[("x-sum", value)]);
            strip_unjudged_trailers(&mut trailers, |_| false);
            assert_eq!(names(&trailers), ["x-sum"], "{value}");
        }
        for value in [
            "' or 1=1--",
            "1 or 1=1",
            "/etc/passwd",
            "a/../b",
            "..\\x",
            "http://h",
            "//h/x",
            "<b>",
            "a;id",
            "$(id)",
            "${jndi:x}",
            "%27",
            "a\"or\"b",
            "\"\"\"",
            "x|y",
            "`id`",
            "a\u{e9}",
        ] {
            let mut trailers = headers(&[("x-a", "1")]);
            let value = http::HeaderValue::from_bytes(value.as_bytes()).expect("a value");
            trailers.append("x-sum", http::HeaderValue::from_static("5"));
            trailers.append("x-sum", value.clone());
            strip_unjudged_trailers(&mut trailers, |name| name == "x-ours");
            assert_eq!(names(&trailers), ["x-a"], "{value:?}");
        }
    }

    #[test]
    fn names_fold_as_gateway_interfaces_fold_them() {
        for name in ["X_Forwarded-For", "x.forwarded.for", "x~forwarded!for"] {
            let name = HeaderName::try_from(name).expect("a name");
            assert_eq!(folded(&name), "x-forwarded-for");
        }
        let plain = HeaderName::from_static("x-forwarded-for");
        assert!(matches!(folded(&plain), Cow::Borrowed(_)));
    }
}
