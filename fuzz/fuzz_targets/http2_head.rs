//! A request that came as HTTP/2, made into HTTP/1.1: what is accepted is exactly one request, with the method, the target
//! and the values that it came with.

#![no_main]

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use portcullis::proxy::framing::{Gate, GateLimits, Step};
use portcullis::proxy::http2::translated;

const LIMITS: GateLimits = GateLimits {
    head: 32 * 1024,
    headers: 100,
    uri: 8 * 1024,
};

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|&byte| byte == 0xfe);
    let mut next = || lines.next().unwrap_or_default();
    let (method, authority, path) = (next(), next(), next());
    let Ok(method) = Method::from_bytes(method) else {
        return;
    };
    let uri = Uri::builder()
        .scheme("https")
        .authority(authority)
        .path_and_query(path)
        .build();
    let Ok(uri) = uri else { return };
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri.clone();
    let rest: Vec<&[u8]> = lines.collect();
    for pair in rest.chunks(2) {
        if let [name, value] = pair
            && let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            request.headers_mut().append(name, value);
        }
    }
    let (head, ()) = request.into_parts();
    let sent = head.headers.len();
    let begins = format!("{} {} HTTP/1.1\r\n", head.method, uri.path_and_query().map_or("/", |path| path.as_str()));
    let Ok(text) = translated(head, LIMITS) else {
        return;
    };
    assert_eq!(Gate::new(LIMITS).scan(&text), Ok(Step::Pass(text.len())));
    assert!(text.starts_with(begins.as_bytes()));
    let lines = text.iter().filter(|&&byte| byte == b'\n').count();
    assert!(lines <= sent + 3, "{lines} lines of {sent} headers");
});
