//! The gate in a connection to hyper, without a socket and with time that is passed by hand.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;

const LIMITS: GateLimits = GateLimits {
    head: 8192,
    headers: 100,
    uri: 8192,
};
const HEAD_TIME: Duration = Duration::from_secs(10);
const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server with the gate in front of it.
struct Server {
    client: DuplexStream,
    turns: Arc<Turns>,
    /// Requests that reached the service.
    begun: Arc<AtomicUsize>,
    /// As many answers are given as there are permits.
    leave: Arc<Semaphore>,
    serving: JoinHandle<hyper::Result<()>>,
}

/// A server whose answers have `length` bytes, over a pipe that takes `pipe` bytes each way.
fn server(length: usize, pipe: usize) -> Server {
    let (client, stream) = duplex(pipe);
    let turns = Arc::new(Turns::default());
    let (begun, leave) = (Arc::default(), Arc::new(Semaphore::new(0)));
    let gated = Gated::new(stream, LIMITS, HEAD_TIME, Arc::clone(&turns));
    let service = {
        let (turns, begun, leave) = (Arc::clone(&turns), Arc::clone(&begun), Arc::clone(&leave));
        service_fn(move |request: Request<Incoming>| {
            let (turn, leave) = (turns.begin(), Arc::clone(&leave));
            AtomicUsize::fetch_add(&begun, 1, Ordering::SeqCst);
            async move {
                let mut body = request.into_body();
                while let Some(Ok(_)) = body.frame().await {}
                leave.acquire().await.expect("open").forget();
                let body = Full::new(Bytes::from(vec![b'x'; length]));
                Ok::<_, Infallible>(Response::new(Answer::new(body, turn)))
            }
        })
    };
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder.header_read_timeout(None);
    let serving = tokio::spawn(async move {
        let mut serving = builder.serve_connection(TokioIo::new(gated), service);
        (&mut serving).await?;
        serving.into_parts().io.into_inner().close().await;
        Ok(())
    });
    Server {
        client,
        turns,
        begun,
        leave,
        serving,
    }
}

impl Server {
    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.expect("an open pipe");
    }

    /// Lets everything happen that can without time passing.
    async fn settle(&self) {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// What comes until the end.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.client.read_to_end(&mut rest).await;
        String::from_utf8_lossy(&rest).into_owned()
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_until_the_one_before_is_answered() {
    let mut server = server(2, 1 << 16);
    server.send(&GET.repeat(3)).await;
    for answered in 0..3 {
        server.settle().await;
        assert_eq!(server.begun(), answered + 1);
        server.leave.add_permits(1);
    }
    server.settle().await;
    assert_eq!(server.begun(), 3);
    assert_eq!(server.turns.answered(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_time_for_a_head_begins_when_the_answer_before_is_written() {
    let mut server = server(2, 1 << 16);
    server.send(GET).await;
    // However long the service takes, and although half of the next head is there.
    server.send(b"GET / HTTP/1.1\r\n").await;
    sleep(HEAD_TIME * 5).await;
    server.leave.add_permits(9);
    sleep(HEAD_TIME - Duration::from_secs(1)).await;
    server.send(b"Host: a\r\n\r\n").await;
    server.settle().await;
    assert_eq!(server.begun(), 2);
    // A connection that idles is not the gate's business; a head that has begun is, from its first byte.
    sleep(HEAD_TIME * 5).await;
    server.send(b"G").await;
    let begun = Instant::now();
    let answers = server.rest().await;
    assert_eq!(begun.elapsed(), HEAD_TIME);
    // The last one is that of the stand-in.
    assert_eq!(answers.matches("200 OK").count(), 3, "{answers}");
    let refused = server.turns.untold().expect("a refusal");
    assert_eq!(refused.fault, Fault::HeadTime);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_cut_by_the_time_for_a_head() {
    // The answer is longer than the pipe, so its last part waits in hyper while the client reads nothing.
    let mut server = server(5000, 1024);
    server.leave.add_permits(1);
    server.send(GET).await;
    sleep(HEAD_TIME * 3).await;
    let mut answer = Vec::new();
    let mut piece = [0; 512];
    while !answer.ends_with(&[b'x'; 5000]) {
        let length = server
            .client
            .read(&mut piece)
            .await
            .expect("more of the answer");
        assert!(length > 0, "cut after {} bytes", answer.len());
        answer.extend_from_slice(&piece[..length]);
    }
    server.client.shutdown().await.expect("an open pipe");
    assert_eq!(server.rest().await, "");
    assert!(server.turns.untold().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_its_number_and_its_turn() {
    let mut server = server(2, 1 << 16);
    server
        .send(&[GET, b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", GET].concat())
        .await;
    server.settle().await;
    assert_eq!(server.begun(), 1);
    server.leave.add_permits(1);
    server.settle().await;
    // The stand-in reaches the service, and nothing after it.
    assert_eq!(server.begun(), 2);
    server.leave.add_permits(9);
    let answers = server.rest().await;
    assert_eq!(answers.matches("200 OK").count(), 2, "{answers}");
    assert_eq!(server.begun(), 2);
    // Nobody asked for it, so it is told at the end.
    let refused = server.turns.untold().expect("a refusal");
    assert_eq!(
        (refused.fault, refused.is_in_body),
        (Fault::SpaceBeforeColon, false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_turn_knows_its_own_refusal_only() {
    let turns = Arc::new(Turns::default());
    let (first, second) = (turns.begin(), turns.begin());
    let mut gate = Gate::new(LIMITS);
    let stop = gate.scan(b"get / HTTP/1.1\r\n").expect_err("a refusal");
    turns.refuse_head(1, Refused::head(&stop, b"get / HTTP/1.1\r\n"));
    assert!(first.refused_head().is_none() && first.turns().refused_body().is_none());
    assert!(second.turns().refused_body().is_none());
    assert_eq!(
        second.refused_head().map(|refused| refused.fault),
        Some(Fault::Method)
    );
    assert!(second.refused_head().is_none() && turns.untold().is_none());
    drop((first, second));
    assert_eq!(turns.answered(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_still_sends_after_a_refusal_is_read_for_a_moment() {
    for before in [
        "",
        // hyper does not close a connection that it takes to be another's after this.
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ] {
        let mut server = server(2, 1024);
        server.leave.add_permits(9);
        let refused = format!("{before}GET / HTTP/1.1\r\nHost : a\r\n\r\n");
        server.send(refused.as_bytes()).await;
        // The pipe holds a kilobyte: that it takes more shows that it is read from.
        let begun = Instant::now();
        let mut sent = 0;
        while server.client.write_all(&[b'x'; 1000]).await.is_ok() {
            sent += 1000;
            sleep(Duration::from_millis(10)).await;
        }
        assert!(sent >= 50_000, "{sent} bytes after {before:?}");
        let moment = begun.elapsed();
        assert!(moment < Duration::from_secs(2), "{moment:?}");
        assert!(server.rest().await.starts_with("HTTP/1.1 200 OK"));
        server.settle().await;
        assert!(server.serving.is_finished());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_all_of_it_is_let_go_at_once() {
    let mut server = server(2, 1024);
    server.leave.add_permits(1);
    let begun = Instant::now();
    server
        .send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(server.rest().await.ends_with("xx"));
    server.settle().await;
    assert!(server.serving.is_finished());
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_side_still_gets_an_answer_that_is_near() {
    let mut server = server(2, 1 << 16);
    server.send(&GET.repeat(2)).await;
    server.client.shutdown().await.expect("an open pipe");
    for _ in 0..2 {
        sleep(Duration::from_millis(100)).await;
        server.leave.add_permits(1);
    }
    let answers = server.rest().await;
    assert_eq!(answers.matches("200 OK").count(), 2, "{answers}");
    server.settle().await;
    assert!(server.serving.is_finished());
    assert!(server.turns.untold().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_gone_takes_its_request_with_it_before_a_second_is_over() {
    for ahead in [&b""[..], GET, &GET[..10]] {
        let mut server = server(2, 1 << 16);
        server.send(&[GET, ahead].concat()).await;
        server.client.shutdown().await.expect("an open pipe");
        let begun = Instant::now();
        assert_eq!(server.rest().await, "");
        assert!(
            begun.elapsed() < Duration::from_secs(1) / 2,
            "{:?}",
            begun.elapsed()
        );
        server.settle().await;
        assert!(server.serving.is_finished());
        assert_eq!(server.begun(), 1);
    }
}

// === Without hyper ===

type Read = (Poll<std::io::Result<()>>, Vec<u8>);

/// Reads what is there into a buffer of this size.
impl Departs for DuplexStream {
    fn has_departed(&self, _: &mut Context<'_>) -> bool {
        false
    }
}

fn read<S: AsyncRead + AsyncWrite + Departs + Unpin>(gated: &mut Gated<S>, size: usize) -> Read {
    let mut bytes = vec![0; size];
    let mut buffer = ReadBuf::new(&mut bytes);
    let polled = Pin::new(gated).poll_read(&mut Context::from_waker(Waker::noop()), &mut buffer);
    let filled = buffer.filled().to_vec();
    (polled, filled)
}

fn flush<S: AsyncRead + AsyncWrite + Departs + Unpin>(gated: &mut Gated<S>) {
    let flushed = Pin::new(gated).poll_flush(&mut Context::from_waker(Waker::noop()));
    assert!(flushed.is_ready());
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_holds_no_buffer() {
    let (mut client, stream) = duplex(1 << 16);
    let turns = Arc::new(Turns::default());
    let mut gated = Gated::new(stream, LIMITS, HEAD_TIME, Arc::clone(&turns));
    assert_eq!(gated.held_capacity(), 0);
    for _ in 0..3 {
        // A head in two pieces, a request ahead, a line of a body that is cut.
        client.write_all(&GET[..20]).await.expect("a pipe");
        assert!(read(&mut gated, 8192).0.is_pending());
        assert!(gated.held_capacity() > 0);
        client
            .write_all(&[&GET[20..], GET].concat())
            .await
            .expect("a pipe");
        assert_eq!(read(&mut gated, 8192).1, GET);
        drop(turns.begin());
        flush(&mut gated);
        assert_eq!(read(&mut gated, 8192).1, GET);
        assert_eq!(gated.held_capacity(), 0);
        drop(turns.begin());
        flush(&mut gated);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_ahead_is_bounded() {
    let (mut client, stream) = duplex(1 << 20);
    let mut gated = Gated::new(stream, LIMITS, HEAD_TIME, Arc::new(Turns::default()));
    client.write_all(&GET.repeat(30_000)).await.expect("a pipe");
    assert_eq!(read(&mut gated, 8192).1, GET);
    for _ in 0..100 {
        let (polled, bytes) = read(&mut gated, 8192);
        assert!(polled.is_pending() && bytes.is_empty());
    }
    assert!(
        gated.held_capacity() <= 128 * 1024,
        "{}",
        gated.held_capacity()
    );
}

#[tokio::test(start_paused = true)]
async fn a_head_is_handed_over_whole_into_a_small_buffer_as_well() {
    let (mut client, stream) = duplex(1 << 16);
    let mut gated = Gated::new(stream, LIMITS, HEAD_TIME, Arc::new(Turns::default()));
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
        "b".repeat(2000)
    );
    client
        .write_all(&head.as_bytes()[..2000])
        .await
        .expect("a pipe");
    for _ in 0..30 {
        assert!(read(&mut gated, 100).0.is_pending());
    }
    client
        .write_all(&head.as_bytes()[2000..])
        .await
        .expect("a pipe");
    let mut whole = Vec::new();
    while whole.len() < head.len() {
        let (polled, bytes) = read(&mut gated, 100);
        assert!(polled.is_ready() && !bytes.is_empty());
        whole.extend(bytes);
    }
    assert_eq!(whole, head.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn what_is_right_of_a_body_goes_on_before_what_is_wrong_is_an_error() {
    let (mut client, stream) = duplex(1 << 16);
    let turns = Arc::new(Turns::default());
    let mut gated = Gated::new(stream, LIMITS, HEAD_TIME, Arc::clone(&turns));
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
    client
        .write_all(&[&head[..], b"x\r\n"].concat())
        .await
        .expect("a pipe");
    let turn = turns.begin();
    let mut passed = Vec::new();
    let error = loop {
        match read(&mut gated, 40) {
            (Poll::Ready(Ok(())), bytes) => passed.extend(bytes),
            (Poll::Ready(Err(error)), _) => break error,
            (Poll::Pending, _) => panic!("neither"),
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert_eq!(passed, head);
    let refused = turn.turns().refused_body().expect("a refusal");
    assert_eq!(
        (refused.fault, refused.is_in_body),
        (Fault::ChunkSize, true)
    );
}

#[test]
fn a_head_byte_by_byte_is_looked_at_once() {
    // Quadratic work on the longest head would be 2^29 steps here, which takes minutes unoptimised.
    let limits = GateLimits {
        head: 32 * 1024,
        headers: 100,
        uri: 8192,
    };
    let mut gate = Gate::new(limits);
    let head = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n",
        "b".repeat(32_000)
    );
    for shown in 1..head.len() {
        assert_eq!(gate.scan(&head.as_bytes()[..shown]), Ok(Step::Wait));
    }
    assert_eq!(gate.scan(head.as_bytes()), Ok(Step::Pass(head.len())));
}
