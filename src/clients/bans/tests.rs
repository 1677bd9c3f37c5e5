//! Bans through [`Clients`], at times of the test's choosing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;

use super::super::{
    Ban, BanOrder, BanPolicy, BanSource, Cause, Changed, Clients, Facts, Offence, Served,
    client_text,
};
use crate::request::{ClientIdentity, Standing};

const MINUTE: Duration = Duration::from_secs(60);

#[expect(
    clippy::disallowed_methods,
    reason = "a test begins at some moment, and goes on from there by adding"
)]
fn start() -> (Clients, Instant) {
    let (clients, now) = (Clients::new(65_536, [3; 16]), Instant::now());
    clients.begin(now, "2026-01-01T00:00:00Z".parse().unwrap());
    (clients, now)
}

fn client(address: &str) -> ClientIdentity {
    ClientIdentity::from_peer(address.parse().unwrap())
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn policy(spans: &[Duration]) -> BanPolicy {
    BanPolicy {
        after: 3,
        within: 10 * MINUTE,
        spans: spans.to_vec(),
        forget: 60 * MINUTE,
        shared: 5,
        told: "10m".into(),
    }
}

fn order(span: Option<Duration>) -> BanOrder {
    let cause = Cause {
        source: BanSource::Operator,
        detection: None,
        reason: "a test".into(),
    };
    BanOrder {
        cause: Arc::new(cause),
        span,
    }
}

fn offend(
    clients: &Clients,
    client: &ClientIdentity,
    weight: u32,
    policy: &BanPolicy,
    now: Instant,
) {
    let detection: Arc<str> = "malicious_payload".into();
    let offence = Offence {
        weight,
        detection: &detection,
        rule: "some.rule",
    };
    clients.offend(client, &offence, policy, now);
}

fn left(clients: &Clients, client: &ClientIdentity, now: Instant) -> Option<Duration> {
    clients.banned(client, now)?.left
}

#[test]
fn the_third_offence_within_the_span_bans_and_an_old_one_does_not_count() {
    let (clients, now) = start();
    let (attacker, policy) = (client("192.0.2.7"), policy(&[15 * MINUTE]));
    offend(&clients, &attacker, 1, &policy, now);
    offend(&clients, &attacker, 1, &policy, now + 9 * MINUTE);
    offend(&clients, &attacker, 1, &policy, now + 11 * MINUTE);
    assert_eq!(
        left(&clients, &attacker, now + 11 * MINUTE),
        None,
        "the first is too old"
    );
    offend(&clients, &attacker, 1, &policy, now + 12 * MINUTE);
    let banned = clients.banned(&attacker, now + 13 * MINUTE).expect("a ban");
    assert_eq!(banned.left, Some(14 * MINUTE));
    assert_eq!(
        &*banned.cause.reason,
        "refused requests that weigh 3 within 10m, the last by malicious_payload (some.rule)"
    );
    assert_eq!(
        left(&clients, &client("192.0.2.8"), now + 13 * MINUTE),
        None
    );
    assert_eq!(left(&clients, &attacker, now + 27 * MINUTE), None, "over");
    offend(&clients, &attacker, 1, &policy, now + 27 * MINUTE);
    assert_eq!(
        left(&clients, &attacker, now + 27 * MINUTE),
        None,
        "it begins anew"
    );
}

#[test]
fn a_heavy_offence_counts_for_several() {
    let (clients, now) = start();
    let policy = policy(&[15 * MINUTE]);
    offend(&clients, &client("192.0.2.7"), 3, &policy, now);
    offend(&clients, &client("192.0.2.8"), 2, &policy, now);
    assert!(left(&clients, &client("192.0.2.7"), now).is_some());
    assert!(left(&clients, &client("192.0.2.8"), now).is_none());
}

#[test]
fn bans_in_a_row_are_longer_until_they_are_forgotten() {
    let (clients, mut now) = start();
    let attacker = client("192.0.2.7");
    let policy = policy(&[MINUTE, 5 * MINUTE, 20 * MINUTE]);
    for span in [1, 5, 20, 20] {
        offend(&clients, &attacker, 3, &policy, now);
        assert_eq!(left(&clients, &attacker, now), Some(span * MINUTE));
        now += span * MINUTE + MINUTE;
        assert_eq!(left(&clients, &attacker, now), None);
    }
    now += 61 * MINUTE;
    offend(&clients, &attacker, 3, &policy, now);
    assert_eq!(left(&clients, &attacker, now), Some(MINUTE), "forgotten");
}

/// Bug: of requests that were under way when their client was banned, each third made the ban longer.
#[test]
fn requests_under_way_at_a_ban_make_it_no_longer() {
    let (clients, now) = start();
    let (attacker, policy) = (client("192.0.2.7"), policy(&[MINUTE, 9 * MINUTE]));
    for _ in 0..100 {
        offend(&clients, &attacker, 1, &policy, now);
    }
    assert_eq!(left(&clients, &attacker, now), Some(MINUTE));
    assert_eq!(clients.bans(None, 1, now)[0].level, 1);
}

#[test]
fn a_ban_that_another_process_lifted_is_lifted_and_a_later_one_is_not() {
    let (clients, now) = start();
    for block in ["192.0.2.7/32", "198.51.100.0/24"] {
        let block = net(block);
        clients.ban_block(block, &order(None), now).unwrap();
        let since = clients.ban_of(block, now).expect("a ban").since;
        clients.lift_known_ban(block, since - jiff::SignedDuration::from_secs(1), now);
        assert!(
            clients.ban_of(block, now).is_some(),
            "{block}: lifted before it was made"
        );
        clients.lift_known_ban(block, since, now);
        assert!(clients.ban_of(block, now).is_none(), "{block}");
    }
}

#[test]
fn whom_nobody_may_ban_is_not_banned() {
    let (clients, now) = start();
    let policy = policy(&[MINUTE]);
    clients
        .ban_block(net("192.0.2.0/24"), &order(None), now)
        .unwrap();
    clients
        .ban_block(net("192.0.2.7/32"), &order(None), now)
        .unwrap();
    for standing in [Standing::Trusted, Standing::Proxy] {
        let mut spared = client("192.0.2.7");
        spared.standing = standing;
        offend(&clients, &spared, 9, &policy, now);
        clients.ban(&spared, &order(None), now);
        assert_eq!(clients.banned(&spared, now), None, "{standing:?}");
    }
    assert!(clients.banned(&client("192.0.2.7"), now).is_some());
    assert!(clients.banned(&client("192.0.2.8"), now).is_some());
}

#[test]
fn ipv6_clients_are_banned_by_network_and_operators_ban_what_they_name() {
    let (clients, now) = start();
    offend(
        &clients,
        &client("2001:db8:1:1::7"),
        3,
        &policy(&[MINUTE]),
        now,
    );
    assert!(clients.banned(&client("2001:db8:1:1::8"), now).is_some());
    assert!(clients.banned(&client("2001:db8:1:2::7"), now).is_none());
    clients
        .ban_block(net("2001:db8:2::1/128"), &order(Some(MINUTE)), now)
        .unwrap();
    clients
        .ban_block(net("198.51.100.0/24"), &order(Some(MINUTE)), now)
        .unwrap();
    let is_banned = |address, now| clients.banned(&client(address), now).is_some();
    assert!(is_banned("2001:db8:2::1", now) && !is_banned("2001:db8:2::2", now));
    assert!(is_banned("198.51.100.255", now) && !is_banned("198.51.101.0", now));
    assert!(!is_banned("198.51.100.255", now + MINUTE), "over");

    // Another prefix: what was banned by the old one stays banned.
    clients.configure(65_536, 56, now);
    assert!(is_banned("2001:db8:1:1::9", now) && !is_banned("2001:db8:1:2::7", now));
}

#[test]
fn a_shorter_ban_changes_nothing_and_a_lifted_one_is_forgotten_with_what_led_to_it() {
    let (clients, now) = start();
    let (attacker, policy) = (client("192.0.2.7"), policy(&[MINUTE, 9 * MINUTE]));
    offend(&clients, &attacker, 3, &policy, now);
    clients
        .ban_block(net("192.0.2.7/32"), &order(Some(5 * MINUTE)), now)
        .unwrap();
    let again = clients
        .ban_block(net("192.0.2.7/32"), &order(Some(2 * MINUTE)), now)
        .unwrap();
    assert_eq!(again, None);
    assert_eq!(left(&clients, &attacker, now), Some(5 * MINUTE));
    let (lifted, _) = clients.lift_ban(net("192.0.2.7/32"), now).expect("a ban");
    assert_eq!(lifted.hits, 1);
    assert_eq!(clients.banned(&attacker, now), None);
    assert!(clients.lift_ban(net("192.0.2.7/32"), now).is_none());
    offend(&clients, &attacker, 3, &policy, now);
    assert_eq!(
        left(&clients, &attacker, now),
        Some(MINUTE),
        "the first again"
    );
    assert!(
        clients.lift_ban(net("192.0.2.0/24"), now).is_none(),
        "another block"
    );
}

#[test]
fn an_address_that_many_share_is_banned_for_the_shortest_time_and_the_reason_says_so() {
    let (clients, mut now) = start();
    let (shared, alone) = (client("192.0.2.7"), client("192.0.2.8"));
    let policy = policy(&[MINUTE, 9 * MINUTE]);
    let served = |client: &ClientIdentity, agent: &str, is_success, now| {
        let served = Served {
            agent: agent.as_bytes(),
            forwarded: None,
            is_success,
        };
        clients.note_served(client, &served, now);
    };
    for agent in 0..20 {
        served(&shared, &format!("Browser/{agent}"), true, now);
        // One that tries out names finds nothing by them.
        served(&alone, &format!("Scanner/{agent}"), false, now);
    }
    for spans in [[1, 1], [1, 9]] {
        for (client, span) in [&shared, &alone].into_iter().zip(spans) {
            offend(&clients, client, 3, &policy, now);
            let banned = clients.banned(client, now).expect("a ban");
            assert_eq!(banned.left, Some(span * MINUTE));
            let says_so = banned.cause.reason.contains("more than 5 user agents");
            assert_eq!(
                says_so,
                client.address == shared.address,
                "{}",
                banned.cause.reason
            );
        }
        now += 10 * MINUTE;
    }
}

#[test]
fn a_proxy_that_nobody_named_is_not_banned_while_it_brings_everybody() {
    let (clients, now) = start();
    let (proxy, policy) = (client("10.0.0.1"), policy(&[MINUTE]));
    let pass = |client: &ClientIdentity, named: Option<&str>| {
        let served = Served {
            agent: b"Browser",
            forwarded: named.map(str::as_bytes),
            is_success: true,
        };
        clients.note_served(client, &served, now);
    };
    for of in 0..50 {
        pass(&proxy, Some(&format!("203.0.113.{of}")));
    }
    let _ = clients.journal().wait(Duration::ZERO);
    offend(&clients, &proxy, 3, &policy, now);
    clients.ban(&proxy, &order(Some(MINUTE)), now);
    assert_eq!(clients.banned(&proxy, now), None);
    let told = clients.journal().wait(Duration::ZERO);
    assert!(
        matches!(told.as_slice(), [change] if matches!(change.what, Changed::Spared { .. })),
        "{told:?}"
    );

    // It names many, but others come, too: a client that makes things up.
    (0..50).for_each(|_| pass(&client("192.0.2.1"), None));
    offend(&clients, &proxy, 3, &policy, now);
    assert!(clients.banned(&proxy, now).is_some());
    // It sends everything, but names one only: the operator's own machine.
    let (clients, now) = start();
    for _ in 0..50 {
        let served = Served {
            agent: b"Browser",
            forwarded: Some(b"203.0.113.1"),
            is_success: true,
        };
        clients.note_served(&proxy, &served, now);
    }
    offend(&clients, &proxy, 3, &policy, now);
    assert!(clients.banned(&proxy, now).is_some());
}

#[test]
fn what_was_stored_is_as_it_was_in_another_process() {
    let (clients, now) = start();
    let policy = policy(&[5 * MINUTE, 9 * MINUTE]);
    offend(&clients, &client("192.0.2.7"), 3, &policy, now);
    clients
        .ban_block(net("198.51.100.0/24"), &order(None), now)
        .unwrap();
    let stored = clients.bans(None, 10, now);
    assert_eq!(stored.len(), 2);

    let later = now + 2 * MINUTE;
    let other = Clients::new(65_536, [9; 16]);
    other.begin(later, "2026-01-01T00:02:00Z".parse().unwrap());
    for ban in stored.clone() {
        other.restore_ban(ban, 60 * MINUTE, later).unwrap();
    }
    assert_eq!(other.bans(None, 10, later), stored);
    assert_eq!(left(&other, &client("192.0.2.7"), later), Some(3 * MINUTE));
    assert!(other.banned(&client("198.51.100.1"), later).is_some());

    // One that is over is known by its level.
    let over = now + 8 * MINUTE;
    let third = Clients::new(65_536, [9; 16]);
    third.begin(over, "2026-01-01T00:08:00Z".parse().unwrap());
    for ban in stored {
        third.restore_ban(ban, 60 * MINUTE, over).unwrap();
    }
    assert_eq!(left(&third, &client("192.0.2.7"), over), None);
    offend(&third, &client("192.0.2.7"), 3, &policy, over);
    assert_eq!(left(&third, &client("192.0.2.7"), over), Some(9 * MINUTE));
}

#[test]
fn the_list_goes_page_by_page_in_order_and_shows_what_is_in_force() {
    let (clients, now) = start();
    for of in 0..30_u8 {
        let client = net(&format!("192.0.2.{of}/32"));
        clients
            .ban_block(client, &order(Some(MINUTE * (1 + u32::from(of % 2)))), now)
            .unwrap();
    }
    clients
        .ban_block(net("192.0.2.0/28"), &order(None), now)
        .unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page: Vec<Ban> = clients.bans(after, 4, now + MINUTE);
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        after = Some(last.client);
        seen.extend(page.into_iter().map(|ban| client_text(ban.client)));
    }
    assert_eq!(seen.len(), 16);
    assert_eq!(seen[0], "192.0.2.0/28");
    assert_eq!(seen[15], "192.0.2.29");
    assert_eq!(clients.active_bans(now + MINUTE), 16);
    clients.sweep_bans(now + 60 * MINUTE);
    assert_eq!(clients.active_bans(now + 60 * MINUTE), 1);
    assert_eq!(clients.statistics().bans.entries, 0);
}

#[test]
fn a_full_table_keeps_its_bans_and_counts_what_finds_no_place() {
    let (clients, now) = start();
    let mut full = 0;
    for of in 0..20_000_u32 {
        let client = IpNet::from(std::net::IpAddr::from(of.to_be_bytes()));
        full += u32::from(
            clients
                .ban_block(client, &order(Some(MINUTE)), now)
                .is_err(),
        );
    }
    let statistics = clients.statistics().bans;
    assert!(
        full > 10_000 && statistics.entries <= 65_536 / 8,
        "{full}, {statistics:?}"
    );
    assert_eq!(clients.active_bans(now), 20_000 - full as usize);
    // Those that are over make room.
    let later = now + 2 * MINUTE;
    let client = net("203.0.113.9/32");
    assert!(
        clients
            .ban_block(client, &order(Some(MINUTE)), later)
            .is_ok()
    );
}
