use super::*;
use crate::detections::fixtures::{
    Sent, detection, findings, judge, judge_canary, mistakes, policy,
};
use crate::engine::Outcome;

/// The rule and evidence that refuse a request with these agents.
fn refused(yaml: &str, agents: &[&str]) -> Option<String> {
    let policy = policy(detection::<UserAgent>(yaml));
    let headers: Vec<_> = std::iter::once(("accept", "*/*"))
        .chain(agents.iter().map(|agent| ("user-agent", *agent)))
        .collect();
    let evaluation = judge(
        &policy,
        &Sent {
            headers: &headers,
            ..Sent::default()
        },
    );
    let found = findings(&evaluation);
    assert_eq!(evaluation.outcome() == Outcome::Block, !found.is_empty());
    let finding = found.first()?;
    Some(format!("{}: {}", finding.rule, finding.evidence.text))
}

#[test]
fn attack_tools_are_refused_by_default() {
    let attacks = [
        "Arachni/v1.2.1",
        "sqlmap/1.7",
        "sqlmap/1.7#stable (https://sqlmap.org)",
        "Mozilla/5.00 (Nikto/2.1.6) (Evasions:None) (Test:Port Check)",
        "Mozilla/5.0 (compatible; Nmap Scripting Engine; https://nmap.org/book/nse.html)",
        "masscan/1.3 (https://github.com/robertdavidgraham/masscan)",
        "Mozilla/5.0 zgrab/0.x",
        "Fuzz Faster U Fool v2.1.0",
        "Nuclei - Open-source project (github.com/projectdiscovery/nuclei)",
        "Mozilla/5.0 (Hydra)",
        "Mozilla/5.0 SF/2.10b",
        "WPScan v3.8.22 (https://wpscan.com/wordpress-security-scanner)",
        "DirBuster-1.0-RC1 (http://www.owasp.org/index.php/Category:OWASP_DirBuster_Project)",
        "ZMEU",
    ];
    assert_eq!(attacks.len(), 14);
    for agent in attacks {
        assert!(refused("{}", &[agent]).is_some(), "{agent}");
    }
    for tool in ATTACK_TOOLS {
        assert!(refused("{}", &[tool]).is_some(), "{tool}");
        assert_eq!(tool, tool.to_ascii_lowercase(), "one spelling in the list");
    }
}

#[test]
fn ordinary_agents_are_not_refused_by_default() {
    let ordinary = [
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)",
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-requests/2.31.0",
        "Go-http-client/1.1",
        "okhttp/4.12.0",
        "Java/17.0.2",
        "PostmanRuntime/7.36.0",
        "UptimeRobot/2.0",
        "HydraMobile/3.2 (Android 14)",
        "Vegas-Guide/2.0",
    ];
    assert_eq!(ordinary.len(), 14);
    for agent in ordinary {
        assert_eq!(refused("{}", &[agent]), None, "{agent}");
    }
}

#[test]
fn each_of_several_agents_is_judged() {
    let found = refused("{}", &["curl/8.5.0", "x sqlmap/1.7"]);
    assert_eq!(found.as_deref(), Some("blocked: sqlmap"));
    // An allowed one does not speak for the others.
    let yaml = "allow: [curl]";
    assert!(refused(yaml, &["curl/8.5.0", "sqlmap/1.7"]).is_some());
}

#[test]
fn the_evidence_lies_where_the_finding_says() {
    let policy = policy(detection::<UserAgent>("{}"));
    let headers = [("accept", "*/*"), ("user-agent", "my Nikto/2")];
    let sent = Sent {
        headers: &headers,
        ..Sent::default()
    };
    let evaluation = judge(&policy, &sent);
    let found = findings(&evaluation);
    let origin = found
        .first()
        .and_then(|finding| finding.evidence.origin.clone());
    assert_eq!(
        origin,
        Some(Origin {
            source: Source::Header(1),
            range: 3..8
        })
    );
}

#[test]
fn a_missing_agent_is_what_the_configuration_says() {
    for agents in [&[][..], &[""], &[" \t "], &["curl/8.5.0", ""]] {
        assert_eq!(refused("{}", agents), None, "{agents:?}");
        assert_eq!(
            refused("missing: block", agents).as_deref(),
            Some("missing: no User-Agent"),
            "{agents:?}"
        );
    }
    assert_eq!(refused("missing: block", &["curl/8.5.0"]), None);
}

#[test]
fn own_lists_of_words_and_expressions_replace_the_shipped_one() {
    let yaml =
        r"{ block: [BadBot, '/^python-requests\/1\./', '/only'], allow: ['/(?i)^badbot-friend/'] }";
    assert!(refused(yaml, &["a badbot"]).is_some());
    assert!(refused(yaml, &["python-requests/1.2"]).is_some());
    assert!(refused(yaml, &["x/ONLY"]).is_some());
    for agent in [
        "python-requests/2.0",
        "Python-Requests/1.2",
        "sqlmap/1.7",
        "BadBot-Friend/1",
    ] {
        assert_eq!(refused(yaml, &[agent]), None, "{agent}");
    }
    assert_eq!(refused("block: []", &["sqlmap/1.7"]), None);
}

#[test]
fn the_canary_is_refused_as_configured() {
    for yaml in [
        "{}",
        "block: ['/x/', badbot]",
        "allow: [acunetix]",
        "{ block: [], missing: block }",
    ] {
        let detection: UserAgent = detection(yaml);
        let canary = detection.canary().expect(yaml);
        assert_eq!(
            judge_canary(&policy(detection), &canary),
            Outcome::Block,
            "{yaml}"
        );
    }
    for yaml in ["block: []", "{ block: [bot], allow: [bot] }"] {
        assert!(detection::<UserAgent>(yaml).canary().is_none(), "{yaml}");
    }
}

#[test]
fn mistakes_say_where_they_are() {
    let all = mistakes::<UserAgent>("{ block: [fine, '/(/', ''], allow: ['//', ' '] }");
    let paths: Vec<_> = all
        .iter()
        .filter_map(|text| text.split(": ").next())
        .collect();
    assert_eq!(paths, [".block[1]", ".block[2]", ".allow[0]", ".allow[1]"]);
    let wrong = mistakes::<UserAgent>("missing: maybe");
    assert!(
        wrong
            .iter()
            .any(|text| text.starts_with(".missing: unknown variant"))
    );
}
