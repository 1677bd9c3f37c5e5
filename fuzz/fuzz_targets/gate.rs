//! Streams of any bytes through the framing gate: it sees the same whatever the pieces, and hyper sees the boundaries that
//! it sees.

#![no_main]

use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use portcullis::proxy::framing::{Fault, Gate, GateLimits, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};

const LIMITS: GateLimits = GateLimits { head: 8192, headers: 30, uri: 8192 };

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

/// The whole messages of a stream that comes in pieces of `piece` bytes, and what is wrong after them.
fn gated(bytes: &[u8], piece: usize) -> (Vec<Range<usize>>, Option<Fault>) {
    let mut gate = Gate::new(LIMITS);
    let (mut messages, mut at, mut begin, mut shown) = (Vec::new(), 0, 0, 0);
    while shown < bytes.len() {
        shown = shown.saturating_add(piece).min(bytes.len());
        loop {
            match gate.scan(&bytes[at..shown]) {
                Ok(Step::Wait) => break,
                Ok(Step::Skip(length)) => {
                    at += length;
                    begin = at;
                }
                Ok(Step::Pass(length)) => {
                    assert!(length > 0 && at + length <= shown);
                    at += length;
                    if gate.is_between() {
                        messages.push(begin..at);
                        begin = at;
                    }
                }
                Err(stop) => {
                    assert!(stop.part.start <= stop.part.end && stop.part.end <= shown - at);
                    assert!(gate.scan(&bytes[at..shown]).is_err());
                    return (messages, Some(stop.fault));
                }
            }
        }
    }
    (messages, None)
}

/// How many whole requests hyper sees in bytes that are followed by the end.
async fn hyper_sees(message: &[u8]) -> Result<usize, hyper::Error> {
    let (mut client, server) = tokio::io::duplex(1 << 16);
    let seen = Arc::new(Mutex::new(0));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                frame.expect("a whole body");
            }
            *seen.lock().expect("a count") += 1;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let mut builder = http1::Builder::new();
    builder.half_close(true).header_read_timeout(None).max_headers(LIMITS.headers).max_header_size(LIMITS.head);
    let sending = async {
        client.write_all(message).await.expect("an open pipe");
        client.shutdown().await.expect("an open pipe");
        let _ = client.read_to_end(&mut Vec::new()).await;
    };
    let (served, ()) = tokio::join!(builder.serve_connection(TokioIo::new(server), service), sending);
    served?;
    let seen = *seen.lock().expect("a count");
    Ok(seen)
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, bytes)) = input.split_first() else { return };
    let (messages, fault) = gated(bytes, usize::MAX);
    let (in_pieces, fault_in_pieces) = gated(bytes, usize::from(*piece % 61) + 1);
    assert_eq!(messages, in_pieces);
    assert_eq!(fault.is_some(), fault_in_pieces.is_some(), "{fault:?} {fault_in_pieces:?}");
    for message in messages {
        let seen = RUNTIME.block_on(hyper_sees(&bytes[message]));
        assert!(matches!(seen, Ok(1)), "hyper sees {seen:?}");
    }
});
