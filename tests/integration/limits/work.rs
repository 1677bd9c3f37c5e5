//! How much work the costliest requests are: shapes that were found to cost most, judged by the default chain. Measured
//! as time on the processor, so that others on the machine count less.

use std::io::Write;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use portcullis::clients::Clients;
use portcullis::engine::Registry;
use portcullis::request::coding::{Budget, Codings, decode};

use crate::judge::{Request, policy};

/// What is promised of one request within the limits, in the optimised program.
const PROMISED: Duration = Duration::from_millis(100);

/// How much more the test allows: it says that no shape is another order of work, not how fast this machine is.
const SLACK: u32 = 10;

/// The time that this thread has been on a processor.
fn on_processor() -> Duration {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds = account.split_whitespace().next().unwrap();
    Duration::from_nanos(nanoseconds.parse().unwrap())
}

fn filled(unit: &str, length: usize) -> String {
    unit.repeat(length / unit.len() + 1)[..length / unit.len() * unit.len()].to_owned()
}

/// What a value may consist of that is much work: what rules look for, what is decoded, and what looks like both.
const UNITS: [&str; 47] = [
    "a",
    "'",
    "\"",
    "%",
    "a ",
    "a=b&",
    "a[b]=c&",
    "%41",
    "%25",
    "%2525",
    "%252525252541",
    "%u0041",
    "\\u0041",
    "\\x41",
    "\\\\",
    "&#x41;",
    "&amp;",
    "&lt;script&gt;",
    "%26lt%3B",
    "+",
    "../",
    "..%2f",
    "%2e%2e%2f",
    "..\\",
    "select ",
    "union select ",
    "' or 1=1 -- ",
    "'/**/",
    "1 or ",
    "or 'a'='a' ",
    "<script",
    "<a href=javascript:",
    "onload=",
    "'onload=1",
    "=document.cookie",
    "${ } ",
    "./../",
    "<img src=x onerror=",
    "; cat /etc/passwd ",
    "$(id)",
    "`id`",
    "| nc ",
    "and sleep(1) ",
    "\u{e9}",
    "\u{ff1c}",
    "%c3%a9",
    "/etc/",
];

const LENGTH: usize = (1 << 20) - 200;

/// Bodies of a mebibyte, each with what it is.
fn bodies() -> Vec<(String, Request)> {
    let mut bodies = Vec::new();
    let mut add = |what: String, content_type: &str, body: String| {
        assert!(body.len() <= 1 << 20, "{what}");
        bodies.push((what, Request::get("/").body(content_type, body)));
    };
    for unit in UNITS {
        let value = filled(unit, LENGTH);
        add(format!("text of {unit:?}"), "text/plain", value.clone());
        add(
            format!("a form of {unit:?}"),
            "application/x-www-form-urlencoded",
            format!("a={value}"),
        );
        if !unit.contains('\\') || unit.starts_with("\\u") {
            add(
                format!("a JSON string of {unit:?}"),
                "application/json",
                format!("[\"{}\"]", value.replace('"', "'")),
            );
        }
        let item = format!("{unit}{unit}{unit}");
        add(
            format!("form values of {unit:?}"),
            "application/x-www-form-urlencoded",
            filled(&format!("a={item}&"), LENGTH),
        );
        if !unit.contains('\\') {
            let items = filled(&format!("\"{item}\","), LENGTH - 2);
            add(
                format!("JSON strings of {unit:?}"),
                "application/json",
                format!("[{}]", items.trim_end_matches(',')),
            );
        }
    }
    for unit in [
        "[",
        "{\"a\":",
        "1,",
        "[],",
        "\"a\":1,",
        "\r\n--b",
        "\r\n--b\r\n",
        "--b--",
    ] {
        add(
            format!("JSON of {unit:?}"),
            "application/json",
            format!("[{}", filled(unit, LENGTH)),
        );
        add(
            format!("multipart of {unit:?}"),
            "multipart/form-data; boundary=b",
            format!("--b\r\n{}", filled(unit, LENGTH)),
        );
    }
    for unit in [
        "<a>",
        "<a b='c'>",
        "<a b='&#x27;'/>",
        "&#x26;#x26;",
        "<![CDATA[",
        "<!--",
    ] {
        add(
            format!("XML of {unit:?}"),
            "application/xml",
            format!("<x>{}", filled(unit, LENGTH)),
        );
    }
    let (attributes, keys): (String, String) = (0..90_000)
        .map(|n| (format!(" a{n}=''"), format!("\"{n:x}\":1,")))
        .unzip();
    let attributes = format!("<x {attributes}/>");
    add("XML attributes".into(), "application/xml", attributes);
    let keys = format!("{{{}}}", keys.trim_end_matches(','));
    add("JSON keys".into(), "application/json", keys);
    let head = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n";
    add(
        "multipart of part headers".into(),
        "multipart/form-data; boundary=b",
        format!("{head}{}", filled("X-A: '\r\n", LENGTH)),
    );
    let part = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nselect <a\r\n";
    add(
        "multipart of many parts".into(),
        "multipart/form-data; boundary=b",
        filled(part, LENGTH),
    );
    // Read in every charset that it could be in.
    for unit in UNITS {
        let value = filled(unit, LENGTH);
        add(
            format!("UTF-16 of {unit:?}"),
            "text/plain; charset=utf-16",
            value.clone(),
        );
        add(
            format!("a form in UTF-16 of {unit:?}"),
            "application/x-www-form-urlencoded; charset=utf-16",
            value,
        );
    }
    for (content_type, unit) in FOUND {
        let value = filled(unit, LENGTH);
        let begin = match content_type {
            "text/plain" | "text/plain; charset=utf-16" => "",
            "application/x-www-form-urlencoded" => "a=",
            _ => "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n",
        };
        add(
            format!("{content_type} of {unit:?}"),
            content_type,
            format!("{begin}{value}"),
        );
    }
    bodies
}

/// Shapes that a search over mixtures of such units found to be most work.
const FOUND: [(&str, &str); 12] = [
    ("text/plain", "</=%25"),
    ("text/plain", "=</%"),
    ("text/plain", "\n%c0%ae=<style&lt;drop\""),
    ("multipart/form-data; boundary=b", "/*</%%27=&lt;drop"),
    ("application/x-www-form-urlencoded", ".*/%c0%ae\\x27&...."),
    ("application/x-www-form-urlencoded", "&\\x27;%c0%ae"),
    ("text/plain", "\\\",\""),
    ("text/plain", "\nYWxlcnQoMSk8Yj4/*%..\\&a="),
    ("text/plain", "\u{200b}#/*..\\"),
    ("text/plain; charset=utf-16", "\n%c0%ae=<style&lt;drop\""),
    ("text/plain; charset=utf-16", "=&#x26;\\x27"),
    ("application/x-www-form-urlencoded", "/*'/**/\u{ff1c}&a="),
];

/// Heads of 32 KiB.
fn heads() -> Vec<(String, Request)> {
    let mut heads = Vec::new();
    for unit in UNITS {
        let harmless = unit.replace(
            [
                ' ', '"', '<', '>', '\\', '`', '|', '\'', '{', '}', '\u{e9}', '\u{ff1c}',
            ],
            "%20",
        );
        let target = format!("/{}?{}", filled(&harmless, 3_000), filled(&harmless, 5_000));
        let value = filled(unit, 7_000);
        let mut request = Request::get(&target);
        for name in ["cookie", "referer", "x-one"] {
            request = request.header(name, &value);
        }
        heads.push((format!("a head of {unit:?}"), request));
        let mut request = Request::get(&target);
        let value = filled(unit, 200);
        for _ in 0..95 {
            request = request.header("x-many", &value);
        }
        heads.push((format!("many headers of {unit:?}"), request));
    }
    heads
}

type Encode<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;

/// What is much work to decode, with its codings: what becomes very long, and what is nothing but pieces.
fn encoded() -> Vec<(String, &'static str, Vec<u8>)> {
    let gzip = |text: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let br = |text: &[u8]| {
        let mut out = Vec::new();
        brotli::CompressorWriter::new(&mut out, 4096, 9, 22)
            .write_all(text)
            .unwrap();
        out
    };
    let zstd = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
    let blanks = vec![b' '; 64 << 20];
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(LENGTH)
    .collect();
    // As dense as it may be: noise of a hundredth, and the same again and again.
    let dense = noise[..LENGTH / 100].repeat(100);
    let mut encoded: Vec<(String, &'static str, Vec<u8>)> = Vec::new();
    let codings: [(&str, Encode<'_>); 3] = [("gzip", &gzip), ("br", &br), ("zstd", &zstd)];
    for (name, encode) in codings {
        encoded.push((format!("{name} of blanks"), name, encode(&blanks)));
        encoded.push((format!("{name} of noise"), name, encode(&noise)));
        encoded.push((format!("dense {name}"), name, encode(&dense)));
        let line = encode(b"' or 1=1 -- ");
        let lines = line.repeat(LENGTH / line.len());
        encoded.push((format!("very many of {name}"), name, lines));
        let part = encode(&noise[..1025]);
        let parts = part.repeat(LENGTH / part.len());
        encoded.push((format!("many of {name}"), name, parts));
    }
    encoded.push(("gzip of gzip".into(), "gzip, gzip", gzip(&gzip(&blanks))));
    encoded.push(("br of gzip".into(), "gzip, br", br(&gzip(&dense))));
    let mut flushed = DeflateEncoder::new(Vec::new(), Compression::best());
    for line in noise.chunks(140) {
        flushed.write_all(line).unwrap();
        flushed.flush().unwrap();
    }
    encoded.push(("flushed".into(), "deflate", flushed.finish().unwrap()));
    encoded
}

/// What it costs to decode each of them.
fn costs_of_encoded() -> Vec<(Duration, String)> {
    let budget = Budget {
        output: 1 << 20,
        ratio: 100,
        is_prefix: false,
    };
    let cost = |(what, line, body): (String, &'static str, Vec<u8>)| {
        let value = http::HeaderValue::from_static(line);
        let headers = http::HeaderMap::from_iter([(http::header::CONTENT_ENCODING, value)]);
        let codings = Codings::of(&headers).unwrap();
        let before = on_processor();
        drop(decode(codings, &body, budget));
        (on_processor().saturating_sub(before), what)
    };
    encoded().into_iter().map(cost).collect()
}

#[test]
#[ignore = "soak"]
fn soak_no_request_is_more_work_than_it_may_be() {
    let policy = policy("", &Registry::default());
    let now = Instant::now();
    let mut costs: Vec<(Duration, String)> = Vec::new();
    for (what, request) in bodies().into_iter().chain(heads()) {
        let facts = Clients::scratch();
        let before = on_processor();
        drop(request.judged(&policy, &facts, now));
        costs.push((on_processor().saturating_sub(before), what));
    }
    assert!(costs.len() > 250);
    println!("{}", told(costs));
}

#[test]
#[ignore = "soak"]
fn soak_no_encoded_body_is_more_work_to_decode_than_it_may_be() {
    let costs = costs_of_encoded();
    assert!(costs.len() > 15);
    println!("{}", told(costs));
}

/// The costliest of them, and how many cost more than promised. None may be another order of work.
fn told(mut costs: Vec<(Duration, String)>) -> String {
    costs.sort();
    let above = costs.iter().filter(|(cost, _)| *cost > PROMISED).count();
    let lines = costs.iter().rev().take(25);
    let lines: String = lines
        .map(|(cost, what)| format!("{cost:>10.1?}  {what}\n"))
        .collect();
    let (most, what) = costs.last().unwrap();
    assert!(*most < PROMISED * SLACK, "{what}: {most:?}\n{lines}");
    let count = costs.len();
    format!("{lines}{above} of {count} shapes cost more than {PROMISED:?}")
}
