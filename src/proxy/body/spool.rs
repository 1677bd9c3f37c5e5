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
use crate::proxy::buffered::Held;

/// How much is written, or read, at a time.
const PIECE: usize = 256 * 1024;

/// Why a body cannot be kept.
#[derive(Debug)]
pub(in crate::proxy) enum HoldError {
    /// The body failed.
    Body(BodyError),
    /// The disk did.
    Disk(io::Error),
    /// Too much is on disk already.
    NoRoom,
}

/// A body on disk.
pub(in crate::proxy) struct Spooled {
    /// The file, when nothing is read from it.
    file: Option<File>,
    reading: Option<JoinHandle<io::Result<(File, Bytes)>>>,
    left: u64,
    trailers: Option<HeaderMap>,
    progress: Arc<Progress>,
    /// What it takes on disk, which it does to its end.
    _on_disk: Held,
}

/// Takes in all of a body, and gives the same body as it goes on from disk. What it takes there, and in memory on its way,
/// is counted.
pub(in crate::proxy) async fn hold(
    mut body: UpstreamBody,
    mut taken: Held,
    mut in_memory: Held,
) -> Result<(UpstreamBody, Arc<Progress>), HoldError> {
    let mut file = on_disk(tempfile::tempfile).await?;
    let (mut length, mut trailers) = (0, None);
    let mut pieces = BytesMut::new();
    let mut has_ended = false;
    while !has_ended {
        match poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            Some(Err(error)) => return Err(HoldError::Body(error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    if !in_memory.grow(data.len()) {
                        return Err(HoldError::Body(BodyError::Full));
                    }
                    pieces.extend_from_slice(&data);
                }
                Err(frame) => trailers = frame.into_trailers().ok(),
            },
            None => has_ended = true,
        }
        has_ended |= body.is_end_stream();
        if pieces.len() >= PIECE || has_ended {
            let piece = pieces.split().freeze();
            let written = piece.len();
            if !taken.grow(written) {
                return Err(HoldError::NoRoom);
            }
            length += written as u64;
            file = on_disk(move || file.write_all(&piece).map(|()| file)).await?;
            in_memory.shrink(written);
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
        _on_disk: taken,
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
            let (disk, memory) = (Arc::default(), Arc::default());
            let (taken, in_memory) = (
                Held::nothing(&disk, length as u64),
                Held::nothing(&memory, u64::MAX),
            );
            let Ok((mut body, progress)) = hold(body, taken, in_memory).await else {
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
    async fn what_is_on_disk_and_on_its_way_there_is_bounded_and_given_back() {
        let (disk, memory) = (Arc::default(), Arc::default());
        let held = async |most_on_disk, most_in_memory| {
            let trust = Trust::new(&ClientsConfig::default());
            let body = UpstreamBody::whole(vec![0; 1000].into(), None, &trust);
            let taken = Held::nothing(&disk, most_on_disk);
            hold(body, taken, Held::nothing(&memory, most_in_memory)).await
        };
        let first = held(1999, 1000).await;
        assert!(first.is_ok(), "what is on disk is not in memory any more");
        assert!(matches!(held(1999, 1000).await, Err(HoldError::NoRoom)));
        let full = held(1999, 999).await;
        assert!(matches!(full, Err(HoldError::Body(BodyError::Full))));
        drop(first);
        assert!(held(1999, 1000).await.is_ok());
    }

    #[tokio::test]
    async fn a_disk_that_is_full_is_an_error_of_the_disk() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let written = on_disk(move || (&full).write_all(b"x")).await;
        assert!(matches!(written, Err(HoldError::Disk(_))));
    }
}
