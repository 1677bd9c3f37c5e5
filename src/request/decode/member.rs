//! The texts of a JSON document that is itself a value: `payload={"name":"…"}`, a message in a message.
//!
//! An application that takes the document apart handles each text in it as a value, so each is a form by itself; in the
//! document as a whole it stands between quotes, where an address or a number with a condition is none that begins a value.
//! What is written with escapes is undone by the chain of that form.
//!
//! Limits: the first few texts are forms of their own, others are lines of one form. Texts that are one word are left out.

use std::ops::Range;

use super::super::input::{DecodeStep, Form};
use super::super::offsets::Rewrite;
use super::Decoded;

/// The shortest document that is looked at: `{"a":"b"}`.
const SHORTEST: usize = 9;

/// How many texts are forms of their own.
const ALONE: usize = 5;

/// Whether a text is a JSON document by its beginning and its end.
#[inline]
pub(super) fn may_be_in(text: &[u8]) -> bool {
    text.len() >= SHORTEST
        && matches!(
            text.first(),
            Some(b'{' | b'[' | b' ' | b'\t' | b'\r' | b'\n')
        )
        && is_document(text)
}

fn is_document(text: &[u8]) -> bool {
    match text.trim_ascii() {
        [b'{', inner @ .., b'}'] => inner.trim_ascii_start().first() == Some(&b'"'),
        [b'[', inner @ .., b']'] => {
            matches!(
                inner.trim_ascii_start().first(),
                Some(b'"' | b'{' | b'[' | b'0'..=b'9')
            )
        }
        _ => false,
    }
}

/// The texts of a document.
pub(super) fn decode(form: &Form<'_>) -> Vec<Decoded> {
    if !may_be_in(form.text) {
        return Vec::new();
    }
    let mut members = Members {
        text: form.text,
        at: 0,
    };
    let mut alone: Vec<_> = members
        .by_ref()
        .take(ALONE)
        .map(|member| excerpt(form, member, std::iter::empty()))
        .collect();
    if let Some(first) = members.next() {
        alone.push(excerpt(form, first, members));
    }
    alone
}

/// The form of one text, and of others on lines of their own.
fn excerpt(
    form: &Form<'_>,
    first: Range<usize>,
    others: impl Iterator<Item = Range<usize>>,
) -> Decoded {
    let mut rewrite = Rewrite::excerpt(form.text, form.offsets, first.start, first.len());
    rewrite.replace(first.end, 0, &[]);
    for member in others {
        let done = rewrite.done();
        rewrite.replace(done, member.start - done, b"\n");
        rewrite.replace(member.end, 0, &[]);
    }
    form.next(&[DecodeStep::JsonMember], rewrite.cut())
}

/// The texts between quotes that are more than one word.
struct Members<'t> {
    text: &'t [u8],
    at: usize,
}

impl Iterator for Members<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        loop {
            let rest = self.text.get(self.at..)?;
            let start = self.at + memchr::memchr(b'"', rest)? + 1;
            let mut end = start;
            loop {
                let rest = self.text.get(end..)?;
                end += memchr::memchr2(b'"', b'\\', rest)?;
                if self.text.get(end) == Some(&b'"') {
                    break;
                }
                // What is behind a backslash ends nothing.
                end += 2;
            }
            self.at = end + 1;
            let text = self.text.get(start..end)?;
            if !text
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
            {
                return Some(start..end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::marks::Marks;
    use super::*;

    fn members(text: &str) -> Vec<String> {
        let form = Form::raw(text.as_bytes(), Marks::of(text.as_bytes()));
        let decoded = decode(&form);
        for member in &decoded {
            let (text, raw) = (member.text.as_slice(), form.text);
            let begin = member.offsets.raw(0);
            assert!(
                raw.get(begin..)
                    .is_some_and(|raw| raw.first() == text.first())
            );
        }
        decoded
            .into_iter()
            .map(|member| String::from_utf8_lossy(&member.text).into_owned())
            .collect()
    }

    #[test]
    fn texts_of_a_document_are_forms() {
        assert_eq!(
            members(r#"{"a":"1 or 2","b":"word","c":["x y"]}"#),
            ["1 or 2", "x y"]
        );
        assert_eq!(members(r#" [ "a b" ] "#), ["a b"]);
        assert_eq!(members("\r\n\t{\t\"a\":\"b c\"}"), ["b c"]);
        assert_eq!(members(r#"{"a":"b\"c d"}"#), [r#"b\"c d"#]);
        let many: String = (0..9).map(|number| format!("\"{number} x\",")).collect();
        assert_eq!(
            members(&format!("[{many}0]")),
            ["0 x", "1 x", "2 x", "3 x", "4 x", "5 x\n6 x\n7 x\n8 x"]
        );
    }

    #[test]
    fn other_texts_have_none() {
        for text in [
            "{a:\"b c\"}",
            "{\"a b",
            "\"a b\"",
            "{{ \"a b\" }}",
            "[a \"b c\"]",
            "{\\\"a\\\":\\\"b c\\\"}",
        ] {
            assert_eq!(members(text), [""; 0], "{text}");
        }
    }
}
