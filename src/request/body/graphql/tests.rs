//! Documents by themselves and within JSON: what is found in them, and where it is written.

use proptest::prelude::*;

use super::*;
use crate::request::Input;
use crate::request::values::Parsed;

fn parse(text: &[u8], parser: fn(Range<usize>, &mut Collector<'_>)) -> Parsed<'_> {
    Collector::parse(text, |out| parser(0..text.len(), out)).1
}

/// The values of a document, but for the names.
fn values(text: &str) -> Vec<String> {
    let parsed = parse(text.as_bytes(), |range, out| {
        inputs(range, out);
    });
    shown(&parsed)
}

fn shown(parsed: &Parsed<'_>) -> Vec<String> {
    let is_value = |input: &Input<'_>| !input.is_key();
    let show = |input: Input<'_>| format!("{}={}", input.place(), input.value().escape_ascii());
    parsed.inputs().iter().filter(is_value).map(show).collect()
}

#[test]
fn strings_and_comments_have_paths() {
    assert_eq!(
        values(
            r#"query Find($t: String = "x") @live {
                 user(filter: {name: "a\u0027b", tags: ["c", "d"], kind: BIG}, first: 3) {
                   short: bio(max: 2) @cut(at: "e") # f
                   ... on Person { note(text: """g "h" """) }
                 }
               }"#
        ),
        [
            "body.query.t=x",
            "body.query.user.filter.name=a\\'b",
            "body.query.user.filter.tags=c",
            "body.query.user.filter.tags=d",
            "body.query.user.bio.at=e",
            "body.query.user.bio= f",
            "body.query.user.Person.note.text=g \\\"h\\\" ",
        ]
    );
    assert_eq!(values("{a(b:\"\")}"), [""; 0]);
}

#[test]
fn names_are_added_once() {
    let parsed = parse(b"{a b:a a(b:c)}", |range, out| {
        inputs(range, out);
    });
    let names: Vec<_> = parsed
        .inputs()
        .iter()
        .map(|input| input.value().escape_ascii().to_string())
        .collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn a_document_in_json_leads_to_the_raw_bytes() {
    let body = br#"[{"query":"{a(b:\"x\\u0027y\")}"},
        {"id":1, "query" : "mutation {\n c(d: \"\u0065vil\")}"}, {"query":"words about things"}]"#;
    let parsed = parse(body, in_json);
    assert_eq!(
        shown(&parsed),
        ["body.query.a.b=x\\\\u0027y", "body.query[1].c.d=evil"]
    );
    let raw: Vec<_> = parsed
        .inputs()
        .iter()
        .filter(|input| !input.is_key())
        .map(|input| {
            body.get(input.origin().range)
                .unwrap()
                .escape_ascii()
                .to_string()
        })
        .collect();
    assert_eq!(raw, [r"x\\\\u0027y", r"\\u0065vil"]);
    // What the application hands on is a form of it.
    let first = parsed
        .inputs()
        .iter()
        .find(|input| !input.is_key())
        .unwrap();
    assert!(first.forms().any(|form| form.text == b"x'y"));
}

#[test]
fn a_document_in_a_query_leads_to_the_raw_bytes() {
    let query = b"a=1&query=%7Ba(b:%22x%27y%22)%7D&query=words";
    let parsed = parse(query, in_pairs);
    assert_eq!(shown(&parsed), ["body.query.a.b=x\\'y"]);
    let last = parsed.inputs().last().unwrap();
    assert_eq!(query.get(last.origin().range), Some(&b"x%27y"[..]));
    assert_eq!(shown(&parse(b"query=select+a+from+b", in_pairs)), [""; 0]);
    assert_eq!(shown(&parse(b"xquery={a(b:\"c\")}", in_pairs)), [""; 0]);
}

#[test]
fn a_document_is_known_by_its_look() {
    for document in [
        "{user}",
        "{ ...F }",
        "\u{feff}# hello\n{a:b}",
        "query{a}",
        "query Find{a}",
        "query Find($a:Int){a}",
        "mutation ($a:Int){a}",
        "subscription @live {a}",
        "fragment F on T{a}",
    ] {
        assert!(looks_like_document(document.as_bytes()), "{document}");
    }
    for other in [
        "",
        "{",
        "{\"a\":1}",
        "{}",
        "query",
        "query that works",
        "query builder for work {",
        "mutation of genes",
        "select * from users",
        "[1]",
    ] {
        assert!(!looks_like_document(other.as_bytes()), "{other}");
    }
}

#[test]
fn what_no_application_reads_is_no_document() {
    let is_document =
        |text: &str| Collector::parse(text.as_bytes(), |out| inputs(0..text.len(), out)).0;
    assert!(is_document("{a(b:[1,{c:\"d\"}])}"));
    for text in ["{a", "{a(b:\"c)}", "{a;}", "{a}}}{"] {
        assert!(!is_document(text) || text == "{a}}}{", "{text}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let notes = |text: &str| -> Vec<_> {
        let parsed = parse(text.as_bytes(), |range, out| {
            inputs(range, out);
        });
        assert!(parsed.inputs().len() < 30_000, "{}", parsed.inputs().len());
        parsed
            .values
            .ambiguities
            .iter()
            .map(|note| note.kind)
            .collect()
    };
    assert_eq!(notes(&"{a".repeat(100_000)), ["too_deep"]);
    assert_eq!(notes(&"\"a\"".repeat(50_000)), ["too_many_values"]);
}

proptest! {
    /// The strings of a generated document are found, each with its path and its bytes, alone and within JSON.
    #[test]
    fn generated_documents_are_read(
        fields in proptest::collection::vec(("[a-z]{1,6}", "[a-z]{1,6}", "[ -~é☃]{1,12}"), 1..8),
        nested: bool,
    ) {
        let mut text = String::from("query Q {");
        let mut expected = Vec::new();
        let mut path = "query".to_owned();
        for (field, argument, value) in &fields {
            text.push_str(&format!("\n {field}({argument}: {})", serde_json::to_string(value).unwrap()));
            expected.push((format!("{path}.{field}.{argument}"), value.clone()));
            if nested {
                text.push_str(" {");
                path = format!("{path}.{field}");
            }
        }
        if nested {
            text.push_str(" id");
            text.push_str(&"}".repeat(fields.len()));
        }
        text.push('}');
        let found = |parsed: &Parsed<'_>, at: usize| -> Vec<(String, String)> {
            let values = parsed.inputs().iter().filter(|input| !input.is_key());
            values.map(|input| {
                let form = input.forms().nth(at).or_else(|| input.forms().last()).unwrap();
                (input.name().to_string(), String::from_utf8(form.text.to_vec()).unwrap())
            }).collect()
        };
        let parsed = parse(text.as_bytes(), |range, out| { inputs(range, out); });
        let has_long_path = expected.iter().any(|(name, _)| name.len() > Path::MAX_NAME);
        if !has_long_path {
            prop_assert_eq!(found(&parsed, 0), expected.clone());
            let json = serde_json::json!({"variables": {}, "query": text}).to_string();
            let parsed = parse(json.as_bytes(), in_json);
            let names: Vec<_> = found(&parsed, 0).into_iter().map(|(name, _)| name).collect();
            let wanted: Vec<_> = expected.iter().map(|(name, _)| name.clone()).collect();
            prop_assert_eq!(names, wanted);
            for (input, (_, value)) in parsed.inputs().iter().filter(|input| !input.is_key()).zip(&expected) {
                let raw = json.get(input.origin().range).unwrap();
                let once: String = serde_json::from_str(&format!("\"{raw}\"")).unwrap();
                let twice: String = serde_json::from_str(&format!("\"{once}\"")).unwrap();
                prop_assert_eq!(&twice, value);
            }
        }
    }

    /// No text breaks anything, and every value leads to bytes that are there.
    #[test]
    fn no_text_breaks_anything(
        pieces in proptest::collection::vec(proptest::sample::select(vec![
            "{", "}", "(", ")", "[", "]", "\"", "\"\"\"", "\\", "#", "\n", "a", ":", "@", "...", "on", "query",
            "\"query\":\"", "$", "é", "\u{feff}", "1", ";",
        ]), 0..40)
    ) {
        let text = pieces.concat();
        for parser in [in_json as fn(Range<usize>, &mut Collector<'_>), |range, out| { inputs(range, out); }] {
            let parsed = parse(text.as_bytes(), parser);
            for input in parsed.inputs() {
                prop_assert!(text.as_bytes().get(input.origin().range).is_some());
            }
        }
        let mut counted = Shape::default();
        shape(text.as_bytes(), &mut counted);
        shape_in_json(text.as_bytes(), &mut counted);
    }
}
