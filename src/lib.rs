//! portcullis: an inline security reverse proxy.

pub mod app;
pub mod cli;
pub mod clients;
pub mod config;
pub mod control;
pub mod detections;
pub mod engine;
pub mod event;
pub mod proxy;
pub mod request;

/// The whole program, with the detections of `registry`: command line in, exit code out.
///
/// A program with detections of its own is this one line with a registry of its own,
/// `portcullis::run(Registry::default().with::<Mine>())`; their names then work in `rules.yaml` and in every verb.
#[must_use]
pub fn run(registry: engine::Registry) -> std::process::ExitCode {
    cli::main(std::env::args_os(), registry)
}
