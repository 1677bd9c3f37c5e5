//! Values of any bytes before all analyzers, in a body and in a cookie: none panics, and evidence leads back to raw bytes.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::header::{CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderValue, Method};
use libfuzzer_sys::fuzz_target;
use portcullis::app::{Source, load};
use portcullis::clients::Clients;
use portcullis::config::environment::Process;
use portcullis::config::load::Shared;
use portcullis::engine::decide::{Observed, decide};
use portcullis::engine::{Policy, Registry};
use portcullis::request::{BodyView, ClientIdentity, RequestView, Source as Raw};

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let loaded = load(&Source::Embedded, &Registry::default(), &Shared::default(), &Process, 1);
    Arc::new(loaded.expect("the defaults").policy)
});

fuzz_target!(|input: &[u8]| {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    if let Ok(cookie) = HeaderValue::from_bytes(&[b"a=", input].concat()) {
        headers.insert(COOKIE, cookie);
    }
    let client = ClientIdentity::from_peer([192, 0, 2, 1].into());
    let view = RequestView::new(&Method::POST, "/", &headers, &client);
    let body = BodyView::new(&headers, input);
    let evaluation = decide(&POLICY, &view, Some(&body), &Clients::scratch(), Instant::now());
    for seen in evaluation.observations() {
        match &seen.what {
            Observed::Finding(finding) => {
                let Some(origin) = &finding.evidence.origin else { continue };
                let bytes = if origin.source == Raw::Body { body.slice(origin) } else { view.slice(origin) };
                assert!(bytes.is_some(), "evidence without raw bytes: {finding:?}");
            }
            Observed::Exhausted(_) => {}
            Observed::Fault(what) => panic!("{}: {what}", seen.detection),
        }
    }
});
