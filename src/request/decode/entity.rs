//! HTML character references, as browsers read them in text: with and without the semicolon.

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::Decoded;

/// `&lt;`, `&lt`, `&#60`, `&#x3c;` → `<`.
///
/// The reference itself is read by `htmlize`; the search for candidates is ours, because only one candidate at a time
/// tells how many bytes it took, and the offset map needs that.
pub(super) fn decode(form: &Form<'_>) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    for at in memchr::memchr_iter(b'&', text) {
        let candidate = candidate(text.get(at..).unwrap_or_default());
        // No name has fewer than two letters.
        if candidate.len() < 3 {
            continue;
        }
        if let Some(byte) = usual(candidate) {
            rewrite.replace(at, candidate.len(), &[byte]);
            continue;
        }
        let expanded = htmlize::unescape_bytes_in(candidate, htmlize::Context::General);
        if let Some((len, by)) = taken(candidate, &expanded) {
            rewrite.replace(at, len, by);
        }
    }
    Some(form.next(&[DecodeStep::HtmlEntity], rewrite.finish()?))
}

/// What the references stand for that nearly all are: the signs of markup by name, and printable characters of ASCII by
/// number. All others are looked up.
fn usual(candidate: &[u8]) -> Option<u8> {
    let (digits, radix) = match candidate {
        b"&amp;" => return Some(b'&'),
        b"&lt;" => return Some(b'<'),
        b"&gt;" => return Some(b'>'),
        b"&quot;" => return Some(b'"'),
        b"&apos;" => return Some(b'\''),
        [_, b'#', b'x' | b'X', digits @ ..] => (digits, 16),
        [_, b'#', digits @ ..] => (digits, 10),
        _ => return None,
    };
    let digits = digits.strip_suffix(b";").unwrap_or(digits);
    let number = digits.iter().try_fold(0_u32, |number, digit| {
        let digit = char::from(*digit).to_digit(radix)?;
        number.checked_mul(radix)?.checked_add(digit)
    })?;
    let byte = u8::try_from(number).ok()?;
    matches!(byte, b' '..=b'~').then_some(byte)
}

/// Whether a text may have a reference: the sign in `this & that` begins none.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    memchr::memchr_iter(b'&', text).any(|at| {
        let behind = text.get(at + 1);
        behind.is_some_and(|byte| *byte == b'#' || byte.is_ascii_alphabetic())
    })
}

/// The longest beginning of `text` (which begins with `&`) that can be one reference. It holds no second `&`, so that all
/// candidates of a text together are no longer than the text.
fn candidate(text: &[u8]) -> &[u8] {
    /// The longest name, `CounterClockwiseContourIntegral`, has 31 letters.
    const LONGEST_NAME: usize = 32;
    let run = |from: usize, max: usize, is_part: fn(&u8) -> bool| {
        from + text
            .iter()
            .skip(from)
            .take(max)
            .take_while(|byte| is_part(byte))
            .count()
    };
    let end = match text {
        // Numbers may be written with any number of leading zeros.
        [_, b'#', b'x' | b'X', ..] => run(3, usize::MAX, u8::is_ascii_hexdigit),
        [_, b'#', ..] => run(2, usize::MAX, u8::is_ascii_digit),
        _ => run(1, LONGEST_NAME, u8::is_ascii_alphanumeric),
    };
    let semicolon = usize::from(text.get(end) == Some(&b';'));
    text.get(..end + semicolon).unwrap_or_default()
}

/// How many bytes of the candidate were a reference, and what they stand for; `None` if none were.
///
/// `expanded` is the meaning of the reference followed by the rest of the candidate. A number takes the whole candidate. For
/// a name, the rest is what both end in: no meaning ends in the byte that its name ends in, but for that of `&semi;`.
fn taken<'e>(candidate: &[u8], expanded: &'e [u8]) -> Option<(usize, &'e [u8])> {
    if expanded == candidate {
        return None;
    }
    let rest = if candidate == b"&semi;" || candidate.get(1) == Some(&b'#') {
        0
    } else {
        candidate
            .iter()
            .rev()
            .zip(expanded.iter().rev())
            .take_while(|(a, b)| a == b)
            .count()
    };
    let by = expanded.get(..expanded.len().checked_sub(rest)?)?;
    Some((candidate.len() - rest, by))
}
