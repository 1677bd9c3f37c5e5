//! The command line, by the real program: what it prints, where, and its exit codes.

#[path = "cli/bans.rs"]
mod bans;
#[path = "cli/doubts.rs"]
mod doubts;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/measure.rs"]
mod measure;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run of the program came to.
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.out))
    }
}

/// An empty folder to run in, and the program in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn with(self, name: &str, text: &str) -> Self {
        std::fs::write(self.path().join(name), text).expect("a file");
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_remove("PORTCULLIS_CONFIG")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        ran(&mut self.command(arguments))
    }
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("the program runs");
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A configuration that needs no detection.
const QUIET: &str = "upstream: http://127.0.0.1:5000\ndetections: []\n";

#[test]
fn check_says_what_is_loaded() {
    let place = Place::new().with("rules.yaml", QUIET);
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for part in [
        "rules.yaml is in order",
        "127.0.0.1:8080",
        "http://127.0.0.1:5000",
        "mode enforce, threshold 5",
        "nothing is judged",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let json = place.run(&["check", "--format", "json"]).json();
    assert_eq!(json.get("ok"), Some(&true.into()));
    assert_eq!(json.get("source"), Some(&"rules.yaml".into()));
}

/// Its canary scores 5, which `run` and `check` take alike.
#[test]
fn a_canary_below_the_threshold_is_a_warning() {
    let words = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";
    let rules = |threshold: u32| {
        format!("upstream: http://127.0.0.1:5000\npolicy: {{ threshold: {threshold} }}\n{words}")
    };
    let warned = "score of 5 stays below the threshold of 6";
    let light = Place::new().with("rules.yaml", &rules(6));
    let ran = light.run(&["check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains(warned), "{}", ran.out);
    let json = light.run(&["check", "--format", "json"]).json();
    assert_eq!(json.get("ok"), Some(&true.into()));
    assert!(json["warnings"].to_string().contains(warned), "{json}");
    let ran = light.run(&["check", "--print-effective"]);
    assert!(ran.err.contains(warned), "{}", ran.err);

    let ran = Place::new().with("rules.yaml", &rules(5)).run(&["check"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.out.contains("warning"), "{}", ran.out);
}

#[test]
fn check_refuses_a_bad_file_with_78_and_a_drawing() {
    let place = Place::new().with(
        "rules.yaml",
        "limits:\n  bodyy: 1MiB\n  head: 1KiB\npolicy: { threshold: 0 }\n",
    );
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, Some(78));
    assert_eq!(ran.out, "");
    for part in [
        "rules.yaml:2:3",
        "2 |   bodyy: 1MiB",
        "^^^^^",
        "did you mean `body`?",
        "rules.yaml:4:22",
        "2 mistakes",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(
        !ran.err.contains('\u{1b}'),
        "no colour where there is no terminal"
    );
    let ran = place.run(&["check", "--format=json"]);
    assert_eq!(ran.code, Some(78));
    let json = ran.json();
    let problems = json
        .get("problems")
        .and_then(Value::as_array)
        .expect("problems");
    assert_eq!(problems.len(), 2);
    assert_eq!(
        problems.first().and_then(|first| first.get("line")),
        Some(&2.into())
    );
    for verb in [
        &["explain", "--target", "/"][..],
        &["rules", "list"],
        &["rules", "show", "x"],
    ] {
        assert_eq!(place.run(verb).code, Some(78), "{verb:?}");
    }
}

#[test]
fn check_prints_what_is_effective_without_secrets() {
    let text = "upstream: http://${THE_HOST}:81\nevents: { log: 'logs/${THE_HOST}.jsonl' }\ndetections: []\n";
    let place = Place::new().with("rules.yaml", text);
    let ran = ran(place
        .command(&["check", "--print-effective"])
        .env("THE_HOST", "hunter2.example"));
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    let effective: serde_yaml::Value = serde_yaml::from_str(&ran.out).expect("YAML");
    let limit = effective
        .get("limits")
        .and_then(|limits| limits.get("body"));
    assert_eq!(limit.and_then(|body| body.as_str()), Some("1MiB"));
    assert!(!ran.out.contains("hunter2"), "{}", ran.out);
    assert!(ran.out.contains("http://${THE_HOST}:81"), "{}", ran.out);
}

#[test]
fn the_configuration_is_found_by_flag_variable_folder_or_built_in() {
    let source = |ran: Ran| ran.json().get("source").cloned().unwrap_or_default();
    let check = ["check", "--format", "json"];
    let bare = Place::new();
    assert_eq!(source(bare.run(&check)), "the built-in rules.yaml");
    let place = Place::new()
        .with("rules.yaml", QUIET)
        .with("a.yaml", QUIET)
        .with("b.yaml", QUIET);
    assert_eq!(source(place.run(&check)), "rules.yaml");
    assert_eq!(
        source(ran(place
            .command(&check)
            .env("PORTCULLIS_CONFIG", "a.yaml"))),
        "a.yaml"
    );
    let both = ["check", "--format", "json", "-c", "b.yaml"];
    assert_eq!(
        source(ran(place.command(&both).env("PORTCULLIS_CONFIG", "a.yaml"))),
        "b.yaml"
    );
    let before = ["--config", "b.yaml", "--format", "json", "check"];
    assert_eq!(source(place.run(&before)), "b.yaml");
    let absent = place.run(&["check", "-c", "no.yaml"]);
    assert_eq!(absent.code, Some(78));
    assert!(absent.err.contains("cannot be read"), "{}", absent.err);
    let folder = place.run(&["check", "-c", "."]);
    assert_eq!(folder.code, Some(78));
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let place = Place::new();
    std::fs::write(
        place.path().join("rules.yaml"),
        b"version: 1\nlimits: \xff\n",
    )
    .expect("a file");
    let ran = place.run(&["check"]);
    assert_eq!(ran.code, Some(78));
    assert!(ran.err.contains("line 2"), "{}", ran.err);
}

#[test]
fn explain_shows_the_request_and_the_decision() {
    let place = Place::new().with("rules.yaml", QUIET);
    let ran = place.run(&[
        "explain",
        "--target",
        "http://shop.example/search?q=a%20b",
        "--client",
        "2001:db8::1:2:3:4",
    ]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    for part in [
        "GET /search",
        "2001:db8::1:2:3:4 (peer), ordinary, counted as 2001:db8::",
        "headers.host",
        "shop.example",
        "0 of 5",
        "pass",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let json = place
        .run(&[
            "explain",
            "--format",
            "json",
            "--url",
            "/a",
            "-d",
            "x=1",
            "-H",
            "Content-Type: text/plain",
        ])
        .json();
    let says = |path: &str| json.pointer(path).cloned().unwrap_or_default();
    assert_eq!(says("/method"), "POST");
    assert_eq!(says("/path"), "/a");
    assert_eq!(says("/body/bytes"), 3);
    assert_eq!(says("/decision"), "pass");
    assert_eq!(says("/threshold"), 5);
}

#[test]
fn explain_reads_a_request_from_a_file_or_from_standard_input() {
    let request = "POST /login?next=/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=b\r\n";
    let place = Place::new()
        .with("rules.yaml", QUIET)
        .with("request", request);
    let from_file = place.run(&["explain", "request"]);
    assert_eq!(from_file.code, Some(0), "{}", from_file.err);
    assert!(from_file.out.contains("POST /login"), "{}", from_file.out);
    assert!(from_file.out.contains("3 bytes"), "{}", from_file.out);

    let mut child = place
        .command(&["explain", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(request.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stdout), from_file.out);
}

#[test]
fn explain_takes_the_codings_off_a_body() {
    let place = Place::new();
    let write = |body: &[u8]| {
        let head = "POST / HTTP/1.1\nHost: h\nContent-Type: text/plain\nContent-Encoding: gzip\n\n";
        let request = [head.as_bytes(), body].concat();
        std::fs::write(place.path().join("request"), request).expect("a file");
    };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder
        .write_all(b"1' UNION SELECT password FROM users--")
        .expect("room");
    let body = encoder.finish().expect("room");
    write(&body);
    let ran = place.run(&["explain", "request"]);
    for part in [
        "37 bytes, declared as `text/plain`\n  decoded from gzip\n",
        "gzip",
        "block: 403 by malicious_payload",
    ] {
        assert!(ran.out.contains(part), "{part}\n{}{}", ran.out, ran.err);
    }
    let ran = place.run(&["explain", "request", "--format", "json"]);
    assert_eq!(ran.json()["body"]["codings"][0], "gzip");
    write(&body[..20]);
    let ran = place.run(&["explain", "request"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains("block: 400 by proxy\n"), "{}", ran.out);
    assert!(ran.out.contains("breaks off"), "{}", ran.out);
}

/// What the proxy refuses by itself, and what only those find who take no codings off.
#[test]
fn a_recorded_body_is_judged_as_the_proxy_would() {
    let place = Place::new();
    let write = |coding: &str, body: &[u8]| {
        let head = format!(
            "POST / HTTP/1.1\nHost: h\nContent-Type: application/x-www-form-urlencoded\n{coding}\n"
        );
        std::fs::write(
            place.path().join("request.http"),
            [head.as_bytes(), body].concat(),
        )
        .expect("a file");
    };
    let gzip = |comment: &str, text: &[u8]| {
        let writer = flate2::GzBuilder::new().comment(comment);
        let mut writer = writer.write(Vec::new(), flate2::Compression::best());
        writer.write_all(text).expect("room");
        writer.finish().expect("room")
    };
    let long: Vec<u8> = (0..300_000)
        .flat_map(|n| format!("a{n}=b&").into_bytes())
        .collect();
    let attack = "&a=1' UNION SELECT password FROM users--&";
    let coding = "Content-Encoding: gzip\n";
    for (coding, body, decision, refused_by) in [
        ("", b"a=b".to_vec(), "decision       pass\n", ""),
        (coding, gzip("", b"a=b"), "decision       pass\n", ""),
        (
            coding,
            gzip(attack, b"a=b"),
            "block: 403 by malicious_payload\n",
            "malicious_payload",
        ),
        (coding, gzip("", &long), "block: 413 by proxy\n", "proxy"),
        ("", long.clone(), "block: 413 by proxy\n", "proxy"),
        (
            "Content-Encoding: lzma\n",
            b"a=b".to_vec(),
            "block: 415 by proxy\n",
            "proxy",
        ),
    ] {
        write(coding, &body);
        let ran = place.run(&["explain", "request.http"]);
        assert!(
            ran.out.contains(decision),
            "{decision}\n{}{}",
            ran.out,
            ran.err
        );
        let ran = place.run(&["test", "--corpus", "request.http", "--format", "json"]);
        let told = ran.json();
        let expected = u64::from(!refused_by.is_empty());
        assert_eq!(
            told["refused_by"][refused_by].as_u64().unwrap_or(0),
            expected,
            "{told}"
        );
        assert_eq!(
            told["true_negative"]["overall"]["right"],
            1 - expected,
            "{told}"
        );
    }
}

#[test]
fn explain_does_not_understand_what_is_no_request() {
    let place = Place::new()
        .with("rules.yaml", QUIET)
        .with("noise", "hello\n");
    for arguments in [
        &["explain", "noise"][..],
        &["explain"],
        &["explain", "--target", "no path"],
        &["explain", "--target", "/", "--method", "G@T"],
        &["explain", "--target", "/", "--header", "no header"],
        &["explain", "--target", "/", "--client", "localhost"],
        &["explain", "noise", "--target", "/"],
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.out, ran.err);
        assert!(!ran.err.is_empty());
    }
    assert_eq!(place.run(&["explain", "no-such-file"]).code, Some(1));
}

#[test]
fn explain_shows_no_secret() {
    let body = r#"{"user":"u","password":"hunter2"}"#;
    let request = format!(
        "POST /login?token=hunter2 HTTP/1.1\nHost: x\nAuthorization: Bearer hunter2\nCookie: a=hunter2; sid=hunter2\nX-Api-Key: hunter2\nProxy-Authorization: hunter2\nContent-Type: application/json\n\n{body}"
    );
    let place = Place::new()
        .with("rules.yaml", QUIET)
        .with("request", &request);
    for format in ["text", "json"] {
        let ran = place.run(&["explain", "request", "--format", format]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        assert!(
            !ran.out.contains("hunter2") && !ran.err.contains("hunter2"),
            "{}",
            ran.out
        );
        assert!(ran.out.contains("masked"), "{}", ran.out);
    }
    let bad = place.run(&["explain", "--target", "/", "-H", "Authorization hunter2"]);
    assert!(!bad.err.contains("hunter2"), "{}", bad.err);
}

#[test]
fn explain_escapes_what_would_move_the_cursor() {
    let place = Place::new()
        .with("rules.yaml", QUIET)
        .with("request", "GET / HTTP/1.1\nX-A: a\u{202e}b\n\n\u{1b}[2J");
    let ran = place.run(&["explain", "request"]);
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(!ran.out.contains(['\u{1b}', '\u{202e}']), "{}", ran.out);
}

#[test]
fn a_trusted_client_is_not_judged() {
    let text = "clients: { trusted: [192.0.2.0/24] }\ndetections: []\n";
    let place = Place::new().with("rules.yaml", text);
    let ran = place.run(&["explain", "--target", "/", "--client", "::ffff:192.0.2.7"]);
    assert!(ran.out.contains("192.0.2.7 (peer), trusted"), "{}", ran.out);
    assert!(ran.out.contains("is not judged"), "{}", ran.out);
}

#[test]
fn the_small_verbs_answer() {
    let place = Place::new().with("rules.yaml", QUIET);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        place.run(&["version"]).out,
        format!("portcullis {version}\n")
    );
    let json = place.run(&["version", "--format", "json"]).json();
    assert_eq!(json.get("version"), Some(&version.into()));
    let schema = place.run(&["schema"]).json();
    assert!(schema.pointer("/properties/limits").is_some());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = place.run(&["completions", shell]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.out.contains("print-effective"), "{shell}");
    }
    let list = place.run(&["rules", "list"]);
    assert_eq!(list.code, Some(0), "{}", list.err);
    assert!(
        place
            .run(&["rules", "list", "--format", "json"])
            .json()
            .is_array()
    );
    let none = place.run(&["rules", "show", "no_such_detection"]);
    assert_eq!(none.code, Some(2));
    assert!(
        none.err
            .contains("no detection or rule `no_such_detection`"),
        "{}",
        none.err
    );
    let help = place.run(&["--help"]);
    assert_eq!(help.code, Some(0));
    for verb in [
        "run",
        "check",
        "explain",
        "test",
        "rules",
        "schema",
        "version",
        "completions",
    ] {
        assert!(
            help.out.contains(&format!("\n  {verb} ")),
            "{verb}: {}",
            help.out
        );
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_2() {
    let place = Place::new().with("rules.yaml", QUIET);
    for arguments in [
        &["no-such-verb"][..],
        &["check", "--no-such-flag"],
        &["--monitor", "check"],
        &["rules"],
    ] {
        assert_eq!(place.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new().with("rules.yaml", QUIET);
    let mut child = place
        .command(&["schema"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn paths_start_from_the_folder_of_the_file() {
    let place = Place::new();
    let folder: PathBuf = place.path().join("etc");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("host"), "10.0.0.7\n").expect("a file");
    std::fs::write(
        folder.join("my.yaml"),
        "upstream: 'http://${file:host}:80'\ndetections: []\n",
    )
    .expect("a file");
    let json = place
        .run(&["check", "-c", "etc/my.yaml", "--format", "json"])
        .json();
    assert_eq!(
        json.get("files"),
        Some(&serde_json::json!(["etc/host", "etc/my.yaml"]))
    );
}

#[test]
fn explain_and_test_judge_by_the_route() {
    let yaml = "version: 1
detections: [{ malicious_payload: { builtin: false, patterns: [{ id: word, words: [bad] }] } }]
routes:
  - { host: open.example, detections: [] }
  - { path: /admin, policy: { mode: monitor } }
";
    let place = Place::new().with("rules.yaml", yaml);
    for (url, decision) in [
        ("http://shop.example/?q=bad", "block"),
        ("http://open.example/?q=bad", "pass"),
        ("http://shop.example/admin?q=bad", "would_block"),
    ] {
        let json = place
            .run(&["explain", "--format", "json", "--target", url])
            .json();
        assert_eq!(
            json.pointer("/decision").cloned().unwrap_or_default(),
            decision,
            "{url}"
        );
    }
    let ran = place.run(&["explain", "--target", "http://shop.example/x%2fy/../admin"]);
    assert!(ran.out.contains("by `routes`"), "{}", ran.out);
}
