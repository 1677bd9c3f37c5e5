//! Lines of JSON: each line a document of its own (`application/x-ndjson`, JSON Lines), or each text behind a record
//! separator (RFC 7464).
//!
//! A line that is no JSON breaks nothing but itself: it is noted, and judged as text.

use std::ops::Range;

use super::super::collector::{Collector, MAX_VALUES};
use super::super::decode::Syntax;
use super::super::names::NameRef;
use super::json;

/// What ends a line, or begins a record.
const SEPARATORS: [u8; 2] = [b'\n', 0x1e];

/// Adds the values of each line in `range` of the body; the n-th document is called `$[n]`.
pub(super) fn inputs(range: Range<usize>, out: &mut Collector<'_>) {
    let full = out.full();
    let mut documents: u32 = 0;
    let mut at = range.start;
    if out.text(&range).starts_with(b"\xef\xbb\xbf") {
        at += 3;
    }
    while at < range.end {
        if out.len() >= full || documents as usize >= MAX_VALUES {
            out.rest("too_many_values", at..range.end);
            return;
        }
        let rest = out.text(&(at..range.end));
        let [newline, record] = SEPARATORS;
        let len = memchr::memchr2(newline, record, rest).unwrap_or(rest.len());
        let line = rest.get(..len).unwrap_or_default();
        let begin = at + (line.len() - line.trim_ascii_start().len());
        let line = begin..begin + line.trim_ascii().len();
        at += len + 1;
        if line.is_empty() {
            continue;
        }
        if !json::element(documents, line.clone(), full, out) {
            out.note("ndjson_bad_line", line.clone());
            out.value(NameRef::ROOT.element(documents), line, Syntax::Text);
        }
        documents += 1;
    }
}

/// Whether a text begins with a document on a line of its own, and goes on with another one.
pub(super) fn looks_like_lines(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\x1e").unwrap_or(text);
    let Some(end) = text.iter().position(|byte| SEPARATORS.contains(byte)) else {
        return false;
    };
    let (line, rest) = text.split_at(end);
    let is_document = matches!(line.trim_ascii(), [b'{', .., b'}'] | [b'[', .., b']']);
    let rest = rest
        .iter()
        .find(|byte| !byte.is_ascii_whitespace() && **byte != 0x1e);
    is_document && matches!(rest, Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, Vec<&'static str>) {
        let ((), parsed) = Collector::parse(text.as_bytes(), |out| inputs(0..text.len(), out));
        let values = parsed
            .inputs()
            .iter()
            .map(|input| format!("{}={}", input.place(), input.value().escape_ascii()))
            .collect();
        let notes = parsed
            .values
            .ambiguities
            .iter()
            .map(|note| note.kind)
            .collect();
        (values, notes)
    }

    #[test]
    fn every_line_is_a_document() {
        let (values, notes) = read("{\"a\":\"b\"}\r\n\n[1]\n\"x\"");
        assert_eq!(
            values,
            [
                "body.$[0].a (name)=a",
                "body.$[0].a=b",
                "body.$[1][0]=1",
                "body.$[2]=x"
            ]
        );
        assert_eq!(notes, [""; 0]);
        assert_eq!(
            read("\x1e[1]\n\x1e[2]\n").0,
            ["body.$[0][0]=1", "body.$[1][0]=2"]
        );
        assert_eq!(read("\u{feff}[1]\n").0, ["body.$[0][0]=1"]);
        assert_eq!(read("").0, [""; 0]);
    }

    #[test]
    fn a_bad_line_breaks_nothing_but_itself() {
        let (values, notes) = read("[1]\n{evil\n[2]");
        assert_eq!(values.first().map(String::as_str), Some("body.$[0][0]=1"));
        assert!(values.contains(&"body.$[1]={evil".to_owned()), "{values:?}");
        assert_eq!(values.last().map(String::as_str), Some("body.$[2][0]=2"));
        assert!(notes.contains(&"ndjson_bad_line"), "{notes:?}");
    }

    #[test]
    fn lines_beyond_measure_are_one_value() {
        for line in ["1\n", "{}\n"] {
            let text = line.repeat(3 * MAX_VALUES);
            let (values, notes) = read(&text);
            assert!(values.len() <= MAX_VALUES + 1, "{}", values.len());
            assert_eq!(notes, ["too_many_values"]);
        }
    }

    #[test]
    fn lines_are_told_from_one_document() {
        for lines in [
            "{}\n{}",
            "{\"a\":1}\r\n\r\n[",
            "[1]\n[2]\n",
            "\x1e{}\n\x1e{}\n",
        ] {
            assert!(looks_like_lines(lines.as_bytes()), "{lines}");
        }
        for one in [
            "",
            "{}",
            "{}\n",
            "[\n{}\n,{}]",
            "{\n\"a\":1}\n{",
            "{}\nx",
            "1\n2",
        ] {
            assert!(!looks_like_lines(one.as_bytes()), "{one}");
        }
    }
}
