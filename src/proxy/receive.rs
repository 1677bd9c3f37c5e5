//! Taking in a request's body: how much of it is read before the chain judges, and what streams on afterwards.

mod encoded;
mod grpc;
mod unread;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

pub(super) use self::grpc::is_grpc;
use self::grpc::{GRPC_PREFIX, begins_as_grpc};
pub(super) use self::unread::Unread;
use super::Proxy;
use super::body::{ClientRequest, Form, Progress, UpstreamBody};
use super::buffered::Held;
use super::config::{LimitsConfig, OverBody, Uploads};
use super::framing::Turn;
use super::identity::Trust;
use super::pace::Pace;
use super::respond::Refusal;
use super::routes::Site;
use crate::engine::BodyNeed;
use crate::request::BodyKind;
use crate::request::body::{BEGINNING, Units, classify, is_encoded};
use crate::request::coding::Decoded;

/// A request's body as far as it has been read.
pub(super) struct Received {
    /// What the chain is to judge; `None` where it judges nothing of the body.
    pub(super) judged: Option<Bytes>,
    /// The same without its content codings, where it has any that were taken off.
    pub(super) decoded: Option<Arc<Decoded>>,
    /// Why the body goes on without having been judged as the chain wanted, if it does.
    pub(super) unjudged: Option<Unjudged>,
    /// A form that is to be judged as it is sent on. There is nothing else then.
    pub(super) form: Option<Box<Form>>,
    /// What is held of the body, as long as it is.
    pub(super) held: Option<Held>,
    /// Whether it is to be kept on disk until all of it was judged.
    pub(super) is_held: bool,
    /// Whether its sender may pause for as long as a stream may.
    is_stream: bool,
    rest: Rest,
}

/// Why a body goes on that was not, or not wholly, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unjudged {
    /// It is encoded, and `limits.encoded_body` lets it pass.
    Encoded,
    /// It is longer than `limits.body`, and `limits.over_body` lets it pass.
    OverLimit,
    /// It is longer than `limits.body`, and its beginning was judged.
    Prefix,
    /// It is a form with a field longer than `limits.body`, of which the beginning was judged.
    Field,
}

/// What is to be sent on.
enum Rest {
    /// All of it is here.
    Whole {
        bytes: Bytes,
        trailers: Option<HeaderMap>,
    },
    /// What was read, and what is still to come, at most `limit` bytes in all.
    Stream {
        read: Bytes,
        body: ClientRequest,
        limit: u64,
    },
}

/// Reads as much of `body`, which is not empty, as the chain needs, within the limits.
pub(super) async fn receive(
    headers: &HeaderMap,
    mut body: ClientRequest,
    need: BodyNeed,
    site: &Site,
    proxy: &Proxy,
) -> Result<Received, Refusal> {
    let limits = &*site.limits;
    if need == BodyNeed::None {
        return Ok(Received::untouched(Bytes::new(), body, u64::MAX, None));
    }
    let upload = limits.upload.get();
    let announced = body.size_hint().lower();
    if announced > upload.max(limits.body.get()) {
        return Err(Refusal::TooLarge);
    }
    if is_encoded(headers) {
        return encoded::receive(headers, body, need, limits, proxy).await;
    }
    let deadline = Instant::now() + limits.body_time.get();
    let mut reading = Reading::new(Held::nothing(&proxy.buffered, limits.buffered.get()));
    // No other upstream can be meant, and none gets what was not judged because it looked like that.
    if site.upstream.config.http2 && is_grpc(headers) {
        // Who waits for the answer to its first message sends no more before it.
        reading.up_to(&mut body, GRPC_PREFIX, deadline).await?;
        if begins_as_grpc(&reading.whole()) {
            let mut received = reading.judge_and_stream(body, u64::MAX, None)?;
            received.is_stream = true;
            return Ok(received);
        }
    }
    reading.up_to(&mut body, BEGINNING, deadline).await?;
    let beginning = reading.whole();
    let kind = classify(headers, &beginning);
    if kind == BodyKind::Opaque {
        let mut received = reading.judge_and_stream(body, upload, None)?;
        received.is_held = limits.uploads == Uploads::Hold && !received.is_whole();
        return Ok(received);
    }
    let longest = limits.body.as_usize();
    let (limit, over_limit, units) = match need {
        BodyNeed::Head(bytes) => (bytes.min(longest), OverBody::InspectPrefix, None),
        // A form with files is longer than others by nature; that it is one, the bytes have to say as well.
        _ if kind == BodyKind::Multipart => {
            let units = Units::of(headers, &beginning, longest);
            (longest, limits.over_body, units)
        }
        _ => (longest, limits.over_body, None),
    };
    drop(beginning);
    let is_prefix_judged = units.is_none() && over_limit == OverBody::InspectPrefix;
    if announced <= limit as u64 || is_prefix_judged {
        // One byte more than the limit tells a body of exactly that length from a longer one.
        reading
            .up_to(&mut body, limit.saturating_add(1), deadline)
            .await?;
        if reading.ended && reading.length <= limit {
            return reading.judge_and_stream(body, u64::MAX, None);
        }
    }
    if let Some(units) = units {
        return reading.judge_as_it_streams(units, body, limits);
    }
    match over_limit {
        OverBody::Reject => Err(Refusal::TooLarge),
        OverBody::Pass => {
            let why = Some(Unjudged::OverLimit);
            Ok(Received::untouched(reading.whole(), body, upload, why))
        }
        OverBody::InspectPrefix => reading.judge_and_stream(body, upload, Some(Unjudged::Prefix)),
    }
}

impl Received {
    /// No body.
    pub(super) const fn nothing() -> Self {
        Self {
            judged: None,
            decoded: None,
            unjudged: None,
            form: None,
            held: None,
            is_held: false,
            is_stream: false,
            rest: Rest::Whole {
                bytes: Bytes::new(),
                trailers: None,
            },
        }
    }

    fn untouched(read: Bytes, body: ClientRequest, limit: u64, unjudged: Option<Unjudged>) -> Self {
        Self {
            unjudged,
            rest: Rest::Stream { read, body, limit },
            ..Self::nothing()
        }
    }

    /// Whether all of it was read.
    pub(super) const fn is_whole(&self) -> bool {
        matches!(self.rest, Rest::Whole { .. })
    }

    /// The body for the upstream, and how far it has come. Its trailers lose what `trust` takes from heads.
    pub(super) fn into_upstream(
        self,
        limits: &LimitsConfig,
        trust: &Arc<Trust>,
        turn: &Turn,
    ) -> (UpstreamBody, Arc<Progress>) {
        match self.rest {
            Rest::Whole { bytes, trailers } => {
                let progress = Arc::new(Progress::whole(bytes.len()));
                (UpstreamBody::whole(bytes, trailers, trust), progress)
            }
            Rest::Stream { read, body, limit } => {
                let progress = Arc::new(Progress::default());
                let pace = if self.is_stream {
                    Pace::new(limits.stream_idle_time.get(), 0)
                } else {
                    pace(limits)
                };
                let (told, trust) = (Arc::clone(&progress), Arc::clone(trust));
                let trust = (trust, turn.reading());
                let body = UpstreamBody::stream(read, body, limit, pace, told, trust);
                (body, progress)
            }
        }
    }
}

/// How fast a body has to come that streams.
pub(super) fn pace(limits: &LimitsConfig) -> Pace {
    Pace::new(limits.body_time.get(), limits.body_rate.get())
}

/// A body while it is read. The first piece is kept as it came, since it is often the whole; further ones are gathered,
/// so that a body in many pieces takes no more memory than one in a single one. What each of them costs beside that is
/// bounded by how many there may be, which the gate says.
struct Reading {
    held: Held,
    first: Bytes,
    gathered: BytesMut,
    length: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
}

impl Reading {
    fn new(held: Held) -> Self {
        Self {
            held,
            first: Bytes::new(),
            gathered: BytesMut::new(),
            length: 0,
            trailers: None,
            ended: false,
        }
    }

    /// Reads until at least `length` bytes are there or the body has ended.
    async fn up_to(
        &mut self,
        body: &mut ClientRequest,
        length: usize,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        while !self.ended && self.length < length {
            match timeout_at(deadline, body.frame()).await {
                Err(_) => return Err(Refusal::BodyTimeout),
                Ok(Some(Err(_))) => return Err(Refusal::BodyBroken),
                Ok(None) => self.ended = true,
                Ok(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        if !self.held.grow(data.len()) {
                            return Err(Refusal::Full);
                        }
                        self.add(data);
                        self.ended = body.is_end_stream();
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
        Ok(())
    }

    fn add(&mut self, data: Bytes) {
        self.length += data.len();
        if self.first.is_empty() && self.gathered.is_empty() {
            self.first = data;
            return;
        }
        if self.gathered.is_empty() {
            self.gathered
                .extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.gathered.extend_from_slice(&data);
    }

    /// Everything read so far, in one piece.
    fn whole(&mut self) -> Bytes {
        if !self.gathered.is_empty() {
            self.first = std::mem::take(&mut self.gathered).freeze();
        }
        self.first.clone()
    }

    /// What was read is judged; it and the rest stream on, or nothing but trailers is left.
    fn judge_and_stream(
        mut self,
        body: ClientRequest,
        limit: u64,
        unjudged: Option<Unjudged>,
    ) -> Result<Received, Refusal> {
        if self.length as u64 > limit {
            return Err(Refusal::TooLarge);
        }
        let judged = Some(self.whole());
        let unjudged = unjudged.filter(|_| !self.ended);
        Ok(Received {
            judged,
            unjudged,
            rest: self.rest(body, limit),
            held: Some(self.held),
            ..Received::nothing()
        })
    }

    /// What goes on: what was read and what is still to come.
    fn rest(&mut self, body: ClientRequest, limit: u64) -> Rest {
        let (read, trailers) = (self.whole(), self.trailers.take());
        if self.ended {
            Rest::Whole {
                bytes: read,
                trailers,
            }
        } else {
            Rest::Stream { read, body, limit }
        }
    }

    /// A form that is longer than may be judged as a whole.
    fn judge_as_it_streams(
        mut self,
        mut units: Units,
        body: ClientRequest,
        limits: &LimitsConfig,
    ) -> Result<Received, Refusal> {
        let left = limits.upload.get().checked_sub(self.length as u64);
        units.push(&self.whole());
        let form = Form {
            units,
            held: self.held,
            rest: body,
            left: left.ok_or(Refusal::TooLarge)?,
            trailers: self.trailers,
            over_long: limits.over_body,
        };
        Ok(Received {
            form: Some(Box::new(form)),
            is_held: limits.uploads == Uploads::Hold,
            ..Received::nothing()
        })
    }
}

impl Unjudged {
    /// The rule that the event names.
    pub(super) const fn rule(self) -> &'static str {
        match self {
            Self::Encoded => "encoded_body_passed",
            Self::OverLimit => "long_body_passed",
            Self::Prefix => "body_prefix_judged",
            Self::Field => "field_prefix_judged",
        }
    }

    /// What the operator reads.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::Encoded => {
                "A body with a Content-Encoding goes on unjudged, as `limits.encoded_body` says."
            }
            Self::OverLimit => {
                "A body beyond `limits.body` goes on unjudged, as `limits.over_body` says."
            }
            Self::Prefix => {
                "Of a body beyond `limits.body` the beginning was judged; the rest goes on unjudged."
            }
            Self::Field => {
                "Of a field beyond `limits.body` the beginning was judged; the rest goes on unjudged, as `limits.over_body` says."
            }
        }
    }
}
