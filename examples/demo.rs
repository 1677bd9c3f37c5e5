//! Five minutes with portcullis: an application, the proxy before it with the shipped `rules.yaml`, lines to paste into
//! another terminal, and the events as they happen.
//!
//! ```text
//! cargo run --release --example demo                   # proxy on 127.0.0.1:8080, application on 127.0.0.1:5000
//! cargo run --release --example demo -- PROXY [UPSTREAM]
//! ```
//!
//! Three things are added to `rules.yaml`, so that each detection can be seen at work: a limit of 5 requests a minute on
//! `/api/limited`, 127.0.0.2 among the addresses that are refused, and 127.0.0.4 as a proxy that may forward for a client: only
//! an address that nobody has (203.0.113.9) is banned here, so that nobody locks himself out.

#![expect(clippy::print_stdout, reason = "it shows what happens")]

#[path = "support/print_event.rs"]
mod print_event;
#[path = "support/upstream.rs"]
mod upstream;

use std::io::IsTerminal;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use portcullis::app::{Running, Settings, Source, StartOptions, compile, load, start};
use portcullis::config::environment::Process;
use portcullis::config::load::{Load, Shared};
use portcullis::engine::Registry;
use portcullis::event::config::EventLog;
use portcullis::proxy::config::{Address, ListenAddress, ServerUrl};
use serde_yaml::Value;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut address = |default: &str| -> anyhow::Result<SocketAddr> {
        let text = arguments.next().unwrap_or_else(|| default.into());
        text.parse()
            .with_context(|| format!("`{text}` is no address; write it as in `{default}`"))
    };
    let proxy = address("127.0.0.1:8080")?;
    let application = start_upstream(address("127.0.0.1:5000")?)?;
    let state = tempfile::tempdir()?;
    let running = start_proxy(proxy, application, state.path())?;
    // The first event of interest comes after the first request, so nothing is missed.
    let mut events = running.events().subscribe(1024);
    print_tour(&running, state.path())?;
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let interrupt = tokio::signal::ctrl_c();
        tokio::pin!(interrupt);
        loop {
            tokio::select! {
                _ = &mut interrupt => break,
                event = events.recv() => match event {
                    Some(event) => println!("{}", print_event::line(&event, colour)),
                    None => break,
                },
            }
        }
    });
    println!("Stopping.");
    running.stop();
    Ok(())
}

/// Starts the application on a thread of its own, and says where it listens.
fn start_upstream(address: SocketAddr) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("the application cannot listen on {address}"))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("application".into())
        .spawn(move || {
            runtime.block_on(async {
                upstream::serve(tokio::net::TcpListener::from_std(listener)?).await;
                Ok::<_, std::io::Error>(())
            })
        })?;
    Ok(address)
}

/// Starts the proxy with the shipped configuration and what this demo adds to it.
fn start_proxy(
    listen: SocketAddr,
    application: SocketAddr,
    state: &Path,
) -> anyhow::Result<Running> {
    let registry = Registry::default();
    let shared = Arc::new(Shared::default());
    let source = Source::Embedded;
    let mut loaded = load(&source, &registry, &shared, &Process, 1)
        .map_err(|report| anyhow!("{}", report.draw(false)))?;
    let host = application.ip().to_string();
    loaded.forward_to(ServerUrl::plain(&host, application.port()));
    let settings = &mut loaded.settings;
    settings.listen.0 = vec![ListenAddress::at(Address::Ip(listen))];
    if listen.port() != 8080 {
        // A second demo beside the first.
        settings.control.listen = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    }
    settings.state.directory = Some(state.display().to_string());
    settings.clients.trusted_proxies =
        vec!["127.0.0.4".parse().map_err(|error| anyhow!("{error}"))?];
    // They are shown here instead.
    settings.events.log = EventLog::None;
    let limit = "{ name: demo, key: client, path: /api/limited, limit: 5, per: 1m }";
    add(settings, &registry, "rate_limit", "limits", limit)?;
    add(settings, &registry, "ip_allowlist", "deny", "127.0.0.2")?;
    let mut again = Load::new(&loaded.base, &shared);
    let revision = loaded.compiled.policy.revision;
    loaded.compiled.policy = compile::policy(settings, &registry, &mut again, revision)
        .map_err(|errors| anyhow!("{errors:?}"))?;
    let options = StartOptions {
        source,
        monitor: false,
        registry,
        shared,
    };
    Ok(start(loaded, options)?)
}

/// Adds an item to a list in a detection's section, after those that are there already or by default.
fn add(
    settings: &mut Settings,
    registry: &Registry,
    detection: &str,
    list: &str,
    item: &str,
) -> anyhow::Result<()> {
    let section = settings
        .detections
        .iter_mut()
        .find(|section| section.name == detection);
    let (Some(section), Some(entry)) = (section, registry.find(detection)) else {
        return Ok(());
    };
    if section.own.is_null() {
        section.own = Value::Mapping(serde_yaml::Mapping::new());
    }
    let default = (entry.default_config)();
    let own = section.own.as_mapping_mut().context("a section is a map")?;
    own.entry(list.into())
        .or_insert_with(|| default.get(list).cloned().unwrap_or_default())
        .as_sequence_mut()
        .with_context(|| format!("`{detection}.{list}` is a list"))?
        .push(serde_yaml::from_str(item)?);
    Ok(())
}

/// What to paste into another terminal: one request that passes, and one for each detection that does not.
fn print_tour(running: &Running, state: &Path) -> anyhow::Result<()> {
    let address = running.addresses().first().context("it listens")?;
    println!(
        "The proxy listens on http://{address}. Paste these into another terminal; Ctrl-C ends.\n"
    );
    let lines = [
        ("passes", "curl -i http://AT/api/endpoint"),
        // A client that is named by a proxy: 203.0.113.0/24 is for documentation (RFC 5737), and nobody's.
        (
            "ban",
            "curl -s -o /dev/null -H \"Authorization: Bearer $(cat STATE/control.token)\" \
             -d '{\"client\": \"203.0.113.9\", \"for\": \"1m\"}' http://CONTROL/api/v1/bans; \
             curl -i --interface 127.0.0.4 -H 'X-Forwarded-For: 203.0.113.9' http://AT/api/endpoint",
        ),
        (
            "ip_allowlist",
            "curl -i --interface 127.0.0.2 http://AT/api/endpoint",
        ),
        ("user_agent", "curl -i -A sqlmap/1.8 http://AT/api/endpoint"),
        (
            "rate_limit",
            "for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code}\\n' http://AT/api/limited; done",
        ),
        (
            "malicious_payload",
            "curl -i --get --data-urlencode \"q=' UNION SELECT password FROM users--\" http://AT/api/endpoint",
        ),
        // Under an address of its own, since whoever guesses paths is held for minutes.
        (
            "enumeration",
            "for i in $(seq 25); do curl -s -o /dev/null -w '%{http_code} ' --interface 127.0.0.3 http://AT/guess-$i; done; echo",
        ),
    ];
    let control = running.control_address().map(|control| control.to_string());
    let state = state.display().to_string();
    for (what, line) in lines {
        let line = line
            .replace("AT/", &format!("{address}/"))
            .replace("CONTROL", control.as_deref().unwrap_or_default())
            .replace("STATE/", &format!("{state}/"));
        println!("# {what}\n{line}\n");
    }
    if let Some(control) = running.control_address() {
        println!("# health\ncurl -s http://{control}/readyz\n");
    }
    Ok(())
}
