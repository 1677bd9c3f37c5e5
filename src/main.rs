//! The `portcullis` program.

use std::process::ExitCode;

use portcullis::engine::Registry;

fn main() -> ExitCode {
    portcullis::run(Registry::default())
}
