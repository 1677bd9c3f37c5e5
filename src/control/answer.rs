//! What is asked of the control listener, and what it answers.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::Full;
use serde::Serialize;

use super::health::ControlState;

/// An answer, always whole.
pub(super) type Answer = Response<Full<Bytes>>;

/// Answers one request that reached us at the address `local`. Bodies are never read.
pub(super) fn answer<B>(state: &ControlState, request: &Request<B>, local: IpAddr) -> Answer {
    if let Err((status, detail)) = check_caller(state, request, local) {
        return problem(status, detail);
    }
    let page: fn(&ControlState) -> Answer = match request.uri().path() {
        "/livez" => live,
        "/readyz" | "/healthz" => ready,
        _ => return problem(StatusCode::NOT_FOUND, "There is no such page."),
    };
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return page(state);
    }
    let mut refusal = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "This page can only be read.",
    );
    refusal
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    refusal
}

/// The process answers: all that is to say.
fn live(_: &ControlState) -> Answer {
    json(
        StatusCode::OK,
        "application/json",
        &serde_json::json!({ "status": "live" }),
    )
}

/// Whether requests should be sent here. A refused reload changes nothing about that: the policy before it judges on.
fn ready(state: &ControlState) -> Answer {
    let readiness = state.readiness();
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(status, "application/json", &readiness)
}

/// Refuses pages of other sites that reach us through an operator's browser: those that had their own name resolved to
/// our address, and those that say where they are from.
fn check_caller<B>(
    state: &ControlState,
    request: &Request<B>,
    local: IpAddr,
) -> Result<(), (StatusCode, &'static str)> {
    let host = match (only(request.headers(), &header::HOST), request.version()) {
        (Ok(Some(host)), _) => host,
        // No browser speaks it, and it has no Host.
        (Ok(None), Version::HTTP_10) => "",
        _ => return Err((StatusCode::BAD_REQUEST, "There must be one Host.")),
    };
    let named = request.uri().authority().map(http::uri::Authority::as_str);
    for name in [Some(host), named].into_iter().flatten() {
        if !name.is_empty() && !state.is_called(without_port(name), local) {
            return Err((
                StatusCode::MISDIRECTED_REQUEST,
                "This listener is not called by that name; ask at its address.",
            ));
        }
    }
    let own = |origin: &str| {
        !host.is_empty()
            && ["http://", "https://"].iter().any(|scheme| {
                origin
                    .strip_prefix(scheme)
                    .is_some_and(|origin| origin.eq_ignore_ascii_case(host))
            })
    };
    match only(request.headers(), &header::ORIGIN) {
        Ok(None) => Ok(()),
        Ok(Some(origin)) if own(origin) => Ok(()),
        _ => Err((
            StatusCode::FORBIDDEN,
            "Pages of other origins are not answered.",
        )),
    }
}

/// The value of a header that may come once at most.
fn only<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> Result<Option<&'h str>, ()> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        _ => Err(()),
    }
}

/// `host:port` without the port; an IPv6 address keeps its brackets.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// An error as RFC 9457 writes it.
fn problem(status: StatusCode, detail: &'static str) -> Answer {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    json(status, "application/problem+json", &body)
}

fn json(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Answer {
    let mut bytes = serde_json::to_vec_pretty(body).unwrap_or_default();
    bytes.push(b'\n');
    let mut answer = Response::new(Full::new(Bytes::from(bytes)));
    *answer.status_mut() = status;
    let fixed = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    for (name, value) in fixed {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::clients::Clients;
    use crate::event::EventBus;

    fn status(request: http::request::Builder) -> u16 {
        let state = ControlState::new(
            EventBus::default(),
            Arc::new(Clients::scratch()),
            vec!["control.example.org".into()],
        );
        let request = request.body(()).unwrap();
        let answer = answer(&state, &request, "192.0.2.1".parse().unwrap());
        for name in [
            header::CACHE_CONTROL,
            header::X_CONTENT_TYPE_OPTIONS,
            header::CONTENT_SECURITY_POLICY,
        ] {
            assert!(answer.headers().contains_key(&name), "{name}");
        }
        answer.status().as_u16()
    }

    fn live_page(host: &str) -> http::request::Builder {
        Request::get("/livez").header(header::HOST, host)
    }

    #[test]
    fn only_names_of_this_listener_are_answered() {
        let own = [
            "localhost",
            "localhost.",
            "LOCALHOST:9090",
            "127.0.0.1:9090",
            "127.9.9.9",
            "[::1]:9090",
            "[::1]",
            "192.0.2.1:9090",
            "[::ffff:192.0.2.1]",
            "control.example.org:80",
        ];
        for host in own {
            assert_eq!(status(live_page(host)), 200, "{host}");
        }
        let foreign = [
            "evil.example",
            "evil.example:9090",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "192.0.2.2",
            "0.0.0.0",
            "[::]",
            "user@localhost",
            ":9090",
            "localhost:9090:9090",
        ];
        for host in foreign {
            assert_eq!(status(live_page(host)), 421, "{host}");
        }
        assert_eq!(
            status(live_page("localhost").header(header::HOST, "localhost")),
            400
        );
        assert_eq!(status(Request::get("/livez")), 400);
        assert_eq!(
            status(Request::get("/livez").version(Version::HTTP_10)),
            200
        );
        let absolute = Request::get("http://evil.example/livez").header(header::HOST, "localhost");
        assert_eq!(status(absolute), 421);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        let from =
            |origin: &str| status(live_page("localhost:9090").header(header::ORIGIN, origin));
        assert_eq!(from("http://localhost:9090"), 200);
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://localhost:3000",
            "http://localhost",
            "file://localhost:9090",
        ] {
            assert_eq!(from(origin), 403, "{origin}");
        }
    }

    #[test]
    fn other_pages_and_methods_are_refused() {
        let page = |method: &str, path: &str| {
            status(
                Request::builder()
                    .method(method)
                    .uri(path)
                    .header(header::HOST, "localhost"),
            )
        };
        assert_eq!(page("HEAD", "/livez"), 200);
        assert_eq!(page("GET", "/livez?verbose"), 200);
        assert_eq!(page("GET", "/"), 404);
        assert_eq!(page("GET", "/livez/"), 404);
        assert_eq!(page("POST", "/readyz"), 405);
        assert_eq!(page("DELETE", "/livez"), 405);
        assert_eq!(page("OPTIONS", "*"), 404);
    }
}
