//! `policy`, what all detections have in common, and the lists of addresses and agents.

use portcullis::config::{ConfigError, Load};
use portcullis::engine::{
    Context, DetectionError, FromConfig, Outcome, Phase, Registry, ThreatDetection, Verdict,
};
use portcullis::event::Decision;
use portcullis::request::RequestView;

use super::{Judge, NOTHING, WORD, chain};
use crate::judge::{Request, findings};
use crate::support::{NoSettings, Proxy, Upstream};

/// A detection that fails to judge.
#[derive(Debug)]
struct Failing;

impl ThreatDetection for Failing {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(&self, _: &RequestView<'_>, _: &Context<'_>) -> Result<Verdict, DetectionError> {
        Err(DetectionError::Fault("it fails".into()))
    }
}

impl FromConfig for Failing {
    const NAME: &'static str = "failing";
    type Config = NoSettings;

    fn from_config(_: NoSettings, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        Ok(Self)
    }
}

// === policy ===

pub fn policy_mode() {
    let upstream = Upstream::plain();
    for (mode, status, decision) in [
        ("enforce", 403, Decision::Block),
        ("monitor", 200, Decision::WouldBlock),
    ] {
        let proxy = Proxy::start(&upstream, &format!("policy: {{ mode: {mode} }}\n{WORD}"));
        assert_eq!(proxy.get("/?q=malicious").status, status);
        let told = proxy.events();
        let event = told.iter().find(|event| event.detection.is_some()).unwrap();
        assert_eq!(event.decision, decision);
    }
}

pub fn policy_threshold() {
    let request = Request::get("/?q=malicious");
    for (threshold, passes) in [(5, false), (6, true)] {
        let yaml = format!("policy: {{ threshold: {threshold} }}\n{WORD}");
        assert_eq!(Judge::of(&yaml).passes(&request), passes);
    }
}

/// `low` takes 2 off a score below 5, `high` adds 1 and takes 1 off the threshold; a sure finding is sure at each.
pub fn policy_sensitivity() {
    let request = Request::get("/?q=malicious");
    let judged = |sensitivity: &str, score: u32| {
        let yaml = format!(
            "policy: {{ sensitivity: {sensitivity} }}\n{}",
            chain(&format!(
                "malicious_payload: {{ builtin: false, patterns: [{{ id: word, words: [malicious], score: {score} }}] }}"
            ))
        );
        let evaluation = Judge::of(&yaml).judged(&request, 0);
        (evaluation.permit().is_ok(), evaluation.score().0)
    };
    for (sensitivity, score, passes, counts) in [
        ("low", 5, false, 5),
        ("low", 4, true, 2),
        ("low", 1, true, 0),
        ("medium", 5, false, 5),
        ("medium", 4, true, 4),
        ("high", 5, false, 5),
        ("high", 3, false, 4),
        ("high", 2, true, 3),
    ] {
        assert_eq!(
            judged(sensitivity, score),
            (passes, counts),
            "{sensitivity} {score}"
        );
    }
}

/// A rule that is only watched tells what it finds, and refuses nothing; its neighbours do.
pub fn monitor() {
    let judged = |monitor: &str, target: &str| {
        let judge = Judge::new(&format!(
            "malicious_payload: {{ monitor: [{monitor}], builtin: false, patterns: [{{ id: word.one, words: [malicious] }}, {{ id: other, words: [evil] }}] }}"
        ));
        let evaluation = judge.judged(&Request::get(target), 0);
        let enforced: Vec<bool> = evaluation
            .observations()
            .iter()
            .map(|seen| seen.enforced)
            .collect();
        (evaluation.outcome(), enforced)
    };
    let one = "/?q=malicious";
    assert_eq!(judged("", one), (Outcome::Block, vec![true]));
    for monitor in ["word.one", "word.*", "'*'"] {
        assert_eq!(
            judged(monitor, one),
            (Outcome::WouldBlock, vec![false]),
            "{monitor}"
        );
    }
    assert_eq!(judged("other", one), (Outcome::Block, vec![true]));
    assert_eq!(
        judged("word.one", "/?q=malicious&r=evil"),
        (Outcome::Block, vec![false, true])
    );
}

fn status_of_a_failure(yaml: &str) -> u16 {
    let upstream = Upstream::plain();
    let registry = Registry::default().with::<Failing>();
    let proxy = Proxy::start_with(upstream.address, yaml, registry);
    proxy.get("/").status
}

pub fn policy_on_error() {
    let status = |on_error| {
        status_of_a_failure(&format!(
            "policy: {{ on_error: {on_error} }}\n{}",
            chain("failing")
        ))
    };
    assert_eq!(status("allow"), 200);
    assert!(status("block") >= 400);
}

// === What all detections have in common ===

pub fn order_and_absence() {
    let request = Request::get("/").header("user-agent", "sqlmap/1.8");
    assert!(Judge::of(NOTHING).passes(&request));
    let deny = "ip_allowlist: { deny: [192.0.2.1] }";
    for (chain, first) in [
        (format!("detections: [user_agent, {deny}]\n"), "user_agent"),
        (
            format!("detections: [{deny}, user_agent]\n"),
            "ip_allowlist",
        ),
    ] {
        let evaluation = Judge::of(&chain).judged(&request, 0);
        assert_eq!(findings(&evaluation)[0].0, first);
        assert!(evaluation.permit().is_err());
    }
    // Without the key the default chain holds, and that has the list of attack tools.
    assert!(!Judge::of("").passes(&request));
}

pub fn mode() {
    let request = Request::get("/").header("user-agent", "sqlmap/1.8");
    let passes = |policy: &str, own: &str| {
        let yaml = format!(
            "policy: {{ mode: {policy} }}\n{}",
            chain(&format!("user_agent: {{ {own} }}"))
        );
        Judge::of(&yaml).passes(&request)
    };
    assert!(!passes("enforce", "") && passes("enforce", "mode: monitor"));
    assert!(passes("monitor", "") && !passes("monitor", "mode: enforce"));
}

pub fn status() {
    let upstream = Upstream::plain();
    for (own, status) in [("", 403), ("status: 429", 429), ("status: 404", 404)] {
        let yaml = chain(&format!("user_agent: {{ {own} }}"));
        let proxy = Proxy::start(&upstream, &yaml);
        let refused = proxy.get_with("/", &[("User-Agent", "sqlmap/1.8")]);
        assert_eq!(refused.status, status);
        assert_eq!(proxy.event(&refused.id()).decision, Decision::Block);
    }
}

pub fn on_error() {
    let status = |policy: &str, own: &str| {
        status_of_a_failure(&format!(
            "policy: {{ on_error: {policy} }}\n{}",
            chain(&format!("failing: {{ on_error: {own} }}"))
        ))
    };
    assert_eq!(status("block", "allow"), 200);
    assert!(status("allow", "block") >= 400);
}

// === ip_allowlist ===

const HERE: &str = "192.0.2.1";

fn address_passes(settings: &str) -> bool {
    Judge::new(&format!("ip_allowlist: {{ {settings} }}")).passes(&Request::get("/").from(HERE))
}

pub fn allowed_addresses() {
    assert!(address_passes("allow: []"));
    assert!(address_passes("allow: [192.0.2.0/24]"));
    assert!(!address_passes("allow: [198.51.100.0/24]"));
}

pub fn denied_addresses() {
    assert!(address_passes("deny: []"));
    assert!(!address_passes("deny: [192.0.2.0/24]"));
    assert!(!address_passes("allow: [192.0.2.1], deny: [192.0.2.1]"));
}

/// Two lists: one with our address, one without.
fn lists() -> (tempfile::TempDir, [String; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let paths = [
        ("with", "192.0.2.0/24 # here\n"),
        ("without", "198.51.100.7\n"),
    ];
    let paths = paths.map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    });
    (folder, paths)
}

pub fn files() {
    let (_folder, [with, without]) = lists();
    assert!(!address_passes(&format!("files: ['{with}']")));
    assert!(address_passes(&format!("files: ['{without}']")));
}

pub fn file_path() {
    let (_folder, [with, without]) = lists();
    assert!(!address_passes(&format!("files: [{{ path: '{with}' }}]")));
    assert!(address_passes(&format!("files: [{{ path: '{without}' }}]")));
}

pub fn file_as() {
    let (_folder, [with, without]) = lists();
    let passes = |path: &str, list: &str| {
        address_passes(&format!("files: [{{ path: '{path}', as: {list} }}]"))
    };
    assert!(passes(&with, "allow") && !passes(&with, "deny"));
    assert!(!passes(&without, "allow") && passes(&without, "deny"));
}

// === user_agent ===

fn agent_passes(settings: &str, agent: Option<&str>) -> bool {
    let request = Request::get("/");
    let request = match agent {
        Some(agent) => request.header("user-agent", agent),
        None => request,
    };
    Judge::new(&format!("user_agent: {{ {settings} }}")).passes(&request)
}

pub fn blocked_agents() {
    let (sqlmap, crawler) = (Some("sqlmap/1.8"), Some("Crawler/2.0"));
    assert!(!agent_passes("", sqlmap) && agent_passes("", crawler));
    // A list of one's own replaces the shipped one.
    for own in ["block: [crawler]", "block: ['/^Craw.*0$/']"] {
        assert!(agent_passes(own, sqlmap) && !agent_passes(own, crawler));
    }
}

pub fn allowed_agents() {
    let agent = Some("sqlmap/1.8 (our testers)");
    assert!(!agent_passes("allow: []", agent));
    assert!(agent_passes("allow: [our testers]", agent));
}

pub fn missing_agent() {
    assert!(agent_passes("missing: allow", None));
    assert!(!agent_passes("missing: block", None));
    assert!(agent_passes("missing: block", Some("curl/8.5.0")));
}
