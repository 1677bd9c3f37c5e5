//! Content types of any bytes over bodies of any bytes: what a body is is always decided, the same by its beginning as by
//! the whole, and only bytes that look binary are opaque.

#![no_main]

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use portcullis::request::body::{BEGINNING, classify};
use portcullis::request::{BodyKind, BodyView};

fuzz_target!(|input: (Vec<Vec<u8>>, Vec<u8>)| {
    let (types, body) = input;
    let mut headers = HeaderMap::new();
    for value in &types {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(CONTENT_TYPE, value);
        }
    }
    let kind = classify(&headers, &body);
    let beginning = body.get(..BEGINNING).unwrap_or(&body);
    assert_eq!(kind, classify(&headers, beginning));
    let view = BodyView::new(&headers, &body);
    assert_eq!(view.kind(), kind);
    assert_eq!(kind == BodyKind::Empty, body.is_empty());
    if kind == BodyKind::Opaque {
        let is_plain = beginning.iter().all(|byte| matches!(byte, b' '..=b'~'));
        assert!(!is_plain, "text that is called opaque");
        assert!(view.inputs().is_empty());
    }
});
