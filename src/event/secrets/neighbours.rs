//! Secrets that nothing but a value beside them names: `{"name": "password", "value": "hunter2"}`.

use std::collections::BTreeSet;

use super::named::{NAMING, VALUE, is_name};
use crate::request::{Inputs, Place, PlaceKind};

/// Which objects, elements or forms have a value that is the name of a secret.
#[derive(Debug, Default)]
pub struct Neighbours {
    around: BTreeSet<(PlaceKind, String)>,
}

/// As much of the name of an object as is compared, in bytes: of long names the beginning is cut off, and not of all that
/// lie in the same object at the same place.
const COMPARED: usize = 96;

impl Neighbours {
    /// Those among these values.
    #[must_use]
    pub fn among(inputs: Inputs<'_>) -> Self {
        let of_pairs = |kind| matches!(kind, PlaceKind::Query | PlaceKind::Body);
        // The name of what is in a list ends in its number, which names nothing.
        let names = inputs
            .iter()
            .filter(|input| of_pairs(input.kind()) && !input.is_key() && !input.is_element())
            .filter(|input| is_name(input.value()));
        let around = names.filter_map(|input| {
            let name = input.name();
            let (object, last) = split(&name);
            is_one_of(&NAMING, last).then(|| (input.kind(), end(object).to_owned()))
        });
        Self {
            around: around.collect(),
        }
    }

    /// Whether they name the value at `place` as a secret.
    #[must_use]
    pub fn name(&self, place: &Place<'_>) -> bool {
        if place.is_key || self.around.is_empty() {
            return false;
        }
        objects(&place.name)
            .any(|object| self.around.contains(&(place.kind, end(object).to_owned())))
    }
}

/// Whether a value at `place` is one that a neighbour may name.
pub(super) fn is_nameable(place: &Place<'_>) -> bool {
    !place.is_key && objects(&place.name).next().is_some()
}

/// The objects of which a name tells a value, or what lies within one: of `$.a.value[0].b` it is `$.a`. The text of an
/// element of XML is a value to the element's attributes.
fn objects(name: &str) -> impl Iterator<Item = &str> {
    let of_element = name.contains('/').then_some(name);
    let mut rest = name;
    let parts = std::iter::from_fn(move || {
        let (object, last) = (!rest.is_empty()).then(|| split(rest))?;
        rest = object;
        Some((object, last))
    });
    let objects = parts.filter_map(|(object, last)| is_one_of(&VALUE, last).then_some(object));
    of_element.into_iter().chain(objects)
}

/// A name without its last part, and that part: `$.a` and `b` of `$.a.b`, `a` and `b` of `a[b]`.
fn split(name: &str) -> (&str, &str) {
    let (name, joint) = match name.strip_suffix(']') {
        Some(name) => (name, name.rfind('[')),
        None => (name, name.rfind(['.', '/'])),
    };
    let (object, last) = joint
        .and_then(|joint| name.split_at_checked(joint))
        .unwrap_or(("", name));
    (object, last.trim_start_matches(['.', '/', '[', '@']))
}

fn is_one_of(words: &[&str], part: &str) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(part))
}

fn end(object: &str) -> &str {
    let cut = object.ceil_char_boundary(object.len().saturating_sub(COMPARED));
    object.get(cut..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::request::BodyView;

    /// The values of a body that their neighbours name.
    fn named(kind: &'static str, body: &str) -> Vec<String> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        let body = BodyView::new(&headers, body.as_bytes());
        let neighbours = Neighbours::among(body.inputs());
        let inputs = body.inputs().iter();
        let named = inputs.filter(|input| {
            let place = input.place();
            assert!(is_nameable(&place) || !neighbours.name(&place), "{place}");
            neighbours.name(&place)
        });
        named
            .map(|input| String::from_utf8_lossy(input.value()).into_owned())
            .collect()
    }

    #[test]
    fn a_value_is_named_by_its_neighbour() {
        let deep = format!("{}1{}", r#"{"abcdefgh":"#.repeat(30), "}".repeat(30));
        let deep = deep.replace('1', r#"{"value":"hunter2","name":"password"}"#);
        for (kind, body) in [
            (
                "application/json",
                r#"[{"name":"password","value":"hunter2"},{"name":"a","value":"b"}]"#,
            ),
            ("application/json", r#"{"value":"hunter2","Key":"X-Auth"}"#),
            (
                "application/json",
                r#"{"field":"New password","data":{"a":["hunter2"]}}"#,
            ),
            ("application/json", &deep),
            (
                "application/x-www-form-urlencoded",
                "name=ssn&value=hunter2",
            ),
            (
                "application/x-www-form-urlencoded",
                "f[0][name]=pin&f[0][value]=hunter2&f[1][name]=a&f[1][value]=b",
            ),
            (
                "application/xml",
                "<m><member><name>password</name><value><s>hunter2</s></value></member><member><name>a</name><value>b</value></member></m>",
            ),
            (
                "application/xml",
                "<m><f name='password'>hunter2</f><f name='a'>b</f></m>",
            ),
            (
                "application/xml",
                "<m><f name='a' value='b'/><f name='password' value='hunter2'/></m>",
            ),
        ] {
            assert_eq!(named(kind, body), ["hunter2"], "{body}");
        }
    }

    #[test]
    fn other_values_are_not() {
        for (kind, body) in [
            (
                "application/json",
                r#"[{"name":"Password manager","value":"19.99"}]"#,
            ),
            (
                "application/json",
                r#"[{"name":"password","size":"19"},{"value":"b"}]"#,
            ),
            ("application/json", r#"{"note":"password","value":"b"}"#),
            ("application/x-www-form-urlencoded", "name=shipping&value=b"),
            ("application/xml", "<m><f name='password'/><f>b</f></m>"),
        ] {
            assert_eq!(named(kind, body), [""; 0], "{body}");
        }
    }
}
