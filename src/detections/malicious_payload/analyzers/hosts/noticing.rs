//! Services that tell their users who asks for a name: blind attacks are noticed by them.

use std::sync::LazyLock;

use super::super::bytes::{Texts, is_word};
use super::super::{Analyzer, Matches, Rule, Text};
use super::is_of_routing;

static OUT_OF_BAND: Rule = Rule {
    name: "out_of_band",
    score: 5,
    message: "A name belongs to a service that tells its user who asks for it, by which blind attacks are noticed.",
};

static BIN: Rule = Rule {
    name: "request_bin",
    score: 3,
    message: "An address leads to a service that shows its user the requests that arrive, as developers and attackers use it.",
};

pub(in super::super) static ANALYZER: Analyzer = Analyzer {
    class: "server_side_request_forgery",
    cwe: 918,
    gates: &[
        r"burpcollaborator|oastify|interact\.sh|oast\.(?:pro|live|site|online|fun|me)|dnslog\.|ceye\.io|bxss\.me|xss\.ht|requestrepo|webhook\.site|requestbin|pipedream\.net|interactsh|eyes\.sh",
    ],
    rules: &[&OUT_OF_BAND, &BIN],
    longest: usize::MAX,
    analyze,
};

/// Names below which every user of a service for noticing requests has some, and whether developers use it as well.
const NOTICING: [(&[u8], bool); 20] = [
    (b"burpcollaborator.net", false),
    (b"oastify.com", false),
    (b"interact.sh", false),
    (b"interactsh.com", false),
    (b"oast.pro", false),
    (b"oast.live", false),
    (b"oast.site", false),
    (b"oast.online", false),
    (b"oast.fun", false),
    (b"oast.me", false),
    (b"dnslog.cn", false),
    (b"dnslog.link", false),
    (b"ceye.io", false),
    (b"bxss.me", false),
    (b"xss.ht", false),
    (b"eyes.sh", false),
    (b"requestrepo.com", false),
    (b"webhook.site", true),
    (b"requestbin.net", true),
    (b"m.pipedream.net", true),
];

static NAMES: LazyLock<Texts> =
    LazyLock::new(|| Texts::new(NOTICING.iter().map(|(name, _)| *name)));

/// Adds names below those of services that tell who asks for them, wherever a value has one.
fn analyze(text: &Text<'_>, matches: &mut Matches) {
    if text.is_key || is_of_routing(text) {
        return;
    }
    let bytes = text.bytes;
    for (nth, range) in NAMES.find(bytes) {
        let Some((_, is_used)) = NOTICING.get(nth) else {
            continue;
        };
        let before = range.start.checked_sub(1).and_then(|at| bytes.get(at));
        let behind = bytes.get(range.end);
        let ends = !behind.is_some_and(|byte| is_word(*byte) || *byte == b'-');
        let is_below = before == Some(&b'.');
        let is_whole = *is_used && before == Some(&b'/');
        if ends && (is_below || is_whole) && !text.is_document() {
            let rule = if *is_used { &BIN } else { &OUT_OF_BAND };
            return matches.add(rule, range);
        }
    }
}
