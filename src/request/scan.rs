//! Looking for bytes in texts that are short mostly: the names and values of forms and documents.
//!
//! The searches of `memchr` are the fastest there are, but begin to pay some dozens of bytes on. So the first bytes are
//! looked at eight at a time, and only a long text is left to them.

/// What is looked through word by word before `memchr` is asked, in words.
const WORDS: usize = 4;

/// Where the first byte is that is `a` or `b`.
#[inline]
pub(super) fn find2(text: &[u8], a: u8, b: u8) -> Option<usize> {
    if let Some(word) = text.first_chunk() {
        let found = found2(*word, a, b);
        if found != 0 {
            return Some(first(found));
        }
    }
    find2_further(text, a, b)
}

fn find2_further(text: &[u8], a: u8, b: u8) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().take(WORDS).enumerate() {
        let found = found2(*word, a, b);
        if found != 0 {
            return Some(8 * at + first(found));
        }
    }
    if words.len() > WORDS {
        let rest = text.get(8 * WORDS..)?;
        return memchr::memchr2(a, b, rest).map(|at| 8 * WORDS + at);
    }
    let at = rest.iter().position(|byte| *byte == a || *byte == b)?;
    Some(8 * words.len() + at)
}

const fn found2(word: [u8; 8], a: u8, b: u8) -> u64 {
    let word = u64::from_le_bytes(word);
    equal(word, a) | equal(word, b)
}

/// How many bytes at the beginning of `text` are `byte`, of the first eight.
#[inline]
pub(super) fn run(text: &[u8], byte: u8) -> usize {
    let differing = match text.first_chunk() {
        Some(word) => u64::from_le_bytes(*word) ^ splat(byte),
        None => return text.iter().take_while(|next| **next == byte).count(),
    };
    first(differing)
}

/// How many bytes at the beginning of `text` are ASCII digits, of the first eight.
#[inline]
pub(super) fn digits(text: &[u8]) -> usize {
    let Some(word) = text.first_chunk() else {
        return text.iter().take_while(|next| next.is_ascii_digit()).count();
    };
    let word = u64::from_le_bytes(*word);
    // A digit is 0x30 to 0x39: its high half is 3, and stays 3 when 6 is added. A carry out of a byte begins behind the
    // first that is none.
    let high = splat(0xf0);
    let is_three = |word: u64| (word & high) ^ splat(0x30);
    first(is_three(word) | is_three(word.wrapping_add(splat(0x06))))
}

/// The number of whole bytes before the first bit.
const fn first(bits: u64) -> usize {
    (bits.trailing_zeros() / 8) as usize
}

const fn splat(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of each byte of `word` that is `byte`. What precedes the first one is right; a byte behind it may be set by
/// a borrow.
const fn equal(word: u64, byte: u8) -> u64 {
    let zero = word ^ splat(byte);
    zero.wrapping_sub(splat(0x01)) & !zero & splat(0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_found_is_what_is_there(
            text in proptest::collection::vec(prop_oneof![3 => Just(b' '), 3 => Just(b'7'), 1 => any::<u8>()], 0..80),
            a: u8, b in prop_oneof![Just(b'x'), any::<u8>()],
        ) {
            prop_assert_eq!(find2(&text, a, b), text.iter().position(|byte| *byte == a || *byte == b));
            let first = text.get(..8).unwrap_or(&text);
            let blanks = first.iter().take_while(|byte| **byte == b' ').count();
            prop_assert_eq!(run(&text, b' '), blanks);
            let numbers = first.iter().take_while(|byte| byte.is_ascii_digit()).count();
            prop_assert_eq!(digits(&text), numbers);
        }
    }

    #[test]
    fn every_byte_is_told_from_a_digit() {
        for byte in 0..=u8::MAX {
            for at in 0..8 {
                let mut text = *b"01234567";
                text[at] = byte;
                let expected = if byte.is_ascii_digit() { 8 } else { at };
                assert_eq!(digits(&text), expected, "{byte} at {at}");
            }
        }
    }
}
