//! How long it takes to take requests apart. Goal: a typical GET in a microsecond.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis::request::{BodyView, ClientIdentity, RequestView, target};

const ROUNDS: u32 = 20_000;

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
            "GET, plain",
            "/products/lamps?page=2&sort=price&colour=green",
        ),
        (
            "GET, escapes",
            "/products/lamps?page=2&sort=price%20asc&q=%3Cscript%3E",
        ),
    ] {
        measure(what, || {
            let view = RequestView::new(&Method::GET, black_box(target), &headers, &client);
            view.inputs().len()
        });
    }
    for path in ["/products/lamps", "/products/../%61dmin/./x"] {
        measure(path, || target::normalize(black_box(path)).len());
    }
    let item = r#"{"id":4711,"name":"A lamp","tags":["green","brass"],"price":{"amount":12.5,"currency":"EUR"}}"#;
    let json = format!("[{}]", [item; 21].join(","));
    body("JSON", "application/json", json.as_bytes());
    let form = ["name=A+lamp&price=12.5"; 90].join("&");
    body("form", "application/x-www-form-urlencoded", form.as_bytes());
    body(
        "text",
        "text/plain",
        "All about lamps. ".repeat(120).as_bytes(),
    );
}

fn body(what: &str, content_type: &'static str, bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    measure(&format!("{what} body of {} bytes", bytes.len()), || {
        BodyView::new(&headers, black_box(bytes)).inputs().len()
    });
}

fn measure(what: &str, mut work: impl FnMut() -> usize) {
    let values = work();
    let began = now();
    for _ in 0..ROUNDS {
        black_box(work());
    }
    let nanoseconds = began.elapsed().as_nanos() / u128::from(ROUNDS);
    println!("{what}: {nanoseconds} ns ({values} values)");
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}
