//! Who a client is, over real sockets: what strangers say of themselves changes nothing, neither for the limits nor for
//! the upstream.

use crate::support::{Proxy, Recorded, Upstream};

/// Headers by which one machine tells another who is asking.
const IDENTITY_LIKE: [&str; 46] = [
    "X-Forwarded-For",
    "Forwarded",
    "X-Real-IP",
    "X-Client-IP",
    "Client-IP",
    "X-Cluster-Client-IP",
    "X-Forwarded",
    "X-Forward-For",
    "X-Forwarder-For",
    "X-True-Client-IP",
    "X-Custom-IP-Authorization",
    "Cluster-Client-IP",
    "EO-Connecting-IP",
    "Forwarded-For",
    "X-Original-Forwarded-For",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-ProxyUser-Ip",
    "WL-Proxy-Client-IP",
    "Proxy-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "X-Azure-ClientIP",
    "X-Azure-SocketIP",
    "X-Appengine-User-IP",
    "X-Envoy-External-Address",
    "X-Forwarded-By",
    "X-Forwarded-Server",
    "X-Forwarded-Prefix",
    "X-Forwarded-For-Original",
    "X_Forwarded_For",
    "X_Real_IP",
    "True_Client_IP",
    "CF_Connecting_IP",
    "X.Forwarded.For",
    "X~Real~IP",
    "X-Forwarded_For",
    "x_client-ip",
    "X-FORWARDED-FOR",
    "x-real-ip",
    "FORWARDED",
    "X_FORWARDED_PROTO",
];

/// The address that a stranger claims, in the syntax of a header.
fn claim(name: &str, address: &str) -> String {
    if name.eq_ignore_ascii_case("forwarded") {
        format!("for={address};proto=https;host=evil")
    } else {
        address.into()
    }
}

/// All headers, each claiming an address.
fn claims(address: &str) -> Vec<(&'static str, String)> {
    let headers = IDENTITY_LIKE.iter();
    headers.map(|name| (*name, claim(name, address))).collect()
}

fn borrowed<'a>(headers: &'a [(&'a str, String)]) -> Vec<(&'a str, &'a str)> {
    headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// What the upstream saw but for the id, which is new every time.
fn seen(upstream: &Upstream) -> Vec<(String, String)> {
    let Recorded { headers, .. } = upstream.last();
    let mut rest: Vec<_> = headers
        .into_iter()
        .filter(|(name, _)| name != "x-request-id")
        .collect();
    rest.sort();
    rest
}

const ONE: &str =
    "detections:\n  - rate_limit: { limits: [{ name: one, key: client, limit: 1, per: 1h }] }\n";

#[test]
fn a_stranger_with_every_header_is_seen_as_one_without() {
    for clients in [
        "",
        "clients: { trusted_proxies: [10.0.0.0/8] }\n",
        "clients: { trusted_proxies: [10.0.0.0/8], identity: forwarded }\n",
        "clients: { trusted_proxies: [10.0.0.0/8], identity: { header: CF-Connecting-IP } }\n",
        "clients: { trusted_proxies: [10.0.0.0/8], identity: { header: X-Mine } }\n",
        "clients: { forward_identity_as: { header: X-Real-IP } }\n",
    ] {
        let upstream = Upstream::plain();
        let proxy = Proxy::start(&upstream, &format!("{clients}detections: []\n"));
        assert_eq!(proxy.get("/").status, 200);
        let plain = seen(&upstream);
        let mut forged = claims("10.9.9.9");
        forged.push(("X-Request-Id", "forged".into()));
        if clients.contains("X-Mine") {
            forged.push(("X-Mine", "10.9.9.9".into()));
        }
        assert_eq!(proxy.get_with("/", &borrowed(&forged)).status, 200);
        assert_eq!(seen(&upstream), plain, "{clients}");
        let id = upstream.last();
        assert_eq!(id.one("x-request-id").map(str::len), Some(36));
        // Each alone, in case one hides another.
        for (name, value) in &forged {
            assert_eq!(proxy.get_with("/", &[(name, value)]).status, 200);
            assert_eq!(seen(&upstream), plain, "{name}: {clients}");
        }
    }
}

#[test]
fn no_header_of_a_stranger_evades_a_limit_or_spends_that_of_another() {
    let upstream = Upstream::plain();
    let listen = "listen: [{ address: 127.0.0.1:0, proxy_protocol: { from: [127.0.0.1] } }]\n";
    let clients = "clients: { trusted_proxies: [10.0.0.0/8] }\n";
    let proxy = Proxy::start(&upstream, &format!("{listen}{clients}{ONE}"));
    // A request of a peer, with headers that claim to be others.
    let status = |peer: &str, headers: &[(&str, String)]| {
        let mut request =
            format!("PROXY TCP4 {peer} 127.0.0.1 1 2\r\nGET / HTTP/1.1\r\nHost: h\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        proxy.raw(format!("{request}\r\n")).status
    };
    let attacker = "198.51.100.1";
    assert_eq!(status(attacker, &claims("203.0.113.1")), 200);
    for n in 0..20 {
        let claimed = claims(&format!("203.0.113.{n}"));
        assert_eq!(status(attacker, &claimed), 403, "{n}");
        for header in claimed {
            assert_eq!(status(attacker, &[header]), 403);
        }
    }
    // Nobody whom he claimed to be has lost anything, neither as a peer nor behind a proxy.
    assert_eq!(status("203.0.113.1", &[]), 200);
    let behind = ("X-Forwarded-For", "203.0.113.2".to_owned());
    assert_eq!(status("10.0.0.1", std::slice::from_ref(&behind)), 200);
    assert_eq!(status("10.0.0.1", &[behind]), 403);
    // The trusted proxy writes one header; the others are its client's.
    let mut forged = claims("203.0.113.50");
    forged.retain(|(name, _)| !name.eq_ignore_ascii_case("x-forwarded-for"));
    for n in 0..5 {
        let list = format!("203.0.113.{n}, 198.51.100.7");
        forged.insert(0, ("X-Forwarded-For", list));
        assert_eq!(status("10.0.0.1", &forged), if n == 0 { 200 } else { 403 });
        forged.remove(0);
    }
    assert_eq!(status("203.0.113.50", &[]), 200);
}

#[test]
fn every_spelling_of_an_address_shares_one_limit() {
    let upstream = Upstream::plain();
    for (identity, header) in [
        ("x_forwarded_for", "X-Forwarded-For"),
        ("{ header: CF-Connecting-IP }", "CF-Connecting-IP"),
        ("forwarded", "Forwarded"),
    ] {
        let clients =
            format!("clients: {{ trusted_proxies: [127.0.0.1], identity: {identity} }}\n");
        let proxy = Proxy::start(&upstream, &format!("{clients}{ONE}"));
        for spellings in [
            &[
                "192.0.2.1",
                "192.0.2.1:80",
                "::ffff:192.0.2.1",
                "[::FFFF:c000:0201]:443",
            ][..],
            &[
                "2001:db8::1",
                "2001:DB8:0::0001",
                "[2001:db8::1]:80",
                "2001:db8::1%eth0",
            ],
        ] {
            let statuses: Vec<u16> = spellings
                .iter()
                .map(|spelling| match header {
                    "Forwarded" => format!("for=\"{spelling}\""),
                    _ => (*spelling).to_owned(),
                })
                .map(|value| proxy.get_with("/", &[(header, &value)]).status)
                .collect();
            assert_eq!(statuses, [200, 403, 403, 403], "{header}: {spellings:?}");
        }
        // Whoever writes what cannot be read shares a limit, too, instead of having none.
        let statuses = ["192.0.2.01", "unknown", "3221225985"]
            .map(|value| proxy.get_with("/", &[(header, value)]).status);
        assert_eq!(statuses, [200, 403, 403], "{header}");
        // The proxy itself has none.
        assert_eq!([(); 2].map(|()| proxy.get("/").status), [200, 200]);
    }
}

#[test]
fn a_dual_stack_listener_sees_one_client() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &format!("listen: '[::]:0'\n{ONE}"));
    let port = proxy.address.port();
    let get = || {
        let mut client = crate::support::Client::connect(([127, 0, 0, 1], port).into());
        client.request("GET", "/", &[], b"");
        client.response()
    };
    assert_eq!(get().status, 200);
    assert_eq!(upstream.last().one("x-forwarded-for"), Some("127.0.0.1"));
    let refused = get();
    assert_eq!(refused.status, 403);
    let client = proxy.event(&refused.id()).client.clone().unwrap();
    assert_eq!(client.ip.to_string(), "127.0.0.1");
}

#[test]
fn several_lines_of_a_named_header_free_nobody() {
    let upstream = Upstream::plain();
    // The worst case: the proxy may do everything itself, and adds its line to what its client sent.
    let clients = "clients: { trusted: [127.0.0.1], trusted_proxies: [127.0.0.1], identity: { header: X-Client } }\n";
    let proxy = Proxy::start(&upstream, &format!("{clients}{ONE}"));
    let twice = [("X-Client", "203.0.113.9"), ("X-Client", "192.0.2.1")];
    let statuses = [(); 3].map(|()| proxy.get_with("/", &twice).status);
    assert_eq!(statuses, [200, 403, 403]);
    assert_eq!(upstream.last().all("x-client"), [""; 0]);
    assert_eq!(upstream.last().one("x-forwarded-for"), Some("127.0.0.1"));
    let once = [("X-Client", "192.0.2.1")];
    assert_eq!(proxy.get_with("/", &once).status, 200);
    assert_eq!(upstream.last().one("x-client"), Some("192.0.2.1"));
}
