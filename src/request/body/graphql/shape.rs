//! How much a GraphQL document asks for, in numbers.

use super::lexer::{Kind, Lexer};

/// What a document, or several of them together, asks for. A small text can ask for a lot: fields within fields, one
/// field under many aliases, many operations in one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Shape {
    /// How many documents there are.
    pub documents: u32,
    /// How many operations.
    pub operations: u32,
    /// How deep selections lie within one another, at most.
    pub depth: u32,
    /// How many fields are selected.
    pub fields: u32,
    /// How many of them have an alias.
    pub aliases: u32,
    /// How many directives there are.
    pub directives: u32,
    /// How many fragments are defined or used.
    pub fragments: u32,
}

impl Shape {
    /// What a text asks for that is a document.
    #[must_use]
    pub fn of(text: &[u8]) -> Self {
        let mut shape = Self::default();
        shape.add(text);
        shape
    }

    /// Adds what a document asks for.
    pub(super) fn add(&mut self, text: &[u8]) {
        self.documents += 1;
        let mut at = Place::default();
        for token in Lexer::new(text) {
            let word = text.get(token.range).unwrap_or_default();
            self.word(token.kind, word, &mut at);
        }
    }

    fn word(&mut self, kind: Kind, word: &[u8], at: &mut Place) {
        match kind {
            Kind::Comment => return,
            Kind::Sign(b'(') => at.arguments += 1,
            Kind::Sign(b')') => at.arguments = at.arguments.saturating_sub(1),
            Kind::Sign(b'{') if at.arguments == 0 => {
                // A selection without a word before it is a query.
                self.operations += u32::from(at.depth == 0 && !at.is_defined);
                at.is_defined = false;
                at.depth += 1;
                self.depth = self.depth.max(at.depth);
            }
            Kind::Sign(b'}') if at.arguments == 0 => at.depth = at.depth.saturating_sub(1),
            Kind::Sign(b'@') => self.directives += 1,
            Kind::Sign(b':') if at.arguments == 0 && at.depth > 0 => self.aliases += 1,
            Kind::Spread => self.fragments += 1,
            Kind::Name if at.arguments == 0 && at.depth > 0 => match at.before {
                // The name behind an alias has been counted by its alias.
                Some(Kind::Sign(b'@' | b':') | Kind::Spread) => {}
                _ if at.is_type => {}
                _ => self.fields += 1,
            },
            Kind::Name if at.arguments == 0 && !at.is_defined => {
                at.is_defined = true;
                match word {
                    b"query" | b"mutation" | b"subscription" => self.operations += 1,
                    b"fragment" => self.fragments += 1,
                    _ => {}
                }
            }
            _ => {}
        }
        at.is_type = kind == Kind::Name && at.before == Some(Kind::Spread) && word == b"on";
        at.before = Some(kind);
    }
}

/// Where in a document a word stands.
#[derive(Default)]
struct Place {
    depth: u32,
    /// How many lists of arguments have begun and not ended.
    arguments: u32,
    /// Whether what is defined has been named.
    is_defined: bool,
    /// Whether a type follows.
    is_type: bool,
    before: Option<Kind>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_counted() {
        for (text, operations, depth, fields, aliases, directives, fragments) in [
            ("{a}", 1, 1, 1, 0, 0, 0),
            ("{a{b c{d}} e}", 1, 3, 5, 0, 0, 0),
            (
                "query Q($a:[T!]=[\"}\"]){x:a(b:{c:1}) y:a}",
                1,
                1,
                2,
                2,
                0,
                0,
            ),
            ("mutation{a@include(if:true){b}}", 1, 2, 2, 0, 1, 0),
            ("{...F ...on T{a}} fragment F on T{b}", 1, 2, 2, 0, 0, 3),
            ("query A{a} query B{b} subscription{c}", 3, 1, 3, 0, 0, 0),
            ("{a}#{b}", 1, 1, 1, 0, 0, 0),
        ] {
            let mut shape = Shape::default();
            shape.add(text.as_bytes());
            let expected = Shape {
                documents: 1,
                operations,
                depth,
                fields,
                aliases,
                directives,
                fragments,
            };
            assert_eq!(shape, expected, "{text}");
        }
    }
}
