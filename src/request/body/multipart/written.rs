//! How a parameter of a part is written: so that every parser reads the same, or not.

use std::ops::Range;

/// How a parameter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// So that every parser reads the same.
    Plainly,
    /// With a quote that is escaped, or is not, according to who reads it.
    Escaped,
    /// In quotes that do not close or behind which something follows, with single quotes, with blanks, without a value.
    Oddly,
}

impl Written {
    pub(super) fn of(key: &Range<usize>, value: &Range<usize>, end: usize, text: &[u8]) -> Self {
        let slice = |range: Range<usize>| text.get(range).unwrap_or_default();
        let bytes = slice(value.clone());
        match slice(key.end..value.start) {
            b"=\"" if memchr::memmem::find(bytes, b"\\\"").is_some() => Self::Escaped,
            b"=\"" => match slice(value.end..end) {
                [b'"', behind @ ..] if matches!(behind.trim_ascii_start(), [] | [b';', ..]) => {
                    if bytes.contains(&b'\\') {
                        Self::Escaped
                    } else {
                        Self::Plainly
                    }
                }
                _ => Self::Oddly,
            },
            b"=" if !bytes.is_empty()
                && quotes_are_plain(slice(key.clone()), bytes)
                && bytes.iter().all(|byte| is_token(*byte)) =>
            {
                Self::Plainly
            }
            _ => Self::Oddly,
        }
    }
}

/// Whether the single quotes in a value without double ones say the same to everybody: to PHP, one begins a text that may
/// run on beyond the value. There are none, or the two of RFC 8187, which nothing can stand between that ends a value.
fn quotes_are_plain(key: &[u8], value: &[u8]) -> bool {
    let quotes = memchr::memchr_iter(b'\'', value).count();
    quotes == 0 || (key.ends_with(b"*") && quotes == 2 && !value.starts_with(b"'"))
}

/// Whether a token may have this byte (RFC 9110, 5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'
            | b'$'
            | b'%'
            | b'&'
            | b'\''
            | b'*'
            | b'+'
            | b'-'
            | b'.'
            | b'^'
            | b'_'
            | b'`'
            | b'|'
            | b'~'
    ) || byte.is_ascii_alphanumeric()
}
