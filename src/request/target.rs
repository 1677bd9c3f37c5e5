//! The request-target: the path, query keys and values, and the path that all its spellings share.

use super::decode::{self, Syntax};
use super::input::{Parsed, Place, PlaceKind, Source};
use super::pairs;

pub use super::normalize::{Readings, normalize, readings};

/// Adds the path, and each query key and value.
///
/// The path is one value, not one for each segment: patterns are searched in it, and an attack such as `/../` spans
/// segments. A path that says nothing (`/`) is left out.
pub(super) fn inputs<'a>(target: &'a str, parsed: &mut Parsed<'a>) {
    let raw = target.as_bytes();
    let path_end = memchr::memchr(b'?', raw).unwrap_or(raw.len());
    if path_end > 1 {
        let place = Place::value(PlaceKind::Path, "");
        let path = decode::input(place, Source::Target, raw, 0..path_end, Syntax::Path);
        parsed.inputs.push(path);
    }
    let query = path_end.saturating_add(1)..raw.len();
    pairs::inputs(PlaceKind::Query, Source::Target, raw, query, parsed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(target: &str) -> Vec<(String, String)> {
        let mut parsed = Parsed::default();
        inputs(target, &mut parsed);
        parsed
            .inputs
            .iter()
            .map(|input| {
                let value = String::from_utf8_lossy(input.value()).into_owned();
                (input.place.to_string(), value)
            })
            .collect()
    }

    fn expect(target: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(place, value)| (place.to_string(), value.to_string()))
            .collect();
        assert_eq!(values(target), expected, "{target}");
    }

    #[test]
    fn a_target_is_its_path_and_its_pairs() {
        expect("/", &[]);
        expect("/a%20b+c", &[("path", "/a b+c")]);
        expect("/?", &[]);
        expect(
            "/?a=1&b=2%26+3&a=4",
            &[
                ("query.a (name)", "a"),
                ("query.a", "1"),
                ("query.b (name)", "b"),
                ("query.b", "2& 3"),
                ("query.a (name)", "a"),
                ("query.a", "4"),
            ],
        );
        expect(
            "/?x&&=v&k=&%61=b=c",
            &[
                ("query.x (name)", "x"),
                ("query", "v"),
                ("query.k (name)", "k"),
                ("query.a (name)", "a"),
                ("query.a", "b=c"),
            ],
        );
        expect("/?a?b", &[("query.a?b (name)", "a?b")]);
    }

    #[test]
    fn values_point_to_their_raw_bytes() {
        let target = "/p?na%6de=va%6cue";
        let mut parsed = Parsed::default();
        inputs(target, &mut parsed);
        let raw: Vec<_> = parsed
            .inputs
            .iter()
            .map(|input| target.get(input.origin.range.clone()).unwrap())
            .collect();
        assert_eq!(raw, ["/p", "na%6de", "va%6cue"]);
    }

    #[test]
    fn the_number_of_values_is_bounded_and_the_rest_is_judged_as_one() {
        let target = format!("/?{}", "a&".repeat(pairs::MAX_VALUES + 5));
        let mut parsed = Parsed::default();
        inputs(&target, &mut parsed);
        assert_eq!(parsed.inputs.len(), pairs::MAX_VALUES + 1);
        assert_eq!(parsed.inputs.last().unwrap().value(), b"a&a&a&a&a&");
        assert_eq!(parsed.ambiguities[0].kind, "too_many_values");
    }
}
