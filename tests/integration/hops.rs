//! What belongs to one connection stays on it, in both directions, and nobody can make it take along what does not.

use crate::support::{Answer, Proxy, Upstream, json};

const NO_CHAIN: &str = "detections: []\n";

/// Names of all headers that the upstream saw.
fn names(upstream: &Upstream) -> Vec<String> {
    let mut names: Vec<_> = upstream
        .last()
        .headers
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort();
    names
}

#[test]
fn what_belongs_to_a_connection_is_not_forwarded() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    proxy.get("/");
    let plain = names(&upstream);
    let hop_by_hop = [
        ("Connection", "keep-alive, X-Hop, X-Other-Hop"),
        ("Connection", "x-third-hop,,close-not"),
        ("X-Hop", "1"),
        ("x-other-hop", "1"),
        ("X-Third-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("TE", "trailers, deflate"),
        ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Proxy-Authenticate", "Basic"),
        ("Proxy-Features", "x"),
        ("Proxy-Client-IP", "9.9.9.9"),
        ("Proxy", "http://evil.example"),
        ("Keep_Alive", "timeout=5"),
        ("Proxy_Connection", "keep-alive"),
        ("HTTP2_Settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
    ];
    assert_eq!(proxy.get_with("/", &hop_by_hop).status, 200);
    assert_eq!(names(&upstream), plain);
    // What only looks like the framing of a body is no request at all.
    let folded = [("Transfer_Encoding", "chunked")];
    assert_eq!(proxy.get_with("/", &folded).status, 400);
}

#[test]
fn a_client_cannot_name_what_we_add_or_what_a_request_means() {
    let upstream = Upstream::plain();
    let yaml =
        "clients: { trusted_proxies: [127.0.0.1], identity: { header: CF-Connecting-IP } }\n";
    let proxy = Proxy::start(&upstream, &format!("{yaml}{NO_CHAIN}"));
    let sent = [
        ("CF-Connecting-IP", "192.0.2.1"),
        ("Authorization", "Bearer x"),
        ("Cookie", "a=b"),
        ("Content-Type", "text/plain"),
        ("Content-Language", "en"),
        ("Origin", "https://example.org"),
        ("If-Match", "\"x\""),
        ("Cache-Control", "no-store"),
        ("X-Request-Id", "front-1"),
        ("Via", "1.1 front"),
    ];
    proxy.request("POST", "/", &sent, b"body");
    let (plain, before) = (names(&upstream), upstream.last());
    let connection = "X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Forwarded, X-Request-Id, Via, \
        CF-Connecting-IP, Authorization, Cookie, Content-Type, Content-Length, Content-Language, Host, Origin, \
        If-Match, Cache-Control, User-Agent";
    let mut named = sent.to_vec();
    named.push(("Connection", connection));
    assert_eq!(proxy.request("POST", "/", &named, b"body").status, 200);
    assert_eq!(names(&upstream), plain);
    let after = upstream.last();
    assert_eq!(after.body, b"body");
    for name in [
        "x-forwarded-for",
        "forwarded",
        "cf-connecting-ip",
        "x-request-id",
        "via",
        "host",
    ] {
        assert_eq!(after.one(name), before.one(name), "{name}");
    }
    assert_eq!(after.one("x-forwarded-for"), Some("192.0.2.1, 127.0.0.1"));
}

#[test]
fn what_connection_takes_away_is_not_judged_as_if_it_stayed() {
    let upstream = Upstream::plain();
    // A limit by a header that its sender takes away again is one by client.
    let yaml = "detections:\n  - rate_limit: { limits: [{ name: key, key: header X-Api-Key, limit: 1, per: 1h }] }\n";
    let proxy = Proxy::start(&upstream, yaml);
    let statuses = ["a", "b", "c"].map(|key| {
        let headers = [("Connection", "X-Api-Key"), ("X-Api-Key", key)];
        proxy.get_with("/", &headers).status
    });
    assert_eq!(statuses, [200, 403, 403]);
    assert_eq!(upstream.last().one("x-api-key"), None);
}

/// A request with trailers, and its status.
fn with_trailers(proxy: &Proxy, trailers: &[&str]) -> u16 {
    let names: Vec<_> = trailers
        .iter()
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let response = proxy.raw(format!(
        "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nTrailer: {}\r\n\r\n\
         2\r\nab\r\n0\r\n{}\r\n\r\n",
        names.join(", "),
        trailers.join("\r\n"),
    ));
    response.status
}

#[test]
fn unsafe_trailers_of_a_request_stay_here() {
    const STRIPPED: [&str; 14] = [
        "X-Forwarded-For: 9.9.9.9",
        "X_Forwarded_For: 9.9.9.9",
        "X-Forwarded-Prefix: /evil",
        "Forwarded: for=9.9.9.9",
        "X-Real-IP: 9.9.9.9",
        "True_Client_IP: 9.9.9.9",
        "X-Request-Id: evil",
        "Via: 1.1 evil",
        "Set-Cookie: a=b",
        "Proxy-Authorization: x",
        "Proxy-Anything: x",
        "Cache-Control: no-cache",
        "If-Match: x",
        "Origin: https://evil.example",
    ];
    const REFUSED: [&str; 8] = [
        "Authorization: x",
        "Cookie: a=b",
        "Content-Length: 50",
        "Transfer-Encoding: chunked",
        "Host: evil.example",
        "Content-Type: x",
        "Expect: 100-continue",
        "Connection: close",
    ];
    // One chain judges the body first, the other lets it stream.
    for chain in [
        NO_CHAIN,
        "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: w, words: [zzz] }] }\n",
    ] {
        let upstream = Upstream::plain();
        let proxy = Proxy::start(&upstream, chain);
        let sum = ("x-sum".to_owned(), "5".to_owned());
        for stripped in STRIPPED {
            assert_eq!(
                with_trailers(&proxy, &["X-Sum: 5", stripped]),
                200,
                "{stripped}"
            );
            assert_eq!(
                upstream.last().trailers,
                std::slice::from_ref(&sum),
                "{stripped}"
            );
        }
        let all: Vec<_> = ["X-Sum: 5"].into_iter().chain(STRIPPED).collect();
        assert_eq!(with_trailers(&proxy, &all), 200);
        assert_eq!(upstream.last().trailers, [sum]);
        let complete = || {
            let seen = upstream.seen().into_iter();
            seen.filter(|request| request.complete).count()
        };
        let before = complete();
        for refused in REFUSED {
            assert_eq!(
                with_trailers(&proxy, &["X-Sum: 5", refused]),
                400,
                "{refused}"
            );
        }
        assert_eq!(complete(), before);
    }
}

#[test]
fn trailers_lose_what_the_configuration_takes_from_the_head() {
    const CLIENTS: &str = "clients:\n  trusted_proxies: [127.0.0.1]\n  identity: { header: X-My-Edge-IP }\n  \
        forward_identity_as: { header: X-The-Client }\n  strip: [X-Secret-User]\n  \
        hosts: [{ host: other.example, identity: { header: X-Other-Edge } }]\n";
    const STRIPPED: [&str; 8] = [
        "X-My-Edge-IP: 9.9.9.9",
        "X_My_Edge_IP: 9.9.9.9",
        "X-The-Client: 9.9.9.9",
        "x.the.client: 9.9.9.9",
        "X-Secret-User: root",
        "X-Secret_User: root",
        "X-Other-Edge: 9.9.9.9",
        // Not in the list that is configured, and yet what many believe.
        "X-Real-IP: 9.9.9.9",
    ];
    // One chain judges the body first, the other lets it stream.
    for chain in [
        NO_CHAIN,
        "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: w, words: [zzz] }] }\n",
    ] {
        let upstream = Upstream::plain();
        let proxy = Proxy::start(&upstream, &format!("{CLIENTS}{chain}"));
        let kept = [("x-sum", "5"), ("x-secret", "1")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        for stripped in STRIPPED {
            let sent = ["X-Sum: 5", stripped, "X-Secret: 1"];
            assert_eq!(with_trailers(&proxy, &sent), 200, "{stripped}");
            assert_eq!(upstream.last().trailers, kept, "{stripped}");
        }
    }
}

#[test]
fn what_belongs_to_the_upstream_connection_is_not_answered() {
    let upstream = Upstream::start(|request| {
        match &*request.target {
        "/plain" => json("200 OK", "1"),
        _ => Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\
              Connection: keep-alive, X-Hop, Set-Cookie, Content-Type, Content-Length\r\nX-Hop: 1\r\n\
              Keep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: keep-alive\r\n\
              Proxy-Anything: x\r\nTE: x\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n1"
                .to_vec(),
        ),
    }
    });
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let names = |target: &str| {
        let answer = proxy.get(target);
        assert_eq!((answer.status, answer.text().as_str()), (200, "1"));
        let names = answer.headers.into_iter().map(|(name, _)| name);
        let mut names: Vec<_> = names.filter(|name| name != "date").collect();
        names.sort();
        names
    };
    assert_eq!(names("/hops"), names("/plain"));
}

#[test]
fn unsafe_trailers_of_an_answer_stay_here() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Set-Cookie, Location, Content-Length\r\n\r\n\
              2\r\nab\r\n0\r\nX-Sum: 5\r\nSet-Cookie: a=b\r\nLocation: /evil\r\nContent-Length: 9\r\nset_cookie: a\r\n\r\n"
                .to_vec(),
        )
    });
    let proxy = Proxy::start(&upstream, NO_CHAIN);
    let mut client = proxy.connect();
    client.request("GET", "/", &[("TE", "trailers"), ("Connection", "TE")], b"");
    let answer = client.response();
    // One that this proxy refuses to pass on is as safe.
    if answer.status == 200 {
        assert_eq!(answer.text(), "ab");
        let unsafe_ones: Vec<_> = answer
            .trailers
            .iter()
            .filter(|(name, _)| name != "x-sum")
            .collect();
        assert!(unsafe_ones.is_empty(), "{unsafe_ones:?}");
    } else {
        assert_eq!(answer.status, 502);
    }
}
