//! `rate_limit` and `enumeration`. Time is passed to them, not waited for.

use http::Method;

use super::{Judge, chain};
use crate::judge::Request;
use crate::support::{Proxy, Upstream};

/// Which of some requests pass a limit, all in the same second.
fn passed(limit: &str, requests: &[Request]) -> Vec<bool> {
    let judge = limited(limit);
    requests
        .iter()
        .map(|request| judge.passes(request))
        .collect()
}

fn limited(limit: &str) -> Judge {
    Judge::new(&format!("rate_limit: {{ limits: [{{ {limit} }}] }}"))
}

/// How many of many requests pass in one second.
fn count(judge: &Judge, second: u64) -> usize {
    let request = Request::get("/");
    (0..30)
        .filter(|_| judge.passes_at(&request, second))
        .count()
}

pub fn name() {
    let upstream = Upstream::plain();
    let yaml = |name: &str| {
        chain(&format!(
            "rate_limit: {{ limits: [{{ name: {name}, limit: 1, per: 1h }}] }}"
        ))
    };
    let proxy = Proxy::start(&upstream, &yaml("first"));
    assert_eq!(proxy.get("/").status, 200);
    let refused = proxy.get("/");
    assert_eq!(proxy.event(&refused.id()).rule.as_deref(), Some("first"));
    let named = refused.header("ratelimit-policy").unwrap();
    assert!(named.contains("first"), "{named}");
    // What was used up is kept under the name.
    proxy.reload(&yaml("first")).unwrap();
    assert_eq!(proxy.get("/").status, 403);
    proxy.reload(&yaml("second")).unwrap();
    assert_eq!(proxy.get("/").status, 200);
}

pub fn key() {
    let (one, other) = ("192.0.2.1", "198.51.100.1");
    let requests = [
        Request::get("/")
            .from(one)
            .header("x-key", "a")
            .header("cookie", "id=a"),
        Request::get("/")
            .from(one)
            .header("x-key", "b")
            .header("cookie", "id=a"),
        Request::get("/")
            .from(other)
            .header("x-key", "b")
            .header("cookie", "id=b"),
    ];
    for (key, expected) in [
        ("client", [true, false, true]),
        ("global", [true, false, false]),
        ("header X-Key", [true, true, false]),
        ("cookie id", [true, false, true]),
    ] {
        let limit = format!("name: a, key: {key}, limit: 1, per: 1h");
        assert_eq!(passed(&limit, &requests), expected, "{key}");
    }
    // Without the header or the cookie the client counts.
    let bare = [one, one, other].map(|from| Request::get("/").from(from));
    for key in ["header X-Key", "cookie id"] {
        let limit = format!("name: a, key: {key}, limit: 1, per: 1h");
        assert_eq!(passed(&limit, &bare), [true, false, true], "{key}");
    }
}

pub fn limit() {
    for limit in [1, 7] {
        let judge = limited(&format!("name: a, limit: {limit}, per: 1h"));
        assert_eq!(count(&judge, 0), limit);
    }
}

pub fn per() {
    for (per, later) in [("1m", 6), ("1h", 0)] {
        let judge = limited(&format!("name: a, limit: 6, per: {per}"));
        assert_eq!([count(&judge, 0), count(&judge, 60)], [6, later], "{per}");
    }
}

pub fn burst() {
    for (burst, at_once) in [("", 6), (", burst: 2", 2), (", burst: 9", 9)] {
        let judge = limited(&format!("name: a, limit: 6, per: 1m{burst}"));
        assert_eq!(count(&judge, 0), at_once, "{burst}");
        // In the long run the limit holds: one in ten seconds.
        assert_eq!(count(&judge, 10), 1, "{burst}");
    }
}

pub fn path() {
    let requests = ["/login", "/login", "/", "/"].map(Request::get);
    let limit = "name: a, limit: 1, per: 1h";
    assert_eq!(passed(limit, &requests), [true, false, false, false]);
    let limit = "name: a, limit: 1, per: 1h, path: /login";
    assert_eq!(passed(limit, &requests), [true, false, true, true]);
    let limit = "name: a, limit: 1, per: 1h, path: /log*";
    assert_eq!(passed(limit, &requests), [true, false, true, true]);
}

pub fn path_case() {
    // `%4c` is the capital letter that the pattern has.
    let requests = ["/Login", "/%4cogin", "/login", "/LOGIN"].map(Request::get);
    for (case, expected) in [
        ("sensitive", [true, false, true, true]),
        ("insensitive", [true, false, false, false]),
    ] {
        let limit = format!("name: a, limit: 1, per: 1h, path: /Login, path_case: {case}");
        assert_eq!(passed(&limit, &requests), expected, "{case}");
    }
}

pub fn methods() {
    let requests = [Method::POST, Method::GET, Method::POST].map(|method| Request {
        method,
        ..Request::get("/")
    });
    let limit = "name: a, limit: 1, per: 1h";
    assert_eq!(passed(limit, &requests), [true, false, false]);
    let limit = "name: a, limit: 1, per: 1h, methods: [POST]";
    assert_eq!(passed(limit, &requests), [true, true, false]);
    let limit = "name: a, limit: 1, per: 1h, methods: [PUT]";
    assert_eq!(passed(limit, &requests), [true, true, true]);
}

pub fn answer_headers() {
    let upstream = Upstream::plain();
    for (headers, expected) in [
        ("refused", [false, true]),
        ("always", [true, true]),
        ("off", [false, false]),
    ] {
        let yaml = chain(&format!(
            "rate_limit: {{ headers: {headers}, limits: [{{ name: a, limit: 1, per: 1h }}] }}"
        ));
        let proxy = Proxy::start(&upstream, &yaml);
        let answers = [proxy.get("/"), proxy.get("/")];
        assert_eq!([answers[0].status, answers[1].status], [200, 403]);
        for name in ["ratelimit", "ratelimit-policy"] {
            let there = answers
                .each_ref()
                .map(|answer| answer.header(name).is_some());
            assert_eq!(there, expected, "{headers} {name}");
        }
        assert!(answers[1].header("retry-after").is_some());
    }
}

// === enumeration ===

fn enumeration(settings: &str) -> Judge {
    Judge::new(&format!("enumeration: {{ {settings} }}"))
}

/// Asks for different paths, all answered by `status`; how many of them passed.
fn guess(judge: &Judge, status: u16, second: u64) -> usize {
    let path = |n| Request::get(&format!("/{second}/{n}"));
    (0..30)
        .take_while(|n| judge.answered(&path(*n), status, second))
        .count()
}

pub fn missing_paths() {
    for limit in [3, 9] {
        assert_eq!(
            guess(&enumeration(&format!("limit: {limit}")), 404, 0),
            limit
        );
    }
}

pub fn within() {
    for (within, later) in [("10s", 3), ("10m", 0)] {
        let judge = enumeration(&format!("limit: 3, within: {within}"));
        for n in 0..3 {
            assert!(judge.answered(&Request::get(&format!("/a{n}")), 404, 0));
        }
        assert_eq!(guess(&judge, 404, 60), later, "{within}");
    }
}

pub fn block_for() {
    for (block_for, passes) in [("30s", true), ("10m", false)] {
        let judge = enumeration(&format!("limit: 1, block_for: {block_for}"));
        assert_eq!(guess(&judge, 404, 0), 1);
        assert!(!judge.passes_at(&Request::get("/"), 1));
        assert_eq!(
            judge.passes_at(&Request::get("/"), 60),
            passes,
            "{block_for}"
        );
    }
}

pub fn statuses() {
    for (statuses, of_404, of_410) in [("[404]", 2, 30), ("[410]", 30, 2), ("[404, 410]", 2, 2)] {
        let judge = || enumeration(&format!("limit: 2, statuses: {statuses}"));
        assert_eq!(guess(&judge(), 404, 0), of_404, "{statuses}");
        assert_eq!(guess(&judge(), 410, 0), of_410, "{statuses}");
    }
}

pub fn decoys() {
    let (decoy, other) = (Request::get("/.git/config"), Request::get("/"));
    let without = enumeration("decoys: []");
    assert!(without.passes(&decoy) && without.passes(&other));
    let with = enumeration("decoys: [/.git/*]");
    assert!(with.passes(&other) && !with.passes(&decoy));
    assert!(!with.passes(&other), "who touched it is refused everything");
}

pub fn guessed_case() {
    let names = ["/a", "/A", "/%41", "/b", "/B"];
    for (case, different) in [("sensitive", 4), ("insensitive", 2)] {
        let count = |limit: usize| {
            let judge = enumeration(&format!("limit: {limit}, path_case: {case}"));
            names
                .iter()
                .take_while(|name| judge.answered(&Request::get(name), 404, 0))
                .count()
        };
        assert_eq!(count(different), names.len(), "{case}");
        assert!(count(different - 1) < names.len(), "{case}");
        let decoys = enumeration(&format!("decoys: [/Wp-Login.php], path_case: {case}"));
        let passes = decoys.passes(&Request::get("/wp-LOGIN.php"));
        assert_eq!(passes, case == "sensitive");
    }
}
