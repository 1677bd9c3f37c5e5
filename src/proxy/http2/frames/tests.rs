use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A frame as bytes.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut bytes = vec![high, middle, low, kind, flags, 0, 0, 0, 1];
    bytes.extend_from_slice(payload);
    bytes
}

fn cost(frames: &[Vec<u8>]) -> u64 {
    let mut bytes = PREFACE.to_vec();
    bytes.extend(frames.iter().flatten());
    Scan::new().cost(&bytes)
}

#[test]
fn what_brings_something_costs_nothing_and_the_rest_something() {
    for (what, frames, expected) in [
        ("nothing", vec![], 0),
        ("a request", vec![frame(HEADERS, 5, b"fields")], 0),
        (
            "its body",
            vec![frame(DATA, 0, &[0; 100]), frame(DATA, 1, b"")],
            0,
        ),
        ("nothing of a body", vec![frame(DATA, 0, b"")], 50),
        ("hardly any", vec![frame(DATA, 0, b"x")], 1),
        ("a reset", vec![frame(RST_STREAM, 0, &[0; 4])], 50),
        ("PING", vec![frame(PING, 0, &[0; 8])], 10),
        ("SETTINGS", vec![frame(SETTINGS, 0, &[])], 500),
        (
            "a large window",
            vec![frame(WINDOW_UPDATE, 0, &[0, 1, 0, 0])],
            0,
        ),
        (
            "a small one",
            vec![frame(WINDOW_UPDATE, 0, &[0, 0, 0, 1])],
            5,
        ),
        // The first bit is reserved.
        (
            "a small one as well",
            vec![frame(WINDOW_UPDATE, 0, &[128, 0, 0, 1])],
            5,
        ),
        (
            "one that is none",
            vec![frame(WINDOW_UPDATE, 0, &[0; 3])],
            5,
        ),
        ("what nobody knows", vec![frame(99, 0, &[0; 99])], 10),
    ] {
        assert_eq!(cost(&frames), expected, "{what}");
    }
}

#[test]
fn the_budget_is_for_a_burst_and_comes_back() {
    let began = Instant::now();
    let mut budget = Budget {
        left: MOST,
        filled: began,
    };
    assert!(budget.spend(MOST, began));
    assert!(!budget.spend(1, began));
    let later = |milliseconds| began + Duration::from_millis(milliseconds);
    assert!(budget.spend(PER_SECOND, later(1000)));
    assert!(!budget.spend(10, later(1001)));
    assert!(budget.spend(MOST, later(60_000)));
    assert!(!budget.spend(MOST, later(60_001)));
}

proptest! {
    #[test]
    fn it_does_not_matter_how_a_stream_is_cut(
        frames in prop::collection::vec((0_u8..12, any::<u8>(), prop::collection::vec(any::<u8>(), 0..20)), 0..20),
        cuts in prop::collection::vec(1_usize..30, 1..20),
    ) {
        let frames: Vec<_> = frames.iter().map(|(kind, flags, payload)| frame(*kind, *flags, payload)).collect();
        let mut bytes = PREFACE.to_vec();
        bytes.extend(frames.iter().flatten());
        let mut scan = Scan::new();
        let (mut rest, mut total, mut cuts) = (&bytes[..], 0, cuts.iter().cycle());
        while !rest.is_empty() {
            let length = cuts.next().map_or(1, |cut| *cut).min(rest.len());
            let (piece, behind) = rest.split_at(length);
            total += scan.cost(piece);
            rest = behind;
        }
        prop_assert_eq!(total, cost(&frames));
    }
}
