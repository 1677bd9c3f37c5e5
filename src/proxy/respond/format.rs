//! In which form a client wants its answer.

use http::HeaderMap;
use http::header::ACCEPT;

use crate::proxy::receive::is_grpc;

/// In which form an answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Problem,
    Html,
    /// Headers alone, as gRPC has them.
    Grpc,
}

/// The form that `Accept` prefers (RFC 9110, 12.5.1). JSON, unless another is named itself and not less wanted: `*/*`
/// asks for nothing in particular. Who speaks gRPC reads nothing else.
pub(super) fn preferred(request: &HeaderMap) -> Format {
    if is_grpc(request) {
        return Format::Grpc;
    }
    let mut best = (Format::Json, 0);
    for range in request
        .get_all(ACCEPT)
        .iter()
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
    {
        let mut parts = range.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
        let format = match parts
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase()
            .as_slice()
        {
            b"application/json" => Format::Json,
            b"application/problem+json" => Format::Problem,
            b"text/html" => Format::Html,
            _ => continue,
        };
        let quality = parts
            .find_map(|part| part.strip_prefix(b"q="))
            .map_or(1000, per_mille);
        if quality > best.1 {
            best = (format, quality);
        }
    }
    best.0
}

/// A quality value in thousandths; 0 where it is none.
fn per_mille(text: &[u8]) -> u32 {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.trim().parse::<f32>().ok())
        .map_or(0, |quality| {
            // The clamp makes the conversion exact enough: between 0 and 1000.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to 0..=1000"
            )]
            let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u32;
            thousandths
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_refusal_follows_accept() {
        let cases = [
            ("", Format::Json),
            ("*/*", Format::Json),
            ("application/json", Format::Json),
            ("application/problem+json", Format::Problem),
            (
                "application/json, application/problem+json;q=0.5",
                Format::Json,
            ),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                Format::Html,
            ),
            ("application/json, text/html", Format::Json),
            ("text/html;q=0.3, application/json;q=0.2", Format::Html),
            ("text/html;q=0", Format::Json),
            ("text/*", Format::Json),
            ("text/html;q=oops, image/png", Format::Json),
        ];
        for (accept, expected) in cases {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(ACCEPT, accept.parse().expect("a value"));
            }
            assert_eq!(preferred(&headers), expected, "{accept}");
        }
    }
}
