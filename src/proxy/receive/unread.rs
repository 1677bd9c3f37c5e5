//! Whether something of a request is still to be read from its connection when it is answered.

use std::sync::Arc;

use http_body::Body;

use crate::proxy::body::{ClientRequest, Progress};

/// What is left of a request's body on its connection.
pub(in crate::proxy) enum Unread {
    Nothing,
    Something,
    /// What has not streamed to the upstream.
    Streaming(Arc<Progress>),
}

impl Unread {
    /// Before anything was read.
    pub(in crate::proxy) fn of(body: &ClientRequest) -> Self {
        if body.is_end_stream() {
            Self::Nothing
        } else {
            Self::Something
        }
    }

    pub(in crate::proxy) fn is_something(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Something => true,
            Self::Streaming(progress) => !progress.has_ended() || progress.failure().is_some(),
        }
    }
}
