//! A client's connection, watched over: who does not read its answer loses it.
//!
//! The limit holds for what waits to be written, whoever writes it: head, body or the end of an answer. It counts only
//! while there is something to write that the client does not take, so a slow upstream costs no client its connection.
//!
//! An answer that ends with the connection, as in HTTP/1.0, is whole only if the connection was shut down for it. Until
//! then the socket is one that resets, whoever closes it: an error, the end of a drain, or the kernel when the program ends.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::Activity;
use super::config::LimitsConfig;
use super::framing::Departs;
use super::pace::Pace;

/// A stream that can be given up, so that its close waits for nobody.
pub(super) trait GiveUp {
    /// What was written and not read is thrown away when the stream is closed. Else the kernel would hold it for a client
    /// that does not read, for minutes.
    fn give_up(&self);

    /// It closes as others do again.
    fn keep(&self);
}

/// The stream of one connection to a client.
#[derive(Debug)]
pub(super) struct ClientStream<S> {
    stream: S,
    activity: Arc<Activity>,
    pace: Pace,
    /// Whether the last write had to wait.
    waits: bool,
    /// Whether the end of the connection would be a reset, because it would be taken for the end of an answer.
    resets: bool,
}

impl<S: GiveUp> ClientStream<S> {
    /// Watches over `stream`, and tells `activity` what goes over it.
    pub(super) fn new(stream: S, activity: Arc<Activity>, limits: &LimitsConfig) -> Self {
        Self {
            stream,
            activity,
            pace: Pace::new(limits.write_time.get(), limits.body_rate.get()),
            waits: false,
            resets: false,
        }
    }

    /// Something of an answer is to be written.
    fn writes(&mut self) {
        if !self.resets && self.activity.ends_with_close() {
            self.resets = true;
            self.stream.give_up();
        }
    }

    /// All of an answer is written.
    fn wrote_all(&mut self) {
        if self.resets && !self.activity.was_too_slow() {
            self.resets = false;
            self.stream.keep();
        }
    }

    /// The stream itself.
    pub(super) const fn inner(&self) -> &S {
        &self.stream
    }

    /// What became of an attempt to write.
    fn wrote(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Pending => {
                if !self.waits {
                    self.waits = true;
                    self.activity.set_writing(true);
                }
                if self.pace.is_too_slow(context) {
                    self.activity.set_too_slow();
                    self.stream.give_up();
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
            Poll::Ready(done) => {
                self.pace.came(*done.as_ref().unwrap_or(&0));
                if self.waits {
                    self.waits = false;
                    self.activity.set_writing(false);
                }
            }
        }
        result
    }
}

impl<S: Departs> Departs for ClientStream<S> {
    fn has_departed(&self, context: &mut Context<'_>) -> bool {
        self.stream.has_departed(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + GiveUp + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writes();
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writes();
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wrote_all();
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::config::{ByteSize, Duration as Span};

    impl GiveUp for DuplexStream {
        fn give_up(&self) {}
        fn keep(&self) {}
    }

    /// A stream whose other end takes 1000 bytes unread.
    fn watched() -> (ClientStream<DuplexStream>, DuplexStream, Arc<Activity>) {
        let (near, far) = duplex(1000);
        let activity = Arc::new(Activity::new(Instant::now()));
        let limits = LimitsConfig {
            write_time: Span::seconds(10),
            body_rate: ByteSize::bytes(100),
            ..LimitsConfig::default()
        };
        let stream = ClientStream::new(near, Arc::clone(&activity), &limits);
        (stream, far, activity)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_reads_ends_at_its_time() {
        let (mut near, _far, activity) = watched();
        let began = Instant::now();
        let error = near.write_all(&[0; 2000]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), Duration::from_secs(10));
        assert!(activity.was_too_slow());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_trickles_ends_and_a_slow_one_does_not() {
        for (bytes_a_second, expected) in [(20, false), (150, true)] {
            let (mut near, mut far, activity) = watched();
            let reading = tokio::spawn(async move {
                let mut piece = vec![0; bytes_a_second];
                while far.read_exact(&mut piece).await.is_ok() {
                    sleep(Duration::from_secs(1)).await;
                }
            });
            let written = near.write_all(&[0; 20_000]).await;
            assert_eq!(written.is_ok(), expected, "{bytes_a_second}");
            assert_eq!(activity.was_too_slow(), !expected);
            reading.abort();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_upstream_costs_no_client_its_connection() {
        let (mut near, mut far, _) = watched();
        let reading = tokio::spawn(async move { far.read_to_end(&mut Vec::new()).await });
        for _ in 0..10 {
            near.write_all(b"x").await.expect("somebody reads");
            sleep(Duration::from_secs(3600)).await;
        }
        drop(near);
        assert!(matches!(reading.await, Ok(Ok(10))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_idles_between_requests_only() {
        let (mut near, mut far, activity) = watched();
        let base = Instant::now();
        assert_eq!(activity.idle_since(), Some(base));
        activity.turns().set_under_way(true);
        assert_eq!(activity.idle_since(), None);
        activity.turns().set_under_way(false);
        let request = activity.serve();
        sleep(Duration::from_secs(5)).await;
        drop(request);
        assert_eq!(activity.idle_since(), Some(base + Duration::from_secs(5)));
        assert!(activity.was_used());
        // The answer is not on its way yet.
        let rest = tokio::spawn(async move {
            near.write_all(&[0; 1500]).await.expect("somebody reads");
            near
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(activity.idle_since(), None);
        far.read_exact(&mut [0; 1500]).await.expect("all of it");
        let _near = rest.await.expect("no panic");
        assert_eq!(activity.idle_since(), Some(base + Duration::from_secs(6)));
    }
}
