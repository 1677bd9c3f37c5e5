//! Services that tell their users who asks for a name: blind attacks are noticed by them.

use super::super::bytes::{find, is_word, rest};
use super::super::{Matches, Rule, Text};

pub(super) static OUT_OF_BAND: Rule = Rule {
    name: "out_of_band",
    score: 5,
    message: "A name belongs to a service that tells its user who asks for it, by which blind attacks are noticed.",
};

pub(super) static BIN: Rule = Rule {
    name: "request_bin",
    score: 3,
    message: "An address leads to a service that shows its user the requests that arrive, as developers and attackers use it.",
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

/// Adds names below those of services that tell who asks for them, wherever a value has one.
pub(super) fn add(text: &Text<'_>, matches: &mut Matches) {
    if text.is_document() {
        return;
    }
    for (name, is_used) in NOTICING {
        let mut at = 0;
        while let Some(found) = find(text.bytes, name, at) {
            at = found + name.len();
            let before = found.checked_sub(1).and_then(|at| text.bytes.get(at));
            let behind = rest(text.bytes, at).first();
            let ends = !behind.is_some_and(|byte| is_word(*byte) || *byte == b'-');
            let is_below = before == Some(&b'.');
            let is_whole = is_used && before == Some(&b'/');
            if ends && (is_below || is_whole) {
                let rule = if is_used { &BIN } else { &OUT_OF_BAND };
                return matches.add(rule, found..at);
            }
        }
    }
}
