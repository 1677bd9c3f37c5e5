//! Every answer of our own on the traffic listener: refusals and errors become responses here and nowhere else.
//!
//! What the client may read and what the operator must read are different texts: an answer names neither rule nor
//! evidence nor anything of the inside, only the id under which the operator finds all of it.

mod format;
mod told;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, RETRY_AFTER,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::body::{BodyError, ClientBody};
use super::forward::{X_REQUEST_ID, id_value};
use super::framing::{Class, Refused};
use crate::event::EventId;
use crate::request::coding::CodingError;
use format::{Format, preferred};

/// Why a request is not answered by the upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The chain refused it, with this status.
    Denied(StatusCode),
    /// The chain refused it when its beginning had gone on.
    Aborted(StatusCode),
    /// It was refused at the gate, which says why.
    Framing(Box<Refused>),
    /// It is no well-formed HTTP request; the operator reads why.
    Malformed(&'static str),
    /// Its body is longer than it may be.
    TooLarge,
    /// Its body has a content coding that is not taken.
    Encoded(&'static str),
    /// Its body is not what its content codings say, or becomes too much.
    Undecodable(CodingError),
    /// Its body did not arrive in time.
    BodyTimeout,
    /// Its body broke off.
    BodyBroken,
    /// Too many bodies wait to be judged.
    Overloaded,
    /// Too much is held of bodies that are to be judged.
    Full,
    /// It cannot be kept on disk until it was judged; the operator reads why.
    Unheld(String),
    /// Too many requests are with the upstream.
    Busy,
    /// Too many WebSockets are open.
    Tunnels,
    /// No connection to the upstream; the operator reads why.
    Unreachable(String),
    /// The upstream broke off before it had answered; the operator reads what was wrong.
    BrokenUpstream(String),
    /// The upstream answered what is no HTTP, or could be read in two ways; the operator reads what was wrong.
    MalformedAnswer(String),
    /// The upstream did not answer in time; which one.
    SilentUpstream(String),
}

impl Refusal {
    /// Why a request is not answered of which the body failed.
    pub(super) const fn of_body(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::TooLarge,
            BodyError::Paused => Self::BodyTimeout,
            BodyError::Broken => Self::BodyBroken,
            BodyError::Denied(status) => Self::Aborted(status),
            BodyError::Overloaded => Self::Overloaded,
            BodyError::Full => Self::Full,
            BodyError::Unreadable => Self::Unheld(String::new()),
        }
    }

    /// The same, where nothing of the body has gone on.
    pub(super) const fn of_unsent_body(error: BodyError) -> Self {
        match error {
            BodyError::Denied(status) => Self::Denied(status),
            error => Self::of_body(error),
        }
    }

    /// The status of the answer.
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Denied(status) | Self::Aborted(status) => *status,
            Self::Framing(refused) => of_class(refused.fault.class()).0,
            Self::TooLarge | Self::Undecodable(CodingError::Ratio) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Malformed(_) | Self::BodyBroken | Self::Undecodable(_) => StatusCode::BAD_REQUEST,
            Self::Encoded(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Overloaded | Self::Full | Self::Unheld(_) | Self::Busy | Self::Tunnels => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unreachable(_) | Self::BrokenUpstream(_) | Self::MalformedAnswer(_) => {
                StatusCode::BAD_GATEWAY
            }
            Self::SilentUpstream(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// What the client reads.
    const fn title(&self) -> &'static str {
        match self {
            Self::Denied(_) | Self::Aborted(_) => "Access Denied",
            Self::Framing(refused) => of_class(refused.fault.class()).1,
            Self::TooLarge | Self::Undecodable(CodingError::Ratio) => "Payload Too Large",
            Self::Malformed(_) | Self::BodyBroken | Self::Undecodable(_) => "Bad Request",
            Self::Encoded(_) => "Unsupported Content-Encoding",
            Self::BodyTimeout => "Request Timeout",
            Self::Overloaded | Self::Full | Self::Unheld(_) | Self::Busy | Self::Tunnels => {
                "Service Unavailable"
            }
            Self::Unreachable(_) | Self::BrokenUpstream(_) | Self::MalformedAnswer(_) => {
                "Bad Gateway"
            }
            Self::SilentUpstream(_) => "Gateway Timeout",
        }
    }

    /// Whether it always ends the connection, because the rest of the request's body may be under way, or it is not known
    /// where it ends.
    const fn ends_connection(&self) -> bool {
        matches!(
            self,
            Self::Framing(_)
                | Self::Malformed(_)
                | Self::TooLarge
                | Self::Encoded(_)
                | Self::BodyTimeout
                | Self::BodyBroken
                | Self::Full
                | Self::Unheld(_)
        )
    }
}

/// The status and the title for what the gate refuses. None is a 5xx: whatever is wrong there, the client did it.
const fn of_class(class: Class) -> (StatusCode, &'static str) {
    match class {
        Class::Malformed => (StatusCode::BAD_REQUEST, "Bad Request"),
        Class::TooLarge => (
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "Request Header Fields Too Large",
        ),
        Class::TargetTooLong => (StatusCode::URI_TOO_LONG, "URI Too Long"),
        Class::Method => (StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed"),
        Class::Expectation => (StatusCode::EXPECTATION_FAILED, "Expectation Failed"),
        Class::Late => (StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
    }
}

/// The answer to a refused request, in the form that its `Accept` prefers. `extra` are headers that detections added.
///
/// Where its body `is_unread`, the connection ends with the answer, which says so: a client that took it for one that is
/// kept would lose its next request.
pub(super) fn refuse(
    refusal: &Refusal,
    id: EventId,
    request: &HeaderMap,
    extra: Vec<(HeaderName, HeaderValue)>,
    is_unread: bool,
) -> Response<ClientBody> {
    let format = preferred(request);
    let (status, title) = (refusal.status(), refusal.title());
    let mut id_text = [0; 36];
    let id_text = id.encode(&mut id_text);
    let (content_type, body) = match format {
        Format::Json => (
            "application/json",
            format!("{{\"error\":\"{title}\",\"id\":\"{id_text}\"}}"),
        ),
        Format::Problem => (
            "application/problem+json",
            format!(
                "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{},\"instance\":\"urn:uuid:{id_text}\"}}",
                status.as_u16()
            ),
        ),
        // Its clients read the headers alone.
        Format::Grpc => ("application/grpc", String::new()),
        Format::Html => (
            "text/html; charset=utf-8",
            format!(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
                 <h1>{title}</h1><p>If this is a mistake, tell the operator this id:</p><p><code>{id_text}</code></p></html>\n"
            ),
        ),
    };
    let mut response = Response::new(ClientBody::full(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REQUEST_ID, id_value(id));
    if format == Format::Grpc {
        headers.insert(GRPC_STATUS, HeaderValue::from_static(grpc_status(status)));
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(title));
    }
    headers.extend(extra);
    match refusal {
        Refusal::Encoded(taken) => {
            drop(headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(taken)))
        }
        Refusal::Overloaded | Refusal::Full | Refusal::Busy | Refusal::Tunnels => {
            drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1")))
        }
        Refusal::Framing(refused) if refused.fault.class() == Class::Method => {
            drop(headers.insert(
                ALLOW,
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            ))
        }
        _ => {}
    }
    if is_unread || refusal.ends_connection() {
        last(&mut response);
    }
    response
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What a refusal is called where gRPC is spoken (its documents `statuscodes` and `http-grpc-status-mapping`).
fn grpc_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 405 | 411 | 414 | 415 | 417 => "3",
        408 | 504 => "4",
        413 | 429 | 431 => "8",
        401 => "16",
        403 => "7",
        502 | 503 => "14",
        _ => "2",
    }
}

/// What says on HTTP/2 that a stream has become what was asked for (RFC 8441, 5).
pub(super) const fn tunnelled() -> StatusCode {
    StatusCode::OK
}

/// Whether an answer would say that without meaning it.
pub(super) fn seems_tunnelled(status: StatusCode) -> bool {
    status.is_success()
}

/// Whether the upstream has granted another protocol.
pub(super) fn is_switched(status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS
}

/// Says in an answer that it is the last one of its connection.
pub(super) fn last(answer: &mut Response<ClientBody>) {
    let headers = answer.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}
