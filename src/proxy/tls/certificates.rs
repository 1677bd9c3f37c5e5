//! Which certificate a client gets: the one made out for the name that it asks for (SNI, RFC 6066, 3).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use webpki::EndEntityCert;

use crate::config::ConfigError;

/// The certificates of a listener, by the names that they are made out for.
#[derive(Debug)]
pub(super) struct Certificates {
    /// Names in lower case, wildcards without their `*.`. Of one name there may be several, with keys of different kinds.
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// All of them, for names that are nobody's and for clients that ask for none.
    all: Vec<Arc<CertifiedKey>>,
}

impl Certificates {
    /// Sorts certificates by their names (RFC 6125, 6.4): `*` stands for one label.
    pub(super) fn new(all: Vec<Arc<CertifiedKey>>) -> Self {
        let (mut exact, mut wildcard) = (HashMap::new(), HashMap::new());
        for key in &all {
            for name in names(key) {
                let (map, name): (&mut HashMap<_, Vec<_>>, _) = match name.strip_prefix("*.") {
                    Some(suffix) => (&mut wildcard, suffix),
                    None => (&mut exact, &*name),
                };
                map.entry(name.into()).or_default().push(Arc::clone(key));
            }
        }
        Self {
            exact,
            wildcard,
            all,
        }
    }

    /// Those for a name, or all where it is nobody's.
    fn of(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let found = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let of_suffix = || self.wildcard.get(name.split_once('.')?.1);
            self.exact.get(&*name).or_else(of_suffix)
        });
        found.unwrap_or(&self.all)
    }
}

impl ResolvesServerCert for Certificates {
    /// The first of those for the name whose key the client can check.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let fitting = self.of(hello.server_name());
        let can_check =
            |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let found = fitting.iter().find(can_check).or(fitting.first())?;
        Some(Arc::clone(found))
    }
}

/// The names that a certificate is made out for, in lower case.
pub(super) fn names(key: &CertifiedKey) -> Vec<String> {
    let certificate = key.cert.first().map(EndEntityCert::try_from);
    let Some(Ok(certificate)) = certificate else {
        return Vec::new();
    };
    let names = certificate.valid_dns_names();
    names.map(str::to_ascii_lowercase).collect()
}

/// Reads a chain of certificates and its key.
///
/// # Errors
/// Which of the two is wrong, as the key of its map, and what is wrong with it.
pub(in crate::proxy) fn read(
    chain: &str,
    key: &str,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, ConfigError> {
    let at_chain = |error: ConfigError| error.under("certificate");
    let at_key = |error: ConfigError| error.under("key");
    let chain = authorities(chain).map_err(at_chain)?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
        at_key(ConfigError::new("the file holds no private key").help(
            "write the path of a PEM file with a section `BEGIN PRIVATE KEY` that has no password",
        ))
    })?;
    let key = provider.key_provider.load_private_key(key).map_err(|error| {
        at_key(
            ConfigError::new(format!("the private key cannot be used: {error}"))
                .help("use an RSA key of at least 2048 bits, ECDSA on P-256, P-384 or P-521, or Ed25519"),
        )
    })?;
    let certified = CertifiedKey::new(chain, key);
    certified.keys_match().map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => at_key(
            ConfigError::new("the private key is not that of the certificate")
                .help("write the paths of two files that belong together"),
        ),
        error => at_chain(ConfigError::new(format!(
            "the certificate cannot be used: {error}"
        ))),
    })?;
    Ok(certified)
}

/// Reads certificates: at least one.
///
/// # Errors
/// Where there is none, or something else between them.
pub(in crate::proxy) fn authorities(
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match read {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(ConfigError::new("the file holds no certificate")
            .help("write the path of a PEM file with a section `BEGIN CERTIFICATE`")),
    }
}

#[cfg(test)]
mod tests;
