//! Bodies of any bytes under any content codings: decoding never panics, nothing longer than allowed comes out, a beginning
//! of a body decodes to a beginning of it, and the view of what came out holds together.

#![no_main]

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use libfuzzer_sys::fuzz_target;
use portcullis::request::BodyView;
use portcullis::request::coding::{Budget, CodingError, Codings, decode};

const CODINGS: [&str; 8] = [
    "gzip", "deflate", "br", "zstd", "gzip, br", "zstd, gzip", "deflate, deflate", "identity",
];
const OUTPUT: usize = 100_000;

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let mut headers = HeaderMap::new();
    let line = CODINGS[usize::from(*choice) % CODINGS.len()];
    headers.insert(CONTENT_ENCODING, line.parse().expect("a value"));
    headers.insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().expect("a value"));
    let codings = Codings::of(&headers).expect("known codings");
    let budget = Budget { output: OUTPUT, ratio: 100, is_prefix: false };
    let whole = decode(codings, body, budget);
    assert_ne!(whole, Err(CodingError::Fault));
    if let Some(view) = BodyView::still_encoded(&headers, body) {
        assert!(view.ambiguities().is_empty(), "{} values", view.inputs().iter().count());
    }
    let Ok(whole) = whole else { return };
    assert!(whole.bytes.len() <= OUTPUT.min(budget.longest(body.len())));
    let view = BodyView::decoded(&headers, &whole);
    for value in view.inputs() {
        assert!(value.origin().range.end <= whole.bytes.len(), "a value without raw bytes");
    }
    let half = body.get(..body.len() / 2).unwrap_or_default();
    let prefix = Budget { is_prefix: true, ..budget };
    match decode(codings, half, prefix) {
        Ok(half) => assert!(whole.bytes.starts_with(&half.bytes), "a beginning of something else"),
        // The ratio is one of the bytes that are there.
        Err(error) => assert_eq!(error, CodingError::Ratio),
    }
});
