//! That the work grows with the length of a value and no faster, and how much it is at most.

use super::search::Search;
use super::*;

/// How many bytes are read by decoders, and how many they write, for each byte of a text.
fn work(text: &[u8]) -> (f64, f64) {
    let form = Form::raw(text, Marks::of(text));
    let budget = Work::for_body(text.len());
    let (read, written) = Search::run(form, true, 0, &budget).work();
    let each = |bytes: usize| bytes as f64 / text.len() as f64;
    (each(read), each(written))
}

fn nested(text: &str, times: usize, encode: impl Fn(&str) -> String) -> String {
    (0..times).fold(text.to_owned(), |text, _| encode(&text))
}

fn base64(text: &str) -> String {
    ::base64::Engine::encode(&::base64::engine::general_purpose::STANDARD, text)
}

/// Texts that are filled with what makes most work.
fn units() -> Vec<String> {
    let mut units: Vec<String> = [
        "'",
        "\\",
        "&",
        "%",
        "+",
        "/*",
        "*/",
        "/**/",
        "/*!0 ",
        "<!--",
        "-->",
        "--\n",
        "a#\n",
        "#\n",
        "\0",
        "\u{200b}",
        "\u{a0}",
        "\u{ff1c}",
        "\u{fdfa}",
        "\u{2026}",
        "%41",
        "%25",
        "%2525",
        "%252525252541",
        "%u0041",
        "\\u0041",
        "\\x41",
        "\\47",
        "\\3c ",
        "\\\\",
        "\\j",
        "&#x41;",
        "&amp;",
        "&amp;amp;amp;",
        "&nGg;",
        "&#x0000000000000000000000",
        "%26lt%3B",
        "+ADw-",
        "+ADw",
        "+A",
        "+AHA+",
        "YWJj",
        "YWJjZGVmZ2hpamts/",
        "/YWJjZGVmZ2hpamtsbW5v\u{fffd}",
        "616263646566",
        "0x616263646566676869",
        "PHNjcmlwdD4=",
        "a",
        "a b",
        "&amp;%41\\x41\\3c +ADw-/**/\u{a0}\u{ff1c}",
        "%c0%ae",
        "%26%23x5c%3Bx41",
    ]
    .map(str::to_owned)
    .into();
    units.push(nested("some text that hides", 3, base64));
    units.push(nested("a%41&lt;\\x41", 3, |text| {
        text.replace('%', "%25").replace('&', "&amp;")
    }));
    units
}

#[test]
fn work_is_linear_and_bounded() {
    let units = units();
    assert_eq!(units.len(), 54);
    for unit in units {
        let text = |len: usize| unit.repeat(len / unit.len()).into_bytes();
        let shown = unit.escape_debug();
        let (once, twice, tenfold) = (work(&text(8_000)), work(&text(16_000)), work(&text(80_000)));
        assert!(
            twice.0 <= once.0 * 1.05 + 0.1 && tenfold.0 <= once.0 * 1.05 + 0.1,
            "{shown}: {once:?} {twice:?} {tenfold:?}"
        );
        assert!(
            once.0 < 100.0 && tenfold.0 < 100.0,
            "{shown}: {once:?}, {tenfold:?}"
        );
        assert!(
            once.1 < 24.0 && tenfold.1 < 24.0,
            "{shown}: {once:?}, {tenfold:?}"
        );
    }
}

#[test]
fn decodings_that_never_end_are_given_up() {
    let percent = |depth: usize| format!("%{}41", "25".repeat(depth));
    let entity = |depth: usize| format!("&{}lt;", "amp;".repeat(depth));
    let script = |depth: usize| format!("{}x41", "\\".repeat(1 << depth));
    for spell in [percent, entity, script] {
        for depth in 0..12 {
            let found = value(spell(depth).as_bytes(), Syntax::Text);
            assert_eq!(
                found.oddities.exhausted,
                depth >= usize::from(MAX_DEPTH),
                "{}",
                spell(depth)
            );
        }
    }
    // What is hidden behind them is neither escapes nor found by anybody who does not know how often it was done.
    let deep = nested("some text that hides", 12, base64);
    assert!(!value(deep.as_bytes(), Syntax::Text).oddities.exhausted);
}
