//! What a configuration takes from outside its text: `${NAME}` from the environment, `${file:/path}` from a file.

use std::io::Read;
use std::path::Path;

/// The environment of the process, as far as a configuration may look at it. An argument, so that tests have their own.
pub trait Environment {
    /// A variable.
    ///
    /// # Errors
    /// Why there is none, to follow "`${NAME}` stands for nothing: ".
    fn variable(&self, name: &str) -> Result<String, String>;

    /// The text of a file.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn file(&self, path: &Path) -> Result<String, String>;
}

/// The real environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process;

impl Process {
    /// The largest file that is put into a configuration.
    const MAX_FILE: u64 = 1 << 20;
}

impl Environment for Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the edge at which the environment enters"
    )]
    fn variable(&self, name: &str) -> Result<String, String> {
        std::env::var(name).map_err(|error| match error {
            std::env::VarError::NotPresent => "the variable is not set".into(),
            std::env::VarError::NotUnicode(_) => "the variable is no UTF-8".into(),
        })
    }

    fn file(&self, path: &Path) -> Result<String, String> {
        let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
        let mut text = String::new();
        file.take(Self::MAX_FILE + 1)
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        if text.len() as u64 > Self::MAX_FILE {
            return Err("it is larger than 1MiB".into());
        }
        Ok(text)
    }
}
