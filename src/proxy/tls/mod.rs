//! Encryption of the traffic listener, by rustls: certificates, versions, client certificates, ALPN.
//!
//! What is spoken is what rustls speaks: TLS 1.2 and 1.3, authenticated encryption and forward secrecy only, and the
//! post-quantum key exchange X25519MLKEM768 where the client has it. Nothing of that can be made weaker by
//! configuration. The files are read when the configuration is loaded, and again when one of them changes; connections
//! that are open keep what they began with.

mod certificates;
pub mod config;
mod handshake;

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{ALL_VERSIONS, RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use self::certificates::{Certificates, read};
pub(super) use self::certificates::{authorities, read as read_certificate};
use self::config::{CertificateConfig, ClientCertificates, TlsConfig, TlsVersion};
pub(super) use self::handshake::accept;
use super::config::{Listen, ListenAddress};
use crate::config::{ConfigError, Load};

/// What HTTP/2 is called in a handshake (RFC 9113, 3.2).
const HTTP_2: &[u8] = b"h2";

/// What HTTP/1.1 is called (RFC 7301, 6).
const HTTP_1_1: &[u8] = b"http/1.1";

static NEWEST: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// How a listener is encrypted, ready for handshakes; `None` where it is not.
pub type Tls = Option<Arc<ServerConfig>>;

/// Makes ready what each listener is encrypted with, in the order of the list.
///
/// # Errors
/// Every file that cannot be used.
pub fn compile(listen: &Listen, load: &mut Load<'_>) -> Result<Vec<Tls>, Vec<ConfigError>> {
    let (mut compiled, mut errors) = (Vec::new(), Vec::new());
    for (index, address) in listen.0.iter().enumerate() {
        match address.tls.as_ref().map(|tls| one(address, tls, load)) {
            None => compiled.push(None),
            Some(Ok(config)) => compiled.push(Some(config)),
            Some(Err(error)) => errors.push(error.under("tls").item(index).under("listen")),
        }
    }
    if errors.is_empty() {
        Ok(compiled)
    } else {
        Err(errors)
    }
}

/// The files of one listener, read.
struct Files {
    /// Chain and key of each certificate.
    certificates: Vec<(String, String)>,
    client_ca: Option<String>,
}

fn one(
    address: &ListenAddress,
    tls: &TlsConfig,
    load: &mut Load<'_>,
) -> Result<Arc<ServerConfig>, ConfigError> {
    if tls.certificates.is_empty() {
        let wrong = ConfigError::new("an empty list has nothing to encrypt with");
        return Err(wrong
            .help("write `- { certificate: cert.pem, key: key.pem }`")
            .under("certificates"));
    }
    let files = Files {
        certificates: pairs(&tls.certificates, load)?,
        client_ca: match &tls.client_ca {
            Some(path) => Some(load.read(path).map_err(|error| error.under("client_ca"))?),
            None => None,
        },
    };
    // The same files make the same thing, with which tickets of sessions stay valid over a reload.
    let content = format!(
        "{:?} {:?} {:?} {:?}",
        tls.min_version, tls.client_certificates, files.certificates, files.client_ca
    );
    load.share("tls", content.as_bytes(), |load| {
        build(address, tls, &files, load)
    })
}

/// Reads all certificates and keys.
fn pairs(
    certificates: &[CertificateConfig],
    load: &mut Load<'_>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut pair = |(index, of): (usize, &CertificateConfig)| {
        let at = |error: ConfigError, key: &str| error.under(key).item(index).under("certificates");
        let chain = load.read(&of.certificate);
        let chain = chain.map_err(|error| at(error, "certificate"))?;
        let key = load.read(&of.key).map_err(|error| at(error, "key"))?;
        Ok((chain, key))
    };
    certificates.iter().enumerate().map(&mut pair).collect()
}

fn build(
    address: &ListenAddress,
    tls: &TlsConfig,
    files: &Files,
    load: &mut Load<'_>,
) -> Result<ServerConfig, ConfigError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut keys = Vec::with_capacity(files.certificates.len());
    for (index, (chain, key)) in files.certificates.iter().enumerate() {
        let certified =
            read(chain, key, &provider).map_err(|error| error.item(index).under("certificates"))?;
        if certificates::names(&certified).is_empty() && files.certificates.len() > 1 {
            load.warn(format!(
                "`listen`: certificate {} of {} is made out for no name: only who asks for a name that no other has gets it, and only if it is the first",
                index + 1,
                address.address,
            ));
        }
        keys.push(Arc::new(certified));
    }
    let verifier = clients(tls, files, &provider)?;
    let failed = |error: rustls::Error| ConfigError::new(format!("TLS cannot be set up: {error}"));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions(tls.min_version))
        .map_err(failed)?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Certificates::new(keys)));
    config.alpn_protocols = if address.http2 {
        vec![HTTP_2.into(), HTTP_1_1.into()]
    } else {
        vec![HTTP_1_1.into()]
    };
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(failed)?;
    Ok(config)
}

/// Who checks the certificates of clients.
fn clients(
    tls: &TlsConfig,
    files: &Files,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    let Some(pem) = &files.client_ca else {
        return Ok(Arc::new(NoClientAuth));
    };
    let at = |error: ConfigError| error.under("client_ca");
    let mut roots = RootCertStore::empty();
    for certificate in authorities(pem).map_err(at)? {
        roots.add(certificate).map_err(|error| {
            at(ConfigError::new(format!(
                "a certificate in the file is that of no authority: {error}"
            )))
        })?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match tls.client_certificates {
        ClientCertificates::Required => builder,
        ClientCertificates::Optional => builder.allow_unauthenticated(),
    };
    let verifier: Arc<dyn ClientCertVerifier> = builder.build().map_err(|error| {
        at(ConfigError::new(format!(
            "the authorities cannot be used: {error}"
        )))
    })?;
    Ok(verifier)
}

/// The versions from `least` on.
fn versions(least: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    match least {
        TlsVersion::Tls12 => ALL_VERSIONS,
        TlsVersion::Tls13 => NEWEST,
    }
}

#[cfg(test)]
mod tests;
