//! What must not be shown: secrets in requests, and control characters of outsiders.
//!
//! Two nets. A value whose *place* is known to carry secrets is masked whole ([`place_is_secret`]). In any other text,
//! what follows the name of a secret is masked ([`presentable`]): a password in a body that is judged as text, a token in
//! the query of a `Referer`. Both err by masking too much; neither can know a secret that nothing names.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

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
const MASK: &[u8] = b"[masked]";

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

/// Bytes of an outsider as evidence: secrets that the text itself names are masked, then as [`printable`].
#[must_use]
pub fn presentable(bytes: &[u8], max: usize) -> String {
    let shown = head(bytes, max);
    let mut text = String::with_capacity(shown.len() + 4);
    push_printable(&mut text, &mask_named(shown));
    if shown.len() < bytes.len() {
        text.push('…');
    }
    text
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

/// Masks what follows a scheme of credentials (`Bearer …`) or the name of a secret and `=` or `:`.
fn mask_named(text: &[u8]) -> Cow<'_, [u8]> {
    let Some(expressions) = NAMED.as_ref() else {
        // They are constant, so they compile; but if we could not look for secrets, nothing may be shown.
        return Cow::Borrowed(MASK);
    };
    let mut masked = Cow::Borrowed(text);
    for expression in expressions {
        let replaced = expression.replace_all(&masked, |found: &Captures<'_>| {
            let name = found.name("name").map_or(&b""[..], |name| name.as_bytes());
            [name, MASK].concat()
        });
        if let Cow::Owned(replaced) = replaced {
            masked = Cow::Owned(replaced);
        }
    }
    masked
}

/// What [`mask_named`] looks for; the group `name` stays.
static NAMED: LazyLock<Option<[Regex; 2]>> = LazyLock::new(|| {
    let scheme = r#"(?is-u)(?<name>\b(?:bearer|basic)(?:\s|\+|%20)+)[^\s"'&;,]+"#;
    // A name; its closing quote, plain or itself escaped; a colon or equals sign; then a quoted value with its quotes,
    // to the end of the text if nothing closes it, or a value without quotes.
    let pair = [
        r"(?is-u)(?<name>(?:[\w.\[\]-]*(?:",
        &WORDS.join("|"),
        r")[\w.\[\]-]*|\b(?:",
        &WHOLE.join("|"),
        r#"))\]?(?:\\?["'])?\s*(?:[:=]|%3[ad])\s*[\[{]*\s*)"#,
        r#"(?:"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\\"(?:[^"\\])*(?:\\")?|[^\s"'&;,}]+)"#,
    ]
    .concat();
    Some([Regex::new(scheme).ok()?, Regex::new(&pair).ok()?])
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
