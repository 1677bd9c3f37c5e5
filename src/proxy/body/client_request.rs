//! A request's body as it comes from the client.
//!
//! On HTTP/2 a stream whose body nobody wants any more is reset, and some clients then lose the answer that said why. So
//! what is left of such a body is read and thrown away for a moment, as HTTP/1 does where a connection ends.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::Version;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::proxy::framing::{LINGER, MOST_LINGERING};

/// The body of a request; what is not read of it when it is dropped, is read then.
pub(in crate::proxy) struct ClientRequest {
    /// `None` once it lingers.
    incoming: Option<Incoming>,
    lingers: bool,
}

impl ClientRequest {
    /// The body of a request that came as `version`.
    pub(in crate::proxy) fn new(incoming: Incoming, version: Version) -> Self {
        Self {
            incoming: Some(incoming),
            lingers: version == Version::HTTP_2,
        }
    }
}

impl Body for ClientRequest {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        let Some(incoming) = &mut this.incoming else {
            return Poll::Ready(None);
        };
        let frame = Pin::new(incoming).poll_frame(context);
        // Of what is broken nothing more comes.
        this.lingers &= !matches!(frame, Poll::Ready(None | Some(Err(_))));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let incoming = self.incoming.as_ref();
        incoming.map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for ClientRequest {
    fn drop(&mut self) {
        if !self.lingers || self.is_end_stream() {
            return;
        }
        if let (Some(incoming), Ok(runtime)) = (self.incoming.take(), Handle::try_current()) {
            runtime.spawn(linger(incoming));
        }
    }
}

async fn linger(incoming: Incoming) {
    let reading = async {
        let (mut incoming, mut left) = (pin!(incoming), MOST_LINGERING);
        while let Some(Ok(frame)) = incoming.frame().await {
            let length = frame.data_ref().map_or(0, Buf::remaining);
            match left.checked_sub(length) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Whether it ended or its time did is the same.
    let _ = timeout(LINGER, reading).await;
}
