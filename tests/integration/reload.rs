//! Changing the rules while requests are served.

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use portcullis::config::{ConfigError, Load};
use portcullis::engine::{
    Context, DetectionError, Evidence, Finding, FromConfig, Phase, Registry, RuleId,
    ThreatDetection, Verdict, Weight,
};
use portcullis::request::{Place, PlaceKind, RequestView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::process::Program;
use crate::support::{Client, Proxy, Upstream, replace, soak_share, wait_until};
use crate::upstream_faults::Scripted;

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

/// Serves about 300 requests a second, of several kinds and over old connections and new ones, while `reloads` are made;
/// `every` so often; returns how many were served. Not one may fail.
fn reload_under_load(reloads: u32, every: Duration) -> usize {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, &limit(1_000_000, ""));
    let done = AtomicBool::new(false);
    let pause = Duration::from_millis(13);
    let served = std::thread::scope(|scope| {
        let traffic: Vec<_> = (0..4)
            .map(|thread| {
                let (proxy, done) = (&proxy, &done);
                scope.spawn(move || {
                    let mut client = proxy.connect();
                    let mut served = 0;
                    while !done.load(Ordering::SeqCst) {
                        if thread % 2 == 1 {
                            client = proxy.connect();
                        }
                        let (method, body) =
                            [("GET", &b""[..]), ("POST", b"{\"a\": 1}")][served % 2];
                        client.request(method, "/", &[("Content-Type", "application/json")], body);
                        let response = client.response();
                        assert_eq!((response.status, response.complete), (200, true));
                        served += 1;
                        std::thread::sleep(pause);
                    }
                    served
                })
            })
            .collect();
        for n in 0..reloads {
            let more = format!(
                "  - user_agent: {{ block: [agent-{n}] }}\nlimits: {{ headers: {} }}\n",
                100 + n
            );
            proxy.reload(&limit(1_000_000 + n, &more)).unwrap();
            std::thread::sleep(every);
        }
        done.store(true, Ordering::SeqCst);
        traffic
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum::<usize>()
    });
    let unanswered = upstream.count() - served;
    assert_eq!(unanswered, 0);
    served
}

#[test]
fn no_request_fails_because_of_a_reload() {
    let served = reload_under_load(20, Duration::from_millis(10));
    assert!(served > 20, "{served}");
}

#[test]
#[ignore = "soak"]
fn soak_no_request_fails_because_of_a_hundred_reloads() {
    let begun = Instant::now();
    let served = reload_under_load(100, Duration::from_millis(100));
    let per_second = served as f64 / begun.elapsed().as_secs_f64();
    println!("100 reloads: {served} requests served, {per_second:.0} a second, 0 failed");
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

// === What a reload leaves behind ===

/// How many policies there are that have a [`Counted`] detection.
static COUNTED: AtomicUsize = AtomicUsize::new(0);

/// Finds nothing, and counts for as long as its policy is there.
#[derive(Debug)]
struct Counted;

impl Drop for Counted {
    fn drop(&mut self) {
        COUNTED.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ThreatDetection for Counted {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }
}

/// No settings.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CountedConfig {}

impl FromConfig for Counted {
    const NAME: &'static str = "counted";
    type Config = CountedConfig;

    fn from_config(_: CountedConfig, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        COUNTED.fetch_add(1, Ordering::SeqCst);
        Ok(Self)
    }
}

/// An upstream whose answers go on for as long as somebody reads them, a little at a time.
fn streaming() -> Scripted {
    Scripted::start(|wire| {
        wire.head()?;
        wire.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        loop {
            wire.send("5\r\nhello\r\n")?;
            std::thread::sleep(Duration::from_millis(500));
        }
    })
}

#[test]
fn a_long_answer_keeps_no_policy() {
    let upstream = streaming();
    let registry = Registry::default().with::<Counted>();
    let yaml = "detections:\n  - counted: {}\n";
    let proxy = Proxy::start_with(upstream.address, yaml, registry);
    let mut streams = Vec::new();
    for n in 0..20 {
        let mut client = proxy.connect();
        client.request("GET", "/", &[], b"");
        assert_eq!(client.head().status, 200);
        streams.push(client);
        proxy.reload(&format!("{yaml}# {n}\n")).unwrap();
        // The policy in force; one that was replaced goes with the last look that somebody takes at it.
        wait_until("the old policy to be freed", || {
            COUNTED.load(Ordering::SeqCst) == 1
        });
    }
    for client in &mut streams {
        client.reader().read_exact(&mut [0; 20]).unwrap();
    }
}

/// Reloads the program as it is run, with long answers open; its memory after that, less that before, in KiB.
fn growth(reloads: usize, streams: usize) -> usize {
    let upstream = streaming();
    let rules = |n: usize| {
        let words = (0..20)
            .map(|word| format!("word-{n}-{word}"))
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "events: {{ log: none }}\ndetections:\n  - user_agent: {{ block: [agent-{n}] }}\n  \
             - rate_limit: {{ limits: [{{ name: client, key: client, limit: {}, per: 1m }}] }}\n  \
             - malicious_payload: {{ patterns: [{{ id: word, words: [{words}] }}] }}\n",
            1000 + n
        )
    };
    let mut program = Program::start_before(upstream.address, &rules(0));
    program.hush();
    let mut clients: Vec<_> = (0..streams)
        .map(|_| Client::connect(program.address()))
        .collect();
    for client in &mut clients {
        client.request("GET", "/", &[], b"");
        assert_eq!(client.head().status, 200);
    }
    let reload = |n: usize| {
        program.write(upstream.address, &rules(n));
        program.signal("HUP");
        // The watch over the file may come first, so there may be more reloads than signals.
        wait_until("the reload", || {
            let mut client = Client::connect(program.address());
            client.request("GET", &format!("/?q=word-{n}-7"), &[], b"");
            client.head().status == 403
        });
    };
    for n in 1..=4 {
        reload(n);
    }
    let before = program.resident();
    for n in 5..5 + reloads {
        reload(n);
    }
    let after = program.resident();
    for client in &mut clients {
        client.reader().read_exact(&mut [0; 20]).unwrap();
    }
    eprintln!(
        "{reloads} reloads with {streams} long answers: {before} KiB before, {after} KiB after"
    );
    drop(clients);
    program.signal("TERM");
    assert_eq!(program.ended().code(), Some(0));
    after.saturating_sub(before)
}

#[test]
fn reloads_leave_memory_flat() {
    let grown = growth(8, 10);
    assert!(grown < 16 * 1024, "{grown} KiB");
}

#[test]
#[ignore = "soak"]
fn soak_a_thousand_reloads_leave_memory_flat() {
    let grown = growth((soak_share() * 1000.0) as usize, 100);
    assert!(grown < 16 * 1024, "{grown} KiB");
}
