//! The access log: one line for every request, whatever became of it.
//!
//! It never holds a query, because queries hold secrets; nor more of a `Referer` than the page's address. Everything an
//! outsider wrote is escaped and cut when the record is made, not when it is printed.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Version, header};
use serde::{Serialize, Serializer};

use super::{Decision, EventId, secrets};
use crate::request::{ClientIdentity, IdentitySource};

/// One request and its answer. Made when the head has arrived; the public fields are filled in as they become known.
#[derive(Clone, Debug, Serialize)]
pub struct AccessRecord {
    /// When the request's head had arrived, UTC.
    #[serde(serialize_with = "milliseconds_of_time")]
    pub(super) time: jiff::Timestamp,
    kind: &'static str,
    /// The request's id, as in `X-Request-Id` and in its event.
    pub(super) request_id: EventId,
    client_ip: IpAddr,
    client_ip_source: IdentitySource,
    peer_ip: IpAddr,
    method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    path: String,
    scheme: &'static str,
    proto: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_version: Option<&'static str>,
    /// The status that the client got; none when it went away before.
    pub status: Option<u16>,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From the head's arrival to the answer's last byte; written in milliseconds.
    #[serde(rename = "duration_ms", serialize_with = "milliseconds")]
    pub duration: Duration,
    /// The address of the upstream that was asked; none when it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Arc<str>>,
    /// The status that the upstream answered with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referer: Option<String>,
    /// What was decided about the request.
    pub action: Decision,
    /// The score of what was found in it.
    pub score: u32,
    /// How long the judgement took; written in microseconds.
    #[serde(rename = "inspect_us", serialize_with = "microseconds")]
    pub inspection: Duration,
}

impl AccessRecord {
    /// The most bytes of an outsider's text that are shown.
    const SHOWN: usize = 512;

    /// The record of a request whose head has arrived. `target` is the request-target; its query is left out.
    #[must_use]
    pub fn new(
        request_id: EventId,
        time: jiff::Timestamp,
        client: &ClientIdentity,
        (method, target, version): (&Method, &str, Version),
        headers: &HeaderMap,
    ) -> Self {
        let shown = |text: &[u8]| secrets::printable(text, Self::SHOWN);
        let masked = |text: &[u8]| secrets::presentable(text, Self::SHOWN);
        let header = |name: HeaderName| headers.get(name).map(|value| value.as_bytes());
        Self {
            time,
            kind: "access",
            request_id,
            client_ip: client.address,
            client_ip_source: client.source,
            peer_ip: client.peer,
            method: shown(method.as_str().as_bytes()),
            host: header(header::HOST).map(shown),
            path: masked(before(target.as_bytes(), b"?#")),
            scheme: client.encryption.map_or("http", |_| "https"),
            proto: protocol(version),
            tls_version: client
                .encryption
                .map(|encryption| encryption.version_name()),
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            duration: Duration::ZERO,
            upstream: None,
            upstream_status: None,
            user_agent: header(header::USER_AGENT).map(shown),
            referer: header(header::REFERER).map(|referer| masked(&page(referer))),
            action: Decision::Pass,
            score: 0,
            inspection: Duration::ZERO,
        }
    }
}

/// The address of a page without what may be secret in it: query, fragment, and credentials before the host.
fn page(referer: &[u8]) -> Vec<u8> {
    let address = before(referer, b"?#");
    let Some(slashes) = memchr::memmem::find(address, b"//") else {
        return address.to_vec();
    };
    let (scheme, rest) = address
        .split_at_checked(slashes.saturating_add(2))
        .unwrap_or((address, b""));
    let authority = before(rest, b"/\\");
    let host = memchr::memrchr(b'@', authority).map_or(0, |at| at.saturating_add(1));
    [scheme, rest.get(host..).unwrap_or_default()].concat()
}

/// The bytes before the first of `stops`.
fn before<'t>(text: &'t [u8], stops: &[u8]) -> &'t [u8] {
    text.split(|byte| stops.contains(byte))
        .next()
        .unwrap_or(text)
}

/// The protocol by its usual name.
const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

fn milliseconds_of_time<S: Serializer>(
    time: &jiff::Timestamp,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{time:.3}"))
}

/// Milliseconds with the microseconds behind the point.
fn milliseconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    let microseconds = u32::try_from(span.as_micros()).unwrap_or(u32::MAX);
    serializer.serialize_f64(f64::from(microseconds) / 1000.0)
}

fn microseconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::id::IdSource;

    fn record(target: &str, headers: &[(HeaderName, &[u8])]) -> serde_json::Value {
        let client = ClientIdentity::from_peer("192.0.2.7".parse().expect("an address"));
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = http::HeaderValue::from_bytes(value).expect("a header value");
            map.append(name, value);
        }
        let time = jiff::Timestamp::from_millisecond(1_700_000_000_123).expect("a time");
        let id = IdSource::new().expect("randomness").next(1);
        let mut record = AccessRecord::new(
            id,
            time,
            &client,
            (&Method::GET, target, Version::HTTP_11),
            &map,
        );
        record.duration = Duration::from_micros(1_234);
        record.inspection = Duration::from_micros(7);
        record.status = Some(200);
        serde_json::to_value(record).expect("serialises")
    }

    #[test]
    fn a_record_has_the_documented_fields() {
        let record = record("/a/b", &[(header::HOST, b"example.org")]);
        let expected = [
            ("time", serde_json::json!("2023-11-14T22:13:20.123Z")),
            ("kind", "access".into()),
            ("client_ip", "192.0.2.7".into()),
            ("client_ip_source", "peer".into()),
            ("peer_ip", "192.0.2.7".into()),
            ("method", "GET".into()),
            ("host", "example.org".into()),
            ("path", "/a/b".into()),
            ("proto", "HTTP/1.1".into()),
            ("status", 200.into()),
            ("duration_ms", 1.234.into()),
            ("inspect_us", 7.into()),
            ("action", "pass".into()),
            ("score", 0.into()),
            ("bytes_in", 0.into()),
            ("bytes_out", 0.into()),
        ];
        for (name, value) in expected {
            assert_eq!(record[name], value, "{name}");
        }
        assert_eq!(record["request_id"].as_str().map(str::len), Some(36));
    }

    #[test]
    fn secrets_of_queries_and_referers_stay_out() {
        let record = record(
            "/login?token=hunter2#x",
            &[(
                header::REFERER,
                b"https://joe:hunter2@example.org/p@ge?session=hunter2#hunter2",
            )],
        );
        assert_eq!(record["path"], "/login");
        assert_eq!(record["referer"], "https://example.org/p@ge");
        assert!(!record.to_string().contains("hunter2"), "{record}");
    }

    #[test]
    fn secrets_of_paths_stay_out() {
        let page = b"https://example.org/reset/token/hunter2";
        let record = record(
            "/a;jsessionid=hunter2/token/hunter2",
            &[(header::REFERER, page)],
        );
        assert_eq!(
            record["referer"],
            "https://example.org/reset/token/[masked]"
        );
        assert!(!record.to_string().contains("hunter2"), "{record}");
    }

    #[test]
    fn texts_of_outsiders_are_escaped_and_cut() {
        let long = [b'a'; 5000];
        let record = record(
            "/%1b[2J",
            &[
                (header::USER_AGENT, b"\xff\xc2\x9b31m\t"),
                (header::REFERER, &long),
            ],
        );
        assert_eq!(record["user_agent"], "\\xff\\u{9b}31m\\u{9}");
        assert!(record["referer"].as_str().expect("a text").len() < 600);
    }
}
