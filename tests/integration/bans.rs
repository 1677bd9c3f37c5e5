//! Bans by the real proxy: who is kept out, what is told of it, what operators may do, and what survives.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use portcullis::event::EventKind;
use serde_json::{Value, json};

use crate::process::Program;
use crate::support::{Client, Proxy, Response, Upstream, wait_until};

/// Bans who is refused three times, as told by a proxy on this machine.
const BANNING: &str = "clients: { trusted_proxies: [127.0.0.1], trusted: [203.0.113.250] }\n\
     policy: { ban: { after: 3, escalate: [15m, 2h] } }\n\
     detections:\n  - ban: {}\n  - rate_limit: { limits: [{ name: client, key: client, limit: 1000, per: 1m }] }\n  \
     - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";

fn send(address: SocketAddr, from: &str, target: &str) -> Response {
    let mut client = Client::connect(address);
    client.request("GET", target, &[("X-Forwarded-For", from)], b"");
    client.response()
}

fn attack(address: SocketAddr, from: &str) {
    for _ in 0..3 {
        assert_eq!(send(address, from, "/?q=malicious").status, 403);
    }
}

/// What the control listener answers, asked with the token in a state directory.
fn operate(control: SocketAddr, state: &Path, method: &str, path: &str, body: &str) -> Response {
    let token = std::fs::read_to_string(state.join("control.token")).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let mut client = Client::connect(control);
    let headers = [("Host", "localhost"), ("Authorization", &bearer)];
    client.request(method, path, &headers, body.as_bytes());
    client.response()
}

/// A18: listed with reason and expiry; let in again after it is lifted.
#[test]
fn an_attacker_is_kept_out_and_listed_until_the_ban_is_lifted() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, BANNING);
    attack(proxy.address, "203.0.113.7");
    let seen = upstream.count();
    let refused = send(proxy.address, "203.0.113.7", "/");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.header("retry-after"), Some("900"));
    assert_eq!(upstream.count(), seen);
    assert_eq!(
        send(proxy.address, "203.0.113.8", "/").status,
        200,
        "another client"
    );

    wait_until("the ban to be told", || {
        proxy
            .events()
            .iter()
            .any(|event| event.kind == EventKind::Ban)
    });
    let told = proxy.events();
    let refusal = told
        .iter()
        .find(|event| event.detection.as_deref() == Some("ban"))
        .expect("an event of the refusal");
    assert_eq!(refusal.rule.as_deref(), Some("banned"));
    let evidence = refusal.evidence.as_ref().unwrap().text.clone();
    assert!(
        evidence.contains("the last by malicious_payload (word)"),
        "{evidence}"
    );
    let ban = told.iter().find_map(|event| event.ban.as_ref()).unwrap();
    assert_eq!(
        (ban.client.as_str(), ban.source.as_str(), ban.level),
        ("203.0.113.7", "policy", 1)
    );

    let list = proxy.control("/api/v1/bans").json();
    let item = &list["items"][0];
    assert_eq!(item["client"], "203.0.113.7");
    assert_eq!(item["hits"], 1);
    assert!(
        item["until"].is_string() && item["reason"].is_string(),
        "{item}"
    );
    assert_eq!(list["next"], Value::Null);

    let state = proxy.folder.path().join("state");
    let lifted = operate(
        proxy.control,
        &state,
        "DELETE",
        "/api/v1/bans/203.0.113.7",
        "",
    );
    assert_eq!(
        (lifted.status, &lifted.json()["stored"]),
        (200, &"on_disk".into())
    );
    assert_eq!(send(proxy.address, "203.0.113.7", "/").status, 200);
    assert_eq!(proxy.control("/api/v1/bans").json()["items"], json!([]));
    let again = operate(
        proxy.control,
        &state,
        "DELETE",
        "/api/v1/bans/203.0.113.7",
        "",
    );
    assert_eq!(again.status, 404);
}

/// A14, and the class of bug that bans the wrong ones: whatever the order of the chain, who is trusted is never banned,
/// counted or refused.
#[test]
fn a_trusted_client_is_never_banned_in_any_order_of_the_chain() {
    let detections = [
        "ban: {}",
        "enumeration: { limit: 1, decoys: [/decoy] }",
        "rate_limit: { limits: [{ name: client, key: client, limit: 4, per: 1h }] }",
        "malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }",
    ];
    let upstream = Upstream::plain();
    for turn in 0..detections.len() {
        let mut chain = detections;
        chain.rotate_left(turn);
        let list: String = chain.iter().map(|item| format!("  - {item}\n")).collect();
        let proxy = Proxy::start(
            &upstream,
            &format!(
                "clients: {{ trusted_proxies: [127.0.0.1], trusted: [203.0.113.250] }}\n\
                 policy: {{ ban: {{ after: 1, ignore: [] }} }}\ndetections:\n{list}"
            ),
        );
        let state = proxy.folder.path().join("state");
        let block = "{\"client\": \"203.0.113.0/24\", \"reason\": \"a test\"}";
        for target in ["/?q=malicious", "/decoy"].repeat(5) {
            assert_eq!(send(proxy.address, "203.0.113.250", target).status, 200);
        }
        let own = "{\"client\": \"203.0.113.250\"}";
        let refused = operate(proxy.control, &state, "POST", "/api/v1/bans", own);
        assert_eq!(refused.status, 409, "{}", refused.text());
        let proxy_itself = operate(
            proxy.control,
            &state,
            "POST",
            "/api/v1/bans",
            "{\"client\": \"127.0.0.1\"}",
        );
        assert_eq!(proxy_itself.status, 409);
        assert_eq!(
            operate(proxy.control, &state, "POST", "/api/v1/bans", block).status,
            201
        );
        assert_eq!(
            send(proxy.address, "203.0.113.250", "/").status,
            200,
            "within a banned block"
        );
        assert_eq!(send(proxy.address, "203.0.113.7", "/").status, 403);
        assert_eq!(send(proxy.address, "198.51.100.7", "/decoy").status, 403);
        assert_eq!(
            send(proxy.address, "198.51.100.7", "/").status,
            403,
            "held by a decoy"
        );
        let bans = proxy.control("/api/v1/bans").json();
        let clients: Vec<_> = bans["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|ban| &ban["client"])
            .collect();
        assert_eq!(clients, ["198.51.100.7", "203.0.113.0/24"], "turn {turn}");
    }
}

#[test]
fn what_monitor_mode_would_have_refused_bans_nobody() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(
        &upstream,
        &BANNING.replace("policy: {", "policy: { mode: monitor,"),
    );
    for _ in 0..10 {
        assert_eq!(
            send(proxy.address, "203.0.113.7", "/?q=malicious").status,
            200
        );
    }
    proxy.reload(BANNING).unwrap();
    assert_eq!(send(proxy.address, "203.0.113.7", "/").status, 200);
    assert_eq!(proxy.control("/api/v1/bans").json()["items"], json!([]));
}

#[test]
fn a_banned_client_fills_no_counter() {
    let upstream = Upstream::plain();
    let yaml = BANNING.replace("limit: 1000", "limit: 5");
    let proxy = Proxy::start(&upstream, &yaml);
    attack(proxy.address, "203.0.113.7");
    for _ in 0..20 {
        assert_eq!(send(proxy.address, "203.0.113.7", "/").status, 403);
    }
    let state = proxy.folder.path().join("state");
    operate(
        proxy.control,
        &state,
        "DELETE",
        "/api/v1/bans/203.0.113.7",
        "",
    );
    // Of its five three were taken by the attacks.
    assert_eq!(send(proxy.address, "203.0.113.7", "/").status, 200);
    assert_eq!(send(proxy.address, "203.0.113.7", "/").status, 200);
    assert_eq!(send(proxy.address, "203.0.113.7", "/").status, 403);
}

// === The control listener ===

#[test]
fn changes_take_the_token_and_each_is_told() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, BANNING);
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let mut client = Client::connect(proxy.control);
        let headers = [&[("Host", "localhost")], headers].concat();
        client.request(method, path, &headers, body.as_bytes());
        client.response()
    };
    let one = "{\"client\": \"192.0.2.1\"}";
    for headers in [
        &[][..],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", "Basic d3Jvbmc6d3Jvbmc=")],
        &[("Authorization", "Bearer")],
    ] {
        for (method, path) in [
            ("POST", "/api/v1/bans"),
            ("DELETE", "/api/v1/bans/192.0.2.1"),
            ("POST", "/api/v1/reload"),
        ] {
            let refused = ask(method, path, headers, one);
            assert_eq!(refused.status, 401, "{method} {path}");
            assert_eq!(
                refused.header("content-type"),
                Some("application/problem+json")
            );
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        }
    }
    assert_eq!(proxy.control("/api/v1/bans").json()["items"], json!([]));
    let token = std::fs::read_to_string(proxy.folder.path().join("state/control.token")).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    let right = ("Authorization", bearer.as_str());
    let foreign = ask(
        "POST",
        "/api/v1/bans",
        &[right, ("Origin", "http://evil.example")],
        one,
    );
    assert_eq!(foreign.status, 403, "a page that knows the token");
    for (body, status) in [
        (one, 201),
        (
            "{\"client\": \"2001:db8::/32\", \"for\": \"2h\", \"reason\": \"noise\"}",
            201,
        ),
        ("{\"client\": \"0.0.0.0/0\"}", 400),
        ("{\"client\": \"somebody\"}", 400),
        ("{\"client\": \"192.0.2.1\", \"for\": \"soon\"}", 400),
        ("{\"client\": \"192.0.2.1\", \"for\": \"0s\"}", 400),
        ("{\"address\": \"192.0.2.1\"}", 400),
        ("not JSON", 400),
        ("", 400),
        (
            "[{\"client\": \"198.51.100.1\"}, {\"client\": \"nonsense\"}]",
            200,
        ),
    ] {
        let answer = ask("POST", "/api/v1/bans", &[right], body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let deeds: Vec<String> = proxy
        .events()
        .iter()
        .filter(|event| event.kind == EventKind::Audit)
        .map(|event| event.message.clone())
        .collect();
    assert_eq!(
        deeds,
        [
            "An operator banned 192.0.2.1.",
            "An operator banned 2001:db8::/32.",
            "An operator banned 1 clients of a list."
        ]
    );
    let reload = ask("POST", "/api/v1/reload", &[right], "");
    assert_eq!(
        (reload.status, reload.json()["revision"].is_string()),
        (200, true)
    );
    proxy.write("policy: { mode: never }\n");
    let reload = ask("POST", "/api/v1/reload", &[right], "");
    assert_eq!(reload.status, 422);
    assert!(reload.json()["detail"].as_str().unwrap().contains("never"));
    assert_eq!(
        ask("PUT", "/api/v1/bans", &[right], "").header("allow"),
        Some("GET, HEAD, POST")
    );
}

#[test]
fn the_list_has_pages_and_the_policy_names_each_route() {
    let upstream = Upstream::plain();
    let yaml = format!(
        "{BANNING}routes:\n  - {{ host: shop.example, path: /api, policy: {{ mode: monitor }} }}\n"
    );
    let proxy = Proxy::start(&upstream, &yaml);
    let state = proxy.folder.path().join("state");
    let orders: Vec<Value> = (1..=25)
        .map(|of| json!({ "client": format!("192.0.2.{of}") }))
        .collect();
    let body = Value::Array(orders).to_string();
    let made = operate(proxy.control, &state, "POST", "/api/v1/bans", &body).json();
    assert_eq!(
        (&made["banned"], &made["stored"]),
        (&25.into(), &"on_disk".into())
    );
    let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let page = proxy
            .control(&format!("/api/v1/bans?limit=10{cursor}"))
            .json();
        for item in page["items"].as_array().unwrap() {
            assert!(seen.insert(item["client"].to_string()));
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    for wrong in ["limit=0", "limit=x", "cursor=x", "page=2"] {
        assert_eq!(
            proxy.control(&format!("/api/v1/bans?{wrong}")).status,
            400,
            "{wrong}"
        );
    }
    let sites = proxy.control("/api/v1/policy").json()["sites"].clone();
    assert_eq!(sites[0]["mode"], "enforce");
    assert_eq!(
        (&sites[1]["host"], &sites[1]["mode"]),
        (&"shop.example".into(), &"monitor".into())
    );
    assert_eq!(
        sites[1]["detections"][0],
        json!({ "name": "ban", "mode": "monitor" })
    );
}

// === What survives ===

fn again(path: &Path) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .arg("run")
        .arg("--config")
        .arg(path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// The bans that an event log tells of: client and level.
fn announced(log: &Path) -> BTreeSet<(String, u64)> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let events = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = events.filter(|event| event["kind"] == "ban");
    told.filter_map(|event| {
        let ban = &event["ban"];
        Some((ban["client"].as_str()?.to_owned(), ban["level"].as_u64()?))
    })
    .collect()
}

#[test]
fn every_ban_that_was_told_of_is_there_after_a_kill_and_goes_on_at_its_level() {
    let upstream = Upstream::plain();
    let mut program = Program::start(
        &upstream,
        &format!("events: {{ log: events.jsonl }}\n{BANNING}"),
    );
    program.hush();
    let (address, path) = (program.address(), program.path().to_owned());
    let log = path.with_file_name("events.jsonl");
    let is_over = Arc::new(AtomicBool::new(false));
    let attackers: Vec<_> = (0..2_u8)
        .map(|of| {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                for client in (1..=250).take_while(|_| !is_over.load(Ordering::SeqCst)) {
                    let from = format!("198.51.{}.{client}", 100 + of);
                    for _ in 0..3 {
                        let Ok(stream) = std::net::TcpStream::connect(address) else {
                            return;
                        };
                        let mut client = Client::from_stream(stream);
                        client.try_send(format!(
                            "GET /?q=malicious HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {from}\r\n\r\n"
                        ));
                        let mut byte = [0];
                        let _ = client.reader().read(&mut byte);
                    }
                }
            })
        })
        .collect();
    wait_until("some bans to be told", || announced(&log).len() >= 20);
    program.signal("KILL");
    program.ended();
    is_over.store(true, Ordering::SeqCst);
    attackers
        .into_iter()
        .for_each(|attacker| attacker.join().unwrap());
    let told = announced(&log);

    let mut second = again(&path);
    wait_until("it to listen again", || {
        std::net::TcpStream::connect(address).is_ok()
    });
    for (client, level) in &told {
        assert_eq!(*level, 1);
        assert_eq!(
            send(address, client, "/").status,
            403,
            "{client} was announced"
        );
    }
    assert_eq!(send(address, "203.0.113.1", "/").status, 200);
    second.kill().unwrap();
    second.wait().unwrap();
}

/// A level that is known from before a restart.
#[test]
fn a_ban_after_a_restart_is_the_next_in_a_row() {
    let upstream = Upstream::plain();
    let yaml = BANNING.replace("escalate: [15m, 2h]", "escalate: [1s, 2h]");
    let mut program = Program::start(
        &upstream,
        &format!("events: {{ log: events.jsonl }}\n{yaml}"),
    );
    program.hush();
    let (address, path) = (program.address(), program.path().to_owned());
    let log = path.with_file_name("events.jsonl");
    attack(address, "203.0.113.7");
    wait_until("the ban to be told", || announced(&log).len() == 1);
    program.signal("KILL");
    program.ended();
    let mut second = again(&path);
    wait_until("it to listen again", || {
        std::net::TcpStream::connect(address).is_ok()
    });
    wait_until("the ban to be over", || {
        send(address, "203.0.113.7", "/").status == 200
    });
    attack(address, "203.0.113.7");
    wait_until("the second ban to be told", || {
        announced(&log).contains(&("203.0.113.7".into(), 2))
    });
    second.kill().unwrap();
    second.wait().unwrap();
}

/// Two processes with one state directory, as while one hands over to the other: each obeys what the other announced.
#[test]
fn two_processes_with_one_state_directory_obey_each_others_bans() {
    let upstream = Upstream::plain();
    let state = tempfile::tempdir().unwrap();
    let yaml = format!(
        "state: {{ directory: '{}' }}\n{BANNING}",
        state.path().display()
    );
    let (one, other) = (
        Proxy::start(&upstream, &yaml),
        Proxy::start(&upstream, &yaml),
    );
    attack(one.address, "203.0.113.7");
    wait_until("the other to know", || {
        send(other.address, "203.0.113.7", "/").status == 403
    });
    let lifted = operate(
        other.control,
        state.path(),
        "DELETE",
        "/api/v1/bans/203.0.113.7",
        "",
    );
    assert_eq!(lifted.status, 200);
    wait_until("the first to know", || {
        send(one.address, "203.0.113.7", "/").status == 200
    });
}

#[test]
fn enumeration_goes_on_counting_after_a_restart() {
    let upstream = Upstream::start(|_| crate::support::json("404 Not Found", "{}"));
    let state = tempfile::tempdir().unwrap();
    let yaml = format!(
        "state: {{ directory: '{}' }}\ndetections:\n  - enumeration: {{ limit: 5, within: 10m }}\n",
        state.path().display()
    );
    let proxy = Proxy::start(&upstream, &yaml);
    for path in 0..4 {
        assert_eq!(proxy.get(&format!("/{path}")).status, 404);
    }
    proxy.stop();
    let proxy = Proxy::start(&upstream, &yaml);
    assert_eq!(proxy.get("/4").status, 404);
    assert_eq!(proxy.get("/5").status, 403, "the sixth");
    assert_eq!(proxy.get("/").status, 403);
}

#[test]
fn a_state_that_cannot_be_used_stops_nothing_and_is_left_as_it_is() {
    let upstream = Upstream::plain();
    let newer = {
        let folder = tempfile::tempdir().unwrap();
        drop(portcullis::store::state::State::open(folder.path()).unwrap());
        let path = folder.path().join("state.db");
        let mut bytes = std::fs::read(&path).unwrap();
        // The header's user_version (SQLite file format, 1.3), big-endian.
        bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
        bytes
    };
    let noise: Vec<u8> = (0..20_000_u32)
        .map(|of| (of.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let mut torn = newer.clone();
    torn[60..64].copy_from_slice(&1_u32.to_be_bytes());
    torn[100..].fill(0xff);
    for (what, bytes) in [("newer", &newer), ("noise", &noise), ("torn", &torn)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        std::fs::write(&path, bytes).unwrap();
        let yaml = format!(
            "state: {{ directory: '{}' }}\n{BANNING}",
            folder.path().display()
        );
        let proxy = Proxy::start(&upstream, &yaml);
        assert_eq!(proxy.get("/").status, 200, "{what}");
        let ready = proxy.control("/readyz");
        assert_eq!(
            (ready.status, &ready.json()["state"]["status"]),
            (200, &"failing".into()),
            "{what}"
        );
        attack(proxy.address, "203.0.113.7");
        assert_eq!(
            send(proxy.address, "203.0.113.7", "/").status,
            403,
            "{what}: in memory"
        );
        wait_until("the ban to be told", || {
            let told = proxy.events();
            told.iter()
                .any(|event| event.message.contains("in memory only"))
        });
        proxy.stop();
        assert_eq!(&std::fs::read(&path).unwrap(), bytes, "{what}");
    }
}

/// A disk that is full, and has room again.
#[test]
fn a_full_disk_stops_nothing_and_what_was_not_stored_is_stored_later() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(folder.path()) else {
        eprintln!("skipped: a small disk cannot be mounted here (that takes root)");
        return;
    };
    let upstream = Upstream::plain();
    let yaml = format!(
        "state: {{ directory: '{}' }}\n{BANNING}",
        folder.path().display()
    );
    let proxy = Proxy::start(&upstream, &yaml);
    attack(proxy.address, "203.0.113.245");
    wait_until("the ban to be stored", || {
        proxy
            .events()
            .iter()
            .any(|event| event.kind == EventKind::Ban)
    });
    let filler = folder.path().join("filler");
    let noise = vec![7_u8; 4096];
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &noise).is_ok() {}
    let status = || proxy.control("/readyz").json()["state"]["status"].clone();
    let mut last = 0;
    wait_until("the disk to be full for the state, too", || {
        last += 1;
        attack(proxy.address, &format!("203.0.113.{}", last % 240));
        status() == "failing"
    });
    assert_eq!(send(proxy.address, "198.51.100.1", "/").status, 200);
    assert!(
        proxy
            .events()
            .iter()
            .any(|event| event.kind == EventKind::State)
    );
    // A ban that was stored, lifted while nothing can be.
    let path = "/api/v1/bans/203.0.113.245";
    let lifted = operate(proxy.control, folder.path(), "DELETE", path, "");
    assert_eq!(lifted.json()["stored"], "failed");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    wait_until("the state to be stored again", || status() == "stored");
    assert_eq!(send(proxy.address, "203.0.113.245", "/").status, 200);
    proxy.stop();
    let other = Proxy::start(&upstream, &yaml);
    assert_eq!(send(other.address, "203.0.113.245", "/").status, 200);
    assert_eq!(
        send(other.address, &format!("203.0.113.{}", last % 240), "/").status,
        403
    );
    other.stop();
}

/// A file system of 256 KiB in memory.
struct SmallDisk<'f>(&'f Path);

impl<'f> SmallDisk<'f> {
    fn mount(at: &'f Path) -> Option<Self> {
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"])
            .arg(at);
        let mounted = command.stderr(Stdio::null()).status().ok()?;
        mounted.success().then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}
