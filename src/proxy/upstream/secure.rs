//! How servers are asked by `https`: whom to believe, and what to show of ourselves.
//!
//! A certificate is always verified; what can be configured is by whom it must be issued, and for which name. Nothing is
//! agreed upon but the version of HTTP that is configured.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::config::UpstreamConfig;
use crate::config::{ConfigError, Load};
use crate::proxy::server_url::ServerUrl;
use crate::proxy::tls::{authorities, read_certificate};

/// What is needed for `https`; `None` where no server is asked so.
pub(super) type Trusting = Option<Arc<Secure>>;

/// How to ask by `https`.
pub(super) struct Secure {
    pub(super) connector: TlsConnector,
    /// The name that certificates must be made out for, where it is not the host of the URL.
    name: Option<ServerName<'static>>,
}

impl std::fmt::Debug for Secure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secure").finish_non_exhaustive()
    }
}

impl Secure {
    /// The name that the certificate of a server must be made out for.
    pub(super) fn name(&self, url: &ServerUrl) -> Result<ServerName<'static>, String> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        ServerName::try_from(url.host.clone()).map_err(|_| {
            format!(
                "`{}` is no name that a certificate could be made out for",
                url.host
            )
        })
    }
}

/// Reads what an upstream's `tls` names.
///
/// # Errors
/// What of it is missing or wrong.
pub(super) fn compile(
    config: &UpstreamConfig,
    load: &mut Load<'_>,
) -> Result<Trusting, ConfigError> {
    if !config.servers.iter().any(|server| server.url.is_encrypted) {
        return Ok(None);
    }
    let tls = &config.tls;
    let name = match &tls.server_name {
        None => None,
        Some(name) => Some(ServerName::try_from(name.clone()).map_err(|_| {
            ConfigError::new(format!("`{name}` is no host name")).under("server_name")
        })?),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ConfigError::new(format!("TLS cannot be set up: {error}")))?
        .with_root_certificates(roots(tls.ca_file.as_deref(), load)?);
    let mut client = match (&tls.certificate, &tls.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = load
                .read(certificate)
                .map_err(|error| error.under("certificate"))?;
            let key = load.read(key).map_err(|error| error.under("key"))?;
            let certified = read_certificate(&chain, &key, &aws_lc_rs::default_provider())?;
            builder.with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
                certified,
            )))
        }
        (Some(_), None) => {
            let wrong = ConfigError::new("a certificate needs its key");
            return Err(wrong
                .help("write `key: client.key` beside it")
                .under("certificate"));
        }
        (None, Some(_)) => {
            let wrong = ConfigError::new("a key needs its certificate");
            return Err(wrong
                .help("write `certificate: client.pem` beside it")
                .under("key"));
        }
    };
    let protocol: &[u8] = if config.http2 { b"h2" } else { b"http/1.1" };
    client.alpn_protocols = vec![protocol.to_vec()];
    Ok(Some(Arc::new(Secure {
        connector: TlsConnector::from(Arc::new(client)),
        name,
    })))
}

/// The authorities of a file, or else the system's.
fn roots(ca_file: Option<&str>, load: &mut Load<'_>) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca_file else {
        let found = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            load.warn("`upstream`: the system has no certificates of authorities, so no server that is asked by https can be believed; install them, or name a `ca_file`");
        }
        return Ok(roots);
    };
    let at = |error: ConfigError| error.under("ca_file");
    let pem = load.read(path).map_err(at)?;
    for certificate in authorities(&pem).map_err(at)? {
        roots.add(certificate).map_err(|error| {
            at(ConfigError::new(format!(
                "a certificate in the file is that of no authority: {error}"
            )))
        })?;
    }
    Ok(roots)
}
