//! Whole multipart bodies, well formed and odd.

mod differential;
mod files;
mod pieces;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use super::*;

/// The headers of a body of this type.
fn headers(content_type: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).unwrap());
    headers
}

/// The boundary that the headers of a form name so.
fn boundary(text: &str) -> Boundary {
    Boundary::of(&headers(&format!("multipart/form-data; boundary={text}")))
}

/// The values that a body holds, each as `place=value`, and the kinds of its ambiguities.
fn read(boundary: &str, body: &str) -> (bool, Vec<String>, Vec<&'static str>) {
    let boundary = self::boundary(boundary);
    let (found, parsed) = Collector::parse(body.as_bytes(), |out| inputs(&boundary, out));
    let show = |input: crate::request::Input<'_>| {
        let value = input.value().escape_ascii();
        let place = input.place().to_string();
        format!("{}={value}", place.strip_prefix("body").unwrap())
    };
    (
        found,
        parsed.inputs().iter().map(show).collect(),
        parsed
            .values
            .ambiguities
            .iter()
            .map(|note| note.kind)
            .collect(),
    )
}

#[test]
fn a_form_is_its_names_values_and_files() {
    let body = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\ntwo\r\n\
        --x\r\ncontent-disposition: form-data; name=up; filename=\"c.php\"\r\nContent-Type: image/png\r\n\
        X-More: y\r\n\r\n<?php\r\n\
        --x\r\nContent-Disposition: form-data; name=raw; filename=r\r\nContent-Type: a/b\r\n\r\n\0\0\0\0\r\n--x--\r\n";
    let (found, values, notes) = read("x", body);
    assert!(found);
    assert_eq!(
        values,
        [
            ".a (name)=a",
            ".a=one\\r\\ntwo",
            ".up (name)=up",
            ".up (name)=c.php",
            ".Content-Type=image/png",
            ".X-More=y",
            ".up=<?php",
            ".raw (name)=raw",
            ".raw (name)=r",
            ".Content-Type=a/b",
        ]
    );
    assert_eq!(notes, [""; 0]);
}

#[test]
fn what_parsers_read_differently_is_noted_and_judged() {
    const HEAD: &str = "Content-Disposition: form-data; name=a";
    let cases: &[(String, &[&str], &[&str])] = &[
        (
            format!("--x\n{HEAD}\n\nv\n--x--"),
            &[".a (name)=a", ".a=v"],
            &["multipart_bare_lf"; 4],
        ),
        (
            format!("pre\r\n--x\r\n{HEAD}\r\n\r\nv\r\n--x--\r\npost"),
            &["=pre", ".a (name)=a", ".a=v", "=post"],
            &["multipart_preamble", "multipart_epilogue"],
        ),
        (
            format!("--x\r\n{HEAD}\r\n\r\nv"),
            &[".a (name)=a", ".a=v"],
            &["multipart_unterminated"],
        ),
        (
            format!(
                "--x\r\n{HEAD};\r\n filename=\"f\"; name=b; filename*=UTF-8''%3cb\r\n\r\n\r\n--x--"
            ),
            &[".a (name)=a", ".a (name)=f", ".b (name)=b", ".a (name)=<b"],
            &[
                "multipart_folded_header",
                "multipart_repeated_parameter",
                "multipart_extended_filename",
            ],
        ),
        (
            format!("--x\r\n{HEAD}\r\n\r\nv\r\n--xy\r\nw\r\n--x--"),
            &[".a (name)=a", ".a=v\\r\\n--xy\\r\\nw"],
            &["multipart_boundary_prefix"],
        ),
        (
            "--x\r\n\r\nv\r\n--x\r\nrubbish\r\n\r\n--x--".to_owned(),
            &["=v", "=rubbish"],
            &[
                "multipart_nameless",
                "multipart_bad_header",
                "multipart_missing_crlf",
                "multipart_nameless",
            ],
        ),
        (
            format!("--x\r\n{HEAD}\r\n--x--"),
            &[".a (name)=a"],
            &["multipart_no_content"],
        ),
        (
            format!("--x\r\n{HEAD}\r\nContent-Transfer-Encoding: base64\r\n\r\nPA==\r\n--x--"),
            &[
                ".a (name)=a",
                ".Content-Transfer-Encoding=base64",
                ".a=<",
                ".a=PA==",
            ],
            &["multipart_transfer_encoding"],
        ),
        (
            format!(
                "--x\r\n{HEAD}\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\n=3Cb=\r\n>=zz\r\n--x--"
            ),
            &[
                ".a (name)=a",
                ".Content-Transfer-Encoding=Quoted-Printable",
                ".a=<b>=zz",
                ".a==3Cb=\\r\\n>=zz",
            ],
            &["multipart_transfer_encoding"],
        ),
        (
            format!("--z\r\n{HEAD}\r\n\r\nv\r\n--z--"),
            &[".a (name)=a", ".a=v"],
            &["multipart_boundary"],
        ),
        (
            format!("--x\r\n{HEAD}\r\n\r\nv\r\n--x--\r\n--x\r\n{HEAD}\r\n\r\nw\r\n--x--"),
            &[".a (name)=a", ".a=v", ".a (name)=a", ".a=w"],
            &["multipart_after_end", "multipart_after_end"],
        ),
        (
            format!("--x \t\r\n{HEAD}\r\n\r\nv --x\r\n--x-- \r\n"),
            &[".a (name)=a", ".a=v --x"],
            &[
                "multipart_boundary_padding",
                "multipart_boundary_inline",
                "multipart_boundary_padding",
            ],
        ),
        (
            format!("--x\r\n{HEAD}\r\nX-A\0: b\r\nX-B : c\rd\r\n\r\nv\r\n--x--"),
            &[".a (name)=a", ".X-A\\u{0}=b", ".X-B=c\\rd", ".a=v"],
            &[
                "multipart_control",
                "multipart_odd_header",
                "multipart_control",
                "multipart_odd_header",
            ],
        ),
        (
            format!("--x\r\n{HEAD}\r\n{HEAD}; filename=\"b\r\n\r\nv\r\n--x--"),
            &[".a (name)=a", ".a (name)=a", ".a (name)=b", ".a=v"],
            &[
                "multipart_repeated_header",
                "multipart_repeated_parameter",
                "multipart_odd_parameter",
            ],
        ),
        (
            format!(
                "--x\r\n{HEAD}\r\nContent-Type: text/plain; charset=utf-7\r\n\r\nv\r\n--x\r\n{}\r\n\r\nutf-7\r\n--x--",
                HEAD.replace("=a", "=_charset_")
            ),
            &[
                ".a (name)=a",
                ".Content-Type=text/plain; charset=utf-7",
                ".a=v",
                "._charset_ (name)=_charset_",
                "._charset_=utf-7",
            ],
            &["charset", "charset"],
        ),
        (
            format!(
                "--x\r\n{HEAD}\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n{}\r\nContent-Type: \
                 multipart/mixed; boundary=z\r\n\r\n--z\r\n\r\ndeep\r\n--z--\r\n--y--\r\n--x--",
                HEAD.replace("=a", "=b")
            ),
            &[
                ".a (name)=a",
                ".Content-Type=multipart/mixed; boundary=y",
                ".b (name)=b",
                ".Content-Type=multipart/mixed; boundary=z",
                ".b=--z\\r\\n\\r\\ndeep\\r\\n--z--",
            ],
            &[
                "multipart_nested",
                "multipart_nested",
                "multipart_nested_deep",
            ],
        ),
    ];
    for (body, values, notes) in cases {
        let (found, found_values, found_notes) = read("x", body);
        assert!(found, "{body}");
        assert_eq!(found_values, *values, "{body}");
        assert_eq!(found_notes, *notes, "{body}");
    }
}

#[test]
fn a_body_without_delimiters_is_no_form() {
    for body in ["", "hello", "x--x\r\n", "--", "--x"] {
        assert!(!read("y", body).0, "{body}");
    }
    assert!(!read("", "a--\r\n").0);
}

fn texts(boundary: &Boundary) -> Vec<&str> {
    let readings = boundary.readings().iter();
    readings
        .map(|reading| std::str::from_utf8(reading).unwrap())
        .collect()
}

#[test]
fn a_boundary_is_followed_by_every_reading_of_it() {
    for (declared, readings, note) in [
        ("x", &["x"][..], None),
        ("\"a b\"", &["a b"], None),
        (
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
            &["----WebKitFormBoundary7MA4YWxkTrZu0gW"],
            None,
        ),
        ("----=_Part_1_2.3", &["----=_Part_1_2.3"], None),
        ("x; charset=utf-8", &["x"], None),
        ("", &[], Some("multipart_boundary_missing")),
        ("'x'", &["'x'", "x"], Some("multipart_boundary_odd")),
        ("a b", &["a b", "a"], Some("multipart_boundary_odd")),
        ("a,b", &["a,b", "a"], Some("multipart_boundary_odd")),
        (
            "\"a\\\"b\"",
            &["a\\\"b", "a\"b", "a"],
            Some("multipart_boundary_odd"),
        ),
        ("\"x \"", &["x ", "x"], Some("multipart_boundary_odd")),
        (
            "x; boundary=y",
            &["x", "y"],
            Some("multipart_boundary_repeated"),
        ),
        (
            "x; boundary*=y",
            &["x", "y"],
            Some("multipart_boundary_repeated"),
        ),
        (
            "x; y=\"boundary=z\"",
            &["x"],
            Some("multipart_boundary_repeated"),
        ),
        (
            "'x'; xboundary=z",
            &["'x'", "x"],
            Some("multipart_boundary_repeated"),
        ),
        ("a-boundary-of-mine", &["a-boundary-of-mine"], None),
        (
            &"b".repeat(71),
            &[&"b".repeat(71)],
            Some("multipart_boundary_long"),
        ),
        (&"b".repeat(257), &[], Some("multipart_boundary_long")),
    ] {
        let boundary = boundary(declared);
        assert_eq!(texts(&boundary), readings, "{declared}");
        assert_eq!(boundary.note(), note, "{declared}");
        assert_eq!(boundary.certain().is_some(), note.is_none(), "{declared}");
    }
    // PHP looks for the word anywhere, and for small letters first.
    for declared in [
        "multipart/form-data; xboundary=y; boundary=x",
        "multipart/form-data; y=boundary; boundary=x",
        "multipart/form-data; Boundary=x; y=boundary=z",
        "multipart/form-data; Boundary=xboundary=z",
    ] {
        let odd = Boundary::of(&headers(declared));
        assert_eq!(
            odd.note(),
            Some("multipart_boundary_repeated"),
            "{declared}"
        );
    }
    let mut twice = headers("multipart/form-data; boundary=x");
    twice.append(
        CONTENT_TYPE,
        HeaderValue::from_static("multipart/form-data; boundary=y"),
    );
    let twice = Boundary::of(&twice);
    assert_eq!(texts(&twice), ["x", "y"]);
    assert_eq!(twice.certain(), None);
    // Whoever takes the second one finds nothing that was not judged.
    let body = "--y\r\nContent-Disposition: form-data; name=a\r\n\r\nv\r\n--y--";
    let (_, values, notes) = read("x; boundary=y", body);
    assert_eq!(values, [".a (name)=a", ".a=v"]);
    assert_eq!(notes, ["multipart_boundary_repeated"]);
}

#[test]
fn the_number_of_values_is_bounded() {
    let part = "--x\nContent-Disposition: form-data; name=a\n\nv\n";
    let (_, values, notes) = read("x", &part.repeat(60_000));
    assert!(values.len() <= 100_010, "{}", values.len());
    assert!(values.last().unwrap().len() > 1000 * part.len());
    assert!(notes.contains(&"multipart_bare_lf"));
    let (_, values, notes) = read("x", &format!("--x\r\n{}", "a:b\r\n".repeat(2_000)));
    assert!(values.len() < 40, "{}", values.len());
    assert!(notes.contains(&"multipart_many_headers"));
    let (_, values, notes) = read("x", &format!("--x\r\na: {}\r\n\r\nv", "b".repeat(20_000)));
    assert!(notes.contains(&"multipart_long_head"));
    let judged: usize = values.iter().map(String::len).sum();
    assert!(judged > 20_000, "{judged}");
}
