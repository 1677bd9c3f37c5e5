//! Whole bodies: what is found in them, and that nothing is lost or breaks whatever they are.

use http::HeaderValue;
use http::header::CONTENT_ENCODING;
use http::header::CONTENT_TYPE;
use proptest::prelude::*;

use super::*;

fn headers(content_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    headers
}

fn read(content_type: &str, body: &[u8]) -> (Vec<String>, Vec<&'static str>) {
    let view = BodyView::new(&headers(content_type), body);
    let values = view
        .inputs()
        .iter()
        .map(|input| format!("{}={}", input.place(), input.value().escape_ascii()))
        .collect();
    let notes = view.ambiguities().iter().map(|note| note.kind).collect();
    (values, notes)
}

/// A declared type, a body, its values, its ambiguities.
type Case = (
    &'static str,
    &'static [u8],
    &'static [&'static str],
    &'static [&'static str],
);

#[test]
fn bodies_are_taken_apart_as_everything_they_could_be() {
    let cases: &[Case] = &[
        ("text/plain", b"", &[], &[]),
        (
            "application/x-www-form-urlencoded",
            b"a=1+2&b",
            &["body.a (name)=a", "body.a=1 2", "body.b (name)=b"],
            &[],
        ),
        (
            "application/x-www-form-urlencoded",
            b"{\"a\":\"b=c\"}",
            &[
                "body.$.a (name)=a",
                "body.$.a=b=c",
                "body.{\"a\":\"b (name)={\\\"a\\\":\\\"b",
                "body.{\"a\":\"b=c\\\"}",
            ],
            &[],
        ),
        (
            "application/json",
            b"{bad",
            &[
                "body.$.bad (name)=bad",
                "body.query.bad (name)=bad",
                "body={bad",
            ],
            &["json_bare_key", "invalid_json"],
        ),
        ("text/plain", b"[1,", &["body.$[0]=1", "body=[1,"], &[]),
        ("text/plain", b"100%", &["body=100%"], &[]),
        (
            "multipart/form-data",
            b"hello",
            &["body=hello"],
            &["multipart_boundary_missing", "invalid_multipart"],
        ),
        ("image/png", b"\x89PNG\0\0", &[], &[]),
        (
            "application/json; charset=ibm037",
            b"1",
            &["body.$=1", "body=1"],
            &["charset"],
        ),
        (
            "text/xml",
            b"\xff\xfe<\0a\0>\0",
            &[
                "body=\\xff\\xfe<\\x00a\\x00>\\x00",
                "body./a (name)=a",
                "body=<a>",
            ],
            &["utf16"],
        ),
        (
            "application/json",
            b"{\0\"\0a\0\"\0:\0\"\0<\0\"\0}\0",
            &[
                "body.$.\\u{0} (name)=\\x00",
                "body={\\x00\\\"\\x00a\\x00\\\"\\x00:\\x00\\\"\\x00<\\x00\\\"\\x00}\\x00",
                "body.$.a (name)=a",
                "body.$.a=<",
            ],
            &["utf16"],
        ),
    ];
    for (content_type, body, values, notes) in cases {
        let shown = body.escape_ascii();
        let (found_values, found_notes) = read(content_type, body);
        assert_eq!(found_values, *values, "{content_type} {shown}");
        assert_eq!(found_notes, *notes, "{content_type} {shown}");
    }
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    text.encode_utf16()
        .flat_map(|unit| {
            if big_endian {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

#[test]
fn a_body_in_another_charset_yields_its_values_by_name() {
    const JSON: &str = "{\"é\":\"<x>\"}";
    const FORM: &str = "é=<x>&b=c";
    const XML: &str = "<é>&lt;x></é>";
    let form = "application/x-www-form-urlencoded";
    for big_endian in [false, true] {
        let name = if big_endian { "utf-16be" } else { "utf-16le" };
        for (content_type, text, value) in [
            // Said by nobody, and seen by what begins a document; by its mark; by letters that are ASCII.
            ("application/json".to_owned(), JSON, "body.$.é=<x>"),
            ("image/png".to_owned(), JSON, "body.$.é=<x>"),
            (String::new(), XML, "body./é=<x>"),
            ("text/plain".to_owned(), "\u{feff}é=<x>", "body=é=<x>"),
            (form.to_owned(), "\u{feff}é=<x>", "body.é=<x>"),
            (form.to_owned(), "abcd=<x>", "body.abcd=<x>"),
            // Said.
            (format!("{form}; charset={name}"), FORM, "body.é=<x>"),
            (format!("{form}; charset=utf-16"), FORM, "body.é=<x>"),
            // Said and seen to be different things.
            (
                format!(
                    "application/json; charset={}",
                    if big_endian { "utf-16le" } else { "utf-16be" }
                ),
                JSON,
                "body.$.é=<x>",
            ),
        ] {
            let body = utf16(text, big_endian);
            let headers = headers(&content_type);
            let view = BodyView::new(&headers, &body);
            let shown = |input: crate::request::Input<'_>| {
                format!(
                    "{}={}",
                    input.place(),
                    String::from_utf8_lossy(input.value())
                )
            };
            let found = view.inputs().iter().find(|input| shown(*input) == value);
            let input = found.unwrap_or_else(|| {
                panic!(
                    "{content_type}, {name}: {:?}",
                    view.inputs().iter().map(shown).collect::<Vec<_>>()
                )
            });
            let form = input.forms().next().unwrap();
            let at = memchr::memchr(b'<', form.text).unwrap();
            let raw = view.slice(&input.origin_of(&form, at + 1..at + 2));
            assert_eq!(
                raw,
                Some(&*utf16("x", big_endian)),
                "{content_type}, {name}"
            );
            assert_eq!(form.steps.first(), Some(&crate::request::DecodeStep::Utf16));
            let kinds: Vec<_> = view.ambiguities().iter().map(|note| note.kind).collect();
            assert!(
                kinds.iter().all(|kind| *kind == "utf16"),
                "{content_type}: {kinds:?}"
            );
        }
    }
}

#[test]
fn bytes_of_a_charset_of_their_own_are_read_as_letters_too() {
    let values = |content_type, body| read(content_type, body).0;
    let typed = "application/x-www-form-urlencoded; charset=windows-1252";
    let found = values(typed, b"a=\x8bscript\x9b");
    assert_eq!(
        found,
        [
            "body.a (name)=a",
            "body.a=\\x8bscript\\x9b",
            "body.a (name)=a",
            "body.a=\\xe2\\x80\\xb9script\\xe2\\x80\\xba",
        ]
    );
    // What is UTF-8 is that, whatever is said.
    let found = values(typed, "a=é".as_bytes());
    assert_eq!(found, ["body.a (name)=a", "body.a=\\xc3\\xa9"]);
    let found = values("application/x-www-form-urlencoded", b"a=\xe9");
    assert_eq!(found, ["body.a (name)=a", "body.a=\\xe9"]);
}

#[test]
fn what_graphql_asks_for_is_counted_wherever_it_is_written() {
    let shape = |content_type, body: &[u8]| BodyView::new(&headers(content_type), body).graphql();
    let fields = |content_type, body| shape(content_type, body).map(|shape| shape.fields);
    assert_eq!(fields("application/graphql", b"{a{b}}"), Some(2));
    assert_eq!(fields("text/plain", b"query {a{b}}"), Some(2));
    let batch = br#"[{"query":"{a{b}}"},{"query":"{c}"},{"query":"words"}]"#;
    let both = shape("application/json", batch).expect("documents");
    assert_eq!((both.documents, both.fields, both.depth), (2, 3, 2));
    assert_eq!(shape("application/json", b"{\"query\":\"words\"}"), None);
    assert_eq!(shape("text/plain", b"hello"), None);
}

#[test]
fn an_encoded_body_is_noted() {
    let mut headers = headers("application/json");
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    let notes: Vec<_> = BodyView::new(&headers, b"{}")
        .ambiguities()
        .iter()
        .map(|note| note.kind)
        .collect();
    assert_eq!(notes, ["content_encoding"]);
}

#[test]
fn an_origin_slices_the_raw_body() {
    let body = b"{\"q\":\"a\\u0027b\"}";
    let headers = headers("application/json");
    let view = BodyView::new(&headers, body);
    let input = view.inputs().last().unwrap();
    let form = input.forms().next().unwrap();
    assert_eq!(form.text, b"a'b");
    let origin = input.origin_of(&form, 1..2);
    assert_eq!(view.slice(&origin), Some(&b"\\u0027"[..]));
}

fn content_type() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "image/png",
        "text/plain; charset=utf-16le",
        "application/xml",
        "application/graphql",
        "application/x-ndjson",
        "application/xml, application/json; charset=utf-7",
    ])
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        proptest::sample::select(vec![
            "--x",
            "--x--",
            "\r\n",
            "\n",
            "\n ",
            ":",
            "Content-Disposition: form-data; name=a",
            "; filename*=a''b",
            "name=\"",
            "{",
            "}",
            "[",
            "]",
            "\"",
            "\\",
            ",",
            "//",
            "/*",
            "'",
            "1",
            "null",
            "\"a\":",
            "&",
            "=",
            "%41",
            "\u{feff}",
            "\\u0041",
            "<a b='",
            "</a>",
            "<![CDATA[",
            "]]>",
            "&lt;",
            "<!DOCTYPE a [",
            "\"query\":\"{a(b:\\\"",
            "query {a(b:",
            "\"\"\"",
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// No body breaks anything, and everything that is said of a body points into it.
    #[test]
    fn no_body_breaks_anything(content_type in content_type(), body in body()) {
        let headers = headers(content_type);
        let view = BodyView::new(&headers, &body);
        for input in view.inputs() {
            prop_assert!(view.slice(&input.origin()).is_some());
            for form in input.forms() {
                let origin = input.origin_of(&form, 0..form.text.len());
                prop_assert!(view.slice(&origin).is_some());
            }
            prop_assert!(input.name().len() <= 600);
        }
        for ambiguity in view.ambiguities() {
            prop_assert!(view.slice(&ambiguity.origin).is_some());
        }
        prop_assert_eq!(view.kind() == BodyKind::Empty, body.is_empty());
    }
}

/// However many readings a body has, they make no more work than it may.
#[test]
fn all_readings_of_a_body_share_its_work() {
    let text = "a%2541&lt;b \\x41 ".repeat(1_000);
    let spent = |content_type: &str| {
        let headers = headers(content_type);
        let body = BodyView::new(&headers, text.as_bytes());
        let before = body.work().left();
        assert!(!body.inputs().is_empty());
        before - body.work().left()
    };
    let once = spent("text/plain");
    assert!(once > 0);
    assert!(spent("text/plain; charset=utf-16") > once);
    // What one has left is all that the next may make.
    let headers = headers("text/plain");
    let body = BodyView::new(&headers, text.as_bytes());
    assert!(
        !body
            .ambiguities()
            .iter()
            .any(|odd| odd.kind == "decode_depth")
    );
    body.work().take(usize::MAX);
    let next = BodyView::new(&headers, text.as_bytes()).with_work(body.work().clone());
    assert!(
        next.ambiguities()
            .iter()
            .any(|odd| odd.kind == "decode_depth")
    );
}
