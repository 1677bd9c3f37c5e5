//! Bodies: lengths, codings, chunks, trailers.

use super::{Vector, refused_within};

const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const SMUGGLED: &str = "\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

pub fn lengths() -> Vec<Vector> {
    [
        refused_within(
            400,
            "content_length",
            HEAD,
            "\r\n\r\nabc",
            &[
                ("empty", b"Content-Length:"),
                ("white space", b"Content-Length:  "),
                ("a sign", b"Content-Length: +3"),
                ("negative", b"Content-Length: -3"),
                ("minus zero", b"Content-Length: -0"),
                ("hexadecimal", b"Content-Length: 0x3"),
                ("a letter", b"Content-Length: 3a"),
                ("a fraction", b"Content-Length: 3.0"),
                ("an exponent", b"Content-Length: 3e0"),
                ("a list", b"Content-Length: 3, 3"),
                ("a list that differs", b"Content-Length: 3,4"),
                ("a list with nothing", b"Content-Length: 3,"),
                ("a list after nothing", b"Content-Length: ,3"),
                ("two words", b"Content-Length: 3 3"),
                ("a tab within", b"Content-Length: 1\t0"),
                ("leading zeros", b"Content-Length: 003"),
                ("two zeros", b"Content-Length: 00"),
                ("quoted", b"Content-Length: \"3\""),
                ("a semicolon", b"Content-Length: 3;"),
                ("an underscore", b"Content-Length: 1_0"),
                ("more than 64 bits", b"Content-Length: 18446744073709551616"),
                ("3 after 64 bits", b"Content-Length: 18446744073709551619"),
                ("3 after 32 bits", b"Content-Length: 9007199254740995"),
                (
                    "the most of 64 bits",
                    b"Content-Length: 18446744073709551615",
                ),
                (
                    "the most of 63 bits",
                    b"Content-Length: 9223372036854775807",
                ),
                (
                    "very many digits",
                    b"Content-Length: 0000000000000000000000000000000000003",
                ),
                (
                    "digits of another script",
                    "Content-Length: \u{663}".as_bytes(),
                ),
                ("a no-break space", b"Content-Length: \xa03"),
                ("a word", b"Content-Length: three"),
                ("chunked", b"Content-Length: chunked"),
            ],
        ),
        refused_within(
            400,
            "several_content_lengths",
            HEAD,
            "\r\n\r\nabc",
            &[
                ("that agree", b"Content-Length: 3\r\nContent-Length: 3"),
                ("that differ", b"Content-Length: 3\r\nContent-Length: 0"),
                (
                    "the longer first",
                    b"Content-Length: 30\r\nContent-Length: 3",
                ),
                ("in other case", b"content-length: 3\r\nCONTENT-LENGTH: 4"),
                (
                    "not side by side",
                    b"Content-Length: 3\r\nA: b\r\nContent-Length: 4",
                ),
                (
                    "the second malformed",
                    b"Content-Length: 3\r\nContent-Length: x",
                ),
            ],
        ),
    ]
    .concat()
}

pub fn transfer_encodings() -> Vec<Vector> {
    [
        refused_within(
            400,
            "transfer_encoding",
            HEAD,
            "\r\n\r\n0\r\n\r\n",
            &[
                ("identity", b"Transfer-Encoding: identity"),
                ("gzip", b"Transfer-Encoding: gzip"),
                ("gzip, then chunked", b"Transfer-Encoding: gzip, chunked"),
                ("chunked, then gzip", b"Transfer-Encoding: chunked, gzip"),
                (
                    "chunked, then identity",
                    b"Transfer-Encoding: chunked, identity",
                ),
                ("chunked twice", b"Transfer-Encoding: chunked, chunked"),
                ("a comma behind", b"Transfer-Encoding: chunked,"),
                ("a comma before", b"Transfer-Encoding: ,chunked"),
                ("xchunked", b"Transfer-Encoding: xchunked"),
                ("chunkedx", b"Transfer-Encoding: chunkedx"),
                ("chunk", b"Transfer-Encoding: chunk"),
                ("quoted", b"Transfer-Encoding: \"chunked\""),
                ("single quotes", b"Transfer-Encoding: 'chunked'"),
                ("a parameter", b"Transfer-Encoding: chunked;a=b"),
                ("a semicolon", b"Transfer-Encoding: chunked;"),
                ("a quality", b"Transfer-Encoding: chunked;q=1"),
                ("two words", b"Transfer-Encoding: x chunked"),
                ("a word behind", b"Transfer-Encoding: chunked x"),
                ("empty", b"Transfer-Encoding:"),
                ("white space", b"Transfer-Encoding: \t "),
                ("a no-break space before", b"Transfer-Encoding: \xa0chunked"),
                ("a no-break space behind", b"Transfer-Encoding: chunked\xa0"),
                (
                    "a long s and a Kelvin sign",
                    "Transfer-Encoding: chun\u{212a}ed".as_bytes(),
                ),
                (
                    "a byte order mark",
                    b"Transfer-Encoding: \xef\xbb\xbfchunked",
                ),
                ("a colon too many", b"Transfer-Encoding:: chunked"),
                ("in brackets", b"Transfer-Encoding: [chunked]"),
                ("an equals sign", b"Transfer-Encoding: =chunked"),
            ],
        ),
        refused_within(
            400,
            "several_transfer_encodings",
            HEAD,
            "\r\n\r\n0\r\n\r\n",
            &[
                (
                    "that agree",
                    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                ),
                (
                    "chunked, then identity",
                    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                ),
                (
                    "chunked, then a word",
                    b"Transfer-Encoding: chunked\r\nTransfer-encoding: x",
                ),
                (
                    "chunked, then nothing",
                    b"Transfer-Encoding: chunked\r\nTransfer-Encoding:",
                ),
            ],
        ),
        refused_within(
            400,
            "transfer_encoding",
            HEAD,
            "\r\n\r\n0\r\n\r\n",
            &[
                (
                    "identity, then chunked",
                    b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
                ),
                (
                    "a word, then chunked",
                    b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
                ),
            ],
        ),
        refused_within(
            400,
            "both_framings",
            HEAD,
            SMUGGLED,
            &[
                (
                    "the length first",
                    b"Content-Length: 3\r\nTransfer-Encoding: chunked",
                ),
                (
                    "the coding first",
                    b"Transfer-Encoding: chunked\r\nContent-Length: 3",
                ),
                (
                    "a length of nothing",
                    b"Content-Length: 0\r\nTransfer-Encoding: chunked",
                ),
                (
                    "in other case",
                    b"CONTENT-LENGTH: 3\r\ntransfer-encoding: CHUNKED",
                ),
                (
                    "not side by side",
                    b"Content-Length: 3\r\nA: b\r\nTransfer-Encoding: chunked",
                ),
                (
                    "white space around",
                    b"Content-Length:\t3 \r\nTransfer-Encoding:\tchunked ",
                ),
            ],
        ),
        refused_within(
            400,
            "transfer_encoding_in_1_0",
            "POST / HTTP/1.0\r\nHost: a\r\n",
            "\r\n\r\n0\r\n\r\n",
            &[
                ("alone", b"Transfer-Encoding: chunked"),
                (
                    "with a length",
                    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
                ),
                (
                    "kept alive",
                    b"Connection: keep-alive\r\nTransfer-Encoding: chunked",
                ),
            ],
        ),
    ]
    .concat()
}

pub fn chunks() -> Vec<Vector> {
    [
        refused_within(
            400,
            "chunk_size",
            CHUNKED,
            "\r\nabc\r\n0\r\n\r\n",
            &[
                ("empty", b""),
                ("a sign", b"+3"),
                ("negative", b"-3"),
                ("a prefix", b"0x3"),
                ("a letter", b"3g"),
                ("a space before", b" 3"),
                ("a space behind", b"3 "),
                ("a tab behind", b"3\t"),
                ("a space within", b"0 3"),
                ("a comma", b"3,3"),
                ("a fraction", b"3.0"),
                ("an underscore", b"0_3"),
                ("a quote", b"\"3\""),
                ("more than 64 bits", b"10000000000000003"),
                ("the most of 64 bits", b"FFFFFFFFFFFFFFFF"),
                ("negative in 64 bits", b"8000000000000003"),
                ("seventeen digits", b"00000000000000003"),
                ("three hundred zeros", &[b'0'; 300]),
                ("digits of another script", "\u{663}".as_bytes()),
                ("an extension without a size", b";a"),
                ("a parameter for a size", b"a=3"),
            ],
        ),
        refused_within(
            400,
            "chunk_end",
            CHUNKED,
            "\r\n0\r\n\r\n",
            &[
                ("data too long by one", b"3\r\nabcd"),
                ("data too short by one", b"4\r\nabc"),
                ("data too short by two", b"5\r\nabc"),
                ("LF after data", b"3\r\nabc\n3\r\nabc"),
                ("CR after data", b"3\r\nabc\r3\r\nabc"),
                ("nothing after data", b"3\r\nabc3\r\nabc"),
                ("two CR after data", b"3\r\nabc\r\r\n3\r\nabc"),
                ("a space after data", b"3\r\nabc \r\n3\r\nabc"),
                ("NUL after data", b"3\r\nabc\0\r\n"),
                ("a size of 0 in data", b"2\r\n0\r\n\r\n"),
            ],
        ),
        refused_within(
            400,
            "bare_lf",
            CHUNKED,
            "\r\nabc\r\n0\r\n\r\n",
            &[
                ("after a size", b"3\nabc\r\n3"),
                ("after an extension", b"3;a\nabc\r\n3"),
                ("in an extension", b"3;a\nb"),
                ("in a quoted extension", b"3;a=\"\n\""),
                ("after the last size", b"3\r\nabc\r\n0\n"),
            ],
        ),
        refused_within(
            400,
            "bare_lf",
            CHUNKED,
            "",
            &[
                ("as the last line", b"3\r\nabc\r\n0\r\n\n"),
                ("and nothing else", b"3\nabc\n0\n\n"),
            ],
        ),
        refused_within(
            400,
            "chunk_extension",
            CHUNKED,
            "\r\nabc\r\n0\r\n\r\n",
            &[
                ("empty", b"3;"),
                ("two semicolons", b"3;;a"),
                ("a space before the name", b"3; a"),
                ("a space before the semicolon's name", b"3;\ta"),
                ("a space behind", b"3;a "),
                ("an empty value", b"3;a="),
                ("no name", b"3;=a"),
                ("an open quote", b"3;a=\"b"),
                ("text behind a quote", b"3;a=\"b\"c"),
                ("a quote in a token", b"3;a=b\"c"),
                ("a list", b"3;a,b"),
                ("a URL", b"3;a=http://b"),
                ("brackets", b"3;a=(b)"),
            ],
        ),
        refused_within(
            400,
            "control_byte",
            CHUNKED,
            "bc\r\n0\r\n\r\n",
            &[("CR for CRLF after a size", b"3\ra")],
        ),
        refused_within(
            400,
            "chunk_line",
            CHUNKED,
            "",
            &[(
                "a size without an end",
                &[&b"3;"[..], &[b'a'; 600]].concat(),
            )],
        ),
    ]
    .concat()
}

pub fn trailers() -> Vec<Vector> {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3\r\nabc\r\n0\r\n";
    let rest = "\r\n\r\n";
    [
        refused_within(
            400,
            "trailer_name",
            head,
            rest,
            &[
                ("a length", b"Content-Length: 3"),
                ("a coding", b"Transfer-Encoding: chunked"),
                ("a host", b"Host: b"),
                ("a connection", b"Connection: close"),
                ("in capitals", b"CONTENT-LENGTH: 3"),
                ("after a good one", b"X: 1\r\nTransfer-Encoding: chunked"),
                ("credentials", b"Authorization: Basic YTpi"),
                ("cookies", b"Cookie: a=b"),
                ("a type", b"Content-Type: text/html"),
                ("an upgrade", b"Upgrade: h2c"),
                ("a trailer", b"Trailer: X"),
            ],
        ),
        refused_within(
            400,
            "folded_line",
            head,
            rest,
            &[
                ("in trailers", b" X: 1"),
                ("in trailers, later", b"X: 1\r\n 2"),
            ],
        ),
        refused_within(
            400,
            "space_before_colon",
            head,
            rest,
            &[("in trailers", b"X : 1")],
        ),
        refused_within(
            400,
            "no_colon",
            head,
            rest,
            &[
                ("in trailers", b"X"),
                ("a request for trailers", b"GET /smuggled HTTP/1.1"),
            ],
        ),
        refused_within(
            400,
            "field_name",
            head,
            rest,
            &[("in trailers", b"X(1): 1"), ("empty in trailers", b": 1")],
        ),
        refused_within(
            400,
            "look_alike",
            head,
            rest,
            &[("in trailers", b"Content_Length: 1")],
        ),
        refused_within(
            400,
            "control_byte",
            head,
            rest,
            &[
                ("NUL in trailers", b"X: \0"),
                ("CR in trailers", b"X: 1\rY: 2"),
                ("CR before the last line", b"X: 1\r\n\r"),
            ],
        ),
        refused_within(
            400,
            "bare_lf",
            head,
            "\n",
            &[("in trailers", b"X: 1"), ("after trailers", b"X: 1\r\n")],
        ),
    ]
    .concat()
}
