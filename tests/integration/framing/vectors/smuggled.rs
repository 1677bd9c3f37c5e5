//! Streams in which one message could be taken for two, or two for one: the first goes on, and what comes after is either
//! a message of its own or refused.

use super::{Seen, Vector, forwarded, forwarded_then, seen};

fn post(body: &'static str) -> Seen {
    seen("POST", "/1").body(body)
}

pub fn smuggled() -> Vec<Vector> {
    vec![
        forwarded_then(
            "a length that is too short, and a line",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc=d\r\n\r\n",
            vec![post("abc")],
            400,
            "start_line",
        ),
        forwarded_then(
            "chunks, then garbage",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n0\r\n\r\n",
            vec![post("abc")],
            400,
            "start_line",
        ),
        forwarded_then(
            "a good request, then one without a Host",
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\n\r\n",
            vec![seen("GET", "/1")],
            400,
            "no_host",
        ),
        forwarded_then(
            "a good request, then both framings",
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            vec![seen("GET", "/1")],
            400,
            "both_framings",
        ),
        forwarded_then(
            "two good requests, then a bare LF",
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\nHost: a\n\n",
            vec![seen("GET", "/1"), seen("HEAD", "/2")],
            400,
            "bare_lf",
        ),
        forwarded_then(
            "a good request, then CONNECT",
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nCONNECT a:22 HTTP/1.1\r\nHost: a:22\r\n\r\nSSH-2.0-x\r\n",
            vec![seen("GET", "/1")],
            405,
            "method",
        ),
        forwarded_then(
            "a good request, then chunks that are none",
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nGET /3 HTTP/1.1\r\n\r\n",
            vec![seen("GET", "/1")],
            400,
            "chunk_size",
        ),
        forwarded_then(
            "an upgrade to HTTP/2 in the clear, and its preface",
            b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            vec![seen("GET", "/1").with("upgrade", &[]).with("http2-settings", &[])],
            400,
            "http2_preface",
        ),
        forwarded_then(
            "an empty line more than may be skipped",
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("GET", "/1")],
            400,
            "start_line",
        ),
        forwarded(
            "a request within a body of known length",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
            vec![post("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\r\n")],
        ),
        forwarded(
            "a request within a chunk",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n23\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n",
            vec![post("GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")],
        ),
        forwarded(
            "the end of chunks within a body of known length",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            vec![post("0\r\n\r\n")],
        ),
        forwarded(
            "the end of chunks within a chunk",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n0\r\n\r\n\r\n0\r\n\r\n",
            vec![post("0\r\n\r\n")],
        ),
        forwarded(
            "a GET with a body, and a request behind it",
            b"GET /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("GET", "/1").body("body"), seen("GET", "/2")],
        ),
        forwarded(
            "a HEAD with a body",
            b"HEAD /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbodyGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("HEAD", "/1").body("body"), seen("GET", "/2")],
        ),
        forwarded(
            "an upgrade that stays here",
            b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("GET", "/1").with("upgrade", &[]).with("connection", &[]), seen("GET", "/2")],
        ),
        forwarded(
            "Connection names what must not go",
            b"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\n\r\n",
            vec![seen("GET", "/1").with("x-secret", &[])],
        ),
        forwarded(
            "Connection names the Host and the length",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nConnection: host, content-length\r\nContent-Length: 3\r\n\r\nabc",
            vec![post("abc").with("host", &["a"]).with("content-length", &["3"])],
        ),
        forwarded(
            "Connection names the coding",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            vec![post("abc")],
        ),
        forwarded(
            "a URL as target and another Host",
            b"GET http://b.example/1 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("GET", "/1").with("host", &["b.example"])],
        ),
        forwarded(
            "X-Forwarded-Host and the like do not route",
            b"GET /1 HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: evil\r\nX-Original-URL: /admin\r\n\r\n",
            vec![seen("GET", "/1").with("host", &["a"]).with("x-forwarded-host", &["a"])],
        ),
        forwarded(
            "a body behind a length of nothing",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("POST", "/1"), seen("GET", "/2")],
        ),
        forwarded(
            "Expect without a body",
            b"GET /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("GET", "/1"), seen("GET", "/2")],
        ),
        forwarded(
            "old clients and their framing",
            b"POST /1 HTTP/1.0\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\nabcGET /2 HTTP/1.0\r\n\r\n",
            vec![post("abc"), seen("GET", "/2")],
        ),
    ]
}
