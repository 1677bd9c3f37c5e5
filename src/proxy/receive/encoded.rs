//! Taking in a body that has content codings. It is read whole, as far as `limits.body` allows, and decoded; the chain
//! judges both, and the encoded bytes go on as they came.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use tokio::time::Instant;

use super::{Reading, Received, Unjudged};
use crate::engine::BodyNeed;
use crate::proxy::body::ClientRequest;
use crate::proxy::buffered::Held;
use crate::proxy::config::{EncodedBody, LimitsConfig, OverBody};
use crate::proxy::respond::Refusal;
use crate::proxy::{Judges, Proxy};
use crate::request::coding::{Budget, Codings, Decoded, decode};

/// Reads a body with a `Content-Encoding`, and takes it off as `limits.encoded_body` says.
pub(super) async fn receive(
    headers: &HeaderMap,
    mut body: ClientRequest,
    need: BodyNeed,
    limits: &LimitsConfig,
    proxy: &Proxy,
) -> Result<Received, Refusal> {
    let upload = limits.upload.get();
    let unjudged = |read, body, why| Received::untouched(read, body, upload, Some(why));
    match limits.encoded_body {
        EncodedBody::Decode => {}
        EncodedBody::Reject => return Err(Refusal::Encoded("identity")),
        EncodedBody::Pass => return Ok(unjudged(Bytes::new(), body, Unjudged::Encoded)),
    }
    let codings = Codings::of(headers).map_err(|_| Refusal::Encoded(Codings::SUPPORTED))?;
    let limit = limits.body.as_usize();
    let (output, over_limit) = match need {
        BodyNeed::Head(bytes) => (bytes.min(limit), OverBody::InspectPrefix),
        _ => (limit, limits.over_body),
    };
    let is_announced_longer = body.size_hint().lower() > limit as u64;
    let mut reading = Reading::new(Held::nothing(&proxy.buffered, limits.buffered.get()));
    if !is_announced_longer || over_limit == OverBody::InspectPrefix {
        let deadline = Instant::now() + limits.body_time.get();
        // One byte more than the limit tells a body of exactly that length from a longer one.
        let most = limit.saturating_add(1);
        reading.up_to(&mut body, most, deadline).await?;
    }
    let is_longer = is_announced_longer || !reading.ended || reading.length > limit;
    let sent = reading.whole();
    match over_limit {
        OverBody::Reject if is_longer => return Err(Refusal::TooLarge),
        OverBody::Pass if is_longer => return Ok(unjudged(sent, body, Unjudged::OverLimit)),
        _ => {}
    }
    let budget = Budget {
        output,
        ratio: limits.decoded_ratio,
        is_prefix: !reading.ended,
    };
    let decoded = undo(codings, &sent, budget, &proxy.judges, &mut reading.held).await?;
    let why = match over_limit {
        _ if decoded.is_whole => None,
        OverBody::Reject => return Err(Refusal::TooLarge),
        OverBody::Pass => Some(Unjudged::OverLimit),
        OverBody::InspectPrefix => Some(Unjudged::Prefix),
    };
    let is_judged = why != Some(Unjudged::OverLimit);
    Ok(Received {
        judged: is_judged.then_some(sent),
        decoded: is_judged.then(|| Arc::new(decoded)),
        unjudged: why,
        rest: reading.rest(body, upload),
        held: Some(reading.held),
        ..Received::nothing()
    })
}

/// Takes the codings off: here where that stays short, on the pool where it does not.
async fn undo(
    codings: Codings,
    sent: &Bytes,
    budget: Budget,
    judges: &Judges,
    held: &mut Held,
) -> Result<Decoded, Refusal> {
    let room = budget.longest(sent.len()).min(budget.output);
    let room = room.saturating_mul(codings.iter().count());
    if !held.grow(room) {
        return Err(Refusal::Full);
    }
    let short = Budget {
        output: budget.output.min(Judges::INLINE),
        ..budget
    };
    let mut decoded = None;
    if sent.len() <= Judges::INLINE {
        let beginning = decode(codings, sent, short).map_err(Refusal::Undecodable)?;
        let is_all = beginning.is_whole || beginning.bytes.len() < short.output;
        decoded = (is_all || short == budget).then_some(beginning);
    }
    let decoded = match decoded {
        Some(decoded) => decoded,
        None => {
            let place = judges.place().ok_or(Refusal::Overloaded)?;
            let sent = sent.clone();
            let job = move || decode(codings, &sent, budget);
            let decoded = judges.run(place, job).await.ok_or(Refusal::Overloaded)?;
            decoded.map_err(Refusal::Undecodable)?
        }
    };
    held.shrink(room.saturating_sub(decoded.bytes.len()));
    Ok(decoded)
}
