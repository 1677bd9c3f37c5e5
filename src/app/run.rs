//! `portcullis run`: load, start, and follow signals until told to stop.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::load::{Source, load};
use super::sockets::{self, Handed};
use super::start::{Running, StartOptions, start_on};
use crate::config::environment::{Environment, Process};
use crate::config::load::Shared;
use crate::engine::Registry;

/// EX_CONFIG of sysexits.h: the configuration is wrong, and starting again will not help.
pub const EXIT_CONFIG: u8 = 78;

/// What `portcullis run` is told on its command line.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where the configuration comes from.
    pub config: Source,
    /// Whether nothing is refused by a detection, whatever the configuration says.
    pub monitor: bool,
}

/// The signals that are followed, from before the start to the end, so that none comes while nobody is listening.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    reopen: Signal,
    renew: Signal,
}

/// Runs until told to stop: SIGTERM or SIGINT drains and ends, the second one ends at once, SIGHUP reloads, SIGUSR1
/// opens the event log again, SIGUSR2 starts the program anew on the same sockets.
///
/// # Errors
/// When it cannot start.
pub fn run(options: RunOptions, registry: Registry) -> anyhow::Result<ExitCode> {
    start_logging();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // What comes while the configuration is loaded waits until it is in force, and ends nothing half done.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::follow()?
    };
    let shared = Arc::new(Shared::default());
    let loaded = match load(&options.config, &registry, &shared, &Process, 1) {
        Ok(loaded) => loaded,
        Err(report) => {
            let text = report.draw(std::io::stderr().is_terminal());
            std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes())?;
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    super::descriptors::raise(&loaded.settings.limits);
    let source = options.config.clone();
    let start_options = StartOptions {
        source,
        monitor: options.monitor,
        registry,
        shared,
    };
    let running = start_on(loaded, start_options, Handed::from_environment())?;
    for (address, scheme) in running.places() {
        tracing::info!(
            "Listening on {scheme}://{address}, forwarding to {}.",
            running.upstream()
        );
    }
    if let Some(address) = running.control_address() {
        tracing::info!("Health at http://{address}/readyz.");
    }
    sockets::end_the_one_before(&Process);
    runtime.block_on(signals.until_told_to_stop(&running));
    tracing::info!("Draining.");
    // The second signal must not wait for the drain, so it is followed on a thread of its own.
    std::thread::Builder::new()
        .name("portcullis-signals".into())
        .spawn(move || runtime.block_on(signals.exit_at_next()))?;
    running.stop();
    tracing::info!("Stopped.");
    Ok(ExitCode::SUCCESS)
}

impl Signals {
    /// Follows them from now on. Must be called on a runtime.
    fn follow() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            renew: signal(SignalKind::user_defined2())?,
        })
    }

    async fn until_told_to_stop(&mut self, running: &Running) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => running.reload_in_background(),
                _ = self.reopen.recv() => running.events().reopen(),
                _ = self.renew.recv() => renew(running),
            }
        }
    }

    async fn exit_at_next(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::warn!("Told to stop a second time: stopping without draining.");
        std::process::exit(1);
    }
}

/// Starts the program anew on the same sockets. If that comes to nothing, this one goes on.
fn renew(running: &Running) {
    let child = match running.hand_over() {
        Ok(child) => child,
        Err(error) => {
            tracing::error!(%error, "The program could not be started anew; this process goes on.");
            return;
        }
    };
    tracing::info!(process = child.id(), "Started anew on the same sockets.");
    let wait = move || {
        let mut child = child;
        // It serves for longer than this process lives, unless it failed.
        if let Ok(status) = child.wait() {
            tracing::error!(%status, "The program that was started anew has ended; this process goes on.");
        }
    };
    let waiting = std::thread::Builder::new().name("portcullis-renew".into());
    // Without the thread nobody is told of a failure, which changes nothing else.
    let _ = waiting.spawn(wait);
}

/// Diagnostics go to standard error, filtered by `PORTCULLIS_LOG` (as in `info` or `portcullis=debug`), as text or, with
/// `PORTCULLIS_LOG_FORMAT=json`, as JSON lines.
fn start_logging() {
    let asked = Process
        .variable("PORTCULLIS_LOG")
        .unwrap_or_else(|_| "info".into());
    let (filter, wrong) = match log_filter(&asked) {
        Ok(filter) => (filter, None),
        Err(wrong) => (EnvFilter::new("info"), Some(wrong)),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // An error means that somebody else takes the diagnostics already, which is fine.
    let _ = if Process
        .variable("PORTCULLIS_LOG_FORMAT")
        .is_ok_and(|format| format == "json")
    {
        builder.json().try_init()
    } else {
        builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init()
    };
    if let Some(wrong) = wrong {
        tracing::warn!("PORTCULLIS_LOG is not understood, and `info` holds: {wrong}.");
    }
    // What a panic says may quote a request. Where it happened says as much to whoever mends it; the event of a
    // detection that panicked has the text, with secrets masked.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(place, "A task panicked.");
    }));
}

/// The filter that `PORTCULLIS_LOG` asks for. A word that is no level would be the name of a module, and of one that we do
/// not have, so that nothing were told any more.
fn log_filter(asked: &str) -> Result<EnvFilter, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level));
    for directive in asked.split(',').map(str::trim) {
        let (target, level) = match directive.split_once('=') {
            Some((target, level)) => (target, level),
            None if directive.is_empty() || is_level(directive) => continue,
            None => (directive, "trace"),
        };
        // What stands in brackets or braces chooses spans; the filter's own parser knows those.
        let module = target.split(['[', ':']).next().unwrap_or_default();
        let is_known = directive.contains('=') || module == env!("CARGO_PKG_NAME");
        if !is_known || !is_level(level) {
            let word = if is_known { level } else { directive };
            let word = crate::event::secrets::printable(word.as_bytes(), 40);
            return Err(format!(
                "`{word}` is no level; the levels are {}, for all or as in `portcullis=debug`",
                LEVELS.join(", ")
            ));
        }
    }
    EnvFilter::try_new(asked).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_level_is_told() {
        for asked in [
            "info",
            "DEBUG",
            "",
            "portcullis=debug",
            "warn,portcullis::proxy=trace",
            "hyper=off",
            "portcullis",
        ] {
            log_filter(asked).expect(asked);
        }
        for (asked, word) in [
            ("lots", "lots"),
            ("portcullis=lots", "lots"),
            ("info,verbose", "verbose"),
            ("3", "3"),
        ] {
            let wrong = log_filter(asked).expect_err(asked);
            assert!(
                wrong.starts_with(&format!(
                    "`{word}` is no level; the levels are off, error, warn"
                )),
                "{wrong}"
            );
        }
    }
}
