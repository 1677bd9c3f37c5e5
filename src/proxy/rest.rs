//! A connection that idles rests: what serves it, with its buffers, is taken down, and built again when something comes.
//!
//! Most connections of a proxy do nothing most of the time. The buffers that they keep for their next request are most of
//! what they cost, above all after a long one.

use std::ops::ControlFlow;
use std::pin::Pin;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::activity::Activity;
use super::framing::Gated;
use super::{Proxy, idle};

/// Serves a connection until it ends, or rests and goes on later. It ends when it has idled for too long, or when `drain` comes.
pub(super) async fn serve<I, S, B>(
    builder: &http1::Builder,
    stream: Gated<I>,
    service: S,
    proxy: &Proxy,
    activity: &Activity,
    drain: impl Future<Output = ()>,
) -> ControlFlow<hyper::Result<()>, Gated<I>>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    // The connection comes first, so that the others see what it has done.
    tokio::select! {
        biased;
        ended = &mut connection => return ControlFlow::Break(ended),
        () = drain => {}
        () = idle::too_long(proxy, activity) => {}
        () = idle::rests(activity) => {
            // Its last answer is written, and the gate has let nothing through of what comes next. So what may be left in
            // hyper's buffer is the end of a body that nobody wanted, and what is read next begins a request.
            return ControlFlow::Continue(connection.into_parts().io.into_inner());
        }
    }
    Pin::new(&mut connection).graceful_shutdown();
    ControlFlow::Break(connection.await)
}
