//! `portcullis explain`: where its request comes from, what it tells, and how much of it.

use serde_json::Value;

use crate::{Place, QUIET, Ran};

const LINES: &str = r#"{"id":"a","path":"/first"}
{"id":"b","method":"PUT","path":"/second?q=%2541","headers":[["X-A","1"]],"body":"{\"a\":1}"}
"#;

fn place() -> Place {
    Place::new()
        .with("rules.yaml", QUIET)
        .with("lines.jsonl", LINES)
        .with("command", "curl -X PUT 'http://h/second?q=%2541' \\\n -H 'X-A: 1' -d '{\"a\":1}'\n")
        .with("several.http", "GET /first\n\n###\nPUT /second?q=%2541\nX-A: 1\n\n{\"a\":1}")
        .with("saved.har", r#"{"log":{"entries":[{"request":{"method":"PUT","url":"http://h/second?q=%2541","headers":[{"name":"X-A","value":"1"}],"postData":{"mimeType":"","text":"{\"a\":1}"}}}]}}"#)
}

fn shows_the_second(ran: &Ran) {
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for part in [
        "request        PUT /second\n",
        "body           7 bytes, ",
        "  read as json         its bytes look so, whatever its type says\n",
        "%2541\n",
        "percent → percent",
        "headers.x-a ",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
}

#[test]
fn a_request_comes_in_every_format() {
    let place = place();
    for arguments in [
        &["explain", "lines.jsonl", "--id", "b"][..],
        &["explain", "lines.jsonl", "--line", "2"],
        &["explain", "several.http", "--line", "4"],
        &["explain", "command"],
        &["explain", "saved.har"],
        &[
            "explain",
            "--curl",
            "curl -X PUT h/second?q=%2541 -H X-A:1 -d '{\"a\":1}'",
        ],
    ] {
        shows_the_second(&place.run(arguments));
    }
}

#[test]
fn what_is_not_one_request_is_told_by_its_place() {
    let place = place()
        .with("broken.http", "GET /\nX-A: 1\nno header\n\n")
        .with("broken.jsonl", "{\"path\":5}\n");
    for (arguments, code, said) in [
        (
            &["explain", "lines.jsonl"][..],
            2,
            "there are 2 requests in lines.jsonl; choose one with",
        ),
        (
            &["explain", "lines.jsonl", "--id", "c"],
            2,
            "no request with the id `c`",
        ),
        (
            &["explain", "lines.jsonl", "--line", "0"],
            2,
            "no request at line 0",
        ),
        (
            &["explain", "broken.http"],
            2,
            "broken.http:3:1: this is no header",
        ),
        (
            &["explain", "broken.jsonl"],
            2,
            "broken.jsonl:1:9: invalid type",
        ),
        (
            &["explain", "--curl", "curl h -Z"],
            2,
            "`--curl`: the option `-Z` of curl is not known here; leave it out, at column 8",
        ),
        (
            &["explain", "--curl", "curl h", "--target", "/"],
            2,
            "cannot be used with",
        ),
        (
            &["explain", "--line", "1", "--target", "/"],
            2,
            "cannot be used with",
        ),
        (&["explain", "no-such-file"], 1, "cannot read no-such-file"),
        (&["explain", "."], 1, "cannot read"),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(said), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn what_was_changed_on_the_way_is_told() {
    let odd = r#"{"path":"/","headers":[["GET /a?b","c"]]}"#;
    let place = place().with("odd.jsonl", odd);
    let ran = place.run(&["explain", "odd.jsonl"]);
    assert!(
        ran.out
            .contains("note           A header was left out: `GET /a?b` is no name of a header.\n"),
        "{}",
        ran.out
    );
    let ran = place.run(&["explain", "--curl", "curl h/a/../b"]);
    assert!(ran.out.contains("GET /b\n"), "{}", ran.out);
    assert!(
        ran.out
            .contains("note           Without `--path-as-is` curl takes"),
        "{}",
        ran.out
    );
}

#[test]
fn a_list_is_cut_where_nothing_is_lost_first() {
    let query: String = (0..100).map(|n| format!("a{n}=b&")).collect();
    let target = format!("/?{query}last=%2541");
    let place = place();
    let ran = place.run(&["explain", "--target", &target]);
    assert!(ran.out.contains("\nvalues (202): "), "{}", ran.out);
    assert!(ran.out.contains("percent → percent"), "{}", ran.out);
    assert!(
        ran.out
            .contains("  … and 162 more, in which nothing was found or decoded: `--limit all`\n"),
        "{}",
        ran.out
    );
    assert!(ran.out.lines().count() < 70, "{}", ran.out);
    let all = place.run(&["explain", "--target", &target, "--limit", "all"]);
    assert!(
        all.out.contains("query.a99 ") && !all.out.contains("more"),
        "{}",
        all.out
    );
    let json = place
        .run(&["explain", "--target", &target, "--format", "json"])
        .json();
    assert_eq!(json["inputs_count"], 202);
    assert_eq!(json["inputs"].as_array().map(Vec::len), Some(202));
    let long = format!("/?a={}", "x".repeat(5000));
    let ran = place.run(&["explain", "--target", &long]);
    assert!(
        ran.out.contains("xxx…\n") && ran.out.len() < 2000,
        "{}",
        ran.out
    );
}

#[test]
fn colours_are_there_when_they_are_asked_for() {
    let place = place();
    let explain = |more: &[&str]| {
        place
            .run(&[&["explain", "--target", "/"], more].concat())
            .out
    };
    let plain = explain(&[]);
    assert!(!plain.contains('\u{1b}'), "no terminal, no colours");
    assert_eq!(explain(&["--color", "never"]), plain);
    let coloured = explain(&["--color", "always"]);
    assert!(
        coloured.contains("\u{1b}[1;32mpass\u{1b}[0m"),
        "{coloured:?}"
    );
    let bare = [
        "\u{1b}[1m",
        "\u{1b}[1;32m",
        "\u{1b}[36m",
        "\u{1b}[2m",
        "\u{1b}[33m",
        "\u{1b}[0m",
    ]
    .iter()
    .fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(bare, plain);
    let bad = place.run(&["explain", "--target", "/", "--color", "sometimes"]);
    assert_eq!(bad.code, Some(2));
}

/// A secret that only its decoding names is not shown as it is written, either.
#[test]
fn a_secret_is_masked_in_every_form() {
    let encoded = "%70assword%3Dhunter2";
    let place = place();
    for format in ["text", "json"] {
        let target = format!("/?q={encoded}");
        let ran = place.run(&["explain", "--target", &target, "--format", format]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(!ran.out.contains("hunter2"), "{}", ran.out);
        assert!(ran.out.contains("password=[masked]"), "{}", ran.out);
    }
}

#[test]
fn json_says_why_a_body_is_read_as_it_is() {
    let json = place()
        .run(&[
            "explain",
            "--format",
            "json",
            "--target",
            "/",
            "-d",
            "{\"a\":1}",
            "-H",
            "Content-Type: application/x-www-form-urlencoded",
        ])
        .json();
    let grounds: Vec<&Value> = json["body"]["grounds"]
        .as_array()
        .expect("grounds")
        .iter()
        .collect();
    let told: Vec<_> = grounds
        .iter()
        .map(|of| (&of["read_as"], &of["on"]))
        .collect();
    assert_eq!(
        told,
        [
            (&"form".into(), &"type".into()),
            (&"json".into(), &"look".into())
        ]
    );
    assert_eq!(
        json["body"]["declared"][0],
        "application/x-www-form-urlencoded"
    );
}

/// What an event keeps is judged again, and where it differs from the request is said.
#[test]
fn an_event_is_judged_again() {
    let words = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [evil] }] }\n";
    let event = r#"{"schema":1,"id":"e1","time":"2026-01-01T00:00:00Z","kind":"threat","client":{"ip":"198.51.100.7","source":"peer","peer":"198.51.100.7"},"decision":"block","rule":"word","method":"GET","path":"/","request":{"method":"GET","target":"/?q=evil&token=[masked]","headers":[["host","h"]],"body_bytes":0,"cut":["headers"],"masked":1},"count":1}"#;
    let log = format!("{event}\n{{\"id\":\"e2\",\"kind\":\"reload\"}}\n");
    let place = Place::new()
        .with("rules.yaml", words)
        .with("event.json", event)
        .with("events.jsonl", &log);
    for arguments in [
        &["explain", "event.json"][..],
        &["explain", "events.jsonl", "--id", "e1"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        for part in [
            "decision       block: 403 by malicious_payload\n",
            "client         198.51.100.7 (peer)",
            "note           This is an event: its decision was block by word.\n",
            "note           Not all of the request is kept (`events.excerpt`): headers cut",
            "note           Secrets were masked in 1 places",
        ] {
            assert!(ran.out.contains(part), "{part}\n{}", ran.out);
        }
    }
    let ran = place.run(&["explain", "event.json", "--client", "192.0.2.9"]);
    assert!(ran.out.contains("client         192.0.2.9"), "{}", ran.out);
    let none = place.run(&["explain", "events.jsonl", "--id", "e2"]);
    assert_eq!(none.code, Some(2));
    assert!(
        none.err.contains("keeps nothing of its request"),
        "{}",
        none.err
    );
}
