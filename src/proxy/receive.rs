//! Taking in a request's body: how much of it is read before the chain judges, and what streams on afterwards.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::body::{Progress, UpstreamBody};
use super::config::{EncodedBody, LimitsConfig, OverBody};
use super::respond::Refusal;
use crate::engine::BodyNeed;
use crate::request::BodyKind;
use crate::request::body::classify;

/// As many bytes as [`classify`] wants to see before it decides.
const BEGINNING: usize = 512;

/// A request's body as far as it has been read.
pub(super) struct Received {
    /// What the chain is to judge; `None` where it judges nothing of the body.
    pub(super) judged: Option<Bytes>,
    /// What is still to be sent on beside `judged`.
    rest: Rest,
}

enum Rest {
    /// Nothing: all of the body is in `judged`, but for these trailers.
    Trailers(Option<HeaderMap>),
    /// `judged` is a beginning; the pieces read and the rest of the body stream on, at most `limit` bytes in all.
    Stream {
        read: VecDeque<Bytes>,
        body: Incoming,
        limit: u64,
    },
}

/// Reads as much of `body` as the chain needs, within the limits.
pub(super) async fn receive(
    headers: &HeaderMap,
    mut body: Incoming,
    need: BodyNeed,
    limits: &LimitsConfig,
) -> Result<Received, Refusal> {
    if body.is_end_stream() {
        return Ok(Received {
            judged: None,
            rest: Rest::Trailers(None),
        });
    }
    let untouched = |read, body, limit| {
        Ok(Received {
            judged: None,
            rest: Rest::Stream { read, body, limit },
        })
    };
    if need == BodyNeed::None {
        return untouched(VecDeque::new(), body, u64::MAX);
    }
    let upload = limits.upload.get();
    let announced = body.size_hint().lower();
    if announced > upload.max(limits.body.get()) {
        return Err(Refusal::TooLarge);
    }
    if is_encoded(headers) {
        return match limits.encoded_body {
            EncodedBody::Reject => Err(Refusal::Encoded),
            EncodedBody::Pass => untouched(VecDeque::new(), body, upload),
        };
    }
    let mut reading = Reading {
        pieces: VecDeque::new(),
        length: 0,
        trailers: None,
        ended: false,
    };
    let deadline = Instant::now() + limits.body_time.get();
    reading.up_to(&mut body, BEGINNING, deadline).await?;
    let kind = classify(headers, &reading.beginning());
    if kind == BodyKind::Opaque {
        return reading.beginning_and_stream(body, upload);
    }
    let limit = match need {
        BodyNeed::Head(bytes) => bytes.min(limits.body.as_usize()),
        _ => limits.body.as_usize(),
    };
    let over_limit = match (need, kind) {
        (BodyNeed::Head(_), _) | (_, BodyKind::Multipart) => OverBody::InspectPrefix,
        _ => limits.over_body,
    };
    if announced > limit as u64 && over_limit != OverBody::InspectPrefix {
        return match over_limit {
            OverBody::Pass => untouched(reading.pieces, body, upload),
            _ => Err(Refusal::TooLarge),
        };
    }
    // One byte more than the limit tells a body of exactly that length from a longer one.
    reading
        .up_to(&mut body, limit.saturating_add(1), deadline)
        .await?;
    if reading.ended && reading.length <= limit {
        let trailers = reading.trailers.take();
        return Ok(Received {
            judged: Some(reading.into_whole()),
            rest: Rest::Trailers(trailers),
        });
    }
    match over_limit {
        OverBody::Reject => Err(Refusal::TooLarge),
        OverBody::Pass => untouched(reading.pieces, body, upload),
        OverBody::InspectPrefix => reading.beginning_and_stream(body, upload),
    }
}

impl Received {
    /// The body for the upstream, and how far it has come.
    pub(super) fn into_upstream(self, pause: Duration) -> (UpstreamBody, Arc<Progress>) {
        let progress = Arc::new(Progress::default());
        let body = match self.rest {
            Rest::Trailers(trailers) => {
                let bytes = self.judged.unwrap_or_default();
                progress.add(bytes.len());
                progress.end();
                UpstreamBody::Whole { bytes, trailers }
            }
            Rest::Stream { read, body, limit } => {
                UpstreamBody::stream(read, body, limit, pause, Arc::clone(&progress))
            }
        };
        (body, progress)
    }
}

/// A body while it is read.
struct Reading {
    pieces: VecDeque<Bytes>,
    length: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
}

impl Reading {
    /// Reads until at least `length` bytes are there or the body has ended.
    async fn up_to(
        &mut self,
        body: &mut Incoming,
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
                        self.length += data.len();
                        self.pieces.push_back(data);
                        self.ended = body.is_end_stream();
                    }
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
            }
        }
        Ok(())
    }

    /// Everything read so far, in one piece.
    fn beginning(&self) -> Bytes {
        match self.pieces.front() {
            Some(only) if self.pieces.len() == 1 => only.clone(),
            _ => {
                let mut whole = BytesMut::with_capacity(self.length);
                self.pieces
                    .iter()
                    .for_each(|piece| whole.extend_from_slice(piece));
                whole.freeze()
            }
        }
    }

    fn into_whole(self) -> Bytes {
        self.beginning()
    }

    /// What was read is judged; it and the rest stream on, or nothing but trailers is left.
    fn beginning_and_stream(self, body: Incoming, limit: u64) -> Result<Received, Refusal> {
        if self.length as u64 > limit {
            return Err(Refusal::TooLarge);
        }
        let judged = Some(self.beginning());
        let rest = if self.ended {
            Rest::Trailers(self.trailers)
        } else {
            Rest::Stream {
                read: self.pieces,
                body,
                limit,
            }
        };
        Ok(Received { judged, rest })
    }
}

/// Whether a `Content-Encoding` other than `identity` is announced.
fn is_encoded(headers: &HeaderMap) -> bool {
    let codings = |line: &HeaderValue| {
        line.as_bytes()
            .split(|&byte| byte == b',')
            .map(<[u8]>::trim_ascii)
            .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
    };
    headers.get_all(CONTENT_ENCODING).iter().any(codings)
}
