//! What a configuration may mean, but hardly does: told as warnings, which stop nothing.

use std::path::Path;

use rustix::fs::{Access, access};

use super::settings::Settings;
use crate::config::{Cidr, ConfigError, Duration};
use crate::event::config::{EventLog, EventsConfig};
use crate::proxy::config::IdentityHeader;

/// Everything doubtful outside the detections, which tell of their own sections. Relative paths start from `base`.
pub(super) fn doubts(settings: &Settings, base: &Path) -> Vec<ConfigError> {
    let mut doubts = Vec::new();
    listen(settings, &mut doubts);
    clients(settings, &mut doubts);
    limits(settings, &mut doubts);
    events(settings, &mut doubts);
    doubts.extend(log(&settings.events, base));
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

/// The least rate is asked for over each such span of waiting, so a short one leaves no time to catch up: what was meant
/// as a shorter wait is a higher rate for whoever sends in bursts.
fn limits(settings: &Settings, doubts: &mut Vec<ConfigError>) {
    const SHORT: Duration = Duration::seconds(5);
    let limits = &settings.limits;
    for (key, span) in [
        ("body_time", limits.body_time),
        ("write_time", limits.write_time),
    ] {
        if span < SHORT && span > Duration::seconds(0) {
            let doubt = ConfigError::new(format!(
                "{span} is short: whoever pauses for as long is cut off, and `body_rate` is asked for over each such span"
            ));
            doubts.push(doubt.under(key).under("limits"));
        }
    }
}

/// Whether the event log could be opened, without opening it: `check` must leave nothing behind.
fn log(events: &EventsConfig, base: &Path) -> Option<ConfigError> {
    let EventLog::File(path) = &events.log else {
        return None;
    };
    let path = base.join(path);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let may_write = |path: &Path| access(path, Access::WRITE_OK);
    let why = if path.is_dir() {
        "it is a folder".into()
    } else if path.exists() {
        may_write(&path).err()?.to_string()
    } else if !folder.is_dir() {
        format!("there is no folder `{}`", folder.display())
    } else {
        may_write(folder).err()?.to_string()
    };
    let doubt = ConfigError::new(format!("the event log cannot be written: {why}"));
    Some(doubt.under("log").under("events"))
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
