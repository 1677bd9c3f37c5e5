//! # What it detects
//!
//! More requests than a limit allows. Any number of limits can be named, each with a quota (`limit` in `per`, of which
//! `burst` may come at once), a `key` that says whose requests are counted together, and optionally the `path` and the
//! `methods` it is about.
//!
//! A limit is a bucket of `burst` cells. A request takes one; a cell comes back every `per / limit`. So with 600 in 1m a
//! client that was quiet may send 600 at once, and one that sends all the time gets ten a second; in the first minute of
//! a steady stream it can reach 1199. A request that is refused takes no cell from the limit that refused it.
//!
//! A `path` is meant in every spelling that some server reads as it: with `//`, `/./`, `/x/../`, `;parameters`, `\\`, a NUL,
//! dots, blanks or slashes at the end, and any escapes of all that, also escaped several times. In capitals it is another
//! one, unless `path_case` says that it is not. A path of over 512 bytes that goes up (`..`) counts for every `path`.
//!
//! Keys: `client` (the address, IPv6 by network), `global` (everybody together), `header NAME` and `cookie NAME` (the
//! value that the request carries). A request without the header or cookie, or with an empty one, is counted under its
//! client instead, so leaving it out gains nothing.
//!
//! # Why it matters
//!
//! Allocation of resources without limits (CWE-770) and improper restriction of excessive authentication attempts
//! (CWE-307); unrestricted resource consumption (OWASP API4:2023).
//!
//! # Example
//!
//! Attack: 601 requests of one client within a second; the 601st is refused with `Retry-After: 1`. Look-alike: a page
//! that loads 80 images at once, or a job that polls twice a second all day; neither comes near 600 in 1m.
//!
//! # Limits
//!
//! * A value of a header or a cookie is the sender's choice: who sends a new one with each request is never over a
//!   `header` or `cookie` limit. Put a `client` limit before such limits; a warning says so where there is none.
//! * Clients behind one address (an office, a mobile carrier) share a `client` limit. Many addresses of one attacker
//!   each have one; a `global` limit bounds their sum, at the price that they can use it up for everybody.
//! * Limits are asked in order and the first that is used up refuses. The ones before it have given a cell each.
//! * Of a header or cookie that is sent twice, the first is used.
//! * `methods` are those of the request line. An application that takes another one from `X-HTTP-Method-Override` or from
//!   a field of a form is limited by the one that it was asked with.
//! * Trusted proxies are not counted by `client` limits, only by `global` ones and by the values they send.
//! * Where more keys come than are remembered, those that used least are forgotten first; `clients` in `/readyz`
//!   counts them.
//! * Counts are per process, and lost at a restart.

mod config;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use http::Method;
use http::header::{HeaderName, HeaderValue, RETRY_AFTER};

pub use config::{AnswerHeaders, LimitConfig, LimitKey, RateLimitConfig};

use super::path_pattern::PathPattern;
use crate::clients::{Facts, Key, Quota, Taken, whole_seconds};
use crate::config::{ConfigError, Load};
use crate::engine::registry::module_documentation;
use crate::engine::{
    Context, DetectionError, Evidence, Finding, FromConfig, Phase, RuleId, RuleInfo,
    ThreatDetection, Verdict, Weight,
};
use crate::request::{Place, PlaceKind, RequestView};

/// Recognises more requests than a limit allows; see the [module](self).
#[derive(Debug)]
pub struct RateLimit {
    limits: Vec<Limit>,
    headers: AnswerHeaders,
}

/// One limit, ready to be asked. Everything that a passing request needs is made at load.
#[derive(Debug)]
struct Limit {
    rule: RuleId,
    key: LimitKey,
    /// The key space of client addresses. Apart from that of values, so that no value can be made to look like somebody
    /// else's address.
    addresses: String,
    /// The key space of header and cookie values, and of the one global key.
    values: String,
    quota: Quota,
    path: Option<PathPattern>,
    methods: Vec<Method>,
    /// The item for this limit in `RateLimit-Policy`.
    announcement: HeaderValue,
    evidence: String,
}

const MESSAGE: &str = "More requests came than the limit allows.";

// The fields of draft-ietf-httpapi-ratelimit-headers.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

impl ThreatDetection for RateLimit {
    fn phases(&self) -> &'static [Phase] {
        &[Phase::RequestHeaders]
    }

    fn on_headers(
        &self,
        request: &RequestView<'_>,
        context: &Context<'_>,
    ) -> Result<Verdict, DetectionError> {
        let about = |limit: &&Limit| limit.is_about(request);
        for limit in self.limits.iter().filter(about) {
            let Some(key) = limit.key(request, context.facts) else {
                continue;
            };
            let taken = context.facts.take(key, limit.quota, context.now);
            if self.headers == AnswerHeaders::Always
                || (self.headers == AnswerHeaders::Refused && !taken.allowed)
            {
                limit.announce(taken, context);
            }
            if !taken.allowed {
                context.add_answer_header(RETRY_AFTER, whole_seconds(taken.retry_after).into());
                return Ok(Verdict::threat(limit.finding()));
            }
        }
        Ok(Verdict::Pass)
    }

    fn controls_access(&self) -> bool {
        true
    }

    fn rules(&self) -> Vec<RuleInfo> {
        let rule = |limit: &Limit| RuleInfo {
            id: limit.rule.clone(),
            message: Cow::Owned(format!("There were {}.", limit.evidence)),
            score: None,
            places: vec![PlaceKind::Client],
        };
        self.limits.iter().map(rule).collect()
    }
}

impl FromConfig for RateLimit {
    const NAME: &'static str = "rate_limit";
    type Config = RateLimitConfig;

    fn from_config(config: RateLimitConfig, load: &mut Load<'_>) -> Result<Self, Vec<ConfigError>> {
        config::check(&config, load)?;
        let limits = config.limits.into_iter().filter_map(Limit::new).collect();
        Ok(Self {
            limits,
            headers: config.headers,
        })
    }

    fn documentation() -> String {
        module_documentation(include_str!("mod.rs"))
    }
}

impl Limit {
    /// A limit of a configuration that was checked.
    fn new(config: LimitConfig) -> Option<Self> {
        let quota = config.quota()?;
        let LimitConfig { name, key, per, .. } = &config;
        let window = match (per.get().subsec_nanos(), per.get().as_secs()) {
            (0, seconds) => format!(";w={seconds}"),
            _ => String::new(),
        };
        let at_once = if quota.burst == quota.limit {
            String::new()
        } else {
            format!(", or more than {} at once", quota.burst)
        };
        Some(Self {
            rule: RuleId::new(name),
            addresses: format!("rate_limit/{name}/address"),
            values: format!("rate_limit/{name}/{key}"),
            announcement: HeaderValue::try_from(format!("\"{name}\";q={}{window}", quota.limit))
                .ok()?,
            evidence: format!(
                "more than {} requests in {per}{at_once} (key: {key})",
                quota.limit
            ),
            methods: config.methods().filter_map(Result::ok).collect(),
            quota,
            key: config.key,
            path: config.path.map(|path| path.in_case(config.path_case)),
        })
    }

    fn is_about(&self, request: &RequestView<'_>) -> bool {
        (self.methods.is_empty() || self.methods.contains(request.method()))
            && self.path.as_ref().is_none_or(|path| path.matches(request))
    }

    /// Whose cells this request takes; `None` for a client that must not be counted.
    fn key(&self, request: &RequestView<'_>, facts: &dyn Facts) -> Option<Key> {
        let value = match &self.key {
            LimitKey::Global => return Some(facts.key(&self.values, &[])),
            LimitKey::Client => None,
            LimitKey::Header(name) => request.header(name).map(HeaderValue::as_bytes),
            LimitKey::Cookie(name) => request.cookie(name),
        };
        match value {
            Some(value) if !value.is_empty() => Some(facts.key(&self.values, value)),
            _ => facts.client_key(&self.addresses, request.client()),
        }
    }

    /// Tells the client how it stands with this limit.
    fn announce(&self, taken: Taken, context: &Context<'_>) {
        let state = format!(
            "\"{}\";r={};t={}",
            self.rule,
            taken.remaining,
            whole_seconds(taken.reset)
        );
        if let Ok(state) = HeaderValue::try_from(state) {
            context.add_answer_header(RATE_LIMIT_POLICY, self.announcement.clone());
            context.add_answer_header(RATE_LIMIT, state);
        }
    }

    fn finding(&self) -> Finding {
        Finding {
            rule: self.rule.clone(),
            weight: Weight::Decisive,
            place: Place::value(PlaceKind::Client, ""),
            evidence: Evidence::fact(self.evidence.clone()),
            message: Cow::Borrowed(MESSAGE),
        }
    }
}
