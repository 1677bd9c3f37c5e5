//! Asking servers whether they are well, before their next request finds out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONNECTION, HOST, USER_AGENT};
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::{sleep, timeout};

use super::balance::Upstream;
use super::config::HealthConfig;
use super::server::ServerState;
use super::wire::Wire;
use crate::proxy::{Proxy, clock, report};

/// How often it is looked whose time has come.
const LOOK: Duration = Duration::from_millis(100);

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
        sleep(LOOK).await;
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
    let wire = Wire::connect(&server.url, upstream.trusting.as_ref())
        .await
        .ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await.ok()?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = path.parse().ok()?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_str(&server.url.authority()).ok()?);
    headers.insert(USER_AGENT, HeaderValue::from_static("portcullis-health"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let answer = async { sender.send_request(request).await.ok() };
    let (answer, _) = tokio::join!(answer, async {
        // It ends with its only answer, or with the time for it.
        drop(connection.await);
    });
    Some(answer?.status().as_u16())
}
