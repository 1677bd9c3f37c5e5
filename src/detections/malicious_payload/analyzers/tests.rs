//! What holds for every analyzer: names, gates, and work that grows with the text and no faster.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::*;
use crate::engine::patterns::PatternSet;

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
    let text = Text::new(bytes, place, is_key, Name::Known(name));
    (analyzer.analyze)(&text, &mut matches);
    for (_, range) in &matches.found {
        assert!(
            bytes.get(range.clone()).is_some(),
            "{}: {range:?}",
            analyzer.class
        );
    }
    assert!(
        matches.found.is_empty() || is_asked(analyzer, bytes),
        "no gate of {} opens to {:?}",
        analyzer.class,
        String::from_utf8_lossy(bytes)
    );
    matches
        .found
        .into_iter()
        .map(|(rule, _)| rule.name)
        .collect()
}

/// Whether the engine would ask an analyzer of a text at all: what is found behind closed gates is found by tests alone.
fn is_asked(analyzer: &Analyzer, bytes: &[u8]) -> bool {
    static GATES: LazyLock<PatternSet> = LazyLock::new(|| {
        let mut builder = PatternSet::builder();
        for analyzer in ALL {
            builder
                .add_gate(analyzer.gates.iter().copied())
                .expect("valid gates");
        }
        builder.build().expect("a small automaton")
    });
    let place = ALL.iter().position(|known| std::ptr::eq(*known, analyzer));
    let mut asked = false;
    GATES.find(bytes, |index, _| asked |= Some(index) == place);
    asked
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
    let mut builder = PatternSet::builder();
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

/// What attacks of all classes are made of, and what stands between.
const PIECES: &[&[u8]] = &[
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
    b"|id",
    b"() {",
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
    b"onload=",
    b"document.cookie",
    b"alert(1)",
    b"fetch('",
    b"String.fromCharCode(",
    b"constructor",
    b"[]",
    b"expression(",
    b"@import",
    b"data:text/html,",
    b"data:image/svg+xml,<",
    b"\\u0061",
    b"etc/passwd",
    b"a:/",
    b"zip://",
    b"file:/",
    b"%2525",
    b"?",
    b",",
    b"}",
    b"{",
    b"$",
    b"cat ",
    b"rO0AB",
    b"!!python/object",
    b"http://0x7f.1/",
    b"Bcc:",
];

/// Numbers without order, the same in every run.
fn numbers() -> impl FnMut() -> usize {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 33) as usize
    }
}

/// Whatever bytes come, nothing breaks, and what is found lies in the text.
#[test]
fn no_text_breaks_an_analyzer() {
    let mut next = numbers();
    for _ in 0..3_000 {
        let mut text = Vec::new();
        for _ in 0..next() % 24 {
            text.extend_from_slice(PIECES[next() % PIECES.len()]);
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

/// What an analyzer makes of a text over and over, at four times the length: about four times as much work, whatever is
/// repeated, and whatever stands before and behind it. Prints the costliest text of each.
#[test]
#[ignore = "soak"]
#[expect(
    clippy::disallowed_methods,
    reason = "it measures, as a bench would that could see analyzers"
)]
fn soak_no_text_is_looked_at_over_and_over() {
    const LENGTH: usize = 1 << 14;
    let share = std::env::var("PORTCULLIS_SOAK").ok();
    let share: f64 = share.and_then(|share| share.parse().ok()).unwrap_or(0.1);
    let mut next = numbers();
    let mut wrong = Vec::new();
    let mut costliest = vec![(std::time::Duration::ZERO, String::new()); ALL.len()];
    for _ in 0..(20_000.0 * share) as usize {
        let mut piece = || PIECES[next() % PIECES.len()];
        let (before, behind) = (piece(), piece());
        let repeated = [piece(), piece(), piece()].concat();
        let repeated = &repeated[..repeated.len().max(1)];
        // A long run before or behind makes each look back or ahead a long one.
        let (run, len) = match next() % 4 {
            0 => (Some(before), 2),
            1 => (Some(behind), 2),
            _ => (None, 1),
        };
        let text = |length: usize| {
            let long = |piece: &[u8]| match run {
                Some(run) if std::ptr::eq(run, piece) => {
                    piece.repeat(length / 2 / piece.len().max(1))
                }
                _ => piece.to_vec(),
            };
            let all = repeated.repeat(length / len / repeated.len());
            [long(before), all, long(behind)].concat()
        };
        let (short, long) = (text(LENGTH), text(4 * LENGTH));
        for (analyzer, costliest) in ALL.iter().zip(&mut costliest) {
            for place in [PlaceKind::Query, PlaceKind::Body] {
                let took = |text: &[u8]| {
                    let text = Text::new(text, place, false, Name::Known("q"));
                    let began = std::time::Instant::now();
                    (analyzer.analyze)(&text, &mut Matches::default());
                    began.elapsed()
                };
                let took_long = took(&long);
                if took_long > costliest.0 {
                    // The fastest of some: a machine that others use as well is never faster than it is.
                    let fastest =
                        |text: &[u8]| (0..5).map(|_| took(text)).min().unwrap_or_default();
                    let (of_short, of_long) = (fastest(&short), fastest(&long));
                    let what = format!(
                        "{:?} {} {:?}",
                        place,
                        repeated.escape_ascii(),
                        before.escape_ascii().to_string()
                    );
                    if of_long > of_short * 10 && of_long.as_millis() >= 20 {
                        wrong.push(format!(
                            "{}: {of_short:?}, {of_long:?} of {what}",
                            analyzer.class
                        ));
                    }
                    if of_long > costliest.0 {
                        *costliest = (of_long, what);
                    }
                }
            }
        }
    }
    for (analyzer, (took, what)) in ALL.iter().zip(costliest) {
        let for_byte = took.as_nanos() / (4 * LENGTH as u128);
        println!("{for_byte:>4} ns a byte  {}  {what}", analyzer.class);
    }
    assert!(
        wrong.is_empty(),
        "four times the length:\n{}",
        wrong.join("\n")
    );
}
