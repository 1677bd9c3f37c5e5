//! What is kept of requests, and what is not.

use std::net::Ipv4Addr;

use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;
use crate::request::ClientIdentity;
use crate::request::coding::{Budget, Codings, decode};

fn excerpt(target: &str, headers: &[(&str, &[u8])], body: &[u8], limit: usize) -> Excerpt {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.append(name, HeaderValue::from_bytes(value).expect("a value"));
    }
    let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
    let request = RequestView::new(&Method::POST, target, &map, &client);
    let body = BodyView::new(&map, body);
    Excerpt::of(&request, Some(&body), limit).expect("an excerpt")
}

#[test]
fn what_is_kept_stands_as_it_was_sent() {
    let kept = excerpt(
        "/a?b=%27",
        &[("x-a", b"1"), ("x-a", b"\xc3\xa9\t2")],
        b"{\"a\": \"<\\u0041>\"}",
        2048,
    );
    assert_eq!(
        kept,
        Excerpt {
            method: "POST".into(),
            target: "/a?b=%27".into(),
            headers: vec![
                ("x-a".into(), "1".into()),
                ("x-a".into(), "\u{e9}\t2".into())
            ],
            body: Some("{\"a\": \"<\\u0041>\"}".into()),
            body_bytes: 17,
            cut: Vec::new(),
            masked: 0,
        }
    );
}

#[test]
fn secrets_are_masked_where_a_place_or_a_name_tells_of_them() {
    let json = ("content-type", &b"application/json"[..]);
    for (target, header, body, shown) in [
        ("/?token=hunter2&a=b", json, "", "/?token=[masked]&a=b"),
        ("/?to%6ben=hunter2", json, "", "/?to%6ben=[masked]"),
        ("/?q=%70assword%3Dhunter2", json, "", "/?q=[masked]"),
        (
            "/",
            ("cookie", b"a=hunter2; hunter2; b=c"),
            "",
            "a=[masked];[masked]; b=[masked]",
        ),
        ("/", ("authorization", b"Bearer hunter2"), "", "[masked]"),
        (
            "/",
            ("referer", b"http://joe:hunter2@h/?token=hunter2"),
            "",
            "http://joe:[masked]@h/?token=[masked]",
        ),
        (
            "/",
            json,
            r#"{"password":"hunter2","a":1}"#,
            r#"{"password":"[masked]","a":1}"#,
        ),
        (
            "/",
            json,
            r#"{"pass\u0077ord":"hunter2"}"#,
            r#"{"pass\u0077ord":"[masked]"}"#,
        ),
        (
            "/",
            json,
            r#"[{"name":"password","value":"hunter2"},{"name":"a","value":"b"}]"#,
            r#"[{"name":"password","value":"[masked]"},{"name":"a","value":"b"}]"#,
        ),
        (
            "/reset/token/hunter2?name=pin&a=b&value=hunter2",
            json,
            "",
            "/reset/token/[masked]?name=pin&a=b&value=[masked]",
        ),
        ("/reset/%74oken/hunter2?a=b", json, "", "[masked]?a=b"),
        ("/", ("x-auth", b"hunter2"), "", "[masked]"),
        (
            "/",
            ("content-type", b"text/plain"),
            "a: b\npassword: correct hunter2, and so on\nc: d",
            "a: b\npassword: [masked]\nc: d",
        ),
        (
            "/",
            json,
            r#"{"q":"password=hunter2&a"}"#,
            r#"{"q":"password=[masked]&a"}"#,
        ),
        ("/", json, r#"{"pin":"hunter2" broken"#, r#"[masked]"#),
        (
            "/",
            ("content-type", b"multipart/form-data; boundary=x"),
            "--x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2\r\n--x--\r\n",
            "name=\"password\"\r\n\r\n[masked]\r\n--x--",
        ),
    ] {
        let kept = excerpt(target, &[header], body.as_bytes(), 2048);
        let all = format!(
            "{kept:?}\n{}\n{:?}\n{}",
            kept.target,
            kept.headers,
            kept.body.clone().unwrap_or_default()
        );
        assert!(!all.contains("hunter2"), "{all}");
        assert!(all.contains(shown), "{shown}: {all}");
        assert!(kept.masked > 0, "{all}");
    }
    // What only looks like it is shown.
    let kept = excerpt(
        "/docs/token/ring?name=shipping&value=fast",
        &[json, ("x-author", b"joe")],
        br#"[{"name":"Password manager","value":"19.99"}]"#,
        2048,
    );
    assert_eq!(kept.masked, 0, "{kept:?}");
    // Of a broken text so much is masked that this is checked by itself.
    let kept = excerpt("/?a=password", &[json], b"{\"a\":\"pin\"}", 2048);
    assert_eq!(kept.masked, 0, "{kept:?}");
}

/// A mask is shorter than what it hides, and must not draw what is behind into what is shown.
#[test]
fn nothing_is_shown_from_beyond_where_secrets_were_looked_for() {
    let long = |length: usize| "x".repeat(length);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let plain = ("content-type", "text/plain");
    for (header, body, shown) in [
        (
            ("cookie", format!("a={}; remember_me=hunter2", long(3000))),
            String::new(),
            "a=[masked]",
        ),
        (
            ("referer", format!("http://h/?token={}hunter2", long(7000))),
            String::new(),
            "http://h/?token=[masked]",
        ),
        (
            (form.0, form.1.into()),
            format!("q=<script>&token={}&password=hunter2", long(7000)),
            "q=<script>&token=[masked]",
        ),
        (
            (plain.0, plain.1.into()),
            format!("token: {}hunter2", long(8000)),
            "token: [masked]",
        ),
        (
            (plain.0, plain.1.into()),
            format!("token: {}\nhunter2", long(2100)),
            "token: [masked]",
        ),
    ] {
        let is_body = !body.is_empty();
        let kept = excerpt(
            "/",
            &[(header.0, header.1.as_bytes())],
            body.as_bytes(),
            2048,
        );
        assert!(!format!("{kept:?}").contains("hunter2"), "{kept:?}");
        let (text, cut) = if is_body {
            (kept.body.as_deref().unwrap_or_default(), "body")
        } else {
            (kept.headers[0].1.as_str(), "headers")
        };
        assert_eq!(text, shown);
        assert!(kept.masked > 0, "{kept:?}");
        assert_eq!(kept.cut, [cut], "{kept:?}");
    }
    // What is masked to its end is whole, and what is short enough goes on behind a mask.
    for (body, shown) in [
        (format!("a=b&token={}", long(3000)), "a=b&token=[masked]"),
        (format!("token={}&a=b", long(1000)), "token=[masked]&a=b"),
    ] {
        let kept = excerpt("/", &[(form.0, form.1.as_bytes())], body.as_bytes(), 2048);
        assert_eq!(kept.body.as_deref(), Some(shown));
        assert!(kept.cut.is_empty(), "{kept:?}");
    }
}

#[test]
fn it_is_bounded_and_says_what_was_cut() {
    let long = vec![b'x'; 5000];
    let target = format!("/{}", "y".repeat(5000));
    for limit in [1, 16, 100, 2048] {
        let kept = excerpt(&target, &[("x-a", &long), ("x-b", &long)], &long, limit);
        let headers: usize = kept.headers.iter().map(|(a, b)| a.len() + b.len()).sum();
        let all = kept.target.len() + headers + kept.body.as_ref().map_or(0, String::len);
        assert!(all <= limit, "{all} of {limit}");
        assert_eq!(kept.cut, ["target", "headers", "body"]);
        assert_eq!(kept.body_bytes, 5000);
    }
    let kept = excerpt("/", &[("x-a", b"1")], &long, 2048);
    assert_eq!(kept.cut, ["body"]);
    assert!(kept.body.is_some_and(|body| body.len() > 2000));
    let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
    let headers = HeaderMap::new();
    let request = RequestView::new(&Method::GET, "/", &headers, &client);
    assert_eq!(Excerpt::of(&request, None, 0), None);
}

#[test]
fn what_is_no_text_is_left_out() {
    let png = ("content-type", &b"image/png"[..]);
    let gzip = ("content-encoding", &b"gzip"[..]);
    let folds = ("content_encoding", &b"gzip"[..]);
    let utf16 = ("content-type", &b"text/plain; charset=utf-16le"[..]);
    for (headers, body) in [
        (vec![png], &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..]),
        (vec![gzip], b"a=b"),
        (vec![folds], b"a=b"),
        (vec![utf16], b"a\0=\0b\0"),
        (vec![], b"a=\xff"),
    ] {
        let kept = excerpt("/", &headers, body, 2048);
        assert_eq!((kept.body, &kept.cut[..]), (None, &["body".into()][..]));
        assert_eq!(kept.body_bytes, body.len());
    }
    let kept = excerpt("/", &[("x-a", b"\xff"), ("x-b", b"1")], b"", 2048);
    assert_eq!(kept.headers, [("x-b".into(), "1".into())]);
    assert_eq!(kept.cut, ["headers"]);
}

/// What was judged is what was in it, and that is what can be judged again.
#[test]
fn a_compressed_body_is_kept_as_what_is_in_it() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, b"a=b&password=hunter2").expect("written");
    let packed = packed.finish().expect("packed");
    let folds = HeaderName::from_static("content_encoding");
    for name in [CONTENT_ENCODING, folds] {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static("gzip"));
        headers.insert("x-a", HeaderValue::from_static("1"));
        let budget = Budget {
            output: 1000,
            ratio: 100,
            is_prefix: false,
        };
        let codings = Codings::of(&headers).expect("known");
        let decoded = decode(codings, &packed, budget).expect("in order");
        let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
        let request = RequestView::new(&Method::POST, "/", &headers, &client);
        let body = BodyView::decoded(&headers, &decoded);
        let kept = Excerpt::of(&request, Some(&body), 2048).expect("an excerpt");
        assert_eq!(kept.body.as_deref(), Some("a=b&password=[masked]"));
        assert_eq!(kept.headers, [("x-a".into(), "1".into())]);
        assert!(kept.cut.is_empty(), "{kept:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_request_breaks_it(
        target in "/(\\PC|[%&=+;?]|%[0-9a-f]{2}|password=){0,20}",
        cookie in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
        body in proptest::collection::vec(proptest::num::u8::ANY, 0..60),
        text in "(\\PC|[{}\",:=&;\\\\]|password|token){0,30}",
        limit in 1_usize..200,
    ) {
        let cookie: Vec<u8> = cookie.into_iter().filter(|byte| *byte >= b' ' && *byte != 127).collect();
        for body in [&body[..], text.as_bytes()] {
            let kept = excerpt(&target, &[("cookie", &cookie)], body, limit);
            // A mask may stand where less than itself was left.
            proptest::prop_assert!(kept.target.len() <= limit / 2 + MASK.len());
        }
    }
}
