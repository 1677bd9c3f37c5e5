//! Requests of any bytes through the default chain.

#![no_main]

mod judged;

use libfuzzer_sys::fuzz_target;
use portcullis::request::raw::RawRequest;
use portcullis::request::{BodyView, ClientIdentity, RequestView};

fuzz_target!(|input: &[u8]| {
    let Ok(request) = RawRequest::parse(input) else { return };
    let client = ClientIdentity::from_peer([192, 0, 2, 1].into());
    let view = RequestView::new(&request.method, &request.target, &request.headers, &client);
    judged::hold(&view, &BodyView::new(&request.headers, &request.body));
});
