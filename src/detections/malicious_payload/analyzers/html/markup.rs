//! Elements and their attributes, as browsers read them (HTML, 13.2.5).

use super::super::bytes::{is_one_of, rest};

/// The most attributes of an element that are looked at; browsers have no limit, people have a dozen.
const MAX_ATTRIBUTES: usize = 64;

/// An element's start or end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'t> {
    /// Where its `<` is.
    pub(super) start: usize,
    /// Its name, as it is written.
    pub(super) name: &'t [u8],
    /// Whether it ends an element.
    pub(super) is_end: bool,
    /// Whether nothing is read as its name but what a browser reads so.
    pub(super) is_strict: bool,
}

/// An attribute of an element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'t> {
    pub(super) name: &'t [u8],
    /// `None` where nothing follows the name.
    pub(super) value: Option<&'t [u8]>,
    /// Where it ends.
    pub(super) end: usize,
}

impl Tag<'_> {
    /// Whether browsers do something with the element.
    pub(super) fn is_known(&self) -> bool {
        self.is(&ELEMENTS)
    }

    pub(super) fn is(&self, names: &[&str]) -> bool {
        is_one_of(self.name, names)
    }
}

/// Elements of HTML, of older browsers, and the first ones of drawings and formulas.
const ELEMENTS: [&str; 92] = [
    "a",
    "abbr",
    "address",
    "animate",
    "applet",
    "area",
    "article",
    "aside",
    "audio",
    "b",
    "base",
    "bdo",
    "bgsound",
    "big",
    "blink",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "center",
    "code",
    "col",
    "dd",
    "del",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "fieldset",
    "font",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "iframe",
    "image",
    "img",
    "input",
    "ins",
    "isindex",
    "label",
    "layer",
    "li",
    "link",
    "listing",
    "main",
    "map",
    "marquee",
    "math",
    "menu",
    "meta",
    "nav",
    "noscript",
    "object",
    "ol",
    "option",
    "p",
    "param",
    "plaintext",
    "pre",
    "script",
    "section",
    "select",
    "small",
    "source",
    "span",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "td",
    "template",
    "textarea",
    "th",
    "tr",
    "u",
    "ul",
];

/// Shows each element, and behind it each of its attributes. What a browser takes for text or a comment is read as well,
/// because nobody knows what the value will be put into; but not the inside of an attribute's value.
pub(super) fn walk<'t>(bytes: &'t [u8], mut see: impl FnMut(Tag<'t>, Option<Attribute<'t>>)) {
    let mut quotes = Quotes::default();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'<', rest(bytes, at)) {
        let start = at + found;
        at = start + 1;
        let Some((tag, behind)) = tag(bytes, start) else {
            continue;
        };
        see(tag, None);
        at = behind;
        for _ in 0..MAX_ATTRIBUTES {
            let Some(attribute) = attribute(bytes, at, &mut quotes) else {
                break;
            };
            at = attribute.end;
            see(tag, Some(attribute));
        }
    }
}

/// Where the first script element begins or ends, wherever that is.
pub(super) fn script(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    memchr::memchr_iter(b'<', bytes).find_map(|start| {
        let (tag, end) = tag(bytes, start)?;
        tag.name
            .eq_ignore_ascii_case(b"script")
            .then_some(start..end)
    })
}

/// The element whose `<` is there, and where its name ends.
fn tag(bytes: &[u8], start: usize) -> Option<(Tag<'_>, usize)> {
    /// Control characters between `<` and a name were passed over once, and are in filters.
    const MAX_FILLER: usize = 8;
    let mut at = start + 1;
    let is_end = bytes.get(at) == Some(&b'/');
    at += usize::from(is_end);
    let filler = rest(bytes, at)
        .iter()
        .take(MAX_FILLER)
        .take_while(|byte| matches!(**byte, 0..=b' ' | b'/'))
        .count();
    let is_strict = filler == 0;
    at += filler;
    let inner = rest(bytes, at);
    if !inner.first()?.is_ascii_alphabetic() {
        return None;
    }
    let is_name = |byte: &&u8| !matches!(**byte, 0..=b' ' | b'/' | b'>' | b'<' | b'"' | b'\'' | b'`' | b'=' | b'(' | 0x7f..);
    let len = inner.iter().take(48).take_while(is_name).count();
    let name = inner.get(..len)?;
    if !is_strict && !name.eq_ignore_ascii_case(b"script") {
        return None;
    }
    let tag = Tag {
        start,
        name,
        is_end,
        is_strict,
    };
    Some((tag, at + len))
}

/// The next attribute of an element, if it has one more.
fn attribute<'t>(bytes: &'t [u8], mut at: usize, quotes: &mut Quotes) -> Option<Attribute<'t>> {
    let is_between = |byte: &&u8| {
        matches!(
            **byte,
            0..=b' ' | b'/' | b'"' | b'\'' | b'`' | b',' | b';' | 0xa0
        )
    };
    at += rest(bytes, at).iter().take_while(is_between).count();
    let inner = rest(bytes, at);
    if matches!(inner.first(), None | Some(b'>' | b'<')) {
        return None;
    }
    let is_name = |byte: &u8| {
        !matches!(
            *byte,
            0..=b' ' | b'/' | b'>' | b'=' | b'<' | b'"' | b'\'' | b'`'
        )
    };
    // A name that begins with an equals sign is one.
    let len = 1 + rest(inner, 1)
        .iter()
        .take_while(|byte| is_name(byte))
        .count();
    let name = inner.get(..len)?;
    at += len;
    let gap = blanks(rest(bytes, at));
    if bytes.get(at + gap) != Some(&b'=') {
        return Some(Attribute {
            name,
            value: None,
            end: at,
        });
    }
    at += gap + 1;
    at += rest(bytes, at)
        .iter()
        .take_while(|byte| **byte <= b' ')
        .count();
    let (value, end) = match bytes.get(at) {
        Some(quote @ (b'"' | b'\'' | b'`')) => match quotes.next(bytes, *quote, at + 1) {
            Some(end) => (at + 1..end, end + 1),
            // What nothing closes may be closed by what the value is put into.
            None => (at + 1..bytes.len(), at + 1 + unquoted(rest(bytes, at + 1))),
        },
        _ => {
            let end = at + unquoted(rest(bytes, at));
            (at..end, end)
        }
    };
    Some(Attribute {
        name,
        value: bytes.get(value),
        end,
    })
}

fn blanks(bytes: &[u8]) -> usize {
    let is_blank = |byte: &&u8| matches!(**byte, 0..=b' ' | b'/');
    bytes.iter().take_while(is_blank).count()
}

fn unquoted(bytes: &[u8]) -> usize {
    let is_value = |byte: &&u8| !matches!(**byte, b'\t' | b'\n' | 0x0c | b'\r' | b' ' | b'>');
    bytes.iter().take_while(is_value).count()
}

/// Where the next quote of each kind is, so that none is looked for twice.
#[derive(Debug, Default)]
struct Quotes {
    known: [Known; 3],
}

/// From where on a quote was looked for, and where it is; nowhere if there is none.
#[derive(Debug, Default)]
struct Known {
    from: usize,
    at: Option<usize>,
    is_set: bool,
}

impl Quotes {
    fn next(&mut self, bytes: &[u8], quote: u8, from: usize) -> Option<usize> {
        let known = match quote {
            b'"' => self.known.first_mut(),
            b'\'' => self.known.get_mut(1),
            _ => self.known.last_mut(),
        }?;
        let is_known = known.is_set && known.from <= from && known.at.is_none_or(|at| from <= at);
        if !is_known {
            let found = memchr::memchr(quote, rest(bytes, from));
            *known = Known {
                from,
                at: found.map(|found| from + found),
                is_set: true,
            };
        }
        known.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is seen, as `name attribute=value`.
    fn seen(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        walk(text.as_bytes(), |tag, attribute| {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let slash = if tag.is_end { "/" } else { "" };
            all.push(match attribute {
                None => format!("{slash}{}", text(tag.name)),
                Some(Attribute { name, value, .. }) => match value {
                    Some(value) => format!("  {}={}", text(name), text(value)),
                    None => format!("  {}", text(name)),
                },
            });
        });
        all
    }

    #[test]
    fn elements_are_read_as_browsers_read_them() {
        for (text, expected) in [
            (
                "<a href=\"x>y\" b>z</a>",
                &["a", "  href=x>y", "  b", "/a"][..],
            ),
            ("<img/src=x/onerror=y>", &["img", "  src=x/onerror=y"]),
            ("<svg/onload=x", &["svg", "  onload=x"]),
            ("<b\nc = 'd e' f=g>", &["b", "  c=d e", "  f=g"]),
            ("<p a='x\"y'\"b=c>", &["p", "  a=x\"y", "  b=c"]),
            ("a < b > c <3 <> </>", &[]),
            (
                "<a x=\"not closed y=z>",
                &["a", "  x=not closed y=z>", "  closed", "  y=z"],
            ),
        ] {
            assert_eq!(seen(text), expected, "{text}");
        }
    }

    #[test]
    fn quotes_are_not_looked_for_twice() {
        let mut quotes = Quotes::default();
        let text = b"a'b'c";
        for (from, at) in [
            (0, Some(1)),
            (1, Some(1)),
            (2, Some(3)),
            (4, None),
            (5, None),
            (0, Some(1)),
        ] {
            assert_eq!(quotes.next(text, b'\'', from), at);
        }
    }
}
