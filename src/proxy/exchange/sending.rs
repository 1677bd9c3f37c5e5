//! The way of a permitted request to the upstream: what of it goes on, and the wait for the head of the answer.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HOST, TE, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;

use super::super::body::{HoldError, Progress, UpstreamBody, hold};
use super::super::buffered::Held;
use super::super::config::Balance;
use super::super::respond::{Refusal, is_switched};
use super::super::upstream::{Lease, Outgoing, hash, send};
use super::super::{forward, tunnel};
use super::Exchange;
use crate::engine::Permit;
use crate::request::ClientIdentity;

impl Exchange<'_> {
    /// Sends a permitted request to the upstream, its body only when all of it is here if it `is_held`; waits for the head
    /// of the answer.
    pub(super) async fn send(
        &self,
        permit: Permit,
        head: &Parts,
        mut body: UpstreamBody,
        mut progress: Arc<Progress>,
        is_held: bool,
    ) -> Result<(Response<Incoming>, Lease, Arc<Progress>), Refusal> {
        if is_held {
            let (proxy, limits) = (&self.core.proxy, &self.site.limits);
            let on_disk = Held::nothing(&proxy.on_disk, limits.held.get());
            let in_memory = Held::nothing(&proxy.buffered, limits.buffered.get());
            let held = Box::pin(hold(body, on_disk, in_memory)).await;
            (body, progress) = held.map_err(|error| match error {
                HoldError::Body(error) => Refusal::of_unsent_body(error),
                HoldError::Disk(error) => Refusal::Unheld(error.to_string()),
                HoldError::NoRoom => {
                    Refusal::Unheld("more bytes than `limits.held` would be on disk".into())
                }
            })?;
        }
        // Taken only now, so that who is slow to send its request keeps nobody else out; given back when the answer begins.
        let (in_flight, most) = (&self.core.proxy.in_flight, self.site.limits.in_flight);
        let Some(_place) = in_flight.enter(most) else {
            return Err(Refusal::Busy);
        };
        let (pool, upstream) = (&self.core.pool, &self.site.upstream);
        let client = match upstream.config.balance {
            Balance::ClientHash => hash_of(&self.client),
            Balance::RoundRobin | Balance::LeastLoaded => 0,
        };
        let request = self.request_for_upstream(head, body);
        let again = || self.request_for_upstream(head, UpstreamBody::empty());
        let request = Outgoing::new(request, &again);
        let (response, lease) = send(permit, pool, upstream, client, request, &progress).await?;
        let is_switched = self.tunnel.is_some() && is_switched(response.status());
        if response.status().is_informational() && !is_switched {
            let why = format!("{} came unasked", response.status());
            return Err(Refusal::BrokenUpstream(why));
        }
        Ok((response, lease, progress))
    }

    /// The request as the upstream gets it: the same method, target, headers and body, but for the headers that belong
    /// to one connection and those that describe the way.
    fn request_for_upstream(&self, head: &Parts, body: UpstreamBody) -> Request<UpstreamBody> {
        // Of a body without a length that comes with GET or HEAD hyper would send nothing, if it were not told to.
        let is_chunked = !body.is_end_stream() && body.size_hint().exact().is_none();
        let mut request = Request::new(body);
        request.method_mut().clone_from(&head.method);
        request.uri_mut().clone_from(&head.uri);
        *request.version_mut() = Version::HTTP_11;
        let trust = &self.serving.trust;
        let way = trust.way(self.client.peer, &head.uri, &head.headers);
        let scheme = self.client.encryption.map_or("http", |_| "https");
        let headers = request.headers_mut();
        *headers = forward::describe(&head.headers, trust, &way, (scheme, self.id));
        if self.tunnel.is_some() {
            tunnel::upgrade(headers);
        }
        if is_chunked {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        // HTTP/1.0 may come without a Host, HTTP/1.1 must not go without one.
        if !headers.contains_key(HOST)
            && let Some(server) = self.site.upstream.config.servers.first()
            && let Ok(host) = HeaderValue::from_str(&server.url.authority())
        {
            headers.insert(HOST, host);
        }
        self.site.headers.of_request(request.headers_mut());
        if self.site.upstream.config.http2 {
            as_http_2(&mut request, scheme, head);
        }
        request
    }
}

/// Gives a request the form that it has in HTTP/2. gRPC asks for trailers by the one word that `TE` may have there.
fn as_http_2(request: &mut Request<UpstreamBody>, scheme: &str, head: &Parts) {
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    if head.headers.get(TE).is_some_and(|te| te == "trailers") {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    // A host that is none here is sent as it came, and refused there.
    let host = headers.get(HOST).map(HeaderValue::as_bytes);
    let authority = host.and_then(|host| Authority::try_from(host).ok());
    let mut parts = request.uri().clone().into_parts();
    if let (Some(authority), Ok(scheme)) = (authority, Scheme::try_from(scheme)) {
        (parts.authority, parts.scheme) = (Some(authority), Some(scheme));
        if let Ok(uri) = Uri::from_parts(parts) {
            *request.uri_mut() = uri;
            request.headers_mut().remove(HOST);
        }
    }
}

/// What tells clients apart where each is to get the same server.
fn hash_of(client: &ClientIdentity) -> u64 {
    match client.counting_address() {
        IpAddr::V4(address) => hash(4, &address.octets()),
        IpAddr::V6(address) => hash(6, &address.octets()),
    }
}
