//! What the tests of the detections share: a chain of one detection, and facts that know nothing.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::clients::{
    BanOrder, BanPolicy, Facts, InForce, Key, Offence, Quota, Served, Taken, Window,
};
use crate::config::load::Shared;
use crate::config::{ConfigError, Load};
use crate::engine::decide::{Observed, decide};
use crate::engine::policy::Revision;
use crate::engine::{
    Canary, Chain, Evaluation, Finding, FromConfig, Link, Outcome, Policy, PolicyConfig, registry,
};
use crate::request::{BodyView, ClientIdentity, RequestView};

/// Facts for detections that ask for none.
#[derive(Debug)]
pub(crate) struct NoFacts;

impl Facts for NoFacts {
    fn key(&self, _: &str, _: &[u8]) -> Key {
        Key(0)
    }

    fn take(&self, _: Key, _: Quota, _: Instant) -> Taken {
        Taken {
            allowed: true,
            remaining: 1,
            retry_after: Duration::ZERO,
            reset: Duration::ZERO,
        }
    }

    fn note_distinct(&self, _: Key, _: u64, _: u32, _: Window, _: Instant) -> u32 {
        0
    }

    fn hold(&self, _: Key, _: Duration, _: Instant) {}

    fn held(&self, _: Key, _: Instant) -> Option<Duration> {
        None
    }

    fn banned(&self, _: &ClientIdentity, _: Instant) -> Option<InForce> {
        None
    }

    fn ban(&self, _: &ClientIdentity, _: &BanOrder, _: Instant) {}

    fn offend(&self, _: &ClientIdentity, _: &Offence<'_>, _: &BanPolicy, _: Instant) {}

    fn note_served(&self, _: &ClientIdentity, _: &Served<'_>, _: Instant) {}
}

/// Makes a detection of its section in YAML, in the folder `base`; returns the warnings with it.
pub(crate) fn load<D: FromConfig>(
    yaml: &str,
    base: &Path,
    shared: &Shared,
) -> Result<(D, Vec<String>), Vec<ConfigError>> {
    let value = serde_yaml::from_str(yaml).expect("YAML");
    let config = registry::read(value).map_err(|error| vec![error])?;
    let mut load = Load::new(base, shared);
    let detection = D::from_config(config, &mut load)?;
    Ok((detection, load.finish().1))
}

/// Makes a detection of its section in YAML.
pub(crate) fn detection<D: FromConfig>(yaml: &str) -> D {
    load(yaml, Path::new("."), &Shared::default())
        .unwrap_or_else(|errors| panic!("{errors:?}"))
        .0
}

/// The mistakes in a section in YAML, as they would be printed.
pub(crate) fn mistakes<D: FromConfig>(yaml: &str) -> Vec<String> {
    let errors = load::<D>(yaml, Path::new("."), &Shared::default()).expect_err("wrong");
    errors.iter().map(ToString::to_string).collect()
}

/// A policy of this one detection.
pub(crate) fn policy<D: FromConfig>(detection: D) -> Arc<Policy> {
    let chain = Chain::new(vec![Link {
        name: D::NAME.into(),
        mode: None,
        on_error: None,
        monitor: Vec::new(),
        status: StatusCode::FORBIDDEN,
        detection: Box::new(detection),
    }]);
    let revision = Revision::default();
    Arc::new(Policy::new(
        revision,
        &PolicyConfig::default(),
        Arc::new(chain),
    ))
}

/// What a request is made of.
pub(crate) struct Sent<'a> {
    pub(crate) target: &'a str,
    pub(crate) headers: &'a [(&'static str, &'a str)],
    pub(crate) body: Option<&'a str>,
    pub(crate) client: &'a str,
}

impl Default for Sent<'_> {
    fn default() -> Self {
        Self {
            target: "/",
            headers: &[],
            body: None,
            client: "192.0.2.1",
        }
    }
}

/// Judges a request.
pub(crate) fn judge(policy: &Arc<Policy>, sent: &Sent<'_>) -> Evaluation {
    judge_with(policy, sent, sent.body.map(str::as_bytes))
}

/// Judges a request with a body that need not be text.
pub(crate) fn judge_with(policy: &Arc<Policy>, sent: &Sent<'_>, body: Option<&[u8]>) -> Evaluation {
    let mut headers = HeaderMap::new();
    for (name, value) in sent.headers {
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a header value");
        headers.append(HeaderName::from_static(name), value);
    }
    let client = ClientIdentity::from_peer(sent.client.parse::<IpAddr>().expect("an address"));
    let request = RequestView::new(&Method::POST, sent.target, &headers, &client);
    let body = body.map(|body| BodyView::new(&headers, body));
    decide(policy, &request, body.as_ref(), &NoFacts, now())
}

/// Judges a detection's canary.
pub(crate) fn judge_canary(policy: &Arc<Policy>, canary: &Canary) -> Outcome {
    let headers: HeaderMap = canary.headers.iter().cloned().collect();
    let client = ClientIdentity::from_peer(canary.client);
    let request = RequestView::new(&Method::GET, &canary.target, &headers, &client);
    decide(policy, &request, None, &NoFacts, now()).outcome()
}

#[expect(
    clippy::disallowed_methods,
    reason = "no detection here looks at the time"
)]
fn now() -> Instant {
    Instant::now()
}

/// The findings of an evaluation.
pub(crate) fn findings(evaluation: &Evaluation) -> Vec<&Finding> {
    let findings = evaluation.observations().iter();
    findings
        .filter_map(|seen| match &seen.what {
            Observed::Finding(finding) => Some(finding),
            Observed::Exhausted(_) | Observed::Fault(_) => None,
        })
        .collect()
}
