//! Judging without a socket: a policy made of YAML as `run` makes it, and requests as bytes.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis::app::{self, Source};
use portcullis::clients::Facts;
use portcullis::config::environment::Process;
use portcullis::config::load::Shared;
use portcullis::engine::decide::{Observed, decide};
use portcullis::engine::{Evaluation, Finding, Policy, Registry};
use portcullis::request::{
    BodyView, ClientIdentity, Encryption, Origin, RequestView, Source as Raw, Standing,
};

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub target: String,
    pub headers: Vec<(&'static str, Vec<u8>)>,
    pub body: Option<Vec<u8>>,
    pub client: IpAddr,
    pub standing: Standing,
    pub encryption: Option<Encryption>,
}

impl Request {
    pub fn get(target: &str) -> Self {
        Self {
            method: Method::GET,
            target: target.into(),
            headers: Vec::new(),
            body: None,
            client: IpAddr::from([192, 0, 2, 1]),
            standing: Standing::Ordinary,
            encryption: None,
        }
    }

    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name, value.as_ref().to_vec()));
        self
    }

    pub fn body(mut self, content_type: &str, body: impl AsRef<[u8]>) -> Self {
        self.method = Method::POST;
        self.body = Some(body.as_ref().to_vec());
        self.header("content-type", content_type)
    }

    pub fn from(mut self, client: &str) -> Self {
        self.client = client.parse().expect("an address");
        self
    }

    /// Over TLS of a version, as TLS numbers it.
    pub fn over(mut self, version: u16) -> Self {
        let suite = 0x1301;
        self.encryption = Some(Encryption { version, suite });
        self
    }

    pub fn standing(mut self, standing: Standing) -> Self {
        self.standing = standing;
        self
    }

    /// What `policy` makes of it.
    pub fn judged(&self, policy: &Arc<Policy>, facts: &dyn Facts, now: Instant) -> Evaluation {
        self.seen(|request, body| decide(policy, request, body, facts, now))
    }

    /// Shows it as detections see it.
    pub fn seen<T>(&self, look: impl FnOnce(&RequestView<'_>, Option<&BodyView<'_>>) -> T) -> T {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            headers.append(HeaderName::from_static(name), value);
        }
        let mut client = ClientIdentity::from_peer(self.client);
        client.standing = self.standing;
        client.encryption = self.encryption;
        let request = RequestView::new(&self.method, &self.target, &headers, &client);
        let body = self.body.as_ref();
        let body = body.map(|bytes| BodyView::new(&headers, bytes));
        look(&request, body.as_ref())
    }

    /// The raw bytes of an origin.
    pub fn slice(&self, origin: &Origin) -> Option<Vec<u8>> {
        self.seen(|request, body| match origin.source {
            Raw::Target | Raw::Header(_) => request.slice(origin).map(<[u8]>::to_vec),
            Raw::Body => body?.slice(origin).map(<[u8]>::to_vec),
        })
    }
}

/// The policy of a configuration. All are kept, so that what is expensive is compiled once for all tests.
pub fn policy(yaml: &str, registry: &Registry) -> Arc<Policy> {
    static SHARED: LazyLock<Arc<Shared>> = LazyLock::new(Arc::default);
    static KEPT: Mutex<BTreeMap<String, Arc<Policy>>> = Mutex::new(BTreeMap::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(policy) = kept.get(yaml) {
        return Arc::clone(policy);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, format!("version: 1\n{yaml}")).expect("a file");
    let loaded = app::load(&Source::File(path), registry, &SHARED, &Process, 1)
        .unwrap_or_else(|report| panic!("{yaml}\n{}", report.draw(false)));
    let policy = Arc::new(loaded.compiled.policy);
    kept.insert(yaml.to_owned(), Arc::clone(&policy));
    policy
}

/// The findings of an evaluation; nothing else may have been observed but that the sender asked for too much.
pub fn findings(evaluation: &Evaluation) -> Vec<(&str, &Finding)> {
    let observed = evaluation.observations().iter();
    observed
        .filter_map(|seen| match &seen.what {
            Observed::Finding(finding) => Some((&*seen.detection, finding)),
            Observed::Exhausted(_) => None,
            other => panic!("{}: {other:?}", seen.detection),
        })
        .collect()
}
