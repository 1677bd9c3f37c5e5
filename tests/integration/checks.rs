//! The acceptance checks A1 to A16 over real sockets, each in both directions: what must be refused is, what must pass
//! passes. Named after the table that they come from.

use std::time::{Duration, Instant};

use crate::support::{Answer, Client, Proxy, Response, Upstream, json, wait_until};

const MESSAGE: &str = "{\"message\": \"API endpoint reached successfully\"}";

fn assert_denied(response: &Response) {
    assert_eq!(response.status, 403, "{}", response.text());
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.json()["error"], "Access Denied");
    assert_eq!(
        response.header("x-request-id"),
        Some(response.id().as_str())
    );
}

#[test]
fn a_refusal_comes_in_the_form_that_the_client_prefers() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "");
    for (accept, content_type, around_id) in [
        (
            "*/*",
            "application/json",
            ("{\"error\":\"Access Denied\",\"id\":\"", "\"}"),
        ),
        (
            "application/problem+json",
            "application/problem+json",
            ("\"status\":403,\"instance\":\"urn:uuid:", "\"}"),
        ),
        (
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "text/html; charset=utf-8",
            ("<h1>Access Denied</h1>", "</code></p></html>\n"),
        ),
    ] {
        let headers = [("Accept", accept), ("User-Agent", "sqlmap/1.8")];
        let refused = proxy.get_with("/api/endpoint", &headers);
        assert_eq!(refused.status, 403, "{accept}");
        assert_eq!(refused.header("content-type"), Some(content_type));
        let id = refused.header("x-request-id").expect("an id");
        let (before, after) = around_id;
        let text = refused.text();
        assert!(
            text.contains(before) && text.ends_with(&format!("{id}{after}")),
            "{text}"
        );
        assert_eq!(proxy.event(id).detection.as_deref(), Some("user_agent"));
    }
}

#[test]
fn a1_the_upstreams_answer_comes_back_as_it_is() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "");
    let response = proxy.get("/api/endpoint");
    assert_eq!((response.status, response.text().as_str()), (200, MESSAGE));
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(upstream.last().target, "/api/endpoint");
}

#[test]
fn a2_the_upstreams_status_comes_back_as_it_is() {
    let upstream = Upstream::start(|request| match request.target.as_str() {
        "/missing" => json("404 Not Found", "{}"),
        "/teapot" => json("418 I'm a teapot", "{}"),
        "/odd" => json("599 Odd", "{}"),
        _ => json("500 Internal Server Error", "{\"broken\":true}"),
    });
    let proxy = Proxy::start(&upstream, "");
    for (target, status) in [
        ("/missing", 404),
        ("/failing", 500),
        ("/teapot", 418),
        ("/odd", 599),
    ] {
        assert_eq!(proxy.get(target).status, status);
    }
    assert_eq!(proxy.get("/failing").text(), "{\"broken\":true}");
    assert_eq!(proxy.get("/odd").reason, "Odd");
}

#[test]
fn a3_method_query_body_and_headers_arrive_as_sent() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nX-Many: 1\r\nX-Many: 2\r\nConnection: X-Hop\r\nX-Hop: no\r\nContent-Length: 4\r\n\r\nbody".to_vec(),
        )
    });
    let proxy = Proxy::start(&upstream, "");
    let body = br#"{"name": "O'Brien", "n": [1, 2.50]}"#;
    let target = "/a%20b/c;d?x=1&x=2&y=%20z&empty=&+";
    for method in ["POST", "PUT", "PATCH", "DELETE", "GET", "PROPFIND"] {
        let headers = [
            ("Content-Type", "application/json"),
            ("X-Custom", "one"),
            ("X-Custom", "two"),
            ("Connection", "close, X-Foo"),
            ("X-Foo", "hop"),
        ];
        let response = proxy.request(method, target, &headers, body);
        let seen = upstream.last();
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            (method, target)
        );
        assert_eq!(seen.body, body);
        assert_eq!(seen.all("x-custom"), ["one", "two"]);
        assert_eq!(seen.all("x-foo"), [""; 0]);
        assert_eq!(seen.all("connection"), [""; 0]);
        assert_eq!(seen.one("host"), Some("example.org"));
        assert_eq!(
            (response.status, response.body.as_slice()),
            (200, &b"body"[..])
        );
        let many: Vec<_> = response
            .headers
            .iter()
            .filter(|(n, _)| n == "x-many")
            .map(|(_, v)| v.as_str())
            .collect();
        assert_eq!(many, ["1", "2"]);
        assert_eq!(response.header("x-hop"), None);
    }
    for method in ["HEAD", "OPTIONS"] {
        let response = proxy.request(method, target, &[], b"");
        assert_eq!(
            (upstream.last().method.as_str(), response.status),
            (method, 200)
        );
        assert_eq!(response.header("content-length"), Some("4"));
    }
}

#[test]
fn a3_streamed_bodies_and_trailers_arrive_as_sent() {
    let upstream = Upstream::start(|_| {
        Answer::Bytes(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n"
                .to_vec(),
        )
    });
    // Once streamed past everybody, once buffered to be judged.
    for yaml in ["detections: []\n", ""] {
        let proxy = Proxy::start(&upstream, yaml);
        let response = proxy.raw(
            "POST /up HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTrailer: X-Check, X-Note\r\nTransfer-Encoding: chunked\r\n\
             Content-Type: text/plain\r\n\r\n4\r\nwiki\r\n5\r\npedia\r\n0\r\nX-Check: yes\r\n\
             X-Note: ' or 1=1--\r\n\r\n",
        );
        assert_eq!(response.body, b"abcde");
        assert_eq!(response.trailers, [("x-sum".to_owned(), "5".to_owned())]);
        let seen = upstream.last();
        assert_eq!(seen.body, b"wikipedia");
        // What the chain would have to judge does not go on behind what it has judged.
        assert_eq!(
            seen.trailers,
            [("x-check".to_owned(), "yes".to_owned())],
            "{yaml}"
        );
    }
}

#[test]
fn a4_only_allowed_addresses_are_let_in() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        "detections:\n  - ip_allowlist: { allow: [192.168.0.1] }\n",
    );
    assert_denied(&proxy.get("/api/endpoint"));
    assert_denied(&proxy.post("/api/endpoint", "application/json", "[1]"));
    assert_eq!(upstream.count(), 0);
}

#[test]
fn a5_allowed_blocks_are_let_in_over_both_families() {
    let upstream = Upstream::plain();
    let yaml = "listen: [{ address: '127.0.0.1:0' }, { address: '[::1]:0' }]\n\
                detections:\n  - ip_allowlist: { allow: [127.0.0.0/8, '::1/128'] }\n";
    let proxy = Proxy::start(&upstream, yaml);
    let addresses = proxy.running().addresses().to_vec();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        let mut client = Client::connect(address);
        client.request("GET", "/", &[], b"");
        assert_eq!(client.response().status, 200, "{address}");
    }
    let proxy = Proxy::start(
        &upstream,
        "detections:\n  - ip_allowlist: { deny: [127.0.0.0/8] }\n",
    );
    assert_denied(&proxy.get("/"));
}

#[test]
fn a6_the_client_is_who_a_trusted_proxy_says() {
    let upstream = Upstream::plain();
    let chain = "detections:\n  - ip_allowlist: { allow: [9.9.9.9] }\n";
    let stranger = Proxy::start(&upstream, chain);
    assert_denied(&stranger.get_with("/", &[("X-Forwarded-For", "9.9.9.9")]));
    let trusted = Proxy::start(
        &upstream,
        &format!("clients: {{ trusted_proxies: [127.0.0.1] }}\n{chain}"),
    );
    assert_eq!(
        trusted
            .get_with("/", &[("X-Forwarded-For", "9.9.9.9")])
            .status,
        200
    );
    assert_denied(&trusted.get_with("/", &[("X-Forwarded-For", "9.9.9.9, 8.8.8.8")]));
    let event = trusted.events().pop().unwrap();
    assert_eq!(event.client.as_ref().unwrap().ip.to_string(), "8.8.8.8");
}

#[test]
fn a7_attack_tools_are_refused_by_name() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "");
    for agent in [
        "Arachni/v1.2.1",
        "sqlmap/1.7",
        "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)",
    ] {
        assert_denied(&proxy.get_with("/api/endpoint", &[("User-Agent", agent)]));
    }
    for agent in [
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36",
        "curl/8.5.0",
        "python-requests/2.32.3",
    ] {
        assert_eq!(
            proxy
                .get_with("/api/endpoint", &[("User-Agent", agent)])
                .status,
            200,
            "{agent}"
        );
    }
}

#[test]
fn a8_a_missing_header_disables_nothing() {
    let upstream = Upstream::plain();
    let chain = |missing: &str| {
        format!(
            "detections:\n  - user_agent: {{ missing: {missing} }}\n  - malicious_payload: {{ patterns: [{{ id: word, words: [malicious] }}] }}\n"
        )
    };
    let none = [("User-Agent", "\0absent")];
    let proxy = Proxy::start(&upstream, &chain("allow"));
    assert_denied(&proxy.get_with("/api/endpoint?q=malicious", &none));
    assert_eq!(proxy.get_with("/api/endpoint?q=fine", &none).status, 200);
    let proxy = Proxy::start(&upstream, &chain("block"));
    assert_denied(&proxy.get_with("/api/endpoint?q=fine", &none));
}

const FIVE: &str =
    "detections:\n  - rate_limit: { limits: [{ name: client, key: client, limit: 5, per: 2s }] }\n";

#[test]
fn a9_exactly_as_many_as_the_limit_pass_round_after_round() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        "detections:\n  - rate_limit: { limits: [{ name: client, key: client, limit: 5, per: 1h }] }\n",
    );
    let statuses: Vec<_> = (0..12).map(|_| proxy.get("/").status).collect();
    assert_eq!(
        statuses,
        [200, 200, 200, 200, 200, 403, 403, 403, 403, 403, 403, 403]
    );
    let refused = proxy.get("/");
    assert!(
        refused
            .header("retry-after")
            .is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|s| s > 0))
    );
    // A short window, so that the second and third round come within a test's patience. That it is five exactly in each
    // is shown where time is given: `bug_01_the_limit_holds_in_every_window`.
    let proxy = Proxy::start(&upstream, FIVE);
    for round in 1..=3 {
        let began = Instant::now();
        let mut passed = 0;
        while proxy.get("/").status == 200 {
            passed += 1;
        }
        // One more for each 0.4 s that a slow machine took.
        let trickled = began.elapsed().as_millis() / 400 + 1;
        assert!(passed >= 5, "round {round}: {passed}");
        assert!(passed <= 5 + trickled, "round {round}: {passed}");
        std::thread::sleep(Duration::from_millis(2200));
    }
}

#[test]
fn a10_the_limit_holds_for_parallel_requests() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        "detections:\n  - rate_limit: { limits: [{ name: client, key: client, limit: 5, per: 1h }] }\n",
    );
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| (0..4).map(|_| proxy.get("/").status).collect::<Vec<_>>()))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(statuses.len(), 200);
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 5);
    assert_eq!(
        statuses.iter().filter(|status| **status == 403).count(),
        195
    );
    assert_eq!(upstream.count(), 5);
}

#[test]
fn a11_clients_behind_a_proxy_are_counted_apart() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        "clients: { trusted_proxies: [127.0.0.1] }\ndetections:\n  - rate_limit: { limits: [{ name: client, key: client, limit: 5, per: 1h }] }\n",
    );
    let as_client = |address: &str| proxy.get_with("/", &[("X-Forwarded-For", address)]).status;
    let exhausted: Vec<_> = (0..7).map(|_| as_client("203.0.113.1")).collect();
    assert_eq!(exhausted, [200, 200, 200, 200, 200, 403, 403]);
    assert_eq!(as_client("203.0.113.2"), 200);
    // Addresses of one IPv6 network are one client, IPv4 in IPv6 clothing is IPv4.
    let network: Vec<_> = (0..7)
        .map(|n| as_client(&format!("2001:db8::{n:x}")))
        .collect();
    assert_eq!(network, [200, 200, 200, 200, 200, 403, 403]);
    assert_eq!(as_client("::ffff:203.0.113.1"), 403);
    // The proxy itself is never counted.
    assert!((0..10).all(|_| proxy.get("/").status == 200));
}

/// Every place that a word can hide in, as requests: method, target, content type, body.
fn places(word: &str) -> Vec<(String, &'static str, String, &'static str, String)> {
    let encoded: String = word.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let twice = encoded.replace('%', "%25");
    let multipart = |disposition: &str, value: &str| {
        format!(
            "--b0\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n--b0--\r\n"
        )
    };
    let (form, js, parts) = (
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=b0",
    );
    let get = |what: &str, target: String| (what.to_owned(), "GET", target, "", String::new());
    let post = |what: &str, kind: &'static str, body: String| {
        (what.to_owned(), "POST", "/".to_owned(), kind, body)
    };
    vec![
        get("path", format!("/a/{word}/b")),
        get("query value", format!("/?q={word}")),
        get("query key", format!("/?{word}=1")),
        get("second value of a repeated key", format!("/?q=1&q={word}")),
        get("upper case", format!("/?q={}", word.to_uppercase())),
        get("percent-encoded", format!("/?q={encoded}")),
        get("double-encoded", format!("/?q={twice}")),
        get("percent-encoded path", format!("/{encoded}")),
        post("JSON value", js, format!("{{\"a\":\"{word}\"}}")),
        post("JSON key", js, format!("{{\"{word}\":1}}")),
        post(
            "nested JSON",
            js,
            format!("{{\"a\":{{\"b\":[{{\"c\":\"x {word} y\"}}]}}}}"),
        ),
        post("JSON list", js, format!("[1,\"{word}\"]")),
        post("JSON string", js, format!("\"{word}\"")),
        post(
            "JSON escapes",
            js,
            format!("{{\"a\":\"\\u{:04x}{}\"}}", word.as_bytes()[0], &word[1..]),
        ),
        post(
            "repeated JSON key",
            js,
            format!("{{\"a\":\"{word}\",\"a\":\"x\"}}"),
        ),
        post("JSON without a type", "", format!("{{\"a\":\"{word}\"}}")),
        post(
            "JSON sent as an image",
            "image/png",
            format!("{{\"a\":\"{word}\"}}"),
        ),
        post("form field", form, format!("a=1&b={word}")),
        post("form key", form, format!("{word}=1")),
        post("encoded form field", form, format!("b={encoded}")),
        post("multipart field", parts, multipart("name=\"f\"", word)),
        post(
            "multipart field name",
            parts,
            multipart(&format!("name=\"{word}\""), "x"),
        ),
        post(
            "file name",
            parts,
            multipart(&format!("name=\"f\"; filename=\"{word}.txt\""), "x"),
        ),
        post("plain text", "text/plain", format!("some {word} text")),
        post(
            "unknown type",
            "application/x-unknown",
            format!("some {word} text"),
        ),
    ]
}

#[test]
fn a12_a_listed_word_is_found_wherever_it_hides() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        "detections:\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n",
    );
    let send = |method: &str, target: &str, kind: &str, body: &str| {
        let headers = if kind.is_empty() {
            vec![]
        } else {
            vec![("Content-Type", kind)]
        };
        proxy.request(method, target, &headers, body.as_bytes())
    };
    let guilty = places("malicious");
    assert_eq!(guilty.len(), 25);
    for (what, method, target, kind, body) in &guilty {
        let response = send(method, target, kind, body);
        assert_eq!(response.status, 403, "{what}");
        let event = proxy.event(&response.id());
        assert_eq!(
            event.detection.as_deref(),
            Some("malicious_payload"),
            "{what}"
        );
        assert_eq!(event.rule.as_deref(), Some("word"), "{what}");
        assert!(
            event
                .evidence
                .as_ref()
                .is_some_and(|e| e.text.eq_ignore_ascii_case("malicious")),
            "{what}: {event:?}"
        );
    }
    for (what, method, target, kind, body) in &places("delicious") {
        assert_eq!(send(method, target, kind, body).status, 200, "{what}");
    }
    for headers in [
        [("X-Anything", "a malicious b")],
        [("Cookie", "a=1; b=malicious")],
        [("Referer", "http://x/?malicious")],
    ] {
        assert_denied(&proxy.get_with("/", &headers));
    }
    assert_eq!(
        proxy
            .get_with("/", &[("Cookie", "a=1; b=delicious")])
            .status,
        200
    );
}

#[test]
fn a13_odd_bodies_crash_nothing_and_disable_nothing() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        "detections:\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }] }\n",
    );
    // A fixed generator: the same noise in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = (0..1 << 20)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect();
    let bodies: [(&str, &str, &[u8], &[u16]); 9] = [
        ("list", "application/json", b"[1]", &[200]),
        ("string", "application/json", b"\"x\"", &[200]),
        ("null", "application/json", b"null", &[200]),
        ("broken", "application/json", b"{bad", &[200]),
        ("noise", "application/octet-stream", &noise, &[200]),
        (
            "noise as JSON",
            "application/json",
            &noise,
            // 400: more work than one request may make (architecture, section 3: exhausted).
            &[200, 400, 403, 413],
        ),
        (
            "noise as a form",
            "application/x-www-form-urlencoded",
            &noise,
            &[200, 400, 403, 413],
        ),
        (
            "noise as multipart",
            "multipart/form-data; boundary=x",
            &noise,
            &[200, 400, 403, 413],
        ),
        ("empty multipart", "multipart/form-data", b"--", &[200, 403]),
    ];
    for (what, kind, body, allowed) in bodies {
        let status = proxy.post("/", kind, body).status;
        assert!(allowed.contains(&status), "{what}: {status}");
        assert_denied(&proxy.post("/?q=malicious", kind, body));
    }
    let gzip = proxy.request(
        "POST",
        "/",
        &[("Content-Encoding", "gzip"), ("Content-Length", "0")],
        b"",
    );
    assert_eq!(gzip.status, 200);
    let gzip = proxy.request(
        "POST",
        "/?q=malicious",
        &[("Content-Encoding", "gzip"), ("Content-Length", "0")],
        b"",
    );
    assert_denied(&gzip);
    let bomb = proxy.request(
        "POST",
        "/",
        &[("Content-Encoding", "gzip")],
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    );
    assert_eq!(
        (bomb.status, proxy.event(&bomb.id()).rule.as_deref()),
        (400, Some("coding_truncated"))
    );
    assert_eq!(proxy.get("/").status, 200);
}

/// An application with one endpoint.
fn application() -> Upstream {
    Upstream::start(|request| match request.target.as_str() {
        "/api/endpoint" => json("200 OK", MESSAGE),
        "/api/private" => json("401 Unauthorized", "{}"),
        _ => json("404 Not Found", "{}"),
    })
}

const ENUMERATION: &str = "clients: { trusted_proxies: [127.0.0.1] }\n\
     detections:\n  - enumeration: { limit: 5, within: 1m, block_for: 2s, decoys: [/wp-login.php] }\n";

#[test]
fn a14_who_enumerates_is_caught_by_the_upstreams_answers() {
    let upstream = application();
    let proxy = Proxy::start(&upstream, ENUMERATION);
    let get = |address: &str, target: &str| {
        proxy
            .get_with(target, &[("X-Forwarded-For", address)])
            .status
    };
    let unknown: Vec<_> = (0..10)
        .map(|n| get("203.0.113.1", &format!("/unknown{n}")))
        .collect();
    assert_eq!(unknown, [404, 404, 404, 404, 404, 403, 403, 403, 403, 403]);
    assert_eq!(get("203.0.113.1", "/api/endpoint"), 403);
    assert_eq!(get("203.0.113.2", "/api/endpoint"), 200);
    wait_until("the block to end", || {
        get("203.0.113.1", "/api/endpoint") == 200
    });
    // Variants of a real path are unknown paths, however similar they are.
    let variants: Vec<_> = (1..=20)
        .map(|n| get("203.0.113.3", &format!("/api/endpoints{n}")))
        .collect();
    assert!(variants.contains(&403), "{variants:?}");
    assert_eq!(get("203.0.113.4", "/wp-login.php"), 403);
    assert_eq!(get("203.0.113.4", "/api/endpoint"), 403);
}

#[test]
fn a14_who_only_errs_is_left_alone() {
    let upstream = application();
    let proxy = Proxy::start(&upstream, ENUMERATION);
    let get = |address: &str, target: &str| {
        proxy
            .get_with(target, &[("X-Forwarded-For", address)])
            .status
    };
    assert_eq!(get("203.0.113.5", "/api/empoint"), 404);
    assert_eq!(get("203.0.113.5", "/api/endpoint"), 200);
    // A page that asks for the same missing file again and again, a client whose token has expired.
    assert!((0..50).all(|_| get("203.0.113.6", "/favicon.svg") == 404));
    assert_eq!(get("203.0.113.6", "/api/endpoint"), 200);
    assert!((0..50).all(|_| get("203.0.113.7", "/api/private") == 401));
    assert_eq!(get("203.0.113.7", "/api/endpoint"), 200);
}

#[test]
fn a15_rules_change_without_a_restart() {
    let upstream = Upstream::start(|request| {
        if request.target.starts_with("/slow") {
            return Answer::Late(
                Duration::from_secs(3),
                b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".to_vec(),
            );
        }
        json("200 OK", "{}")
    });
    let rules = |words: &str| {
        format!(
            "detections:\n  - malicious_payload: {{ patterns: [{{ id: word, words: [{words}] }}] }}\n"
        )
    };
    let proxy = Proxy::start(&upstream, &rules("malicious"));
    assert_eq!(proxy.get("/?q=forbidden").status, 200);
    let mut slow = proxy.connect();
    slow.request("GET", "/slow?q=forbidden", &[], b"");
    wait_until("the slow request to arrive", || {
        upstream
            .seen()
            .iter()
            .any(|seen| seen.target.starts_with("/slow"))
    });
    proxy.write(&rules("malicious, forbidden"));
    wait_until("the new word", || proxy.get("/?q=forbidden").status == 403);
    assert_eq!(slow.response().text(), "slow");
    proxy.write("detections:\n  - malicious_payload: { patterns: [{ id: word, words: }\n");
    wait_until("the refused reload", || {
        proxy.control("/readyz").json()["last_reload_error"].is_string()
    });
    let ready = proxy.control("/readyz");
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("rules.yaml"), "{}", ready.text());
    assert_eq!(proxy.get("/?q=forbidden").status, 403);
    assert_eq!(proxy.get("/?q=fine").status, 200);
    proxy.write(&rules("malicious"));
    wait_until("the old rules", || proxy.get("/?q=forbidden").status == 200);
    wait_until("the error to be forgotten", || {
        proxy.control("/readyz").json()["last_reload_error"].is_null()
    });
    let told: Vec<String> = proxy
        .events()
        .iter()
        .filter(|event| event.kind == portcullis::event::EventKind::Reload)
        .map(|event| event.message.clone())
        .collect();
    // How often a file is looked at while it changes is no promise; that each outcome is told, in this order, is.
    let refused = told
        .iter()
        .position(|message| message.contains("refused"))
        .expect("the refusal");
    assert!(
        told[..refused]
            .iter()
            .any(|message| message.starts_with("Reloaded")),
        "{told:?}"
    );
    assert!(
        told[refused..]
            .iter()
            .any(|message| message.starts_with("Reloaded")),
        "{told:?}"
    );
}

#[test]
fn a16_an_upstream_that_fails_is_answered_for() {
    let upstream = Upstream::start(|_| Answer::Silence);
    let proxy = Proxy::start(
        &upstream,
        "upstream: { servers: [{ url: 'http://UPSTREAM' }], first_byte_timeout: 300ms }\n",
    );
    let silent = proxy.get("/");
    assert_eq!(
        (silent.status, silent.json()["error"].as_str()),
        (504, Some("Gateway Timeout"))
    );
    assert_eq!(proxy.event(&silent.id()).rule.as_deref(), Some("silent"));
    upstream.stop();
    let refused = proxy.get("/");
    assert_eq!(
        (refused.status, refused.json()["error"].as_str()),
        (502, Some("Bad Gateway"))
    );
    assert_eq!(
        proxy.event(&refused.id()).rule.as_deref(),
        Some("unreachable")
    );
    assert!(!refused.text().contains("127.0.0.1"));
}

/// Spelling does not get an exemption, and encoding does not get past the bound.
#[test]
fn exemptions_and_bounds_hold_for_every_spelling() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        "detections:\n  - malicious_payload: { patterns: [{ id: word, words: [malicious] }], exclusions: [{ rule: word, path: /wiki/* }] }\n",
    );
    assert_eq!(proxy.get("/wiki/x?q=malicious").status, 200);
    for target in [
        "/search?q=malicious",
        "/search/..%20/wiki/x?q=malicious",
        "/search/%252e%252e/wiki/x?q=malicious",
    ] {
        assert_denied(&proxy.get(target));
    }
    let beyond = proxy.get("/?q=%252525252525256dalicious");
    assert_eq!(beyond.status, 400);
    assert_eq!(
        proxy.event(&beyond.id()).rule.as_deref(),
        Some("ambiguity.decode_depth")
    );
    assert_eq!(proxy.get("/?q=100%2525").status, 200);
}
