use std::path::Path;

use super::*;
use crate::config::load::Shared;
use crate::detections::fixtures::{
    self, Sent, detection, findings, judge, judge_canary, judge_with, mistakes, policy,
};
use crate::engine::{Outcome, Policy};

/// The rules and places that are found in a request, in order.
fn found(yaml: &str, sent: &Sent<'_>) -> Vec<String> {
    let policy = policy(detection::<MaliciousPayload>(yaml));
    let evaluation = judge(&policy, sent);
    findings(&evaluation)
        .iter()
        .map(|finding| format!("{} {}", finding.rule, finding.place))
        .collect()
}

fn with_header<'a>(headers: &'a [(&'static str, &'a str)]) -> Sent<'a> {
    Sent {
        headers,
        ..Sent::default()
    }
}

#[test]
fn a_rule_is_found_once_in_the_head_at_its_first_place() {
    let yaml = "{ builtin: false, patterns: [{ id: w, words: [evil] }] }";
    let headers = [("x-a", "fine"), ("x-b", "EVIL evil"), ("x-c", "evil")];
    assert_eq!(found(yaml, &with_header(&headers)), ["w headers.x-b"]);
}

#[test]
fn a_header_that_comes_again_is_judged_again_where_it_matters() {
    let policy = policy(detection::<MaliciousPayload>(
        "{ builtin: false, patterns: [{ id: a, words: [evil] }, { id: b, words: [bad], places: [path] }],
           exclusions: [{ rule: a, path: /wiki }] }",
    ));
    let sent = |target, headers| Sent {
        target,
        headers,
        ..Sent::default()
    };
    let agents = [
        [("user-agent", "an agent, evil")],
        [("user-agent", "an agent, bad")],
    ];
    for _ in 0..3 {
        // Excluded here is not harmless everywhere, and harmless in a header is not harmless in a path.
        for (target, agent, outcome) in [
            ("/wiki", &agents[0], Outcome::Pass),
            ("/", &agents[0], Outcome::Block),
            ("/", &agents[1], Outcome::Pass),
            ("/an agent, bad", &agents[1], Outcome::Block),
        ] {
            let evaluation = judge(&policy, &sent(target, agent));
            assert_eq!(evaluation.outcome(), outcome, "{target} {agent:?}");
        }
    }
}

#[test]
fn scores_of_different_rules_add_up_to_the_threshold() {
    let yaml = "{ builtin: false, patterns: [
        { id: a, words: [aaa], score: 3 }, { id: b, regexes: ['b{3}'], score: 2 }] }";
    let policy = policy(detection::<MaliciousPayload>(yaml));
    for (value, outcome) in [
        ("aaa", Outcome::Pass),
        ("aaa aaa", Outcome::Pass),
        ("bbb", Outcome::Pass),
        ("aaa bbb", Outcome::Block),
    ] {
        let headers = [("x-a", value)];
        assert_eq!(
            judge(&policy, &with_header(&headers)).outcome(),
            outcome,
            "{value}"
        );
    }
}

#[test]
fn the_evidence_slices_the_raw_request() {
    let policy = policy(detection::<MaliciousPayload>(
        "{ builtin: false, patterns: [{ id: a, words: [evil], message: Found. }] }",
    ));
    let headers = [("x-a", "so EviL it is")];
    let evaluation = judge(&policy, &with_header(&headers));
    let all = findings(&evaluation);
    let finding = all.first().expect("a finding");
    let origin = finding.evidence.origin.clone().expect("an origin");
    assert_eq!(finding.evidence.text, "EviL");
    assert_eq!(origin.range, 3..7);
    assert_eq!(finding.message, "Found.");
}

/// A text of a document that is itself a value, and a segment in the middle of a path, are judged as values; the evidence
/// slices what was sent.
#[test]
fn values_within_values_are_judged_by_themselves() {
    let yaml = "{}";
    let body = r#"{"payload":"{\"to\":\"http://169.254.169.254/latest\",\"n\":1}"}"#;
    let json = |body: &'static str| Sent {
        headers: &[("content-type", "application/json")],
        body: Some(body),
        ..Sent::default()
    };
    let policy = policy(detection::<MaliciousPayload>(yaml));
    let evaluation = judge(&policy, &json(body));
    let all = findings(&evaluation);
    let finding = all.first().expect("a finding");
    assert_eq!(
        finding.rule.as_str(),
        "server_side_request_forgery.cloud_metadata"
    );
    let range = finding.evidence.origin.clone().expect("an origin").range;
    assert_eq!(body.get(range), Some("http://169.254.169.254"));
    let innocent = r#"{"payload":"{\"to\":\"http://example.com/latest\",\"n\":1}"}"#;
    assert_eq!(found(yaml, &json(innocent)), [""; 0]);
    let path = |target| Sent {
        target,
        ..Sent::default()
    };
    assert_eq!(
        found(yaml, &path("/items/1%20or%201%20is%20not%20null/x")),
        ["sql_injection.condition_behind_number path.segment"]
    );
    assert_eq!(
        found(yaml, &path("/items/1%20or%20another%20one/x")),
        [""; 0]
    );
}

/// A program under the name or the type of a picture; scripts that say what they are, and pictures, pass.
#[test]
fn programs_that_are_sent_as_pictures_are_found() {
    let part = |name: &str, kind: &str, content: &str| {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"f\"; filename=\"{name}\"\r\n\
             Content-Type: {kind}\r\n\r\n{content}\r\n--x--\r\n"
        )
    };
    let elf = "\u{7f}ELF\u{2}\u{1}\u{1}\0\0\0\0\0\0\0\0\0\u{3}\0>\0";
    for (name, kind, content, is_found) in [
        ("a.png", "application/octet-stream", elf, true),
        ("a", "image/png", elf, true),
        ("a.JPG", "text/plain", "#!/bin/sh\nexit 0\n", true),
        ("a.mp4", "video/mp4", "MZ\0\0\u{1}", true),
        ("a.bin", "application/octet-stream", elf, false),
        ("a.sh", "text/x-shellscript", "#!/bin/sh\nexit 0\n", false),
        ("a.png", "image/png", "\u{89}PNG\r\n\u{1a}\n", false),
        ("a.svg", "image/svg+xml", "<svg xmlns='a'></svg>", false),
    ] {
        let body = part(name, kind, content);
        let sent = Sent {
            headers: &[("content-type", "multipart/form-data; boundary=x")],
            body: Some(&body),
            ..Sent::default()
        };
        let found = found("{}", &sent);
        let is = found
            .iter()
            .any(|found| found.starts_with("ambiguity.disguised_program"));
        assert_eq!(is, is_found, "{name} {kind}: {found:?}");
    }
}

#[test]
fn places_limit_where_a_pattern_looks_and_what_is_buffered() {
    let yaml = "{ builtin: false, patterns: [{ id: a, words: [evil], places: [query, cookies] }] }";
    let headers = [("x-a", "evil")];
    assert_eq!(found(yaml, &with_header(&headers)), [""; 0]);
    assert!(!detection::<MaliciousPayload>(yaml).rules.look_at_body);
    assert!(detection::<MaliciousPayload>("{}").rules.look_at_body);
    assert!(
        !detection::<MaliciousPayload>("builtin: false")
            .rules
            .look_at_body
    );
}

#[test]
fn framing_headers_are_not_looked_at() {
    let yaml = "{ builtin: false, patterns: [{ id: a, words: [evil] }] }";
    for name in [
        "connection",
        "content-length",
        "keep-alive",
        "sec-websocket-key",
        "te",
        "transfer-encoding",
        "upgrade",
    ] {
        let headers = [(name, "evil")];
        assert_eq!(found(yaml, &with_header(&headers)), [""; 0], "{name}");
    }
}

#[test]
fn exclusions_switch_a_rule_off_at_a_place() {
    let headers = [("x-note", "evil"), ("x-other", "evil")];
    for (exclusion, expected) in [
        ("{ rule: a, name: x-note }", &["a headers.x-other"][..]),
        ("{ rule: 'a*', place: headers }", &[]),
        ("{ place: query }", &["a headers.x-note"]),
        ("{ path: / }", &[]),
        ("{ path: /elsewhere }", &["a headers.x-note"]),
        ("{ name: 'x-*' }", &[]),
        ("{ rule: b }", &["a headers.x-note"]),
    ] {
        let yaml = format!(
            "{{ builtin: false, patterns: [{{ id: a, words: [evil] }}, {{ id: b, words: [x] }}], exclusions: [{exclusion}] }}"
        );
        let mut all = found(&yaml, &with_header(&headers));
        all.retain(|rule| rule.starts_with('a'));
        assert_eq!(all, expected, "{exclusion}");
    }
}

#[test]
fn findings_are_bounded() {
    let patterns: Vec<String> = (0..40)
        .map(|n| format!("{{ id: p{n}, words: [evil] }}"))
        .collect();
    let yaml = format!("{{ builtin: false, patterns: [{}] }}", patterns.join(", "));
    let headers = [("x-a", "evil")];
    assert_eq!(found(&yaml, &with_header(&headers)).len(), MAX_FINDINGS);
}

#[test]
fn the_shipped_rules_can_be_switched_off() {
    let headers = [("x-a", "1' UNION SELECT NULL,NULL-- ")];
    assert_eq!(
        found("{}", &with_header(&headers))
            .first()
            .map(String::as_str),
        Some("sql_injection.union_behind_value headers.x-a")
    );
    assert_eq!(found("builtin: false", &with_header(&headers)), [""; 0]);
}

#[test]
fn the_canary_is_a_query_of_the_first_word_or_of_a_shipped_rule() {
    for yaml in ["{}", "patterns: [{ id: w, words: [malicious] }]"] {
        let detection: MaliciousPayload = detection(yaml);
        let canary = detection.canary().expect(yaml);
        assert_eq!(
            judge_canary(&policy(detection), &canary),
            Outcome::Block,
            "{yaml}"
        );
    }
    for yaml in ["builtin: false", "exclusions: [{ path: /wiki }]"] {
        assert!(
            detection::<MaliciousPayload>(yaml).canary().is_none(),
            "{yaml}"
        );
    }
}

#[test]
fn the_automaton_outlives_a_reload_that_does_not_change_it() {
    let shared = Shared::default();
    let load = |yaml: &str| {
        fixtures::load::<MaliciousPayload>(yaml, Path::new("."), &shared).expect("loads")
    };
    let (first, warnings) = load("patterns: [{ id: n, regexes: ['[0-9]{16}'] }]");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let (second, again) =
        load("{ patterns: [{ id: n, regexes: ['[0-9]{16}'] }], exclusions: [{ place: path }] }");
    assert!(Arc::ptr_eq(&first.rules, &second.rules));
    assert_eq!(again, warnings);
    let (third, _) = load("patterns: [{ id: n, regexes: ['[0-9]{17}'] }]");
    assert!(!Arc::ptr_eq(&first.rules, &third.rules));
}

#[test]
fn mistakes_say_where_they_are() {
    for (yaml, expected) in [
        (
            "patterns: [{ id: a, words: [x] }, { id: a, words: [y] }]",
            &[".patterns[1].id: there is already a rule `a`"][..],
        ),
        (
            "patterns: [{ id: sql_injection.union_behind_value, words: [x] }]",
            &[".patterns[0].id: there is already a rule"],
        ),
        (
            "patterns: [{ id: a, regexes: [fine, '('] }, { id: b, regexes: ['['] }]",
            &[
                ".patterns[0].regexes[1]: `(`",
                ".patterns[1].regexes[0]: `[`",
            ],
        ),
        (
            "patterns: [{ id: 'a b', words: [''], places: [client, query], score: 1 }]",
            &[
                ".patterns[0].id: ",
                ".patterns[0].words[0]: ",
                ".patterns[0].places[0]: ",
            ],
        ),
        (
            "patterns: [{ id: a }]",
            &[".patterns[0]: the pattern has neither"],
        ),
        (
            "patterns: [{ id: a, words: [x], places: [] }]",
            &[".patterns[0].places: the pattern looks nowhere"],
        ),
        (
            "exclusions: [{}]",
            &[".exclusions[0]: the exclusion would switch off"],
        ),
        (
            "exclusions: [{ rule: sql_injection.union }]",
            &[".exclusions[0].rule: there is no rule"],
        ),
        (
            "patterns: [{ words: [x] }]",
            &[".patterns[0]: missing field `id`"],
        ),
        (
            "patterns: [{ id: a, wrods: [x] }]",
            &[".patterns[0].wrods: unknown field"],
        ),
    ] {
        let mistakes = mistakes::<MaliciousPayload>(yaml);
        assert_eq!(mistakes.len(), expected.len(), "{yaml}: {mistakes:?}");
        for (mistake, start) in mistakes.iter().zip(expected) {
            assert!(mistake.starts_with(start), "{yaml}: {mistake}");
        }
    }
}

/// Check A12 of the source's contract, and its bugs 3, 4 and 5.
#[test]
fn a_listed_word_is_found_wherever_a_value_can_hide() {
    let yaml = "{ builtin: false, patterns: [{ id: w, words: [malicious] }] }";
    let policy = policy(detection::<MaliciousPayload>(yaml));
    let json = [("content-type", "application/json")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let parts = [("content-type", "multipart/form-data; boundary=b")];
    let cookie = [("cookie", "a=1; b=WORD")];
    let none: [(&'static str, &str); 0] = [];
    let field = "--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nWORD\r\n--b--\r\n";
    let file = "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"WORD.txt\"\r\n\r\ny\r\n--b--\r\n";
    type Hiding<'a> = (&'a str, &'a [(&'static str, &'a str)], Option<&'a str>);
    let hiding: [Hiding<'_>; 19] = [
        ("/?q=WORD", &none, None),
        ("/?WORD=1", &none, None),
        ("/?q=fine&q=WORD", &none, None),
        ("/a/WORD/b", &none, None),
        ("/", &cookie, None),
        ("/", &json, Some(r#"{"a":"WORD"}"#)),
        ("/", &json, Some(r#"{"WORD":1}"#)),
        ("/", &json, Some(r#"{"a":{"b":[{"c":"WORD"}]}}"#)),
        ("/", &json, Some(r#"["x","WORD"]"#)),
        ("/", &json, Some(r#""WORD""#)),
        ("/", &json, Some(r#"{bad WORD"#)),
        ("/", &form, Some("a=1&b=WORD")),
        ("/", &form, Some("a=1&WORD=2")),
        ("/", &parts, Some(field)),
        ("/", &parts, Some(file)),
        ("/", &none, Some("some WORD here")),
        ("/", &json, Some("[1, \"WORD\"]")),
        ("/", &form, Some("a[b]=WORD")),
        ("/?q=fine", &none, Some("WORD")),
    ];
    for spelling in [
        "malicious",
        "MaLiCiouS",
        "%6dalicious",
        "%256dalicious",
        "benign",
    ] {
        for (target, headers, body) in hiding {
            let in_json = headers == json && spelling.starts_with('%');
            let plain = body.is_some() && headers != form && spelling.starts_with('%');
            if in_json || plain {
                continue;
            }
            let fill = |text: &str| text.replace("WORD", spelling);
            let values: Vec<String> = headers.iter().map(|(_, value)| fill(value)).collect();
            let headers: Vec<(&'static str, &str)> = headers
                .iter()
                .zip(&values)
                .map(|((name, _), value)| (*name, value.as_str()))
                .collect();
            let body = body.map(fill);
            let target = fill(target);
            let sent = Sent {
                target: &target,
                headers: &headers,
                body: body.as_deref(),
                ..Sent::default()
            };
            let expected = match spelling {
                "benign" => Outcome::Pass,
                _ => Outcome::Block,
            };
            assert_eq!(
                judge(&policy, &sent).outcome(),
                expected,
                "{target} {body:?}"
            );
        }
    }
}

#[test]
fn what_makes_more_work_than_its_length_allows_for_is_refused() {
    let policy = policy(detection::<MaliciousPayload>("{}"));
    // Signs of many attacks and none of them, in as many forms as are looked at.
    let words = "It's (a) \"note\"; see <b>/etc/</b> & ../x or 1 = one, `id` | $HOME: select {all} from \\tables\\ -- #1 \
                 where x like '%y%' and on load = 2 http://a.example/?b=c;d e.php .ini proc/ cmd alert (x) ";
    let judged = |escape: &str, length: usize| {
        let text = words.repeat(length / words.len());
        let body = format!("{text}{escape}");
        let sent = Sent {
            body: Some(&body),
            headers: &[("content-type", "text/plain")],
            ..Sent::default()
        };
        judge(&policy, &sent).outcome()
    };
    assert_eq!(judged("", 1 << 20), Outcome::Pass);
    assert_eq!(judged("%2541", 1 << 18), Outcome::Pass);
    assert_eq!(judged("%25252541", 1 << 20), Outcome::Block);
}

/// Markup is judged as text and by its values; that must not be more work than honest documents may make.
#[test]
fn a_long_honest_document_of_xml_is_judged_whole() {
    let policy = policy(detection::<MaliciousPayload>("{}"));
    let line = "  <line number=\"17\" unit='box'>\n    <article>Nuts &amp; bolts, 5 &lt; 6 mm (\"steel\")</article>\n    \
                <price currency=\"EUR\">12.50</price>\n    <!-- as agreed on the phone -->\n  </line>\n";
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<order xmlns=\"urn:example:order\">\n{}</order>\n",
        line.repeat((1 << 20) / line.len() - 1)
    );
    let sent = Sent {
        body: Some(&body),
        headers: &[("content-type", "application/xml")],
        ..Sent::default()
    };
    let evaluation = judge(&policy, &sent);
    assert_eq!(
        evaluation.outcome(),
        Outcome::Pass,
        "{:?}",
        evaluation.observations()
    );
}

/// Bytes of no meaning, the same for each seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// How many bodies of each shape are judged.
const SEEDS: u64 = 200;

/// The shapes in which binary data is sent: its type, and what stands before and behind it.
const BINARY: [(&str, &str, &str); 12] = [
    (
        "multipart/related; boundary=4YWxkTrZu0gW",
        "--4YWxkTrZu0gW\r\nContent-Type: application/json\r\n\r\n{}\r\n--4YWxkTrZu0gW\r\nContent-Type: image/png\r\n\r\n",
        "\r\n--4YWxkTrZu0gW--\r\n",
    ),
    (
        "multipart/form-data; boundary=4YWxkTrZu0gW",
        "--4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"a\"; filename*=utf-8''b.jpg\r\n\r\n",
        "\r\n--4YWxkTrZu0gW--\r\n",
    ),
    (
        "multipart/form-data; boundary=4YWxkTrZu0gW",
        "--4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"a\"; filename=\"C:\\dir\\a.jpg\"\r\n\r\n",
        "\r\n--4YWxkTrZu0gW--\r\n",
    ),
    (
        "multipart/form-data; boundary=4YWxkTrZu0gW",
        "--4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\\\"b.jpg\"\r\n\r\n",
        "\r\n--4YWxkTrZu0gW--\r\n",
    ),
    (
        "multipart/form-data; boundary=4YWxkTrZu0gW",
        "--4YWxkTrZu0gW\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n",
        "\r\n--4YWxkTrZu0gW--\r\n",
    ),
    ("application/x-zip-compressed", "PK\x03\x04", ""),
    ("application/java-archive", "PK\x03\x04", ""),
    ("application/vnd.oasis.opendocument.text", "PK\x03\x04", ""),
    ("application/x-sqlite3", "SQLite format 3\0", ""),
    ("application/avro", "Obj\x01", ""),
    ("application/vnd.apache.parquet", "PAR1", ""),
    // Of a type that nobody knows.
    ("application/x-of-our-own", "OWN\x01", ""),
];

/// A request with that much noise in one of those shapes, and this in the middle of it.
fn judge_noise(
    policy: &Arc<Policy>,
    shape: (&'static str, &str, &str),
    seed: u64,
    length: usize,
    within: &[u8],
) -> crate::engine::Evaluation {
    let (kind, before, behind) = shape;
    let noise = noise(seed, length);
    let (first, last) = noise.split_at(length / 2);
    let body = [before.as_bytes(), first, within, last, behind.as_bytes()].concat();
    let headers = [("content-type", kind)];
    judge_with(policy, &with_header(&headers), Some(&body))
}

#[test]
fn honest_binary_data_passes_in_every_shape() {
    let policy = policy(detection::<MaliciousPayload>("{}"));
    let mut refused = Vec::new();
    for shape in BINARY {
        for seed in 0..SEEDS {
            let evaluation = judge_noise(&policy, shape, seed, 64 << 10, b"");
            if evaluation.outcome() != Outcome::Pass {
                refused.push(format!("{shape:?} {seed} {:?}", evaluation.observations()));
            }
        }
    }
    assert_eq!(refused, [""; 0]);
}

#[test]
fn an_attack_within_what_looks_binary_is_found_where_somebody_may_read_it() {
    let policy = policy(detection::<MaliciousPayload>("{}"));
    for attack in [
        &b"\xff<script>alert(1)</script>\xff"[..],
        b"\xff' union select password from users--\xff",
        b"\xff'\x01union\x01select\x01password\x01from\x01users--\xff",
        b"\xff../../../../etc/passwd\xff",
    ] {
        for index in [0, 1, 4, 11] {
            let shape = BINARY[index];
            for length in [600, 64 << 10] {
                let evaluation = judge_noise(&policy, shape, 1, length, attack);
                assert_eq!(
                    evaluation.outcome(),
                    Outcome::Block,
                    "{shape:?} {length} {}",
                    attack.escape_ascii()
                );
            }
        }
    }
}
