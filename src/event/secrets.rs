//! What must not be shown: secrets in requests, and control characters of outsiders.

use crate::request::{Place, PlaceKind};

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

/// Whether a field's name says that its value is a secret.
fn name_is_secret(name: &str) -> bool {
    const WORDS: [&str; 12] = [
        "authorization",
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "secret",
        "token",
        "api-key",
        "api_key",
        "apikey",
        "credential",
        "session",
    ];
    let lower = name.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

/// Bytes of an outsider as one line of harmless text of at most `max` input bytes: control characters, quotes' escapes,
/// bidirectional overrides and invalid UTF-8 are written as escapes.
#[must_use]
pub fn printable(bytes: &[u8], max: usize) -> String {
    let cut = bytes.len() > max;
    let shown = bytes.get(..max).unwrap_or(bytes);
    let mut text = String::with_capacity(shown.len() + 4);
    for chunk in shown.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_unprintable(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if cut {
        text.push('…');
    }
    text
}

/// Characters that end lines, drive terminals, change how their neighbours are shown, or are not shown at all.
pub(super) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
