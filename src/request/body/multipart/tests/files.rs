//! Which parts are files by every parser's reading, and what of a file is judged.

use super::*;

/// Bytes that are no text, with text in them.
const BINARY: &str = "\0\u{1}\u{2}\u{3}\0\0\0 hidden payload \0\0\0";

/// What a form of one part with this `Content-Disposition` and these further headers, and binary content, holds.
fn part(disposition: &str, more: &str) -> (Vec<String>, Vec<&'static str>) {
    let body =
        format!("--x\r\nContent-Disposition: {disposition}\r\n{more}\r\n{BINARY}\r\n--x--\r\n");
    let (_, values, notes) = read("x", &body);
    (values, notes)
}

/// Whether the content was judged whole.
fn is_judged_whole(values: &[String]) -> bool {
    values
        .iter()
        .any(|value| value.ends_with("\\x00\\x00\\x00"))
}

#[test]
fn only_what_everybody_takes_for_a_file_is_not_judged_whole() {
    for certain in [
        "form-data; name=\"a\"; filename=\"b.png\"",
        "form-data; name=a; filename=b.png",
        "Form-Data;name=\"a\";filename=\"b c.png\"",
        "form-data; filename=\"b.png\"; name=\"a\"",
        // As .NET writes it.
        "form-data; name=a; filename=b.png; filename*=utf-8''b.png",
        "form-data; name=a; filename=\"=?utf-8?B?w6Q=?=\"; filename*=utf-8''%C3%A4",
        // Some other name to some parsers, but a name to all.
        "form-data; name=\"a\"; filename=\"C:\\dir\\b.png\"",
        "form-data; filename=\"b\\c.png\"; name=\"a\"",
        "form-data; name=\"a\"; filename=\"b\\\"c.png\"",
    ] {
        for more in [
            "Content-Type: image/png\r\n",
            "Content-Transfer-Encoding: binary\r\nContent-Type: a/b\r\n",
        ] {
            let (values, _) = part(certain, more);
            assert!(!is_judged_whole(&values), "{certain} {more}: {values:?}");
            // The text in its beginning is judged all the same.
            assert!(
                values.iter().any(|value| value == ".a= hidden payload "),
                "{values:?}"
            );
        }
    }
    // What has no type is a field to some, whatever it is called.
    for more in [
        "",
        "Content-Type: \r\n",
        "Content-Transfer-Encoding: binary\r\n",
    ] {
        let (values, notes) = part("form-data; name=\"a\"; filename=\"b.png\"", more);
        assert!(is_judged_whole(&values), "{more}: {values:?}");
        assert_eq!(notes, [""; 0], "{more}");
    }
    for doubtful in [
        "form-data; name=\"a\"",
        "form-data; name=\"a\"; filename=\"\"",
        "form-data; name=\"a\"; filename",
        "form-data; name=\"a\"; filename=",
        "form-data; name=\"a\"; filename*=utf-8''b.png",
        "form-data; name=\"a\"; filename=b.png; filename*=utf-8''",
        "form-data; name=\"a\"; filename*0=\"b\"; filename*1=\".png\"",
        "form-data; name=\"a\"; filename=\"b.png",
        "form-data; name=\"a; filename=b.png",
        "form-data; name=\"a\\\"; filename=\"b.png\"",
        "form-data; name=\"a\"; filename=\"b\\\"; x=\".png\"",
        "form-data; name=\"a\"; filename=\"b\\\"; filename=\"",
        "form-data; name=\"a\"; filename=\"b\\\"c\"; x=\"; filename=\"",
        "form-data; filename=\"b\\\"c\"; name=\"a\"",
        "form-data; name=\"a\"; filename=\"\\\"b.png\"",
        "form-data; name=\"a\"; filename=\"b\\\\\"",
        "form-data; name=\"a\"; filename=\"b\\\"c",
        "form-data; name=\"a\\b\"; filename=\"b.png\"",
        "form-data; name=\"a\"; filename='b.png'",
        "form-data; name='a'; filename=\"b.png\"",
        "form-data; name=\"a\"; filename=\"b\" c.png",
        "form-data; name=\"a\"; filename=b c.png",
        "form-data; name=\"a\"; filename = \"b.png\"",
        "form-data; name=\"a\"; Filename=\"b.png\"",
        "form-data; name=\"a\"; name=\"b\"; filename=\"b.png\"",
        "form-data; name=\"a\"; filename=\"b.png\"; filename=\"c.png\"",
        "form-data; name*=utf-8''a; filename=\"b.png\"",
        "form-data; filename=\"b.png\"",
        "form-data; name; filename=\"b.png\"",
        "attachment; name=\"a\"; filename=\"b.png\"",
        "form-data; name=\"a\";\r\n filename=\"b.png\"",
        "form-data; name=\"a\"; filename=\"b\0.png\"",
    ] {
        let (values, notes) = part(doubtful, "");
        assert!(is_judged_whole(&values), "{doubtful}: {values:?}");
        let is_plain_field = doubtful == "form-data; name=\"a\"";
        assert_eq!(notes.is_empty(), is_plain_field, "{doubtful}: {notes:?}");
    }
    let certain = "form-data; name=\"a\"; filename=\"b.png\"";
    for more in [
        "Content-Disposition: form-data; name=\"a\"\r\n",
        "Content-Type: image/png\r\nContent-Type: text/plain\r\n",
        "Content-Type: multipart/mixed; boundary=y\r\n",
        "Content-Transfer-Encoding: base64\r\n",
        "Content-Transfer-Encoding: quoted-printable\r\n",
        "X-A: b\n",
        "X-A : b\r\n",
        "rubbish\r\n",
    ] {
        let (values, notes) = part(certain, more);
        assert!(is_judged_whole(&values), "{more}: {values:?}");
        assert!(!notes.is_empty(), "{more}");
    }
}

#[test]
fn a_file_of_text_is_judged_whole_and_so_is_one_in_utf16() {
    let head = "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b.png\"\r\nContent-Type: image/png\r\n\r\n";
    let long = "text ".repeat(10_000);
    let (_, values, notes) = read("x", &format!("{head}{long}\r\n--x--\r\n"));
    assert_eq!(notes, [""; 0]);
    assert_eq!(
        values.last().map(String::len),
        Some(".a=".len() + long.len())
    );
    let utf16: String = "<script>".chars().flat_map(|c| [c, '\0']).collect();
    let (_, values, _) = read("x", &format!("{head}{utf16}\r\n--x--\r\n"));
    assert!(
        values.iter().any(|value| value == ".a=<script>"),
        "{values:?}"
    );
}

#[test]
fn a_file_in_which_some_parser_ends_the_part_is_judged_whole() {
    let head = "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"b.png\"\r\n\r\n";
    for within in ["\r\n--xy\r\n", "--x", "\r\n--x--y"] {
        let body = format!("{head}{BINARY}{within}{BINARY}\r\n--x--\r\n");
        let (_, values, notes) = read("x", &body);
        assert!(is_judged_whole(&values), "{within}: {values:?}");
        assert!(!notes.is_empty(), "{within}");
    }
}

#[test]
fn the_words_of_mail_are_read_in_names() {
    let name = "form-data; name=\"a\"; filename=\"=?utf-8?B?c2hlbGwucGhw?=\"";
    let (values, _) = part(name, "Content-Type: a/b\r\n");
    let names: Vec<&String> = values
        .iter()
        .filter(|value| value.contains("(name)"))
        .collect();
    assert!(
        names.contains(&&".a (name)=shell.php".to_owned()),
        "{values:?}"
    );
}
