//! Names, tolerance and notes, bounds; what is valid is held against a reference.

mod differential;

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

    for (value, count) in [("1", 100_000), ("\"\\n\"", 10_000)] {
        let within = format!("[{}1]", [value, ","].concat().repeat(count - 1));
        let (valid, values, notes) = read(&within);
        assert!(valid && notes.is_empty(), "{value}: {notes:?}");
        assert_eq!(values.len(), count);

        let beyond = format!("[{}2]", [value, ","].concat().repeat(count + 50_000));
        let (_, values, notes) = read(&beyond);
        assert_eq!(notes, ["too_many_values"]);
        assert_eq!(values.len(), count + 1);
        assert!(values.last().unwrap().ends_with(",2]"));
    }
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
