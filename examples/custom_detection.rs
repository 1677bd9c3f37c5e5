//! A detection of one's own: registered here, configured in `rules.yaml` like those that come with portcullis.
//!
//! ```yaml
//! # tenant.yaml
//! version: 1
//! upstream: http://127.0.0.1:5000
//! detections:
//!   - ip_allowlist: {}
//!   - missing_tenant: { prefix: /api/, header: X-Tenant }
//! ```
//!
//! ```text
//! cargo run --release --example dummy_upstream &
//! cargo run --release --example custom_detection -- run -c tenant.yaml
//! curl -i http://127.0.0.1:8080/api/endpoint                       # 403
//! curl -i -H 'X-Tenant: blue' http://127.0.0.1:8080/api/endpoint   # 200
//! ```
//!
//! The result is portcullis with one more detection: `check`, `explain`, `schema` and `rules show missing_tenant` know
//! it, too.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;

use http::HeaderName;
use portcullis::config::{ConfigError, Load};
use portcullis::engine::{
    Canary, Context, DetectionError, Evidence, Finding, FromConfig, Phase, Registry, RuleId,
    RuleInfo, ThreatDetection, Verdict, Weight,
};
use portcullis::request::{Place, PlaceKind, RequestView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

fn main() -> ExitCode {
    portcullis::run(Registry::default().with::<MissingTenant>())
}

/// The keys of `missing_tenant` in `rules.yaml`. Their documentation is the operator's manual, and is in the schema.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct MissingTenantConfig {
    /// The paths that need a tenant: those that begin so.
    prefix: String,
    /// The header that names the tenant.
    header: String,
}

impl Default for MissingTenantConfig {
    fn default() -> Self {
        Self {
            prefix: "/api/".into(),
            header: "X-Tenant".into(),
        }
    }
}

/// Recognises requests that name no tenant where they should.
#[derive(Debug)]
struct MissingTenant {
    prefix: String,
    header: HeaderName,
}

impl MissingTenant {
    const RULE: &str = "no_tenant";
    const MESSAGE: &str = "The request names no tenant.";
}

impl FromConfig for MissingTenant {
    const NAME: &'static str = "missing_tenant";
    type Config = MissingTenantConfig;

    /// Everything that can be wrong is found here, when the file is read; each mistake says under which key it is.
    fn from_config(config: Self::Config, _: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        let header = config.header.parse().map_err(|_| {
            let wrong = ConfigError::new(format!("`{}` is no name of a header", config.header));
            vec![wrong.help("write it as in `X-Tenant`").under("header")]
        })?;
        Ok(Self {
            prefix: config.prefix,
            header,
        })
    }

    fn documentation() -> String {
        "# What it detects\n\nRequests to the API without the header that names their tenant.\n\n\
         # Why it matters\n\nWithout a tenant the application falls back to the first one (CWE-639).\n\n\
         # Example\n\n`GET /api/endpoint` without `X-Tenant`. With it, or outside `/api/`, all is well.\n\n\
         # Limits\n\nWhether the tenant exists, and is the client's own, only the application knows.\n"
            .into()
    }
}

impl ThreatDetection for MissingTenant {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        _: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        // The path that all its spellings share, or `/%61pi/` would go round this.
        let needs_tenant = request.normalized_path().starts_with(&self.prefix);
        let has_tenant = request
            .header(&self.header)
            .is_some_and(|tenant| !tenant.is_empty());
        if !needs_tenant || has_tenant {
            return Ok(Verdict::Pass);
        }
        Ok(Verdict::threat(Finding {
            rule: RuleId::new(Self::RULE),
            weight: Weight::Decisive,
            place: Place::value(PlaceKind::Headers, self.header.as_str().to_owned()),
            evidence: Evidence::fact("absent or empty"),
            message: Self::MESSAGE.into(),
        }))
    }

    fn rules(&self) -> Vec<RuleInfo> {
        vec![RuleInfo {
            id: RuleId::new(Self::RULE),
            message: Self::MESSAGE.into(),
            score: None,
            places: vec![PlaceKind::Headers],
        }]
    }

    /// Sent through the chain at each start and reload: should it ever pass, the configuration is refused.
    fn canary(&self) -> Option<Canary> {
        Some(Canary {
            // A path below the prefix: the normalized path has no slash at its end.
            target: format!("{}canary", self.prefix),
            headers: Vec::new(),
            client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        })
    }
}
