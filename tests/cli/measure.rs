//! `portcullis test`: rates, what is listed, and when it fails.

use serde_json::Value;

use crate::{Place, QUIET};

/// A chain that refuses the word `evil`, and, by rate, the second request of a client.
const RULES: &str = "upstream: http://127.0.0.1:5000
policy: { mode: MODE }
detections:
  - rate_limit: { limits: [{ name: one, key: client, limit: 1, per: 1h }] }
  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [evil] }] }
";

const CORPUS: &str = r#"{"id":"a1","label":"malicious","category":"x","source":"s","placement":"query","path":"/?q=evil"}
{"id":"a2","label":"malicious","category":"x","source":"s","placement":"query","path":"/?q=evil&password=hunter2"}
{"id":"a3","label":"malicious","category":"y","source":"t","placement":"body","method":"POST","path":"/m","body":"password=hunter2&q=bad"}
{"id":"l1","label":"legit","category":"z","source":"s","placement":"query","path":"/?q=good"}
{"id":"l2","label":"legit","category":"z","source":"s","placement":"header","path":"/f","headers":[["X-A","evil"]]}
{"id":"l3","label":"legit","category":"z-hard","source":"s","placement":"query","path":"/?q=good"}
"#;

fn place() -> Place {
    Place::new()
        .with("rules.yaml", &RULES.replace("MODE", "enforce"))
        .with("corpus.jsonl", CORPUS)
}

fn at<'v>(json: &'v Value, pointer: &str) -> &'v Value {
    json.pointer(pointer)
        .unwrap_or_else(|| panic!("{pointer}: {json}"))
}

#[test]
fn rates_are_told_overall_and_by_what_is_known_of_a_request() {
    let ran = place().run(&["test", "--corpus", "corpus.jsonl"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for part in [
        "true positive rate   66.67 %  2 of 3 attacks refused; 50.00 % as the mean over 2 categories\n",
        "true negative rate   66.67 %  2 of 3 legitimate requests passed; 75.00 % as the mean over 2 categories\n",
        "\nattacks refused, by category\n  x                              100.00 %  2 of 2\n  y                                0.00 %  0 of 1\n",
        "\nattacks refused, by source\n  s                              100.00 %  2 of 2\n",
        "\nlegitimate passed, by placement\n  header                           0.00 %  0 of 1\n",
        "\nmisses: attacks that pass (1)\n  corpus.jsonl:3  a3  y in body, score 0\n      POST /m\n      password=[masked]&q=bad\n",
        "\nfalse alarms: legitimate requests that are refused (1)\n  corpus.jsonl:5  l2  z in header, score 5\n      GET /f\n      word  headers.x-a: evil\n",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    assert!(
        !ran.out
            .contains("by source\n  s                              66"),
        "one row is none"
    );
    assert!(!ran.out.contains("rules:"), "{}", ran.out);
    let json = place()
        .run(&["test", "--corpus", "corpus.jsonl", "--format", "json"])
        .json();
    assert_eq!(at(&json, "/true_positive/overall/right"), 2);
    assert_eq!(at(&json, "/true_positive/by_category/y/rate"), 0.0);
    assert_eq!(at(&json, "/true_negative/balanced"), 0.75);
    assert_eq!(at(&json, "/misses/0/id"), "a3");
    assert_eq!(at(&json, "/false_alarms/0/found/0/rule"), "word");
    assert_eq!(at(&json, "/refused_by/malicious_payload"), 3);
    assert!(!json.to_string().contains("hunter2"), "{json}");
}

/// Were they counted together, all but the first would be over the rate.
#[test]
fn each_request_is_judged_by_itself() {
    let lines = "{\"path\":\"/\"}\n".repeat(700);
    let ran = place()
        .with("many.jsonl", &lines)
        .run(&["test", "--corpus", "many.jsonl"]);
    assert!(
        ran.out.contains("700 of 700 legitimate requests passed"),
        "{}",
        ran.out
    );
}

#[test]
fn a_rate_below_a_bound_fails_with_3() {
    let place = place();
    for (bounds, code, said) in [
        (&["--min-tpr", "66"][..], 0, ""),
        (&["--min-tpr", "0.66", "--min-tnr", "66.6%"], 0, ""),
        (
            &["--min-tpr", "67"],
            3,
            "the true positive rate is 66.67 % (2 of 3 attacks refused), below the 67 % of --min-tpr",
        ),
        (
            &["--min-tnr", "1"],
            3,
            "the true negative rate is 66.67 % (2 of 3 legitimate requests passed), below the 100 % of --min-tnr",
        ),
        (
            &["--only", "z", "--min-tpr", "0.1"],
            3,
            "no such request was judged",
        ),
        (&["--min-tpr", "900"], 2, "write percent from 0 to 100"),
        (&["--min-tpr", "often"], 2, "write percent from 0 to 100"),
    ] {
        let ran = place.run(&[&["test", "--corpus", "corpus.jsonl"], bounds].concat());
        assert_eq!(ran.code, Some(code), "{bounds:?}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{bounds:?}: {}", ran.err);
    }
    let json = place
        .run(&[
            "test",
            "--corpus",
            "corpus.jsonl",
            "--min-tpr",
            "67",
            "--format",
            "json",
        ])
        .json();
    assert!(
        at(&json, "/failures/0")
            .to_string()
            .contains("below the 67 %")
    );
}

#[test]
fn what_cannot_be_read_is_told_and_fails_and_the_rest_is_judged() {
    let broken = format!("{{\"path\":\n{CORPUS}{{\"path\":\"/ /\"}}\n");
    let ran = place()
        .with("broken.jsonl", &format!("{{}}\n{broken}"))
        .run(&["test", "--corpus", "broken.jsonl"]);
    assert_eq!(ran.code, Some(2));
    for part in [
        "error: broken.jsonl:1: missing field `path`\n",
        "error: broken.jsonl:2:8: EOF while parsing a value\n",
        "error: broken.jsonl:9: a request target cannot hold a space",
    ] {
        assert!(ran.err.contains(part), "{part}{}", ran.err);
    }
    assert!(ran.out.contains("2 of 3 attacks refused"), "{}", ran.out);
    assert!(
        ran.out
            .contains("could not be read, listed on standard error: 3."),
        "{}",
        ran.out
    );
    for (arguments, code) in [
        (&["test", "--corpus", "no-such-file"][..], 1),
        (&["test", "--corpus", "rules.yaml"], 2),
        (&["test", "--corpus", "empty"], 2),
        (&["test"], 2),
    ] {
        let ran = place().with("empty", "").run(arguments);
        assert_eq!(ran.code, Some(code), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_folder_is_what_lies_in_it() {
    let place = place();
    std::fs::create_dir_all(place.path().join("folder/inner")).expect("a folder");
    let place = place
        .with("folder/b.http", "GET /?q=evil\n\n###\nGET /2\n")
        .with(
            "folder/inner/a.har",
            r#"{"log":{"entries":[{"request":{"method":"GET","url":"http://h/?q=evil"}}]}}"#,
        )
        .with("folder/README.md", "# About\n")
        .with("folder/.hidden", "GET /3\n");
    let ran = place.run(&["test", "--corpus", "folder", "--label", "malicious"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for part in [
        "2 of 3 attacks refused",
        "folder/inner/a.har             100.00 %  1 of 1",
        "folder/b.http                   50.00 %  1 of 2",
        "  folder/b.http:4  recorded, score 0\n      GET /2\n",
        "note: folder/README.md was passed over",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}", ran.out);
    }
    let ran = place.run(&["test", "--corpus", "folder"]);
    assert!(
        ran.out.contains("1 of 3 legitimate requests passed"),
        "{}",
        ran.out
    );
}

#[test]
fn lists_are_as_long_as_asked_and_rules_are_counted_on_demand() {
    let place = place();
    let test = |more: &[&str]| {
        let ran = place.run(
            &[
                &["test", "--corpus", "corpus.jsonl", "--label", "malicious"],
                more,
            ]
            .concat(),
        );
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        ran.out
    };
    let none = test(&["--limit", "0"]);
    assert!(
        none.contains("misses: attacks that pass (1)\n  … and 1 more: `--limit all`"),
        "{none}"
    );
    assert!(!test(&["--limit", "all"]).contains("more:"));
    let rules = test(&["--rules"]);
    let line = rules
        .lines()
        .find(|line| line.trim_start().starts_with("word "));
    let counts: Vec<_> = line.expect("the rule").split_whitespace().collect();
    assert_eq!(counts, ["word", "2", "1", "0"]);
    let chosen = test(&["--skip", "*-hard", "--only", "z*"]);
    assert!(
        chosen.contains("1 of 2 legitimate requests passed"),
        "{chosen}"
    );
    assert!(chosen.contains("not chosen, left out: 4."), "{chosen}");
}

#[test]
fn the_parts_of_a_corpus_are_all_of_it() {
    let place = Place::new()
        .with("rules.yaml", &RULES.replace("MODE", "enforce"))
        .with("corpus.jsonl", CORPUS);
    let count = |parts: &[&str]| -> u64 {
        let test = ["test", "--corpus", "corpus.jsonl", "--format", "json"];
        let ran = place.run(&[&test, parts].concat());
        let report: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        let all = |label: &str| report[label]["overall"]["all"].as_u64().unwrap_or(0);
        all("true_positive") + all("true_negative")
    };
    let whole = count(&[]);
    assert!(whole > 3);
    let [one, two] = ["1/2", "2/2"].map(|part| count(&["--part", part]));
    assert_eq!(one + two, whole);
    assert!(one < whole && two < whole, "{one} and {two}");
    assert_eq!(count(&["--part", "1/2", "--part", "2/2"]), whole);
    let wrong = place.run(&["test", "--corpus", "corpus.jsonl", "--part", "3/2"]);
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.err.contains("as in `1/3`"), "{}", wrong.err);
}

#[test]
fn monitor_mode_is_measured_as_if_it_were_enforced() {
    let monitor = Place::new()
        .with("rules.yaml", &RULES.replace("MODE", "monitor"))
        .with("corpus.jsonl", CORPUS);
    let ran = monitor.run(&["test", "--corpus", "corpus.jsonl"]);
    assert!(ran.out.contains("2 of 3 attacks refused"), "{}", ran.out);
    assert!(
        ran.out.contains("note: `policy.mode` is `monitor`"),
        "{}",
        ran.out
    );
    let one = RULES
        .replace("MODE", "enforce")
        .replace("{ builtin", "{ mode: monitor, builtin");
    let ran = Place::new()
        .with("rules.yaml", &one)
        .with("corpus.jsonl", CORPUS)
        .run(&["test", "--corpus", "corpus.jsonl"]);
    assert!(ran.out.contains("0 of 3 attacks refused"), "{}", ran.out);
    assert!(
        ran.out.contains("monitor mode were enforced: 3."),
        "{}",
        ran.out
    );
}

#[test]
fn who_sends_the_requests_can_be_said() {
    let rules = "clients: { trusted: [192.0.2.0/24] }\ndetections:\n  - ip_allowlist: { allow: [10.0.0.0/8] }\n";
    let place = Place::new()
        .with("rules.yaml", rules)
        .with("corpus.jsonl", CORPUS);
    let test = |more: &[&str]| place.run(&[&["test", "--corpus", "corpus.jsonl"], more].concat());
    let trusted = test(&[]);
    assert_eq!(trusted.code, Some(2));
    assert!(
        trusted.err.contains("192.0.2.1 is in `clients.trusted`"),
        "{}",
        trusted.err
    );
    let stranger = test(&["--client", "198.51.100.1"]);
    assert!(
        stranger
            .out
            .contains("note: Every request was refused by `ip_allowlist`"),
        "{}",
        stranger.out
    );
    let friend = test(&["--client", "10.0.0.1"]);
    assert!(
        friend.out.contains("3 of 3 legitimate requests passed"),
        "{}",
        friend.out
    );
    let quiet = Place::new()
        .with("rules.yaml", QUIET)
        .with("corpus.jsonl", CORPUS);
    let ran = quiet.run(&["test", "--corpus", "corpus.jsonl"]);
    assert!(ran.out.contains("0 of 3 attacks refused"), "{}", ran.out);
    let odd = r#"{"path":"/","headers":[["GET /a?b","c"]]}"#;
    let ran = quiet
        .with("odd.jsonl", odd)
        .run(&["test", "--corpus", "odd.jsonl"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("that cannot be sent: 1."), "{}", ran.out);
}
