//! What holds for every request, whatever it is made of.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::StatusCode;
use portcullis::clients::{BanOrder, BanSource, Cause, Clients, Facts};
use portcullis::config::{ConfigError, Load};
use portcullis::engine::patterns::PatternSet;
use portcullis::engine::policy::Revision;
use portcullis::engine::{
    BodyNeed, Chain, Context, DetectionError, Evidence, Finding, FromConfig, Link, Mode, Outcome,
    Phase, Policy, PolicyConfig, Registry, RuleId, Score, ThreatDetection, Verdict, Weight,
};
use portcullis::event::secrets::presentable;
use portcullis::request::{BodyView, DecodeStep, Inputs, Place, PlaceKind, RequestView, Standing};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use crate::judge::{Request, findings, policy};
use crate::support::{NoSettings, Proxy, Upstream, wait_until};

// === Requests ===

/// What attacks are made of, and what parsers stumble over.
const PIECES: &[&str] = &[
    "<script>",
    "</script>",
    "javascript:",
    "onerror=",
    "<svg/onload=",
    "' or '1'='1",
    "\" or 1=1--",
    " union select ",
    "union/**/select",
    "; drop table users",
    "sleep(5)",
    "../",
    "..\\",
    "/etc/passwd",
    "%00",
    "%",
    "%2",
    "%zz",
    "%u003c",
    "%252e",
    "%c0%ae",
    "&lt;",
    "&#60;",
    "&#x3c;",
    "&nGg;",
    "\\u003c",
    "\\x3c",
    "\\ud83d\\ude00",
    "\\ud83d",
    "$(id)",
    "`id`",
    "|cat ",
    "&&",
    "${jndi:",
    "{{7*7}}",
    "+",
    " ",
    "&",
    "=",
    ";",
    "\"",
    "'",
    "\\",
    "[",
    "]",
    "{",
    "}",
    ":",
    ",",
    "\r\n",
    "\n",
    "\t",
    "\0",
    "é",
    "😀",
    "\u{202e}",
    "\u{feff}",
    "password",
    "token=",
    "hunter2",
    "a",
    "1",
    "null",
    "true",
    "-1e999",
];

/// Bytes that no text has.
const ODD: &[&[u8]] = &[
    b"\xff",
    b"\xc0\xae",
    b"\xe0\x80\xaf",
    b"\xf0\x9f\x98",
    b"\x80",
    b"\xff\xfe<\0",
    b"\x1b[31m",
];

/// Some bytes, perhaps written in one of the ways that decoders undo.
fn piece() -> BoxedStrategy<Vec<u8>> {
    let plain = prop_oneof![
        4 => select(PIECES).prop_map(|text| text.as_bytes().to_vec()),
        2 => "[a-zA-Z0-9 ]{0,6}".prop_map(String::into_bytes),
        1 => select(ODD).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..6),
    ];
    (plain, 0..8_u8)
        .prop_map(|(bytes, way)| match way {
            0 => each(&bytes, |byte| format!("%{byte:02x}")),
            1 => each(&bytes, |byte| format!("%25{byte:02X}")),
            2 => each(&bytes, |byte| format!("&#{byte};")),
            3 => each(&bytes, |byte| format!("\\u{byte:04x}")),
            4 => each(&bytes, |byte| format!("%u{byte:04x}")),
            5 => bytes.to_ascii_uppercase(),
            _ => bytes,
        })
        .boxed()
}

fn each(bytes: &[u8], write: impl Fn(u8) -> String) -> Vec<u8> {
    bytes
        .iter()
        .map(|&byte| write(byte))
        .collect::<String>()
        .into_bytes()
}

fn text() -> BoxedStrategy<Vec<u8>> {
    vec(piece(), 0..5)
        .prop_map(|pieces| pieces.concat())
        .boxed()
}

fn target() -> impl Strategy<Value = String> {
    let path = prop_oneof![6 => text(), 1 => Just(b"decoy".to_vec())];
    let pair = prop_oneof![2 => text().boxed(), 3 => (text(), text()).prop_map(|(key, value)| [key, value].join(&b"="[..])).boxed()];
    let query = option::of(vec(pair, 0..4).prop_map(|pairs| pairs.join(&b"&"[..])));
    (path, query).prop_map(|(path, query)| {
        let mut target = vec![b'/'];
        target.extend(path.iter().filter(|byte| **byte != b'?'));
        if let Some(query) = query {
            target.push(b'?');
            target.extend(query);
        }
        String::from_utf8_lossy(&target).into_owned()
    })
}

fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    const NAMES: [&str; 9] = [
        "x-any",
        "cookie",
        "referer",
        "user-agent",
        "authorization",
        "x-forwarded-for",
        "accept",
        "content-encoding",
        "x-api-key",
    ];
    let value = prop_oneof![8 => text(), 1 => Just(b"sqlmap/1.8".to_vec()), 1 => Just(Vec::new())];
    (select(&NAMES[..]), value).prop_map(|(name, mut value)| {
        let forbidden = |byte: u8| byte != b'\t' && (byte < b' ' || byte == 0x7f);
        value.retain(|&byte| !forbidden(byte));
        (name, value)
    })
}

fn json() -> impl Strategy<Value = Vec<u8>> {
    let string = text()
        .prop_map(|text| serde_json::to_vec(&String::from_utf8_lossy(&text)).expect("a string"));
    let leaf = prop_oneof![
        3 => string.clone(),
        1 => text(),
        1 => text().prop_map(|text| [b"\"", &*text, b"\""].concat()),
        1 => Just(b"-1.5e3".to_vec()),
    ];
    leaf.prop_recursive(5, 24, 4, move |inner| {
        let member =
            (string.clone(), inner.clone()).prop_map(|(key, value)| [key, value].join(&b":"[..]));
        prop_oneof![
            vec(inner, 0..4).prop_map(|items| [b"[", &*items.join(&b","[..]), b"]"].concat()),
            vec(member, 0..4).prop_map(|members| [b"{", &*members.join(&b", "[..]), b"}"].concat()),
        ]
    })
}

fn multipart() -> impl Strategy<Value = Vec<u8>> {
    let part = (text(), option::of(text()), option::of(text()), text()).prop_map(
        |(name, file, kind, value)| {
            let mut part = b"--x\r\nContent-Disposition: form-data; name=\"".to_vec();
            part.extend(name);
            part.push(b'"');
            if let Some(file) = file {
                part.extend([b"; filename=\"", &*file, b"\""].concat());
            }
            if let Some(kind) = kind {
                part.extend([b"\r\nContent-Type: ", &*kind].concat());
            }
            part.extend([b"\r\n\r\n", &*value, b"\r\n"].concat());
            part
        },
    );
    vec(part, 0..4).prop_map(|parts| [&*parts.concat(), b"--x--\r\n"].concat())
}

fn form() -> impl Strategy<Value = Vec<u8>> {
    let pair = (text(), text()).prop_map(|(key, value)| [key, value].join(&b"="[..]));
    vec(pair, 0..5).prop_map(|pairs| pairs.join(&b"&"[..]))
}

fn utf16() -> impl Strategy<Value = Vec<u8>> {
    text().prop_map(|text| {
        let text = String::from_utf8_lossy(&text).into_owned();
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    })
}

fn body() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    const TYPES: [&str; 8] = [
        "application/x-www-form-urlencoded",
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/octet-stream",
        "image/png",
        "application/json; charset=utf-16",
        "multipart/mixed; boundary=\"x",
    ];
    let bytes = prop_oneof![
        form().boxed(),
        json().boxed(),
        multipart().boxed(),
        text(),
        utf16().boxed(),
        vec(any::<u8>(), 0..64).boxed(),
    ];
    // A body that is cut off, or has an odd byte somewhere.
    (
        bytes,
        select(&TYPES[..]),
        option::weighted(0.2, any::<prop::sample::Index>()),
        option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>())),
    )
        .prop_map(|(mut bytes, kind, cut, odd)| {
            if let Some((at, odd)) = odd.filter(|_| !bytes.is_empty()) {
                let at = at.index(bytes.len());
                bytes[at] = odd;
            }
            if let Some(cut) = cut.filter(|_| !bytes.is_empty()) {
                bytes.truncate(cut.index(bytes.len()));
            }
            (kind, bytes)
        })
}

fn request() -> impl Strategy<Value = Request> {
    let clients = select(&["192.0.2.1", "198.51.100.7", "2001:db8::1"][..]);
    (target(), vec(header(), 0..4), option::of(body()), clients).prop_map(
        |(target, headers, body, client)| {
            let mut request = Request::get(&target).from(client);
            request.headers = headers;
            match body {
                Some((kind, bytes)) => request.body(kind, bytes),
                None => request,
            }
        },
    )
}

// === Detections ===

/// Reports every match of a few patterns in every form of every value, with the matched bytes in its message.
#[derive(Debug)]
struct Probe(PatternSet);

impl Probe {
    fn scan(&self, inputs: Inputs<'_>) -> Verdict {
        let mut found = Vec::new();
        for input in inputs {
            for form in input.forms() {
                self.0.find(form.text, |index, range| {
                    let matched = &form.text[range.clone()];
                    let origin = input.origin_of(&form, range);
                    found.push(Finding {
                        rule: RuleId::new(&format!("pattern_{index}")),
                        weight: Weight::Score(Score(1)),
                        evidence: Evidence::bytes(
                            &input.place(),
                            matched,
                            origin,
                            form.steps.to_vec(),
                        ),
                        place: input.place().into_owned(),
                        message: Cow::Owned(
                            each(matched, |byte| format!("{byte:02x}"))
                                .escape_ascii()
                                .to_string(),
                        ),
                    });
                });
            }
        }
        if found.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Threat(found)
        }
    }
}

impl ThreatDetection for Probe {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders, Phase::RequestBody]
    }

    fn body_need(&self, _: &RequestView<'_>, _: &Context<'_>) -> BodyNeed {
        BodyNeed::Whole
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Ok(self.scan(request.inputs()))
    }

    fn on_body(
        &self,
        _: &RequestView<'_>,
        body: &BodyView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        Ok(self.scan(body.inputs()))
    }
}

impl FromConfig for Probe {
    const NAME: &'static str = "probe";
    type Config = NoSettings;

    fn from_config(_: NoSettings, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let mut set = PatternSet::builder();
        let patterns: [(&[&str], &[&str]); 5] = [
            (&["<script>", "../"], &[]),
            (&["union"], &[]),
            (&[], &[r"(?i)'\s*or\s*'1", r"hunter\d"]),
            (&[], &[r"(?s-u)[a-z]{3,}.{0,3}"]),
            (&["é", "\u{202e}"], &[r"(?-u)[\x80-\xff]"]),
        ];
        for (words, regexes) in patterns {
            set.add(words.iter().copied(), regexes.iter().copied())
                .expect("regular expressions");
        }
        Ok(Self(set.build().expect("a set")))
    }
}

/// A finding of this score in every request.
#[derive(Debug)]
struct Scoring(u32);

impl ThreatDetection for Scoring {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(&self, _: &RequestView<'_>, _: &Context<'_>) -> Result<Verdict, DetectionError> {
        Ok(Verdict::threat(Finding {
            rule: RuleId::new("always"),
            weight: Weight::Score(Score(self.0)),
            place: Place::value(PlaceKind::Path, ""),
            evidence: Evidence::fact("always"),
            message: Cow::Borrowed("Always."),
        }))
    }
}

fn registry() -> Registry {
    Registry::default().with::<Probe>()
}

/// Every registered detection, set so that it refuses what it is about at once.
fn section(name: &str) -> &'static str {
    match name {
        "ip_allowlist" => "deny: [198.51.100.0/24]",
        "rate_limit" => "limits: [{ name: once, key: global, limit: 1, per: 1h }]",
        "enumeration" => "decoys: [/decoy]",
        "weak_encryption" => "unencrypted: block",
        _ => "",
    }
}

fn names() -> Vec<&'static str> {
    registry()
        .entries()
        .iter()
        .map(|entry| entry.name)
        .collect()
}

/// A chain of these detections, those in `monitored` in monitor mode.
fn chain(names: &[&str], monitored: &[&str], mode: &str) -> Arc<Policy> {
    let mut yaml = format!("policy: {{ mode: {mode} }}\ndetections:");
    if names.is_empty() {
        yaml.push_str(" []");
    }
    for name in names {
        let mode = if monitored.contains(name) {
            "mode: monitor, "
        } else {
            ""
        };
        yaml.push_str(&format!("\n  - {name}: {{ {mode}{} }}", section(name)));
    }
    policy(&yaml, &registry())
}

fn now() -> Instant {
    Instant::now()
}

/// Undoes percent and plus encoding the slow and simple way.
fn form_decoded(bytes: &[u8], plus: bool) -> Vec<u8> {
    let hex = |at: usize| {
        bytes
            .get(at)
            .and_then(|byte| char::from(*byte).to_digit(16))
    };
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).expect("a byte"));
                at += 2;
            }
            (b'+', ..) if plus => out.push(b' '),
            _ => out.push(byte),
        }
        at += 1;
    }
    out
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .map(|digit| digit.to_digit(16).expect("hex"))
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("a byte"))
        .collect()
}

// === Properties ===

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_comes_is_judged_and_every_finding_leads_back_to_its_bytes(request in request()) {
        static ALL: LazyLock<Arc<Policy>> = LazyLock::new(|| chain(&names(), &[], "monitor"));
        let evaluation = request.judged(&ALL, &Clients::scratch(), now());
        request.seen(|request, body| {
            let _ = (request.ambiguities(), body.map(BodyView::ambiguities));
        });
        // `findings` fails on a caught panic.
        for (detection, finding) in findings(&evaluation) {
            let evidence = &finding.evidence;
            let Some(origin) = &evidence.origin else { continue };
            let slice = request.slice(origin);
            prop_assert!(slice.is_some(), "{detection}: {origin:?} is not in {request:?}");
            let slice = slice.unwrap_or_default();
            let masked = format!("[masked, {} bytes]", slice.len());
            if evidence.steps.is_empty() {
                let shown = presentable(&slice, Evidence::MAX_BYTES);
                prop_assert!(evidence.text == shown || evidence.text == masked || evidence.text.contains("[masked]"), "{evidence:?} of {shown:?}");
            }
            if detection == Probe::NAME {
                let matched = unhex(&finding.message);
                prop_assert!(!slice.is_empty(), "{evidence:?}");
                let plus = evidence.steps.contains(&DecodeStep::Plus);
                match evidence.steps.as_slice() {
                    [] => prop_assert_eq!(&slice, &matched),
                    [DecodeStep::Percent] | [DecodeStep::Plus] | [DecodeStep::Plus, DecodeStep::Percent] => {
                        prop_assert_eq!(form_decoded(&slice, plus), matched, "{:?} of {:?}", evidence, &slice);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn monitor_mode_never_blocks_and_says_what_enforce_mode_would(request in request()) {
        static POLICIES: LazyLock<[Arc<Policy>; 3]> = LazyLock::new(|| {
            let names = names();
            [chain(&names, &[], "enforce"), chain(&names, &[], "monitor"), chain(&names, &names, "enforce")]
        });
        let [outcomes, again] = POLICIES.each_ref().map(|policy| {
            // The second time, the limit of one request is used up.
            let (facts, now) = (Clients::scratch(), now());
            [(); 2].map(|()| {
                let evaluation = request.judged(policy, &facts, now);
                (evaluation.outcome(), evaluation.permit().is_err())
            })
        }).into_iter().fold([Vec::new(), Vec::new()], |[mut first, mut second], [one, two]| {
            first.push(one);
            second.push(two);
            [first, second]
        });
        for outcomes in [&outcomes, &again] {
            let (enforced, refused) = outcomes[0];
            let expected = match enforced {
                Outcome::Block => Outcome::WouldBlock,
                other => other,
            };
            prop_assert_eq!(refused, enforced == Outcome::Block);
            prop_assert_ne!(enforced, Outcome::WouldBlock);
            prop_assert_eq!(&outcomes[1..], &[(expected, false); 2]);
        }
        prop_assert_eq!(again[0].0, Outcome::Block);
    }

    #[test]
    fn a_detection_in_monitor_mode_refuses_as_if_it_were_not_there(
        request in request(), monitored in subsequence(names(), 0..=names().len()),
    ) {
        let all = names();
        let without: Vec<&str> = all.iter().copied().filter(|name| !monitored.contains(name)).collect();
        let blocked_by = |policy: &Arc<Policy>| {
            let evaluation = request.judged(policy, &Clients::scratch(), now());
            evaluation.permit().err().map(|block| block.detection.to_string())
        };
        let with = blocked_by(&chain(&all, &monitored, "enforce"));
        prop_assert!(with.as_deref().is_none_or(|name| !monitored.contains(&name)));
        prop_assert_eq!(with, blocked_by(&chain(&without, &[], "enforce")));
    }

    #[test]
    fn scores_add_up_over_detections_to_the_threshold_exactly(scores in vec(1..9_u32, 1..7), less in 0..3_u32) {
        let total: u32 = scores.iter().sum();
        let links = || scores.iter().enumerate().map(|(index, &score)| Link {
            name: format!("scoring_{index}").into(),
            mode: None,
            on_error: None,
            monitor: Vec::new(),
            status: StatusCode::FORBIDDEN,
            detection: Box::new(Scoring(score)),
        }).collect();
        let judged = |threshold| {
            let config = PolicyConfig { threshold: Score(threshold), mode: Mode::Enforce, ..PolicyConfig::default() };
            let policy = Arc::new(Policy::new(Revision::default(), &config, Arc::new(Chain::new(links()))));
            Request::get("/").judged(&policy, &Clients::scratch(), now())
        };
        let threshold = total.saturating_sub(less).max(1);
        let reached = judged(threshold);
        let mut sum = 0;
        let first = scores.iter().position(|score| { sum += score; sum >= threshold });
        let expected = first.map(|index| format!("scoring_{index}"));
        prop_assert_eq!(reached.outcome(), Outcome::Block);
        prop_assert_eq!(reached.permit().err().map(|block| block.detection.to_string()), expected);
        prop_assert_eq!(reached.score(), Score(sum));
        let missed = judged(total + 1);
        prop_assert_eq!((missed.outcome(), missed.score()), (Outcome::Pass, Score(total)));
    }
}

/// A request that every detection refuses, once the limit is used up.
fn refused_by_all() -> Request {
    Request::get("/decoy?q=<script>alert(1)</script>' union select password from users--")
        .header("user-agent", "sqlmap/1.8")
        .from("198.51.100.7")
}

/// The detections that come with portcullis and refuse by themselves.
fn refusing() -> Vec<&'static str> {
    let names: Vec<_> = names()
        .into_iter()
        .filter(|name| *name != Probe::NAME)
        .collect();
    assert!(names.len() >= 4, "{names:?}");
    names
}

/// Facts under which the limit of one request is used up, and the client of that request is banned.
fn used_up() -> Clients {
    let facts = Clients::scratch();
    let cause = Cause {
        source: BanSource::Operator,
        detection: None,
        reason: "a test".into(),
    };
    let order = BanOrder {
        cause: Arc::new(cause),
        span: None,
    };
    let client = "198.51.100.7/32".parse().unwrap();
    facts.ban_block(client, &order, now()).unwrap();
    let limit = chain(&["rate_limit"], &[], "enforce");
    assert_eq!(
        Request::get("/").judged(&limit, &facts, now()).outcome(),
        Outcome::Pass
    );
    facts
}

#[test]
fn the_first_of_two_refusing_detections_in_the_list_is_the_one_that_refuses() {
    let names = refusing();
    let mut pairs = 0;
    for first in &names {
        let alone = refused_by_all().judged(&chain(&[first], &[], "enforce"), &used_up(), now());
        assert_eq!(alone.outcome(), Outcome::Block, "{first}");
        for second in names.iter().filter(|second| *second != first) {
            let evaluation = refused_by_all().judged(
                &chain(&[first, second], &[], "enforce"),
                &used_up(),
                now(),
            );
            assert_eq!(
                &*evaluation.permit().unwrap_err().detection,
                *first,
                "{first}, {second}"
            );
            pairs += 1;
        }
    }
    assert_eq!(pairs, names.len() * (names.len() - 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_list_is_the_order_of_evaluation_and_nobody_trusted_meets_it(
        order in Just(refusing()).prop_shuffle(),
    ) {
        let policy = chain(&order, &[], "enforce");
        let evaluation = refused_by_all().judged(&policy, &used_up(), now());
        let block = evaluation.permit().unwrap_err();
        prop_assert_eq!(&*block.detection, order[0]);
        let monitored = chain(&order, &[], "monitor");
        let asked = refused_by_all().judged(&monitored, &used_up(), now());
        let mut seen: Vec<String> = findings(&asked).iter().map(|(name, _)| (*name).to_owned()).collect();
        seen.dedup();
        prop_assert_eq!(&seen, &order);

        let facts = used_up();
        let before = facts.statistics();
        let trusted = refused_by_all().standing(Standing::Trusted).judged(&policy, &facts, now());
        prop_assert_eq!(trusted.outcome(), Outcome::Exempt);
        prop_assert!(trusted.permit().is_ok() && trusted.observations().is_empty());
        prop_assert_eq!(facts.statistics(), before);
    }
}

#[test]
fn a_thousand_judgements_on_scratch_facts_leave_no_trace() {
    let policy = chain(&refusing(), &refusing()[..4], "enforce");
    let now = now();
    let visitor = Request::get("/decoy").from("192.0.2.99");
    let other = Request::get("/?q=../../etc/passwd").header("user-agent", "sqlmap");
    // What is decided, and what is remembered of it.
    let judge = |facts: &Clients| {
        let outcomes = [&visitor, &other].map(|request| {
            let evaluation = request.judged(&policy, facts, now);
            (evaluation.outcome(), evaluation.observations().len())
        });
        let banned = visitor.seen(|request, _| facts.banned(request.client(), now));
        (outcomes, facts.statistics(), banned)
    };
    let live = Clients::scratch();
    let before = live.statistics();
    let first = judge(&Clients::scratch());
    assert_ne!(first.1, before, "nothing is remembered at all");
    assert!(first.2.is_some());
    for number in 0..1000 {
        // Neither in the policy nor anywhere else: each time is the first time.
        assert_eq!(judge(&Clients::scratch()), first, "{number}");
        assert_eq!(live.statistics(), before, "{number}");
    }
    assert_eq!(judge(&live), first);
    // The same facts twice are another matter.
    assert_ne!(judge(&live), first);
}

#[test]
fn explain_leaves_no_trace_in_a_proxy_that_runs() {
    let upstream = Upstream::plain();
    let proxy = Proxy::start(&upstream, "detections: [user_agent, rate_limit]\n");
    let clients = || proxy.control("/readyz").json()["clients"].clone();
    assert_eq!(proxy.get("/").status, 200);
    let (before, told) = (clients(), proxy.events().len());
    assert_eq!(before["rates"]["entries"], 1);
    for _ in 0..3 {
        let explained = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["explain", "--target", "/", "--header", "User-Agent: sqlmap"])
            .arg("--config")
            .arg(proxy.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&explained.stdout).into_owned();
        assert!(text.contains("user_agent"), "{text}");
    }
    assert_eq!((clients(), proxy.events().len()), (before, told));
    assert_eq!(upstream.count(), 1);
    // The same over the wire is told.
    assert_eq!(
        proxy.get_with("/", &[("User-Agent", "sqlmap/1.8")]).status,
        403
    );
    wait_until("the event", || proxy.events().len() > told);
}
