//! Bodies that are streams of gRPC messages.
//!
//! They are judged by their head and by what their first message begins with; the messages go through as they come, both
//! ways, for as long as the call lasts.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// How long the prefix of a message of gRPC is: whether it is compressed, and its length.
pub(super) const GRPC_PREFIX: usize = 5;

/// Whether a body is said to be a stream of gRPC messages.
pub(in crate::proxy) fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
    kind.is_some_and(|kind| {
        let rest = kind.strip_prefix(b"application/grpc");
        rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b'-')))
    })
}

/// Whether bytes begin as a message of gRPC does. No text does: not on the sender's word alone is a body one.
pub(super) fn begins_as_grpc(bytes: &[u8]) -> bool {
    matches!(bytes, [0 | 1, 0, _, _, _, ..])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn it_takes_the_name_and_the_look() {
        let is = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            is_grpc(&headers)
        };
        assert!(is("application/grpc") && is("application/grpc+proto") && is("application/grpc;x"));
        assert!(!is("application/grpcx") && !is("application/json") && !is(""));
        assert!(begins_as_grpc(b"\0\0\0\0\x05hello") && begins_as_grpc(b"\x01\0\0\0\0"));
        // Neither text nor a message of 16 MiB and more.
        for no in [
            &b"{\"a\":1}"[..],
            b"a=1&b=2",
            b"\0\0\0\0",
            b"\0\x01\0\0\0x",
            b"",
        ] {
            assert!(!begins_as_grpc(no));
        }
    }
}
