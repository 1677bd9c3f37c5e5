//! What a configuration must not mean, though its structure is right: numbers out of range, addresses in each other's
//! way.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use super::settings::{Settings, VERSION};
use crate::config::{ByteSize, ConfigError, Document, Duration, Segment};
use crate::engine::BanConfig;
use crate::proxy::config::{Address, UpstreamConfig};

/// The longest target that the parser behind the gate takes.
const LONGEST_URI: ByteSize = ByteSize::kib(63);

/// The longest excerpt of a request: `events.queue` of them may wait in memory.
const LONGEST_EXCERPT: ByteSize = ByteSize::kib(64);

/// Every mistake of meaning outside the detections, which check their own sections. `earlier` are the mistakes of
/// structure: a section that has one is at its default, which must not be held against the others.
#[must_use]
pub fn mistakes(
    settings: &Settings,
    document: &Document,
    earlier: &[ConfigError],
) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    if settings.version != VERSION {
        let wrong = ConfigError::new(format!("version {} is unknown", settings.version));
        errors.push(wrong.help("write `version: 1`").under("version"));
    }
    let clients = settings.clients.mistakes();
    errors.extend(clients.into_iter().map(|error| error.under("clients")));
    let headers = settings.headers.mistakes();
    errors.extend(headers.into_iter().map(|error| error.under("headers")));
    let upstream = settings.upstream.mistakes();
    errors.extend(upstream.into_iter().map(|error| error.under("upstream")));
    let ban = settings.policy.ban.iter().flat_map(BanConfig::mistakes);
    errors.extend(ban.map(|error| error.under("ban").under("policy")));
    errors.extend(token(settings).map(|error| error.under("token").under("control")));
    routes(settings, &mut errors);
    numbers(settings, &mut errors);
    sizes(settings, &mut errors);
    times(settings, &mut errors);
    let unsure = earlier.iter().any(|error| {
        let section = error.path.first();
        ["listen", "control", "upstream"]
            .iter()
            .any(|name| section == Some(&Segment::Key((*name).into())))
    });
    if !unsure {
        addresses(settings, document, &mut errors);
        balancers(settings, &mut errors);
    }
    errors
}

fn routes(settings: &Settings, errors: &mut Vec<ConfigError>) {
    let mut taken = HashSet::new();
    for (index, route) in settings.routes.iter().enumerate() {
        let is_second = !taken.insert(route.config.place());
        let upstream = route.config.upstream.iter();
        let upstream = upstream.flat_map(UpstreamConfig::mistakes);
        let upstream = upstream.map(|error| error.under("upstream"));
        let wrong = route.config.mistakes(is_second).into_iter().chain(upstream);
        errors.extend(wrong.map(|error| error.item(index).under("routes")));
    }
}

/// The mistake of a token that is guessed.
fn token(settings: &Settings) -> Option<ConfigError> {
    let token = settings.control.token.as_ref()?.reveal();
    let is_good = token.len() >= 16 && token.bytes().all(|byte| byte.is_ascii_graphic());
    let wrong =
        ConfigError::new("this is no token: it takes 16 characters or more, without blanks");
    let help = "write `null` to have one made, or what `openssl rand -hex 16` prints";
    (!is_good).then(|| wrong.help(help))
}

fn numbers(settings: &Settings, errors: &mut Vec<ConfigError>) {
    let Settings {
        clients,
        limits,
        policy,
        events,
        ..
    } = settings;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let ranges = [
        (
            ["policy", "threshold"],
            u64::from(policy.threshold.0),
            1,
            u64::from(u32::MAX),
        ),
        (
            ["clients", "ipv6_prefix"],
            u64::from(clients.ipv6_prefix),
            1,
            128,
        ),
        (
            ["clients", "max_keys"],
            count(clients.max_keys),
            1024,
            100_000_000,
        ),
        (["limits", "headers"], count(limits.headers), 1, 1000),
        (
            ["limits", "decoded_ratio"],
            count(limits.decoded_ratio),
            1,
            u64::MAX,
        ),
        (
            ["limits", "connections"],
            count(limits.connections),
            1,
            10_000_000,
        ),
        (
            ["limits", "client_connections"],
            count(limits.client_connections),
            1,
            10_000_000,
        ),
        (
            ["limits", "connection_requests"],
            count(limits.connection_requests),
            1,
            u64::MAX,
        ),
        (["limits", "streams"], limits.streams.into(), 1, 10_000),
        (
            ["limits", "in_flight"],
            count(limits.in_flight),
            1,
            10_000_000,
        ),
        (
            ["limits", "websockets"],
            count(limits.websockets),
            0,
            10_000_000,
        ),
        (["events", "queue"], count(events.queue), 1, 10_000_000),
        (["events", "keep"], count(events.keep), 0, 10_000),
    ];
    for ([section, key], number, least, most) in ranges {
        if !(least..=most).contains(&number) {
            let wrong = ConfigError::new(format!("{number} is out of range"))
                .help(format!("write a number from {least} to {most}"));
            errors.push(wrong.under(key).under(section));
        }
    }
}

fn sizes(settings: &Settings, errors: &mut Vec<ConfigError>) {
    let Settings { limits, events, .. } = settings;
    let sizes = [
        (
            ["limits", "head"],
            limits.head,
            ByteSize::kib(8),
            ByteSize::mib(1),
        ),
        (
            ["limits", "uri"],
            limits.uri,
            ByteSize::bytes(256),
            LONGEST_URI,
        ),
        (
            ["limits", "body"],
            limits.body,
            ByteSize::bytes(1),
            ByteSize::mib(1024),
        ),
        (
            ["limits", "buffered"],
            limits.buffered,
            limits.body,
            ByteSize::bytes(u64::MAX),
        ),
        (
            ["limits", "held"],
            limits.held,
            ByteSize::bytes(1),
            ByteSize::bytes(u64::MAX),
        ),
        (
            ["limits", "upload"],
            limits.upload,
            ByteSize::bytes(1),
            ByteSize::bytes(u64::MAX),
        ),
    ];
    for ([section, key], size, least, most) in sizes {
        let wrong = if size < least {
            ConfigError::new(format!("{size} is too little"))
                .help(format!("write at least {least}"))
        } else if size > most {
            ConfigError::new(format!("{size} is too much")).help(format!("write at most {most}"))
        } else {
            continue;
        };
        errors.push(wrong.under(key).under(section));
    }
    if events.excerpt > LONGEST_EXCERPT {
        let wrong = ConfigError::new(format!("{} is too much", events.excerpt))
            .help(format!("write at most {LONGEST_EXCERPT}"));
        errors.push(wrong.under("excerpt").under("events"));
    }
    let rotate = events.rotate;
    if rotate > ByteSize::bytes(0) && rotate < ByteSize::kib(4) {
        let wrong = ConfigError::new(format!("{rotate} is too little"))
            .help("write at least 4KiB, or 0B for a file that is never rotated");
        errors.push(wrong.under("rotate").under("events"));
    }
}

fn times(settings: &Settings, errors: &mut Vec<ConfigError>) {
    let limits = &settings.limits;
    let spans = [
        (["limits", "header_time"], limits.header_time),
        (["limits", "body_time"], limits.body_time),
        (["limits", "write_time"], limits.write_time),
        (["limits", "idle_time"], limits.idle_time),
        (["limits", "stream_idle_time"], limits.stream_idle_time),
    ];
    for ([section, key], span) in spans {
        if span == Duration::milliseconds(0) {
            let wrong = ConfigError::new("a time of zero would let nothing pass")
                .help("write a span like `10s`");
            errors.push(wrong.under(key).under(section));
        }
    }
}

fn balancers(settings: &Settings, errors: &mut Vec<ConfigError>) {
    for (index, listen) in settings.listen.0.iter().enumerate() {
        if listen
            .proxy_protocol
            .as_ref()
            .is_some_and(|protocol| protocol.from.is_empty())
        {
            let wrong = ConfigError::new("nobody is listed who may send a PROXY protocol header")
                .help("list your load balancers, as in `from: [10.0.0.0/8]`, or leave `proxy_protocol` out");
            let wrong = wrong.under("from").under("proxy_protocol").item(index);
            errors.push(wrong.under("listen"));
        }
    }
}

fn addresses(settings: &Settings, document: &Document, errors: &mut Vec<ConfigError>) {
    let listen: Vec<SocketAddr> = settings
        .listen
        .0
        .iter()
        .filter_map(|at| at.address.ip())
        .collect();
    let in_list = document
        .section("listen")
        .is_some_and(|value| value.is_sequence());
    for (index, entry) in settings.listen.0.iter().enumerate() {
        let earlier = settings.listen.0.iter().take(index);
        let is_taken = earlier.map(|earlier| &earlier.address).any(|earlier| {
            earlier == &entry.address && entry.address.ip().is_none_or(|ip| ip.port() != 0)
                || matches!((earlier, &entry.address), (Address::Ip(a), Address::Ip(b)) if clash(*a, *b))
        });
        if is_taken {
            let wrong = ConfigError::new(format!("{} is already listened on", entry.address))
                .help("give each address once");
            let wrong = if in_list {
                wrong.under("address").item(index)
            } else {
                wrong
            };
            errors.push(wrong.under("listen"));
        }
    }
    let control = settings.control.listen;
    if let Some(control) = control
        && listen.iter().any(|address| clash(*address, control))
    {
        let wrong = ConfigError::new(format!(
            "{control} is the address of the traffic listener, too"
        ))
        .help("give the control listener a port of its own, as in `127.0.0.1:9090`");
        errors.push(wrong.under("listen").under("control"));
    }
    let as_map =
        |value: Option<&serde_yaml::Value>| value.is_some_and(serde_yaml::Value::is_mapping);
    let is_map = as_map(document.section("upstream"));
    let wrong = circles(&settings.upstream, is_map, &listen, control);
    errors.extend(wrong.into_iter().map(|error| error.under("upstream")));
    for (index, route) in settings.routes.iter().enumerate() {
        if let Some(upstream) = &route.config.upstream {
            let of_route = document
                .section("routes")
                .and_then(|routes| routes.get(index));
            let is_map = as_map(of_route.and_then(|route| route.get("upstream")));
            let wrong = circles(upstream, is_map, &listen, control).into_iter();
            let wrong = wrong.map(|error| error.under("upstream").item(index).under("routes"));
            errors.extend(wrong);
        }
    }
}

/// The servers of an upstream that are our own listeners.
fn circles(
    upstream: &UpstreamConfig,
    is_map: bool,
    listen: &[SocketAddr],
    control: Option<SocketAddr>,
) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (index, server) in upstream.servers.iter().enumerate() {
        let is_ours = |ours: SocketAddr| reaches(&server.url.host, server.url.port, ours);
        let (what, danger) = if listen.iter().any(|address| is_ours(*address)) {
            (
                "the address that portcullis listens on",
                "requests would go round in circles",
            )
        } else if control.is_some_and(is_ours) {
            (
                "the control listener",
                "everybody could reach it through the proxy",
            )
        } else {
            continue;
        };
        let wrong = ConfigError::new(format!("the upstream is {what}: {danger}"))
            .help("write the address of the application, as in `http://127.0.0.1:5000`");
        errors.push(if is_map {
            wrong.under("url").item(index).under("servers")
        } else {
            wrong
        });
    }
    errors
}

/// Whether two listeners get in each other's way. Port 0 is a different free port each time.
fn clash(a: SocketAddr, b: SocketAddr) -> bool {
    let overlap = a.ip() == b.ip()
        || (a.ip().is_unspecified() || b.ip().is_unspecified()) && a.is_ipv4() == b.is_ipv4();
    a.port() != 0 && a.port() == b.port() && overlap
}

/// Whether a connection to `host:port` would end at our own listener, as far as that can be known without asking DNS.
fn reaches(host: &str, port: u16, ours: SocketAddr) -> bool {
    if port == 0 || port != ours.port() {
        return false;
    }
    let ours = ours.ip().to_canonical();
    if host.eq_ignore_ascii_case("localhost") {
        return ours.is_loopback() || ours.is_unspecified();
    }
    host.parse::<IpAddr>().is_ok_and(|host| {
        let host = host.to_canonical();
        host == ours
            || ours.is_unspecified() && (host.is_loopback() || host.is_unspecified())
            || host.is_unspecified() && ours.is_loopback()
    })
}
