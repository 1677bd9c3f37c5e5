//! Agreement with `serde_json`: on what is valid we find the same keys and leaves in the same order, under their names, and
//! whatever it takes, we take.

use std::fmt;

use proptest::prelude::*;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::parse;
use crate::request::name;

/// A key or leaf as either reader finds it.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    name: String,
    is_key: bool,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Text(Vec<u8>),
    Number(f64),
}

impl PartialEq for Value {
    /// The reference reads numbers fast, and in their last digits not quite right.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => one == other,
            (Self::Number(one), Self::Number(other)) => {
                (one - other).abs() <= one.abs().max(other.abs()) * 1e-12
            }
            _ => false,
        }
    }
}

/// What the reference finds, repeated keys included. `true`, `false` and `null` are values to nobody.
struct Reference<'f> {
    name: String,
    found: &'f mut Vec<Found>,
}

impl Reference<'_> {
    fn leaf<E>(self, value: Value) -> Result<(), E> {
        self.found.push(Found {
            name: self.name,
            is_key: false,
            value,
        });
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Reference<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reference<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.leaf(Value::Number(number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.leaf(Value::Number(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.leaf(Value::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.leaf(Value::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for number in 0.. {
            let element = Reference {
                name: format!("{}[{number}]", self.name),
                found: &mut *self.found,
            };
            if list.next_element_seed(element)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(key) = object.next_key::<String>()? {
            let mut name = format!("{}.", self.name);
            name::push(&mut name, key.as_bytes());
            self.found.push(Found {
                name: name.clone(),
                is_key: true,
                value: Value::Text(key.into_bytes()),
            });
            let found = &mut *self.found;
            object.next_value_seed(Reference { name, found })?;
        }
        Ok(())
    }
}

/// What the reference finds; `None` where the text is not valid to it.
fn expected(text: &str) -> Option<Vec<Found>> {
    let mut found = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let whole = Reference {
        name: "$".into(),
        found: &mut found,
    };
    whole.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(found)
}

/// What we find; the name of a long path is cut, so it is taken from the reference.
fn ours(text: &str, expected: &[Found]) -> Option<Vec<Found>> {
    let (valid, parsed) = parse(text.as_bytes());
    let inputs = parsed.inputs();
    let found = inputs.iter().enumerate().map(|(at, input)| {
        let name = input.name().into_owned();
        let value = input.value();
        let begins = text
            .as_bytes()
            .get(input.origin().range.start.wrapping_sub(1));
        let is_text = input.is_key() || begins == Some(&b'"');
        Found {
            name: match (name.strip_prefix("$…"), expected.get(at)) {
                (Some(end), Some(expected)) if expected.name.ends_with(end) => {
                    expected.name.clone()
                }
                _ => name,
            },
            is_key: input.is_key(),
            value: if is_text {
                Value::Text(value.to_vec())
            } else {
                let number = std::str::from_utf8(value).unwrap();
                Value::Number(number.parse().unwrap())
            },
        }
    });
    valid.then(|| found.collect())
}

/// A document as text, with every freedom that the format gives: blanks, escapes, repeated keys, spellings of numbers.
fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,12})(\\.[0-9]{1,4})?([eE][+-]?[0-9]{1,2})?",
        string(),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        let member = (string(), blank(), inner.clone())
            .prop_map(|(key, blank, value)| format!("{key}{blank}:{blank}{value}"));
        let join = |of: Vec<String>, blank: &str| of.join(&format!("{blank},{blank}"));
        prop_oneof![
            (proptest::collection::vec(inner, 0..6), blank())
                .prop_map(move |(of, blank)| format!("[{blank}{}{blank}]", join(of, &blank))),
            (proptest::collection::vec(member, 0..6), blank())
                .prop_map(move |(of, blank)| format!("{{{blank}{}{blank}}}", join(of, &blank))),
        ]
    })
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \t\r\n]{0,12}"]
}

/// A string; some are the same as others, so that keys are repeated.
fn string() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => "[a-zA-Z0-9 :,{}\\[\\]'/]",
        1 => "[^\\\\\"\u{0}-\u{1f}]",
        1 => "\\\\[\"\\\\/bfnrt]",
        1 => "\\\\u(00[0-9a-fA-F]{2}|[1-9a-c][0-9a-f]{3}|d83d\\\\ude[0-9a-f]{2})",
    ];
    prop_oneof![
        2 => Just("\"a\"".to_owned()),
        1 => Just("\"\\u0061\"".to_owned()),
        6 => proptest::collection::vec(character, 0..20).prop_map(|of| format!("\"{}\"", of.concat())),
    ]
}

proptest! {
    #[test]
    fn valid_documents_read_as_the_reference_reads_them(before in blank(), document in document(), behind in blank()) {
        let text = [before, document, behind].concat();
        let expected = expected(&text);
        prop_assert!(expected.is_some(), "{}", text);
        let expected = expected.unwrap_or_default();
        prop_assert_eq!(ours(&text, &expected), Some(expected), "{}", text);
    }

    /// What the reference takes, we take; so a document is never judged as less than it is.
    #[test]
    fn what_the_reference_takes_is_valid(text in "[\\[\\]{}\",:0-9eE.+\\-ntf \\\\ua]{0,24}") {
        if let Some(expected) = expected(&text) {
            prop_assert_eq!(ours(&text, &expected), Some(expected), "{}", text);
        }
    }

    /// The same, for texts that nearly are documents.
    #[test]
    fn what_is_left_when_a_byte_is_changed_is_read_alike(
        document in document(), at: proptest::sample::Index, by in "[\\[\\]{}\",:0-9eE.+\\-ntf \\\\ua/]?",
    ) {
        let characters: Vec<char> = document.chars().collect();
        let at = at.index(characters.len());
        let text: String = characters[..at].iter().collect::<String>() + &by + &characters[at + 1..].iter().collect::<String>();
        if let Some(expected) = expected(&text) {
            prop_assert_eq!(ours(&text, &expected), Some(expected), "{}", text);
        }
    }
}

#[test]
fn objects_of_many_keys_are_read_as_the_reference_reads_them() {
    for count in [31, 32, 33, 34, 500] {
        let members: Vec<String> = (0..count)
            .map(|at| format!("\"{}\":{{\"a\":{at}}}", at % 300))
            .collect();
        let text = format!("{{{}}}", members.join(","));
        let expected = expected(&text).unwrap();
        assert_eq!(expected.len(), 3 * count);
        assert_eq!(ours(&text, &expected), Some(expected));
        let (_, parsed) = parse(text.as_bytes());
        let repeats = parsed.values.ambiguities.len();
        assert_eq!(repeats, count.saturating_sub(300).min(100), "{count}");
    }
}
