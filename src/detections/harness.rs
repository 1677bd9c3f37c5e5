//! A chain of one detection for tests: requests are judged as the proxy judges them, at times of the test's choosing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::clients::Clients;
use crate::config::load::Shared;
use crate::config::{ConfigError, Load};
use crate::engine::decide::Observed;
use crate::engine::policy::Revision;
use crate::engine::{
    Chain, Evaluation, Finding, Link, Mode, Outcome, Policy, PolicyConfig, Registry,
    ThreatDetection,
};
use crate::request::{ClientIdentity, RequestView, ResponseView, Standing};

/// One detection, its facts and a clock.
#[derive(Debug)]
pub(super) struct Harness {
    pub(super) facts: Arc<Clients>,
    policy: Arc<Policy>,
    started: Instant,
    elapsed: Duration,
}

/// A request to be sent, and what the upstream would answer.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    target: String,
    method: Method,
    headers: HeaderMap,
    client: ClientIdentity,
    status: StatusCode,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) outcome: Outcome,
    pub(super) reached_upstream: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// A detection made of its section.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) detection: Box<dyn ThreatDetection>,
    pub(super) warnings: Vec<String>,
}

/// Makes a detection of the default registry.
pub(super) fn build(name: &str, section: &str) -> Result<Built, Vec<ConfigError>> {
    let section = serde_yaml::from_str(section).expect("the test's YAML");
    let shared = Shared::default();
    let mut load = Load::new(Path::new("."), &shared);
    let registry = Registry::default();
    let entry = registry.find(name).expect("a registered detection");
    let detection = (entry.build)(section, &mut load)?;
    let (_, warnings) = load.finish();
    Ok(Built {
        detection,
        warnings,
    })
}

/// The one mistake in a section, as its path and message.
pub(super) fn mistake(name: &str, section: &str) -> String {
    let errors = build(name, section).expect_err(section);
    let [error] = errors.as_slice() else {
        panic!("{section}: {errors:?}");
    };
    error.to_string()
}

impl Harness {
    /// A chain of the detection `name` with this section, in enforce mode.
    pub(super) fn new(name: &str, section: &str) -> Self {
        let mut harness = Self {
            facts: Arc::new(Clients::scratch()),
            policy: Arc::new(Policy::new(
                Revision::default(),
                &PolicyConfig::default(),
                Arc::default(),
            )),
            started: {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a beginning for times that are passed in"
                )]
                Instant::now()
            },
            elapsed: Duration::ZERO,
        };
        harness.reload(name, section, Mode::Enforce);
        harness
    }

    /// Replaces the chain; the facts stay.
    pub(super) fn reload(&mut self, name: &str, section: &str, mode: Mode) {
        let Built { detection, .. } = build(name, section).expect(section);
        let chain = Chain::new(vec![Link {
            name: name.into(),
            mode: None,
            on_error: None,
            monitor: Vec::new(),
            status: StatusCode::FORBIDDEN,
            detection,
        }]);
        let config = PolicyConfig {
            mode,
            ..PolicyConfig::default()
        };
        self.policy = Arc::new(Policy::new(Revision::default(), &config, Arc::new(chain)));
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, span: Duration) {
        self.elapsed += span;
    }

    /// Sends a request through the chain and, unless it is refused, to the upstream and back.
    pub(super) fn send(&self, sent: &Sent) -> Received {
        let (facts, now) = (&*self.facts, self.started + self.elapsed);
        let request = RequestView::new(&sent.method, &sent.target, &sent.headers, &sent.client);
        let mut evaluation = Evaluation::begin(&self.policy, &request);
        evaluation.on_headers(&request, facts, now);
        let reached_upstream = evaluation.permit().is_ok();
        if reached_upstream {
            let response = ResponseView {
                status: sent.status,
                headers: &HeaderMap::new(),
            };
            evaluation.on_response(&request, &response, facts, now);
        }
        let finding = |what: &Observed| match what {
            Observed::Finding(finding) => finding.clone(),
            other => panic!("{other:?}"),
        };
        Received {
            outcome: evaluation.outcome(),
            reached_upstream,
            findings: evaluation
                .observations()
                .iter()
                .map(|seen| finding(&seen.what))
                .collect(),
            headers: evaluation.take_answer_headers(),
        }
    }

    /// Sends a request so many times and counts how many were not refused.
    pub(super) fn passed(&self, sent: &Sent, times: usize) -> usize {
        (0..times)
            .filter(|_| self.send(sent).outcome != Outcome::Block)
            .count()
    }
}

impl Sent {
    /// A GET that the upstream answers with 200.
    pub(super) fn get(target: &str) -> Self {
        Self {
            target: target.into(),
            method: Method::GET,
            headers: HeaderMap::new(),
            client: ClientIdentity::from_peer([192, 0, 2, 1].into()),
            status: StatusCode::OK,
        }
    }

    pub(super) fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    pub(super) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers
            .append(name, HeaderValue::try_from(value).expect("a header value"));
        self
    }

    pub(super) fn from(mut self, address: &str) -> Self {
        self.client = ClientIdentity::from_peer(address.parse().expect("an address"));
        self
    }

    pub(super) fn standing(mut self, standing: Standing) -> Self {
        self.client.standing = standing;
        self
    }

    pub(super) fn answered(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).expect("a status");
        self
    }
}

impl Received {
    /// The values of a header that the answer carries.
    pub(super) fn header(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(other, _)| *other == name);
        named
            .map(|(_, value)| value.to_str().expect("text"))
            .collect()
    }
}
