use http::Uri;

use super::*;
use crate::event::id::IdSource;
use crate::proxy::clients_config::ClientsConfig;

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

/// What the upstream is told of a request from `peer`. The networks 10.0.0.0/8 and 2001:db8::/32 are proxies.
fn described(yaml: &str, peer: &str, lines: &[(&str, &str)]) -> HeaderMap {
    let yaml = format!("{{ trusted_proxies: [10.0.0.0/8, '2001:db8::/32'], {yaml} }}");
    let config: ClientsConfig = serde_yaml::from_str(&yaml).expect("a section");
    let trust = Trust::new(&config);
    let sent = headers(lines);
    let peer = peer.parse().expect("an address");
    let way = trust.way(peer, &Uri::from_static("/"), &sent);
    let id = IdSource::new().expect("randomness").next(0);
    describe(&sent, &trust, &way, ("http", id))
}

fn all<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    let lines = headers.get_all(name).iter();
    lines.map(|value| value.to_str().expect("ASCII")).collect()
}

#[test]
fn a_stranger_cannot_say_who_he_is() {
    let sent = [
        ("host", "example.org"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "for=9.9.9.9"),
        ("x-request-id", "mine"),
        ("x-real-ip", "9.9.9.9"),
    ];
    let seen = described("", "198.51.100.1", &sent);
    assert_eq!(all(&seen, "x-forwarded-for"), ["198.51.100.1"]);
    assert_eq!(all(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(all(&seen, "x-forwarded-host"), ["example.org"]);
    assert_eq!(all(&seen, "x-forwarded-prefix"), [""; 0]);
    assert_eq!(all(&seen, "x-real-ip"), [""; 0]);
    assert_eq!(
        all(&seen, "forwarded"),
        ["for=198.51.100.1;host=\"example.org\";proto=http"]
    );
    assert_eq!(all(&seen, "via"), ["1.1 portcullis"]);
    let ids = all(&seen, "x-request-id");
    assert_eq!(ids.first().map(|id| id.len()), Some(36));
}

#[test]
fn the_believed_header_is_continued_from_the_client_on_and_the_others_follow_it() {
    let sent = [
        ("host", "inner"),
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-for", "8.8.8.8:4711, 10.0.0.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-port", "443"),
        (
            "forwarded",
            "for=7.7.7.7;proto=gopher, for=6.6.6.6;proto=https",
        ),
        ("x-client", "5.5.5.5"),
        ("x-request-id", "theirs"),
        ("via", "1.1 front"),
    ];
    let all_ways = [
        "identity: x_forwarded_for",
        "identity: forwarded",
        "identity: { header: X-Client }",
        "identity: peer",
    ]
    .map(|yaml| described(yaml, "2001:db8::1", &sent));
    let each = |name: &str| {
        let first = |seen| all(seen, name).first().map_or("none", |value| *value);
        all_ways.each_ref().map(first)
    };
    assert_eq!(
        each("x-forwarded-for"),
        [
            "8.8.8.8, 10.0.0.2, 2001:db8::1",
            "6.6.6.6, 2001:db8::1",
            "5.5.5.5, 2001:db8::1",
            "2001:db8::1",
        ]
    );
    assert_eq!(
        each("x-forwarded-proto"),
        ["https", "http", "https", "http"]
    );
    assert_eq!(each("x-forwarded-port"), ["443", "none", "none", "none"]);
    assert_eq!(
        each("forwarded"),
        [
            "for=8.8.8.8;host=\"inner\";proto=https, for=10.0.0.2, for=\"[2001:db8::1]\"",
            "for=6.6.6.6;proto=https, for=\"[2001:db8::1]\";host=\"inner\";proto=http",
            "for=5.5.5.5;host=\"inner\";proto=https, for=\"[2001:db8::1]\"",
            "for=\"[2001:db8::1]\";host=\"inner\";proto=http",
        ]
    );
    assert_eq!(each("x-client"), ["5.5.5.5"; 4].map(|client| client));
    assert_eq!(each("x-request-id"), ["theirs"; 4]);
    assert_eq!(each("via"), ["1.1 front, 1.1 portcullis"; 4]);
}

#[test]
fn the_upstream_is_told_in_the_form_that_is_asked_for() {
    let sent = [
        ("host", "h"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-real-ip", "9.9.9.9"),
        ("forwarded", "for=9.9.9.9"),
    ];
    let told = |form: &str| {
        let yaml = format!("forward_identity_as: {form}");
        let seen = described(&yaml, "10.0.0.1", &sent);
        let names = ["x-forwarded-for", "forwarded", "x-real-ip"];
        names.map(|name| {
            let lines = all(&seen, name);
            assert!(lines.len() < 2, "{lines:?}");
            lines.first().map(|line| (*line).to_owned())
        })
    };
    let list = || Some("192.0.2.1, 10.0.0.1".to_owned());
    let forwarded = || Some("for=192.0.2.1;host=\"h\";proto=http, for=10.0.0.1".to_owned());
    assert_eq!(told("both"), [list(), forwarded(), None]);
    assert_eq!(told("x_forwarded_for"), [list(), None, None]);
    assert_eq!(told("forwarded"), [None, forwarded(), None]);
    let client = Some("192.0.2.1".to_owned());
    assert_eq!(told("{ header: X-Real-IP }"), [None, None, client]);
    assert_eq!(told("none"), [None, None, None]);
}

#[test]
fn an_unreadable_header_is_not_passed_on() {
    for (identity, sent) in [
        ("x_forwarded_for", ("x-forwarded-for", "9.9.9.9, unknown")),
        ("forwarded", ("forwarded", "for=9.9.9.9, for=unknown")),
        ("{ header: x-client }", ("x-client", "9.9.9.9, 8.8.8.8")),
    ] {
        let seen = described(&format!("identity: {identity}"), "10.0.0.1", &[sent]);
        assert_eq!(all(&seen, "x-forwarded-for"), ["10.0.0.1"]);
        assert_eq!(all(&seen, "forwarded"), ["for=10.0.0.1;proto=http"]);
        assert_eq!(all(&seen, "x-client"), [""; 0]);
    }
}

#[test]
fn an_element_with_an_open_quote_is_written_anew() {
    for element in ["for=192.0.2.1;host=\"a", "for=192.0.2.1;host=a\\"] {
        let seen = described("identity: forwarded", "10.0.0.1", &[("forwarded", element)]);
        let expected = "for=192.0.2.1, for=10.0.0.1;proto=http";
        assert_eq!(all(&seen, "forwarded"), [expected], "{element}");
    }
}

#[test]
fn of_what_comes_twice_nothing_is_believed() {
    let sent = [
        ("host", "h"),
        ("x-forwarded-for", "192.0.2.1"),
        ("x-forwarded-proto", "gopher"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "evil"),
        ("x-forwarded-host", "h"),
        ("x-request-id", "mine"),
        ("x-request-id", "theirs"),
    ];
    let seen = described("", "10.0.0.1", &sent);
    assert_eq!(all(&seen, "x-forwarded-proto"), ["http"]);
    assert_eq!(all(&seen, "x-forwarded-host"), ["h"]);
    let [id] = all(&seen, "x-request-id")[..] else {
        panic!("one id")
    };
    assert_eq!(id.len(), 36);
}

#[test]
fn names_that_fold_to_what_matters_do_not_go_on() {
    let sent = [
        ("host", "h"),
        ("x-api-key", "1"),
        ("x_api_key", "2"),
        ("x.api.key", "2"),
        ("x_forwarded_for", "9.9.9.9"),
        ("x.forwarded.for", "9.9.9.9"),
        ("x_forwarded_proto", "https"),
        ("x_real_ip", "9.9.9.9"),
        ("true-client_ip", "9.9.9.9"),
        ("x_request_id", "mine"),
        ("content_length", "5"),
        ("content_type", "x"),
        ("user_agent", "x"),
        ("if_match", "x"),
        // Nothing like these is there, or matters.
        ("my_key", "3"),
        ("my.other", "4"),
        ("x_", "5"),
    ];
    for peer in ["198.51.100.1", "10.0.0.1"] {
        let seen = described("", peer, &sent);
        let odd = |name: &&HeaderName| name.as_str().contains(['_', '.']);
        let mut left: Vec<_> = seen.keys().filter(odd).map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["my.other", "my_key", "x_"], "{peer}");
        assert_eq!(all(&seen, "x-api-key"), ["1"]);
    }
}
