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
/// The path is one value: patterns are searched in it, and an attack such as `/../` spans segments. A path that says nothing
/// (`/`) is left out. A segment that is written with more than letters is a value besides, since a framework hands it to the
/// application as one: what stands behind it in the path is nothing to what it says.
pub(super) fn inputs(target: &[u8], values: &mut Values) {
    let path_end = memchr::memchr(b'?', target).unwrap_or(target.len());
    let mut out = Collector::new(target, PlaceKind::Path, Source::Target, values);
    if path_end > 1 {
        out.value("", 0..path_end, Syntax::Path);
        segments(target.get(..path_end).unwrap_or_default(), &mut out);
    }
    let mut out = Collector::new(target, PlaceKind::Query, Source::Target, values);
    let query = path_end.saturating_add(1)..target.len();
    pairs::inputs(query.clone(), &mut out);
    graphql::in_pairs(query, &mut out);
}

/// How many segments are values of their own. All are part of the path.
const MAX_SEGMENTS: usize = 32;

/// Adds the segments of a path that has several, if they are written with signs that no name has.
fn segments(path: &[u8], out: &mut Collector<'_>) {
    let is_odd = |byte: &u8| {
        matches!(
            byte,
            b'%' | b'\''
                | b'"'
                | b'('
                | b')'
                | b';'
                | b'<'
                | b'>'
                | b'{'
                | b'}'
                | b'|'
                | b'&'
                | b'$'
                | b'`'
                | b' '
                | 0x80..
        )
    };
    if !path.iter().any(is_odd) {
        return;
    }
    let mut start = 0;
    let segments = path.split(|byte| *byte == b'/').map(|segment| {
        let range = start..start + segment.len();
        start = range.end + 1;
        (segment, range)
    });
    let odd = segments
        .filter(|(segment, range)| range.len() < path.len() - 1 && segment.iter().any(is_odd));
    for (_, range) in odd.take(MAX_SEGMENTS) {
        out.value("segment", range, Syntax::Path);
    }
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
    fn an_odd_segment_is_a_value_of_its_own() {
        expect(
            "/api/1%20or%201=1/x",
            &[("path", "/api/1 or 1=1/x"), ("path.segment", "1 or 1=1")],
        );
        expect("/a;b", &[("path", "/a;b")]);
        expect("/a.b/c-d_e/1,2", &[("path", "/a.b/c-d_e/1,2")]);
        let many = "/a%20b".repeat(100);
        assert_eq!(values(&many).len(), 33);
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
