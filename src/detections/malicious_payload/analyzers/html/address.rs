//! Addresses that are scripts or documents with scripts: `javascript:` and its relatives, `data:` (RFC 2397).

use super::super::bytes::{begins, find, is_word, rest};

/// How far apart the letters of a scheme may be: browsers pass over control characters and line ends in it (URL, 4.4).
const LONGEST_SCHEME: usize = 64;

/// Where the script begins in an address that is one, in whatever is written around its scheme.
pub(super) fn script(value: &[u8]) -> Option<usize> {
    let is_before = |byte: &&u8| matches!(**byte, 0..=b' ' | b'"' | b'\'' | b'`');
    let start = value.iter().take_while(is_before).count();
    let inner = rest(value, start);
    let inner = inner.get(..LONGEST_SCHEME).unwrap_or(inner);
    let colon = memchr::memchr(b':', inner)?;
    let written = inner.get(..colon)?;
    let letters = || written.iter().filter(|byte| **byte > b' ');
    let is = |scheme: &[u8]| {
        letters().count() == scheme.len()
            && letters()
                .zip(scheme)
                .all(|(byte, known)| byte.eq_ignore_ascii_case(known))
    };
    [&b"javascript"[..], b"vbscript", b"livescript"]
        .into_iter()
        .any(is)
        .then_some(start + colon + 1)
}

/// Whether the script of an address does nothing, as in links that another script serves.
pub(super) fn does_nothing(script: &[u8]) -> bool {
    let end = script
        .iter()
        .position(|byte| matches!(*byte, b'"' | b'\'' | b'`' | b'>'))
        .unwrap_or(script.len());
    let script = script.get(..end).unwrap_or(script).trim_ascii();
    let script = script.strip_suffix(b";").unwrap_or(script);
    [
        &b""[..],
        b"void(0)",
        b"void 0",
        b"//",
        b"#",
        b"history.back()",
        b"history.go(-1)",
        b"window.print()",
        b"return false",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(script))
}

/// Whether what follows a scheme is code and not a sentence about it: what stands there without a blank before it, or calls,
/// assigns or escapes something.
pub(super) fn is_code(script: &[u8]) -> bool {
    const NEAR: usize = 200;
    let near = script.get(..NEAR).unwrap_or(script);
    let near = near
        .split(|byte| *byte == b'\n')
        .find(|line| !line.trim_ascii().is_empty());
    let Some(near) = near else {
        return false;
    };
    let Some(first) = script.first() else {
        return false;
    };
    let is_sign = |byte: &u8| {
        matches!(
            *byte,
            b'(' | b'=' | b'`' | b'[' | b'\\' | b'%' | b'&' | b'{'
        )
    };
    if matches!(*first, b' ' | b'\t') {
        // `javascript: alert(1)`, but not `JavaScript: the language (of the web)`.
        let word = near.trim_ascii_start();
        let len = word
            .iter()
            .take_while(|byte| is_word(**byte) || **byte == b'.')
            .count();
        return word.get(len).is_some_and(is_sign);
    }
    near.iter().any(is_sign) || matches!(*first, b'/' | 0..b' ')
}

/// Every place where an address that is a script stands in a text, and where its script begins.
pub(super) fn scripts(text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(colon) = memchr::memchr(b':', rest(text, at)) {
            let colon = at + colon;
            at = colon + 1;
            if let Some(start) = scheme_before(text, colon) {
                return Some((start, colon + 1));
            }
        }
        None
    })
}

/// Where the scheme of a script begins that ends at a colon, if it can begin there.
fn scheme_before(text: &[u8], colon: usize) -> Option<usize> {
    // Letter by letter from the end, passing over what browsers pass over.
    let mut at = colon;
    let mut take = |known: u8, most: usize| -> bool {
        let from = at.saturating_sub(most);
        let before = text.get(from..at).unwrap_or_default();
        let Some(last) = before.iter().rposition(|byte| *byte > b' ') else {
            return false;
        };
        let is_it = before
            .get(last)
            .is_some_and(|byte| byte.eq_ignore_ascii_case(&known));
        if is_it {
            at = from + last;
        }
        is_it
    };
    if !b"tpircs".iter().all(|letter| take(*letter, 6)) {
        return None;
    }
    let is_whole = if take(b'a', 6) {
        take(b'v', 6) && take(b'a', 6) && take(b'j', 6)
    } else if take(b'b', 6) {
        take(b'v', 6)
    } else {
        take(b'e', 6) && take(b'v', 6) && take(b'i', 6) && take(b'l', 6)
    };
    let before = text.get(..at)?;
    let before = before.trim_ascii_end().last();
    let is_open = before.is_none_or(|byte| {
        matches!(
            *byte,
            b'=' | b':' | b'(' | b',' | b';' | b'"' | b'\'' | b'`' | b'>' | b'[' | 0..=b' '
        )
    });
    (is_whole && is_open).then_some(at)
}

/// Where an address stands that is a document or a script (`data:text/html,…`), and where it ends.
pub(super) fn document(text: &[u8]) -> Option<std::ops::Range<usize>> {
    const TYPES: [&[u8]; 10] = [
        b"text/html",
        b"text/javascript",
        b"text/ecmascript",
        b"text/xml",
        b"text/vbscript",
        b"application/xml",
        b"application/javascript",
        b"application/x-javascript",
        b"application/xhtml+xml",
        b"image/svg+xml",
    ];
    const MOST_PICTURES: usize = 8;
    let (mut from, mut pictures) = (0, 0);
    while let Some(at) = find(text, b"data:", from) {
        from = at + 5;
        let filler = rest(text, from)
            .iter()
            .take(8)
            .take_while(|byte| **byte <= b' ')
            .count();
        let inner = rest(text, from + filler);
        let comma = memchr::memchr(b',', inner.get(..120).unwrap_or(inner));
        let content = comma.map(|comma| rest(inner, comma + 1));
        let declared = comma.and_then(|comma| inner.get(..comma)).unwrap_or(inner);
        let kind = TYPES.iter().find(|kind| begins(declared, kind));
        let is_active = match kind {
            // A drawing is a picture to most: only one that is written out, or nobody looked at.
            Some(&b"image/svg+xml") => content.is_some_and(|content| {
                pictures += 1;
                ["<", "%3c", "phn2z", "pd94"]
                    .iter()
                    .any(|begin| begins(content.trim_ascii_start(), begin.as_bytes()))
                    && (pictures > MOST_PICTURES || !is_picture(content))
            }),
            Some(kind) => matches!(inner.get(kind.len()), Some(b',' | b';')),
            None => content.is_some_and(|content| {
                [&b"PHNjcmlwd"[..], b"PHN2Zy"]
                    .iter()
                    .any(|begin| content.starts_with(begin))
                    || begins(content.trim_ascii_start(), b"<script")
                    || begins(content, b"alert(")
            }),
        };
        if is_active {
            return Some(at..from + filler + declared.len());
        }
    }
    None
}

/// Whether a drawing that is written out holds nothing that runs.
fn is_picture(content: &[u8]) -> bool {
    const NEAR: usize = 2048;
    let near = content.get(..NEAR).unwrap_or(content);
    ![
        &b"script"[..],
        b"onload",
        b"onerror",
        b"onbegin",
        b"foreignobject",
        b"phn2z",
        b"javascript",
    ]
    .iter()
    .any(|active| find(near, active, 0).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_of_scripts_are_seen_through_filler() {
        for text in [
            "javascript:x",
            " \u{1}JavaScript:x",
            "java\nscript:x",
            "\"vb\tscript:x",
            "l\0ivescript:x",
        ] {
            let at = script(text.as_bytes());
            assert_eq!(at, Some(text.len() - 1), "{text:?}");
        }
        for text in [
            "javascripts:x",
            "script:x",
            "https://javascript:x",
            "java:x",
        ] {
            assert_eq!(script(text.as_bytes()), None, "{text:?}");
        }
        for (text, count) in [
            ("a=javascript:x", 1),
            ("(java\nscript:x) \"vbscript:y\"", 2),
            ("myjavascript:x", 0),
            ("description: x", 0),
        ] {
            assert_eq!(scripts(text.as_bytes()).count(), count, "{text:?}");
        }
    }

    #[test]
    fn code_is_told_from_sentences() {
        for code in [
            "alert(1)",
            " alert(1)",
            "x=1",
            "//%0aalert",
            "\nalert(1)",
            "`x`",
        ] {
            assert!(is_code(code.as_bytes()), "{code:?}");
        }
        for sentence in ["", " the good parts", " it is fun (really)", "fun"] {
            assert!(!is_code(sentence.as_bytes()), "{sentence:?}");
        }
        for nothing in [
            "void(0)",
            "void(0);",
            ";",
            "",
            "void(0)\">x</a>",
            "history.back()",
        ] {
            assert!(does_nothing(nothing.as_bytes()), "{nothing:?}");
        }
        assert!(!does_nothing(b"alert(1)"));
    }
}
