use super::config::RouteConfig;
use super::*;
use crate::engine::policy::Revision;
use crate::engine::{Chain, PolicyConfig};
use crate::proxy::config::UpstreamConfig;

fn site() -> Arc<Site> {
    let chain = Arc::new(Chain::new(Vec::new()));
    Arc::new(Site {
        policy: Arc::new(Policy::new(
            Revision::default(),
            &PolicyConfig::default(),
            chain,
        )),
        limits: Arc::default(),
        upstream: Arc::new(Upstream::plain(&UpstreamConfig::default())),
        headers: Arc::default(),
    })
}

/// The routes of a list, and the sites in the same order; the one of no route last.
fn routes(yaml: &str) -> (Routes, Vec<Arc<Site>>) {
    let list: Vec<RouteConfig> = serde_yaml::from_str(yaml).expect("a list");
    let mut sites: Vec<_> = list.iter().map(|_| site()).collect();
    let default = site();
    let routes = Routes::new(
        list.into_iter().zip(sites.iter().cloned()),
        Arc::clone(&default),
    );
    sites.push(default);
    (routes, sites)
}

const LIST: &str = "
- { host: a.example }
- { host: a.example, path: /api }
- { host: A.example, path: /api/v1/ }
- { host: '*.example', path: /api }
- { host: '*.b.example' }
- { path: /health }
";

#[test]
fn the_host_decides_first_and_then_the_longest_path() {
    let (routes, sites) = routes(LIST);
    for (host, path, expected) in [
        ("a.example", "/", 0),
        ("A.EXAMPLE:8080", "/apis", 0),
        ("a.example.", "/api", 1),
        ("a.example", "/api/", 1),
        ("a.example", "/api/v1", 2),
        ("a.example", "/api/v1/x", 2),
        ("a.example", "/api/v10", 1),
        // Its own routes cover everything, so none for others holds.
        ("a.example", "/health", 0),
        ("c.example", "/api", 3),
        ("c.d.example", "/api", 3),
        ("c.example", "/health", 5),
        ("c.example", "/", 6),
        // The longer wildcard comes first.
        ("c.b.example", "/api", 4),
        ("b.example", "/api", 3),
        ("example", "/api", 6),
        ("other", "/health/live", 5),
        ("", "/x", 6),
        ("[::1]:80", "/x", 6),
    ] {
        let found = routes.find(host.as_bytes(), path).expect("it is plain");
        let at = sites.iter().position(|site| Arc::ptr_eq(site, found));
        assert_eq!(at, Some(expected), "{host} {path}");
    }
}

#[test]
fn no_spelling_of_a_path_gets_around_its_route() {
    let (routes, sites) = routes("[{ path: /admin }]");
    for path in [
        "/admin",
        "/%61dmin",
        "//admin",
        "/./admin",
        "/x/../admin",
        "/%2e/admin",
        "/x/%2e%2e/admin/",
    ] {
        let found = routes.find(b"h", path).expect("all read it so");
        assert!(Arc::ptr_eq(found, &sites[0]), "{path}");
    }
    for path in ["/", "/administrator", "/x/admin", "/Admin"] {
        let found = routes.find(b"h", path).expect("all read it so");
        assert!(Arc::ptr_eq(found, &sites[1]), "{path}");
    }
    // Some servers read these as the path of the route, and some do not.
    for path in ["/x\\..\\admin", "/x/..;/admin", "/admin;v=1", "/%2561dmin"] {
        assert!(
            routes.find(b"h", path).is_err()
                || Arc::ptr_eq(routes.find(b"h", path).expect("it was asked"), &sites[0]),
            "{path}"
        );
    }
}

#[test]
fn a_route_that_cannot_be_asked_for_is_a_mistake() {
    let list: Vec<RouteConfig> = serde_yaml::from_str(
        "[{ host: 'a b' }, { host: 'a:80' }, { host: '*' }, { path: api }, { path: '/a%20b' }, { path: /a/../b }, { host: x, path: / }, { host: X }, { host: a..b }, { host: .b }, { host: '*..b' }, { host: '[::1]' }, { host: '*.a.b' }]",
    )
    .expect("a list");
    let wrong: Vec<usize> = list
        .iter()
        .enumerate()
        .filter(|(at, route)| {
            let is_second = list[..*at]
                .iter()
                .any(|other| other.place() == route.place());
            !route.mistakes(is_second).is_empty()
        })
        .map(|(at, _)| at)
        .collect();
    assert_eq!(wrong, [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]);
}
