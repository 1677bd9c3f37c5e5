//! gRPC: a client that nobody here wrote, through the proxy, to a server that speaks HTTP/2. And server-sent events.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::{Notify, mpsc};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::support::{Answer, Proxy, Upstream};

const WORD: &str = "detections:\n  - malicious_payload: { builtin: false, patterns: [{ id: word, words: [malicious] }] }\n";

/// The heads that a server has got, and over how many connections.
#[derive(Default)]
struct Seen {
    heads: Vec<(Version, HeaderMap)>,
    connections: usize,
}

/// A server that sends each message back as it comes, or fails where it is asked to.
pub struct Echo {
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

type Answers = StreamBody<ReceiverStream<Result<Frame<Bytes>, Infallible>>>;

impl Echo {
    pub fn start() -> Self {
        Self::start_for(usize::MAX)
    }

    /// The same, whose connections take so many requests each, and then say that they take no more.
    fn start_for(requests: usize) -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    told.lock().unwrap().connections += 1;
                    let (told, spent) = (Arc::clone(&told), Arc::new(Notify::new()));
                    let (over, count) = (Arc::clone(&spent), AtomicUsize::new(0));
                    let service = service_fn(move |request| {
                        if count.fetch_add(1, Ordering::SeqCst) + 1 >= requests {
                            over.notify_one();
                        }
                        let told = Arc::clone(&told);
                        async move { Ok::<_, Infallible>(answer(request, &told)) }
                    });
                    let builder = http2::Builder::new(TokioExecutor::new());
                    let connection = builder.serve_connection(TokioIo::new(stream), service);
                    tokio::spawn(async move {
                        let mut connection = std::pin::pin!(connection);
                        tokio::select! {
                            _ = &mut connection => return,
                            () = spent.notified() => connection.as_mut().graceful_shutdown(),
                        }
                        let _ = connection.await;
                    });
                }
            });
        });
        Self { address, seen }
    }

    fn last(&self) -> (Version, HeaderMap) {
        self.seen.lock().unwrap().heads.last().cloned().unwrap()
    }
}

fn answer(request: Request<Incoming>, seen: &Mutex<Seen>) -> Response<Answers> {
    let (head, mut body) = request.into_parts();
    seen.lock()
        .unwrap()
        .heads
        .push((head.version, head.headers));
    let (sender, receiver) = mpsc::channel(4);
    let mut response = Response::new(StreamBody::new(ReceiverStream::new(receiver)));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    if head.uri.path() == "/echo.Echo/Fail" {
        headers.insert("grpc-status", HeaderValue::from_static("5"));
        return response;
    }
    tokio::spawn(async move {
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data()
                && sender.send(Ok(Frame::data(data))).await.is_err()
            {
                return;
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let _ = sender.send(Ok(Frame::trailers(trailers))).await;
    });
    response
}

/// Messages as bytes.
#[derive(Clone, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

async fn client(proxy: &Proxy) -> Grpc<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", proxy.address)).unwrap();
    let mut client = Grpc::new(endpoint.connect().await.unwrap());
    client.ready().await.unwrap();
    client
}

async fn unary(
    client: &mut Grpc<Channel>,
    path: &'static str,
    message: &[u8],
) -> Result<Vec<u8>, Status> {
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(path);
    let request = tonic::Request::new(message.to_vec());
    client
        .unary(request, path, Raw)
        .await
        .map(tonic::Response::into_inner)
}

fn proxy(echo: &Echo, more: &str) -> Proxy {
    let yaml = format!(
        "upstream: {{ servers: [{{ url: 'http://{}' }}], http2: true }}\n{more}",
        echo.address
    );
    Proxy::start_with(echo.address, &yaml, portcullis::engine::Registry::default())
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(crate::support::PATIENCE, test)
            .await
            .unwrap()
    });
}

#[test]
fn calls_go_through_with_their_trailers() {
    let echo = Echo::start();
    let proxy = proxy(&echo, WORD);
    run(async {
        let mut client = client(&proxy).await;
        let answer = unary(&mut client, "/echo.Echo/Unary", b"hello").await;
        assert_eq!(answer.unwrap(), b"hello");
        let (version, headers) = echo.last();
        assert_eq!(version, Version::HTTP_2);
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["content-type"], "application/grpc");
        assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
        assert!(!headers.contains_key("host") && !headers.contains_key("transfer-encoding"));
        let long = vec![7; 3 << 20];
        assert_eq!(
            unary(&mut client, "/echo.Echo/Unary", &long).await.unwrap(),
            long
        );
        let failed = unary(&mut client, "/echo.Echo/Fail", b"x")
            .await
            .unwrap_err();
        assert_eq!(failed.code(), Code::NotFound);
    });
}

#[test]
fn a_call_streams_both_ways_message_by_message() {
    let echo = Echo::start();
    let proxy = proxy(&echo, &format!("limits: {{ body_time: 300ms }}\n{WORD}"));
    run(async {
        let mut client = client(&proxy).await;
        let (sender, receiver) = mpsc::channel(1);
        let path = http::uri::PathAndQuery::from_static("/echo.Echo/Stream");
        let first = b"first".to_vec();
        sender.send(first.clone()).await.unwrap();
        let request = tonic::Request::new(ReceiverStream::new(receiver));
        let mut answers = client
            .streaming(request, path, Raw)
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answers.next().await.unwrap().unwrap(), first);
        for n in 0..5_u8 {
            // Longer than any other body may pause.
            tokio::time::sleep(Duration::from_millis(if n == 2 { 700 } else { 5 })).await;
            sender.send(vec![n; 2000]).await.unwrap();
            assert_eq!(answers.next().await.unwrap().unwrap(), vec![n; 2000]);
        }
        drop(sender);
        assert!(answers.next().await.is_none());
    });
}

#[test]
fn the_head_is_judged_and_what_only_calls_itself_grpc_is_judged_whole() {
    let echo = Echo::start();
    let proxy = proxy(&echo, WORD);
    run(async {
        let mut client = client(&proxy).await;
        let mut request = tonic::Request::new(b"hello".to_vec());
        request
            .metadata_mut()
            .insert("x-note", "malicious".parse().unwrap());
        let path = http::uri::PathAndQuery::from_static("/echo.Echo/Unary");
        let refused = client.unary(request, path, Raw).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    });
    let text = proxy.post("/x", "application/grpc", b"{\"a\": \"malicious\"}");
    assert_eq!((text.status, text.header("grpc-status")), (403, Some("7")));
    assert_eq!(echo.seen.lock().unwrap().heads.len(), 0);
}

#[test]
fn calls_share_connections_and_clients_of_http_1_are_served() {
    let echo = Echo::start();
    let proxy = proxy(&echo, WORD);
    run(async {
        let mut client = client(&proxy).await;
        for n in 0..50_u8 {
            assert_eq!(
                unary(&mut client, "/echo.Echo/Unary", &[n]).await.unwrap(),
                [n]
            );
        }
    });
    assert_eq!(echo.seen.lock().unwrap().connections, 1);
    let answer = proxy.get_with("/x", &[("Host", "h1.example")]);
    assert_eq!((answer.status, answer.complete), (200, true));
    let (version, headers) = echo.last();
    assert_eq!(version, Version::HTTP_2);
    assert!(!headers.contains_key("connection") && !headers.contains_key("te"));
    let posted = proxy.post("/x", "application/octet-stream", b"\x00\x01\x02");
    assert_eq!(
        (posted.status, &posted.body[..]),
        (200, &b"\x00\x01\x02"[..])
    );
}

#[test]
fn a_server_that_ends_its_connections_costs_no_call() {
    let echo = Echo::start_for(3);
    let proxy = proxy(&echo, WORD);
    run(async {
        let mut client = client(&proxy).await;
        for n in 0..30_u8 {
            assert_eq!(
                unary(&mut client, "/echo.Echo/Unary", &[n]).await.unwrap(),
                [n]
            );
        }
    });
    let connections = echo.seen.lock().unwrap().connections;
    assert!((8..=30).contains(&connections), "{connections}");
}

#[test]
fn events_come_as_they_happen() {
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let event = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
    let pieces = vec![
        head.to_vec(),
        event("data: 1\n\n"),
        event("data: 2\n\n"),
        b"0\r\n\r\n".to_vec(),
    ];
    let pause = Duration::from_millis(400);
    let upstream = Upstream::start(move |_| Answer::Pieces(pieces.clone(), pause));
    // Longer than other answers may pause.
    let idle = format!(
        "upstream: {{ servers: [{{ url: 'http://{}' }}], idle_timeout: 200ms }}\n{WORD}",
        upstream.address
    );
    let proxy = Proxy::start(&upstream, &idle);
    let mut client = proxy.connect();
    client.request("GET", "/events", &[], b"");
    let answer = client.head();
    let mut first = [0; 14];
    std::io::Read::read_exact(client.reader(), &mut first).unwrap();
    assert_eq!(&first, b"9\r\ndata: 1\n\n\r\n");
    let whole = client.body_of(answer, "GET");
    assert_eq!(
        (whole.text().as_str(), whole.complete),
        ("data: 2\n\n", true)
    );
}
