//! Work grows with the length of a request and no faster, whatever floods it: counted in values, names, forms and their
//! bytes, and in the units of work of who decodes and judges them, at once, twice and ten times a length. No clock is read.

use std::time::Instant;

use portcullis::clients::Clients;
use portcullis::engine::Registry;
use portcullis::engine::decide::decide;
use portcullis::request::{BodyView, Inputs, Work};

use crate::judge::{Request, policy};

/// What a request is taken apart into: each value and each form of it counts one, and so does each byte of them.
fn work(request: &Request) -> usize {
    let of_values = |inputs: Inputs<'_>| -> usize {
        inputs
            .iter()
            .map(|input| {
                let forms = input.forms().map(|form| 1 + form.text.len());
                1 + input.name().len() + forms.sum::<usize>()
            })
            .sum()
    };
    request.seen(|head, body| {
        let of_head = of_values(head.inputs()) + head.ambiguities().len();
        let of_body = body.map_or(0, |body| {
            of_values(body.inputs()) + body.ambiguities().len()
        });
        of_head + of_body
    })
}

/// The units of work that it makes to decode and to judge it.
fn units(request: &Request) -> u64 {
    let policy = policy("", &Registry::default());
    request.seen(|head, body| {
        let body = body.map(|body| BodyView::new(head.headers(), body.bytes()));
        let body = body.map(|body| body.with_work(Work::endless()));
        drop(decide(
            &policy,
            head,
            body.as_ref(),
            &Clients::scratch(),
            Instant::now(),
        ));
        let of_body = body.map_or(0, |body| u64::MAX - body.work().left());
        Work::for_head().left() - head.work().left() + of_body
    })
}

fn filled(unit: &str, length: usize) -> String {
    unit.repeat(length / unit.len())
}

/// A kind of flood, by its length.
type Flood = fn(usize) -> Request;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn json(before: &str, unit: &str, after: &str, length: usize) -> Request {
    let body = format!("{before}{}{after}", filled(unit, length));
    Request::get("/").body(JSON, body)
}

fn text(kind: &str, unit: &str, length: usize) -> Request {
    Request::get("/").body(kind, filled(unit, length))
}

/// Each with the length that is once.
const FLOODS: [(&str, usize, Flood); 33] = [
    ("deep arrays", BODY, |n| json("", "[", "", n)),
    ("deep arrays that end", BODY, |n| {
        let half = n / 2;
        Request::get("/").body(JSON, format!("{}{}", "[".repeat(half), "]".repeat(half)))
    }),
    ("deep objects", BODY, |n| json("", "{\"a\":", "", n)),
    ("deep objects with long names", BODY, |n| {
        let name = "n".repeat(100);
        json("", &format!("{{\"{name}\":"), "", n)
    }),
    ("keys", BODY, |n| {
        let keys: String = (0..n / 12).map(|key| format!("\"{key:08}\":1,")).collect();
        json(&format!("{{{keys}"), " ", "\"\":1}", 1)
    }),
    ("one key again and again", BODY, |n| {
        json("{", "\"a\":1,", "\"a\":1}", n)
    }),
    ("small strings", BODY, |n| json("[", "\"'\",", "1]", n)),
    ("escapes in JSON", BODY, |n| json("\"", "\\u0027", "\"", n)),
    ("escaped backslashes in JSON", BODY, |n| {
        json("\"", "\\\\", "\"", n)
    }),
    ("lines of JSON", BODY, |n| {
        text("application/x-ndjson", "{\"a\":1}\n", n)
    }),
    ("quotes in JSON", BODY, |n| text(JSON, "\"", n)),
    ("quotes in a form", BODY, |n| text(FORM, "'", n)),
    ("quotes in text", BODY, |n| text("text/plain", "'\"", n)),
    ("pairs", BODY, |n| text(FORM, "a=b&", n)),
    ("empty pairs", BODY, |n| text(FORM, "&", n)),
    ("nested names", BODY, |n| text(FORM, "a[b][c]=d&", n)),
    ("percents", BODY, |n| text(FORM, "%", n)),
    ("escapes", BODY, |n| text(FORM, "%41", n)),
    ("nested escapes", BODY, |n| text(FORM, "%252525252541", n)),
    ("one very nested escape", BODY, |n| {
        Request::get("/").body(FORM, format!("a=%{}41", filled("25", n)))
    }),
    ("nested entities", BODY, |n| {
        text("text/plain", "&amp;amp;amp;lt;", n)
    }),
    ("mixed encodings", BODY, |n| {
        text("text/plain", "%26%2523x5c;u0041\\x25u0041+", n)
    }),
    ("base64", BODY, |n| {
        text("text/plain", "UEhOamNtbHdkRDQ9 ", n)
    }),
    ("one long base64", BODY, |n| {
        text("text/plain", "VUVoT2FtTnRiSGRrUkRROQ", n)
    }),
    ("parts", BODY, |n| {
        let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n'\r\n";
        text("multipart/form-data; boundary=x", part, n)
    }),
    ("part headers", BODY, |n| {
        let before = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n";
        let body = format!("{before}{}\r\n'\r\n--x--", filled("X-A: '\r\n", n));
        Request::get("/").body("multipart/form-data; boundary=x", body)
    }),
    ("boundaries", BODY, |n| {
        text("multipart/form-data; boundary=x", "\r\n--x", n)
    }),
    ("attributes", BODY, |n| {
        let body = format!("<a{}/>", filled(" b=\"'\"", n));
        Request::get("/").body("application/xml", body)
    }),
    ("elements", BODY, |n| text("application/xml", "<a>", n)),
    ("entities in XML", BODY, |n| {
        text("application/xml", "<a>&#x26;#x26;</a>", n)
    }),
    ("query", HEAD, |n| {
        Request::get(&format!("/?{}", filled("a=%2527&", n)))
    }),
    ("cookies", HEAD, |n| {
        Request::get("/").header("cookie", filled("a=%2527; ", n))
    }),
    ("headers", HEAD, |n| {
        let mut request = Request::get("/");
        for _ in 0..n / 100 {
            request = request.header("x-many", filled("%2527 &lt;", 100));
        }
        request
    }),
];

/// Ten times as much is within the limits, and little enough for a program that is not optimised.
const BODY: usize = 30_000;
const HEAD: usize = 3_000;

#[test]
fn work_grows_with_the_length_and_no_faster() {
    let mut wrong = Vec::new();
    for (what, length, flood) in FLOODS {
        let [once, twice, ten_times] = [1, 2, 10].map(|times| work(&flood(length * times)));
        // What is there once for every request, and what a bound adds where it begins to hold.
        let more = 2_000;
        // The names of items become longer by a digit.
        let grows = twice <= 2 * once + once / 4 + more && ten_times <= 13 * once + more;
        // Whatever is in it, a value is at least looked at.
        let bounded = ten_times <= 16 * length * 10 + more;
        if !grows || !bounded || once < 100 {
            wrong.push(format!("{what}: {once}, {twice}, {ten_times}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn units_of_work_grow_with_the_length_and_no_faster() {
    let mut wrong = Vec::new();
    for (what, length, flood) in FLOODS {
        let [once, twice, ten_times] = [1, 2, 10].map(|times| units(&flood(length * times)));
        // A long text is decoded as a whole and in windows, which overlap, and several expressions are asked of it at once.
        let more = 100_000;
        let grows = twice <= 2 * once + once / 4 + more && ten_times <= 20 * once + more;
        // So much a byte that a body of a mebibyte can be refused, and no more than ten times that.
        let bounded = ten_times <= 840 * 10 * length as u64 + more;
        if !grows || !bounded || once == 0 {
            wrong.push(format!("{what}: {once}, {twice}, {ten_times}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
