//! Changing the rules while requests are served.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::config::{ConfigError, Load};
use portcullis::engine::{
    Context, DetectionError, Evidence, Finding, FromConfig, Phase, Registry, RuleId,
    ThreatDetection, Verdict, Weight,
};
use portcullis::request::{Place, PlaceKind, RequestView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

// === A detection that takes long to compile ===

/// Refuses everything while its file says `refuse`. While the file says `wait`, it is not done with compiling before a
/// file `go` is there.
#[derive(Debug)]
struct Slow {
    refuses: bool,
}

/// Where its file is.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SlowConfig {
    file: String,
}

impl ThreatDetection for Slow {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(&self, _: &RequestView<'_>, _: &Context<'_>) -> Result<Verdict, DetectionError> {
        if !self.refuses {
            return Ok(Verdict::Pass);
        }
        Ok(Verdict::threat(Finding {
            rule: RuleId::new("slow"),
            weight: Weight::Decisive,
            place: Place::value(PlaceKind::Path, ""),
            evidence: Evidence::fact("refuse"),
            message: Cow::Borrowed("The file says so."),
        }))
    }
}

impl FromConfig for Slow {
    const NAME: &'static str = "slow";
    type Config = SlowConfig;

    fn from_config(config: SlowConfig, load: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let text = load.read(&config.file).map_err(|error| vec![error])?;
        if text == "wait" {
            let path = Path::new(&config.file);
            std::fs::write(path.with_file_name("begun"), "").unwrap();
            wait_until("leave to go on", || path.with_file_name("go").exists());
        }
        Ok(Self {
            refuses: text == "refuse",
        })
    }
}

/// The file of a [`Slow`] detection, in a folder of its own.
fn slow_file(text: &str) -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, text).unwrap();
    let yaml = format!("detections:\n  - slow: {{ file: '{}' }}\n", file.display());
    (folder, file, yaml)
}

fn let_it_go_on(file: &Path) {
    std::fs::write(file.with_file_name("go"), "").unwrap();
}

#[test]
fn a_change_made_while_a_reload_compiles_is_not_lost_and_nobody_waits_for_the_reload() {
    let upstream = Upstream::plain();
    let (_folder, file, yaml) = slow_file("calm");
    let registry = Registry::default().with::<Slow>();
    let proxy = Proxy::start_with(upstream.address, &yaml, registry);
    replace(&file, "wait");
    let begun = file.with_file_name("begun");
    wait_until("the reload to begin", || begun.exists());
    // The file says something else now, which the reload under way has not read.
    replace(&file, "refuse");
    // Long enough for the watch to look again, which must not stop the control listener beside it.
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(proxy.control("/livez").status, 200);
    assert_eq!(proxy.get("/").status, 200);
    let_it_go_on(&file);
    wait_until("the second change", || proxy.get("/").status == 403);
}

#[test]
fn a_change_made_while_somebody_else_reloads_is_not_lost_and_the_watch_does_not_wait() {
    let upstream = Upstream::plain();
    let (_folder, file, yaml) = slow_file("calm");
    let registry = Registry::default().with::<Slow>();
    let proxy = Proxy::start_with(upstream.address, &yaml, registry);
    std::thread::scope(|scope| {
        // In place, and told at once: the watch comes second.
        std::fs::write(&file, "wait").unwrap();
        let reload = scope.spawn(|| proxy.running().reload());
        let begun = file.with_file_name("begun");
        wait_until("the reload to begin", || begun.exists());
        replace(&file, "refuse");
        std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(proxy.control("/livez").status, 200);
        let_it_go_on(&file);
        reload.join().unwrap().unwrap();
    });
    wait_until("the second change", || proxy.get("/").status == 403);
}

#[test]
fn a_change_made_while_the_proxy_starts_is_not_lost() {
    let upstream = Upstream::plain();
    let (_folder, file, yaml) = slow_file("wait");
    let proxy = std::thread::scope(|scope| {
        let registry = Registry::default().with::<Slow>();
        let start = scope.spawn(|| Proxy::start_with(upstream.address, &yaml, registry));
        let begun = file.with_file_name("begun");
        wait_until("the start", || begun.exists());
        replace(&file, "refuse");
        let_it_go_on(&file);
        start.join().unwrap()
    });
    wait_until("the change", || proxy.get("/").status == 403);
}
