//! What holds for every analyzer: names, gates, and work that grows with the text and no faster.

use std::collections::BTreeSet;

use super::*;

/// The names of the rules that an analyzer finds in a value of a query.
pub(in super::super) fn found(analyzer: &Analyzer, text: &str) -> Vec<&'static str> {
    found_at(analyzer, text.as_bytes(), PlaceKind::Query)
}

/// The same of a value elsewhere.
pub(in super::super) fn found_at(
    analyzer: &Analyzer,
    bytes: &[u8],
    place: PlaceKind,
) -> Vec<&'static str> {
    named(analyzer, "q", bytes, place, false)
}

/// The same of a value of some name, or of a name itself.
pub(in super::super) fn named(
    analyzer: &Analyzer,
    name: &str,
    bytes: &[u8],
    place: PlaceKind,
    is_key: bool,
) -> Vec<&'static str> {
    let mut matches = Matches::default();
    let text = Text {
        bytes,
        place,
        is_key,
        name: Name::Known(name),
    };
    (analyzer.analyze)(&text, &mut matches);
    for (_, range) in &matches.found {
        assert!(
            bytes.get(range.clone()).is_some(),
            "{}: {range:?}",
            analyzer.class
        );
    }
    matches
        .found
        .into_iter()
        .map(|(rule, _)| rule.name)
        .collect()
}

#[test]
fn every_rule_has_a_name_and_a_sentence_of_its_own() {
    let mut ids = BTreeSet::new();
    let mut messages = BTreeSet::new();
    for analyzer in ALL {
        assert!(!analyzer.gates.is_empty(), "{}", analyzer.class);
        for rule in analyzer.rules {
            assert!(ids.insert(analyzer.id(rule)), "{} twice", analyzer.id(rule));
            assert!(messages.insert(rule.message), "{} twice", rule.message);
            assert!(rule.message.ends_with('.'), "{}", rule.message);
            assert!((1..=5).contains(&rule.score), "{}", analyzer.id(rule));
        }
    }
}

#[test]
fn no_gate_stands_open() {
    let mut builder = crate::engine::patterns::PatternSet::builder();
    for analyzer in ALL {
        builder
            .add_gate(analyzer.gates.iter().copied())
            .unwrap_or_else(|errors| panic!("{}: {errors:?}", analyzer.class));
    }
    let set = builder.build().expect("builds");
    let open: Vec<_> = set
        .always_run()
        .filter_map(|index| Some(ALL.get(index)?.class))
        .collect();
    assert_eq!(open, [""; 0]);
}

/// Whatever bytes come, nothing breaks, and what is found lies in the text.
#[test]
fn no_text_breaks_an_analyzer() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random >> 33
    };
    let pieces: &[&[u8]] = &[
        b"'",
        b"\"",
        b"`",
        b"(",
        b")",
        b"<",
        b">",
        b"${",
        b"{{",
        b"}}",
        b"/*",
        b"*/",
        b"--",
        b"#",
        b"\\",
        b"/",
        b"..",
        b"select",
        b"union",
        b"or",
        b"=",
        b"1",
        b"a",
        b" ",
        b"\n",
        b"\r\n",
        b"script",
        b"on",
        b"javascript:",
        b"jndi:",
        b"cat",
        b"$(",
        b"|",
        b";",
        b"&",
        b"http://",
        b"@",
        b"[",
        b"]",
        b"\0",
        b"\xff",
        b"\xc0\xae",
        b"%",
        b"<!--",
        b"<?",
        b"php",
        b"O:4:",
        b"__proto__",
        b"$ne",
        b"*",
        b")(",
        b"!DOCTYPE",
        b"ENTITY",
        b"0x",
        b"127.0.0.1",
        b":",
    ];
    for _ in 0..3_000 {
        let mut text = Vec::new();
        for _ in 0..next() % 24 {
            let piece = pieces[next() as usize % pieces.len()];
            text.extend_from_slice(piece);
        }
        for analyzer in ALL {
            for place in [
                PlaceKind::Path,
                PlaceKind::Query,
                PlaceKind::Headers,
                PlaceKind::Body,
            ] {
                found_at(analyzer, &text, place);
            }
        }
    }
}
