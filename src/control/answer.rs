//! What is asked of the control listener, and what it answers.
//!
//! Health can be read by whoever reaches the listener, though from another machine without its details; everything else takes
//! the token from another machine, and every change takes it from anywhere.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use serde::Serialize;

use super::bans;
use super::guard::{Ends, check_caller, check_token};
use super::health::ControlState;

/// An answer, always whole.
pub(super) type Answer = Response<Full<Bytes>>;

/// The longest body that is read: a list of bans.
const LONGEST_BODY: usize = 4 << 20;

/// Where bans are listed and changed.
const BANS: &str = "/api/v1/bans";

/// What can be asked for.
#[derive(Clone, Copy)]
enum Page<'p> {
    Live,
    Ready,
    Policy,
    Reload,
    Bans,
    Ban(&'p str),
}

impl<'p> Page<'p> {
    fn at(path: &'p str) -> Option<Self> {
        Some(match path {
            "/livez" => Self::Live,
            "/readyz" | "/healthz" => Self::Ready,
            "/api/v1/policy" => Self::Policy,
            "/api/v1/reload" => Self::Reload,
            BANS => Self::Bans,
            _ => {
                let client = path.strip_prefix(BANS)?.strip_prefix('/')?;
                Self::Ban(client)
            }
        })
    }

    /// The methods that it takes.
    const fn methods(self) -> &'static [Method] {
        match self {
            Self::Live | Self::Ready | Self::Policy => &[Method::GET, Method::HEAD],
            Self::Reload => &[Method::POST],
            Self::Bans => &[Method::GET, Method::HEAD, Method::POST],
            Self::Ban(_) => &[Method::GET, Method::HEAD, Method::DELETE],
        }
    }
}

/// Answers one request.
pub(super) async fn answer<B>(state: &ControlState, request: Request<B>, ends: Ends) -> Answer
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let head = Request::from_parts(head, ());
    if let Err((status, detail)) = check_caller(state, &head, ends.local) {
        return problem(status, detail);
    }
    let Some(page) = Page::at(head.uri().path()) else {
        return problem(StatusCode::NOT_FOUND, "There is no such page.");
    };
    if !page.methods().contains(head.method()) {
        return not_allowed(page);
    }
    let is_health = matches!(page, Page::Live | Page::Ready);
    let is_read = matches!(*head.method(), Method::GET | Method::HEAD);
    if !(is_health || is_read && ends.is_near())
        && let Err((status, detail)) = check_token(state, &head)
    {
        return unauthorised(status, detail);
    }
    let query = head.uri().query().unwrap_or_default();
    match page {
        Page::Live => json(StatusCode::OK, &serde_json::json!({ "status": "live" })),
        Page::Ready => ready(state, ends),
        Page::Policy => json(StatusCode::OK, &state.policy_report()),
        Page::Reload => reload(state, ends).await,
        Page::Bans if is_read => bans::list(state, query),
        Page::Ban(client) if is_read => bans::show(state, client),
        Page::Ban(client) => bans::lift(state, client, ends).await,
        Page::Bans => match whole(body).await {
            Some(body) => bans::add(state, &body, ends).await,
            None => problem(
                StatusCode::PAYLOAD_TOO_LARGE,
                "The body is longer than 4 MiB, or did not come to its end.",
            ),
        },
    }
}

/// A body that is not too long.
async fn whole<B>(body: B) -> Option<Bytes>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    #[expect(clippy::disallowed_methods, reason = "it has a bound")]
    let body = Limited::new(body, LONGEST_BODY).collect().await;
    Some(body.ok()?.to_bytes())
}

/// Whether requests should be sent here. A refused reload changes nothing about that: the policy before it judges on.
/// Who asks from another machine learns no more than that.
fn ready(state: &ControlState, ends: Ends) -> Answer {
    let readiness = state.readiness();
    let status = if readiness.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    if ends.is_near() {
        json(status, &readiness)
    } else {
        json(status, &readiness.without_details())
    }
}

async fn reload(state: &ControlState, ends: Ends) -> Answer {
    let Some(operations) = state.operations() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "The proxy is starting.");
    };
    operations.audit(ends.peer, "asked for a reload".into());
    match operations.reload().await {
        Ok(revision) => json(StatusCode::OK, &serde_json::json!({ "revision": revision })),
        Err(error) => problem(StatusCode::UNPROCESSABLE_ENTITY, &error),
    }
}

fn not_allowed(page: Page<'_>) -> Answer {
    let methods: Vec<&str> = page.methods().iter().map(Method::as_str).collect();
    let methods = methods.join(", ");
    let detail = format!("This page takes {methods}.");
    let mut refusal = problem(StatusCode::METHOD_NOT_ALLOWED, &detail);
    if let Ok(methods) = HeaderValue::try_from(methods) {
        refusal.headers_mut().insert(header::ALLOW, methods);
    }
    refusal
}

fn unauthorised(status: StatusCode, detail: &str) -> Answer {
    let mut refusal = problem(status, detail);
    if status == StatusCode::UNAUTHORIZED {
        let scheme = HeaderValue::from_static("Bearer");
        refusal
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, scheme);
    }
    refusal
}

/// An error as RFC 9457 writes it.
pub(super) fn problem(status: StatusCode, detail: &str) -> Answer {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    written(status, "application/problem+json", &body)
}

pub(super) fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    written(status, "application/json", body)
}

fn written(status: StatusCode, content_type: &'static str, body: &impl Serialize) -> Answer {
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
    use http::Version;

    use super::*;
    use std::sync::Arc;

    use crate::clients::Clients;
    use crate::event::EventBus;

    fn status(request: http::request::Builder) -> u16 {
        let state = ControlState::new(
            EventBus::default(),
            Arc::new(Clients::scratch()),
            vec!["control.example.org".into()],
            None,
        );
        let request = request.body(Full::new(Bytes::new())).unwrap();
        let ends = Ends {
            local: [192, 0, 2, 1].into(),
            peer: [127, 0, 0, 1].into(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let answer = runtime.block_on(answer(&state, request, ends));
        for name in [
            header::CACHE_CONTROL,
            header::X_CONTENT_TYPE_OPTIONS,
            header::CONTENT_SECURITY_POLICY,
        ] {
            assert!(answer.headers().contains_key(&name), "{name}");
        }
        answer.status().as_u16()
    }

    /// From another machine bare health is told, and everything else takes the token.
    #[test]
    fn who_asks_from_elsewhere_learns_little() {
        let token = crate::config::Secret::new("0123456789abcdef".into());
        let clients = Arc::new(Clients::scratch());
        let state = ControlState::new(EventBus::default(), clients, Vec::new(), Some(token));
        let ask = |path: &str, peer: [u8; 4], token: Option<&str>| {
            let mut request = Request::get(path).header(header::HOST, "192.0.2.1");
            if let Some(token) = token {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            let ends = Ends {
                local: [192, 0, 2, 1].into(),
                peer: peer.into(),
            };
            let request = request.body(Full::new(Bytes::new())).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async {
                let answer = answer(&state, request, ends).await;
                let status = answer.status().as_u16();
                let body = whole(answer.into_body()).await.unwrap();
                (status, String::from_utf8_lossy(&body).into_owned())
            })
        };
        let (near, far) = ([127, 0, 0, 1], [198, 51, 100, 1]);
        assert!(ask("/readyz", near, None).1.contains("last_reload_error"));
        let (status, told) = ask("/readyz", far, None);
        assert_eq!(
            (status, told.trim()),
            (503, "{\n  \"status\": \"starting\"\n}")
        );
        assert_eq!(ask("/livez", far, None).0, 200);
        assert_eq!(ask("/api/v1/policy", near, None).0, 200);
        assert_eq!(ask("/api/v1/policy", far, None).0, 401);
        assert_eq!(ask("/api/v1/policy", far, Some("0123456789abcdeF")).0, 401);
        assert_eq!(ask("/api/v1/policy", far, Some("0123456789abcdef")).0, 200);
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
