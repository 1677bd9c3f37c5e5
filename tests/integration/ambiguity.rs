//! Requests that mean different things to different readers: each kind fires where it must and spares what looks like it,
//! weighs as much as the table says, and is known by its name.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use portcullis::clients::Clients;
use portcullis::engine::{Outcome, Policy, Registry, Weight};
use portcullis::request::ambiguity::{AmbiguityWeight, KINDS, kind};

use crate::judge::{Request, findings, policy};

fn chain(section: &str) -> Arc<Policy> {
    policy(
        &format!("detections:\n  - malicious_payload: {{ {section} }}\n"),
        &Registry::default(),
    )
}

#[expect(clippy::disallowed_methods, reason = "any time will do")]
fn judged(section: &str, request: &Request) -> (Outcome, Vec<(String, Weight)>, Option<u16>) {
    let evaluation = request.judged(&chain(section), &Clients::scratch(), Instant::now());
    let found = findings(&evaluation).into_iter();
    let found = found.map(|(_, finding)| (finding.rule.to_string(), finding.weight));
    let status = evaluation.permit().err().map(|block| block.status.as_u16());
    (evaluation.outcome(), found.collect(), status)
}

fn body(content_type: &str, body: impl AsRef<[u8]>) -> Request {
    Request::get("/").body(content_type, body)
}

fn parts(text: &str) -> Request {
    body(
        "multipart/form-data; boundary=b",
        text.replace('\n', "\r\n"),
    )
}

const FIELD: &str = "--b\nContent-Disposition: form-data; name=\"a\"\n\nx\n";

fn deep(open: &str, close: &str) -> String {
    format!("{}{}", open.repeat(200), close.repeat(200))
}

/// Of each kind that weighs anything: its name, a request that has it, and one that looks like it and has not.
fn cases() -> Vec<(&'static str, Request, Request)> {
    const JSON: &str = "application/json";
    const XML: &str = "application/xml";
    let many: String = (0..300).map(|n| format!(" a{n}='1'")).collect();
    let few: String = (0..200).map(|n| format!(" a{n}='1'")).collect();
    let twice = |first: &'static str, second: &'static str| {
        body(first, "hello").header("content-type", second)
    };
    let field = |head: &str| parts(&format!("--b\n{head}\n\nx\n--b--\n"));
    vec![
        (
            "decode_depth",
            Request::get("/?a=%2525252525252541"),
            Request::get("/?a=%252541"),
        ),
        (
            "too_deep",
            body(JSON, deep("[", "]")),
            body(JSON, "[".repeat(100) + &"]".repeat(100)),
        ),
        (
            "content_type_conflict",
            twice("text/plain", "application/json"),
            twice("text/plain", "text/csv"),
        ),
        (
            "charset",
            body("text/plain; charset=\"UTF-7\"", "a"),
            body("text/plain; charset=\"ISO-8859-15\"", "a"),
        ),
        (
            "charset_conflict",
            body("text/plain; charset=utf-8; charset=utf-16", "a"),
            body("text/plain; charset=utf-8; charset=UTF8", "a"),
        ),
        (
            "invalid_json",
            body(JSON, "hello"),
            body("text/plain", "{hello"),
        ),
        (
            "duplicate_key",
            body(JSON, r#"{"a":1,"a":2}"#),
            body(JSON, r#"[{"a":1},{"a":2}]"#),
        ),
        (
            "json_comment",
            body(JSON, "[1] // one"),
            body(JSON, r#"["// one"]"#),
        ),
        (
            "json_trailing_comma",
            body(JSON, "[1,]"),
            body(JSON, r#"["1,"]"#),
        ),
        (
            "json_bare_key",
            body(JSON, "{a:1}"),
            body(JSON, r#"{"a:1":1}"#),
        ),
        (
            "json_single_quotes",
            body(JSON, "['a']"),
            body(JSON, r#"["'a'"]"#),
        ),
        (
            "ndjson_bad_line",
            body("application/x-ndjson", "{}\nhello\n"),
            body("application/x-ndjson", "{}\n\n[1]\n"),
        ),
        ("invalid_xml", body(XML, "<a>b"), body("text/plain", "<a>b")),
        (
            "xml_doctype",
            body(XML, "<!DOCTYPE a><a/>"),
            body(XML, "<!DOCTYPE html><html/>"),
        ),
        (
            "xml_entity",
            body(XML, "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"),
            body(XML, "<a>&lt;!ENTITY b &amp; c</a>"),
        ),
        (
            "xml_external",
            body(XML, "<!DOCTYPE a SYSTEM 'http://192.0.2.1/'><a/>"),
            body(XML, "<a>SYSTEM 'http://192.0.2.1/'</a>"),
        ),
        (
            "xml_attributes",
            body(XML, format!("<a{many}/>")),
            body(XML, format!("<a{few}/>")),
        ),
        (
            "xml_duplicate_attribute",
            body(XML, "<a b='1' b='2'/>"),
            body(XML, "<a b='1'/>"),
        ),
        (
            "invalid_multipart",
            parts("hello"),
            parts(&format!("{FIELD}--b--\n")),
        ),
        (
            "multipart_boundary_repeated",
            body(
                "multipart/form-data; boundary=b; boundary=c",
                format!("{FIELD}--b--\n"),
            ),
            parts(&format!("{FIELD}--b--\n")),
        ),
        (
            "multipart_boundary_missing",
            body("multipart/form-data", format!("{FIELD}--b--\n")),
            parts(&format!("{FIELD}--b--\n")),
        ),
        (
            "multipart_boundary_odd",
            body(
                "multipart/form-data; boundary='b'",
                format!("{FIELD}--b--\n"),
            ),
            body(
                "multipart/form-data; boundary=\"b\"",
                format!("{FIELD}--b--\n"),
            ),
        ),
        (
            "multipart_boundary_long",
            body(
                &format!("multipart/form-data; boundary={}", "b".repeat(71)),
                FIELD,
            ),
            body(
                &format!("multipart/form-data; boundary={}", "b".repeat(70)),
                FIELD,
            ),
        ),
        (
            "multipart_boundary_inline",
            parts(&format!("{FIELD}y --b\n--b--\n")),
            parts(&format!("{FIELD}y -b\n--b--\n")),
        ),
        (
            "multipart_boundary_padding",
            parts(&format!("{FIELD}--b-- \n")),
            parts(&format!("{FIELD}--b--\n ")),
        ),
        (
            "multipart_after_end",
            parts(&format!("{FIELD}--b--\n{FIELD}--b--\n")),
            parts(&format!("{FIELD}{FIELD}--b--\n")),
        ),
        (
            "multipart_missing_crlf",
            parts("--b\nContent-Disposition: form-data; name=a\n\n--b--\n"),
            parts("--b\nContent-Disposition: form-data; name=a\n\n\n--b--\n"),
        ),
        (
            "multipart_long_head",
            field(&format!(
                "Content-Disposition: form-data; name=a\nX: {}",
                "b".repeat(20_000)
            )),
            field(&format!(
                "Content-Disposition: form-data; name=a\nX: {}",
                "b".repeat(2_000)
            )),
        ),
        (
            "multipart_long_line",
            field(&format!(
                "Content-Disposition: form-data; name=a; x={}",
                "b".repeat(5_000)
            )),
            field(&format!(
                "Content-Disposition: form-data; name=a; x={}",
                "b".repeat(500)
            )),
        ),
        (
            "multipart_many_headers",
            field(&format!(
                "Content-Disposition: form-data; name=a{}",
                "\nX: y".repeat(200)
            )),
            field(&format!(
                "Content-Disposition: form-data; name=a{}",
                "\nX: y".repeat(5)
            )),
        ),
        (
            "multipart_odd_header",
            field("Content-Disposition : form-data; name=a"),
            field("Content-Disposition:form-data; name=a"),
        ),
        (
            "multipart_control",
            field("Content-Disposition: form-data; name=\"a\u{1}\""),
            field("Content-Disposition: form-data; name=\"a\tb\""),
        ),
        (
            "multipart_odd_parameter",
            field("Content-Disposition: form-data; name='a'"),
            field("Content-Disposition: form-data; name=\"it's\""),
        ),
        (
            "multipart_nested",
            field(
                "Content-Disposition: form-data; name=a\nContent-Type: multipart/mixed; boundary=c",
            ),
            field("Content-Disposition: form-data; name=a\nContent-Type: text/multipart"),
        ),
        (
            "multipart_nested_deep",
            parts(
                "--b\nContent-Disposition: form-data; name=a\nContent-Type: multipart/mixed; boundary=c\n\n\
                 --c\nContent-Type: multipart/mixed; boundary=d\n\n--d\n\nx\n--d--\n--c--\n--b--\n",
            ),
            parts(
                "--b\nContent-Disposition: form-data; name=a\nContent-Type: multipart/mixed; boundary=c\n\n\
                 --c\nContent-Type: text/plain\n\nx\n--c--\n--b--\n",
            ),
        ),
        (
            "multipart_boundary",
            body("multipart/form-data; boundary=c", format!("{FIELD}--b--\n")),
            parts(&format!("{FIELD}--b--\n")),
        ),
        (
            "multipart_boundary_prefix",
            parts(&format!("{FIELD}--bc\n--b--\n")),
            parts(&format!("{FIELD}-bc\n--b--\n")),
        ),
        (
            "multipart_preamble",
            parts(&format!("hello\n{FIELD}--b--\n")),
            parts(&format!("\n{FIELD}--b--\n")),
        ),
        (
            "multipart_epilogue",
            parts(&format!("{FIELD}--b--\nhello")),
            parts(&format!("{FIELD}--b--\n \n")),
        ),
        (
            "multipart_unterminated",
            parts(FIELD),
            parts(&format!("{FIELD}--b--")),
        ),
        (
            "multipart_bare_lf",
            body("multipart/form-data; boundary=b", format!("{FIELD}--b--\n")),
            parts(&format!("{FIELD}y\nz\n--b--\n")),
        ),
        (
            "multipart_no_content",
            parts("--b\nContent-Disposition: form-data; name=a\n--b--\n"),
            parts("--b\nContent-Disposition: form-data; name=a\n\n\n--b--\n"),
        ),
        (
            "disguised_program",
            parts(
                "--b\nContent-Disposition: form-data; name=a; filename=b.png\nContent-Type: image/png\n\n#!/bin/sh\n--b--\n",
            ),
            parts(
                "--b\nContent-Disposition: form-data; name=a; filename=b.sh\nContent-Type: text/plain\n\n#!/bin/sh\n--b--\n",
            ),
        ),
        (
            "multipart_bad_header",
            field("Content-Disposition: form-data; name=a\nhello"),
            field("Content-Disposition: form-data; name=a\nhello:"),
        ),
        (
            "multipart_folded_header",
            field("Content-Disposition: form-data;\n name=a"),
            field("Content-Disposition: form-data;  name=a"),
        ),
        (
            "multipart_repeated_header",
            field("Content-Disposition: form-data; name=a\nContent-Disposition: form-data"),
            field("Content-Disposition: form-data; name=a\nContent-Type: text/plain"),
        ),
        (
            "multipart_repeated_parameter",
            field("Content-Disposition: form-data; name=a; name=b"),
            field("Content-Disposition: form-data; name=a; filename=b"),
        ),
        (
            "multipart_transfer_encoding",
            field("Content-Disposition: form-data; name=a\nContent-Transfer-Encoding: base64"),
            field("Content-Disposition: form-data; name=a\nContent-Transfer-Encoding: binary"),
        ),
    ]
}

#[test]
fn each_kind_fires_where_it_must_and_spares_what_looks_like_it() {
    let cases = cases();
    let heavy: BTreeSet<&str> = KINDS
        .iter()
        .filter(|kind| kind.weight != AmbiguityWeight::Noted)
        .map(|kind| kind.name)
        .collect();
    let tested: BTreeSet<&str> = cases.iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        tested, heavy,
        "every kind that weighs anything has its case"
    );
    let mut wrong = Vec::new();
    for (name, fires, spares) in &cases {
        let rule = format!("ambiguity.{name}");
        let weight = match kind(name).expect(name).weight {
            AmbiguityWeight::Suspicious(score) => Weight::Score(portcullis::engine::Score(score)),
            _ => Weight::Unreadable,
        };
        let (outcome, found, status) = judged("", fires);
        if !found.contains(&(rule.clone(), weight)) {
            wrong.push(format!("{name} must be found, not {found:?}"));
        }
        if weight == Weight::Unreadable {
            assert_eq!((outcome, status), (Outcome::Block, Some(400)), "{name}");
            let monitored = judged("mode: monitor", fires);
            assert_eq!(monitored.0, Outcome::WouldBlock, "{name}");
            assert_eq!(monitored.1, found, "{name}");
            // A word of the user's own is not to be found in it either.
            let own = "builtin: false, patterns: [{ id: a, words: [evil] }]";
            assert_eq!(judged(own, fires).0, Outcome::Block, "{name}");
        }
        let excluded = judged(&format!("exclusions: [{{ rule: {rule} }}]"), fires);
        if excluded.1.iter().any(|(found, _)| *found == rule) {
            wrong.push(format!("{name} must be excluded"));
        }
        let (_, found, _) = judged("", spares);
        if found.iter().any(|(found, _)| *found == rule) {
            wrong.push(format!("{name} must not be found"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_honest_programs_write_passes() {
    let form = "application/x-www-form-urlencoded";
    for (request, about) in [
        (
            body(form, "a=1&a=2&b=100%&c"),
            "repeated keys, a lone percent sign",
        ),
        (
            body(
                "application/json",
                "{\n  // settings\n  a: 'b',\n  'c': [1, 2,],\n}",
            ),
            "JSON written by hand",
        ),
        (
            body("application/json", "\u{feff}{\"a\":NaN}\n{\"a\":2}"),
            "printed by a program",
        ),
        (
            body("application/json; charset=utf8", "[1]")
                .header("content-type", "application/json"),
            "a type that a proxy has added once more",
        ),
        (
            body(
                "text/html; charset=windows-1252",
                "<!DOCTYPE html><p class=x>caf\u{e9}</p>",
            ),
            "a page",
        ),
        (
            body("multipart/form-data; boundary=b", format!("{FIELD}--b--\n")),
            "a form with line feeds alone",
        ),
        (
            body("multipart/mixed; boundary=b", "--b\r\n\r\nx\r\n--b--\r\n"),
            "parts without names",
        ),
        (body("application/xml", "<a>\n<b/>\n</a>"), "XML"),
        (
            body("application/graphql", "query { a(b: \"c\") { d } }"),
            "GraphQL",
        ),
        (body("", "hello"), "no type"),
        (
            body("text/plain; charset=Shift_JIS", b"\x83\x6e\x83\x8d\x81\x5b"),
            "a charset of East Asia",
        ),
    ] {
        let (outcome, found, _) = judged("", &request);
        assert_eq!(outcome, Outcome::Pass, "{about}: {found:?}");
    }
}

#[test]
fn an_exclusion_may_name_the_place_and_the_path() {
    let twice =
        |target: &str| Request::get(target).body("application/json", r#"{"a":{"b":1,"b":2}}"#);
    let found = |exclusion: &str, target| {
        let section = format!("exclusions: [{{ {exclusion} }}]");
        judged(&section, &twice(target)).1.len()
    };
    assert_eq!(found("rule: ambiguity.charset", "/x"), 1);
    assert_eq!(found("rule: ambiguity.duplicate_key, place: body", "/x"), 0);
    assert_eq!(found("rule: 'ambiguity.*', name: $.a.b", "/x"), 0);
    assert_eq!(found("rule: 'ambiguity.*', name: $.c", "/x"), 1);
    assert_eq!(found("rule: 'ambiguity.*', path: /x", "/x/y"), 0);
    assert_eq!(found("rule: 'ambiguity.*', path: /x", "/z"), 1);
}

/// What weighs nothing can be written any number of times, and is noted a hundred times.
#[test]
fn what_weighs_nothing_hides_nothing() {
    let target = format!("/?{}b=%2525252525252541", "a=%zz&".repeat(300));
    assert_eq!(judged("", &Request::get(&target)).2, Some(400));
    let text = format!("[{}{{\"a\":1,\"a\":2}}]", "NaN,".repeat(300));
    let found = judged("", &body("application/json", text)).1;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].0, "ambiguity.duplicate_key");
}

/// Every name that a parser notes is in the table, and every name in the table is noted by one.
#[test]
fn the_table_is_complete() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/request");
    let mut folders = vec![root];
    let mut noted = BTreeSet::new();
    let call = regex::Regex::new(
        r#"(?:\b(?:note|rest|is_odd|contradict|Exhausted|Err|then_some|Some)\(\s*|\bkind: )"([a-z0-9]+_[a-z0-9_]+|charset|utf16)"|"(multipart_[a-z_]+)""#,
    )
    .expect("an expression");
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.is_file() && !path.ends_with("tests.rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let text = text
                    .split("#[cfg(test)]\nmod tests {")
                    .next()
                    .unwrap_or_default();
                noted.extend(call.captures_iter(text).filter_map(|found| {
                    let name = found.get(1).or(found.get(2))?;
                    Some(name.as_str().to_owned())
                }));
            }
        }
    }
    let known: BTreeSet<String> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
    let unknown: Vec<_> = noted.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "noted and not in the table: {unknown:?}"
    );
    let stray: Vec<_> = known.difference(&noted).collect();
    assert!(stray.is_empty(), "in the table and never noted: {stray:?}");
}
