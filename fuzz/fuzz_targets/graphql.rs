//! GraphQL of any bytes, by itself, within JSON and in a query: taking it apart and counting it never panics, and every value
//! leads back to raw bytes.

#![no_main]

use std::net::Ipv4Addr;

use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use portcullis::request::{BodyView, ClientIdentity, RequestView};

fuzz_target!(|text: &[u8]| {
    let document = String::from_utf8_lossy(text);
    let json = serde_json::json!([{ "query": document }, { "query": document }]).to_string();
    for (kind, body) in [("application/graphql", text), ("application/json", json.as_bytes())] {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, kind.parse().expect("a value"));
        let view = BodyView::new(&headers, body);
        for value in view.inputs() {
            assert!(view.slice(&value.origin()).is_some(), "a value without raw bytes");
        }
        let fields = view.graphql().map_or(0, |shape| shape.fields as usize);
        assert!(fields <= body.len(), "more fields than bytes");
    }
    let target = format!("/?query={}", document.replace(['\r', '\n'], "%0A"));
    let headers = HeaderMap::new();
    let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
    let view = RequestView::new(&Method::GET, &target, &headers, &client);
    for value in view.inputs() {
        assert!(view.slice(&value.origin()).is_some(), "a value without raw bytes");
    }
});
