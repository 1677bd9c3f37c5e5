//! `policy.ban`, the detection `ban`, `state`, and who may ask the control listener.

use super::{Judge, NOTHING};
use crate::judge::Request;
use crate::support::{Client, Proxy, Upstream};

/// A chain that bans, and refuses the word `malicious` with a score of 5 and `dreadful` with 20.
fn banning(ban: &str) -> Judge {
    Judge::of(&format!(
        "policy: {{ ban: {{ {ban} }} }}\ndetections:\n  - ban: {{}}\n  - user_agent: {{ block: [Arachni] }}\n  \
         - malicious_payload: {{ builtin: false, patterns: [{{ id: word, words: [malicious] }}, \
         {{ id: worse, words: [dreadful], score: 20 }}] }}\n"
    ))
}

fn attack(judge: &Judge, times: usize, second: u64) {
    for _ in 0..times {
        judge.passes_at(&Request::get("/?q=malicious"), second);
    }
}

fn is_banned(judge: &Judge, second: u64) -> bool {
    !judge.passes_at(&Request::get("/"), second)
}

pub fn ban_after() {
    for (after, attacks) in [(2, 2), (5, 5)] {
        let judge = banning(&format!("after: {after}"));
        attack(&judge, attacks - 1, 0);
        assert!(!is_banned(&judge, 0));
        attack(&judge, 1, 0);
        assert!(is_banned(&judge, 0));
    }
    let judge = banning("after: 4");
    judge.passes(&Request::get("/?q=dreadful"));
    assert!(is_banned(&judge, 0), "it weighs four");
}

pub fn ban_within() {
    for (within, banned) in [("1m", false), ("10m", true)] {
        let judge = banning(&format!("within: {within}"));
        for second in [0, 40, 80] {
            attack(&judge, 1, second);
        }
        assert_eq!(is_banned(&judge, 80), banned, "{within}");
    }
}

pub fn ban_for() {
    for (span, banned) in [("1m", false), ("2m", true)] {
        let judge = banning(&format!("for: {span}"));
        attack(&judge, 3, 0);
        assert!(is_banned(&judge, 59));
        assert_eq!(is_banned(&judge, 61), banned, "{span}");
    }
}

pub fn ban_escalate() {
    for (escalate, banned) in [("[1m, 1m]", false), ("[1m, 2m]", true)] {
        let judge = banning(&format!("for: 1h, escalate: {escalate}"));
        attack(&judge, 3, 0);
        assert!(!is_banned(&judge, 60));
        attack(&judge, 3, 60);
        assert!(is_banned(&judge, 119));
        assert_eq!(is_banned(&judge, 121), banned, "{escalate}");
    }
}

pub fn ban_forget() {
    for (forget, banned) in [("1m", false), ("1h", true)] {
        let judge = banning(&format!("escalate: [1m, 10m], forget: {forget}"));
        attack(&judge, 3, 0);
        attack(&judge, 3, 200);
        assert_eq!(is_banned(&judge, 300), banned, "{forget}");
    }
}

pub fn ban_shared() {
    for (shared, banned) in [(5, false), (100, true)] {
        let judge = banning(&format!("escalate: [1m, 10m], shared: {shared}"));
        for agent in 0..20 {
            let request = Request::get("/").header("user-agent", format!("Browser/{agent}"));
            assert!(judge.answered(&request, 200, 0));
        }
        attack(&judge, 3, 0);
        attack(&judge, 3, 100);
        assert_eq!(is_banned(&judge, 200), banned, "{shared}");
    }
}

pub fn ban_ignore() {
    for (ignore, banned) in [("[user_agent]", false), ("[malicious_payload]", true)] {
        let judge = banning(&format!("ignore: {ignore}"));
        for _ in 0..3 {
            judge.passes(&Request::get("/").header("user-agent", "Arachni/1.0"));
        }
        assert_eq!(is_banned(&judge, 0), banned, "{ignore}");
    }
}

pub fn ban_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.txt");
    std::fs::write(&path, "# bad\n192.0.2.0/24\n").unwrap();
    let listed = Judge::new(&format!("ban: {{ files: ['{}'] }}", path.display()));
    assert!(is_banned(&listed, 0));
    assert!(listed.passes(&Request::get("/").from("198.51.100.1")));
    assert!(!is_banned(&Judge::new("ban: {}"), 0));
}

pub fn state_directory() {
    let upstream = Upstream::plain();
    for (directory, made) in [("kept/here", true), ("null", false)] {
        let proxy = Proxy::start(
            &upstream,
            &format!("state: {{ directory: {directory} }}\n{NOTHING}"),
        );
        let ready = proxy.control("/readyz");
        let status = if made { "stored" } else { "memory" };
        let told = format!("\"status\": \"{status}\"");
        assert!(ready.text().contains(&told), "{}", ready.text());
        let folder = proxy.folder.path().join("kept/here");
        assert_eq!(folder.join("state.db").exists(), made);
        assert_eq!(folder.join("control.token").exists(), made);
    }
}

/// The status of a reload that is asked for with a token.
fn reload_with(proxy: &Proxy, token: &str, host: &str) -> u16 {
    let mut client = Client::connect(proxy.control);
    let bearer = format!("Bearer {token}");
    let headers = [("Host", host), ("Authorization", &bearer)];
    client.request("POST", "/api/v1/reload", &headers, b"");
    client.response().status
}

pub fn control_token() {
    let upstream = Upstream::plain();
    let token = "0123456789abcdef";
    let own = Proxy::start(
        &upstream,
        &format!("control: {{ listen: 127.0.0.1:0, token: {token} }}\n{NOTHING}"),
    );
    assert_eq!(reload_with(&own, token, "localhost"), 200);
    assert_eq!(reload_with(&own, "0123456789abcdeg", "localhost"), 401);
    let made = Proxy::start(&upstream, NOTHING);
    assert_eq!(reload_with(&made, token, "localhost"), 401);
    let text = std::fs::read_to_string(made.folder.path().join("state/control.token")).unwrap();
    assert_eq!(reload_with(&made, text.trim(), "localhost"), 200);
    let none = format!("state: {{ directory: null }}\n{NOTHING}");
    assert_eq!(
        reload_with(&Proxy::start(&upstream, &none), token, "localhost"),
        403
    );
}

pub fn control_hosts() {
    let upstream = Upstream::plain();
    for (hosts, status) in [("[gate.internal]", 200), ("[]", 421)] {
        let yaml = format!("control: {{ listen: 127.0.0.1:0, hosts: {hosts} }}\n{NOTHING}");
        let proxy = Proxy::start(&upstream, &yaml);
        let mut client = Client::connect(proxy.control);
        client.request("GET", "/livez", &[("Host", "gate.internal")], b"");
        assert_eq!(client.response().status, status, "{hosts}");
    }
}
