//! A connection that idles rests: what serves it, with its buffers, is taken down, and built again when something comes.
//!
//! Most connections of a proxy do nothing most of the time. The buffers that they keep for their next request are most of
//! what they cost, above all after a long one.

use std::ops::ControlFlow;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;

use super::activity::{Activity, End};
use super::exchange::Core;
use super::framing::Gated;
use super::idle;
use super::transport::Transport;

/// A connection to a client, with all that stands in it, from hyper's side.
pub(super) type Stream = Gated<Transport>;

/// Serves a connection until it ends, or rests and goes on later. It ends when it has idled for too long, or when `drain` comes.
pub(super) async fn serve<S, B>(
    builder: &http1::Builder,
    stream: Stream,
    service: S,
    core: &Core,
    activity: &Arc<Activity>,
    drain: impl Future<Output = ()>,
) -> ControlFlow<hyper::Result<()>, Stream>
where
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    // The connection comes first, so that the others see what it has done.
    let ended = tokio::select! {
        biased;
        ended = &mut connection => ended,
        () = drain => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
        end = idle::too_long(&core.proxy, activity) => match end {
            End::Idle => {
                Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
            // There is nothing to be said that would be waited for, and what still comes may find nobody.
            End::InHead => return ControlFlow::Break(Ok(())),
        },
        () = idle::rests(&core.rests, activity) => {
            // Its last answer is written, and the gate has let nothing through of what comes next. So what may be left in
            // hyper's buffer is the end of a body that nobody wanted, and what is read next begins a request.
            return ControlFlow::Continue(connection.into_parts().io.into_inner());
        }
    };
    if ended.is_ok() {
        let parts = connection.into_parts();
        let stream = parts.io.into_inner();
        match activity.turns().tunnel() {
            Some(tunnel) => {
                let _busy = activity.serve();
                tunnel.run(stream, parts.read_buf).await;
            }
            None => stream.close().await,
        }
    }
    ControlFlow::Break(ended)
}
