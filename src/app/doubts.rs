//! What a configuration may mean, but hardly does: told as warnings, which stop nothing.

use super::settings::Settings;
use crate::config::{Cidr, ConfigError};
use crate::event::config::{EventLog, EventsConfig};
use crate::proxy::config::IdentityHeader;

/// Everything doubtful outside the detections, which tell of their own sections.
pub(super) fn doubts(settings: &Settings) -> Vec<ConfigError> {
    let mut doubts = Vec::new();
    listen(settings, &mut doubts);
    clients(settings, &mut doubts);
    events(settings, &mut doubts);
    doubts
}

fn listen(settings: &Settings, doubts: &mut Vec<ConfigError>) {
    for (at, listen) in settings.listen.0.iter().enumerate() {
        let from = listen
            .proxy_protocol
            .iter()
            .flat_map(|protocol| &protocol.from);
        for (index, block) in from.enumerate().filter(|(_, block)| block.is_everybody()) {
            let doubt = ConfigError::new(format!(
                "{block} is everybody: every client may say who it is"
            ));
            let doubt = doubt.item(index).under("from").under("proxy_protocol");
            doubts.push(doubt.item(at).under("listen"));
        }
    }
}

fn clients(settings: &Settings, doubts: &mut Vec<ConfigError>) {
    let clients = &settings.clients;
    let mut everybody = |key: &'static str, blocks: &[Cidr], meaning: &str| {
        for (index, block) in blocks.iter().enumerate() {
            if block.is_everybody() {
                let doubt = ConfigError::new(format!("{block} is everybody: {meaning}"));
                doubts.push(doubt.item(index).under(key).under("clients"));
            }
        }
    };
    everybody("trusted", &clients.trusted, "nobody is judged");
    everybody(
        "trusted_proxies",
        &clients.trusted_proxies,
        "every client may say who it is, and who says nothing is never counted",
    );
    for (at, host) in clients.hosts.iter().enumerate() {
        let proxies = host.trusted_proxies.as_ref();
        let is_anybody =
            proxies.is_some_and(|blocks| blocks.iter().any(|block| block.is_everybody()));
        let is_nobody = proxies.unwrap_or(&clients.trusted_proxies).is_empty();
        let doubt = match (is_anybody, is_nobody) {
            (true, _) => "everybody is believed: every client of this host may say who it is",
            (_, true) => "without `trusted_proxies` no forwarding header is believed",
            _ => continue,
        };
        doubts.push(
            ConfigError::new(doubt)
                .item(at)
                .under("hosts")
                .under("clients"),
        );
    }
    let identity = match (&clients.identity, clients.trusted_proxies.is_empty()) {
        (IdentityHeader::Forwarded | IdentityHeader::Header(_), true) => {
            "without `trusted_proxies` no forwarding header is believed"
        }
        (IdentityHeader::Peer, false) => {
            "all clients of a trusted proxy are that proxy, which is never counted"
        }
        _ => return,
    };
    let doubt = ConfigError::new(identity);
    doubts.push(doubt.under("identity").under("clients"));
}

fn events(settings: &Settings, doubts: &mut Vec<ConfigError>) {
    let events = &settings.events;
    if events.access_log && events.log == EventLog::None {
        let doubt =
            ConfigError::new("the access log is written where `log` says, and that is nowhere");
        doubts.push(doubt.under("access_log").under("events"));
    }
    if matches!(events.log, EventLog::File(_)) {
        return;
    }
    // At its default a key says nothing: the manual and `--print-effective` have them all.
    let default = EventsConfig::default();
    for (key, differs) in [
        ("rotate", events.rotate != default.rotate),
        ("keep", events.keep != default.keep),
    ] {
        if differs {
            let doubt = ConfigError::new("only a file is rotated, and `log` names none");
            doubts.push(doubt.under(key).under("events"));
        }
    }
}
