//! The judgement of a recorded request, as `explain` and `test` make it: by the configured chain, on facts made for this
//! request alone. So nothing is counted, and no request is refused for what came before it.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use http::header::HOST;

use crate::app::{Loaded, serving};
use crate::clients::Clients;
use crate::config::Cidr;
use crate::engine::{BodyNeed, Evaluation, Policy};
use crate::proxy::clock;
use crate::proxy::config::{EncodedBody, LimitsConfig, OverBody};
use crate::proxy::routes::{Ambiguous, Routes, Site};
use crate::request::body::{BEGINNING, Units, classify, is_encoded};
use crate::request::coding::{Budget, CodingError, Codings, Decoded, decode};
use crate::request::raw::RawRequest;
use crate::request::{BodyKind, BodyView, ClientIdentity, RequestView, Standing};

/// Who judges, and whose requests.
#[derive(Debug)]
pub(super) struct Judge {
    routes: Routes,
    client: ClientIdentity,
}

/// What the proxy does with a body without asking the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unasked {
    /// It refuses it, with this status, and why.
    Refused(u16, &'static str),
    /// It lets it pass, and why.
    Passed(&'static str),
}

/// A request that was judged.
pub(super) struct Judged<'v, 'r, 'b> {
    pub(super) request: &'v RequestView<'r>,
    /// The body, as it was judged; in the reading in which something was found, if in any.
    pub(super) body: Option<&'v BodyView<'b>>,
    pub(super) evaluation: &'v Evaluation,
    /// Why the chain was not asked about the body, if it was not.
    pub(super) unasked: Option<Unasked>,
    /// Which observations were made in another reading of the body.
    pub(super) elsewhere: Range<usize>,
    /// How long it took to take the request apart and to judge it.
    pub(super) took: Duration,
}

/// As much of a body as the chain is asked about, and without its content codings where they are taken off.
struct Taken<'r> {
    sent: &'r [u8],
    decoded: Option<Decoded>,
    unasked: Option<Unasked>,
}

impl Judge {
    /// A judge of requests from `address`, each by the route that it takes. The address is taken at its word: forwarding
    /// headers are not looked into, since who is to be judged is what `--client` says.
    pub(super) fn new(loaded: Loaded, address: IpAddr) -> Self {
        let config = &loaded.settings.clients;
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
            routes: serving(&loaded.settings, loaded.compiled, false).routes,
            client,
        }
    }

    /// What the proxy takes of a body for the chain to judge, by its length and its content codings. A form that streams
    /// is taken whole.
    fn take<'r>(request: &'r RawRequest, limits: &LimitsConfig) -> Taken<'r> {
        let (headers, body) = (&request.headers, &*request.body);
        let (longest, upload) = (limits.body.as_usize(), limits.upload.as_usize());
        let taken = |sent, decoded, unasked| Taken {
            sent,
            decoded,
            unasked,
        };
        let is_decoded = is_encoded(headers) && limits.encoded_body == EncodedBody::Decode;
        let is_free = !is_encoded(headers) && {
            let beginning = body.get(..BEGINNING).unwrap_or(body);
            match classify(headers, beginning) {
                BodyKind::Opaque => true,
                BodyKind::Multipart => Units::of(headers, beginning, longest).is_some(),
                _ => false,
            }
        };
        let most = if is_free { upload } else { longest };
        let over = match limits.over_body {
            _ if body.len() > upload.max(longest) => Some(Unasked::Refused(413, TOO_LONG)),
            _ if body.len() <= most => None,
            OverBody::Reject => Some(Unasked::Refused(413, TOO_LONG)),
            _ if is_free => Some(Unasked::Refused(413, TOO_LONG)),
            OverBody::Pass => Some(Unasked::Passed(LONG)),
            OverBody::InspectPrefix => None,
        };
        let sent = body.get(..most).unwrap_or(body);
        if over.is_some() || !is_decoded {
            return taken(sent, None, over);
        }
        let Ok(codings) = Codings::of(headers) else {
            let why = "The body has a Content-Encoding that is not taken.";
            return taken(sent, None, Some(Unasked::Refused(415, why)));
        };
        let budget = Budget {
            output: longest,
            ratio: limits.decoded_ratio,
            is_prefix: sent.len() < body.len(),
        };
        match decode(codings, sent, budget) {
            Err(error) => {
                let status = if error == CodingError::Ratio {
                    413
                } else {
                    400
                };
                let refused = Unasked::Refused(status, error.message());
                taken(sent, None, Some(refused))
            }
            Ok(decoded) => {
                let unasked = match limits.over_body {
                    _ if decoded.is_whole => None,
                    OverBody::Reject => Some(Unasked::Refused(413, TOO_LONG)),
                    OverBody::Pass => Some(Unasked::Passed(LONG)),
                    OverBody::InspectPrefix => None,
                };
                taken(sent, Some(decoded), unasked)
            }
        }
    }

    /// The policy of requests on no route.
    pub(super) fn policy(&self) -> &Policy {
        &self.routes.default().policy
    }

    /// What a request is served under, and what is to be said of that.
    fn site(&self, request: &RawRequest) -> (&Site, Option<Unasked>) {
        let host = request.headers.get(HOST);
        let host = host.map_or(&b""[..], |host| host.as_bytes());
        let path = request.target.split('?').next().unwrap_or_default();
        match self.routes.find(host, path) {
            Ok(site) => (site, None),
            Err(Ambiguous) => {
                let why = "Servers read its path in several ways, and by `routes` it is not the same which.";
                (self.routes.default(), Some(Unasked::Refused(400, why)))
            }
        }
    }

    pub(super) const fn client(&self) -> &ClientIdentity {
        &self.client
    }

    /// Judges a request, and lets `see` look at everything before it is gone.
    pub(super) fn judge<R>(
        &self,
        request: &RawRequest,
        see: impl FnOnce(&Judged<'_, '_, '_>) -> R,
    ) -> R {
        let (facts, now) = (Clients::scratch(), clock::now());
        let headers = &request.headers;
        let view = RequestView::new(&request.method, &request.target, headers, &self.client);
        let (site, ambiguous) = self.site(request);
        let taken = Self::take(request, &site.limits);
        let body = taken.decoded.as_ref().map_or_else(
            || BodyView::new(headers, taken.sent),
            |decoded| BodyView::decoded(headers, decoded),
        );
        // Who knows nothing of codings reads what was sent.
        let encoded = taken.decoded.as_ref();
        let mut encoded = encoded.and_then(|_| BodyView::still_encoded(headers, taken.sent));
        let mut evaluation = Evaluation::begin(&site.policy, &view).traced();
        evaluation.on_headers(&view, &facts, now);
        let is_wanted =
            evaluation.body_need(&view, &facts, now) != BodyNeed::None && !request.body.is_empty();
        let unasked = ambiguous.or(taken.unasked.filter(|_| is_wanted));
        let (mut shown, mut elsewhere) = (&body, 0..0);
        if is_wanted && unasked.is_none() {
            let before = evaluation.observations().len();
            evaluation.on_body(&view, &body, &facts, now);
            let between = evaluation.observations().len();
            let left = body.work().clone();
            encoded = encoded.map(|encoded| encoded.with_work(left));
            if let Some(encoded) = encoded.as_ref().filter(|_| evaluation.permit().is_ok()) {
                evaluation.on_body(&view, encoded, &facts, now);
                let after = evaluation.observations().len();
                if between == before && after > between {
                    shown = encoded;
                } else {
                    elsewhere = between..after;
                }
            }
        }
        let took = clock::now().saturating_duration_since(now);
        see(&Judged {
            request: &view,
            body: (!request.body.is_empty()).then_some(shown),
            evaluation: &evaluation,
            unasked,
            elsewhere,
            took,
        })
    }
}

/// Why a body is refused for its length.
const TOO_LONG: &str = "The body is longer than `limits.body` or `limits.upload` allows.";

/// Why a body passes that nobody judged.
const LONG: &str = "The body is longer than `limits.body`, and `limits.over_body` lets it pass without being judged.";

// === impl Judged ===

impl Judged<'_, '_, '_> {
    /// The status with which the proxy refuses the body by itself, if it does.
    pub(super) const fn refusal(&self) -> Option<u16> {
        match self.unasked {
            Some(Unasked::Refused(status, _)) => Some(status),
            _ => None,
        }
    }

    /// What a reader must know of how the body was judged, a sentence each.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        match self.unasked {
            Some(Unasked::Refused(_, why)) => notes.push(format!(
                "The proxy refuses it without asking the chain about its body: {why}"
            )),
            Some(Unasked::Passed(why)) => notes.push(why.into()),
            None => {}
        }
        if !self.elsewhere.is_empty() {
            notes.push("Some of it was found in the body as it was sent, with its codings on; so it is told without its bytes.".into());
        }
        notes
    }
}
