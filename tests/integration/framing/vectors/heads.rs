//! Heads: request lines, line ends, fields, hosts, targets.

use super::{Vector, refused, refused_within};

/// The rest of a head that is in order.
const REST: &str = " HTTP/1.1\r\nHost: a\r\n\r\n";

pub fn start_lines() -> Vec<Vector> {
    [
        refused(
            400,
            "start_line",
            &[
                ("two spaces before the target", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("two spaces after the target", b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a space at the beginning", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a space at the end", b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
                ("tabs between the parts", b"GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a tab at the beginning", b"\tGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("no target", b"GET HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("HTTP/0.9", b"GET /\r\n\r\n"),
                ("HTTP/0.9 with a Host", b"GET /\r\nHost: a\r\n\r\n"),
                ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a method alone", b"GET\r\nHost: a\r\n\r\n"),
                ("four parts", b"GET / HTTP/1.1 HTTP/1.0\r\nHost: a\r\n\r\n"),
                ("two empty lines before it", b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a colon at the beginning", b": / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a PROXY header", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ],
        ),
        refused(
            400,
            "version",
            &[
                ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n"),
                ("HTTP/2.0", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
                ("HTTP/2", b"GET / HTTP/2\r\nHost: a\r\n\r\n"),
                ("HTTP/0.9 said", b"GET / HTTP/0.9\r\nHost: a\r\n\r\n"),
                ("HTTP/3.0", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n"),
                ("HTTP/1.10", b"GET / HTTP/1.10\r\nHost: a\r\n\r\n"),
                ("HTTP/1.01", b"GET / HTTP/1.01\r\nHost: a\r\n\r\n"),
                ("HTTP/01.1", b"GET / HTTP/01.1\r\nHost: a\r\n\r\n"),
                ("HTTP/1", b"GET / HTTP/1\r\nHost: a\r\n\r\n"),
                ("HTTP/1,1", b"GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
                ("HTTP/+1.1", b"GET / HTTP/+1.1\r\nHost: a\r\n\r\n"),
                ("lower case", b"GET / http/1.1\r\nHost: a\r\n\r\n"),
                ("mixed case", b"GET / HtTP/1.1\r\nHost: a\r\n\r\n"),
                ("no slash", b"GET / HTTP1.1\r\nHost: a\r\n\r\n"),
                ("another protocol", b"GET / ICAP/1.1\r\nHost: a\r\n\r\n"),
                ("RTSP", b"OPTIONS * RTSP/1.0\r\nHost: a\r\n\r\n"),
                ("HEAD with a wrong one", b"HEAD / HTTP/4.0\r\nHost: a\r\n\r\n"),
                ("digits of another script", "GET / HTTP/1.\u{661}\r\nHost: a\r\n\r\n".as_bytes()),
                ("an answer", b"HTTP/1.1 200 OK\r\nHost: a\r\n\r\n"),
            ],
        ),
        refused(
            400,
            "method_name",
            &[
                ("lower case", b"get / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice()),
                ("mixed case", b"Get / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("upper, then lower", b"GEt / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a colon in it", b"GET: / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("punctuation that a token may have", b"GET| / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a quote", b"G\"ET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("bytes of no ASCII", b"G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("a slash", b"GE/T / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("the end of a body before it", b"POSTa=1&b=2GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("far too long", b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n"),
            ],
        ),
        refused(
            405,
            "method",
            &[
                ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"),
                ("CONNECT to a path", b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("CONNECT with a body", b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
                ("TRACE", b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("TRACE with Max-Forwards", b"TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"),
                ("TRACE of everything", b"TRACE * HTTP/1.1\r\nHost: a\r\n\r\n"),
            ],
        ),
        refused(
            400,
            "http2_preface",
            &[
                ("the preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
                ("the preface and a frame", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
            ],
        ),
    ]
    .concat()
}

pub fn line_ends() -> Vec<Vector> {
    [
        refused(
            400,
            "bare_lf",
            &[
                ("everywhere", b"GET / HTTP/1.1\nHost: a\n\n"),
                ("after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
                ("after a field", b"GET / HTTP/1.1\r\nHost: a\n\r\n"),
                ("as the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n"),
                ("between two fields", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\nC: d\r\n\r\n"),
                ("hiding a length", b"POST / HTTP/1.1\r\nHost: a\r\nA: b\nContent-Length: 3\r\n\r\nabc"),
                ("hiding a coding", b"POST / HTTP/1.1\r\nHost: a\r\nA: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                ("before it", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("LF and CR", b"GET / HTTP/1.1\n\rHost: a\n\r\n\r"),
                ("within a second request", b"GET / HTTP/1.1\r\nHost: a\n\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"),
            ],
        ),
        refused(
            400,
            "control_byte",
            &[
                ("CR in the target", b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("CR after the version", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
                ("CR at the beginning", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("CR for a line end", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
                ("CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rC: d\r\n\r\n"),
                ("CR at the end of a value", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\r\n\r\n"),
                ("CR before the colon", b"GET / HTTP/1.1\r\nHost: a\r\nA\r: b\r\n\r\n"),
                ("CR at the beginning of a line", b"GET / HTTP/1.1\r\nHost: a\r\n\rA: b\r\n\r\n"),
                ("CR before the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"),
                ("CR alone as lines", b"GET / HTTP/1.1\rHost: a\r\r"),
                ("NUL in the method", b"GE\0T / HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("NUL in the target", b"GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nA\0B: c\r\n\r\n"),
                ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n"),
                ("NUL before a value", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\0chunked\r\n\r\n0\r\n\r\n"),
                ("NUL after a value", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\0\r\n\r\n"),
                ("NUL in Host", b"GET / HTTP/1.1\r\nHost: a\0.b\r\n\r\n"),
                ("NUL as a line", b"GET / HTTP/1.1\r\nHost: a\r\n\0\r\n"),
                ("BEL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nA: \x07\r\n\r\n"),
                ("BS in a value", b"GET / HTTP/1.1\r\nHost: a\r\nA: b\x08c\r\n\r\n"),
                ("VT before a value", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n"),
                ("FF before a value", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0cchunked\r\n\r\n0\r\n\r\n"),
                ("VT after a name", b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n"),
                ("ESC in a value", b"GET / HTTP/1.1\r\nHost: a\r\nA: \x1b[31m\r\n\r\n"),
                ("DEL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nA: \x7f\r\n\r\n"),
                ("DEL in the target", b"GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("ESC in the target", b"GET /\x1b HTTP/1.1\r\nHost: a\r\n\r\n"),
                ("FS as white space", b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \x1c0\r\n\r\n"),
                ("a TLS greeting", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
                ("a PROXY greeting", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rGET / HTTP/1.1\r\n\r\n"),
            ],
        ),
    ]
    .concat()
}

pub fn fields() -> Vec<Vector> {
    let line = "GET / HTTP/1.1\r\nHost: a\r\n";
    let rest = "\r\n\r\n";
    [
        refused_within(
            400,
            "folded_line",
            line,
            rest,
            &[
                ("a space", b"A: b\r\n c"),
                ("a tab", b"A: b\r\n\tc"),
                (
                    "the coding continued",
                    b"Transfer-Encoding: chunked\r\n , x",
                ),
                ("the length continued", b"Content-Length: 0\r\n 5"),
                ("a field that is none", b"A: b\r\n Content-Length: 5"),
                ("white space alone", b"A: b\r\n \t "),
                ("directly after Host", b" b"),
            ],
        ),
        refused(
            400,
            "folded_line",
            &[
                (
                    "before the first field",
                    b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
                ),
                (
                    "a tab before the first field",
                    b"GET / HTTP/1.1\r\n\tA: b\r\nHost: a\r\n\r\n",
                ),
            ],
        ),
        refused_within(
            400,
            "space_before_colon",
            line,
            rest,
            &[
                ("any field", b"A : b"),
                ("a tab", b"A\t: b"),
                ("the length", b"Content-Length : 3"),
                ("the coding", b"Transfer-Encoding : chunked"),
                ("a tab after the coding", b"Transfer-Encoding\t: chunked"),
                ("a second Host", b"Host : b"),
                ("many", b"Connection   : close"),
            ],
        ),
        refused_within(
            400,
            "no_colon",
            line,
            rest,
            &[
                ("a word", b"A"),
                ("a request line", b"GET /2 HTTP/1.1"),
                ("an equals sign", b"Content-Length=3"),
                ("a coding without one", b"Transfer-Encoding chunked"),
                (
                    "a full-width colon",
                    "Transfer-Encoding\u{ff1a} chunked".as_bytes(),
                ),
            ],
        ),
        refused_within(
            400,
            "field_name",
            line,
            rest,
            &[
                ("empty", b": b"),
                ("a space within", b"A B: c"),
                ("a bracket", b"A(B): c"),
                ("a comma", b"A,B: c"),
                ("a slash", b"A/B: c"),
                ("a semicolon", b"A;B: c"),
                ("an equals sign", b"A=B: c"),
                ("a quoted name", b"\"A\": b"),
                ("an at sign", b"A@B: c"),
                ("a byte of Latin-1", b"\xe4: b"),
                ("UTF-8", "Ä: b".as_bytes()),
                (
                    "a long s in a framing name",
                    "Tran\u{17f}fer-Encoding: chunked".as_bytes(),
                ),
                (
                    "a no-break space after the coding",
                    b"Transfer-Encoding\xa0: chunked",
                ),
                ("a byte order mark", b"\xef\xbb\xbfContent-Length: 3"),
            ],
        ),
        refused_within(
            400,
            "look_alike",
            line,
            rest,
            &[
                ("Content_Length", b"Content_Length: 3"),
                ("Transfer_Encoding", b"Transfer_Encoding: chunked"),
                ("content length in one word", b"ContentLength: 3"),
                ("two dashes", b"Transfer--Encoding: chunked"),
                ("a dot", b"Transfer.Encoding: chunked"),
                ("an underscore before", b"_Transfer-Encoding: chunked"),
                ("a dash behind", b"Content-Length-: 3"),
                ("Host with an underscore", b"Host_: b"),
                ("a tilde before", b"~host: b"),
                ("a quote", b"'Content-Length': 3"),
            ],
        ),
        refused_within(
            417,
            "expectation",
            line,
            rest,
            &[
                ("another", b"Expect: 200-ok"),
                ("two", b"Expect: 100-continue, x"),
                ("empty", b"Expect:"),
                ("quoted", b"Expect: \"100-continue\""),
                ("a word before it", b"Expect: y 100-continue"),
                ("a list of the same", b"Expect: 100-continue, 100-continue"),
                ("a second line", b"Expect: 100-continue\r\nExpect: y"),
                ("another number", b"Expect: 100"),
                ("a parameter", b"Expect: 100-continue;a=b"),
            ],
        ),
    ]
    .concat()
}

pub fn hosts() -> Vec<Vector> {
    let line = "GET / HTTP/1.1\r\n";
    let rest = "\r\n\r\n";
    [
        refused(
            400,
            "no_host",
            &[
                ("no field at all", b"GET / HTTP/1.1\r\n\r\n"),
                ("other fields", b"GET / HTTP/1.1\r\nA: b\r\n\r\n"),
                ("a URL as target", b"GET http://a/ HTTP/1.1\r\n\r\n"),
                ("OPTIONS of everything", b"OPTIONS * HTTP/1.1\r\n\r\n"),
                ("HEAD", b"HEAD / HTTP/1.1\r\n\r\n"),
                ("X-Host alone", b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n"),
            ],
        ),
        refused_within(
            400,
            "several_hosts",
            line,
            rest,
            &[
                ("two that differ", b"Host: a\r\nHost: b"),
                ("two that agree", b"Host: a\r\nHost: a"),
                ("in other case", b"Host: a\r\nhOST: b"),
                ("not side by side", b"Host: a\r\nA: b\r\nHost: c"),
                ("three", b"Host: a\r\nHost: a\r\nHost: a"),
            ],
        ),
        refused(
            400,
            "several_hosts",
            &[
                (
                    "in HTTP/1.0",
                    b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
                ),
                (
                    "with a URL as target",
                    b"GET http://a/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
                ),
            ],
        ),
        refused_within(
            400,
            "host",
            line,
            rest,
            &[
                ("empty", b"Host:"),
                ("white space", b"Host:   "),
                ("credentials", b"Host: user@a"),
                ("credentials and a password", b"Host: user:pw@a"),
                ("a path", b"Host: a/b"),
                ("a query", b"Host: a?b"),
                ("a fragment", b"Host: a#b"),
                ("a backslash", b"Host: a\\b"),
                ("a URL", b"Host: http://a"),
                ("a list", b"Host: a, b"),
                ("a comma", b"Host: a,b"),
                ("two words", b"Host: a b"),
                ("a tab", b"Host: a\tb"),
                ("no name", b"Host: :80"),
                ("no port", b"Host: a:"),
                ("port zero", b"Host: a:0"),
                ("a port too high", b"Host: a:65536"),
                ("a signed port", b"Host: a:+80"),
                ("a port of letters", b"Host: a:b"),
                ("two ports", b"Host: a:80:80"),
                ("percent-encoding", b"Host: %61"),
                ("an encoded NUL", b"Host: a%00.b"),
                ("an open bracket", b"Host: [::1"),
                ("an address that is none", b"Host: [::g]"),
                ("a zone", b"Host: [fe80::1%25eth0]"),
                ("an address without brackets", b"Host: ::1"),
                ("text behind brackets", b"Host: [::1]a"),
                ("quotes", b"Host: \"a\""),
                ("angle brackets", b"Host: <a>"),
                ("UTF-8", "Host: ä.example".as_bytes()),
                ("an empty label", b"Host: a..b"),
                ("a dot alone", b"Host: ."),
                ("a dot at the beginning", b"Host: .a"),
                ("a star", b"Host: *"),
                ("a semicolon", b"Host: a;b"),
            ],
        ),
    ]
    .concat()
}

pub fn targets() -> Vec<Vector> {
    [
        refused_within(
            400,
            "target_form",
            "GET ",
            REST,
            &[
                ("a relative path", b"a"),
                ("a star for GET", b"*"),
                ("a star and more", b"*/a"),
                ("a query alone", b"?a"),
                ("a host and a port", b"a:80"),
                ("another scheme", b"ftp://a/"),
                ("a file", b"file:///etc/passwd"),
                ("a scheme alone", b"http:"),
                ("one slash", b"http:/a"),
                ("a script", b"javascript:alert(1)"),
                ("a WebSocket", b"ws://a/"),
                ("a query without a path", b"http://a?b"),
                ("a dot", b"../a"),
                ("a backslash", b"\\a"),
                ("an encoded slash", b"%2fa"),
                ("a scheme within", b"xhttp://a/"),
            ],
        ),
        refused_within(
            400,
            "target_host",
            "GET ",
            REST,
            &[
                ("none", b"http:///a"),
                ("credentials", b"http://user:pw@a/"),
                ("an empty user", b"http://@a/"),
                ("a backslash", b"http://a\\@b/"),
                ("an open bracket", b"http://[::1/"),
                ("a port alone", b"http://:80/"),
                ("a port of letters", b"http://a:b/"),
                ("percent-encoding", b"http://%61/"),
                ("a list", b"http://a,b/"),
            ],
        ),
        refused_within(
            400,
            "target_byte",
            "GET /",
            REST,
            &[
                ("a fragment", b"a#b"),
                ("an empty fragment", b"#"),
                ("a fragment in the query", b"?a#b"),
                ("an angle bracket", b"<a"),
                ("a closing angle bracket", b"a>"),
                ("a backtick in the path", b"`a`"),
                ("a quote in the query", b"?a=\"b\""),
                ("an angle bracket in the query", b"?<a>"),
                ("a byte that is no UTF-8", b"\xff"),
                ("half of a character", b"a\xc3"),
                ("an overlong slash", b"\xc0\xaf"),
                ("a surrogate", b"?\xed\xa0\x80"),
            ],
        ),
    ]
    .concat()
}
