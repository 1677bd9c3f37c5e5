//! What types and bytes make of a body.

use http::HeaderValue;

use super::*;

fn headers(content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if !content_type.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    headers
}

#[test]
fn a_body_is_what_is_said_unless_nothing_is_said() {
    use BodyKind::{Empty, Form, Graphql, Json, Multipart, Ndjson, Opaque, Text, Xml};
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const PART: &[u8] = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--";
    let cases: &[(&str, &[u8], BodyKind)] = &[
        ("application/json", b"", Empty),
        ("application/json", b"{}", Json),
        ("Application/Problem+JSON; charset=utf-8", b"{}", Json),
        ("application/json", b"a=b", Json),
        ("application/json", PNG, Json),
        ("application/x-www-form-urlencoded", b"a=b", Form),
        (
            "application/x-www-form-urlencoded;charset=UTF-8",
            b"{}",
            Form,
        ),
        ("multipart/form-data; boundary=x", PART, Multipart),
        ("text/plain", b"hello", Text),
        ("text/plain", b" \n[1]", Json),
        ("text/plain", b"a=b&c=d", Form),
        ("text/plain", PART, Multipart),
        ("text/plain", PNG, Text),
        ("text/plain", b"<a>", Xml),
        ("application/xml", b"<a b=\"c\"/>", Xml),
        ("application/soap+xml;charset=utf-8", b"hello", Xml),
        ("image/svg+xml", b"<svg onload=x>", Xml),
        ("image/svg+xml", PNG, Xml),
        (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            b"PK\x03\x04\x14\0\x06\0",
            Opaque,
        ),
        ("image/png", PNG, Opaque),
        ("application/x-zip-compressed", PNG, Opaque),
        ("application/java-archive", PNG, Opaque),
        ("application/epub+zip", PNG, Opaque),
        ("application/vnd.oasis.opendocument.text", PNG, Opaque),
        ("application/vnd.sqlite3", PNG, Opaque),
        ("application/x-sqlite3", PNG, Opaque),
        ("avro/binary", PNG, Opaque),
        ("application/vnd.apache.avro", PNG, Opaque),
        ("application/vnd.apache.parquet", PNG, Opaque),
        ("application/x-zip-compressed", b"<a>", Xml),
        ("application/x-zipper", PNG, Text),
        ("image/png", b"<script>alert(1)</script>", Xml),
        ("application/graphql", b"{a}", Graphql),
        ("text/plain", b"query{a}", Graphql),
        ("text/plain", b"query builder", Text),
        ("application/graphql+json", b"{}", Json),
        ("application/graphql-response+json", b"{}", Json),
        ("application/x-ndjson", b"{}", Ndjson),
        ("application/jsonl", b"{}", Ndjson),
        ("application/json-seq", b"\x1e{}\n", Ndjson),
        ("text/plain", b"{}\n{}\n", Ndjson),
        ("", b"\x1e{}\n\x1e{}\n", Ndjson),
        ("application/json", b"{}\n{}\n", Json),
        ("application/json, text/plain", b"hello", Json),
        (" , text/plain", b"hello", Text),
        ("; charset=utf-8", PNG, Text),
        ("image/png, application/json", PNG, Text),
        (
            "multipart/form-data/application/json; boundary=x",
            PART,
            Multipart,
        ),
        ("application-json", b"x", Json),
        ("image/png", b"{\"a\":1}", Json),
        ("application/octet-stream", b"id=1' or 1=1", Form),
        ("application/pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", Opaque),
        // A type that is missing says nothing, so nothing says that the body is opaque.
        ("", PNG, Text),
        ("", b"hello", Text),
        ("", b"\xef\xbb\xbf{\"a\":1}", Json),
        ("", b"a\0=\0b\0", Text),
        ("", b"\x08\x96\x01\x12\x07\xff\xfe\x80", Text),
    ];
    for (content_type, bytes, kind) in cases {
        let shown = bytes.escape_ascii();
        let found = classify(&headers(content_type), bytes);
        assert_eq!(found, *kind, "{content_type} {shown}");
    }
}

#[test]
fn a_body_is_read_as_everything_it_could_be() {
    let reading = |content_type, bytes: &[u8]| {
        let reading = Declared::of(&headers(content_type)).reading(bytes);
        [reading.json, reading.form, reading.multipart, reading.text]
    };
    assert_eq!(
        reading("application/json", b"{}"),
        [true, false, false, false]
    );
    assert_eq!(
        reading("application/json", b"a=b"),
        [true, true, false, false]
    );
    assert_eq!(
        reading("application/json", b"hello"),
        [true, false, false, true]
    );
    assert_eq!(reading("text/plain", b"{}"), [true, false, false, true]);
    assert_eq!(reading("", b"a=b"), [false, true, false, true]);
    assert_eq!(reading("text/xml", b"<a/>"), [false, false, false, true]);
    assert_eq!(reading("text/xml", b"{}"), [true, false, false, true]);
    assert_eq!(
        reading("application/xml, application/json", b"a=b"),
        [true, true, false, true]
    );
    let form = "application/x-www-form-urlencoded";
    assert_eq!(reading(form, b"a=b"), [false, true, false, false]);
    assert_eq!(reading(form, b"{}"), [true, true, false, false]);
    assert_eq!(reading(form, b"<a>"), [false, true, false, true]);
}

#[test]
fn every_declared_type_counts() {
    let mut headers = headers("image/png");
    headers.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let declared = Declared::of(&headers);
    assert!(declared.json);
    assert_eq!(declared.reading(b"\0\0\0\0").kind, BodyKind::Text);
}

#[test]
fn markup_documents_and_lines_are_read_besides() {
    let reading = |content_type, bytes: &[u8]| {
        let reading = Declared::of(&headers(content_type)).reading(bytes);
        [reading.xml, reading.graphql, reading.lines, reading.json]
    };
    let xml = [true, false, false, false];
    assert_eq!(reading("", b"<a/>"), xml);
    assert_eq!(reading("application/xml", b"hello"), xml);
    assert_eq!(
        reading("application/json", b"<a/>"),
        [true, false, false, true]
    );
    assert_eq!(reading("", b"{a}"), [false, true, false, true]);
    assert_eq!(reading("", b"query {a}"), [false, true, false, false]);
    assert_eq!(
        reading("application/graphql", b"x"),
        [false, true, false, false]
    );
    assert_eq!(reading("", b"{}\n{}"), [false, false, true, false]);
    assert_eq!(
        reading("application/json", b"{}\n{}"),
        [false, false, false, true]
    );
    assert_eq!(
        reading("application/x-ndjson", b"{}"),
        [false, false, true, false]
    );
}

#[test]
fn what_contradicts_itself_is_told() {
    let told = |lines: &[&'static str]| -> Vec<_> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CONTENT_TYPE, HeaderValue::from_static(line));
        }
        Declared::of(&headers).contradictions().collect()
    };
    for (lines, expected) in [
        (&[][..], &[][..]),
        (&["text/plain"], &[]),
        (&["application/json", "application/problem+json"], &[]),
        (&["application/json", ""], &[]),
        (&["", "application/json"], &[]),
        (&["image/png, application/json"], &["content_type_conflict"]),
        (&["text/plain", "text/xml"], &["content_type_conflict"]),
        (&["text/plain;charset=a;charset=\"a\""], &[]),
        (
            &["text/plain;charset=utf-8;charset=utf-7"],
            &["charset_conflict"],
        ),
        (
            &["text/plain;charset=utf-8", "text/plain;charset=utf-16"],
            &["charset_conflict"],
        ),
        (
            &["multipart/a;charset=utf-7, text/plain", "x/y;charset=utf-8"],
            &["content_type_conflict", "charset_conflict"],
        ),
    ] {
        assert_eq!(told(lines), expected, "{lines:?}");
    }
}

#[test]
fn an_encoding_that_is_not_read_is_seen_wherever_it_is_named() {
    let is_rare = |content_type, bytes: &[u8]| {
        Declared::of(&headers(content_type))
            .reading(bytes)
            .rare_charset
    };
    for (content_type, bytes) in [
        ("text/plain; charset=utf-7", &b"a"[..]),
        ("text/plain; Charset = \"UTF-7\"", b"a"),
        ("text/plain; charset=\"utf\\-7\"", b"a"),
        ("text/plain; charset=utf-8; charset=ibm037", b"a"),
        ("text/plain; charset*=UTF-8''utf-7", b"a"),
        ("text/plain; charset=utf-8, text/xml; charset=cp500", b"a"),
        (
            "application/xml",
            b"<?xml version='1.0' encoding='UTF-7'?><a/>",
        ),
        ("application/xml", b"\x4c\x6f\xa7\x94\x93"),
        ("application/json", b"{\0\0\0\"\0\0\0a\0\0\0\"\0\0\0"),
    ] {
        assert!(
            is_rare(content_type, bytes),
            "{content_type} {}",
            bytes.escape_ascii()
        );
    }
    for (content_type, bytes) in [
        ("text/plain; charset=", &b"a"[..]),
        ("text/plain; charset=binary", b"a"),
        ("text/plain; charset=utf-8,application/json", b"a"),
        (
            "application/xml",
            b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
        ),
        ("text/plain; charset=utf-7", b""),
    ] {
        assert!(
            !is_rare(content_type, bytes),
            "{content_type} {}",
            bytes.escape_ascii()
        );
    }
}
