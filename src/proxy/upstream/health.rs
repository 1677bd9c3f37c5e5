//! Asking servers whether they are well, before their next request finds out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Version};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{sleep, timeout};

use super::balance::Upstream;
use super::config::HealthConfig;
use super::server::ServerState;
use super::wire::Wire;
use crate::proxy::{Proxy, clock, report};

/// How often it is looked whose time has come; and whether there is anybody to be asked, where there is nobody.
const LOOK: Duration = Duration::from_millis(50);
const ANYBODY: Duration = Duration::from_secs(1);

/// Asks every server of the upstreams in force, for ever.
pub async fn watch(proxy: Arc<Proxy>) {
    let mut due: HashMap<u64, Instant> = HashMap::new();
    loop {
        let now = clock::now();
        let mut known = Vec::new();
        for upstream in proxy.serving.load().upstreams() {
            let Some(health) = &upstream.config.health else {
                continue;
            };
            for server in upstream.servers() {
                known.push(server.id);
                let next = due.entry(server.id).or_insert(now);
                if *next <= now {
                    *next = now + health.interval.get();
                    let asking = ask(
                        Arc::clone(&proxy),
                        Arc::clone(upstream),
                        Arc::clone(server),
                        health.clone(),
                    );
                    tokio::spawn(asking);
                }
            }
        }
        due.retain(|id, _| known.contains(id));
        sleep(if due.is_empty() { ANYBODY } else { LOOK }).await;
    }
}

async fn ask(
    proxy: Arc<Proxy>,
    upstream: Arc<Upstream>,
    server: Arc<ServerState>,
    health: HealthConfig,
) {
    let answer = timeout(
        health.timeout.get(),
        status(&upstream, &server, &health.path),
    )
    .await;
    let is_well = matches!(answer, Ok(Some(200..=399)));
    if let Some(change) = server.checked(is_well, &health) {
        report::server(&proxy, &server.url.to_string(), change, "health checks");
    }
}

/// The status that a server answers with; `None` where it does not.
async fn status(upstream: &Upstream, server: &ServerState, path: &str) -> Option<u16> {
    let is_http_2 = upstream.config.http2;
    let wire = Wire::connect(&server.url, upstream.trusting.as_ref(), is_http_2)
        .await
        .ok()?;
    let mut request = Request::new(Empty::<Bytes>::new());
    let user_agent = HeaderValue::from_static("portcullis-health");
    request.headers_mut().insert(USER_AGENT, user_agent);
    if is_http_2 {
        *request.uri_mut() = format!("{}{path}", server.url).parse().ok()?;
        *request.version_mut() = Version::HTTP_2;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(wire));
        let (mut sender, connection) = handshake.await.ok()?;
        let answer = sender.send_request(request);
        return tokio::select! {
            answer = answer => Some(answer.ok()?.status().as_u16()),
            _ = connection => None,
        };
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.ok()?;
    *request.uri_mut() = path.parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&server.url.authority()).ok()?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let answer = async { sender.send_request(request).await.ok() };
    let (answer, _) = tokio::join!(answer, async {
        // It ends with its only answer, or with the time for it.
        drop(connection.await);
    });
    Some(answer?.status().as_u16())
}
