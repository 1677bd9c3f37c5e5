//! A detection that fails, in every phase and every way: the policy's `on_error` decides, an event tells of it, the other
//! detections go on judging, and the proxy goes on serving. Run in the release binary, too: what cannot be caught there
//! (an abort instead of unwinding) ends the whole test.

use std::borrow::Cow;

use portcullis::config::{ConfigError, Load};
use portcullis::engine::{
    BodyNeed, Context, DetectionError, Evidence, Finding, FromConfig, Phase, Registry, RuleId,
    ThreatDetection, Verdict, Weight,
};
use portcullis::event::{Decision, EventKind};
use portcullis::request::{BodyView, Place, PlaceKind, RequestView, ResponseView};

use crate::support::{NoSettings, Proxy, Upstream};

/// Fails where and how the path of the request says: `/headers/panic`, `/body/fault`.
#[derive(Debug)]
struct Unreliable;

/// Recognises what the header `X-Attack` names the phase for, so that it shows who is still asked after a failure.
#[derive(Debug)]
struct Later;

const ALL: &[Phase] = &[
    Phase::RequestHeaders,
    Phase::RequestBody,
    Phase::ResponseHeaders,
];

/// Where it fails.
const PLACES: [&str; 4] = ["headers", "body_need", "body", "response"];

/// How, what the event calls it, and what the operator reads. A need has no other way to fail than to panic.
const WAYS: [(&str, EventKind, &str); 4] = [
    ("panic", EventKind::Fault, "panicked: as it was told to"),
    ("words", EventKind::Fault, "panicked: it read password="),
    ("fault", EventKind::Fault, "lost its list"),
    ("exhausted", EventKind::Refused, "the patience of the test"),
];

impl Unreliable {
    fn fail_in(place: &str, request: &RequestView<'_>) -> Result<Verdict, DetectionError> {
        let mut path = request.path().split('/').skip(1);
        if path.next() != Some(place) {
            return Ok(Verdict::Pass);
        }
        match path.next() {
            Some("panic") => panic!("as it was told to"),
            Some("words") => panic!(
                "it read {}\u{1b}[31m{}",
                request.query().unwrap(),
                "x".repeat(10_000)
            ),
            Some("fault") => Err(DetectionError::Fault("lost its list".into())),
            Some("exhausted") => Err(DetectionError::Exhausted("the patience of the test".into())),
            other => panic!("{other:?}"),
        }
    }
}

impl ThreatDetection for Unreliable {
    fn phases(&self) -> &'static [Phase] {
        ALL
    }

    fn body_need(&self, request: &RequestView<'_>, _: &Context<'_>) -> BodyNeed {
        drop(Self::fail_in("body_need", request));
        if request.path().starts_with("/body/") {
            BodyNeed::Whole
        } else {
            BodyNeed::None
        }
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Self::fail_in("headers", request)
    }

    fn on_body(
        &self,
        request: &RequestView<'_>,
        _: &BodyView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Self::fail_in("body", request)
    }

    fn on_response(
        &self,
        request: &RequestView<'_>,
        _: &ResponseView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Self::fail_in("response", request)
    }
}

impl FromConfig for Unreliable {
    const NAME: &'static str = "unreliable";
    type Config = NoSettings;

    fn from_config(_: NoSettings, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        Ok(Self)
    }
}

impl Later {
    fn judge(phase: &str, request: &RequestView<'_>) -> Result<Verdict, DetectionError> {
        let named = request.headers().get("x-attack");
        if named.is_none_or(|named| named != phase) {
            return Ok(Verdict::Pass);
        }
        Ok(Verdict::threat(Finding {
            rule: RuleId::new(phase),
            weight: Weight::Decisive,
            place: Place::value(PlaceKind::Headers, "x-attack"),
            evidence: Evidence::fact(phase),
            message: Cow::Borrowed("The test attacks."),
        }))
    }
}

impl ThreatDetection for Later {
    fn phases(&self) -> &'static [Phase] {
        ALL
    }

    fn body_need(&self, _: &RequestView<'_>, _: &Context<'_>) -> BodyNeed {
        BodyNeed::Whole
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Self::judge("headers", request)
    }

    fn on_body(
        &self,
        request: &RequestView<'_>,
        _: &BodyView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Self::judge("body", request)
    }

    fn on_response(
        &self,
        request: &RequestView<'_>,
        _: &ResponseView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Self::judge("response", request)
    }
}

impl FromConfig for Later {
    const NAME: &'static str = "later";
    type Config = NoSettings;

    fn from_config(_: NoSettings, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        Ok(Self)
    }
}

fn proxy(upstream: &Upstream, policy: &str, detections: &str) -> Proxy {
    let registry = Registry::default().with::<Unreliable>().with::<Later>();
    let yaml = format!("policy: {{ {policy} }}\ndetections:\n{detections}");
    Proxy::start_with(upstream.address, &yaml, registry)
}

/// Every place and way to fail that there is.
fn failures() -> Vec<(&'static str, &'static str, EventKind, &'static str)> {
    let mut all = Vec::new();
    for place in PLACES {
        for (way, kind, said) in WAYS {
            let can_only_panic = place == "body_need";
            if !can_only_panic || way == "panic" || way == "words" {
                all.push((place, way, kind, said));
            }
        }
    }
    assert_eq!(all.len(), 14);
    all
}

const BODY: &[u8] = b"{\"a\": \"\xff not even text\"}";
const SECRET: &str = "password=hunter2";

/// Sends the request that fails so; returns whether it reached the upstream, and as it was sent.
fn send(
    proxy: &Proxy,
    upstream: &Upstream,
    target: &str,
    body: &[u8],
) -> (crate::support::Response, bool) {
    let before = upstream.count();
    let headers = [
        ("Content-Type", "application/json"),
        ("X-Twice", "1"),
        ("X-Twice", " 2"),
    ];
    let response = proxy.request("PUT", target, &headers, body);
    let arrived = upstream.count() > before;
    if arrived {
        let seen = upstream.last();
        assert_eq!(
            (seen.method.as_str(), seen.target.as_str()),
            ("PUT", target)
        );
        assert_eq!(seen.body, body);
        assert_eq!(seen.all("x-twice"), ["1", "2"]);
    }
    (response, arrived)
}

/// The proxy judges and forwards what comes after.
fn assert_serves(proxy: &Proxy) {
    let body = b"{\"after\": true}";
    let response = proxy.post("/after?all=1", "application/json", body);
    assert_eq!(response.status, 200);
}

#[test]
fn a_failing_detection_blocks_where_on_error_says_block() {
    let upstream = Upstream::plain();
    for policy in ["on_error: block", "on_error: allow"] {
        let proxy = proxy(
            &upstream,
            policy,
            "  - unreliable: { on_error: block }\n  - later: {}\n",
        );
        for (place, way, kind, said) in failures() {
            let target = format!("/{place}/{way}?{SECRET}");
            let (response, arrived) = send(&proxy, &upstream, &target, BODY);
            let expected = if way == "exhausted" { 400 } else { 403 };
            assert_eq!(response.status, expected, "{policy} {target}");
            assert_eq!(arrived, place == "response", "{policy} {target}");
            let event = proxy.event(&response.id());
            assert_eq!(
                (event.kind, event.decision, event.status),
                (kind, Decision::Block, Some(expected)),
                "{policy} {target}"
            );
            assert_eq!(event.detection.as_deref(), Some("unreliable"));
            assert!(event.message.contains(said), "{}", event.message);
            assert_serves(&proxy);
        }
    }
}

#[test]
fn a_failing_detection_lets_pass_where_on_error_says_allow() {
    let upstream = Upstream::plain();
    for policy in ["on_error: allow", "on_error: block"] {
        let proxy = proxy(
            &upstream,
            policy,
            "  - unreliable: { on_error: allow }\n  - later: {}\n",
        );
        for (place, way, kind, said) in failures() {
            let target = format!("/{place}/{way}?{SECRET}");
            let (response, arrived) = send(&proxy, &upstream, &target, BODY);
            if way == "exhausted" {
                // The sender chose that; nobody fails open for him.
                assert_eq!(response.status, 400, "{target}");
                continue;
            }
            assert!(arrived, "{target}");
            assert_eq!(response.status, 200, "{target}");
            let id = upstream.last().one("x-request-id").unwrap().to_owned();
            let event = proxy.event(&id);
            assert_eq!(
                (event.kind, event.decision),
                (kind, Decision::Pass),
                "{target}"
            );
            assert_eq!(event.detection.as_deref(), Some("unreliable"));
            assert_eq!(event.rule.as_deref(), Some("fault"));
            assert!(event.message.contains(said), "{}", event.message);
            assert_serves(&proxy);
        }
    }
}

#[test]
fn in_monitor_mode_a_failing_detection_only_tells() {
    let upstream = Upstream::plain();
    let cases = [
        ("mode: monitor, on_error: block", "{}"),
        ("mode: enforce, on_error: block", "{ mode: monitor }"),
        ("mode: monitor, on_error: allow", "{}"),
    ];
    for (policy, own) in cases {
        let detections = format!("  - unreliable: {own}\n  - later: {{}}\n");
        let proxy = proxy(&upstream, policy, &detections);
        for (place, way, kind, said) in failures() {
            let target = format!("/{place}/{way}?{SECRET}");
            let (response, arrived) = send(&proxy, &upstream, &target, BODY);
            assert!(arrived && response.status == 200, "{policy} {target}");
            let id = upstream.last().one("x-request-id").unwrap().to_owned();
            let event = proxy.event(&id);
            let would_block = way == "exhausted" || policy.ends_with("block");
            let decision = if would_block {
                Decision::WouldBlock
            } else {
                Decision::Pass
            };
            assert_eq!(
                (event.kind, event.decision),
                (kind, decision),
                "{policy} {target}"
            );
            assert!(event.message.contains(said), "{}", event.message);
            assert_serves(&proxy);
        }
    }
}

#[test]
fn the_detections_after_a_failing_one_go_on_judging() {
    let upstream = Upstream::plain();
    let proxy = proxy(
        &upstream,
        "on_error: allow",
        "  - unreliable: {}\n  - later: {}\n",
    );
    let phases = ["headers", "body", "response"];
    for place in PLACES {
        // `body_need` is asked between the head and the body.
        let at = phases.iter().position(|phase| *phase == place).unwrap_or(1);
        for phase in &phases[at..] {
            let target = format!("/{place}/panic");
            let headers = [("Content-Type", "text/plain"), ("X-Attack", *phase)];
            let response = proxy.request("POST", &target, &headers, b"text");
            assert_eq!(response.status, 403, "{target} {phase}");
            // What came before the answer was told before; what is told in one event names the failure, too.
            let events: Vec<_> = proxy
                .events()
                .into_iter()
                .filter(|event| event.id.to_string() == response.id())
                .collect();
            let threat = events.last().unwrap();
            assert_eq!(threat.kind, EventKind::Threat, "{target} {phase}");
            assert_eq!(threat.detection.as_deref(), Some("later"));
            let told = events.iter().any(|event| {
                event.kind == EventKind::Fault
                    || event.findings.iter().any(|found| found.rule == "fault")
            });
            assert!(told, "{target} {phase}: {events:#?}");
        }
    }
}

#[test]
fn a_need_that_cannot_be_told_is_a_failure_even_without_a_body() {
    let upstream = Upstream::plain();
    let proxy = proxy(&upstream, "on_error: block", "  - unreliable: {}\n");
    let (response, arrived) = send(&proxy, &upstream, "/body_need/panic", b"");
    assert!(!arrived);
    assert_eq!(response.status, 403);
    assert_eq!(proxy.event(&response.id()).kind, EventKind::Fault);
}

#[test]
fn a_failure_is_told_even_if_a_limit_refuses_afterwards() {
    let upstream = Upstream::plain();
    let proxy = proxy(
        &upstream,
        "on_error: allow } \nlimits: { body: 1KiB",
        "  - unreliable: {}\n  - later: {}\n",
    );
    let (response, arrived) = send(&proxy, &upstream, "/headers/fault", &[b'x'; 2048]);
    assert!(!arrived);
    assert_eq!(response.status, 413);
    let kinds: Vec<_> = proxy
        .events()
        .iter()
        .filter(|event| event.id.to_string() == response.id())
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, [EventKind::Fault, EventKind::Refused]);
}

#[test]
fn what_a_panic_quotes_is_masked_escaped_and_cut() {
    let upstream = Upstream::plain();
    let proxy = proxy(&upstream, "on_error: block", "  - unreliable: {}\n");
    let (response, _) = send(&proxy, &upstream, &format!("/headers/words?{SECRET}"), b"");
    let event = serde_json::to_string(&*proxy.event(&response.id())).unwrap();
    assert!(event.contains("it read password=[masked]"), "{event}");
    assert!(
        !event.contains("hunter2") && !event.contains("\\u001b"),
        "{event}"
    );
    assert!(event.len() < 2000, "{} bytes", event.len());
    assert!(!response.text().contains("panicked"));
}
