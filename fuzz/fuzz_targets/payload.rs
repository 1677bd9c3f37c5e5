//! Values of any bytes before all analyzers, in a body and in a cookie.

#![no_main]

mod judged;

use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use portcullis::request::{BodyView, ClientIdentity, RequestView};

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Ok(cookie) = HeaderValue::from_bytes(&[b"a=", input].concat()) {
        headers.insert(COOKIE, cookie);
    }
    let client = ClientIdentity::from_peer([192, 0, 2, 1].into());
    let view = RequestView::new(&Method::POST, "/", &headers, &client);
    judged::hold(&view, &BodyView::new(&headers, input));
});
