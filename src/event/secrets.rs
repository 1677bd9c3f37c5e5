//! What must not be shown: secrets in requests, and control characters of outsiders.
//!
//! Three nets. A value whose *place* is known to carry secrets is masked whole ([`place_is_secret`]), and so is one that a
//! value beside it names ([`Neighbours`]). In any other text, what follows the name of a secret is masked
//! ([`presentable`]): a password in a body that is judged as text, a token in the query of a `Referer` or in a path. All err
//! by masking too much; none can know a secret that nothing names.

mod named;
mod neighbours;

use std::ops::Range;

use crate::request::name::{head, push_printable};
use crate::request::{Place, PlaceKind};

pub(super) use named::{AROUND, apart, named};
pub use neighbours::Neighbours;

/// What stands for a secret.
pub const MASK: &str = "[masked]";

/// Makes what is made at the first use of anything here, so that no request waits for it.
pub fn prepare() {
    let _ = presentable(b"token: a", 8);
}

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
            named::is_secret(&place.name) || place.name.eq_ignore_ascii_case("cookie")
        }
        PlaceKind::Query | PlaceKind::Body => named::is_secret(&place.name),
        PlaceKind::Path | PlaceKind::Client | PlaceKind::Response => false,
    }
}

/// Whether a value at `place` may be named as a secret by its [`Neighbours`], which are not worth looking for otherwise.
#[must_use]
pub fn is_nameable(place: &Place<'_>) -> bool {
    neighbours::is_nameable(place)
}

/// Whether a query that cannot be taken apart may hold a secret: a parameter's name says it, or is percent-encoded, or the
/// name of a secret stands anywhere, as in a URL within.
#[must_use]
pub fn query_is_secret(query: &[u8]) -> bool {
    let text = String::from_utf8_lossy(query).to_ascii_lowercase();
    let mut names = text
        .split(['&', ';'])
        .filter_map(|pair| pair.split('=').next());
    named::has_word(&text) || names.any(|name| name.contains('%') || named::is_secret(name))
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
    let mut written = String::with_capacity(shown.len() + 4);
    let mut at = part.start;
    for secret in named::named_around(text, part.start..end) {
        if secret.end <= at || secret.start >= end {
            continue;
        }
        push_printable(&mut written, text.get(at..secret.start).unwrap_or_default());
        written.push_str(MASK);
        at = secret.end.min(end);
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
            (Body, "$.employee.SSN"),
            (Body, "/user/pass"),
            (Body, "/user/@pin"),
            (Query, "user_ssn"),
            (Query, "social-security-number"),
            (Headers, "X-Auth"),
            (Headers, "x-auth-token"),
            (Headers, "X-Auth-Key"),
            (Headers, "x-hub-signature"),
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
            (Headers, "x-author"),
            (Headers, "x-auth-user"),
            (Body, "$.author"),
            (Body, "$.lesson"),
            (Body, "$.keyboard"),
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
            ("Authorization: Bearer xyz", "Authorization: [masked]"),
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
            (
                "password: hunter2 and more words\nnote: a",
                "password: [masked]\\u{a}note: a",
            ),
            ("  - pin = it is 12, a", "  - pin = [masked] is 12, a"),
            ("pin = it is 12, a", "pin = [masked], a"),
            (
                "my password: it's hunter2 ok, a",
                "my password: [masked], a",
            ),
            ("{pin: 12 34, a: 1}", "{pin: [masked], a: 1}"),
            ("X-Auth: hunter2, and 2", "X-Auth: [masked]"),
            ("ssn=078-05-1120&a=b", "ssn=[masked]&a=b"),
            (
                r#"[{"name":"password","value":"hunter2"},{"name":"a","value":"b"}]"#,
                r#"[{"name":"password","value":[masked]},{"name":"a","value":"b"}]"#,
            ),
            (
                r#"{"value": "hunter2", "id": "New API key"}"#,
                r#"{"value": [masked], "id": "New API key"}"#,
            ),
            (
                r#"{\"key\":\"x-auth\",\"value\":\"hunter2\"}"#,
                r#"{\"key\":\"x-auth\",\"value\":[masked]}"#,
            ),
            (
                "name=password&value=hunter2&a=b",
                "name=password&value=[masked]&a=b",
            ),
            (
                r#"{"name":"Password manager","value":"19.99"}"#,
                r#"{"name":"Password manager","value":"19.99"}"#,
            ),
            (
                r#"{"value":"19.99","name":"Password manager"}"#,
                r#"{"value":"19.99","name":"Password manager"}"#,
            ),
            (
                "Password manager: 19.99 each",
                "Password manager: 19.99 each",
            ),
            ("the password, a: hunter", "the password, a: hunter"),
            ("shipping=fast", "shipping=fast"),
            ("' or password like 'a%", "' or password like 'a%"),
            ("1 union select token from t", "1 union select token from t"),
        ] {
            assert_eq!(presentable(text.as_bytes(), 120), shown);
        }
    }

    #[test]
    fn what_looks_random_behind_a_segment_of_secrets_is_masked() {
        for (path, shown) in [
            ("/reset/token/abc123", "/reset/token/[masked]"),
            ("/api/key/xyz987/a?b", "/api/key/[masked]/a?b"),
            ("/a/token/token/abc123", "/a/token/token/[masked]"),
            (
                "/a/access_token/abc123%20or'1",
                "/a/access_token/[masked]'1",
            ),
            (
                "http://h/reset%2Ftoken%2fabc123",
                "http://h/reset%2Ftoken%2f[masked]",
            ),
            ("/sessions/0a1b2c3d/keys", "/sessions/[masked]/keys"),
            ("/docs/token/ring", "/docs/token/ring"),
            (
                "/docs/token/ring%20of%20fire",
                "/docs/token/ring%20of%20fire",
            ),
            ("/docs/token/a1", "/docs/token/a1"),
            ("/keys/abc123", "/keys/abc123"),
            ("/orders/2024/abc123", "/orders/2024/abc123"),
            ("/token/4711000", "/token/4711000"),
            ("TokenBot/2.0beta3000", "TokenBot/2.0beta3000"),
        ] {
            assert_eq!(presentable(path.as_bytes(), 120), shown);
        }
    }

    /// Whatever a secret consists of, and however far before its name is.
    #[test]
    fn a_part_deep_within_a_secret_is_masked() {
        let long = "x".repeat(3 * AROUND);
        let blanks = "x y ".repeat(AROUND);
        let escapes = r#"x\" "#.repeat(AROUND);
        for (before, filling, after) in [
            ("a=b&password=", &long, "&c=d"),
            ("Bearer ", &long, " d"),
            ("http://joe:", &long, "@h/"),
            ("a, password: ", &blanks, "\nd"),
            ("password: ", &blanks, "\nd"),
            ("a, password: it's ", &blanks, "\nd"),
            ("{'password': '", &blanks, "', d"),
            (r#"{"password": ""#, &blanks, r#"", d"#),
            (r#"{"password": ""#, &escapes, r#"", d"#),
            (r#"{\"password\": \""#, &blanks, r#"\", d"#),
        ] {
            let text = format!("{before}{filling}hunter2{after}").into_bytes();
            let at = before.len() + filling.len();
            let shown = presentable_part(&text, at..at + 7, 120);
            assert_eq!(shown, MASK, "{before}");
            let shown = presentable_part(&text, at + 3..text.len(), 120);
            assert!(shown.starts_with(MASK), "{shown}");
            let last = shown.chars().next_back().expect("a text");
            assert!(after.ends_with(last), "{shown}");
        }
        // What has ended, has.
        for before in [
            "password=1&a=",
            "password: a\nb: ",
            r#"{"password": "", "a": ""#,
        ] {
            let text = format!("{before}{long}hunter2").into_bytes();
            let at = before.len() + long.len();
            assert_eq!(presentable_part(&text, at..at + 7, 120), "hunter2");
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
