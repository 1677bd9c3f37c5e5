//! How rare things are in the harmless values of requests, roughly: enough to choose by.

use std::sync::LazyLock;

use crate::request::Marks;

/// How many bytes a value has, for a guess at how often it holds something.
const VALUE: f64 = 24.0;

/// What a literal costs that is never there.
pub(super) const UPKEEP: f64 = 0.000_01;

/// What it costs to look for one literal by itself.
pub(super) const SEARCH: f64 = 0.05;

/// A need that this many values meet is not worth asking for.
pub(super) const USUAL: f64 = 0.8;

/// A kind of byte that fewer values have is rare.
pub(super) const RARE: f64 = 0.05;

/// The share of a byte among all.
pub(super) fn of_byte(byte: u8) -> f64 {
    match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 0.06,
        b'l' | b'd' | b'c' | b'u' | b'm' | b'p' => 0.03,
        b'a'..=b'z' => 0.015,
        b'A'..=b'Z' => of_byte(byte.to_ascii_lowercase()),
        b'0'..=b'9' => 0.02,
        b' ' | b'/' | b'-' | b'.' => 0.02,
        b'_' | b',' | b'=' | b':' | b';' | b'(' | b')' => 0.005,
        b'!'..=b'~' => 0.001,
        b'\t' | b'\n' | b'\r' => 0.001,
        _ => 0.000_01,
    }
}

/// The share of values that hold a literal.
pub(super) fn of_literal(literal: &[u8]) -> f64 {
    let together: f64 = literal.iter().map(|&byte| of_byte(byte)).product();
    // Letters come in words, so the next one is no longer a matter of its share alone.
    let words = if literal.len() > 1 && literal.iter().all(u8::is_ascii_alphabetic) {
        16.0
    } else {
        1.0
    };
    (VALUE * together * words).min(1.0)
}

/// The share of values that have one of these kinds of bytes.
pub(super) fn of_need(need: Marks) -> f64 {
    let shares = need.kinds().filter_map(|kind| SHARES.get(kind));
    (VALUE * shares.sum::<f64>()).min(1.0)
}

/// The share of the bytes of each kind among all bytes.
static SHARES: LazyLock<[f64; Marks::KINDS]> = LazyLock::new(|| {
    let mut shares = [0.0; Marks::KINDS];
    for byte in 0..=u8::MAX {
        for kind in Marks::of_byte(byte).kinds() {
            if let Some(share) = shares.get_mut(kind) {
                *share += of_byte(byte);
            }
        }
    }
    shares
});
