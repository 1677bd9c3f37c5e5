//! The `portcullis` program.
use portcullis::app::run::{RunOptions, run};
fn main() -> std::process::ExitCode {
    let config = std::env::args()
        .nth(1)
        .map_or(portcullis::app::Source::Embedded, |p| {
            portcullis::app::Source::File(p.into())
        });
    run(
        RunOptions {
            config,
            monitor: false,
        },
        portcullis::engine::Registry::default(),
    )
    .unwrap()
}
