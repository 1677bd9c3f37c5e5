//! How the connection was encrypted that a request came over.

use std::fmt;

/// The version and the cipher suite that client and listener agreed on, as TLS numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// The version: 0x0303 is TLS 1.2, 0x0304 TLS 1.3 (RFC 8446, 4.2.1).
    pub version: u16,
    /// The cipher suite, as in IANA's registry.
    pub suite: u16,
}

/// The cipher suites that listeners agree to.
const SUITES: [(u16, &str); 9] = [
    (0x1301, "TLS_AES_128_GCM_SHA256"),
    (0x1302, "TLS_AES_256_GCM_SHA384"),
    (0x1303, "TLS_CHACHA20_POLY1305_SHA256"),
    (0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02c, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc02f, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc030, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
    (0xcca9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
];

impl Encryption {
    /// The names of all cipher suites that listeners agree to.
    pub fn suites() -> impl Iterator<Item = &'static str> {
        SUITES.iter().map(|(_, name)| *name)
    }

    /// The version as people write it: `1.2`, `1.3`.
    #[must_use]
    pub const fn version_name(&self) -> &'static str {
        match self.version {
            0x0303 => "1.2",
            0x0304 => "1.3",
            _ => "unknown",
        }
    }

    /// The name of the cipher suite in IANA's registry.
    #[must_use]
    pub fn suite_name(&self) -> &'static str {
        let found = SUITES.iter().find(|(suite, _)| *suite == self.suite);
        found.map_or("unknown", |(_, name)| name)
    }
}

/// As in `TLS 1.3, TLS_AES_256_GCM_SHA384`.
impl fmt::Display for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TLS {}, {}", self.version_name(), self.suite_name())
    }
}
