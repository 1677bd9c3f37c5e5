//! Names of secrets, and the secrets that a text itself names.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::bytes::Regex;

/// Words within a name that say that its value is a secret. `_` stands for whatever joins words.
const WORDS: [&str; 17] = [
    "authorization",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "token",
    "api_key",
    "access_key",
    "auth_key",
    "private_key",
    "credential",
    "session",
    "sessid",
    "jwt",
    "social_security",
];

/// Words that say it only as the last of a name, because they are parts of many others (`shipping`, `passenger`).
const WHOLE: [&str; 10] = [
    "pass",
    "pin",
    "otp",
    "cvv",
    "cvc",
    "sid",
    "ssn",
    "auth",
    "authentication",
    "signature",
];

/// What keys of pairs are called whose value is named by a neighbour: `{"name": "password", "value": …}`.
pub(super) const NAMING: [&str; 10] = [
    "name",
    "key",
    "field",
    "id",
    "label",
    "property",
    "parameter",
    "param",
    "header",
    "variable",
];

/// What the neighbours with the values are called.
pub(super) const VALUE: [&str; 6] = ["value", "values", "val", "content", "data", "text"];

/// How far around a part is looked for the name of a secret, in bytes.
pub(in crate::event) const AROUND: usize = 4096;

/// How far before a value its name may begin, in bytes.
const NAME: usize = 512;

/// The longest text that is a name and no prose.
const LONGEST_NAME: usize = 64;

/// The shortest secret in a path that can be told from a word.
const SHORTEST_SEGMENT: usize = 6;

/// Whether a field's name says that its value is a secret. Of a JSON path (`$.user.pass[0]`), of a form's field
/// (`user[pass]`) and of a header (`X-Auth`), the last part may say it alone.
pub(super) fn is_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_index = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let last = lower
        .rsplit(['.', '[', ']', '/', '@', '-', '_'])
        .find(|part| !is_index(part))
        .unwrap_or_default();
    WHOLE.contains(&last) || has_word(&lower)
}

/// Whether a text in lower case has a word of secrets in it, however the parts of the word are joined.
pub(super) fn has_word(lower: &str) -> bool {
    let squeezed = squeezed(lower);
    // Nearly every name ends here.
    let may_have = SIGNS.as_ref().is_none_or(|signs| signs.is_match(&squeezed));
    may_have && SQUEEZED.iter().any(|word| squeezed.contains(&**word))
}

/// Whether a value is itself the name of a secret, and no more: of some words, the last must say it (`New password`, not
/// `Password manager`).
pub(super) fn is_name(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else {
        return false;
    };
    if text.len() > LONGEST_NAME || !may_name(text) {
        return false;
    }
    let text = text.trim();
    let Some((_, last)) = text.rsplit_once(' ') else {
        return is_secret(text);
    };
    let squeezed = squeezed(&text.to_ascii_lowercase());
    let squeezed = squeezed.trim_end_matches('s');
    WHOLE.iter().any(|word| last.eq_ignore_ascii_case(word))
        || SQUEEZED.iter().any(|word| squeezed.ends_with(&**word))
}

/// Whether any word of secrets is in a short text, however its parts are joined. Nearly no value has one, and a body may have
/// a hundred thousand values, so that is told without a text being made of each.
fn may_name(text: &str) -> bool {
    let Some(words) = ANY.as_ref() else {
        return true;
    };
    let (mut squeezed, mut len) = ([0; LONGEST_NAME], 0);
    let is_letter = |byte: &u8| !matches!(byte, b'-' | b'_' | b' ');
    for letter in text.bytes().filter(is_letter) {
        if let Some(place) = squeezed.get_mut(len) {
            *place = letter;
            len += 1;
        }
    }
    words.is_match(squeezed.get(..len).unwrap_or_default())
}

fn squeezed(lower: &str) -> String {
    lower.replace(['-', '_', ' '], "")
}

/// The words without what joins their parts.
static SQUEEZED: LazyLock<[String; WORDS.len()]> = LazyLock::new(|| WORDS.map(squeezed));

/// Looks for the words and for those that say it alone, in either case.
static ANY: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let all = SQUEEZED.iter().map(String::as_str).chain(WHOLE);
    let mut builder = AhoCorasick::builder();
    builder.ascii_case_insensitive(true).build(all).ok()
});

/// Where secrets are that the text itself names, in order and apart: what follows a scheme of credentials (`Bearer …`), the
/// name of a secret and `=` or `:`, the user's name in a URL, or a segment of a path that says so.
pub(in crate::event) fn named(text: &[u8]) -> Vec<Range<usize>> {
    let (Some((pairs, segment)), Some(signs)) = (NAMED.as_ref(), SIGNS.as_ref()) else {
        // They are constant, so they compile; but if we could not look for secrets, nothing may be shown.
        return std::iter::once(0..text.len()).collect();
    };
    // Nearly every text ends here. To run the expressions on it would cost more than all the rest of its event.
    if !signs.is_match(text) {
        return Vec::new();
    }
    let mut all = in_path(text, segment);
    let joins = |byte: &u8| byte.is_ascii_whitespace() || b":=>%+@\x0b".contains(byte);
    // Most paths end here: without one of these, nothing else is named.
    if text.iter().any(joins) {
        let found = pairs.iter().flat_map(|expression| {
            let found = expression.captures_iter(text);
            found.filter_map(|found| found.name("secret").map(|secret| secret.range()))
        });
        all.extend(found);
    }
    apart(&mut all);
    all
}

/// Puts ranges in order, and those together that overlap.
pub(in crate::event) fn apart(ranges: &mut Vec<Range<usize>>) {
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, last| {
        let overlaps = next.start < last.end;
        if overlaps {
            last.end = last.end.max(next.end);
        }
        overlaps
    });
}

/// Segments of paths that follow one which says that they are secrets, and look like it: `/reset/token/abc123`.
fn in_path(text: &[u8], before: &Regex) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(name) = before
        .captures_at(text, at)
        .and_then(|all| all.name("name"))
    {
        // The slash behind one name may be that before the next.
        at = name.end();
        let rest = text.get(at..).unwrap_or_default();
        let slash = if rest.starts_with(b"/") { 1 } else { 3 };
        let rest = rest.get(slash..).unwrap_or_default();
        let ends = |at: &usize| {
            let rest = rest.get(*at..).unwrap_or_default();
            rest.first()
                .is_some_and(|byte| b"/?#&;,\"'<>\\ \t\r\n".contains(byte))
                || rest
                    .get(..3)
                    .is_some_and(|escape| escape.eq_ignore_ascii_case(b"%2f"))
        };
        let length = (0..rest.len()).find(ends).unwrap_or(rest.len());
        if rest.get(..length).is_some_and(looks_random) {
            found.push(at + slash..at + slash + length);
        }
    }
    found
}

/// Whether a segment is no word: long enough, letters and digits mixed.
fn looks_random(segment: &[u8]) -> bool {
    let (mut letters, mut digits, mut rest) = (0_usize, 0_usize, segment);
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match byte {
            b'%' => rest = behind.get(2..).unwrap_or_default(),
            byte if byte.is_ascii_digit() => digits += 1,
            byte if byte.is_ascii_alphabetic() => letters += 1,
            _ => {}
        }
    }
    letters > 0 && digits > 0 && letters + digits >= SHORTEST_SEGMENT
}

/// Where secrets are that a text names, in a part of it and around. One that began long before is found by its beginning,
/// without what lies between: that has nothing in it that could end it.
pub(super) fn named_around(text: &[u8], part: Range<usize>) -> Vec<Range<usize>> {
    let mut start = part.start;
    // An escape is not taken apart.
    while start > 0 && text.get(start - 1) == Some(&b'\\') {
        start -= 1;
    }
    let near = start.saturating_sub(AROUND);
    let until = part.end.saturating_add(AROUND).min(text.len());
    let from = near.saturating_sub(NAME);
    let found = named(text.get(from..until).unwrap_or_default()).into_iter();
    let mut all: Vec<_> = found
        .map(|secret| from + secret.start..from + secret.end)
        .collect();
    let before = text.get(..start).unwrap_or_default();
    for begin in beginnings(before).into_iter().filter(|at| *at < near) {
        let head = begin.saturating_sub(NAME)..begin.saturating_add(NAME).min(start);
        let pieces = [head.clone(), start..until].map(|piece| text.get(piece).unwrap_or_default());
        let place = |at: usize| match at.checked_sub(head.len()) {
            None => head.start + at,
            Some(behind) => start + behind,
        };
        let found = named(&pieces.concat()).into_iter();
        let found = found.map(|secret| place(secret.start)..place(secret.end));
        all.extend(found.filter(|secret| secret.end > start));
    }
    apart(&mut all);
    all
}

/// Where values may have begun that have not ended by the end of a text: behind the last byte that would end one without
/// quotes, or at the last quote.
fn beginnings(text: &[u8]) -> Vec<usize> {
    let ends: [fn(u8) -> bool; 5] = [
        |byte| {
            matches!(
                byte,
                b'\t'..=b'\r' | b' ' | b'"' | b'\'' | b'&' | b';' | b',' | b'}'
            )
        },
        |byte| {
            matches!(
                byte,
                b'\t'..=b'\r' | b' ' | b'"' | b'\'' | b'&' | b';' | b','
            )
        },
        |byte| {
            matches!(
                byte,
                b'\t'..=b'\r' | b' ' | b'"' | b'\'' | b'/' | b'?' | b'#' | b'@'
            )
        },
        // Between words, apostrophes end nothing.
        |byte| matches!(byte, b'\r' | b'\n' | b'"' | b'&' | b';' | b',' | b'}'),
        |byte| matches!(byte, b'\r' | b'\n'),
    ];
    let behind = |ends: fn(u8) -> bool| text.iter().rposition(|byte| ends(*byte)).map(|at| at + 1);
    let mut all: Vec<usize> = ends.map(|ends| behind(ends).unwrap_or(0)).to_vec();
    let quotes = |quote: u8| memchr::memrchr_iter(quote, text);
    let is_open = |at: &usize| {
        let before = text.get(..*at).unwrap_or_default();
        let slashes = before.iter().rev().take_while(|byte| **byte == b'\\');
        slashes.count().is_multiple_of(2)
    };
    all.extend(quotes(b'"').next());
    all.extend(
        [b'"', b'\'']
            .into_iter()
            .filter_map(|quote| quotes(quote).find(is_open)),
    );
    all.sort_unstable();
    all.dedup();
    all
}

/// Without one of these no expression in [`NAMED`] matches: the beginnings of all words that are names of secrets, the
/// schemes of credentials, and what ends a user's name in a URL.
static SIGNS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let beginning = |word: &'static str| word.split('_').next().unwrap_or(word);
    let signs = WORDS.into_iter().map(beginning).chain(WHOLE);
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(signs.chain(["bearer", "basic", "@"]))
        .ok()
});

/// What [`named`] looks for: pairs, in which the group `secret` is what must not be shown, and segments of paths, in which
/// the group `name` is what names the next one.
static NAMED: LazyLock<Option<(Vec<Regex>, Regex)>> = LazyLock::new(|| {
    let words = WORDS.map(|word| word.replace('_', "[-_ ]?")).join("|");
    let whole = WHOLE.join("|");
    let name = format!(r"[\w.\[\]-]*(?:(?:{words})[\w.\[\]-]*|(?:\b|_)(?:{whole}))");
    let (naming, value) = (NAMING.join("|"), VALUE.join("|"));
    // A quoted value with its quotes, to the end of the text if nothing closes it, or a value without quotes.
    let secret =
        r#"(?<secret>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|\\"(?:[^"\\])*(?:\\")?|[^\s"'&;,}]+)"#;
    let quote = r#"(?:\\?["'])?"#;
    let word = r#"(?:\w'\w|[^\s"'&;,}])+"#;
    let some = format!(r"(?:\w+ ){{0,3}}?{name}");
    let pairs = [
        r#"\b(?:bearer|basic)(?:\s|\+|%20)+(?<secret>[^\s"'&;,]+)"#.to_owned(),
        r#"(?:://|%3a%2f%2f)[^\s/?#@:"']*:(?<secret>[^\s/?#@"']+)@"#.to_owned(),
        // A name; its closing quote, plain or itself escaped; a colon or equals sign; a value.
        format!(r"{name}\]?{quote}\s*(?:[:=>]|%3[ad])\s*[\[{{]*\s*{secret}"),
        // Without quotes, words that follow a colon and a blank belong together; on a line of their own, to its end.
        format!(r"{name}[ \t]*:[ \t]+(?<secret>{word}(?:[ \t]+{word})*)"),
        format!(r"(?m)^[ \t]*(?:[-*][ \t]+)?{name}[ \t]*:[ \t]+(?<secret>[^\r\n]+)"),
        format!(r#"(?m)^[ \t]*{name}[ \t]*=[ \t]*(?<secret>[^\s"'&;,][^\r\n"'&;,]*)"#),
        // A pair of which the one names the other, in either order.
        format!(
            r"\b(?:{naming}){quote}\s*[:=]\s*{quote}{some}{quote}\s*[,&;]?\s*{quote}\b(?:{value}){quote}\s*[:=]\s*[\[{{]*\s*{secret}"
        ),
        format!(
            r#"\b(?:{value}){quote}\s*[:=]\s*[\[{{]*\s*{secret}\s*[\]}}]*\s*[,&;]?\s*{quote}\b(?:{naming}){quote}\s*[:=]\s*{quote}{some}(?:\\?["'&,;}}]|$)"#
        ),
    ];
    let pairs = pairs
        .iter()
        .map(|pair| Regex::new(&format!("(?is-u){pair}")));
    let segment = format!(
        r"(?is-u)(?:/|%2f)(?<name>{name}|(?:api|access|auth|private|secret)/keys?)(?:/|%2f)"
    );
    Some((
        pairs.collect::<Result<_, _>>().ok()?,
        Regex::new(&segment).ok()?,
    ))
});

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that is left out for want of a sign would not have been found by any expression either.
    #[test]
    fn what_names_a_secret_has_a_sign() {
        let words = WORDS.into_iter().chain(WHOLE);
        let joined = words.flat_map(|word| ["", "-", "_", " "].map(|by| word.replace('_', by)));
        let mut texts: Vec<_> = joined
            .flat_map(|word| {
                [
                    format!("{word}=abc123"),
                    format!("x {}: abc 123", word.to_uppercase()),
                    format!("name={word}&value=abc123"),
                    format!("{{\"value\": \"abc123\", \"name\": \"{word}\"}}"),
                    format!("/reset/{word}/abc123/x"),
                ]
            })
            .collect();
        let others = [
            "Basic YWJjOmRlZg==",
            "BEARER%20abc123",
            "http://user:abc123@host/",
            "http%3A%2F%2Fuser:abc123@host",
            "/auth/keys/abc123",
            "/private/key/abc123",
        ];
        texts.extend(others.map(str::to_owned));
        let (signs, named_by) = (SIGNS.as_ref().unwrap(), NAMED.as_ref().unwrap());
        let mut found = 0;
        for text in &texts {
            let bytes = text.as_bytes();
            let pairs = named_by.0.iter().chain([&named_by.1]);
            if pairs.into_iter().any(|pair| pair.is_match(bytes)) {
                found += 1;
                assert!(signs.is_match(bytes), "{text}");
            }
        }
        assert_eq!(found, texts.len());
    }
}
