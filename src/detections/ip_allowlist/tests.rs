use super::*;
use crate::config::load::Shared;
use crate::detections::fixtures::{
    self, Sent, detection, findings, judge, judge_canary, mistakes, policy,
};
use crate::engine::{Outcome, Policy};

fn from(policy: &Arc<Policy>, client: &str) -> (Outcome, String) {
    let sent = Sent {
        client,
        ..Sent::default()
    };
    let evaluation = judge(policy, &sent);
    let said = findings(&evaluation)
        .iter()
        .map(|finding| format!("{}: {}", finding.rule, finding.evidence.text))
        .collect();
    (evaluation.outcome(), said)
}

#[test]
fn without_lists_everybody_is_admitted() {
    let detection: IpAllowlist = detection("{}");
    assert!(detection.canary().is_none());
    let policy = policy(detection);
    for client in ["192.0.2.1", "2001:db8::1", "127.0.0.1"] {
        assert_eq!(from(&policy, client), (Outcome::Pass, String::new()));
    }
}

#[test]
fn who_is_not_in_allow_is_refused_in_both_families() {
    let detection: IpAllowlist = detection("allow: [192.168.0.1, 127.0.0.0/8, '::1/128']");
    let canary = detection.canary().expect("something is refused");
    let policy = policy(detection);
    assert_eq!(judge_canary(&policy, &canary), Outcome::Block);
    for client in ["192.168.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(
            from(&policy, client),
            (Outcome::Pass, String::new()),
            "{client}"
        );
    }
    for client in ["192.168.0.2", "128.0.0.0", "::2", "::ffff:192.168.0.2"] {
        let (outcome, said) = from(&policy, client);
        assert_eq!(outcome, Outcome::Block, "{client}");
        assert!(said.starts_with("not_allowed: "), "{said}");
        assert!(said.ends_with("is in none of 3 allowed blocks"), "{said}");
    }
}

#[test]
fn deny_wins_over_allow_and_names_the_block() {
    let detection: IpAllowlist =
        detection("{ allow: [192.0.2.0/24], deny: [192.0.2.64/26, '2001:db8::/32'] }");
    let canary = detection.canary().expect("something is refused");
    let policy = policy(detection);
    assert_eq!(judge_canary(&policy, &canary), Outcome::Block);
    assert_eq!(from(&policy, "192.0.2.1").0, Outcome::Pass);
    assert_eq!(
        from(&policy, "192.0.2.70"),
        (
            Outcome::Block,
            "denied: 192.0.2.70 is in 192.0.2.64/26".into()
        )
    );
    assert_eq!(
        from(&policy, "2001:db8:1::1").1,
        "denied: 2001:db8:1::1 is in 2001:db8::/32"
    );
}

#[test]
fn bad_lines_of_files_are_reported_by_number_and_skipped() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    write(
        "deny.txt",
        "# a list\n192.0.2.0/24 ; a comment\n\nnonsense\n 198.51.100.7 # one\n300.0.0.0/8\n",
    );
    write("allow.txt", "192.0.2.7\n203.0.113.0/24\n198.51.100.0/24");
    let yaml = "files: [deny.txt, { path: allow.txt, as: allow }]";
    let shared = Shared::default();
    let (first, warnings) =
        fixtures::load::<IpAllowlist>(yaml, folder.path(), &shared).expect("loads");
    assert_eq!(
        warnings,
        [
            "deny.txt:4: `nonsense` is no address block; the line is skipped",
            "deny.txt:6: `300.0.0.0/8` is no address block; the line is skipped",
        ]
    );
    // A second policy takes over the compiled lists, and still warns.
    let (second, again) =
        fixtures::load::<IpAllowlist>(yaml, folder.path(), &shared).expect("loads");
    assert!(Arc::ptr_eq(&first.deny, &second.deny));
    assert_eq!(again, warnings);

    let policy = policy(first);
    for (client, outcome) in [
        ("203.0.113.9", Outcome::Pass),
        ("198.51.100.8", Outcome::Pass),
        ("198.51.100.7", Outcome::Block),
        ("192.0.2.7", Outcome::Block),
        ("8.8.8.8", Outcome::Block),
    ] {
        assert_eq!(from(&policy, client).0, outcome, "{client}");
    }
}

#[test]
fn an_allow_file_without_a_good_line_admits_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("list"), "# nothing\n").expect("written");
    let yaml = "files: [{ path: list, as: allow }]";
    let (detection, _) =
        fixtures::load::<IpAllowlist>(yaml, folder.path(), &Shared::default()).expect("loads");
    assert_eq!(from(&policy(detection), "192.0.2.1").0, Outcome::Block);
}

#[test]
fn thousands_of_bad_lines_are_summed_up() {
    let (mut blocks, mut warnings) = (Vec::new(), Vec::new());
    parse("f", &"x\n".repeat(5000), &mut blocks, &mut warnings);
    assert_eq!(warnings.len(), SHOWN_BAD_LINES + 1);
    assert_eq!(
        warnings.last().map(String::as_str),
        Some("f: 4980 more lines are no address blocks")
    );
}

#[test]
fn mistakes_say_where_they_are() {
    for (yaml, expected) in [
        ("allow: [192.0.2.0/33]", ".allow[0]: "),
        ("deny: [192.0.2.1, here]", ".deny[1]: "),
        ("files: [/does/not/exist]", ".files[0].path: cannot read"),
        (
            "files: [{ path: x, as: block }]",
            ".files[0].as: unknown variant `block`",
        ),
        (
            "files: [{ file: x }]",
            ".files[0].file: unknown field `file`",
        ),
        (
            "files: [[]]",
            ".files[0]: invalid type: sequence, expected a path, or",
        ),
        ("alow: []", ".alow: unknown field"),
    ] {
        let mistakes = mistakes::<IpAllowlist>(yaml);
        let first = mistakes.first().expect("a mistake");
        assert!(first.starts_with(expected), "{yaml}: {mistakes:?}");
    }
}
