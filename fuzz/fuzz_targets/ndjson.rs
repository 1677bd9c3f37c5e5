//! Lines of JSON of any bytes: taking them apart never panics, and where every line is JSON to `serde_json`, none is bad.

#![no_main]

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use libfuzzer_sys::fuzz_target;
use portcullis::request::BodyView;

fuzz_target!(|body: &[u8]| {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, "application/x-ndjson".parse().expect("a value"));
    let view = BodyView::new(&headers, body);
    for value in view.inputs() {
        assert!(view.slice(&value.origin()).is_some(), "a value without raw bytes");
    }
    let is_separator = |byte: &u8| matches!(byte, b'\n' | 0x1e);
    let mut lines = body.split(is_separator).map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    if lines.all(|line| serde_json::from_slice::<serde_json::Value>(line).is_ok()) {
        let is_bad = view.ambiguities().iter().any(|found| found.kind == "ndjson_bad_line");
        assert!(!is_bad, "a line of JSON that is none to us");
    }
});
