//! Several sites behind one proxy: by host and path, each with what holds for it.

use crate::support::{Proxy, Response, Upstream};

const WORD: &str =
    "malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }";

/// The answer to a request for a host and a target.
fn get(proxy: &Proxy, host: &str, target: &str) -> Response {
    proxy.get_with(target, &[("Host", host)])
}

#[test]
fn each_site_is_forwarded_to_its_own_upstream() {
    let [one, other, rest] = [(); 3].map(|()| Upstream::plain());
    let yaml = format!(
        "routes:\n  - {{ host: one.example, upstream: 'http://{}' }}\n  - {{ host: '*.other.example', path: /api, upstream: 'http://{}' }}\ndetections: []\n",
        one.address, other.address
    );
    let proxy = Proxy::start(&rest, &yaml);
    for (host, target, upstream) in [
        ("one.example", "/x", &one),
        ("ONE.example:80", "/", &one),
        ("a.other.example", "/api/x", &other),
        ("a.other.example", "/%61pi", &other),
        ("a.other.example", "/x", &rest),
        ("unknown", "/api", &rest),
    ] {
        let before = upstream.count();
        assert_eq!(get(&proxy, host, target).status, 200);
        assert_eq!(upstream.count(), before + 1, "{host} {target}");
        // What was matched is what is forwarded.
        assert_eq!(upstream.last().target, target);
        assert_eq!(upstream.last().one("host"), Some(host));
    }
    // The target's host counts, where it names one.
    let before = one.count();
    let raw = "GET http://one.example/y HTTP/1.1\r\nHost: unknown\r\n\r\n";
    assert_eq!(proxy.raw(raw).status, 200);
    assert_eq!(one.count(), before + 1);
}

#[test]
fn a_path_that_servers_read_as_another_route_is_refused() {
    let (public, admin) = (Upstream::plain(), Upstream::plain());
    let yaml = format!(
        "routes: [{{ path: /admin, upstream: 'http://{}' }}]\ndetections: []\n",
        admin.address
    );
    let proxy = Proxy::start(&public, &yaml);
    let refused = proxy.get("/x%2fy/../admin");
    assert_eq!(refused.status, 400);
    let event = proxy.event(&refused.id());
    assert!(event.message.contains("routes"), "{}", event.message);
    assert_eq!(public.count() + admin.count(), 0);
    assert_eq!(proxy.get("/static/../admin").status, 200);
    assert_eq!([public.count(), admin.count()], [0, 1]);
}

#[test]
fn a_reload_changes_routes_and_an_error_in_one_is_told_with_its_place() {
    let (one, other) = (Upstream::plain(), Upstream::plain());
    let yaml = |upstream: &Upstream| {
        format!(
            "routes: [{{ path: /a, upstream: 'http://{}' }}]\ndetections: []\n",
            upstream.address
        )
    };
    let proxy = Proxy::start(&one, &yaml(&one));
    assert_eq!(proxy.get("/a").status, 200);
    proxy.reload(&yaml(&other)).unwrap();
    assert_eq!(proxy.get("/a").status, 200);
    assert_eq!([one.count(), other.count()], [1, 1]);
    for (wrong, what) in [
        (
            "routes: [{ path: a }]\n",
            "nothing that a path could begin with",
        ),
        ("routes: [{ host: 'a b' }]\n", "no host"),
        (
            "routes: [{ host: x, detections: [{ nonsense: {} }] }]\n",
            "no detection `nonsense`",
        ),
        (
            "routes: [{ host: x, limits: { connections: 5 } }]\n",
            "the key `connections` is unknown",
        ),
        (
            "routes: [{ host: x }, { host: X }]\n",
            "have a route already",
        ),
        ("routes: [{ host: x, upstream: nowhere }]\n", "nowhere"),
    ] {
        let refused = proxy.reload(wrong).unwrap_err();
        assert!(refused.contains(what), "{refused}");
        assert!(refused.contains('^'), "{refused}");
    }
    assert_eq!(proxy.get("/a").status, 200);
    assert_eq!(other.count(), 2);
}

#[test]
fn a_route_has_the_chain_the_policy_the_limits_and_the_headers_that_it_says() {
    let upstream = Upstream::plain();
    let yaml = format!(
        "detections: [{{ {WORD} }}]
headers: {{ response: {{ set: {{ X-Site: rest }} }} }}
limits: {{ body: 1KiB }}
routes:
  - {{ path: /open, detections: [] }}
  - {{ path: /watched, policy: {{ mode: monitor }} }}
  - {{ path: /agents, detections: [{{ user_agent: {{ block: [firefox] }} }}], headers: {{ response: {{ set: {{ X-Site: agents }} }} }} }}
  - {{ path: /long, limits: {{ body: 1MiB }} }}
"
    );
    let proxy = Proxy::start(&upstream, &yaml);
    let status = |target: &str| proxy.get(target).status;
    assert_eq!(status("/?q=malicious"), 403);
    assert_eq!(status("/open?q=malicious"), 200);
    assert_eq!(status("/watched?q=malicious"), 200);
    assert_eq!(status("/agents?q=malicious"), 403);
    let events = proxy.events();
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| event.detection.clone())
        .collect();
    assert_eq!(
        told,
        ["malicious_payload", "malicious_payload", "user_agent"]
    );
    let body = "x".repeat(5000);
    let post = |target: &str| proxy.post(target, "text/plain", &body).status;
    assert_eq!([post("/"), post("/long/x")], [413, 200]);
    for (target, site) in [("/", "rest"), ("/agents", "agents"), ("/long", "rest")] {
        assert_eq!(proxy.get(target).header("x-site"), Some(site));
    }
}

#[test]
fn a_thousand_sites_start_and_reload_soon() {
    let upstream = Upstream::plain();
    let sites: String = (0..1000)
        .map(|n| {
            let upstream = upstream.address;
            format!("  - {{ host: site{n}.example, upstream: 'http://{upstream}', detections: [{{ {WORD} }}] }}\n")
        })
        .collect();
    let yaml = format!("routes:\n{sites}detections: []\n");
    let proxy = Proxy::start(&upstream, &yaml);
    let (last, refused) = (
        get(&proxy, "site999.example", "/"),
        get(&proxy, "site999.example", "/?q=malicious"),
    );
    assert_eq!((last.status, refused.status), (200, 403));
    proxy.reload(&yaml.replace("site999", "site1000")).unwrap();
    assert_eq!(get(&proxy, "site1000.example", "/?q=malicious").status, 403);
    assert_eq!(get(&proxy, "site999.example", "/?q=malicious").status, 200);
}

#[test]
fn a_stream_outlives_a_reload_that_takes_its_route_away() {
    let upstream = crate::websocket::Echo::start();
    let yaml = format!(
        "routes: [{{ path: /ws, upstream: 'http://{}' }}]\ndetections: []\n",
        upstream.address
    );
    let nobody = Upstream::plain();
    let proxy = Proxy::start(&nobody, &yaml);
    let mut socket = crate::websocket::open(proxy.address, "/ws").unwrap();
    proxy.reload("detections: []\n").unwrap();
    assert!(crate::websocket::is_alive(&mut socket, "still here"));
    assert_eq!(
        crate::websocket::open(proxy.address, "/ws").err(),
        Some(200)
    );
}
