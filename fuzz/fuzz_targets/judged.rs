//! The default chain, and what holds of every judgement: no detection fails, and evidence leads back to raw bytes.

use std::sync::{Arc, LazyLock};
use std::time::Instant;

use portcullis::app::{Source, load};
use portcullis::clients::Clients;
use portcullis::config::environment::Process;
use portcullis::config::load::Shared;
use portcullis::engine::decide::{Observed, decide};
use portcullis::engine::{Policy, Registry};
use portcullis::request::{BodyView, RequestView, Source as Raw};

static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| {
    let loaded = load(&Source::Embedded, &Registry::default(), &Shared::default(), &Process, 1);
    Arc::new(loaded.expect("the defaults").compiled.policy)
});

/// Judges a request, and holds its judgement to that.
pub fn hold(view: &RequestView<'_>, body: &BodyView<'_>) {
    let evaluation = decide(&POLICY, view, Some(body), &Clients::scratch(), Instant::now());
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
}
