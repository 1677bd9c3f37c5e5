//! What a DOCTYPE asks for.

/// What is to be noted of a DOCTYPE. That of HTML says nothing and asks for nothing.
pub(super) fn kinds(text: &[u8]) -> impl Iterator<Item = &'static str> {
    let has = |word: &[u8]| memchr::memmem::find(text, word).is_some();
    let is_html = is_html(text);
    [
        (!is_html).then_some("xml_doctype"),
        has(b"<!ENTITY").then_some("xml_entity"),
        (!is_html && (has(b"SYSTEM") || has(b"PUBLIC"))).then_some("xml_external"),
    ]
    .into_iter()
    .flatten()
}

/// Whether a DOCTYPE is one of HTML: of this version or, by its public identifier, of an older one, whose definition lies
/// nowhere else than with those who wrote it.
fn is_html(text: &[u8]) -> bool {
    let begins = |text: &[u8], word: &[u8]| {
        text.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let Some(inner) = text
        .get(b"<!DOCTYPE".len()..)
        .and_then(|text| text.strip_suffix(b">"))
    else {
        return false;
    };
    // Nothing is declared within it.
    if inner.iter().any(|byte| matches!(byte, b'<' | b'>' | b'[')) {
        return false;
    }
    let inner = inner.trim_ascii();
    if !begins(inner, b"html") {
        return false;
    }
    let behind = inner.get(b"html".len()..).unwrap_or_default();
    if behind.is_empty() {
        return true;
    }
    let external = behind.trim_ascii_start();
    if external.len() == behind.len() || !begins(external, b"PUBLIC") {
        return false;
    }
    let Some((public, rest)) = quoted(external.get(b"PUBLIC".len()..).unwrap_or_default()) else {
        return false;
    };
    if !public.starts_with(b"-//W3C//") && !public.starts_with(b"-//IETF//") {
        return false;
    }
    rest.is_empty()
        || quoted(rest).is_some_and(|(system, rest)| {
            let is_known = [&b"http://www.w3.org/"[..], b"https://www.w3.org/"]
                .iter()
                .any(|site| system.starts_with(site));
            is_known && rest.is_empty()
        })
}

/// The text in quotes that follows, and what stands behind it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&quote @ (b'"' | b'\''), text) = text.trim_ascii_start().split_first()? else {
        return None;
    };
    let end = memchr::memchr(quote, text)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}
