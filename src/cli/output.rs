//! The one place that prints, and that says in which colours.

use std::io::{ErrorKind, IsTerminal, Write};

use clap::ValueEnum;

use crate::config::Environment;

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What a piece of text is to its reader. Colours come from the eight that every terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// The head of a section.
    Title,
    /// Refused, or an attack.
    Bad,
    /// Passed.
    Good,
    /// What one should know.
    Odd,
    /// A name: of a place, a rule.
    Name,
    /// Beside the point.
    Aside,
}

/// Text with colours, or without.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    is_on: bool,
}

impl Color {
    /// How results are painted.
    pub(super) fn of_results(self, environment: &dyn Environment) -> Paint {
        Paint {
            is_on: self.is_on(std::io::stdout().is_terminal(), environment),
        }
    }

    /// Whether notes may be coloured.
    pub(super) fn of_notes(self, environment: &dyn Environment) -> bool {
        self.is_on(std::io::stderr().is_terminal(), environment)
    }

    fn is_on(self, is_terminal: bool, environment: &dyn Environment) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => {
                let no_color = environment.variable("NO_COLOR");
                is_terminal && no_color.map_or(true, |set| set.is_empty())
            }
        }
    }
}

impl Paint {
    /// Paint for texts that go to no terminal.
    #[cfg(test)]
    pub(super) const fn none() -> Self {
        Self { is_on: false }
    }

    /// `text` in the colour of its role. `text` must not come from an outsider unescaped.
    pub(super) fn of(self, role: Role, text: &str) -> String {
        let code = match role {
            Role::Title => "1",
            Role::Bad => "1;31",
            Role::Good => "1;32",
            Role::Odd => "33",
            Role::Name => "36",
            Role::Aside => "2",
        };
        if self.is_on && !text.is_empty() {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

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

fn write(to: &mut impl Write, text: &str) -> std::io::Result<()> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// An environment in which `NO_COLOR` is so.
    struct NoColor(Option<&'static str>);

    impl Environment for NoColor {
        fn variable(&self, _: &str) -> Result<String, String> {
            self.0.map(Into::into).ok_or_else(|| "it is not set".into())
        }

        fn file(&self, _: &Path) -> Result<String, String> {
            Err("there is none".into())
        }
    }

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        use Color::{Always, Auto, Never};
        for (color, is_terminal, no_color, expected) in [
            (Auto, true, None, true),
            (Auto, true, Some(""), true),
            (Auto, true, Some("1"), false),
            (Auto, false, None, false),
            (Always, false, Some("1"), true),
            (Never, true, None, false),
        ] {
            let is_on = color.is_on(is_terminal, &NoColor(no_color));
            assert_eq!(is_on, expected, "{color:?} {is_terminal} {no_color:?}");
        }
        let paint = Paint { is_on: true };
        assert_eq!(paint.of(Role::Bad, "x"), "\u{1b}[1;31mx\u{1b}[0m");
        assert_eq!(paint.of(Role::Bad, ""), "");
        assert_eq!(Paint::none().of(Role::Bad, "x"), "x");
    }
}
