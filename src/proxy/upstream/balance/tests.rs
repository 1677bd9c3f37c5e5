use std::collections::HashMap;
use std::time::Duration;

use super::*;
use crate::proxy::upstream::config::{BreakerConfig, HealthConfig};
use crate::proxy::upstream::server::Change;

fn upstream(balance: Balance, weights: &[u32]) -> Upstream {
    let servers: Vec<String> = weights
        .iter()
        .enumerate()
        .map(|(at, weight)| format!("{{ url: 'http://10.0.0.{at}:80', weight: {weight} }}"))
        .collect();
    let yaml = format!("{{ servers: [{}] }}", servers.join(", "));
    let mut config: UpstreamConfig = serde_yaml::from_str(&yaml).expect("a section");
    config.balance = balance;
    Upstream::plain(&config)
}

/// Who gets as many requests, by the last number of their addresses.
fn chosen(upstream: &Upstream, clients: impl Iterator<Item = u64>, now: Instant) -> Vec<String> {
    clients
        .map(|client| upstream.choose(client, &[], now).expect("one is well"))
        .map(|server| {
            server
                .url
                .host
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .collect()
}

#[test]
fn each_has_its_turns_by_its_weight_and_evenly() {
    let (now, even) = (clock::now(), upstream(Balance::RoundRobin, &[1, 1, 1]));
    assert_eq!(chosen(&even, 0..7, now).join(""), "0120120");
    let uneven = upstream(Balance::RoundRobin, &[5, 1, 1]);
    let turns = chosen(&uneven, 0..14, now).join("");
    assert_eq!(turns.matches('0').count(), 10);
    assert!(!turns.contains("00000"), "{turns}");
}

#[test]
fn who_has_least_for_its_weight_is_next() {
    let (now, upstream) = (clock::now(), upstream(Balance::LeastLoaded, &[1, 1, 2]));
    let mut held = Vec::new();
    let mut counts = HashMap::new();
    for _ in 0..40 {
        let server = upstream.choose(0, &[], now).expect("one is well");
        *counts.entry(server.url.host.clone()).or_insert(0) += 1;
        held.push(server.attempt(now));
    }
    assert_eq!(counts.get("10.0.0.0"), Some(&10));
    assert_eq!(counts.get("10.0.0.2"), Some(&20));
    // Those who have none take turns.
    held.clear();
    let turns = chosen(&upstream, 0..9, now);
    assert!(
        ["0", "1", "2"]
            .iter()
            .all(|name| turns.contains(&(*name).to_owned())),
        "{turns:?}"
    );
}

#[test]
fn a_client_keeps_its_server_and_a_server_that_goes_takes_only_its_own() {
    let (now, upstream) = (clock::now(), upstream(Balance::ClientHash, &[1, 1, 2]));
    let before = chosen(&upstream, 0..4000, now);
    assert_eq!(before, chosen(&upstream, 0..4000, now));
    let share = |name: &str| before.iter().filter(|chosen| *chosen == name).count();
    assert!((850..1150).contains(&share("0")), "{}", share("0"));
    assert!((1850..2150).contains(&share("2")), "{}", share("2"));
    let gone = upstream.servers().next().expect("three").id;
    for (client, before) in before.iter().enumerate() {
        let client = u64::try_from(client).expect("small");
        let server = upstream.choose(client, &[gone], now).expect("two are left");
        let after = server.url.host.rsplit('.').next();
        assert!(before == "0" || after == Some(before), "{client}");
        assert_ne!(after, Some("0"));
    }
}

#[test]
fn who_fails_in_a_row_is_out_for_a_time_and_then_tried() {
    let (now, upstream) = (clock::now(), upstream(Balance::RoundRobin, &[1, 1]));
    let breaker = BreakerConfig::default();
    let later = |seconds| now + Duration::from_secs(seconds);
    let bad = Arc::clone(upstream.servers().next().expect("two"));
    for n in 1..=6 {
        let change = bad.attempt(now).failed(&breaker, now);
        assert_eq!(change, (n == 5).then_some(Change::Out), "{n}");
    }
    assert_eq!(chosen(&upstream, 0..4, later(9)).join(""), "1111");
    // One request tries it; the others wait for what comes of that.
    assert!(bad.is_available(later(10)));
    let trying = bad.attempt(later(10));
    assert!(!bad.is_available(later(10)));
    assert_eq!(trying.failed(&breaker, later(10)), None);
    drop(trying);
    // Twice as long.
    assert!(!bad.is_available(later(29)));
    assert!(bad.is_available(later(30)));
    // Of one that came to nothing, nothing is known.
    drop(bad.attempt(later(30)));
    assert!(bad.is_available(later(30)));
    assert_eq!(bad.attempt(later(30)).succeeded(), Some(Change::Back));
    assert_eq!(bad.attempt(now).succeeded(), None);
    assert_eq!(chosen(&upstream, 0..4, later(30)).len(), 4);
    // A success ends the row.
    for _ in 0..4 {
        assert_eq!(bad.attempt(now).failed(&breaker, now), None);
    }
    bad.attempt(now).succeeded();
    assert_eq!(bad.attempt(now).failed(&breaker, now), None);
    assert_eq!(bad.in_flight(), 0);
}

#[test]
fn where_all_are_out_all_are_in() {
    let (now, upstream) = (clock::now(), upstream(Balance::RoundRobin, &[1, 1]));
    for server in upstream.servers() {
        for _ in 0..5 {
            server.attempt(now).failed(&BreakerConfig::default(), now);
        }
        assert!(!server.is_available(now));
    }
    let mut turns = chosen(&upstream, 0..2, now);
    turns.sort();
    assert_eq!(turns.join(""), "01");
    let all: Vec<u64> = upstream.servers().map(|server| server.id).collect();
    assert!(upstream.choose(0, &all, now).is_none());
}

#[test]
fn checks_find_a_server_ill_or_well_after_as_many_in_a_row() {
    let (now, health) = (clock::now(), HealthConfig::default());
    let upstream = upstream(Balance::RoundRobin, &[1, 1]);
    let server = upstream.servers().next().expect("two");
    let told: Vec<_> = [
        false, false, true, false, false, false, false, true, false, true, true,
    ]
    .into_iter()
    .map(|is_well| server.checked(is_well, &health))
    .collect();
    let mut expected = vec![None; 11];
    (expected[5], expected[10]) = (Some(Change::Out), Some(Change::Back));
    assert_eq!(told, expected);
    assert!(server.is_available(now));
}
