//! Why a body is taken apart as it is, for who wants to know. Nothing is decided here: what a type says alone, and what the
//! bytes say alone, is asked of the same rules that decide on both.

use serde::Serialize;

use super::classify::{Declared, Reading};
use super::{BodyKind, BodyView};

/// A syntax that a body is taken apart as, and on whose word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ground {
    /// The syntax.
    pub read_as: BodyKind,
    /// Whose word.
    pub on: Word,
}

/// Who says that a body is written in a syntax.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Its type, and its bytes begin like it.
    TypeAndLook,
    /// Its type alone.
    Type,
    /// Its bytes alone.
    Look,
    /// Nobody: its type does not say how it is built, so it is looked at as it is, too.
    NoType,
    /// Nobody: it turned out to be none of the others, or not wholly.
    Otherwise,
}

impl BodyView<'_> {
    /// Every syntax that the body is taken apart as, and why.
    #[must_use]
    pub fn grounds(&self) -> Vec<Ground> {
        // Bytes that look like no syntax leave what the type says; no type leaves what the bytes look like.
        let by_type = self.declared.reading(b"-");
        let by_look = Declared::default().reading(self.bytes);
        let as_any = |reading: &Reading| {
            [
                (BodyKind::Form, reading.form),
                (BodyKind::Json, reading.json),
                (BodyKind::Multipart, reading.multipart),
                (BodyKind::Xml, reading.xml),
                (BodyKind::Graphql, reading.graphql),
                (BodyKind::Ndjson, reading.lines),
            ]
        };
        let mut grounds = Vec::new();
        if matches!(self.reading.kind, BodyKind::Empty | BodyKind::Opaque) {
            grounds.push(Ground {
                read_as: self.reading.kind,
                on: Word::TypeAndLook,
            });
            return grounds;
        }
        let flags = as_any(&self.reading);
        for (((read_as, is_read), (_, by_type)), (_, by_look)) in flags
            .into_iter()
            .zip(as_any(&by_type))
            .zip(as_any(&by_look))
        {
            let on = match (by_type, by_look) {
                (true, true) => Word::TypeAndLook,
                (true, false) => Word::Type,
                (false, _) => Word::Look,
            };
            if is_read {
                grounds.push(Ground { read_as, on });
            }
        }
        let as_text = self
            .inputs()
            .iter()
            .any(|input| input.place().name.is_empty());
        if self.reading.text || as_text {
            let on = if !self.reading.text {
                Word::Otherwise
            } else if self.declared.reading(b"a=b").text {
                Word::NoType
            } else {
                Word::Look
            };
            grounds.push(Ground {
                read_as: BodyKind::Text,
                on,
            });
        }
        // What the body is first of all comes first.
        grounds.sort_by_key(|ground| ground.read_as != self.reading.kind);
        grounds
    }

    /// The charsets that the body is read in beside its bytes.
    pub fn charsets(&self) -> impl Iterator<Item = &'static str> {
        let layers = self.parsed().layers().iter();
        layers.map(|layer| layer.charset)
    }
}

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;
    use http::{HeaderMap, HeaderValue};

    use super::BodyKind::{Form, Json, Multipart, Opaque, Text, Xml};
    use super::Word::{Look, NoType, Otherwise, Type, TypeAndLook};
    use super::*;

    #[test]
    fn who_says_what_a_body_is_can_be_told() {
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        type Case = (&'static str, &'static [u8], &'static [(BodyKind, Word)]);
        const PART: &[u8] = b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--";
        let cases: &[Case] = &[
            ("application/json", b"{}", &[(Json, TypeAndLook)]),
            (
                "application/json",
                b"a=b",
                &[(Json, Type), (Form, Look), (Text, Otherwise)],
            ),
            ("text/plain", b"{\"a\":1}", &[(Json, Look), (Text, NoType)]),
            ("image/png", b"{\"a\":1}", &[(Json, Look), (Text, NoType)]),
            ("", b"a=b", &[(Form, Look), (Text, NoType)]),
            ("application/json", b"hello", &[(Json, Type), (Text, Look)]),
            ("text/xml", b"<a/>", &[(Xml, TypeAndLook), (Text, NoType)]),
            (
                "application/x-www-form-urlencoded",
                b"a=b",
                &[(Form, TypeAndLook)],
            ),
            (
                "multipart/form-data; boundary=x",
                PART,
                &[(Multipart, TypeAndLook)],
            ),
            ("image/png", PNG, &[(Opaque, TypeAndLook)]),
        ];
        for (kind, bytes, expected) in cases {
            let mut headers = HeaderMap::new();
            if !kind.is_empty() {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            }
            let grounds = BodyView::new(&headers, bytes).grounds();
            let told: Vec<_> = grounds.iter().map(|of| (of.read_as, of.on)).collect();
            assert_eq!(told, *expected, "{kind} {}", bytes.escape_ascii());
        }
    }
}
