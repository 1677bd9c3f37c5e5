//! Requests that are unusual and in order: each has to arrive as it was meant.

use super::{Seen, Vector, forwarded, seen};

/// A GET with these lines.
fn get(name: &str, lines: &str, seen: Seen) -> Vector {
    forwarded(
        name,
        format!("GET / HTTP/1.1\r\n{lines}\r\n\r\n").as_bytes(),
        vec![seen],
    )
}

/// A GET with this target.
fn target(name: &str, target: &'static str) -> Vector {
    forwarded(
        name,
        format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
        vec![seen("GET", target)],
    )
}

/// A method without a body.
fn method(method: &'static str) -> Vector {
    forwarded(
        &format!("the method {method}"),
        format!("{method} /m HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
        vec![seen(method, "/m")],
    )
}

/// A POST in chunks.
fn chunked(name: &str, chunks: &str, body: &'static str) -> Vector {
    forwarded(
        name,
        format!("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}")
            .as_bytes(),
        vec![seen("POST", "/c").body(body)],
    )
}

pub fn polite() -> Vec<Vector> {
    [methods(), heads(), targets(), bodies(), streams()].concat()
}

fn methods() -> Vec<Vector> {
    [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "PATCH",
        "DELETE",
        "OPTIONS",
        "PROPFIND",
        "M-SEARCH",
        "VERSION-CONTROL",
        "PURGE",
        "REPORT",
        "X_CUSTOM",
        "QUERY",
        "HTTP2",
    ]
    .map(method)
    .to_vec()
}

fn heads() -> Vec<Vector> {
    let any = || seen("GET", "/");
    vec![
        get(
            "names in lower case",
            "host: a\r\naccept: */*",
            any().with("accept", &["*/*"]),
        ),
        get(
            "names in capitals",
            "HOST: a\r\nACCEPT: */*",
            any().with("accept", &["*/*"]),
        ),
        get(
            "names in mixed case",
            "hOsT: a\r\nx-MiXeD: Yes",
            any().with("x-mixed", &["Yes"]),
        ),
        get(
            "no space after the colon",
            "Host:a\r\nA:b",
            any().with("a", &["b"]),
        ),
        get(
            "much space around a value",
            "Host: \t a \t\r\nA:   b   ",
            any().with("a", &["b"]).with("host", &["a"]),
        ),
        get(
            "an empty value",
            "Host: a\r\nA:\r\nB: ",
            any().with("a", &[""]).with("b", &[""]),
        ),
        get(
            "a value of colons",
            "Host: a\r\nA: :b:",
            any().with("a", &[":b:"]),
        ),
        get(
            "a tab within a value",
            "Host: a\r\nA: b\tc",
            any().with("a", &["b\tc"]),
        ),
        get(
            "a field twice",
            "Host: a\r\nA: 1\r\nA: 2",
            any().with("a", &["1", "2"]),
        ),
        get(
            "a name of odd tokens",
            "Host: a\r\nx!#$%&'*+.^_`|~: b",
            any().with("x!#$%&'*+.^_`|~", &["b"]),
        ),
        get(
            "a name with an underscore",
            "Host: a\r\nX_Y: b",
            any().with("x_y", &["b"]),
        ),
        get(
            "a name of one letter",
            "Host: a\r\nT: b",
            any().with("t", &["b"]),
        ),
        get("UTF-8 in a value", "Host: a\r\nA: käse", any()),
        get("Host last", "A: b\r\nHost: a", any().with("host", &["a"])),
        get("a port", "Host: a:8080", any().with("host", &["a:8080"])),
        get(
            "a dot behind the name",
            "Host: a.example.",
            any().with("host", &["a.example."]),
        ),
        get(
            "an IPv4 address",
            "Host: 192.0.2.1:80",
            any().with("host", &["192.0.2.1:80"]),
        ),
        get(
            "an IPv6 address",
            "Host: [2001:db8::1]:80",
            any().with("host", &["[2001:db8::1]:80"]),
        ),
        get(
            "an underscore in the name of a host",
            "Host: a_b",
            any().with("host", &["a_b"]),
        ),
        get(
            "capitals in Host",
            "Host: A.Example",
            any().with("host", &["A.Example"]),
        ),
        get(
            "a length of nothing",
            "Host: a\r\nContent-Length: 0",
            any().with("content-length", &["0"]),
        ),
        get(
            "Expect in capitals",
            "Host: a\r\nExpect: 100-CONTINUE",
            any(),
        ),
        get(
            "Connection: keep-alive",
            "Host: a\r\nConnection: keep-alive",
            any(),
        ),
        get(
            "Connection twice",
            "Host: a\r\nConnection: a\r\nConnection: keep-alive, b\r\nA: 1\r\nB: 2",
            any().with("a", &[]).with("b", &[]),
        ),
        get(
            "TE",
            "Host: a\r\nTE: trailers\r\nConnection: TE",
            any().with("te", &[]),
        ),
        get(
            "names that are nearly framing",
            "Host: a\r\nContent-Language: de\r\nHostname: b\r\nTransfer-Encodings: c",
            any().with("hostname", &["b"]),
        ),
    ]
}

fn targets() -> Vec<Vector> {
    let absolute = |name: &str, target: &str, expected: &'static str| {
        forwarded(
            name,
            format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
            vec![seen("GET", expected).with("host", &["a"])],
        )
    };
    vec![
        target("two slashes", "//a//b"),
        target("an empty query", "/?"),
        target("question marks", "/a?b?c?"),
        target("percent signs that encode nothing", "/100%?a=%zz"),
        target("an encoded NUL", "/a%00b"),
        target("an encoded line end", "/a%0d%0ab:%20c"),
        target("brackets and braces", "/a[0]{b}?c[d]={e}"),
        target("a bar and a caret", "/a|b^c"),
        target("a quote in the path", "/a\"b\""),
        target("a backslash", "/a\\b"),
        target("a backtick in the query", "/?a=`b`"),
        target("UTF-8", "/käse?käse"),
        target("parameters", "/a;b=c;d"),
        target("a URL within", "/http://b/c"),
        target("sub-delimiters", "/!$&'()*+,;=:@-._~"),
        absolute("a URL", "http://a/b?c", "/b?c"),
        absolute("a URL without a path", "http://a", "/"),
        absolute("a URL in capitals", "HTTP://a/B", "/B"),
        absolute("a URL of https", "https://a/", "/"),
        forwarded(
            "OPTIONS of everything",
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("OPTIONS", "*")],
        ),
    ]
}

fn bodies() -> Vec<Vector> {
    vec![
        chunked("no chunk", "0\r\n\r\n", ""),
        chunked("one chunk", "3\r\nabc\r\n0\r\n\r\n", "abc"),
        chunked("digits in both cases", "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
        chunked("leading zeros", "0003\r\nabc\r\n00\r\n\r\n", "abc"),
        chunked("chunks of one byte", "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n", "abc"),
        chunked("line ends as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
        chunked("an extension", "3;a\r\nabc\r\n0\r\n\r\n", "abc"),
        chunked("an extension with a value", "3;a=b\r\nabc\r\n0;c=d\r\n\r\n", "abc"),
        chunked("a quoted extension", "3;a=\"b;c=\\\"\"\r\nabc\r\n0\r\n\r\n", "abc"),
        chunked("several extensions", "3;a;b=c;d=\"\"\r\nabc\r\n0\r\n\r\n", "abc"),
        forwarded(
            "the coding in capitals and space around",
            b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tCHUNKED \r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            vec![seen("POST", "/c").body("abc")],
        ),
        forwarded(
            "trailers that were announced",
            b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n",
            vec![seen("POST", "/c").body("abc").trailer("x-sum")],
        ),
        forwarded(
            "trailers that were not",
            b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n",
            vec![seen("POST", "/c").body("abc")],
        ),
        forwarded(
            "a body of known length",
            b"PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            vec![seen("PUT", "/b").body("abc").with("content-length", &["3"])],
        ),
        forwarded(
            "DELETE with a body",
            b"DELETE /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
            vec![seen("DELETE", "/b").body("abc")],
        ),
        forwarded(
            "GET with chunks",
            b"GET /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            vec![seen("GET", "/b").body("abc")],
        ),
        forwarded(
            "HEAD with chunks and trailers",
            b"HEAD /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\n",
            vec![seen("HEAD", "/b").body("abc").trailer("x")],
        ),
        forwarded(
            "DELETE with chunks",
            b"DELETE /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            vec![seen("DELETE", "/b").body("abc")],
        ),
        forwarded("POST without a body", b"POST /b HTTP/1.1\r\nHost: a\r\n\r\n", vec![seen("POST", "/b")]),
        forwarded(
            "Expect: 100-continue and the body at once",
            b"POST /b HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
            vec![seen("POST", "/b").body("abc")],
        ),
    ]
}

fn streams() -> Vec<Vector> {
    vec![
        forwarded("an empty line before it", b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", vec![seen("GET", "/")]),
        forwarded(
            "an empty line after a body",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("POST", "/1").body("abc"), seen("GET", "/2")],
        ),
        forwarded(
            "three at once",
            b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\nGET /3 HTTP/1.1\r\nHost: c\r\n\r\n",
            vec![seen("GET", "/1"), seen("GET", "/2").with("host", &["b"]), seen("GET", "/3")],
        ),
        forwarded(
            "bodies of both kinds at once",
            b"POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nbHEAD /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\nHost: a\r\n\r\n",
            vec![seen("POST", "/1").body("a"), seen("POST", "/2").body("b"), seen("HEAD", "/3"), seen("GET", "/4")],
        ),
        forwarded("HTTP/1.0", b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", vec![seen("GET", "/").with("host", &["a"])]),
        forwarded("HTTP/1.0 without a Host", b"GET / HTTP/1.0\r\n\r\n", vec![seen("GET", "/")]),
        forwarded(
            "HTTP/1.0 that is kept",
            b"GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n",
            vec![seen("GET", "/1"), seen("GET", "/2")],
        ),
    ]
}
