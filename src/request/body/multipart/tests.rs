//! Whole multipart bodies, well formed and odd.

use super::*;

/// The values that a body holds, each as `place=value`, and the kinds of its ambiguities.
fn read(boundary: &str, body: &str) -> (bool, Vec<String>, Vec<&'static str>) {
    let (found, parsed) = Collector::parse(body.as_bytes(), |out| inputs(boundary.as_bytes(), out));
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
        --x\r\nContent-Disposition: form-data; name=raw; filename=r\r\n\r\n\0\0\0\0\r\n--x--\r\n";
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
            &["multipart_bare_lf"; 3],
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
                "multipart_repeated_parameter",
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
                "multipart_no_content",
                "multipart_nameless",
            ],
        ),
        (
            format!("--x\r\n{HEAD}\r\n--x--"),
            &["=Content-Disposition: form-data; name=a"],
            &["multipart_no_content", "multipart_nameless"],
        ),
        (
            format!("--x\r\n{HEAD}\r\nContent-Transfer-Encoding: base64\r\n\r\nPA==\r\n--x--"),
            &[
                ".a (name)=a",
                ".Content-Transfer-Encoding=base64",
                ".a=PA==",
            ],
            &["multipart_transfer_encoding"],
        ),
        (
            format!("--z\r\n{HEAD}\r\n\r\nv\r\n--z--"),
            &[".a (name)=a", ".a=v"],
            &["multipart_boundary"],
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

#[test]
fn the_number_of_values_is_bounded() {
    let part = "--x\nContent-Disposition: form-data; name=a\n\nv\n";
    let (_, values, notes) = read("x", &part.repeat(6000));
    assert!(values.len() <= 10_010, "{}", values.len());
    assert!(values.last().unwrap().len() > 1000 * part.len());
    assert!(notes.contains(&"multipart_bare_lf"));
    let headers = format!("--x\n{}", "a:b\n".repeat(20_000));
    assert!(read("x", &headers).1.len() <= 10_010);
}
