//! What must not be shown: secrets in requests, and control characters of outsiders.
//!
//! Two nets. A value whose *place* is known to carry secrets is masked whole ([`place_is_secret`]). In any other text,
//! what follows the name of a secret is masked ([`presentable`]): a password in a body that is judged as text, a token in
//! the query of a `Referer`. Both err by masking too much; neither can know a secret that nothing names.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::request::name::{head, push_printable};
use crate::request::{Place, PlaceKind};

/// Words within a name that say that its value is a secret.
const WORDS: [&str; 18] = [
    "authorization",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "api-key",
    "api_key",
    "apikey",
    "access_key",
    "accesskey",
    "private_key",
    "credential",
    "session",
    "sessid",
    "jwt",
];

/// Names that say it only if they are the whole name, because they are parts of many others (`shipping`, `passenger`).
const WHOLE: [&str; 8] = [
    "pass",
    "pin",
    "otp",
    "cvv",
    "cvc",
    "sid",
    "auth",
    "signature",
];

/// What stands for a secret.
pub const MASK: &str = "[masked]";

/// Whether values at `place` are secrets by their nature: credentials in headers, all cookies, passwords and tokens by
/// the name of their field.
#[must_use]
pub fn place_is_secret(place: &Place<'_>) -> bool {
    if place.is_key {
        return false;
    }
    match place.kind {
        PlaceKind::Cookies => true,
        PlaceKind::Headers => {
            name_is_secret(&place.name) || place.name.eq_ignore_ascii_case("cookie")
        }
        PlaceKind::Query | PlaceKind::Body => name_is_secret(&place.name),
        PlaceKind::Path | PlaceKind::Client | PlaceKind::Response => false,
    }
}

/// Whether a field's name says that its value is a secret. Of a JSON path (`$.user.pass[0]`) and of a form's field
/// (`user[pass]`), the last part may say it alone.
fn name_is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_index = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let last = lower
        .rsplit(['.', '[', ']'])
        .find(|part| !is_index(part))
        .unwrap_or_default();
    WORDS.iter().any(|word| lower.contains(word)) || WHOLE.contains(&last)
}

/// Whether a query that cannot be taken apart may hold a secret: a parameter's name says it, or is percent-encoded, or the
/// name of a secret stands anywhere, as in a URL within.
#[must_use]
pub fn query_is_secret(query: &[u8]) -> bool {
    let text = String::from_utf8_lossy(query).to_ascii_lowercase();
    let mut names = text
        .split(['&', ';'])
        .filter_map(|pair| pair.split('=').next());
    WORDS.iter().any(|word| text.contains(word))
        || names.any(|name| name.contains('%') || name_is_secret(name))
}

/// Bytes of an outsider as evidence: secrets that the text itself names are masked, then as [`printable`].
#[must_use]
pub fn presentable(bytes: &[u8], max: usize) -> String {
    presentable_part(bytes, 0..bytes.len(), max)
}

/// A part of a text as evidence: what the text around it says to be a secret is masked, then as [`printable`]. A match may
/// begin within a password whose name stands before it.
#[must_use]
pub fn presentable_part(text: &[u8], part: Range<usize>, max: usize) -> String {
    let bytes = text.get(part.clone()).unwrap_or_default();
    let shown = head(bytes, max);
    let end = part.start.saturating_add(shown.len());
    let from = part.start.saturating_sub(AROUND);
    let until = end.saturating_add(AROUND).min(text.len());
    let mut written = String::with_capacity(shown.len() + 4);
    let mut at = part.start;
    for secret in named(text.get(from..until).unwrap_or_default()) {
        let (start, stop) = (from + secret.start, from + secret.end);
        if stop <= at || start >= end {
            continue;
        }
        push_printable(&mut written, text.get(at..start).unwrap_or_default());
        written.push_str(MASK);
        at = stop.min(end);
    }
    push_printable(&mut written, text.get(at..end).unwrap_or_default());
    if shown.len() < bytes.len() {
        written.push('…');
    }
    written
}

/// Whether a text names a secret and holds it.
#[must_use]
pub fn names_secret(text: &[u8]) -> bool {
    !named(text).is_empty()
}

/// Whether a text names more secrets once it is decoded. What it names as it is written is masked there; what it does not
/// would be shown.
#[must_use]
pub fn names_more(decoded: &[u8], raw: &[u8]) -> bool {
    let count = named(decoded).len();
    count > 0 && count > named(raw).len()
}

/// Bytes of an outsider as one line of harmless text of at most `max` input bytes: control characters, characters that are
/// not seen or change how others are shown, and invalid UTF-8 are written as escapes; a cut is marked by `…`.
#[must_use]
pub fn printable(bytes: &[u8], max: usize) -> String {
    let shown = head(bytes, max);
    let mut text = String::with_capacity(shown.len() + 4);
    push_printable(&mut text, shown);
    if shown.len() < bytes.len() {
        text.push('…');
    }
    text
}

/// How far around a part is looked for the name of a secret, in bytes.
pub(super) const AROUND: usize = 4096;

/// Where secrets are that the text itself names, in order and apart: what follows a scheme of credentials (`Bearer …`), the
/// name of a secret and `=` or `:`, or the user's name in a URL.
pub(super) fn named(text: &[u8]) -> Vec<Range<usize>> {
    let Some(expressions) = NAMED.as_ref() else {
        // They are constant, so they compile; but if we could not look for secrets, nothing may be shown.
        return std::iter::once(0..text.len()).collect();
    };
    let found = expressions.iter().flat_map(|expression| {
        let found = expression.captures_iter(text);
        found.filter_map(|found| found.name("secret").map(|secret| secret.range()))
    });
    let mut all: Vec<Range<usize>> = found.collect();
    all.sort_by_key(|secret| secret.start);
    all.dedup_by(|next, last| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
    all
}

/// What [`named`] looks for; the group `secret` is what must not be shown.
static NAMED: LazyLock<Option<[Regex; 3]>> = LazyLock::new(|| {
    let scheme = r#"(?is-u)\b(?:bearer|basic)(?:\s|\+|%20)+(?<secret>[^\s"'&;,]+)"#;
    let user = r#"(?is-u)(?:://|%3a%2f%2f)[^\s/?#@:"']*:(?<secret>[^\s/?#@"']+)@"#;
    // A name; its closing quote, plain or itself escaped; a colon or equals sign; then a quoted value with its quotes,
    // to the end of the text if nothing closes it, or a value without quotes.
    let pair = [
        r"(?is-u)(?:(?:[\w.\[\]-]*(?:",
        &WORDS.join("|"),
        r")[\w.\[\]-]*|\b(?:",
        &WHOLE.join("|"),
        r#"))\]?(?:\\?["'])?\s*(?:[:=>]|%3[ad])\s*[\[{]*\s*)"#,
        r#"(?<secret>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\\"(?:[^"\\])*(?:\\")?|[^\s"'&;,}]+)"#,
    ]
    .concat();
    Some([
        Regex::new(scheme).ok()?,
        Regex::new(user).ok()?,
        Regex::new(&pair).ok()?,
    ])
});

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_of_secrets_are_known() {
        use PlaceKind::{Body, Cookies, Headers, Path, Query};
        for (kind, name) in [
            (Headers, "authorization"),
            (Headers, "Proxy-Authorization"),
            (Headers, "x-api-key"),
            (Headers, "cookie"),
            (Cookies, "theme"),
            (Query, "access_token"),
            (Query, "user[pass]"),
            (Query, "PHPSESSID"),
            (Body, "$.user.Password"),
            (Body, "$.cards[0].cvv"),
            (Body, "$.pins.pin[3]"),
        ] {
            assert!(place_is_secret(&Place::value(kind, name)), "{name}");
            assert!(
                !place_is_secret(&Place::key(kind, name)),
                "{name} as a name"
            );
        }
        for (kind, name) in [
            (Query, "shipping"),
            (Query, "passenger"),
            (Headers, "user-agent"),
            (Body, "$.author"),
            (Body, ""),
            (Path, "password"),
        ] {
            assert!(!place_is_secret(&Place::value(kind, name)), "{name}");
        }
    }

    #[test]
    fn what_the_name_of_a_secret_precedes_is_masked() {
        for (text, shown) in [
            ("password=hunter2&a=b", "password=[masked]&a=b"),
            ("a=1&Old-PassWord=hunter2", "a=1&Old-PassWord=[masked]"),
            (
                r#"{"password":"hunter2","a":1}"#,
                r#"{"password":[masked],"a":1}"#,
            ),
            (
                r#"{"password" : "hun\"ter2 x"}"#,
                r#"{"password" : [masked]}"#,
            ),
            (r#""password":"hunter2 and no en"#, r#""password":[masked]"#),
            (
                r#"{\"password\":\"hunter2\"}"#,
                r#"{\"password\":[masked]}"#,
            ),
            (r#"{"tokens":["hunter2"]}"#, r#"{"tokens":[[masked]]}"#),
            ("{'pin': 1234}", "{'pin': [masked]}"),
            ("user[pass]=hunter2;", "user[pass]=[masked];"),
            ("?token=abc<script>", "?token=[masked]"),
            ("token%3Dabc", "token%3D[masked]"),
            (
                "Authorization: Bearer xyz",
                "Authorization: [masked] [masked]",
            ),
            ("x Bearer a.b.c' or 1", "x Bearer [masked]' or 1"),
            ("basic\tdXNlcjpwYXNz", "basic\\u{9}[masked]"),
            (
                "https://joe:hunter2@example.org/",
                "https://joe:[masked]@example.org/",
            ),
            (
                "https://example.org:8080/@joe",
                "https://example.org:8080/@joe",
            ),
            ("shipping=fast", "shipping=fast"),
            ("' or password like 'a%", "' or password like 'a%"),
            ("1 union select token from t", "1 union select token from t"),
        ] {
            assert_eq!(presentable(text.as_bytes(), 120), shown);
        }
    }

    #[test]
    fn a_cut_does_not_uncover() {
        let shown = presentable(b"password=hunter2hunter2", 14);
        assert_eq!(shown, "password=[masked]…");
    }

    #[test]
    fn a_part_of_a_secret_is_masked_by_the_name_before_it() {
        let text = b"a=1&password=hunter2../../etc/passwd&b=../x";
        assert_eq!(presentable_part(text, 12..36, 120), "=[masked]");
        assert_eq!(presentable_part(text, 20..24, 120), "[masked]");
        assert_eq!(presentable_part(text, 20..40, 120), "[masked]&b=.");
        assert_eq!(presentable_part(text, 39..43, 120), "../x");
        assert_eq!(presentable_part(text, 4..20, 12), "password=[masked]…");
        assert_eq!(
            presentable_part(b"http://joe:hunter2@a/", 0..12, 120),
            "http://joe:[masked]"
        );
    }

    #[test]
    fn text_of_outsiders_is_one_harmless_line() {
        let text = "a\r\n\u{1b}[31m\u{202e}\u{200b}\u{e0041}é".as_bytes();
        assert_eq!(
            printable(text, 100),
            r"a\u{d}\u{a}\u{1b}[31m\u{202e}\u{200b}\u{e0041}é"
        );
        assert_eq!(printable(b"a\xff\xfeb", 100), r"a\xff\xfeb");
        assert_eq!(printable("éé".as_bytes(), 3), "é…");
        assert_eq!(printable(b"", 0), "");
    }

    proptest! {
        #[test]
        fn no_bytes_break_a_line_or_the_bound(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for shown in [printable(&bytes, 120), presentable(&bytes, 120)] {
                prop_assert!(!shown.chars().any(char::is_control));
                prop_assert!(shown.len() <= 120 * 10 + 3);
            }
        }

        #[test]
        fn a_named_secret_is_never_shown(
            before in "[a-z&={\":, ]{0,10}", name in r"(password|api_key|x-token|client\[pass\])",
            between in "(=|:|\": ?\"|' : ')", after in "[&\"}]?",
        ) {
            let text = format!("{before} {name}{between}hunter2{after}");
            prop_assert!(!presentable(text.as_bytes(), 120).contains("hunter2"), "{}", text);
        }
    }
}
