//! The second half of the life of a request for a WebSocket, where the upstream has granted it.

use bytes::Bytes;
use http::header::SEC_WEBSOCKET_ACCEPT;
use http::request::Parts;
use http::{Response, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::super::body::ClientBody;
use super::super::fields::{strip_hop_by_hop, strip_named};
use super::super::framing::Reading;
use super::super::respond::{Refusal, tunnelled};
use super::super::tunnel::{Tunnel, accepts, names_websocket, upgrade};
use super::super::upstream::Lease;
use super::Exchange;
use crate::engine::Evaluation;

impl Exchange<'_> {
    /// Opens the tunnel behind the upstream's 101.
    pub(super) async fn switch(
        &mut self,
        asked: &mut Parts,
        mut response: Response<Incoming>,
        lease: Lease,
        evaluation: &mut Evaluation,
    ) -> Result<Response<ClientBody>, Refusal> {
        let server = lease.server();
        let broken = |why: &str| Refusal::BrokenUpstream(format!("{server}: {why}"));
        if !names_websocket(response.headers()) {
            return Err(broken(
                "101 came for another protocol than the one asked for",
            ));
        }
        if !accepts(response.headers(), &asked.headers) {
            return Err(broken(
                "101 came from somebody who has not read the handshake",
            ));
        }
        let Some(place) = self.tunnel.take() else {
            return Err(broken("101 came unasked"));
        };
        let longest = self.site.upstream.config.first_byte_timeout.get();
        let upgrading = hyper::upgrade::on(&mut response);
        let Ok(Ok(upstream)) = timeout(longest, upgrading).await else {
            return Err(broken("the connection ended with its 101"));
        };
        let (mut head, _) = response.into_parts();
        strip_named(&mut head.headers, |_| false);
        strip_hop_by_hop(&mut head.headers);
        // On HTTP/2 the stream is the tunnel as soon as the answer is good.
        let is_stream = asked.version == Version::HTTP_2;
        if is_stream {
            head.status = tunnelled();
            head.headers.remove(SEC_WEBSOCKET_ACCEPT);
        } else {
            upgrade(&mut head.headers);
        }
        head.version = Version::HTTP_11;
        for (name, value) in evaluation.take_answer_headers() {
            head.headers.append(name, value);
        }
        let told = Some((server, head.status));
        let access = self
            .report
            .access(head.status, Some(evaluation), None, told);
        let tunnel = Tunnel {
            upstream,
            idle: self.site.limits.stream_idle_time.get(),
            access,
            place,
        };
        if is_stream {
            let (stream, busy) = (asked.extensions.remove(), self.turn.reading());
            tokio::spawn(over_stream(stream, tunnel, busy));
        } else {
            self.turn.turns().open(tunnel);
        }
        Ok(Response::from_parts(head, ClientBody::full(Bytes::new())))
    }
}

/// Carries bytes between a stream of HTTP/2 and the upstream. The connection is `busy` as long as that takes.
async fn over_stream(stream: Option<OnUpgrade>, tunnel: Tunnel, busy: Reading) {
    let Some(stream) = stream else { return };
    // An error means that the client has gone.
    if let Ok(stream) = stream.await {
        tunnel.run(TokioIo::new(stream), Bytes::new()).await;
    }
    drop(busy);
}
