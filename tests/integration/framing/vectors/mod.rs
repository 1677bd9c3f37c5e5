//! The vectors: data, and nothing but. One file for each part of a message.

mod bodies;
mod heads;
mod polite;
mod smuggled;

pub use self::bodies::{chunks, lengths, trailers, transfer_encodings};
pub use self::heads::{fields, hosts, line_ends, start_lines, targets};
pub use self::polite::polite;
pub use self::smuggled::smuggled;

/// Bytes that a client sends, and the one safe outcome.
#[derive(Clone, Debug)]
pub struct Vector {
    pub name: String,
    pub bytes: Vec<u8>,
    /// What has to arrive at the upstream, no more and no less.
    pub requests: Vec<Seen>,
    /// The status and the rule with which it ends; `None` where nothing is refused.
    pub refusal: Option<(u16, &'static str)>,
    /// Whether it is a HEAD request that is refused.
    pub is_head: bool,
}

/// A request as the upstream has to see it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: &'static str,
    pub target: &'static str,
    pub body: &'static str,
    /// The exact values of some fields; none for one that must be absent.
    pub fields: Vec<(&'static str, Vec<&'static str>)>,
    pub trailers: Vec<&'static str>,
}

pub fn seen(method: &'static str, target: &'static str) -> Seen {
    Seen {
        method,
        target,
        body: "",
        fields: Vec::new(),
        trailers: Vec::new(),
    }
}

impl Seen {
    pub fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    pub fn with(mut self, name: &'static str, values: &[&'static str]) -> Self {
        self.fields.push((name, values.to_vec()));
        self
    }

    pub fn trailer(mut self, name: &'static str) -> Self {
        self.trailers.push(name);
        self
    }
}

/// Vectors that are refused alike.
fn refused(status: u16, rule: &'static str, vectors: &[(&str, &[u8])]) -> Vec<Vector> {
    vectors
        .iter()
        .map(|(name, bytes)| Vector {
            name: format!("{rule}: {name}"),
            bytes: bytes.to_vec(),
            requests: Vec::new(),
            refusal: Some((status, rule)),
            is_head: bytes.starts_with(b"HEAD "),
        })
        .collect()
}

/// As [`refused`], each with `prefix` before its bytes and `suffix` behind them.
fn refused_within(
    status: u16,
    rule: &'static str,
    prefix: &str,
    suffix: &str,
    vectors: &[(&str, &[u8])],
) -> Vec<Vector> {
    let mut all = refused(status, rule, vectors);
    for vector in &mut all {
        vector.bytes = [prefix.as_bytes(), &vector.bytes, suffix.as_bytes()].concat();
    }
    all
}

/// A vector of which everything goes on.
fn forwarded(name: &str, bytes: &[u8], requests: Vec<Seen>) -> Vector {
    Vector {
        name: name.to_owned(),
        bytes: bytes.to_vec(),
        requests,
        refusal: None,
        is_head: false,
    }
}

/// A vector of which the first requests go on, and the next is refused.
fn forwarded_then(
    name: &str,
    bytes: &[u8],
    requests: Vec<Seen>,
    status: u16,
    rule: &'static str,
) -> Vector {
    Vector {
        refusal: Some((status, rule)),
        ..forwarded(name, bytes, requests)
    }
}
