//! Bodies of any bytes under any type: taking them apart never panics, and every value leads back to raw bytes.

#![no_main]

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use libfuzzer_sys::fuzz_target;
use portcullis::request::BodyView;

const TYPES: [&str; 11] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/form-data; boundary=\"a b\"",
    "text/plain; charset=utf-16",
    "application/octet-stream",
    "text/xml",
    "application/graphql",
    "application/x-ndjson",
    "application/xml, application/json; charset=utf-16le",
    "",
];

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let mut headers = HeaderMap::new();
    let kind = TYPES[usize::from(*choice) % TYPES.len()];
    if !kind.is_empty() {
        headers.insert(CONTENT_TYPE, kind.parse().expect("a value"));
    }
    let view = BodyView::new(&headers, body);
    for value in view.inputs() {
        assert!(view.slice(&value.origin()).is_some(), "a value without raw bytes");
        for form in value.forms() {
            let origin = value.origin_of(&form, 0..form.text.len());
            assert!(view.slice(&origin).is_some(), "a form without raw bytes");
        }
    }
    for ambiguity in view.ambiguities() {
        assert!(view.slice(&ambiguity.origin).is_some(), "an ambiguity without raw bytes");
    }
});
