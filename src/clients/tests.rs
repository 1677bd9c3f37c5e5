//! What [`Clients`] promises through [`Facts`], at times of the test's choosing.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{BanPolicy, Clients, Facts, Key, Offence, Quota, Served, Window};
use crate::request::ClientIdentity;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

#[expect(
    clippy::disallowed_methods,
    reason = "a test begins at some moment, and goes on from there by adding"
)]
fn start() -> Instant {
    Instant::now()
}

fn quota(limit: u32, per: Duration, burst: u32) -> Quota {
    let at_least_one = |n: u32| NonZeroU32::new(n).expect("not zero");
    Quota {
        limit: at_least_one(limit),
        per,
        burst: at_least_one(burst),
    }
}

/// How many of `n` requests pass at once.
fn burst(clients: &Clients, key: Key, quota: Quota, n: u32, now: Instant) -> u32 {
    (0..n)
        .map(|_| u32::from(clients.take(key, quota, now).allowed))
        .sum()
}

#[test]
fn keys_depend_on_space_value_and_seed() {
    let clients = Clients::scratch();
    let key = clients.key("ab", b"c");
    assert_eq!(key, clients.key("ab", b"c"));
    assert_ne!(key, clients.key("a", b"bc"));
    assert_ne!(key, clients.key("ab", b"d"));
    assert_ne!(key, Clients::new(64, [1; 16]).key("ab", b"c"));
}

#[test]
fn exactly_the_burst_passes_round_after_round_also_where_the_interval_is_no_whole_number() {
    let clients = Clients::scratch();
    let mut now = start();
    for limit in [1_u32, 5, 7, 600, 999] {
        let key = clients.key("limit", &limit.to_be_bytes());
        for _ in 0..4 {
            assert_eq!(
                burst(&clients, key, quota(limit, MINUTE, limit), limit + 20, now),
                limit
            );
            now += MINUTE;
        }
    }
}

#[test]
fn remaining_retry_after_and_reset_count_down_and_a_refusal_takes_nothing() {
    let clients = Clients::scratch();
    let (key, quota, now) = (clients.key("limit", b""), quota(3, MINUTE, 3), start());
    for remaining in [2, 1, 0] {
        let taken = clients.take(key, quota, now);
        assert!(taken.allowed);
        assert_eq!(taken.remaining, remaining);
        assert_eq!(taken.retry_after, Duration::ZERO);
        assert_eq!(taken.reset, 20 * SECOND * (3 - remaining));
    }
    for _ in 0..100 {
        let taken = clients.take(key, quota, now + 5 * SECOND);
        assert!(!taken.allowed);
        assert_eq!((taken.remaining, taken.retry_after), (0, 15 * SECOND));
        assert_eq!(taken.reset, 55 * SECOND);
    }
    assert!(clients.take(key, quota, now + 20 * SECOND).allowed);
    assert!(!clients.take(key, quota, now + 20 * SECOND).allowed);
}

#[test]
fn fifty_threads_get_exactly_the_burst() {
    let clients = Clients::scratch();
    let (key, quota, now) = (clients.key("limit", b""), quota(77, MINUTE, 77), start());
    let passed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                passed.fetch_add(burst(&clients, key, quota, 20, now), Ordering::Relaxed);
            });
        }
    });
    assert_eq!(passed.into_inner(), 77);
}

#[test]
fn a_changed_quota_keeps_what_was_taken_in_cells() {
    let clients = Clients::scratch();
    let now = start();
    let (old, new) = (quota(60, MINUTE, 60), quota(120, MINUTE, 120));
    let key = clients.key("limit", b"raised");
    assert_eq!(burst(&clients, key, old, 30, now), 30);
    assert_eq!(
        burst(&clients, key, new, 200, now),
        90,
        "30 of the 120 are gone"
    );

    let key = clients.key("limit", b"back");
    assert_eq!(burst(&clients, key, old, 30, now), 30);
    assert!(clients.take(key, new, now).allowed);
    assert_eq!(
        burst(&clients, key, old, 100, now),
        29,
        "30 and 1 of the 60 are gone"
    );
}

#[test]
fn a_stricter_quota_makes_nobody_wait_for_more_than_one_cell() {
    let clients = Clients::scratch();
    let (key, now) = (clients.key("limit", b""), start());
    assert_eq!(
        burst(&clients, key, quota(600, MINUTE, 600), 1000, now),
        600
    );
    let strict = quota(5, MINUTE, 5);
    let taken = clients.take(key, strict, now);
    assert_eq!((taken.allowed, taken.retry_after), (false, 12 * SECOND));
    assert!(clients.take(key, strict, now + 12 * SECOND).allowed);
    assert_eq!(burst(&clients, key, strict, 20, now + 72 * SECOND), 5);
}

#[test]
fn time_that_goes_backwards_and_absurd_quotas_are_survived() {
    let clients = Clients::scratch();
    let (key, quota_of_5, now) = (
        clients.key("limit", b""),
        quota(5, MINUTE, 5),
        start() + MINUTE,
    );
    assert_eq!(burst(&clients, key, quota_of_5, 3, now), 3);
    let before = now - 30 * SECOND;
    assert!(burst(&clients, key, quota_of_5, 9, before) <= 2);
    clients.hold(key, MINUTE, now);
    assert!(clients.held(key, before).is_some());
    let window = Window {
        within: MINUTE,
        limit: 9,
    };
    assert_eq!(clients.note_distinct(key, 1, 1, window, now), 1);
    assert_eq!(clients.note_distinct(key, 2, 1, window, before), 2);

    for (at, (limit, per, burst_size)) in [
        (u32::MAX, Duration::from_nanos(1), u32::MAX),
        (1, Duration::MAX, u32::MAX),
        (1, Duration::MAX, 1),
        (u32::MAX, Duration::MAX, 1),
        (1, Duration::ZERO, 1),
    ]
    .into_iter()
    .enumerate()
    {
        let absurd = quota(limit, per, burst_size);
        for other in [absurd, quota_of_5, absurd] {
            let key = clients.key("absurd", &at.to_be_bytes());
            let _ = clients.take(key, other, now);
            let _ = clients.take(key, other, now + Duration::from_secs(1 << 33));
        }
    }
}

#[test]
fn distinct_items_count_once_slide_out_and_are_renewed() {
    let clients = Clients::scratch();
    let (key, now) = (clients.key("seen", b""), start());
    let window = Window {
        within: MINUTE,
        limit: 20,
    };
    let note =
        |item, weight, at: u32| clients.note_distinct(key, item, weight, window, now + SECOND * at);
    for _ in 0..50 {
        assert_eq!(note(1, 2, 0), 2);
    }
    assert_eq!(note(2, 1, 10), 3);
    assert_eq!(note(2, 4, 20), 6, "an item weighs what it weighed most");
    assert_eq!(note(2, 1, 25), 6);
    assert_eq!(note(1, 2, 30), 6, "renewed");
    assert_eq!(note(3, 1, 70), 7, "both are still there");
    assert_eq!(
        note(3, 1, 86),
        3,
        "item 2 left 60 seconds after it was last seen"
    );
    assert_eq!(note(4, 1, 90), 2, "item 1 left as well");
}

#[test]
fn a_window_remembers_the_latest_items_and_no_more_than_it_must() {
    let clients = Clients::scratch();
    let (key, now) = (clients.key("seen", b""), start());
    let window = Window {
        within: MINUTE,
        limit: 20,
    };
    for item in 0..10_000 {
        let weight = clients.note_distinct(key, item, 1, window, now + SECOND);
        assert_eq!(weight, u32::try_from(item + 1).expect("small").min(21));
    }
    let later = now + SECOND * 60;
    assert_eq!(
        clients.note_distinct(key, 9_999, 1, window, later),
        21,
        "the latest is known"
    );
    assert_eq!(clients.note_distinct(key, 7, 1, window, later), 21);

    let unbounded = Window {
        within: MINUTE,
        limit: u32::MAX,
    };
    let key = clients.key("seen", b"unbounded");
    let most = (0..6_000).map(|item| clients.note_distinct(key, item, 1, unbounded, now));
    assert_eq!(most.max(), Some(4096));
}

#[test]
fn a_hold_lasts_as_long_as_its_longest_and_outlives_any_flood() {
    let clients = Clients::new(1_000, [7; 16]);
    let (key, now) = (clients.key("held", b""), start());
    assert_eq!(clients.held(key, now), None);
    clients.hold(key, MINUTE, now);
    clients.hold(key, SECOND, now);
    assert_eq!(clients.held(key, now), Some(MINUTE));
    for other in 0_u32..5_000 {
        let other = clients.key("held", &other.to_be_bytes());
        clients.hold(other, SECOND, now);
        let _ = clients.take(other, quota(5, MINUTE, 5), now);
    }
    assert_eq!(clients.held(key, now + 59 * SECOND), Some(SECOND));
    assert_eq!(clients.held(key, now + MINUTE), None);
    let statistics = clients.statistics();
    assert!(statistics.holds.entries <= statistics.holds.capacity);
    assert!(statistics.holds.refusals > 0 && statistics.rates.evictions > 0);

    let later = now + 2 * MINUTE;
    let fresh = clients.key("held", b"fresh");
    clients.hold(fresh, MINUTE, later);
    assert!(
        clients.held(fresh, later).is_some(),
        "what has ended makes room"
    );
}

#[test]
fn a_client_that_used_much_is_not_forgotten_in_a_flood_of_new_ones() {
    let clients = Clients::new(2_000, [7; 16]);
    let (client, quota, now) = (
        clients.key("limit", b"client"),
        quota(600, MINUTE, 600),
        start(),
    );
    assert_eq!(burst(&clients, client, quota, 600, now), 600);
    for other in 0_u32..10_000 {
        let other = clients.key("limit", &other.to_be_bytes());
        assert!(clients.take(other, quota, now).allowed);
    }
    assert!(!clients.take(client, quota, now).allowed);
    assert!(clients.statistics().rates.entries <= 2_000);
}

/// 1,000,000 keys in a table for as many, and five times as many after them.
#[test]
#[ignore = "soak"]
fn soak_a_million_rates_fit() {
    let clients = Clients::new(Clients::DEFAULT_MAX_KEYS, [7; 16]);
    let (quota, now) = (quota(600, MINUTE, 600), start());
    for million in 1..=6_u32 {
        for client in 0..1_000_000 {
            let key = clients.key("limit", &(million * 1_000_000 + client).to_be_bytes());
            let _ = clients.take(key, quota, now);
        }
        let mebibytes = clients.bytes()[0] >> 20;
        let statistics = clients.statistics().rates;
        assert!(
            mebibytes < 128,
            "{mebibytes} MiB after {million} million keys, {statistics:?}"
        );
        assert!(statistics.entries <= 1_000_000 && statistics.entries > 950_000);
    }
}

/// A million clients that do all that the default chain remembers: each takes from a limit, tries out more paths than
/// `enumeration` allows, by answers that weigh least, comes with several agents, and is banned. Then as many again.
#[test]
#[ignore = "soak"]
fn soak_a_million_clients_fit_whatever_they_do() {
    let clients = Clients::new(Clients::DEFAULT_MAX_KEYS, [7; 16]);
    let (quota, now) = (quota(600, MINUTE, 600), start());
    let window = Window {
        within: MINUTE,
        limit: 80,
    };
    let mut before = 0;
    for million in 0..2_u32 {
        for number in 0..1_000_000_u32 {
            let address = (million * 1_000_000 + number).to_be_bytes();
            do_everything(
                &clients,
                &ClientIdentity::from_peer(address.into()),
                quota,
                window,
                now,
            );
        }
        let bytes = clients.bytes();
        let mebibytes = bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
        let names = ["rates", "windows", "holds", "bans", "conduct", "agents"];
        for (name, mebibytes) in names.iter().zip(mebibytes) {
            println!("{name} {mebibytes:.1} MiB");
        }
        let all: usize = bytes.iter().sum();
        println!(
            "in all {:.1} MiB: {:.0} bytes a client",
            all as f64 / f64::from(1 << 20),
            all as f64 / 1e6
        );
        assert!(all < 128 << 20, "{mebibytes:?} MiB");
        assert!(million == 0 || all <= before + (1 << 20), "it grows");
        before = all;
    }
}

fn do_everything(
    clients: &Clients,
    client: &ClientIdentity,
    quota: Quota,
    window: Window,
    now: Instant,
) {
    let key = |space| {
        clients
            .client_key(space, client)
            .expect("a client to be counted")
    };
    let _ = clients.take(key("limit"), quota, now);
    for path in 0..100 {
        clients.note_distinct(key("enumeration"), path, 1, window, now);
    }
    clients.hold(key("enumeration/monitor"), MINUTE, now);
    for agent in [b"one", b"two"] {
        let served = Served {
            agent,
            forwarded: None,
            is_success: true,
        };
        clients.note_served(client, &served, now);
    }
    let policy = BanPolicy {
        after: 3,
        within: MINUTE,
        spans: vec![MINUTE],
        forget: MINUTE,
        shared: 20,
        told: "1m".into(),
    };
    let detection: Arc<str> = "malicious_payload".into();
    let offence = Offence {
        weight: 1,
        detection: &detection,
        rule: "sql_injection.union_behind_value",
    };
    // Three ban, and two more wait for a third.
    for _ in 0..5 {
        clients.offend(client, &offence, &policy, now);
    }
    let _ = clients.journal().wait(Duration::ZERO);
}

proptest! {
    /// A slow but obvious limiter: it counts in cells instead of times, and knows of no table.
    #[test]
    fn any_schedule_is_decided_like_by_the_model(
        limit in 1..50_u32,
        burst_size in 1..50_u32,
        seconds in 1..120_u64,
        gaps in prop::collection::vec(0..3_000_000_u64, 1..400),
    ) {
        let clients = Clients::scratch();
        let quota = quota(limit, Duration::from_secs(seconds), burst_size);
        let key = clients.key("limit", b"");
        let interval = seconds * 1_000_000_000 / u64::from(limit);
        let began = start();
        // What is left of the bucket, in nanoseconds' worth of cells.
        let mut left = u64::from(burst_size) * interval;
        let (mut elapsed, mut passed) = (0_u64, 0_u64);
        for gap in gaps {
            // Gaps in microseconds: from nothing up to three seconds.
            elapsed += gap * 1_000;
            left = (left + gap * 1_000).min(u64::from(burst_size) * interval);
            let taken = clients.take(key, quota, began + Duration::from_nanos(elapsed));
            prop_assert_eq!(taken.allowed, left >= interval);
            if taken.allowed {
                left -= interval;
                passed += 1;
                prop_assert_eq!(u64::from(taken.remaining), left / interval);
            } else {
                prop_assert_eq!(taken.retry_after, Duration::from_nanos(interval - left));
            }
            prop_assert!(passed <= u64::from(burst_size) + elapsed / interval);
        }
    }
}
