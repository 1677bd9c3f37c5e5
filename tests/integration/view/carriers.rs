//! What carries a word: places, types of bodies, quirks of parsers.

use portcullis::request::PlaceKind;
use portcullis::request::PlaceKind::{Body, Cookies, Headers, Path, Query};

use crate::judge::Request;

/// One of them.
pub struct Carrier {
    pub name: &'static str,
    pub kind: PlaceKind,
    pub is_key: bool,
    /// What the value is called, where that is no matter of its own.
    pub value_name: Option<&'static str>,
    /// How bytes are written there; `None` for what cannot be.
    pub escape: fn(&[u8]) -> Option<Vec<u8>>,
    pub request: fn(&[u8]) -> Request,
}

const fn value(
    name: &'static str,
    kind: PlaceKind,
    value_name: &'static str,
    escape: fn(&[u8]) -> Option<Vec<u8>>,
    request: fn(&[u8]) -> Request,
) -> Carrier {
    Carrier {
        name,
        kind,
        is_key: false,
        value_name: Some(value_name),
        escape,
        request,
    }
}

/// One in which the word is a name itself.
const fn key(
    name: &'static str,
    kind: PlaceKind,
    escape: fn(&[u8]) -> Option<Vec<u8>>,
    request: fn(&[u8]) -> Request,
) -> Carrier {
    Carrier {
        name,
        kind,
        is_key: true,
        value_name: None,
        escape,
        request,
    }
}

/// One whose values parsers call differently.
const fn somewhere(
    name: &'static str,
    escape: fn(&[u8]) -> Option<Vec<u8>>,
    request: fn(&[u8]) -> Request,
) -> Carrier {
    Carrier {
        name,
        kind: Body,
        is_key: false,
        value_name: None,
        escape,
        request,
    }
}

pub const CARRIERS: &[Carrier] = &[
    value("a path", Path, "", address, |value| {
        Request::get(&format!("/a/{}/b", text(value)))
    }),
    value("the end of a path", Path, "", address, |value| {
        Request::get(&format!("/a/b;c={}", text(value)))
    }),
    value("a query", Query, "q", address, |value| {
        Request::get(&format!("/?q={}", text(value)))
    }),
    value("a repeated parameter", Query, "q", address, |value| {
        Request::get(&format!("/?q=1&q={}&q=2", text(value)))
    }),
    value("an array", Query, "q[]", address, |value| {
        Request::get(&format!("/?q[]=1&q%5B%5D={}", text(value)))
    }),
    value("a parameter without a name", Query, "", address, |value| {
        Request::get(&format!("/?={}", text(value)))
    }),
    key("a parameter's name", Query, address, |value| {
        Request::get(&format!("/?a=1&{}=2", text(value)))
    }),
    key("a parameter without a value", Query, address, |value| {
        Request::get(&format!("/?{}", text(value)))
    }),
    value("a header", Headers, "x-anything", header, |value| {
        Request::get("/").header("x-anything", value)
    }),
    value(
        "a repeated header",
        Headers,
        "x-anything",
        header,
        |value| {
            Request::get("/")
                .header("x-anything", "1")
                .header("x-anything", value)
        },
    ),
    value("a referrer", Headers, "referer", header, |value| {
        Request::get("/").header("referer", [b"https://a.example/?q= ", value].concat())
    }),
    value("credentials", Headers, "authorization", header, |value| {
        Request::get("/").header("authorization", value)
    }),
    value("a cookie", Cookies, "c", cookie, |value| {
        Request::get("/").header("cookie", [b"a=1; c=", value, b"; d=2"].concat())
    }),
    value("a quoted cookie", Cookies, "c", cookie, |value| {
        Request::get("/").header("cookie", [b"c=\"", value, b"\""].concat())
    }),
    value("a cookie with a semicolon", Cookies, "c", cookie, |value| {
        Request::get("/").header("cookie", [b"c=\"1; ", value, b"\"; d=2"].concat())
    }),
    value(
        "the second line of cookies",
        Cookies,
        "c",
        cookie,
        |value| {
            Request::get("/")
                .header("cookie", "a=1")
                .header("cookie", [b"c=", value].concat())
        },
    ),
    key("a cookie's name", Cookies, cookie, |value| {
        Request::get("/").header("cookie", [b"a=1; ", value, b"=2"].concat())
    }),
    value("a form", Body, "q", address, |value| {
        Request::get("/").body(FORM, [b"a=1&q=", value].concat())
    }),
    key("a field's name", Body, address, |value| {
        Request::get("/").body(FORM, [value, b"=1"].concat())
    }),
    value("a form without a type", Body, "q", address, |value| {
        untyped(&[b"a=1&q=", value].concat())
    }),
    value("a form said to be text", Body, "q", address, |value| {
        Request::get("/").body("text/plain", [b"a=1&q=", value].concat())
    }),
    value("a form said to be a picture", Body, "q", address, |value| {
        Request::get("/").body("image/png", [b"a=1&q=", value].concat())
    }),
    value("a document", Body, "$.q", json, |value| {
        Request::get("/").body(JSON, [b"{\"a\":1,\"q\":\"", value, b"\"}"].concat())
    }),
    value("a nested document", Body, "$.a[1].q", json, |value| {
        Request::get("/").body(JSON, [b"{\"a\":[0,{\"q\":\"", value, b"\"}]}"].concat())
    }),
    key("a member's name", Body, json, |value| {
        Request::get("/").body(JSON, [b"{\"", value, b"\":1}"].concat())
    }),
    value("a repeated member", Body, "$.q", json, |value| {
        Request::get("/").body(JSON, [b"{\"q\":\"", value, b"\",\"q\":1}"].concat())
    }),
    value("a document with comments", Body, "$.q", json, |value| {
        Request::get("/").body(JSON, [b"{/*a*/\"q\":\"", value, b"\",}"].concat())
    }),
    value(
        "a document with a byte order mark",
        Body,
        "$.q",
        json,
        |value| Request::get("/").body(JSON, [b"\xef\xbb\xbf{\"q\":\"", value, b"\"}"].concat()),
    ),
    value(
        "a document of another dialect",
        Body,
        "$.q",
        json,
        |value| {
            Request::get("/").body(
                "application/vnd.api+json; charset=utf-8",
                [b"{\"q\":\"", value, b"\"}"].concat(),
            )
        },
    ),
    value("a document without a type", Body, "$.q", json, |value| {
        untyped(&[b"{\"q\":\"", value, b"\"}"].concat())
    }),
    value("a document said to be a form", Body, "$.q", json, |value| {
        Request::get("/").body(FORM, [b"{\"q\":\"", value, b"\"}"].concat())
    }),
    value("a document said to be noise", Body, "$.q", json, |value| {
        Request::get("/").body(
            "application/octet-stream",
            [b"{\"q\":\"", value, b"\"}"].concat(),
        )
    }),
    somewhere("a broken document", json, |value| {
        Request::get("/").body(JSON, [b"{\"q\":\"", value].concat())
    }),
    value("a field of a multipart form", Body, "q", lines, |value| {
        multipart(b"Content-Disposition: form-data; name=\"q\"", value, "\r\n")
    }),
    value(
        "a multipart form with short line ends",
        Body,
        "q",
        lines,
        |value| multipart(b"Content-Disposition: form-data; name=q", value, "\n"),
    ),
    value("a file that is text", Body, "q", text_lines, |value| {
        multipart(b"Content-Disposition: form-data; name=\"q\"; filename=\"a.txt\"\r\nContent-Type: text/plain", value, "\r\n")
    }),
    value(
        "a field in quoted-printable",
        Body,
        "q",
        quoted_printable,
        |value| {
            multipart(
                b"Content-Disposition: form-data; name=\"q\"\r\nContent-Transfer-Encoding: quoted-printable",
                value,
                "\r\n",
            )
        },
    ),
    key("a file's name", Body, quoted, |value| {
        multipart(
            &[
                b"Content-Disposition: form-data; name=\"q\"; filename=\"",
                value,
                b"\"",
            ]
            .concat(),
            b"text",
            "\r\n",
        )
    }),
    key("a file's extended name", Body, address, |value| {
        multipart(
            &[
                b"Content-Disposition: form-data; name=\"q\"; filename*=UTF-8''",
                value,
            ]
            .concat(),
            b"text",
            "\r\n",
        )
    }),
    value("a header of a part", Body, "X-Anything", lines, |value| {
        multipart(
            &[
                b"Content-Disposition: form-data; name=\"q\"\r\nX-Anything: ",
                value,
            ]
            .concat(),
            b"text",
            "\r\n",
        )
    }),
    somewhere("what follows the last part", lines, |value| {
        Request::get("/").body(
            MULTIPART,
            [
                b"--b\r\nContent-Disposition: form-data; name=\"q\"\r\n\r\n1\r\n--b--\r\n",
                value,
            ]
            .concat(),
        )
    }),
    value("text", Body, "", anything, |value| {
        Request::get("/").body("text/plain", value)
    }),
    value("text without a type", Body, "", anything, untyped),
    somewhere("an element", markup, |value| {
        Request::get("/").body("application/xml", [b"<a><q>", value, b"</q></a>"].concat())
    }),
    somewhere("an attribute", markup, |value| {
        Request::get("/").body("text/xml", [b"<a q=\"", value, b"\"/>"].concat())
    }),
    somewhere("an element without a type", markup, |value| {
        untyped(&[b"<a><q>", value, b"</q></a>"].concat())
    }),
    value("a document in UTF-16", Body, "$.q", wide_json, |value| {
        Request::get("/").body(
            "application/json; charset=utf-16le",
            [wide("{\"q\":\""), value.to_vec(), wide("\"}")].concat(),
        )
    }),
];

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const MULTIPART: &str = "multipart/form-data; boundary=b";

fn text(value: &[u8]) -> &str {
    std::str::from_utf8(value).expect("an address is ASCII")
}

fn untyped(body: &[u8]) -> Request {
    let mut request = Request::get("/").body("", body);
    request.headers.clear();
    request
}

fn multipart(head: &[u8], content: &[u8], line_end: &str) -> Request {
    let end = line_end.as_bytes();
    let body = [b"--b", end, head, end, end, content, end, b"--b--", end].concat();
    Request::get("/").body(MULTIPART, body)
}

// === How bytes are written ===

/// As in an address: all but letters and digits by percent escapes.
fn address(bytes: &[u8]) -> Option<Vec<u8>> {
    let escape = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => vec![*byte],
        byte => format!("%{byte:02X}").into(),
    };
    Some(bytes.iter().flat_map(escape).collect())
}

fn header(bytes: &[u8]) -> Option<Vec<u8>> {
    let fits = |byte: &u8| !byte.is_ascii_control();
    bytes.iter().all(fits).then(|| bytes.to_vec())
}

/// By percent escapes what would end a cookie or be trimmed.
fn cookie(bytes: &[u8]) -> Option<Vec<u8>> {
    let escape = |byte: &u8| match byte {
        b' ' | b';' | b'=' | b'%' | b'"' | b'+' => format!("%{byte:02x}").into(),
        byte => vec![*byte],
    };
    Some(bytes.iter().flat_map(escape).collect())
}

/// As in a string of JSON.
fn json(bytes: &[u8]) -> Option<Vec<u8>> {
    let quoted = serde_json::to_string(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(quoted.strip_prefix('"')?.strip_suffix('"')?.into())
}

fn wide_json(bytes: &[u8]) -> Option<Vec<u8>> {
    let quoted = json(bytes)?;
    Some(wide(std::str::from_utf8(&quoted).ok()?))
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// As in mail: all but letters and digits by escapes.
fn quoted_printable(bytes: &[u8]) -> Option<Vec<u8>> {
    let escape = |byte: &u8| match byte {
        byte if byte.is_ascii_alphanumeric() => vec![*byte],
        byte => format!("={byte:02X}").into(),
    };
    Some(bytes.iter().flat_map(escape).collect())
}

/// Lines that end nothing.
fn lines(bytes: &[u8]) -> Option<Vec<u8>> {
    (!bytes.contains(&b'\n')).then(|| bytes.to_vec())
}

/// The same of a text: a file that is none is not read.
fn text_lines(bytes: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(bytes).ok()?;
    lines(bytes)
}

fn quoted(bytes: &[u8]) -> Option<Vec<u8>> {
    (!bytes
        .iter()
        .any(|byte| matches!(byte, b'"' | b'\\' | b'\n')))
    .then(|| bytes.to_vec())
}

/// As in XML.
fn markup(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    Some(
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;")
            .into(),
    )
}

fn anything(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(bytes.to_vec())
}
