//! The one place that prints.

use std::io::{ErrorKind, IsTerminal, Write};

/// Prints to standard output. A reader that has gone away (`portcullis rules list | head -1`) is no error.
///
/// # Errors
/// When the text cannot be written for another reason.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    write(&mut std::io::stdout().lock(), text)
}

/// Prints a value as JSON to standard output.
///
/// # Errors
/// When it cannot be written.
pub(super) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    Ok(print(&format!(
        "{}\n",
        serde_json::to_string_pretty(value)?
    ))?)
}

/// Tells the person at the terminal something that is not the answer. Nothing can be done where even that fails.
pub(super) fn note(text: &str) {
    drop(write(&mut std::io::stderr().lock(), &format!("{text}\n")));
}

/// Whether notes may be coloured.
pub(super) fn notes_have_colour(no_color: bool) -> bool {
    !no_color && std::io::stderr().is_terminal()
}

fn write(to: &mut impl Write, text: &str) -> std::io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
