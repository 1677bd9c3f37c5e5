//! From a parser that counts characters to texts that are cut by bytes.

/// Leads offsets counted in characters to offsets in bytes.
pub(super) enum Chars {
    /// They are the same.
    Ascii { len: usize },
    /// The byte offset of every [`STRIDE`](Chars::STRIDE)-th character, and the widths of the characters.
    Table {
        starts: Vec<usize>,
        widths: Vec<u8>,
        len: usize,
    },
}

impl Chars {
    const STRIDE: usize = 64;

    pub(super) fn new(text: &str) -> Self {
        let len = text.len();
        if text.is_ascii() {
            return Self::Ascii { len };
        }
        let mut starts = Vec::new();
        let mut widths = Vec::with_capacity(len);
        for (index, (at, character)) in text.char_indices().enumerate() {
            if index % Self::STRIDE == 0 {
                starts.push(at);
            }
            widths.push(u8::try_from(character.len_utf8()).unwrap_or(4));
        }
        Self::Table {
            starts,
            widths,
            len,
        }
    }

    pub(super) fn byte(&self, index: usize) -> usize {
        match self {
            Self::Ascii { len } => index.min(*len),
            Self::Table {
                starts,
                widths,
                len,
            } => {
                let block = index / Self::STRIDE;
                let Some(&start) = starts.get(block) else {
                    return *len;
                };
                let widths = widths.get(block * Self::STRIDE..).unwrap_or(&[]);
                let within = widths.iter().take(index % Self::STRIDE);
                start + within.map(|&width| usize::from(width)).sum::<usize>()
            }
        }
    }
}
