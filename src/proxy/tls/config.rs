//! The keys below `tls` of a listener.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a listener is encrypted: with which certificates, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificates. A client gets the one that is made out for the name that it asks for, or the first.
    pub certificates: Vec<CertificateConfig>,
    /// The oldest version that is spoken: `1.2` or `1.3`, in quotes.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// A PEM file with the authorities of client certificates. Without it no client is asked for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<String>,
    /// Whether a client must have a certificate of `client_ca`: `required`, or `optional`, where one that sends none is
    /// served as well.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
}

/// A certificate with its key, both PEM files; a change in one of them is a reload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// The certificate, and behind it those of the authorities between it and the root.
    pub certificate: String,
    /// Its private key: PKCS #8, PKCS #1 or SEC1.
    pub key: String,
}

/// A version of TLS that is spoken at all.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum TlsVersion {
    /// TLS 1.2, RFC 5246, with authenticated encryption and forward secrecy only.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3, RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether clients must show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// The handshake fails without one.
    #[default]
    Required,
    /// One that is shown must be valid; who shows none is served, too.
    Optional,
}
