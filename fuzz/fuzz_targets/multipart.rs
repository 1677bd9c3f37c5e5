//! Multipart bodies of any bytes in pieces of any lengths: cutting them into units never panics, what goes on is what came,
//! and what is held is bounded.

#![no_main]

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use libfuzzer_sys::fuzz_target;
use portcullis::request::BodyView;
use portcullis::request::body::{Next, Units};

/// The longest part that is judged whole.
const MOST: usize = 2048;

/// Beside it, what may be held: a window of a text file, and a piece.
const MORE: usize = 128 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some((size, rest)) = input.split_first() else { return };
    let body = [b"--b\r\n", rest].concat();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, "multipart/form-data; boundary=b".parse().expect("a value"));
    let mut units = Units::of(&headers, &body, MOST).expect("it begins with its boundary");
    let mut pieces = body.chunks(usize::from(*size) + 1);
    let mut gone = Vec::new();
    loop {
        let unit = match units.proceed() {
            Next::Unit(unit) => unit,
            Next::TooLong => units.let_pass(),
            Next::Pass(bytes) => {
                gone.extend_from_slice(&bytes);
                continue;
            }
            Next::More => {
                match pieces.next() {
                    Some(piece) => units.push(piece),
                    None => units.end(),
                }
                assert!(units.held() <= MOST + MORE);
                continue;
            }
            Next::End => break,
        };
        gone.extend_from_slice(&unit.goes_on());
        let view = BodyView::of_unit(&headers, &unit);
        for value in view.inputs() {
            assert!(view.slice(&value.origin()).is_some(), "a value without raw bytes");
        }
    }
    assert_eq!(gone, body);
});
