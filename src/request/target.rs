//! The request-target: the path, query keys and values, and the path that all its spellings share.

use super::body::graphql;
use super::collector::Collector;
use super::decode::Syntax;
use super::input::{PlaceKind, Source};
use super::pairs;
use super::values::Values;

pub use super::normalize::{Readings, normalize, readings};

/// Adds the path, and each query key and value.
///
/// The path is one value, not one for each segment: patterns are searched in it, and an attack such as `/../` spans
/// segments. A path that says nothing (`/`) is left out.
pub(super) fn inputs(target: &[u8], values: &mut Values) {
    let path_end = memchr::memchr(b'?', target).unwrap_or(target.len());
    let mut out = Collector::new(target, PlaceKind::Path, Source::Target, values);
    if path_end > 1 {
        out.value("", 0..path_end, Syntax::Path);
    }
    let mut out = Collector::new(target, PlaceKind::Query, Source::Target, values);
    let query = path_end.saturating_add(1)..target.len();
    pairs::inputs(query.clone(), &mut out);
    graphql::in_pairs(query, &mut out);
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use http::{HeaderMap, Method};

    use super::super::collector::MAX_VALUES;
    use crate::request::{ClientIdentity, RequestView};

    fn view<T>(target: &str, look: impl FnOnce(&RequestView<'_>) -> T) -> T {
        let headers = HeaderMap::new();
        let client = ClientIdentity::from_peer(Ipv4Addr::LOCALHOST.into());
        look(&RequestView::new(&Method::GET, target, &headers, &client))
    }

    fn values(target: &str) -> Vec<(String, String)> {
        view(target, |view| {
            view.inputs()
                .iter()
                .map(|input| {
                    let value = String::from_utf8_lossy(input.value()).into_owned();
                    (input.place().to_string(), value)
                })
                .collect()
        })
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
        let raw: Vec<_> = view(target, |view| {
            let raw = view.inputs().iter().map(|input| input.origin().range);
            raw.map(|range| target.get(range).unwrap()).collect()
        });
        assert_eq!(raw, ["/p", "na%6de", "va%6cue"]);
    }

    #[test]
    fn the_number_of_values_is_bounded_and_the_rest_is_judged_as_one() {
        let target = format!("/?{}", "a&".repeat(MAX_VALUES + 5));
        view(&target, |view| {
            assert_eq!(view.inputs().len(), MAX_VALUES + 1);
            assert_eq!(view.inputs().last().unwrap().value(), b"a&a&a&a&a&");
            assert_eq!(view.ambiguities()[0].kind, "too_many_values");
        });
    }
}
