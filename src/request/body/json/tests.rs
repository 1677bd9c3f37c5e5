//! Agreement with `serde_json` on what is valid, tolerance and notes on what is not.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::request::values::Parsed;

fn parse(text: &[u8]) -> (bool, Parsed<'_>) {
    Collector::parse(text, |out| inputs(0..text.len(), out))
}

fn read(text: &str) -> (bool, Vec<String>, Vec<&'static str>) {
    let (valid, parsed) = parse(text.as_bytes());
    let show = |input: crate::request::Input<'_>| {
        let mark = if input.is_key() { "#" } else { "" };
        format!("{}{mark}={}", input.name(), input.value().escape_ascii())
    };
    let values = parsed.inputs().iter().map(show).collect();
    let notes = parsed
        .values
        .ambiguities
        .iter()
        .map(|note| note.kind)
        .collect();
    (valid, values, notes)
}

#[test]
fn values_have_paths() {
    let (valid, values, notes) =
        read(r#" {"a":{"b":["x",{"c":-1.5e3}],"d":null},"":[[],[true,"y"]]} "#);
    assert!(valid);
    assert_eq!(
        values,
        [
            "$.a#=a",
            "$.a.b#=b",
            "$.a.b[0]=x",
            "$.a.b[1].c#=c",
            "$.a.b[1].c=-1.5e3",
            "$.a.d#=d",
            "$.#=",
            "$.[1][1]=y",
        ]
    );
    assert_eq!(notes, [""; 0]);
    assert_eq!(read("\"s\"").1, ["$=s"]);
    assert_eq!(read("[7]").1, ["$[0]=7"]);
}

#[test]
fn what_some_parser_tolerates_is_read_and_noted() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("\u{feff}[1]", &["$[0]=1"], &["json_bom"]),
        ("[1,]", &["$[0]=1"], &["json_trailing_comma"]),
        ("{\"a\":1,}", &["$.a#=a", "$.a=1"], &["json_trailing_comma"]),
        (
            "[1/*x*/,//y\n2#z",
            &["$[0]=1/*x*/", "=//y\\n", "$[1]=2#z"],
            &["json_literal", "json_comment", "json_literal"],
        ),
        (
            "[/*]*/ 'b']",
            &["=/*]*/", "$[0]=b"],
            &["json_comment", "json_single_quotes"],
        ),
        (
            "{a:NaN}",
            &["$.a#=a", "$.a=NaN"],
            &["json_bare_key", "json_literal"],
        ),
        (
            "[01, +1]",
            &["$[0]=01", "$[1]=+1"],
            &["json_literal", "json_literal"],
        ),
        (
            "{} {\"a\":\"b\"}",
            &["$.a#=a", "$.a=b"],
            &["json_several_values"],
        ),
        ("[1] \"x\"", &["$[0]=1", "$=x"], &["json_several_values"]),
        ("[\"a\nb\"]", &["$[0]=a\\nb"], &["json_control_character"]),
        (
            "{\"a\":1,\"\\u0061\":2,\"b\":{\"a\":3}}",
            &[
                "$.a#=a", "$.a=1", "$.a#=a", "$.a=2", "$.b#=b", "$.b.a#=a", "$.b.a=3",
            ],
            &["duplicate_key"],
        ),
    ];
    for (text, values, notes) in cases {
        let (_, found_values, found_notes) = read(text);
        assert_eq!(found_values, *values, "{text}");
        assert_eq!(found_notes, *notes, "{text}");
    }
}

#[test]
fn what_no_parser_reads_is_invalid_and_keeps_what_was_found() {
    let cases: &[(&str, &[&str])] = &[
        ("", &[]),
        (" ", &[]),
        ("{", &[]),
        ("]", &[]),
        ("[}", &[]),
        ("{\"a\"}", &["$.a#=a"]),
        ("{\"a\" \"b\"}", &["$.a#=a"]),
        ("[1 2]", &["$[0]=1"]),
        ("[,1]", &[]),
        ("{:1}", &[]),
        ("[\"x\", \"unended", &["$[0]=x", "$[1]=unended"]),
        ("1 UNION SELECT x", &["$=1", "$=UNION"]),
        ("[1", &["$[0]=1"]),
    ];
    for (text, values) in cases {
        let (valid, found, _) = read(text);
        assert!(!valid, "{text}");
        assert_eq!(found, *values, "{text}");
    }
}

#[test]
fn depth_and_number_are_bounded_and_the_rest_is_text() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let (valid, values, notes) = read(&deep);
    assert!(valid);
    assert_eq!(notes, ["too_deep"]);
    assert_eq!(values.len(), 1);
    assert_eq!(values[0].len(), 1 + deep.len() - MAX_DEPTH);

    let long = format!("[{}1]", "1,".repeat(50_000));
    let (_, values, notes) = read(&long);
    assert_eq!(values.len(), 10_001);
    assert_eq!(notes, ["too_many_values"]);
    assert!(values.last().unwrap().starts_with("=1,1,1"));
}

#[test]
fn a_long_path_keeps_its_end() {
    let text = format!("{}1{}", "{\"abcdefgh\":".repeat(100), "}".repeat(100));
    let (_, values, _) = read(&text);
    let last = values.last().unwrap();
    assert!(
        last.starts_with("$…") && last.ends_with(".abcdefgh=1"),
        "{last}"
    );
    assert!(last.len() < 140);
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
        "[\\PC\"\\\\/\n\t\u{0}\u{1f}😀]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((".{0,6}", inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

/// All keys, strings and numbers of a document, in order.
fn flatten(value: &Value, found: &mut Vec<(bool, Vec<u8>)>) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => found.push((false, number.to_string().into_bytes())),
        Value::String(text) => found.push((false, text.as_bytes().to_vec())),
        Value::Array(elements) => elements.iter().for_each(|element| flatten(element, found)),
        Value::Object(pairs) => {
            for (key, value) in pairs {
                found.push((true, key.as_bytes().to_vec()));
                flatten(value, found);
            }
        }
    }
}

/// The same text, with some characters of its strings written as escapes that `serde_json` does not write.
fn escape_letters(text: &str) -> String {
    let mut inside = false;
    let mut escaped = false;
    let mut written = String::new();
    for character in text.chars() {
        if inside && !escaped && !matches!(character, '"' | '\\') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                written.push_str(&format!("\\u{unit:04x}"));
            }
            continue;
        }
        // `\u0000` is left as it is, whole.
        if inside && escaped && character == 'u' {
            return text.to_owned();
        }
        if character == '"' && !escaped {
            inside = !inside;
        }
        escaped = inside && character == '\\' && !escaped;
        written.push(character);
    }
    written
}

proptest! {
    #[test]
    fn valid_documents_read_as_the_reference_reads_them(document in document(), pretty: bool, escape: bool) {
        let mut text = if pretty {
            serde_json::to_string_pretty(&document).unwrap()
        } else {
            document.to_string()
        };
        if escape {
            text = escape_letters(&text);
            prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
        }
        let (valid, parsed) = parse(text.as_bytes());
        prop_assert!(valid, "{}", text);
        let found: Vec<_> = parsed
            .inputs()
            .iter()
            .map(|input| (input.is_key(), input.value().to_vec()))
            .collect();
        let mut expected = Vec::new();
        flatten(&document, &mut expected);
        prop_assert_eq!(found, expected);
    }

    /// What the reference takes, we take; so a document is never judged as less than it is.
    #[test]
    fn what_the_reference_takes_is_valid(text in "[\\[\\]{}\",:0-9eE.+\\-ntf \\\\ua]{0,24}") {
        if serde_json::from_str::<Value>(&text).is_ok() {
            prop_assert!(parse(text.as_bytes()).0, "{}", text);
        }
    }
}
