//! The requests of one connection, one after the other: how many there may be, and when each has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Response};
use http_body::{Body, Frame, SizeHint};

use super::activity::{Activity, InService};
use super::body::{BodyError, ClientBody};
use super::config::LimitsConfig;
use super::connections::Open;

/// Counts the requests of a connection.
#[derive(Debug)]
pub(super) struct Turns {
    activity: Arc<Activity>,
    left: AtomicUsize,
}

/// One request's turn; it lasts until the answer's body has ended.
#[derive(Debug)]
pub(super) struct Turn {
    in_service: InService,
    is_last: bool,
}

/// An answer's body, and the turn that ends with it.
pub(super) struct TurnBody {
    body: ClientBody,
    _in_service: InService,
}

impl Turns {
    /// At most `limits.connection_requests` of them.
    pub(super) fn new(open: &Open, limits: &LimitsConfig) -> Self {
        Self {
            activity: Arc::clone(&open.activity),
            left: AtomicUsize::new(limits.connection_requests),
        }
    }

    /// The next request's turn.
    pub(super) fn next(&self) -> Turn {
        Turn {
            in_service: self.activity.serve(),
            is_last: self.left.fetch_sub(1, Ordering::Relaxed) <= 1,
        }
    }
}

impl Turn {
    /// The answer of this turn, which says so if it is the last one.
    pub(super) fn of(self, answer: Response<ClientBody>) -> Response<TurnBody> {
        let (mut head, body) = answer.into_parts();
        if self.is_last {
            head.headers
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let body = TurnBody {
            body,
            _in_service: self.in_service,
        };
        Response::from_parts(head, body)
    }
}

impl Body for TurnBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
