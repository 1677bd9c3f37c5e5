//! Every way in which a request can mean different things to two readers: what it is called, what it is, how heavy it weighs.
//!
//! Parsers record an [`Ambiguity`](super::Ambiguity) and read on. Which of them matter is decided here, in one table, and
//! acted upon by a detection. Honest programs write sloppily, so most of them weigh nothing or little; together they
//! stay below what refuses, unless somebody goes out of his way to be misread.

use super::input::PlaceKind;

/// A kind of ambiguity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguityKind {
    /// Its stable name.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub message: &'static str,
    /// How heavy it weighs.
    pub weight: AmbiguityWeight,
    /// Where it occurs.
    pub places: &'static [PlaceKind],
}

/// How heavy an ambiguity weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AmbiguityWeight {
    /// Usual in honest traffic, and judged in every reading: only told.
    Noted,
    /// Unusual; counts so much among what is found.
    Suspicious(u32),
    /// Nobody can say what the application reads, so nothing that is said of the request is worth anything: refused.
    Unreadable,
}

/// The kind of that name.
#[must_use]
pub fn kind(name: &str) -> Option<&'static AmbiguityKind> {
    KINDS.iter().find(|kind| kind.name == name)
}

const BODY: &[PlaceKind] = &[PlaceKind::Body];
const PAIRS: &[PlaceKind] = &[PlaceKind::Query, PlaceKind::Body];
const ANYWHERE: &[PlaceKind] = &[
    PlaceKind::Path,
    PlaceKind::Query,
    PlaceKind::Headers,
    PlaceKind::Cookies,
    PlaceKind::Body,
];

const fn noted(
    name: &'static str,
    places: &'static [PlaceKind],
    message: &'static str,
) -> AmbiguityKind {
    AmbiguityKind {
        name,
        message,
        weight: AmbiguityWeight::Noted,
        places,
    }
}

const fn suspicious(name: &'static str, score: u32, message: &'static str) -> AmbiguityKind {
    AmbiguityKind {
        name,
        message,
        weight: AmbiguityWeight::Suspicious(score),
        places: BODY,
    }
}

const fn unreadable(
    name: &'static str,
    places: &'static [PlaceKind],
    message: &'static str,
) -> AmbiguityKind {
    AmbiguityKind {
        name,
        message,
        weight: AmbiguityWeight::Unreadable,
        places,
    }
}

/// All kinds. A test reads the parsers and holds that each kind that they note is here.
pub const KINDS: &[AmbiguityKind] = &[
    // === Values ===
    noted(
        "invalid_percent",
        ANYWHERE,
        "A percent sign begins no escape; some servers drop it, some refuse it.",
    ),
    unreadable(
        "decode_depth",
        ANYWHERE,
        "A value is encoded more often than is decoded, so what it is at last is not known.",
    ),
    noted(
        "too_many_values",
        PAIRS,
        "There are more values than are taken apart; the rest is judged as one.",
    ),
    suspicious(
        "too_deep",
        3,
        "Values lie deeper within one another than is taken apart; the rest is judged as text.",
    ),
    // === What the sender says of the body ===
    noted(
        "content_encoding",
        BODY,
        "The body is compressed or otherwise encoded; `limits.encoded_body` says what becomes of it.",
    ),
    suspicious(
        "content_type_conflict",
        3,
        "Several types are declared of one body; servers differ in which one they take.",
    ),
    unreadable(
        "charset",
        BODY,
        "The body is in an encoding in which letters are not the bytes that they are everywhere else.",
    ),
    suspicious(
        "charset_conflict",
        3,
        "Several encodings are declared of one body; servers differ in which one they take.",
    ),
    noted(
        "utf16",
        BODY,
        "The body is UTF-16, and judged as that and as it is.",
    ),
    suspicious(
        "disguised_program",
        5,
        "A file is a program by its first bytes, and a picture, a sound or a film by its name or type (CWE-434).",
    ),
    // === JSON ===
    suspicious(
        "invalid_json",
        2,
        "A body that is declared as JSON is none; it is judged as text.",
    ),
    suspicious(
        "duplicate_key",
        2,
        "An object has a key twice; parsers differ in which value they keep.",
    ),
    noted("json_bom", BODY, "JSON begins with a byte order mark."),
    suspicious(
        "json_comment",
        1,
        "JSON has a comment, which most parsers refuse and some skip.",
    ),
    noted(
        "json_several_values",
        BODY,
        "Several JSON texts follow one another; some parsers stop after the first.",
    ),
    suspicious(
        "json_trailing_comma",
        1,
        "JSON has a comma behind the last element.",
    ),
    suspicious("json_bare_key", 1, "JSON has a key without quotes."),
    suspicious("json_single_quotes", 1, "JSON has a text in single quotes."),
    noted(
        "json_literal",
        BODY,
        "JSON has a word that is no value to every parser, as `NaN`.",
    ),
    noted(
        "json_control_character",
        BODY,
        "JSON has a control character in a text, as a line end that is not escaped.",
    ),
    suspicious(
        "ndjson_bad_line",
        1,
        "A line of a body of JSON lines is no JSON; it is judged as text.",
    ),
    // === XML ===
    suspicious(
        "invalid_xml",
        2,
        "A body that is declared as XML is not well-formed; it is judged as text.",
    ),
    suspicious(
        "xml_doctype",
        5,
        "An XML document has a DOCTYPE, which can make it mean something else than it says.",
    ),
    suspicious(
        "xml_entity",
        5,
        "An XML document declares entities, which stand for text that is somewhere else or grows without end.",
    ),
    suspicious(
        "xml_external",
        5,
        "The DOCTYPE of an XML document names a file or an address that its parser is to read.",
    ),
    suspicious(
        "xml_attributes",
        3,
        "An XML element has more attributes than are taken apart; the rest is judged as one value.",
    ),
    suspicious(
        "xml_duplicate_attribute",
        2,
        "An XML element has an attribute twice; lenient parsers differ in which one they keep.",
    ),
    // === Multipart ===
    suspicious(
        "invalid_multipart",
        3,
        "A multipart body has no parts; it is judged as text.",
    ),
    unreadable(
        "multipart_boundary_repeated",
        BODY,
        "Several boundaries are declared of one multipart body, so nobody can say where its parts are.",
    ),
    suspicious(
        "multipart_boundary",
        5,
        "A multipart body begins with another boundary than the declared one.",
    ),
    suspicious(
        "multipart_boundary_missing",
        2,
        "A type is declared as multipart, and no boundary with it.",
    ),
    suspicious(
        "multipart_boundary_odd",
        3,
        "A boundary is written in a way that parsers read differently, as in single quotes.",
    ),
    suspicious(
        "multipart_boundary_long",
        3,
        "A boundary is longer than the format allows.",
    ),
    suspicious(
        "multipart_boundary_prefix",
        3,
        "A line of a multipart body begins with the boundary and goes on; some parsers take it for the boundary.",
    ),
    suspicious(
        "multipart_boundary_inline",
        3,
        "The boundary stands within a line of a multipart body; some parsers take it for the boundary.",
    ),
    suspicious(
        "multipart_boundary_padding",
        1,
        "There are blanks behind a boundary, which not every parser allows.",
    ),
    suspicious(
        "multipart_preamble",
        2,
        "There is text before the first part of a multipart body.",
    ),
    suspicious(
        "multipart_epilogue",
        2,
        "There is text behind the last part of a multipart body.",
    ),
    suspicious(
        "multipart_after_end",
        5,
        "Parts follow behind the last boundary of a multipart body; some parsers read them.",
    ),
    suspicious(
        "multipart_unterminated",
        2,
        "The last part of a multipart body has no end.",
    ),
    suspicious(
        "multipart_bare_lf",
        1,
        "A line of a multipart body ends with a line feed alone.",
    ),
    suspicious(
        "multipart_missing_crlf",
        1,
        "A part of a multipart body ends without a line end of its own.",
    ),
    suspicious(
        "multipart_no_content",
        2,
        "A part of a multipart body ends within its headers.",
    ),
    suspicious(
        "multipart_long_head",
        3,
        "The headers of a part are longer than is taken apart; the rest is judged as content.",
    ),
    suspicious(
        "multipart_many_headers",
        3,
        "A part has more headers than are taken apart; the rest is judged as text.",
    ),
    suspicious(
        "multipart_long_line",
        3,
        "A line of a part's head is so long that PHP cuts it in two, and reads other headers than the rest.",
    ),
    suspicious(
        "multipart_bad_header",
        3,
        "A line among the headers of a part is no header.",
    ),
    suspicious(
        "multipart_odd_header",
        2,
        "The name of a header of a part is none, or has blanks before its colon.",
    ),
    suspicious(
        "multipart_control",
        3,
        "A header of a part has a control character in it.",
    ),
    suspicious(
        "multipart_folded_header",
        2,
        "A header of a part goes on on the next line; some parsers read on, some do not.",
    ),
    unreadable(
        "multipart_repeated_header",
        BODY,
        "A part has two Content-Dispositions or two Content-Types, so nobody can say what it is.",
    ),
    unreadable(
        "multipart_repeated_parameter",
        BODY,
        "A part has two names or two file names, so nobody can say which one counts.",
    ),
    noted(
        "multipart_odd_disposition",
        BODY,
        "A part is no form data by its Content-Disposition.",
    ),
    suspicious(
        "multipart_odd_parameter",
        2,
        "A parameter of a part is written in a way that parsers read differently.",
    ),
    noted(
        "multipart_nameless",
        BODY,
        "A part of a multipart body has no name.",
    ),
    noted(
        "multipart_empty_filename",
        BODY,
        "A part has an empty file name, as browsers send it for a file that was not chosen.",
    ),
    noted(
        "multipart_extended_filename",
        BODY,
        "A part has a file name in the extended notation, which some parsers do not read.",
    ),
    noted(
        "multipart_escaped_quote",
        BODY,
        "A name of a part has a backslash in it, which some parsers take for an escape.",
    ),
    suspicious(
        "multipart_transfer_encoding",
        3,
        "A part has a Content-Transfer-Encoding, which some parsers decode and some ignore.",
    ),
    suspicious(
        "multipart_nested",
        2,
        "A part consists of parts itself, which most parsers do not read.",
    ),
    suspicious(
        "multipart_nested_deep",
        3,
        "Parts lie deeper within one another than is taken apart; the rest is judged as text.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_a_sentence() {
        for (at, one) in KINDS.iter().enumerate() {
            let is_plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            assert!(one.name.bytes().all(is_plain), "{}", one.name);
            assert!(one.message.ends_with('.'), "{}", one.name);
            assert!(!one.places.is_empty(), "{}", one.name);
            assert_eq!(kind(one.name), Some(&KINDS[at]), "{}", one.name);
        }
        assert_eq!(kind("nonsense"), None);
    }

    /// JSON as people write it by hand has a comment, a comma too many, and keys and texts without their quotes.
    #[test]
    fn what_sloppy_json_has_all_together_does_not_refuse_by_itself() {
        let sloppy = KINDS.iter().filter(|kind| kind.name.starts_with("json_"));
        let score: u32 = sloppy
            .map(|kind| match kind.weight {
                AmbiguityWeight::Noted => 0,
                AmbiguityWeight::Suspicious(score) => score,
                AmbiguityWeight::Unreadable => u32::MAX,
            })
            .sum();
        assert!(score < 5, "{score}");
    }
}
