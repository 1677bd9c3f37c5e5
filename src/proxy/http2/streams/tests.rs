use std::collections::VecDeque;
use std::convert::Infallible;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::*;

/// A body of pieces.
struct Pieces(VecDeque<&'static [u8]>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = self.0.pop_front();
        Poll::Ready(next.map(|piece| Ok(Frame::data(Bytes::from_static(piece)))))
    }
}

const SPAN: Duration = Duration::from_secs(10);

/// How long a task lives that answers with two pieces of a body and is `asked` for the second after a time.
async fn lives(asked_after: Duration, upstream_takes: Duration) -> (Duration, bool) {
    let (told, mut was_slow) = oneshot::channel();
    let told = std::sync::Mutex::new(Some(told));
    let streams = Streams::new(SPAN, 0, move || {
        let told = told.lock().expect("nobody panics").take();
        let _ = told.map(|told| told.send(()));
    });
    let (ended, end) = oneshot::channel::<()>();
    let began = Instant::now();
    streams.execute(async move {
        sleep(upstream_takes).await;
        let mut body = Answering::new(Pieces([&b"one"[..], b"two"].into()));
        let mut next = async || poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        next().await;
        sleep(asked_after).await;
        next().await;
        next().await;
        drop(ended);
    });
    let _ = end.await;
    tokio::task::yield_now().await;
    (began.elapsed(), was_slow.try_recv().is_ok())
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_loses_its_stream() {
    let second = Duration::from_secs(1);
    assert_eq!(lives(9 * second, second).await, (10 * second, false));
    assert_eq!(lives(3600 * second, second).await, (11 * second, true));
    // It is the upstream that is slow.
    assert_eq!(lives(second, 3600 * second).await, (3601 * second, false));
}
