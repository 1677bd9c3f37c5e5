//! The connections of the control listener: few, short, and small.
//!
//! Nobody waits to be accepted: where there are too many connections, the oldest makes room. Every answer is made at
//! once, so the oldest is one that has not asked yet, and whoever opens connections to say nothing keeps nobody out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::answer::answer;
use super::guard::Ends;
use super::health::ControlState;

/// How many connections are served at a time; for one more the oldest is closed.
const CONNECTIONS: usize = 64;

/// How long a connection may last. Each is for one request, and every answer is made at once.
const LIFETIME: Duration = Duration::from_secs(5);

/// How long the end waits for answers that are on their way.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Serves health until `shutdown` completes. Let that be the last thing to stop: while the proxy drains, `/readyz` has to
/// say so.
pub async fn serve(
    listener: TcpListener,
    state: Arc<ControlState>,
    shutdown: impl Future<Output = ()>,
) {
    serve_each_for(LIFETIME, listener, state, shutdown).await;
}

async fn serve_each_for(
    lifetime: Duration,
    listener: TcpListener,
    state: Arc<ControlState>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let mut connections = JoinSet::new();
    let mut by_age = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener) => accepted,
        };
        // Those that ended, so that the set does not grow for ever.
        while connections.try_join_next().is_some() {}
        if let Some(stream) = accepted {
            make_room(&mut by_age);
            let serving = serve_connection(stream, Arc::clone(&state));
            by_age.push_back(connections.spawn(async move {
                // Whoever is too slow, or breaks off, gets no answer.
                let _ = tokio::time::timeout(lifetime, serving).await;
            }));
            // Who asked at once is answered before the next ones can push him out.
            tokio::task::yield_now().await;
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST_ANSWERS, async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

/// Forgets the connections that ended, and closes the oldest of the others while there is no room for one more.
fn make_room(by_age: &mut VecDeque<AbortHandle>) {
    by_age.retain(|connection| !connection.is_finished());
    while by_age.len() >= CONNECTIONS {
        if let Some(oldest) = by_age.pop_front() {
            oldest.abort();
        }
    }
}

/// The next connection. `None` when the system has none to give just now.
async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            tracing::warn!(%error, "The control listener could not accept a connection.");
            // Out of file descriptors, most likely: trying at once would only burn the core.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn serve_connection(stream: TcpStream, state: Arc<ControlState>) -> hyper::Result<()> {
    let (Ok(local), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else {
        return Ok(());
    };
    let ends = Ends {
        local: local.ip(),
        peer: peer.ip(),
    };
    let service = service_fn(|request| {
        let answering = answer(&state, request, ends);
        async { Ok::<_, Infallible>(answering.await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(LIFETIME)
        .keep_alive(false)
        .max_headers(64)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use std::num::NonZeroU32;

    use crate::clients::{Clients, Facts, Quota};
    use crate::control::health::{CanaryReport, Effective, PolicyHealth};
    use crate::engine::policy::Revision;
    use crate::engine::{Mode, Outcome};
    use crate::event::EventBus;
    use crate::proxy::clock;

    fn on_a_runtime<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(work)
    }

    fn policy() -> PolicyHealth {
        PolicyHealth {
            revision: Revision {
                number: 1,
                hash: 0xabc,
            },
            loaded_at: jiff::Timestamp::UNIX_EPOCH,
            mode: Mode::Enforce,
            effective: Effective::Monitor,
            canaries: vec![CanaryReport {
                detection: "user_agent".into(),
                outcome: Outcome::WouldBlock,
                below_threshold: false,
                decided_by: None,
            }],
        }
    }

    /// Sends a request as it is, and returns status and body of the answer.
    async fn ask(address: std::net::SocketAddr, request: &str) -> (u16, serde_json::Value) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap())
    }

    async fn ready(address: std::net::SocketAddr) -> (u16, serde_json::Value) {
        ask(address, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n").await
    }

    #[test]
    fn readiness_follows_the_life_of_the_proxy() {
        on_a_runtime(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let clients = Arc::new(Clients::scratch());
            let quota = Quota {
                limit: NonZeroU32::MIN,
                per: Duration::from_secs(60),
                burst: NonZeroU32::MIN,
            };
            clients.take(clients.key("limit", b"client"), quota, clock::now());
            let state = Arc::new(ControlState::new(
                EventBus::default(),
                clients,
                Vec::new(),
                None,
            ));
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let served = tokio::spawn(serve(listener, Arc::clone(&state), async {
                let _ = stopped.await;
            }));

            let (status, body) = ready(address).await;
            assert_eq!((status, &body["status"]), (503, &"starting".into()));

            state.policy_loaded(policy());
            let (status, body) = ready(address).await;
            assert_eq!((status, &body["status"]), (200, &"ready".into()));
            assert_eq!(body["policy"]["revision"], "1-0000000000000abc");
            assert_eq!(body["policy"]["loaded_at"], "1970-01-01T00:00:00Z");
            assert_eq!(body["mode"]["configured"], "enforce");
            assert_eq!(body["mode"]["effective"], "monitor");
            assert_eq!(body["canaries"][0]["detection"], "user_agent");
            assert_eq!(body["canaries"][0]["outcome"], "would_block");
            assert_eq!(body["last_reload_error"], serde_json::Value::Null);
            assert_eq!(body["events_dropped"], 0);
            let rates = &body["clients"]["rates"];
            assert_eq!(
                (&rates["entries"], &rates["evictions"]),
                (&1.into(), &0.into())
            );

            state.reload_refused("rules.yaml:7: unknown key");
            let (status, body) = ready(address).await;
            assert_eq!(status, 200);
            assert_eq!(body["last_reload_error"], "rules.yaml:7: unknown key");
            state.policy_loaded(policy());
            let (_, body) = ready(address).await;
            assert_eq!(body["last_reload_error"], serde_json::Value::Null);

            state.draining();
            state.policy_loaded(policy());
            let (status, body) = ready(address).await;
            assert_eq!((status, &body["status"]), (503, &"draining".into()));
            assert_eq!(body["draining"], true);
            let live = ask(address, "GET /livez HTTP/1.0\r\n\r\n").await;
            assert_eq!(live, (200, serde_json::json!({ "status": "live" })));

            stop.send(()).unwrap();
            served.await.unwrap();
            TcpStream::connect(address).await.expect_err("it is gone");
        });
    }

    async fn serving(lifetime: Duration) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(ControlState::new(
            EventBus::default(),
            Arc::new(Clients::scratch()),
            Vec::new(),
            None,
        ));
        let forever = std::future::pending();
        let served = tokio::spawn(serve_each_for(lifetime, listener, state, forever));
        (address, served)
    }

    #[test]
    fn silent_connections_are_closed_in_time() {
        on_a_runtime(async {
            let (address, served) = serving(Duration::from_millis(200)).await;
            let mut silent = TcpStream::connect(address).await.unwrap();
            assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
            served.abort();
        });
    }

    #[test]
    fn silent_connections_keep_nobody_out() {
        on_a_runtime(async {
            let (address, served) = serving(Duration::from_secs(3600)).await;
            let mut silent = Vec::new();
            // More than are served, and more than any queue in the kernel takes besides.
            for _ in 0..CONNECTIONS * 10 {
                silent.push(TcpStream::connect(address).await.unwrap());
            }
            let (status, _) = ask(address, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
            assert_eq!(status, 200);
            // The first had to go, the last are there still.
            assert_eq!(silent.first_mut().unwrap().read(&mut [0]).await.unwrap(), 0);
            let last = silent.last_mut().unwrap();
            last.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await
                .unwrap();
            let mut answer = String::new();
            last.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            served.abort();
        });
    }
}
