//! Characters that stand for ASCII ones: Unicode's compatibility forms, and what Windows fits best.

use unicode_normalization::char::decompose_compatible;

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::Decoded;
use super::utf8::character_at;

/// The most characters that one character stands for; `⒇` stands for `(20)`, and none for more than six.
const MOST: usize = 8;

/// `＜` → `<`, `ｓ`, `ſ` → `s`, `①` → `1`, `ʼ` → `'`: each character that stands for nothing but ASCII.
///
/// Databases and browsers normalise names and hosts so (NFKC, Unicode Annex 15), change case on the way (`ſ`, `ı`), and
/// Windows writes what its code page does not have as what looks alike.
pub(super) fn decode(form: &Form<'_>) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    let candidates = text.iter().enumerate().filter(|(_, byte)| may_lead(**byte));
    for (at, _) in candidates {
        let mut meaning = [0; MOST];
        if let Some(character) = character_at(text, at)
            && let Some(meaning) = ascii(character, &mut meaning)
        {
            rewrite.replace(at, character.len_utf8(), meaning);
        }
    }
    Some(form.next(&[DecodeStep::Compatibility], rewrite.finish()?))
}

/// Whether a byte begins characters that stand for ASCII ones. Those of the alphabets that are most written do not.
const fn may_lead(byte: u8) -> bool {
    matches!(
        byte,
        0xc2 | 0xc4 | 0xc5 | 0xc7 | 0xca | 0xcb | 0xcd | 0xe1 | 0xe2 | 0xe3 | 0xea | 0xef | 0xf0
    )
}

/// The ASCII characters that a character stands for. Blanks are left to who looks for blanks.
fn ascii(character: char, meaning: &mut [u8; MOST]) -> Option<&[u8]> {
    if stands_for_itself(character) || character.is_whitespace() || is_common(character) {
        return None;
    }
    let mut len = 0;
    let mut is_ascii = true;
    decompose_compatible(character, |part| {
        match (best_fit(part), meaning.get_mut(len)) {
            (Some(byte), Some(place)) => {
                *place = byte;
                len += 1;
            }
            _ => is_ascii = false,
        }
    });
    meaning.get(..len).filter(|_| is_ascii)
}

/// Whether a character is of a block in which none stands for ASCII: most of those in which people write, and drawings.
const fn stands_for_itself(character: char) -> bool {
    matches!(
        character,
        '\u{1000}'..='\u{1cff}'
            | '\u{1e00}'..='\u{1f00}'
            | '\u{2190}'..='\u{2211}'
            | '\u{2500}'..='\u{2a73}'
            | '\u{2c80}'..='\u{2fff}'
            | '\u{3040}'..='\u{31ff}'
            | '\u{3400}'..='\u{a6ff}'
            | '\u{ac00}'..='\u{faff}'
    )
}

/// Signs of ordinary text that no application takes for their letters or dots.
const fn is_common(character: char) -> bool {
    matches!(character, '…' | '™')
}

/// The ASCII character that a character is taken for.
const fn best_fit(character: char) -> Option<u8> {
    Some(match character {
        '\0'..='\x7f' => character as u8,
        'ı' => b'i',
        'ʹ' | 'ʼ' | 'ˈ' | '′' => b'\'',
        'ʺ' => b'"',
        '‵' => b'`',
        '‹' | '〈' => b'<',
        '›' | '〉' => b'>',
        '⁄' | '∕' => b'/',
        '∖' => b'\\',
        '∣' => b'|',
        '∶' => b':',
        '‐' | '−' => b'-',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_character_that_stands_for_ascii_is_overlooked() {
        let mut leads = [false; 256];
        let mut longest = 0;
        let mut number = 0;
        for character in '\u{80}'..=char::MAX {
            let mut meaning = [0; MOST];
            if let Some(meaning) = ascii(character, &mut meaning) {
                let mut bytes = [0; 4];
                character.encode_utf8(&mut bytes);
                leads[usize::from(bytes[0])] = true;
                longest = longest.max(meaning.len());
                number += 1;
            }
        }
        for byte in 0..=u8::MAX {
            assert_eq!(may_lead(byte), leads[usize::from(byte)], "{byte:x}");
        }
        assert_eq!((longest, number), (6, 1486));
    }
}
