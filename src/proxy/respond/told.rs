//! What the operator reads of a request that is not answered by the upstream.

use http::HeaderValue;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName};
use http::request::Parts;

use super::Refusal;
use crate::engine::Evidence;
use crate::event::secrets::printable;

impl Refusal {
    /// The rule that the event names.
    pub(in crate::proxy) const fn rule(&self) -> &'static str {
        match self {
            Self::Denied(_) | Self::Aborted(_) => "denied",
            Self::Framing(refused) => refused.fault.rule(),
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "body_too_large",
            Self::Encoded(_) => "encoded_body",
            Self::Undecodable(error) => error.rule(),
            Self::BodyTimeout => "body_time",
            Self::BodyBroken => "body_broken",
            Self::Overloaded => "overloaded",
            Self::Full => "buffered",
            Self::Unheld(_) => "upload_not_held",
            Self::Busy => "in_flight",
            Self::Tunnels => "websockets",
            Self::Unreachable(_) => "unreachable",
            Self::BrokenUpstream(_) => "broken",
            Self::MalformedAnswer(_) => "malformed_answer",
            Self::SilentUpstream(_) => "silent",
        }
    }

    /// What the operator reads.
    pub(in crate::proxy) const fn message(&self) -> &'static str {
        match self {
            Self::Denied(_) | Self::Aborted(_) => "The chain refused the request.",
            Self::Framing(refused) => refused.fault.message(),
            Self::Malformed(why) => why,
            Self::TooLarge => "The body is longer than `limits.body` or `limits.upload` allows.",
            Self::Encoded(_) => {
                "The body has a Content-Encoding that is not taken; see `limits.encoded_body`."
            }
            Self::Undecodable(error) => error.message(),
            Self::BodyTimeout => "The body did not arrive within `limits.body_time`.",
            Self::BodyBroken => "The client broke off within its body, or framed it wrongly.",
            Self::Overloaded => "Too many large bodies wait to be judged.",
            Self::Full => "More bytes of bodies than `limits.buffered` are held to be judged.",
            Self::Unheld(_) => {
                "The body cannot be kept on disk until it was judged, as `limits.uploads` says."
            }
            Self::Busy => "More requests than `limits.in_flight` are with the upstream.",
            Self::Tunnels => "As many WebSockets as `limits.websockets` allows are open.",
            Self::Unreachable(_) => {
                "No connection to the upstream within `upstream.connect_timeout`."
            }
            Self::BrokenUpstream(_) => "The upstream closed the connection before it had answered.",
            Self::MalformedAnswer(_) => {
                "The upstream's answer is no HTTP, or could be read in two ways."
            }
            Self::SilentUpstream(_) => {
                "The upstream did not begin to answer within `upstream.first_byte_timeout`."
            }
        }
    }

    /// The part of the exchange that the event names.
    pub(in crate::proxy) const fn place(&self) -> &'static str {
        match self {
            Self::Framing(refused) if refused.is_in_body => "body",
            Self::Denied(_)
            | Self::Aborted(_)
            | Self::Malformed(_)
            | Self::Framing(_)
            | Self::Busy
            | Self::Tunnels => "request",
            Self::TooLarge
            | Self::Encoded(_)
            | Self::Undecodable(_)
            | Self::BodyTimeout
            | Self::BodyBroken
            | Self::Full
            | Self::Unheld(_)
            | Self::Overloaded => "body",
            Self::Unreachable(_)
            | Self::BrokenUpstream(_)
            | Self::MalformedAnswer(_)
            | Self::SilentUpstream(_) => "upstream",
        }
    }

    /// What the event shows of the refused request.
    pub(in crate::proxy) fn evidence(&self, head: &Parts) -> String {
        let header = |name: HeaderName| {
            let value = head
                .headers
                .get(&name)
                .map(HeaderValue::as_bytes)
                .unwrap_or_default();
            format!("{name}: {}", printable(value, Evidence::MAX_BYTES))
        };
        match self {
            Self::Unheld(why)
            | Self::Unreachable(why)
            | Self::BrokenUpstream(why)
            | Self::MalformedAnswer(why)
            | Self::SilentUpstream(why) => why.clone(),
            Self::Framing(refused) => refused.evidence.clone(),
            Self::TooLarge if head.headers.contains_key(CONTENT_LENGTH) => header(CONTENT_LENGTH),
            Self::Encoded(_) | Self::Undecodable(_) => header(CONTENT_ENCODING),
            _ => printable(
                format!("{} {:?}", head.method, head.version).as_bytes(),
                Evidence::MAX_BYTES,
            ),
        }
    }

    /// Whether the upstream is at fault, rather than the client.
    pub(in crate::proxy) const fn is_upstream_fault(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_)
                | Self::BrokenUpstream(_)
                | Self::MalformedAnswer(_)
                | Self::SilentUpstream(_)
        )
    }

    /// Which part of the proxy the event names: framing is the form of a request, limits are its size and its time.
    pub(in crate::proxy) const fn detection(&self) -> &'static str {
        match self {
            _ if self.is_upstream_fault() => "upstream",
            Self::Framing(_) | Self::Malformed(_) => "framing",
            _ => "limits",
        }
    }
}
