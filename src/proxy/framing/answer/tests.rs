//! The gate before hyper, against a parser that shares nothing with either: what hyper makes of an answer that passed is
//! what the parser makes of it, and what the parser finds in order passes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Poll};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::*;

impl Peek for DuplexStream {
    fn peek(&self) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// What became of an answer.
#[derive(Debug, PartialEq)]
enum Seen {
    /// Status and body, whole.
    Whole(u16, Vec<u8>),
    /// It was refused or cut.
    Not,
}

/// Sends a request with this method through a gate, and answers it with `bytes`, `piece` bytes at a time, and the end.
async fn through_the_gate(method: &str, bytes: &[u8], piece: usize) -> (Seen, Option<Wrong>, bool) {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let wire = Arc::new(Wire::default());
    let told = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&told);
    let unsolicited = Box::new(move || tell.store(true, Ordering::Release));
    let gate = AnswerGate::new(near, Arc::clone(&wire), unsolicited);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(gate))
        .await
        .expect("a connection");
    let connection = tokio::spawn(async move { drop(connection.await) });
    let pieces: Vec<Vec<u8>> = bytes.chunks(piece.max(1)).map(<[u8]>::to_vec).collect();
    tokio::spawn(async move {
        let read = far.read(&mut [0; 4096]).await.expect("a request");
        assert!(read > 0);
        for piece in pieces {
            if far.write_all(&piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    });
    wire.expect_answer(method == "HEAD");
    let request = http::Request::builder()
        .method(method)
        .uri("/")
        .body(Empty::<bytes::Bytes>::new())
        .expect("a request");
    let seen = match sender.send_request(request).await {
        Err(_) => Seen::Not,
        Ok(response) => {
            let status = response.status().as_u16();
            #[expect(clippy::disallowed_methods, reason = "it is limited")]
            let body = Limited::new(response.into_body(), 1 << 20).collect().await;
            body.map_or(Seen::Not, |body| {
                Seen::Whole(status, body.to_bytes().to_vec())
            })
        }
    };
    connection.await.expect("the end of the connection");
    (seen, wire.fault(), told.load(Ordering::Acquire))
}

/// A connection on which something waits in the kernel that the runtime has not learnt of.
struct Blind(usize);

impl Peek for Blind {
    fn peek(&self) -> io::Result<usize> {
        Ok(self.0)
    }
}

impl AsyncRead for Blind {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Blind {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_came_before_a_request_is_noticed_before_it_is_written() {
    for (waiting, told) in [(1, true), (0, false)] {
        let wire = Arc::new(Wire::default());
        let seen = Arc::new(AtomicBool::new(false));
        let tell = Arc::clone(&seen);
        let unsolicited = Box::new(move || tell.store(true, Ordering::Release));
        let gate = AnswerGate::new(Blind(waiting), Arc::clone(&wire), unsolicited);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(gate))
            .await
            .expect("a connection");
        wire.expect_answer(false);
        let request = http::Request::new(Empty::<bytes::Bytes>::new());
        let sent = sender.try_send_request(request);
        let (sent, _) = tokio::join!(sent, connection);
        // It comes back whole, so that it can go over another connection, whatever its method is.
        let mut error = sent.expect_err("it was not sent");
        assert!(error.take_message().is_some());
        assert_eq!(seen.load(Ordering::Acquire), told);
    }
}

// === A parser of answers, as the RFC words it and not a byte more ===

/// The status and body of the one answer that `bytes` begin with, and whether anything follows it.
fn parsed(method: &str, bytes: &[u8]) -> Option<(u16, Vec<u8>, bool)> {
    let mut rest = bytes;
    for _ in 0..=MAX_INTERIM {
        let (line, mut after) = one_line(rest)?;
        let text = line.strip_prefix(b"HTTP/1.1 ").map(|text| (text, false));
        let (text, is_old) = text.or_else(|| Some((line.strip_prefix(b"HTTP/1.0 ")?, true)))?;
        let digits = text
            .get(..3)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let status: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let reason = &text[3..];
        if !(100..600).contains(&status)
            || !(reason.is_empty() || reason[0] == b' ')
            || !is_text(reason)
        {
            return None;
        }
        let (mut length, mut chunked) = (None, false);
        loop {
            let (line, next) = one_line(after)?;
            after = next;
            if line.is_empty() {
                break;
            }
            let (name, value) = one_field(line)?;
            match name.as_str() {
                "content-length" if length.is_none() => length = Some(number(&value, 10)?),
                "transfer-encoding" if !chunked && value.eq_ignore_ascii_case("chunked") => {
                    chunked = true
                }
                "content-length" | "transfer-encoding" => return None,
                _ => {}
            }
        }
        if chunked && (length.is_some() || is_old) {
            return None;
        }
        let claims = chunked || length.is_some_and(|length| length > 0);
        match status {
            101 => return None,
            100..200 if claims => return None,
            100..200 => rest = after,
            204 if claims => return None,
            204 | 304 => return Some((status, Vec::new(), !after.is_empty())),
            _ if method == "HEAD" => return Some((status, Vec::new(), !after.is_empty())),
            _ if chunked => {
                let (body, after) = all_chunks(after)?;
                return Some((status, body, !after.is_empty()));
            }
            _ => {
                let Some(length) = length else {
                    return Some((status, after.to_vec(), false));
                };
                let length = usize::try_from(length).ok()?;
                return Some((status, after.get(..length)?.to_vec(), after.len() > length));
            }
        }
    }
    None
}

fn one_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes[..end].strip_suffix(b"\r")?, &bytes[end + 1..]))
}

fn one_field(line: &[u8]) -> Option<(String, String)> {
    let line: String = line.iter().map(|byte| char::from(*byte)).collect();
    let (name, value) = line.split_once(':')?;
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(token) || !is_text(value.as_bytes()) {
        return None;
    }
    let name = name.to_ascii_lowercase();
    // What some take for the header that frames is none, and is not let pass either.
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let exact = ["content-length", "transfer-encoding", "host"];
    if ["contentlength", "transferencoding", "host"].contains(&letters.as_str())
        && !exact.contains(&name.as_str())
    {
        return None;
    }
    Some((name, value.trim_matches([' ', '\t']).to_owned()))
}

fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| *byte == b'\t' || !byte.is_ascii_control())
}

fn number(text: &str, radix: u32) -> Option<u64> {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
    let leading_zero = radix == 10 && text.len() > 1 && text.starts_with('0');
    u64::from_str_radix(text, radix)
        .ok()
        .filter(|number| plain && !leading_zero && text.len() <= 16 && *number < 1 << 53)
}

fn all_chunks(mut bytes: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut body = Vec::new();
    loop {
        let (line, rest) = one_line(bytes)?;
        let line = std::str::from_utf8(line).ok()?;
        let (size, extension) = line.split_once(';').unwrap_or((line, "x"));
        let simple = extension.chars().all(|c| c.is_ascii_alphanumeric());
        if extension.is_empty() || !simple {
            return None;
        }
        let size = usize::try_from(number(size, 16)?).ok()?;
        bytes = rest;
        if size == 0 {
            loop {
                let (line, rest) = one_line(bytes)?;
                bytes = rest;
                if line.is_empty() {
                    return Some((body, bytes));
                }
                one_field(line)?;
            }
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = bytes.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

// === The two together ===

fn agree(method: &str, bytes: &[u8], piece: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let (seen, fault, told) = runtime.block_on(through_the_gate(method, bytes, piece));
    let what = format!("{method} {} by {piece}: {fault:?}", bytes.escape_ascii());
    match parsed(method, bytes) {
        Some((status, body, surplus)) => {
            assert_eq!(seen, Seen::Whole(status, body), "{what}");
            // Where the connection ends with the answer, nobody looks at what comes after.
            let ends = [&b"HTTP/1.0"[..], b"close"]
                .iter()
                .any(|end| bytes.windows(end.len()).any(|window| window == *end));
            assert!(
                told == surplus || (surplus && ends && piece < bytes.len()),
                "{what}: told {told}"
            );
        }
        None => assert_eq!(seen, Seen::Not, "{what}"),
    }
}

/// What answers are made of, the good and the bad.
const PARTS: [&str; 52] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304 Not Modified\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\n",
    "HTTP/1.1 404\r\n",
    "HTTP/1.2 200 OK\r\n",
    "HTTP/1.1 2000 OK\r\n",
    "Content-Length: 5\r\n",
    "content-length:5\r\n",
    "Content-Length: 0\r\n",
    "Content-Length: 05\r\n",
    "Content-Length: 5, 5\r\n",
    "Content-Length: +5\r\n",
    "Content-Length : 5\r\n",
    "Content-Length: 5\n",
    "Content-Length: 5\t\r\n",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding:\tCHUNKED \r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "Transfer-Encoding: \x0bchunked\r\n",
    "Transfer-Encoding:\r\n chunked\r\n",
    "X-A: b\r\n",
    "X-A: b\0\r\n",
    "X-A: b\rc\r\n",
    " folded\r\n",
    "X A: b\r\n",
    "Connection: close\r\n",
    "\r\n",
    "\r\n",
    "\r\n",
    "\n",
    "\r",
    "hello",
    "hello",
    "5\r\n",
    "5\r\nhello\r\n",
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\n\r\n",
    "0\r\nX-T: 1\r\n\r\n",
    "5;ext\r\nhello\r\n",
    "5 \r\nhello\r\n",
    "0x5\r\nhello\r\n",
    "5\nhello\n",
    "fffffffffffffffff\r\n",
    "00\r\n\r\n",
    "\0",
];

#[test]
fn the_gate_and_hyper_see_what_is_written() {
    let good = [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
    ]
    .concat();
    for (method, bytes) in [
        ("GET", good.as_str()),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\n\r\nhello"),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        ),
    ] {
        assert!(parsed(method, bytes.as_bytes()).is_some(), "{bytes}");
        for piece in 1..bytes.len() {
            agree(method, bytes.as_bytes(), piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn any_answer_is_read_in_one_way(
        head in prop::sample::select(vec!["GET", "GET", "POST", "HEAD"]),
        start in 0..5_usize,
        parts in prop::collection::vec(0..PARTS.len(), 1..9),
        piece in prop::sample::select(vec![1_usize, 2, 3, 7, 20, 1000]),
    ) {
        let mut bytes = PARTS[start].as_bytes().to_vec();
        for part in parts {
            bytes.extend_from_slice(PARTS[part].as_bytes());
        }
        agree(head, &bytes, piece);
    }

    #[test]
    fn a_good_answer_with_one_byte_changed_is_read_in_one_way(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        which in 0..3_usize,
        piece in prop::sample::select(vec![1_usize, 5, 1000]),
    ) {
        let mut bytes = [
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\nX-T: 1\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        ][which].to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        agree("GET", &bytes, piece);
    }
}
