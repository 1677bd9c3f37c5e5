//! Which kinds of bytes a text is made of, in one word.
//!
//! Nearly every text of a request is plain, and most things that are looked for need a byte that plain text does not have:
//! a quote, a percent sign, an angle bracket. One look at each byte of a text, made once, answers all such questions by one
//! instruction each.

/// A set of kinds of bytes: those that occur in a text, or those that something needs one of.
///
/// Punctuation marks are a kind each, and so are most letters, without regard to ASCII case. Bytes that tell little are
/// one kind together: digits, the six commonest letters, control characters, bytes of characters beyond ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marks(u64);

impl Marks {
    /// How many kinds there can be.
    pub const KINDS: usize = 64;
    /// Every kind.
    pub const ANY: Self = Self(u64::MAX);
    /// Everything but printable ASCII.
    pub const UNPRINTABLE: Self = Self::CONTROL.or(Self::of_byte(0x80)).or(Self::OVERLONG);
    /// ASCII control characters.
    pub const CONTROL: Self = Self::of_byte(b'\t')
        .or(Self::of_byte(b'\n'))
        .or(Self::of_byte(b'\r'))
        .or(Self::of_byte(0))
        .or(Self::of_byte(0x7f));
    /// Bytes with which some overlong spelling of UTF-8 begins.
    pub const OVERLONG: Self = Self::of_byte(0xc0);

    /// The kinds of bytes in a text.
    #[must_use]
    #[inline]
    pub fn of(text: &[u8]) -> Self {
        // Eight look-ups at a time, none of which waits for another. Instead of a loop over what is left, the last bytes
        // are looked at with some that were before, since most texts are short.
        match (
            text.last_chunk::<8>(),
            text.first_chunk(),
            text.last_chunk(),
        ) {
            (Some(last), ..) => {
                let (words, _) = text.as_chunks::<8>();
                let all = words.iter().fold(0, |all, word| all | Self::of_word(*word));
                Self(all | Self::of_word(*last))
            }
            (None, Some([a, b, c, d]), Some([e, f, g, h])) => {
                Self(Self::of_word([*a, *b, *c, *d, *e, *f, *g, *h]))
            }
            _ => Self(text.iter().fold(0, |all, byte| all | Self::look_up(*byte))),
        }
    }

    #[inline]
    fn of_word([a, b, c, d, e, f, g, h]: [u8; 8]) -> u64 {
        let of = Self::look_up;
        ((of(a) | of(b)) | (of(c) | of(d))) | ((of(e) | of(f)) | (of(g) | of(h)))
    }

    /// The kind of a byte.
    #[must_use]
    pub const fn of_byte(byte: u8) -> Self {
        let bit = match byte {
            // The four runs of ASCII punctuation, 32 marks in all.
            b'!'..=b'/' => byte - b'!',
            b':'..=b'@' => 15 + (byte - b':'),
            b'['..=b'`' => 22 + (byte - b'['),
            b'{'..=b'~' => 28 + (byte - b'{'),
            b' ' => 32,
            b'\t' => 33,
            b'\n' => 34,
            b'\r' => 35,
            0 => 36,
            0x01..=0x1f | 0x7f => 37,
            // Letters have the bits from 38 on; those of the common ones are free for others.
            b'0'..=b'9' => 38,
            0xc0 | 0xc1 | 0xe0 | 0xf0 => 42,
            0x80.. => 46,
            _ => match byte | 0x20 {
                b'e' | b't' | b'a' | b'o' | b'i' | b'n' => 51,
                letter => 38 + (letter - b'a'),
            },
        };
        Self(1 << bit)
    }

    /// Whether the sets have a kind in common.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The kinds that are in either set.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The kinds that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the set is empty: the set of an empty text.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each kind in the set as a number below [`Self::KINDS`].
    pub fn kinds(self) -> impl Iterator<Item = usize> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let kind = rest.trailing_zeros() as usize;
            rest &= rest.checked_sub(1)?;
            Some(kind)
        })
    }

    fn look_up(byte: u8) -> u64 {
        MARKS.get(usize::from(byte)).copied().unwrap_or(0)
    }
}

/// [`Marks::of_byte`] of every byte.
static MARKS: [u64; 256] = {
    let mut marks = [0; 256];
    let mut rest = marks.as_mut_slice();
    let mut byte = 0;
    while let [first, others @ ..] = rest {
        *first = Marks::of_byte(byte).0;
        byte = byte.wrapping_add(1);
        rest = others;
    }
    marks
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_told_apart_and_case_is_not() {
        let alone: Vec<u8> = (0..=u8::MAX)
            .filter(|byte| {
                let others = (0..=u8::MAX).filter(|other| !other.eq_ignore_ascii_case(byte));
                !others
                    .into_iter()
                    .any(|other| Marks::of_byte(other) == Marks::of_byte(*byte))
            })
            .collect();
        let text = String::from_utf8_lossy(&alone);
        assert!(
            (0x20..0x7f)
                .filter(u8::is_ascii_punctuation)
                .all(|mark| alone.contains(&mark)),
            "{text}"
        );
        for byte in 0..=u8::MAX {
            assert_eq!(
                Marks::of_byte(byte),
                Marks::of_byte(byte.to_ascii_lowercase())
            );
            assert_eq!(Marks::of(&[byte]), Marks::of_byte(byte));
        }
        assert_eq!(alone.len(), 32 + 2 * 20 + 5);
    }

    #[test]
    fn the_marks_of_a_text_are_those_of_its_bytes() {
        let text = b"x' OR 1=1 --\xc0\xae";
        let each = text
            .iter()
            .fold(Marks::default(), |all, byte| all.or(Marks::of_byte(*byte)));
        assert_eq!(Marks::of(text), each);
        assert!(Marks::of(text).meets(Marks::of_byte(b'\'')));
        assert!(!Marks::of(text).meets(Marks::of_byte(b'"')));
        assert!(Marks::of(b"").is_empty());
        let long: Vec<u8> = (0..=u8::MAX).collect();
        for text in (0..40).flat_map(|len| long.windows(len.max(1)).step_by(7)) {
            let each = text
                .iter()
                .fold(Marks::default(), |all, byte| all.or(Marks::of_byte(*byte)));
            assert_eq!(Marks::of(text), each);
        }
    }
}
