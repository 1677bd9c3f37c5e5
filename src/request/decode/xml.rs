//! The text of an XML document: references and CDATA sections for what they stand for, comments and processing
//! instructions left out (XML 1.0, 2.4 to 2.7 and 4.1).

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::Decoded;
use super::utf8::encode;

/// `&lt;`, `&#60;`, `&#x3c;` → `<`; `a<![CDATA[<]]>b` → `a<b`; `a<!-- -->b` and `a<?b?>c` → `ab` and `ac`.
///
/// An application gets such a run of text in one piece, so what is hidden between its pieces must be seen in one, too.
/// References to other entities need a DOCTYPE, and stay what they are.
pub(super) fn decode(form: &Form<'_>) -> Option<Decoded> {
    let text = form.text;
    let mut rewrite = Rewrite::new(text, form.offsets);
    // In a CDATA section nothing is a sign.
    let mut literal_until = 0;
    for at in memchr::memchr2_iter(b'&', b'<', text) {
        if at < rewrite.done().max(literal_until) {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        if let Some(inner) = rest.strip_prefix(CDATA) {
            let len = memchr::memmem::find(inner, CDATA_END).unwrap_or(inner.len());
            literal_until = at + CDATA.len() + len;
            rewrite.replace(at, CDATA.len(), b"");
            rewrite.replace(literal_until, CDATA_END.len(), b"");
        } else if let Some(len) = left_out(rest) {
            rewrite.replace(at, len, b"");
        } else if let Some((character, len)) = reference(rest) {
            rewrite.replace(at, len, encode(character, &mut [0; 4]));
        }
    }
    Some(form.next(&[DecodeStep::Xml], rewrite.finish()?))
}

const CDATA: &[u8] = b"<![CDATA[";
const CDATA_END: &[u8] = b"]]>";

/// The length of a comment or processing instruction at the beginning of `rest`.
fn left_out(rest: &[u8]) -> Option<usize> {
    let (start, end) = match rest {
        [b'<', b'!', b'-', b'-', ..] => (4, &b"-->"[..]),
        [b'<', b'?', ..] => (2, &b"?>"[..]),
        _ => return None,
    };
    let found = memchr::memmem::find(rest.get(start..)?, end);
    Some(found.map_or(rest.len(), |at| start + at + end.len()))
}

/// The character that a reference at the beginning of `rest` stands for, and the reference's length.
fn reference(rest: &[u8]) -> Option<(char, usize)> {
    let (radix, digits) = match rest {
        [_, b'#', b'x', digits @ ..] => (16, digits),
        [_, b'#', digits @ ..] => (10, digits),
        _ => return named(rest),
    };
    let mut code: u32 = 0;
    let mut len = 0;
    for &byte in digits {
        let Some(digit) = char::from(byte).to_digit(radix) else {
            break;
        };
        // What is too large stays too large, and is no character.
        code = code.saturating_mul(radix).saturating_add(digit);
        len += 1;
    }
    if len == 0 || digits.get(len) != Some(&b';') {
        return None;
    }
    let before = rest.len() - digits.len();
    Some((char::from_u32(code)?, before + len + 1))
}

/// The five entities that every document has.
fn named(rest: &[u8]) -> Option<(char, usize)> {
    let known: [(&[u8], char); 5] = [
        (b"&lt;", '<'),
        (b"&gt;", '>'),
        (b"&amp;", '&'),
        (b"&quot;", '"'),
        (b"&apos;", '\''),
    ];
    known
        .iter()
        .find(|(name, _)| rest.starts_with(name))
        .map(|&(name, character)| (character, name.len()))
}

#[cfg(test)]
mod tests {
    use super::super::super::marks::Marks;
    use super::super::{Syntax, forms};

    /// The first form of a text, and the raw bytes of each of its characters.
    fn read(raw: &str) -> (String, Vec<String>) {
        let forms = forms(
            raw.as_bytes(),
            Marks::of(raw.as_bytes()),
            Syntax::Xml,
            &crate::request::Work::for_head(),
        );
        let Some(form) = forms.and_then(|forms| forms.first) else {
            return (raw.to_owned(), Vec::new());
        };
        let text = String::from_utf8(form.text).expect("UTF-8");
        let spellings = text.char_indices().map(|(at, character)| {
            let end = form.offsets.raw(at + character.len_utf8());
            raw.get(form.offsets.raw(at)..end)
                .expect("a range")
                .to_owned()
        });
        let spellings = spellings.collect();
        (text, spellings)
    }

    #[test]
    fn a_run_of_text_is_what_an_application_gets() {
        for (raw, text) in [
            ("plain", "plain"),
            ("&lt;&gt;&amp;&quot;&apos;", "<>&\"'"),
            ("&#60;&#x3c;&#0000060;", "<<<"),
            (
                "&LT;&lt &#60 &#; &#x; &unknown;",
                "&LT;&lt &#60 &#; &#x; &unknown;",
            ),
            ("&#99999999999;&#xd800;", "&#99999999999;&#xd800;"),
            ("UNI<!-- x -->ON", "UNION"),
            ("UNI<?x y?>ON", "UNION"),
            ("a<![CDATA[<b>&lt;<!-- -->]]>c", "a<b>&lt;<!-- -->c"),
            ("<![CDATA[a]]><![CDATA[b]]>", "ab"),
            ("a<![CDATA[b", "ab"),
            ("a<!-- b", "a"),
            ("a<b>&#x63;</b>", "a<b>c</b>"),
        ] {
            assert_eq!(read(raw).0, text, "{raw}");
        }
    }

    #[test]
    fn every_character_leads_back_to_its_spelling_and_what_is_left_out_to_the_one_before() {
        assert_eq!(
            read("a&lt;b<!-- x -->c<![CDATA[d&]]>&#101;").1,
            [
                "a",
                "&lt;",
                "b<!-- x -->",
                "c<![CDATA[",
                "d",
                "&]]>",
                "&#101;"
            ]
        );
    }
}
