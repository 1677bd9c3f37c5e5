//! A body that is kept on disk until all of it was judged, and then goes on.
//!
//! Its file has no name: nobody else can open it, and the kernel takes it away with its last descriptor, however the
//! program ends. Whatever may wait for the disk is done on threads that may wait.

use std::fs::File;
use std::future::poll_fn;
use std::io::{self, Read, Seek, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{BodyError, Progress, UpstreamBody};

/// How much is written, or read, at a time.
const PIECE: usize = 256 * 1024;

/// Why a body cannot be kept.
#[derive(Debug)]
pub(in crate::proxy) enum HoldError {
    /// The body failed.
    Body(BodyError),
    /// The disk did.
    Disk(io::Error),
}

/// A body on disk.
pub(in crate::proxy) struct Spooled {
    /// The file, when nothing is read from it.
    file: Option<File>,
    reading: Option<JoinHandle<io::Result<(File, Bytes)>>>,
    left: u64,
    trailers: Option<HeaderMap>,
    progress: Arc<Progress>,
}

/// Takes in all of a body, and gives the same body as it goes on from disk.
pub(in crate::proxy) async fn hold(
    mut body: UpstreamBody,
) -> Result<(UpstreamBody, Arc<Progress>), HoldError> {
    let mut file = on_disk(tempfile::tempfile).await?;
    let (mut length, mut trailers) = (0, None);
    let mut pieces = BytesMut::new();
    let mut has_ended = false;
    while !has_ended {
        match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            Some(Err(error)) => return Err(HoldError::Body(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => pieces.extend_from_slice(&data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
            None => has_ended = true,
        }
        has_ended |= body.is_end_stream();
        if pieces.len() >= PIECE || has_ended {
            let piece = pieces.split().freeze();
            length += piece.len() as u64;
            file = on_disk(move || file.write_all(&piece).map(|()| file)).await?;
        }
    }
    file = on_disk(move || file.rewind().map(|()| file)).await?;
    let progress = Arc::new(Progress::default());
    let spooled = Spooled {
        file: Some(file),
        reading: None,
        left: length,
        trailers,
        progress: Arc::clone(&progress),
    };
    Ok((UpstreamBody::Spooled(Box::new(spooled)), progress))
}

/// Does what may wait for the disk.
async fn on_disk<T: Send + 'static>(
    act: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, HoldError> {
    let done = spawn_blocking(act).await.map_err(io::Error::other);
    done.flatten().map_err(HoldError::Disk)
}

impl Spooled {
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.left == 0 {
            self.progress.end();
            return Poll::Ready(self.trailers.take().map(Frame::trailers).map(Ok));
        }
        if let Some(file) = self.file.take() {
            let length = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
            self.reading = Some(spawn_blocking(move || read(file, length)));
        }
        let Some(reading) = &mut self.reading else {
            return Poll::Ready(Some(Err(self.progress.fail(BodyError::Unreadable))));
        };
        let read = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        let Ok((file, bytes)) = read.map_err(io::Error::other).flatten() else {
            return Poll::Ready(Some(Err(self.progress.fail(BodyError::Unreadable))));
        };
        self.file = Some(file);
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.progress.add(bytes.len());
        if self.is_end_stream() {
            self.progress.end();
        }
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    pub(super) const fn is_end_stream(&self) -> bool {
        self.left == 0 && self.trailers.is_none()
    }

    /// How much is still to go on, where that may be promised: trailers can only follow a chunked body.
    pub(super) fn length(&self) -> Option<u64> {
        self.trailers.is_none().then_some(self.left)
    }
}

fn read(mut file: File, length: usize) -> io::Result<(File, Bytes)> {
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok((file, bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::config::ClientsConfig;
    use crate::proxy::identity::Trust;

    #[tokio::test]
    async fn a_body_comes_back_as_it_was_kept() {
        for length in [0, 1, PIECE, 3 * PIECE + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| (at * 7 / 3) as u8).collect();
            let body = UpstreamBody::whole(
                bytes.clone().into(),
                None,
                &Trust::new(&ClientsConfig::default()),
            );
            let Ok((mut body, progress)) = hold(body).await else {
                panic!("a body that can be kept");
            };
            assert_eq!(body.size_hint().exact(), Some(length as u64));
            let mut back = Vec::new();
            while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
            {
                back.extend_from_slice(frame.unwrap().data_ref().unwrap());
            }
            assert!(back == bytes && body.is_end_stream() && progress.has_ended());
            assert_eq!(progress.bytes(), length as u64);
        }
    }

    #[tokio::test]
    async fn a_disk_that_is_full_is_an_error_of_the_disk() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let written = on_disk(move || (&full).write_all(b"x")).await;
        assert!(matches!(written, Err(HoldError::Disk(_))));
    }
}
