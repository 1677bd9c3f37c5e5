//! A strict reader of requests, for judging what arrived at an upstream. It shares no code with the proxy and none with
//! hyper, and it errs on the side of refusing: what it takes has one reading.

/// One request as its bytes say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub method: String,
    pub target: Vec<u8>,
    /// Names in lower case, values without white space around them, in the order of arrival.
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, Vec<u8>)>,
    pub is_chunked: bool,
}

impl Parsed {
    pub fn all(&self, name: &str) -> Vec<&[u8]> {
        self.fields
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value.as_slice())
            .collect()
    }
}

/// What bytes begin with.
#[derive(Debug)]
pub enum Reading {
    /// A whole request, and its length.
    Whole(Box<Parsed>, usize),
    /// The beginning of one.
    Partial,
    /// None.
    Wrong(String),
}

/// A reader of bytes from the left.
struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

enum Fail {
    Short,
    Wrong(String),
}

fn wrong<T>(what: impl Into<String>) -> Result<T, Fail> {
    Err(Fail::Wrong(what.into()))
}

impl<'b> Cursor<'b> {
    fn byte(&mut self) -> Result<u8, Fail> {
        let byte = *self.bytes.get(self.at).ok_or(Fail::Short)?;
        self.at += 1;
        Ok(byte)
    }

    fn expect(&mut self, text: &[u8]) -> Result<(), Fail> {
        for expected in text {
            let byte = self.byte()?;
            if byte != *expected {
                return wrong(format!("{byte:#x} where {expected:#x} belongs"));
            }
        }
        Ok(())
    }

    /// Bytes up to `end`, which is taken and not given; all of them of a kind.
    fn until(&mut self, end: u8, is_allowed: impl Fn(u8) -> bool) -> Result<&'b [u8], Fail> {
        let start = self.at;
        loop {
            let byte = self.byte()?;
            if byte == end {
                return Ok(&self.bytes[start..self.at - 1]);
            }
            if !is_allowed(byte) {
                return wrong(format!("{byte:#x} at {}", self.at));
            }
        }
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Fail> {
        let taken = self
            .bytes
            .get(self.at..self.at + length)
            .ok_or(Fail::Short)?;
        self.at += length;
        Ok(taken)
    }

    fn fields(&mut self) -> Result<Vec<(String, Vec<u8>)>, Fail> {
        let mut fields = Vec::new();
        loop {
            if self.bytes.get(self.at) == Some(&b'\r') {
                self.expect(b"\r\n")?;
                return Ok(fields);
            }
            let name = self.until(b':', |byte| {
                byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
            })?;
            if name.is_empty() {
                return wrong("a field without a name");
            }
            let value = self.until(b'\r', |byte| {
                byte == b'\t' || (byte >= b' ' && byte != 0x7f)
            })?;
            self.expect(b"\n")?;
            let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
            let start = value
                .iter()
                .position(|byte| !is_space(byte))
                .unwrap_or(value.len());
            let end = value
                .iter()
                .rposition(|byte| !is_space(byte))
                .map_or(start, |at| at + 1);
            fields.push((
                String::from_utf8_lossy(name).to_ascii_lowercase(),
                value[start..end].to_vec(),
            ));
        }
    }

    fn chunks(&mut self) -> Result<Vec<u8>, Fail> {
        let mut body = Vec::new();
        loop {
            let digits = self.until(b'\r', |byte| byte.is_ascii_hexdigit())?;
            self.expect(b"\n")?;
            if digits.is_empty() || digits.len() > 8 {
                return wrong("no size of a chunk");
            }
            let size = usize::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap();
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(self.take(size)?);
            self.expect(b"\r\n")?;
        }
    }

    fn request(&mut self) -> Result<Parsed, Fail> {
        let method = self.until(b' ', |byte| {
            byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        })?;
        let target = self.until(b' ', |byte| byte > b' ' && byte != 0x7f && byte != b'#')?;
        self.expect(b"HTTP/1.1\r\n")?;
        if method.is_empty() || target.is_empty() {
            return wrong("an empty method or target");
        }
        let is_path = target.starts_with(b"/") || (target == b"*" && method == b"OPTIONS");
        if !is_path {
            return wrong("a target that is no path");
        }
        let mut request = Parsed {
            method: String::from_utf8_lossy(method).into_owned(),
            target: target.to_vec(),
            fields: self.fields()?,
            ..Parsed::default()
        };
        let host = request.all("host");
        if host.len() != 1 || host[0].is_empty() {
            return wrong(format!("hosts: {host:?}"));
        }
        for name in [
            "upgrade",
            "http2-settings",
            "te",
            "keep-alive",
            "proxy-connection",
            "proxy",
        ] {
            if !request.all(name).is_empty() {
                return wrong(format!("a {name} field"));
            }
        }
        if request
            .all("connection")
            .iter()
            .any(|value| *value != b"close" && *value != b"keep-alive")
        {
            return wrong("a connection field");
        }
        let (lengths, codings) = (
            request.all("content-length"),
            request.all("transfer-encoding"),
        );
        match (lengths.as_slice(), codings.as_slice()) {
            ([], []) => {}
            ([length], []) => {
                if length.is_empty() || length.len() > 9 || !length.iter().all(u8::is_ascii_digit) {
                    return wrong("no length");
                }
                let length = std::str::from_utf8(length).unwrap().parse().unwrap();
                request.body = self.take(length)?.to_vec();
            }
            ([], [b"chunked"]) => {
                request.is_chunked = true;
                request.body = self.chunks()?;
                request.trailers = self.fields()?;
            }
            _ => return wrong(format!("framed by {lengths:?} and {codings:?}")),
        }
        Ok(request)
    }
}

/// Reads the request that `bytes` begin with.
pub fn read(bytes: &[u8]) -> Reading {
    let mut cursor = Cursor { bytes, at: 0 };
    match cursor.request() {
        Ok(request) => Reading::Whole(Box::new(request), cursor.at),
        Err(Fail::Short) => Reading::Partial,
        Err(Fail::Wrong(what)) => Reading::Wrong(what),
    }
}

#[test]
fn the_reader_takes_what_is_plain_and_nothing_else() {
    let whole = |text: &str| match read(text.as_bytes()) {
        Reading::Whole(request, length) => Some((request.method, length)),
        Reading::Partial | Reading::Wrong(_) => None,
    };
    let plain = "POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET";
    assert_eq!(whole(plain), Some(("POST".to_owned(), plain.len() - 3)));
    let chunked = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX: 1\r\n\r\n";
    assert_eq!(whole(chunked), Some(("POST".to_owned(), chunked.len())));
    for odd in [
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\nHost: h\n\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n",
        "GET /a HTTP/1.0\r\nHost: h\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET a HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost : h\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0;a\r\n\r\n",
    ] {
        assert!(matches!(read(odd.as_bytes()), Reading::Wrong(_)), "{odd:?}");
    }
}
