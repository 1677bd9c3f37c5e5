//! A request's life, on one page: identify, judge the head, take in and judge the body, forward, judge the answer.
//!
//! Whatever goes wrong on the way is a [`Refusal`]; it leaves here as one response and one event with the same id.

mod form;
mod sending;
mod websocket;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;

use super::body::{ClientBody, ClientRequest, Meter, Progress};
use super::connections::OwnPlace;
use super::fields::{strip_hop_by_hop, strip_named};
use super::framing::{Refused, Turn, Turns};
use super::idle::Rests;
use super::judge;
use super::receive::{Received, Unread, is_grpc, receive};
use super::report::Report;
use super::respond::{Refusal, is_switched, refuse, seems_tunnelled};
use super::routes::{Ambiguous, Site};
use super::tally::Kind;
use super::upstream::{Lease, Pool};
use super::{Proxy, Serving, clock, framing, http2, tunnel};
use crate::engine::{BodyNeed, Evaluation, Permit};
use crate::event::EventId;
use crate::request::coding::Decoded;
use crate::request::{ClientIdentity, Encryption, RequestView, ResponseView};

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) address: IpAddr,
    /// How the connection is encrypted, if it is.
    pub(super) encryption: Option<Encryption>,
}

/// What a core has of its own.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) proxy: Arc<Proxy>,
    pub(super) pool: Arc<Pool>,
    pub(super) rests: Arc<Rests>,
}

/// One request on its way.
struct Exchange<'a> {
    core: &'a Core,
    serving: Arc<Serving>,
    site: Arc<Site>,
    id: EventId,
    began: Instant,
    client: ClientIdentity,
    report: Report,
    unread: Unread,
    turn: &'a Turn,
    /// The place of a WebSocket that is asked for.
    tunnel: Option<OwnPlace>,
}

/// Serves one request that came over a connection from `peer`, or refuses it for what was found `at_gate`.
pub(super) async fn serve(
    core: &Core,
    peer: Peer,
    request: Request<Incoming>,
    turn: &Turn,
    at_gate: Option<Box<Refused>>,
) -> Response<ClientBody> {
    let (mut head, body) = request.into_parts();
    let body = ClientRequest::new(body, head.version);
    if let Some(at_gate) = &at_gate {
        at_gate.describe(&mut head);
    }
    let serving = core.proxy.serving.load_full();
    let time = clock::timestamp();
    let id = core.proxy.ids.next(clock::unix_milliseconds(time));
    let mut client = serving
        .trust
        .identify(peer.address, &head.uri, &head.headers);
    client.encryption = peer.encryption;
    let began = clock::now();
    let access_log = serving.access_log.then_some((&core.proxy, began));
    let report = Report::new(id, time, &client, &head, access_log);
    let mut exchange = Exchange {
        core,
        site: Arc::clone(serving.routes.default()),
        serving,
        id,
        began,
        client,
        report,
        unread: Unread::of(&body),
        turn,
        tunnel: None,
    };
    let outcome = match at_gate {
        Some(at_gate) => Err(refused(Refusal::Framing(at_gate), None)),
        None => exchange.run(&mut head, body).await,
    };
    let headers = Arc::clone(&exchange.site.headers);
    let mut response = match outcome {
        Ok(response) => exchange.watch(response, head, Arc::clone(turn.turns())),
        Err(mut refused) => {
            refused.refusal = turn.turns().precisely(refused.refusal);
            exchange.refuse(*refused, &head)
        }
    };
    headers.of_answer(response.headers_mut(), peer.encryption.is_some());
    response
}

/// What the operator reads of a path that is of several routes.
const AMBIGUOUS: &str =
    "Servers read the path in several ways, and by `routes` it is not the same which.";

/// A refusal, and the judgement where there was one.
struct Stopped {
    refusal: Refusal,
    evaluation: Option<Evaluation>,
}

impl Exchange<'_> {
    async fn run(
        &mut self,
        head: &mut Parts,
        body: ClientRequest,
    ) -> Result<Response<ClientBody>, Box<Stopped>> {
        framing::check(head).map_err(|refusal| refused(refusal, None))?;
        self.site = self
            .find_site(head)
            .map_err(|refusal| refused(refusal, None))?;
        // Before the chain judges, so that no rule is satisfied by a header that its sender takes away again.
        let trust = &self.serving.trust;
        strip_named(&mut head.headers, |name| trust.strips(name));
        let (evaluation, need) = self.judge_head(head);
        let (_, evaluation) = permit(evaluation)?;
        let (in_flight, most) = (&self.core.proxy.in_flight, self.site.limits.in_flight);
        if in_flight.is_full(most) {
            return Err(refused(Refusal::Busy, Some(evaluation)));
        }
        if body.is_end_stream()
            && tunnel::is_asked_for(head)
            && self.site.limits.websockets > 0
            && !self.site.upstream.config.http2
        {
            let place = self.core.proxy.tunnels.stay(self.site.limits.websockets);
            let Some(place) = place else {
                return Err(refused(Refusal::Tunnels, Some(evaluation)));
            };
            self.tunnel = Some(place);
        }
        let (site, proxy) = (&self.site, &*self.core.proxy);
        // Boxed like all that not every request goes through: what is nested here is moved with each request.
        let received = if body.is_end_stream() {
            Ok(Received::nothing())
        } else {
            Box::pin(receive(&head.headers, body, need, site, proxy)).await
        };
        let mut received = match received {
            Ok(received) => received,
            Err(refusal) => return Err(refused(refusal, Some(evaluation))),
        };
        let is_held = received.is_held;
        if let Some(form) = received.form.take() {
            return Box::pin(self.run_form(head, *form, is_held, evaluation)).await;
        }
        // Given back when the upstream has answered, and so has taken what is held.
        let _held = received.held.take();
        if received.is_whole() {
            self.unread = Unread::Nothing;
        }
        let evaluation = match &received.judged {
            Some(bytes) => {
                let body = (bytes.clone(), received.decoded.take());
                Box::pin(self.judge_body(head, body, evaluation)).await?
            }
            None => evaluation,
        };
        let (permit_to_forward, mut evaluation) = permit(evaluation)?;
        self.report.findings(&self.core.proxy, &evaluation, head);
        if let Some(unjudged) = received.unjudged {
            self.report.unjudged(&self.core.proxy, unjudged, head);
        }
        let (body, progress) =
            received.into_upstream(&self.site.limits, &self.serving.trust, self.turn);
        self.unread = Unread::Streaming(Arc::clone(&progress));
        let sent = self.send(permit_to_forward, head, body, progress, is_held);
        let (response, lease, progress) = match sent.await {
            Ok(answer) => answer,
            Err(refusal) => return Err(refused(refusal, Some(evaluation))),
        };
        self.judge_answer(head, &response, &mut evaluation);
        let (_, mut evaluation) = permit(evaluation)?;
        self.report.findings(&self.core.proxy, &evaluation, head);
        if is_switched(response.status()) {
            let switched = self.switch(head, response, lease, &mut evaluation);
            return Box::pin(switched)
                .await
                .map_err(|refusal| refused(refusal, Some(evaluation)));
        }
        if http2::asked_for_tunnel(head) && seems_tunnelled(response.status()) {
            // Its client would take the answer for the tunnel.
            let why = format!(
                "{}: no WebSocket, but {}",
                lease.server(),
                response.status()
            );
            return Err(refused(Refusal::BrokenUpstream(why), Some(evaluation)));
        }
        Ok(self.answer(response, lease, progress, &mut evaluation))
    }

    /// What a request is served under.
    fn find_site(&self, head: &Parts) -> Result<Arc<Site>, Refusal> {
        let host = head.headers.get(HOST);
        let host = host.map_or(&b""[..], |host| host.as_bytes());
        let target = framing::target(&head.uri);
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let found = self.serving.routes.find(host, path).map(Arc::clone);
        found.map_err(|Ambiguous| Refusal::Malformed(AMBIGUOUS))
    }

    fn judge_head(&mut self, head: &Parts) -> (Evaluation, BodyNeed) {
        let view = RequestView::new(
            &head.method,
            framing::target(&head.uri),
            &head.headers,
            &self.client,
        );
        let facts = &*self.core.proxy.facts;
        let mut evaluation = Evaluation::begin(&self.site.policy, &view);
        evaluation.on_headers(&view, facts, self.began);
        let need = evaluation.body_need(&view, facts, self.began);
        self.report.judged += clock::now().saturating_duration_since(self.began);
        (evaluation, need)
    }

    /// Judges a body that is here as a whole, as it came and without its codings.
    async fn judge_body(
        &mut self,
        head: &Parts,
        body: (Bytes, Option<Arc<Decoded>>),
        evaluation: Evaluation,
    ) -> Result<Evaluation, Box<Stopped>> {
        let now = clock::now();
        let judged = judge::whole(&self.core.proxy, head, &self.client, body, evaluation).await;
        self.report.judged += clock::now().saturating_duration_since(now);
        judged.map_err(|evaluation| refused(Refusal::Overloaded, evaluation))
    }

    fn judge_answer(
        &mut self,
        head: &Parts,
        response: &Response<Incoming>,
        evaluation: &mut Evaluation,
    ) {
        let now = clock::now();
        let view = RequestView::new(
            &head.method,
            framing::target(&head.uri),
            &head.headers,
            &self.client,
        );
        let answer = ResponseView {
            status: response.status(),
            headers: response.headers(),
        };
        evaluation.on_response(&view, &answer, &*self.core.proxy.facts, now);
        self.report.judged += clock::now().saturating_duration_since(now);
    }

    /// The upstream's answer as the client gets it.
    fn answer(
        &mut self,
        response: Response<Incoming>,
        lease: Lease,
        progress: Arc<Progress>,
        evaluation: &mut Evaluation,
    ) -> Response<ClientBody> {
        let (mut head, body) = response.into_parts();
        strip_named(&mut head.headers, |_| false);
        strip_hop_by_hop(&mut head.headers);
        head.version = Version::HTTP_11;
        for (name, value) in evaluation.take_answer_headers() {
            head.headers.append(name, value);
        }
        let upstream = Some((lease.server(), head.status));
        let access = self
            .report
            .access(head.status, Some(evaluation), None, upstream);
        let meter =
            access.map(|access| Meter::new(move |bytes| access.finish(progress.bytes(), bytes)));
        let pause = if is_stream(&head.headers) {
            self.site.limits.stream_idle_time
        } else {
            self.site.upstream.config.idle_timeout
        };
        let body = ClientBody::stream(body, pause.get(), lease, meter);
        Response::from_parts(head, body)
    }

    /// Sees to it that an answer which does not come to its end is told of.
    fn watch(
        self,
        mut response: Response<ClientBody>,
        head: Parts,
        turns: Arc<Turns>,
    ) -> Response<ClientBody> {
        let (proxy, report, status) =
            (Arc::clone(&self.core.proxy), self.report, response.status());
        response.body_mut().on_mishap(move |mishap| {
            let mishap = mishap.precisely(&turns);
            report.mishap(&proxy, &mishap, status, &head);
        });
        response
    }

    /// A refused request's answer, its event, and its line in the access log.
    fn refuse(&mut self, refused: Stopped, head: &Parts) -> Response<ClientBody> {
        let Stopped {
            refusal,
            mut evaluation,
        } = refused;
        self.report.is_aborted = matches!(refusal, Refusal::Aborted(_));
        let proxy = &self.core.proxy;
        let mut extra = Vec::new();
        if let Some(evaluation) = &mut evaluation {
            self.report.findings(proxy, evaluation, head);
            extra = evaluation.take_answer_headers();
        }
        let told = match refusal {
            Refusal::Denied(_) | Refusal::Aborted(_) => None,
            Refusal::Busy => proxy
                .tally
                .count(Kind::InFlight, self.client.peer, clock::now()),
            _ => Some(1),
        };
        if let Some(count) = told {
            self.report
                .refusal(proxy, &refusal, evaluation.as_ref(), head, count);
        }
        let is_unread = self.unread.is_something();
        let response = refuse(&refusal, self.id, &head.headers, extra, is_unread);
        if let Some(access) =
            self.report
                .access(response.status(), evaluation.as_ref(), Some(&refusal), None)
        {
            access.finish(0, response.body().length());
        }
        response
    }
}

/// Whether an answer tells of what happens as it happens, and may pause for as long as nothing does.
fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    is_grpc(headers) || kind.is_some_and(|kind| kind.starts_with(b"text/event-stream"))
}

fn refused(refusal: Refusal, evaluation: Option<Evaluation>) -> Box<Stopped> {
    Box::new(Stopped {
        refusal,
        evaluation,
    })
}

/// Leave to forward, or the chain's refusal.
fn permit(evaluation: Evaluation) -> Result<(Permit, Evaluation), Box<Stopped>> {
    match evaluation.permit().map_err(|block| block.status) {
        Ok(permit) => Ok((permit, evaluation)),
        Err(status) => Err(refused(Refusal::Denied(status), Some(evaluation))),
    }
}
