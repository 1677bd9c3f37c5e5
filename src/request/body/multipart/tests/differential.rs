//! Well-formed forms are read as a kept crate reads them.

use std::convert::Infallible;

use proptest::prelude::*;

use super::*;

/// A part: its name, its file name, its type, its content.
type Part = (String, Option<String>, Option<&'static str>, Vec<u8>);

fn part() -> impl Strategy<Value = Part> {
    let name = "[a-zA-Z0-9 _.;:=\\[\\]äß-]{1,12}";
    let content = proptest::collection::vec(
        prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte]),
            proptest::sample::select(vec![
                "\r\n", "--", "\r\n--", "\r\n-", "boundar", "text", "\n"
            ])
            .prop_map(|piece| piece.as_bytes().to_vec()),
        ],
        0..40,
    );
    (
        name,
        proptest::option::of(name),
        proptest::option::of(proptest::sample::select(vec!["text/plain", "image/png"])),
        content.prop_map(|pieces| pieces.concat()),
    )
}

fn write(parts: &[Part], boundary: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file_name, content_type, content) in parts {
        body.extend_from_slice(
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"").as_bytes(),
        );
        if let Some(file_name) = file_name {
            body.extend_from_slice(format!("; filename=\"{file_name}\"").as_bytes());
        }
        if let Some(content_type) = content_type {
            body.extend_from_slice(format!("\r\nContent-Type: {content_type}").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

/// What the other crate reads: names, file names, contents.
fn others(body: Vec<u8>, boundary: &str) -> Vec<(String, Option<String>, Vec<u8>)> {
    let stream = futures_util::stream::once(async move { Ok::<_, Infallible>(body) });
    let mut form = multer::Multipart::new(stream, boundary);
    let mut parts = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        while let Some(field) = form.next_field().await.unwrap() {
            let name = field.name().unwrap_or_default().to_owned();
            let file_name = field.file_name().map(str::to_owned);
            parts.push((name, file_name, field.bytes().await.unwrap().to_vec()));
        }
    });
    parts
}

/// What ours reads, and nothing is odd about it.
fn ours(body: &[u8], boundary: &str) -> Vec<(String, Option<String>, Vec<u8>)> {
    let mut scanner = Scanner::new(boundary.as_bytes());
    let mut parts: Vec<(String, Option<String>, Vec<u8>)> = Vec::new();
    let mut at = 0;
    while let Some(token) = scanner.next(&body[at..], true) {
        assert_eq!(token.note, None);
        let span = at..at + token.length;
        at = span.end;
        match token.kind {
            TokenKind::Head => {
                let (head, parsed) =
                    Collector::parse(body, |out| Head::read(span, usize::MAX, out));
                assert_eq!(parsed.values.ambiguities.len(), 0);
                let keys = parsed.inputs().iter().filter(|input| input.is_key());
                let mut keys = keys.map(|input| String::from_utf8(input.value().to_vec()).unwrap());
                let (name, file_name) = (keys.next().unwrap(), keys.next());
                assert_eq!(head.is_certainly_a_file(), file_name.is_some());
                parts.push((name, file_name, Vec::new()));
            }
            TokenKind::Content => parts.last_mut().unwrap().2.extend_from_slice(&body[span]),
            TokenKind::Delimiter { .. } | TokenKind::Outside => {}
        }
    }
    parts
}

proptest! {
    #[test]
    fn a_well_formed_form_is_read_alike(parts in proptest::collection::vec(part(), 1..6)) {
        let boundary = "boundary_7MA4YWxk";
        let body = write(&parts, boundary);
        let ours = ours(&body, boundary);
        let written: Vec<_> = parts
            .into_iter()
            .map(|(name, file_name, _, content)| (name, file_name, content))
            .collect();
        prop_assert_eq!(&ours, &written);
        prop_assert_eq!(ours, others(body, boundary));
    }
}
