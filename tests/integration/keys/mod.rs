//! Every key of the configuration has an effect: for each one a test compares two configurations that differ in it alone.
//!
//! The keys are those of the schema, so a key without a test fails, and so does a test without a key.

mod bans;
mod clients;
mod connections;
mod detections;
mod events;
mod headers;
mod payloads;
mod rates;
mod routes;
mod timeouts;
mod tls;
mod traffic;
mod upstreams;

use std::collections::BTreeSet;
use std::time::Instant;

use portcullis::app::schema::keys;
use portcullis::clients::{Clients, Facts};
use portcullis::engine::{Evaluation, Registry};
use portcullis::request::ResponseView;

use crate::judge::{Request, policy};

/// Lists the keys, and makes a test of the function beside each.
macro_rules! effects {
    ($($key:literal => $file:ident::$effect:ident,)*) => {
        const TESTED: &[&str] = &[$($key),*];

        $(
            #[test]
            fn $effect() {
                $file::$effect();
            }
        )*
    };
}

effects! {
    "version" => traffic::version,
    "listen" => traffic::listen,
    "listen[].address" => traffic::listen_address,
    "listen[].proxy_protocol.from" => traffic::proxy_protocol_from,
    "listen[].http2" => traffic::http2,
    "listen[].tls.certificates[].certificate" => tls::certificate,
    "listen[].tls.certificates[].key" => tls::certificate_key,
    "listen[].tls.min_version" => tls::min_version,
    "listen[].tls.client_ca" => tls::client_ca,
    "listen[].tls.client_certificates" => tls::client_certificates,
    "upstream" => traffic::upstream,
    "upstream.servers[].url" => traffic::upstream_url,
    "upstream.servers[].weight" => upstreams::weight,
    "upstream.balance" => upstreams::balance,
    "upstream.retries" => upstreams::retries,
    "upstream.breaker.after" => upstreams::breaker_after,
    "upstream.breaker.pause" => upstreams::breaker_pause,
    "upstream.health.path" => upstreams::health_path,
    "upstream.health.interval" => upstreams::health_interval,
    "upstream.health.timeout" => upstreams::health_timeout,
    "upstream.health.unhealthy" => upstreams::health_unhealthy,
    "upstream.health.healthy" => upstreams::health_healthy,
    "upstream.http2" => upstreams::http2_upstream,
    "upstream.tls.ca_file" => upstreams::tls_ca_file,
    "upstream.tls.server_name" => upstreams::tls_server_name,
    "upstream.tls.certificate" => upstreams::tls_certificate,
    "upstream.tls.key" => upstreams::tls_key,
    "upstream.connection_age" => upstreams::connection_age,
    "headers.request.set.*" => headers::request_set,
    "headers.request.remove" => headers::request_remove,
    "headers.response.set.*" => headers::response_set,
    "headers.response.remove" => headers::response_remove,
    "headers.security" => headers::security,
    "routes[].host" => routes::route_host,
    "routes[].path" => routes::route_path,
    "routes[].upstream" => routes::upstream_of_route,
    "routes[].limits" => routes::route_limits,
    "routes[].policy" => routes::policy_of_route,
    "routes[].detections" => routes::route_detections,
    "routes[].headers" => routes::headers_of_route,
    "upstream.connect_timeout" => timeouts::connect_timeout,
    "upstream.first_byte_timeout" => timeouts::first_byte_timeout,
    "upstream.idle_timeout" => timeouts::idle_timeout,
    "upstream.keep_alive" => timeouts::keep_alive,
    "control.listen" => traffic::control_listen,
    "control.token" => bans::control_token,
    "control.hosts" => bans::control_hosts,
    "state.directory" => bans::state_directory,
    "policy.ban.after" => bans::ban_after,
    "policy.ban.within" => bans::ban_within,
    "policy.ban.for" => bans::ban_for,
    "policy.ban.escalate" => bans::ban_escalate,
    "policy.ban.forget" => bans::ban_forget,
    "policy.ban.shared" => bans::ban_shared,
    "policy.ban.ignore" => bans::ban_ignore,
    "detections.ban.files" => bans::ban_files,
    "clients.trusted" => clients::trusted,
    "clients.trusted_proxies" => clients::trusted_proxies,
    "clients.identity" => clients::identity,
    "clients.identity.header" => clients::identity_header,
    "clients.hosts[].host" => clients::hosts_host,
    "clients.hosts[].identity" => clients::hosts_identity,
    "clients.hosts[].identity.header" => clients::hosts_identity_header,
    "clients.hosts[].trusted_proxies" => clients::hosts_trusted_proxies,
    "clients.forward_identity_as" => clients::forward_identity_as,
    "clients.forward_identity_as.header" => clients::forward_identity_as_header,
    "clients.strip" => clients::strip,
    "clients.ipv6_prefix" => clients::ipv6_prefix,
    "clients.max_keys" => clients::max_keys,
    "limits.head" => traffic::head,
    "limits.headers" => traffic::headers,
    "limits.uri" => traffic::uri,
    "limits.header_time" => timeouts::header_time,
    "limits.body" => traffic::body,
    "limits.buffered" => traffic::buffered,
    "limits.over_body" => traffic::over_body,
    "limits.encoded_body" => traffic::encoded_body,
    "limits.decoded_ratio" => traffic::decoded_ratio,
    "limits.upload" => traffic::upload,
    "limits.uploads" => traffic::uploads,
    "limits.held" => traffic::held,
    "limits.body_time" => timeouts::body_time,
    "limits.body_rate" => timeouts::body_rate,
    "limits.write_time" => timeouts::write_time,
    "limits.idle_time" => timeouts::idle_time,
    "limits.websockets" => connections::websockets,
    "limits.stream_idle_time" => timeouts::stream_idle_time,
    "limits.streams" => connections::streams,
    "limits.connections" => connections::connections,
    "limits.client_connections" => connections::client_connections,
    "limits.connection_requests" => connections::connection_requests,
    "limits.in_flight" => connections::in_flight,
    "limits.drain_time" => timeouts::drain_time,
    "policy.mode" => detections::policy_mode,
    "policy.threshold" => detections::policy_threshold,
    "policy.sensitivity" => detections::policy_sensitivity,
    "policy.on_error" => detections::policy_on_error,
    "detections" => detections::order_and_absence,
    "detections.*.mode" => detections::mode,
    "detections.*.status" => detections::status,
    "detections.*.on_error" => detections::on_error,
    "detections.*.monitor" => detections::monitor,
    "detections.ip_allowlist.allow" => detections::allowed_addresses,
    "detections.ip_allowlist.deny" => detections::denied_addresses,
    "detections.ip_allowlist.files" => detections::files,
    "detections.ip_allowlist.files[].path" => detections::file_path,
    "detections.ip_allowlist.files[].as" => detections::file_as,
    "detections.weak_encryption.min_version" => tls::weak_version,
    "detections.weak_encryption.ciphers" => tls::weak_ciphers,
    "detections.weak_encryption.unencrypted" => tls::unencrypted,
    "detections.user_agent.block" => detections::blocked_agents,
    "detections.user_agent.allow" => detections::allowed_agents,
    "detections.user_agent.missing" => detections::missing_agent,
    "detections.rate_limit.limits[].name" => rates::name,
    "detections.rate_limit.limits[].key" => rates::key,
    "detections.rate_limit.limits[].limit" => rates::limit,
    "detections.rate_limit.limits[].per" => rates::per,
    "detections.rate_limit.limits[].burst" => rates::burst,
    "detections.rate_limit.limits[].path" => rates::path,
    "detections.rate_limit.limits[].path_case" => rates::path_case,
    "detections.rate_limit.limits[].methods" => rates::methods,
    "detections.rate_limit.headers" => rates::answer_headers,
    "detections.malicious_payload.patterns[].id" => payloads::id,
    "detections.malicious_payload.patterns[].words" => payloads::words,
    "detections.malicious_payload.patterns[].regexes" => payloads::regexes,
    "detections.malicious_payload.patterns[].places" => payloads::places,
    "detections.malicious_payload.patterns[].score" => payloads::score,
    "detections.malicious_payload.patterns[].message" => payloads::message,
    "detections.malicious_payload.builtin" => payloads::builtin,
    "detections.malicious_payload.xml.doctype" => payloads::doctype,
    "detections.malicious_payload.exclusions[].rule" => payloads::excluded_rule,
    "detections.malicious_payload.exclusions[].place" => payloads::excluded_place,
    "detections.malicious_payload.exclusions[].name" => payloads::excluded_name,
    "detections.malicious_payload.exclusions[].path" => payloads::excluded_path,
    "detections.malicious_payload.exclusions[].method" => payloads::excluded_method,
    "detections.malicious_payload.fields.*" => payloads::fields,
    "detections.malicious_payload.routes[].fields.*" => payloads::fields_of_routes,
    "detections.malicious_payload.routes[].path" => payloads::paths_of_routes,
    "detections.enumeration.limit" => rates::missing_paths,
    "detections.enumeration.within" => rates::within,
    "detections.enumeration.block_for" => rates::block_for,
    "detections.enumeration.statuses" => rates::statuses,
    "detections.enumeration.decoys" => rates::decoys,
    "detections.enumeration.path_case" => rates::guessed_case,
    "events.log" => events::log,
    "events.rotate" => events::rotate,
    "events.keep" => events::keep,
    "events.access_log" => events::access_log,
    "events.excerpt" => events::excerpt,
    "events.queue" => events::queue,
}

#[test]
fn every_key_has_a_test_and_every_test_a_key() {
    let keys = keys(&Registry::default());
    let tested: BTreeSet<String> = TESTED.iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(tested.len(), TESTED.len(), "a key is here twice");
    let untested: Vec<_> = keys.difference(&tested).collect();
    assert!(untested.is_empty(), "keys without a test: {untested:#?}");
    let stray: Vec<_> = tested.difference(&keys).collect();
    assert!(stray.is_empty(), "tests without a key: {stray:#?}");
}

// === What the tests share ===

/// A chain without a detection.
const NOTHING: &str = "detections: []\n";

/// A chain that refuses the word `malicious`, wherever it is.
const WORD: &str = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";

/// A chain of one detection.
fn chain(detection: &str) -> String {
    format!("detections:\n  - {detection}\n")
}

/// A chain of one detection, judging as time goes by.
struct Judge {
    policy: std::sync::Arc<portcullis::engine::Policy>,
    facts: Clients,
    began: Instant,
}

impl Judge {
    fn new(detection: &str) -> Self {
        Self::of(&chain(detection))
    }

    fn of(yaml: &str) -> Self {
        Self {
            policy: policy(yaml, &Registry::default()),
            facts: Clients::scratch(),
            began: Instant::now(),
        }
    }

    fn judged(&self, request: &Request, second: u64) -> Evaluation {
        request.judged(&self.policy, &self.facts, self.at(second))
    }

    /// Whether a request goes on to the upstream, some seconds after the beginning.
    fn passes_at(&self, request: &Request, second: u64) -> bool {
        self.judged(request, second).permit().is_ok()
    }

    fn passes(&self, request: &Request) -> bool {
        self.passes_at(request, 0)
    }

    /// Whether a request passes that the upstream answers with this status.
    fn answered(&self, request: &Request, status: u16, second: u64) -> bool {
        let (now, facts) = (self.at(second), &self.facts as &dyn Facts);
        request.seen(|view, _| {
            let mut evaluation = Evaluation::begin(&self.policy, view);
            evaluation.on_headers(view, facts, now);
            if evaluation.permit().is_err() {
                return false;
            }
            let answer = ResponseView {
                status: status.try_into().unwrap(),
                headers: &http::HeaderMap::new(),
            };
            evaluation.on_response(view, &answer, facts, now);
            evaluation.permit().is_ok()
        })
    }

    fn at(&self, second: u64) -> Instant {
        self.began + std::time::Duration::from_secs(second)
    }
}
