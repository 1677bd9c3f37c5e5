//! Changing the rules while requests are served.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Proxy, Upstream, replace, wait_until};

fn limit(limit: u32, more: &str) -> String {
    format!(
        "detections:\n  - rate_limit: {{ limits: [{{ name: client, key: client, limit: {limit}, per: 1h }}] }}\n{more}"
    )
}

#[test]
fn a_reload_keeps_what_clients_have_used_up() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &limit(5, ""));
    let statuses = |n| (0..n).map(|_| proxy.get("/").status).collect::<Vec<_>>();
    assert_eq!(statuses(5), [200; 5]);
    proxy.reload(&limit(5, "  - user_agent: {}\n")).unwrap();
    assert_eq!(statuses(1), [403]);
    // Five of eight are used up, then five of three.
    proxy.reload(&limit(8, "")).unwrap();
    assert_eq!(statuses(4), [200, 200, 200, 403]);
    proxy.reload(&limit(3, "")).unwrap();
    assert_eq!(statuses(1), [403]);
    proxy.reload("detections: []\n").unwrap();
    assert_eq!(statuses(3), [200; 3]);
    proxy.reload(&limit(3, "")).unwrap();
    assert_eq!(statuses(1), [403]);
}

#[test]
fn no_request_fails_because_of_a_reload() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &limit(1_000_000, ""));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let traffic: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = proxy.connect();
                    let mut served = 0;
                    while !done.load(Ordering::SeqCst) {
                        client.request("GET", "/", &[], b"");
                        assert_eq!(client.response().status, 200);
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        for n in 0..50 {
            proxy.reload(&limit(1_000_000 + n, "")).unwrap();
        }
        done.store(true, Ordering::SeqCst);
        let served: usize = traffic
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum();
        assert!(served > 50, "{served}");
    });
}

#[test]
fn a_list_that_changes_is_read_again() {
    let upstream = Upstream::plain();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("denied.txt");
    std::fs::write(&list, "192.0.2.1\nnonsense\n# nobody else\n").unwrap();
    let proxy = Proxy::start(
        &upstream,
        &format!(
            "detections:\n  - ip_allowlist: {{ files: ['{}'] }}\n",
            list.display()
        ),
    );
    assert_eq!(proxy.get("/").status, 200);
    replace(&list, "192.0.2.1\n127.0.0.0/8\n");
    wait_until("the new list", || proxy.get("/").status == 403);
    std::fs::remove_file(&list).unwrap();
    wait_until("the refused reload", || {
        proxy.control("/readyz").json()["last_reload_error"].is_string()
    });
    assert_eq!(proxy.get("/").status, 403);
    replace(&list, "192.0.2.1\n");
    wait_until("the list to be back", || proxy.get("/").status == 200);
}

#[test]
fn what_needs_a_restart_is_said() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: []\n");
    let text = std::fs::read_to_string(proxy.path()).unwrap();
    replace(
        &proxy.path(),
        &text.replace("listen: 127.0.0.1:0\n", "listen: '[::1]:0'\n"),
    );
    proxy.running().reload().unwrap();
    let told = proxy.events().last().unwrap().message.clone();
    assert!(
        told.contains("`listen` changed, which takes effect at the next start"),
        "{told}"
    );
    assert_eq!(proxy.get("/").status, 200);
}

#[test]
fn a_refused_reload_changes_nothing_at_all() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &limit(1, ""));
    assert_eq!([proxy.get("/").status, proxy.get("/").status], [200, 403]);
    let revision = proxy.control("/readyz").json()["policy"]["revision"].clone();
    for broken in [
        "detections: [unknown]\n",
        "policy: { threshold: 0 }\n",
        "detections:\n  - malicious_payload: { patterns: [{ id: x, regexes: ['('] }] }\n",
        "events: { log: /nonexistent/folder/events.jsonl }\n",
        "\tx",
    ] {
        let error = proxy.reload(broken).unwrap_err();
        assert!(!error.is_empty());
        assert_eq!(proxy.get("/").status, 403, "{broken}");
        assert_eq!(
            proxy.control("/readyz").json()["policy"]["revision"],
            revision
        );
    }
}
