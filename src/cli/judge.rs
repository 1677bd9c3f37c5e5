//! The judgement of a recorded request, as `explain` and `test` make it: by the configured chain, on facts made for this
//! request alone. So nothing is counted, and no request is refused for what came before it.

use std::net::IpAddr;
use std::sync::Arc;

use crate::clients::Clients;
use crate::config::Cidr;
use crate::engine::decide::decide;
use crate::engine::{Evaluation, Policy};
use crate::proxy::clock;
use crate::proxy::config::{ClientsConfig, EncodedBody, LimitsConfig};
use crate::request::body::is_encoded;
use crate::request::coding::{Budget, Codings, Decoded, decode};
use crate::request::raw::RawRequest;
use crate::request::{BodyView, ClientIdentity, RequestView, Standing};

/// Who judges, and whose requests.
#[derive(Debug)]
pub(super) struct Judge {
    policy: Arc<Policy>,
    client: ClientIdentity,
    /// Under what the content codings of bodies are taken off, if they are.
    coding: Option<Budget>,
}

impl Judge {
    /// A judge of requests from `address`. The address is taken at its word: forwarding headers are not looked into, since
    /// who is to be judged is what `--client` says.
    pub(super) fn new(
        policy: Policy,
        address: IpAddr,
        config: &ClientsConfig,
        limits: &LimitsConfig,
    ) -> Self {
        let mut client = ClientIdentity::from_peer(address);
        let holds = |blocks: &[Cidr]| blocks.iter().any(|block| block.contains(client.address));
        client.standing = if holds(&config.trusted) {
            Standing::Trusted
        } else if holds(&config.trusted_proxies) {
            Standing::Proxy
        } else {
            Standing::Ordinary
        };
        client.ipv6_prefix = config.ipv6_prefix;
        Self {
            policy: Arc::new(policy),
            client,
            coding: (limits.encoded_body == EncodedBody::Decode).then(|| Budget {
                output: limits.body.as_usize(),
                ratio: limits.decoded_ratio,
                is_prefix: false,
            }),
        }
    }

    /// The body without its content codings, or why the proxy would refuse it; `None` where it would take none off.
    pub(super) fn decoded(&self, request: &RawRequest) -> Option<Result<Decoded, &'static str>> {
        let budget = self
            .coding
            .filter(|_| is_encoded(&request.headers) && !request.body.is_empty())?;
        let Ok(codings) = Codings::of(&request.headers) else {
            return Some(Err("The body has a Content-Encoding that is not taken."));
        };
        let decoded = decode(codings, &request.body, budget);
        Some(decoded.map_err(|error| error.message()))
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) const fn client(&self) -> &ClientIdentity {
        &self.client
    }

    /// Judges a request, and lets `see` look at everything before it is gone.
    pub(super) fn judge<R>(
        &self,
        request: &RawRequest,
        see: impl FnOnce(&RequestView<'_>, Option<&BodyView<'_>>, &Evaluation) -> R,
    ) -> R {
        let RawRequest {
            method,
            target,
            headers,
            body,
        } = request;
        let view = RequestView::new(method, target, headers, &self.client);
        let decoded = self.decoded(request).and_then(Result::ok);
        let body_view = decoded.as_ref().map_or_else(
            || BodyView::new(headers, body),
            |decoded| BodyView::decoded(headers, decoded),
        );
        let body_view = (!body.is_empty()).then_some(&body_view);
        let facts = Clients::scratch();
        let evaluation = decide(&self.policy, &view, body_view, &facts, clock::now());
        see(&view, body_view, &evaluation)
    }
}
