//! # What it detects
//!
//! Requests that came over a connection with an older version of TLS than `min_version`, with one of `ciphers`, or without
//! encryption. It sees what client and listener agreed on, so it tells who would be shut out by a stricter listener before
//! anybody is: in monitor mode.
//!
//! # Why it matters
//!
//! What is weakly encrypted, or not at all, is read and changed on its way
//! ([CWE-326](https://cwe.mitre.org/data/definitions/326.html),
//! [CWE-319](https://cwe.mitre.org/data/definitions/319.html), OWASP A02:2021 Cryptographic Failures).
//!
//! # Example
//!
//! With `min_version: "1.3"` a request over TLS 1.2 is refused; one over TLS 1.3 is not. With `unencrypted: block` a request
//! over a plain listener is refused, unless a trusted proxy says in `X-Forwarded-Proto` that its client came by `https`.
//!
//! # Limits
//!
//! Listeners let in nothing below TLS 1.2, and no cipher suite without authenticated encryption and forward secrecy: there
//! is nothing weaker to be found. What a client and a proxy in front of us agreed on is not known, but for the word of the
//! proxy that it was encrypted.

use std::borrow::Cow;

use http::HeaderName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::phrase::suggest;
use crate::config::{ConfigError, Load};
use crate::engine::registry::module_documentation;
use crate::engine::{
    Context, DetectionError, Evidence, Finding, FromConfig, Phase, RuleId, RuleInfo,
    ThreatDetection, Verdict, Weight,
};
use crate::request::{Encryption, IdentitySource, Place, PlaceKind, RequestView, Standing};

/// Refuses requests by how their connections are encrypted.
#[derive(Debug)]
pub struct WeakEncryption {
    config: WeakEncryptionConfig,
    rules: [RuleId; 3],
}

/// The section `weak_encryption`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WeakEncryptionConfig {
    /// The oldest version of TLS that is not refused: `1.2` or `1.3`, in quotes.
    pub min_version: OldestVersion,
    /// Cipher suites that are refused, by their names in IANA's registry.
    pub ciphers: Vec<String>,
    /// What happens to a request that came without encryption: `allow` or `block`.
    pub unencrypted: Unencrypted,
}

/// The oldest version of TLS that is not refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OldestVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    Tls13,
}

/// What happens to a request that came without encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unencrypted {
    /// It goes on to the next detection.
    #[default]
    Allow,
    /// It is refused.
    Block,
}

const MESSAGES: [&str; 3] = [
    "The connection has an older version of TLS than `min_version`.",
    "The connection has a cipher suite that is refused.",
    "The request came without encryption.",
];

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

impl OldestVersion {
    const fn number(self) -> u16 {
        match self {
            Self::Tls12 => 0x0303,
            Self::Tls13 => 0x0304,
        }
    }
}

impl WeakEncryption {
    /// Which of the rules a request breaks, and what shows it.
    fn judge(&self, request: &RequestView<'_>) -> Option<(usize, String)> {
        let Some(encryption) = request.client().encryption else {
            let is_refused =
                self.config.unencrypted == Unencrypted::Block && !is_vouched_for(request);
            return is_refused.then(|| (2, "no TLS".to_owned()));
        };
        if encryption.version < self.config.min_version.number() {
            return Some((0, encryption.to_string()));
        }
        let suite = encryption.suite_name();
        let is_refused = self.config.ciphers.iter().any(|refused| refused == suite);
        is_refused.then(|| (1, encryption.to_string()))
    }
}

/// Whether a trusted proxy says that its client came by `https`.
fn is_vouched_for(request: &RequestView<'_>) -> bool {
    let client = request.client();
    let is_behind_proxy =
        client.source != IdentitySource::Peer || client.standing == Standing::Proxy;
    let mut said = request.headers().get_all(X_FORWARDED_PROTO).iter();
    is_behind_proxy && said.next().is_some_and(|scheme| scheme == "https") && said.next().is_none()
}

impl ThreatDetection for WeakEncryption {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        let found = self.judge(request).and_then(|(rule, evidence)| {
            Some(Finding {
                rule: self.rules.get(rule)?.clone(),
                weight: Weight::Decisive,
                place: Place::value(PlaceKind::Client, ""),
                evidence: Evidence::fact(evidence),
                message: Cow::Borrowed(MESSAGES.get(rule)?),
            })
        });
        Ok(found.map_or(Verdict::Pass, Verdict::threat))
    }

    fn rules(&self) -> Vec<RuleInfo> {
        let rules = self.rules.iter().zip(MESSAGES);
        rules
            .map(|(id, message)| RuleInfo {
                id: id.clone(),
                message: Cow::Borrowed(message),
                score: None,
                places: vec![PlaceKind::Client],
            })
            .collect()
    }
}

impl FromConfig for WeakEncryption {
    const NAME: &'static str = "weak_encryption";
    type Config = WeakEncryptionConfig;

    fn from_config(config: Self::Config, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let known: Vec<&str> = Encryption::suites().collect();
        let is_unknown = |name: &&String| !known.contains(&name.as_str());
        let unknown = config.ciphers.iter().enumerate();
        let errors: Vec<_> = unknown
            .filter(|(_, name)| is_unknown(name))
            .map(|(index, name)| {
                ConfigError::new(format!("listeners agree to no cipher suite `{name}`"))
                    .help(suggest(name, &known, "the cipher suites are"))
                    .item(index)
                    .under("ciphers")
            })
            .collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let rules = ["old_version", "weak_cipher", "unencrypted"].map(RuleId::new);
        Ok(Self { config, rules })
    }

    fn documentation() -> String {
        module_documentation(include_str!("weak_encryption.rs"))
    }
}
