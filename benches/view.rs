//! What it costs to take requests apart, with no detection: time, throughput, and how often memory is asked for.
//!
//! Goals: a typical GET in a microsecond; a clean JSON document or form of 64 KiB at 500 MB/s; a handful of allocations
//! for each. The best of many short runs is shown, since everything else on the machine only ever adds to one. Where even
//! that is not calm enough, count instructions: `valgrind --tool=callgrind` on this program, with the name of one row as
//! its argument, which is then run a few times and nothing else.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis::request::{BodyView, ClientIdentity, RequestView, target};

const HEADERS: [(&str, &str); 15] = [
    ("host", "shop.example.com"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        "accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    ("accept-language", "en-GB,en;q=0.8,de;q=0.5,fr;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("referer", "https://shop.example.com/category/lamps/page/2"),
    ("connection", "keep-alive"),
    ("cookie", "sid=6f1c0b7ee1a24c2d9a; theme=dark; consent=1"),
    ("upgrade-insecure-requests", "1"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-user", "?1"),
    ("priority", "u=0, i"),
    ("dnt", "1"),
];

fn main() {
    let only = std::env::args().nth(1).filter(|name| name != "--bench");
    heads(only.as_deref());
    bodies(only.as_deref());
}

fn heads(only: Option<&str>) {
    let headers: HeaderMap = HEADERS
        .iter()
        .map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        })
        .collect();
    let client = ClientIdentity::from_peer(IpAddr::V4(Ipv4Addr::LOCALHOST));
    for (what, target) in [
        (
            "get-plain",
            "/products/lamps?page=2&sort=price&colour=green",
        ),
        (
            "get-escapes",
            "/products/lamps?page=2&sort=price%20asc&q=%3Cscript%3E",
        ),
    ] {
        measure(what, only, 0, || {
            let view = RequestView::new(&Method::GET, black_box(target), &headers, &client);
            view.inputs().len()
        });
    }
    for (what, path) in [
        ("path-plain", "/products/lamps"),
        ("path-odd", "/products/../%61dmin/./x"),
    ] {
        measure(what, only, 0, || target::normalize(black_box(path)).len());
    }
}

fn bodies(only: Option<&str>) {
    const FORM: &str = "application/x-www-form-urlencoded";
    const JSON: &str = "application/json";
    const LENGTH: usize = 64 << 10;
    let fields = [
        "green",
        "walnut",
        "4711",
        "12.5",
        "a-longer-value-of-a-field",
    ];
    let form: String = (211..)
        .step_by(211)
        .zip(fields)
        .map(|(number, text)| format!("field{number}={text}&"))
        .collect();
    let rows: [(&str, &str, String); 9] = [
        ("json-2k", JSON, document(2 << 10, false)),
        ("json-64k", JSON, document(LENGTH, false)),
        ("json-64k-pretty", JSON, document(LENGTH, true)),
        ("json-64k-numbers", JSON, list("4711,", LENGTH)),
        (
            "json-64k-escapes",
            JSON,
            list("\"A \\\"lamp\\\"\",", LENGTH),
        ),
        ("form-64k", FORM, filled(&form, LENGTH)),
        (
            "form-64k-plus",
            FORM,
            filled("name=A+lamp&price=12.5&", LENGTH),
        ),
        (
            "text-64k",
            "text/plain",
            filled("All about lamps. ", LENGTH),
        ),
        ("image-64k", "image/png", filled("\u{89}PNG\0\0\0", LENGTH)),
    ];
    for (what, content_type, body) in rows {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        measure(what, only, body.len(), || {
            let view = BodyView::new(&headers, black_box(body.as_bytes()));
            view.inputs().len()
        });
    }
}

/// A list of products, as an API answers or takes it: short keys, short values, now and then a longer one.
fn document(length: usize, pretty: bool) -> String {
    const TEXTS: [&str; 7] = [
        "A lamp",
        "Walnut table with drawers",
        "brass",
        "green",
        "A rather long description of the product, as shops have it, of about a line or two of text.",
        "kitchen",
        "2026-11-26T03:00:00Z",
    ];
    let mut products = Vec::new();
    let mut written = 0;
    for number in 0.. {
        let text = |step: usize| TEXTS.iter().cycle().nth((number * step) % TEXTS.len());
        let product = serde_json::json!({
            "id": 100_000 + number * 7,
            "name": text(1),
            "category": text(2),
            "tags": [text(3), text(4)],
            "price": {"amount": 12.5, "currency": "EUR"},
            "inStock": number % 3 == 0,
            "description": text(5),
            "url": format!("https://shop.example.com/products/{number}"),
        });
        written += if pretty {
            serde_json::to_string_pretty(&[&product])
                .unwrap_or_default()
                .len()
        } else {
            product.to_string().len()
        };
        if written > length {
            break;
        }
        products.push(product);
    }
    if pretty {
        serde_json::to_string_pretty(&products).unwrap_or_default()
    } else {
        serde_json::Value::from(products).to_string()
    }
}

fn list(unit: &str, length: usize) -> String {
    format!("[{}0]", filled(unit, length - 3))
}

fn filled(unit: &str, length: usize) -> String {
    unit.repeat(length / unit.len())
}

/// Shows what one row costs. `bytes` is the length of a body; 0 for a head.
fn measure(what: &str, only: Option<&str>, bytes: usize, mut work: impl FnMut() -> usize) {
    if let Some(only) = only {
        for _ in 0..if only == what { 5 } else { 0 } {
            black_box(work());
        }
        return;
    }
    let rounds = if bytes > 10_000 { 4 } else { 200 };
    let values = work();
    let mut best = Duration::MAX;
    for _ in 0..300 {
        let began = now();
        for _ in 0..rounds {
            black_box(work());
        }
        best = best.min(began.elapsed());
    }
    let nanoseconds = best.as_nanos() / rounds;
    let allocations = allocation_counter::measure(|| _ = black_box(work())).count_total;
    let rate = match bytes {
        0 => String::new(),
        bytes => format!("{:5} MB/s", bytes as u128 * 1000 / nanoseconds.max(1)),
    };
    println!(
        "{what:18} {nanoseconds:9} ns {rate:10} {values:6} values {allocations:5} allocations"
    );
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
